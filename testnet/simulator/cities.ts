/** One-way delays between cities, for networks that span the world. */

/** Latitude and longitude in degrees. */
const CITIES = {
  Nairobi: [-1.3, 36.8],
  Berlin: [52.5, 13.4],
  'São Paulo': [-23.6, -46.6],
  Pune: [18.5, 73.9],
  Boston: [42.4, -71.1],
  Tokyo: [35.7, 139.7],
  Sydney: [-33.9, 151.2],
  Johannesburg: [-26.2, 28.0],
  London: [51.5, -0.1],
  Singapore: [1.35, 103.8],
  Lima: [-12.0, -77.0],
  Reykjavik: [64.1, -21.9],
} as const satisfies Readonly<Record<string, readonly [number, number]>>

export type City = keyof typeof CITIES
export const CITY_NAMES = Object.keys(CITIES) as readonly City[]

const EARTH_KM = 6371
/** Light in fibre, km per ms. */
const FIBRE_KM_PER_MS = 200
/** Cables are longer than great circles by about this much, and routers cost something. */
const DETOUR = 1.5
const ROUTERS_MS = 2

/** One-way delay between two cities in whole ms: great circle, fibre and a usual detour. Within a city, 1 ms. */
export function oneWayMs(from: City, to: City): number {
  if (from === to) return 1
  const [aLatitude, aLongitude] = CITIES[from].map(radians) as [number, number]
  const [bLatitude, bLongitude] = CITIES[to].map(radians) as [number, number]
  const h =
    Math.sin((bLatitude - aLatitude) / 2) ** 2 + Math.cos(aLatitude) * Math.cos(bLatitude) * Math.sin((bLongitude - aLongitude) / 2) ** 2
  const km = 2 * EARTH_KM * Math.asin(Math.sqrt(h))
  return Math.round((km / FIBRE_KM_PER_MS) * DETOUR + ROUTERS_MS)
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180
}
