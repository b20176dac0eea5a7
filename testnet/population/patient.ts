/**
 * Made-up patients whose charts make sense: illnesses begin at likely ages, findings follow them and their treatment over the
 * years, everything refers to what it belongs to. A seed gives the same bytes on every machine.
 */
import { ALLERGIES, CHRONIC } from './catalogue.ts'
import { Chart, coding, date, dateTime, hl7, type Reference, snomed } from './chart.ts'
import { COUNTRIES, COUNTRY_PROFILES, type Country } from './countries.ts'
import { Body, DAY_MS, type Sex, YEAR_MS } from './physiology.ts'
import { type SeededRandom, seededRandom } from './random.ts'
import { addClinics } from './staff.ts'
import { tellStory } from './story.ts'
import { addChildhoodVaccines } from './vaccination.ts'

export interface PatientOptions {
  /** A safe integer. */
  seed: number
  /** Drawn from the seed where absent. */
  country?: Country
}

export interface GeneratedPatient {
  /** A FHIR R4 transaction Bundle of at least 150 resources, as parsed from `bytes`. */
  bundle: object
  /** The Bundle as JSON in UTF-8; decimals carry trailing zeros. */
  bytes: Uint8Array
  /** Given and family name. */
  name: string
  /** Values of all identifiers of the patient. */
  identifiers: string[]
}

/** All charts end here, so that they do not depend on the day on which they are made. */
export const CHART_END_MS = Date.UTC(2026, 0, 15)

/** Fewest chronic conditions, without which a chart would have little to tell. */
const MIN_CHRONIC = 2

export function generatePatient(options: PatientOptions): GeneratedPatient {
  const random = seededRandom(options.seed)
  const country = options.country ?? random.pick(COUNTRIES)
  const profile = COUNTRY_PROFILES[country]
  const sex: Sex = random.chance(0.5) ? 'female' : 'male'
  const given = random.pick(sex === 'female' ? profile.femaleNames : profile.maleNames)
  const family = random.pick(profile.familyNames)
  const name = `${given} ${family}`
  // A whole day, between 41 and 79 years before the end.
  const birthMs = Math.floor((CHART_END_MS - (41 + 38 * random.next()) * YEAR_MS) / DAY_MS) * DAY_MS
  const digits = (count: number): string => Array.from({ length: count }, () => random.int(0, 9)).join('')
  const identifiers = [`${country}-${digits(10)}`, `MRN-${digits(7)}`]

  const chart = new Chart(random)
  const clinics = addClinics(chart, country)
  const home = random.pick(clinics)
  const place = random.pick(profile.cities)
  const lower = country.toLowerCase()
  const patient = chart.add(
    'Patient',
    {
      identifier: [
        { use: 'official', system: `https://ids.epione.example/${lower}/patient`, value: identifiers[0] },
        {
          use: 'usual',
          type: hl7('v2-0203', 'MR', 'Medical record number'),
          system: `https://ids.epione.example/${lower}/record`,
          value: identifiers[1],
          assigner: home.organization,
        },
      ],
      active: true,
      name: [{ use: 'official', text: name, family, given: given.split(' ') }],
      telecom: [{ system: 'phone', value: `${profile.phonePrefix} ${digits(3)}`, use: 'mobile' }],
      gender: sex,
      birthDate: date(birthMs),
      address: [
        {
          use: 'home',
          line: [`${random.pick(profile.streets)} ${random.int(1, 140)}`],
          city: place.city,
          state: place.state,
          postalCode: place.postalCode,
          country,
        },
      ],
      communication: [{ language: { coding: [coding('urn:ietf:bcp:47', profile.locale)] }, preferred: true }],
      managingOrganization: home.organization,
    },
    { display: name },
  )

  const onsets = drawOnsets(random, profile.chronic, birthMs)
  const body = new Body(random, sex, birthMs, onsets)
  const isAllergicToPenicillin = addAllergies(chart, random, patient, birthMs, profile.offset)
  addChildhoodVaccines(chart, random, patient, birthMs, profile.childhoodVaccines)
  tellStory({ chart, random, profile, clinics, home, patient, name, birthMs, onsets, body, isAllergicToPenicillin, endMs: CHART_END_MS })

  const text = chart.toText()
  return { bundle: JSON.parse(text) as object, bytes: new TextEncoder().encode(text), name, identifiers }
}

/** Which chronic conditions there are and when they began: before the end of the chart by a year at least. */
function drawOnsets(random: SeededRandom, chances: Readonly<Record<string, number>>, birthMs: number): Map<string, number> {
  const onsets = new Map<string, number>()
  const latestAge = (CHART_END_MS - birthMs) / YEAR_MS - 1
  const begin = (condition: string): void => {
    const [from, to] = CHRONIC[condition]?.onset ?? [0, 0]
    const age = from + (Math.min(to, latestAge) - from) * random.next()
    onsets.set(condition, Math.floor((birthMs + age * YEAR_MS) / DAY_MS) * DAY_MS)
  }
  const possible = Object.keys(chances).filter(condition => (CHRONIC[condition]?.onset[0] ?? 200) < latestAge)
  for (const condition of possible) if (random.chance(chances[condition] ?? 0)) begin(condition)
  for (const condition of possible) if (onsets.size < MIN_CHRONIC && !onsets.has(condition)) begin(condition)
  return onsets
}

/** One or two allergies, or the statement that none is known. Tells whether penicillin is among them. */
function addAllergies(chart: Chart, random: SeededRandom, patient: Reference, birthMs: number, offset: string): boolean {
  const recorded = dateTime(birthMs + random.int(6, 30) * YEAR_MS, offset)
  const status = {
    clinicalStatus: hl7('allergyintolerance-clinical', 'active', 'Active'),
    verificationStatus: hl7('allergyintolerance-verification', 'confirmed', 'Confirmed'),
    patient,
    recordedDate: recorded,
  }
  if (random.chance(0.4)) {
    chart.add('AllergyIntolerance', { ...status, code: snomed('716186003', 'No known allergy') })
    return false
  }
  const first = random.int(0, ALLERGIES.length - 1)
  const found = [ALLERGIES[first], ...(random.chance(0.3) ? [ALLERGIES[(first + 2) % ALLERGIES.length]] : [])]
  for (const allergy of found) {
    if (allergy === undefined) continue
    chart.add('AllergyIntolerance', {
      ...status,
      type: 'allergy',
      category: [allergy.category],
      criticality: random.chance(0.2) ? 'high' : 'low',
      code: snomed(allergy.snomed, allergy.name),
      reaction: [{ manifestation: [snomed(allergy.reaction[0], allergy.reaction[1])], severity: random.pick(['mild', 'moderate']) }],
    })
  }
  return found.some(allergy => allergy?.group === 'penicillin')
}
