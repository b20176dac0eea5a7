/** The organisations of a testnet. All are invented. */

export interface Hospital {
  name: string
  /** ISO 3166-1 alpha-2. */
  jurisdiction: string
}

/** In the order in which a testnet takes them: the first four lie on four continents. */
const HOSPITALS: readonly Hospital[] = [
  { name: 'Kisumu Lakeside Hospital', jurisdiction: 'KE' },
  { name: 'Klinikum Spreebogen', jurisdiction: 'DE' },
  { name: 'Hospital Rio das Flores', jurisdiction: 'BR' },
  { name: 'Pune Riverside Hospital', jurisdiction: 'IN' },
  { name: 'Osaka Minato Hospital', jurisdiction: 'JP' },
  { name: 'Hospital San Telmo del Sur', jurisdiction: 'AR' },
  { name: 'Accra Harbour Clinic', jurisdiction: 'GH' },
  { name: 'Hôpital du Vieux-Port', jurisdiction: 'FR' },
  { name: 'Halifax North Shore Hospital', jurisdiction: 'CA' },
  { name: 'Cebu Bayside Medical Centre', jurisdiction: 'PH' },
  { name: 'Hospital Mirador de Quito', jurisdiction: 'EC' },
  { name: 'Wellington Harbour Hospital', jurisdiction: 'NZ' },
  { name: 'Szpital Nad Wisłą', jurisdiction: 'PL' },
  { name: 'Alexandria Corniche Hospital', jurisdiction: 'EG' },
  { name: 'Bergen Fjord Hospital', jurisdiction: 'NO' },
  { name: 'Durban Bluff Hospital', jurisdiction: 'ZA' },
]

/** The organisation at a position; after the last the names begin again, with a number. */
export function hospitalAt(index: number): Hospital {
  const { name, jurisdiction } = HOSPITALS[index % HOSPITALS.length]!
  const turn = Math.floor(index / HOSPITALS.length) + 1
  return { name: turn === 1 ? name : `${name} ${turn}`, jurisdiction }
}
