/** Hospitals and doctors of a country. They are the same for all its patients, ids included. */
import { type Chart, hl7, type Reference, uuid } from './chart.ts'
import { COUNTRIES, COUNTRY_PROFILES, type Country } from './countries.ts'
import { seededRandom } from './random.ts'

export interface Clinic {
  name: string
  organization: Reference
  doctors: readonly { name: string; reference: Reference }[]
}

/** Any number; it only keeps the staff's ids apart from those of patients with small seeds. */
const STAFF_SEED = 0x5eed_c11c

const DOCTORS_PER_CLINIC = 2

/** Adds the country's hospitals and their doctors to a chart. */
export function addClinics(chart: Chart, country: Country): Clinic[] {
  const profile = COUNTRY_PROFILES[country]
  const random = seededRandom(STAFF_SEED + COUNTRIES.indexOf(country))
  return profile.hospitals.map((name, i) => {
    const place = profile.cities[i % profile.cities.length]
    const organization = chart.add(
      'Organization',
      {
        identifier: [{ system: `https://ids.epione.example/${country.toLowerCase()}/organization`, value: `${country}-ORG-${i + 1}` }],
        active: true,
        type: [hl7('organization-type', 'prov', 'Healthcare Provider')],
        name,
        telecom: [{ system: 'phone', value: `${profile.phonePrefix} ${100 + i}` }],
        address: [{ city: place?.city, state: place?.state, postalCode: place?.postalCode, country }],
      },
      { uuid: uuid(random), display: name },
    )
    const doctors = Array.from({ length: DOCTORS_PER_CLINIC }, (_, k) => {
      const female = random.chance(0.5)
      const given = random.pick(female ? profile.femaleNames : profile.maleNames)
      const family = random.pick(profile.familyNames)
      const doctor = `Dr. ${given} ${family}`
      const reference = chart.add(
        'Practitioner',
        {
          identifier: [
            { system: `https://ids.epione.example/${country.toLowerCase()}/practitioner`, value: `${country}-DOC-${i + 1}${k + 1}` },
          ],
          active: true,
          name: [{ text: doctor, family, given: [given], prefix: ['Dr.'] }],
          gender: female ? 'female' : 'male',
        },
        { uuid: uuid(random), display: doctor },
      )
      return { name: doctor, reference }
    })
    return { name, organization, doctors }
  })
}
