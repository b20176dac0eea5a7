/** Immunizations: those of childhood, known from the vaccination card, and those given at visits. */
import { SYSTEMS, VACCINES } from './catalogue.ts'
import { type Chart, coding, concept, date, dateTime, hl7, quantity, type Reference } from './chart.ts'
import type { VisitContext } from './observations.ts'
import { DAY_MS } from './physiology.ts'
import type { SeededRandom } from './random.ts'

/** Doses in the first two years of life, reported by the patient. */
export function addChildhoodVaccines(
  chart: Chart,
  random: SeededRandom,
  patient: Reference,
  birthMs: number,
  keys: readonly string[],
): void {
  for (const key of keys) {
    const vaccine = VACCINES[key]
    const givenMs = birthMs + random.int(2, 700) * DAY_MS
    if (vaccine === undefined || new Date(givenMs).getUTCFullYear() < vaccine.since) continue
    chart.add('Immunization', {
      status: 'completed',
      vaccineCode: concept(vaccine.name, coding(SYSTEMS.cvx, vaccine.cvx, vaccine.name)),
      patient,
      occurrenceDateTime: date(givenMs),
      primarySource: false,
      reportOrigin: hl7('immunization-origin', 'record', 'Written Record'),
    })
  }
}

/** A dose given at a visit. */
export function addVaccine(visit: VisitContext, key: string, lotNumber: string): void {
  const vaccine = VACCINES[key]
  if (vaccine === undefined) return
  const { chart, subject, encounter, performer, timeMs, offset } = visit
  chart.add('Immunization', {
    status: 'completed',
    vaccineCode: concept(vaccine.name, coding(SYSTEMS.cvx, vaccine.cvx, vaccine.name)),
    patient: subject,
    encounter,
    occurrenceDateTime: dateTime(timeMs, offset),
    primarySource: true,
    lotNumber,
    doseQuantity: quantity(0.5, 2, 'mL'),
    performer: [{ actor: performer }],
  })
}
