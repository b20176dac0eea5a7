/** The years of a made-up chart: regular visits, acute illnesses, what is found, prescribed and written at each. */
import { ACUTE, CHRONIC, DRUGS, type DrugKey, type Illness, PROCEDURES, SYSTEMS } from './catalogue.ts'
import { type Chart, coding, concept, date, dateTime, hl7, offsetMs, quantity, type Reference, snomed } from './chart.ts'
import type { CountryProfile } from './countries.ts'
import { writeLetter } from './letters.ts'
import { addBloodCount, addChemistry, addConfirmation, addSmoking, addVitals, type Smoking, type VisitContext } from './observations.ts'
import { type Body, DAY_MS, type Vitals, YEAR_MS } from './physiology.ts'
import type { SeededRandom } from './random.ts'
import type { Clinic } from './staff.ts'
import { addVaccine } from './vaccination.ts'

export interface StorySetting {
  chart: Chart
  random: SeededRandom
  profile: CountryProfile
  clinics: readonly Clinic[]
  /** The clinic of the regular visits. */
  home: Clinic
  patient: Reference
  name: string
  birthMs: number
  onsets: ReadonlyMap<string, number>
  body: Body
  isAllergicToPenicillin: boolean
  endMs: number
}

const HOUR_MS = 3600 * 1000

/** Regular visits; every second one has laboratory findings. */
const REGULAR_VISITS = 16

/** When vaccination against COVID-19 had become usual. */
const COVID_VACCINE_MS = Date.UTC(2021, 3, 1)

/** Chronic conditions that heal, and after how many years. */
const HEALING_YEARS: Readonly<Record<string, number>> = { tuberculosis: 0.6, anaemia: 1.2 }

/** Years after which a condition that needs more gets its second drug. */
const ESCALATION_YEARS = 5

const TIMES: Readonly<Record<number, string>> = { 1: 'once', 2: 'twice' }

const LETTER_TYPES = {
  visit: ['11506-3', 'Progress note'],
  stay: ['18842-5', 'Discharge summary'],
} as const

interface Visit extends VisitContext {
  clinic: Clinic
  doctor: { name: string; reference: Reference }
}

/** Writes the last six to nine years of the patient's life into the chart. */
export function tellStory(setting: StorySetting): void {
  const { random, profile, endMs } = setting
  const days = random.int(6 * 365, 9 * 365)
  const startMs = endMs - days * DAY_MS
  const acute = Array.from({ length: random.int(4, 7) }, () => random.pick(profile.acute))
  const events = [
    ...Array.from({ length: REGULAR_VISITS }, (_, i) => ({
      day: Math.floor(((i + 0.2 + 0.6 * random.next()) * days) / REGULAR_VISITS),
      illness: '',
      index: i,
    })),
    ...acute.map(illness => ({ day: random.int(20, days - 60), illness, index: -1 })),
  ].sort((a, b) => a.day - b.day)

  const story = new Story(setting)
  for (const { day, illness, index } of events) {
    // Between eight and four by the clocks there.
    const timeMs = startMs + day * DAY_MS + random.int(8, 15) * HOUR_MS + random.int(0, 11) * 5 * 60_000 - offsetMs(profile.offset)
    if (illness === '') story.regularVisit(timeMs, index)
    else story.acuteVisit(timeMs, illness)
  }
}

class Story {
  readonly #setting: StorySetting
  readonly #smoking: Smoking
  /** Condition resources so far, by catalogue key. */
  readonly #recorded = new Map<string, Reference>()
  /** When each long-term drug was last prescribed. */
  readonly #prescribedMs = new Map<DrugKey, number>()
  /** When each examination was last done. */
  readonly #examinedMs = new Map<string, number>()

  constructor(setting: StorySetting) {
    this.#setting = setting
    this.#smoking = setting.random.pick(['never', 'never', 'never', 'former', 'daily'] as const)
  }

  regularVisit(timeMs: number, index: number): void {
    const { random, body, onsets, home } = this.#setting
    const visit = this.#visit(timeMs, home, 25, ['AMB', 'ambulatory'], ['185349003', 'Encounter for check up'])
    const vitals = body.vitals(timeMs, false)
    addVitals(visit, vitals, index % 4 === 0 ? body.height : undefined)
    for (const [key, onset] of onsets) if (onset <= timeMs) this.#followCondition(visit, key, onset)
    let hba1c: number | undefined
    if (index % 2 === 0) {
      hba1c = addChemistry(visit, body, onsets.has('hypothyroidism'))
      addBloodCount(visit, body.bloodCount(timeMs, 'none'))
      addSmoking(visit, this.#smoking)
    }
    this.#examine(visit)
    if (index === 3) addVaccine(visit, 'tetanus', lot(random))
    else if (index % 3 === 1) addVaccine(visit, timeMs > COVID_VACCINE_MS && random.chance(0.4) ? 'covid' : 'influenza', lot(random))
    if (index % 2 === 0) this.#letter(visit, vitals, hba1c)
  }

  acuteVisit(timeMs: number, key: string): void {
    const illness = ACUTE[key]
    if (illness === undefined) throw new RangeError(`no acute illness ${key}`)
    const { random, profile, clinics, body, patient, chart } = this.#setting
    const severe = illness.fever && random.chance(0.35)
    const visit = this.#visit(
      timeMs,
      random.pick(clinics),
      severe ? random.int(2, 5) * 24 * 60 : 40,
      severe ? ['IMP', 'inpatient encounter'] : ['EMER', 'emergency'],
      severe ? ['183452005', 'Emergency hospital admission'] : ['185345009', 'Encounter for symptom'],
    )
    const end = timeMs + random.int(...illness.days) * DAY_MS
    const condition = chart.add('Condition', {
      clinicalStatus: hl7('condition-clinical', 'resolved', 'Resolved'),
      verificationStatus: hl7('condition-ver-status', 'confirmed', 'Confirmed'),
      category: [hl7('condition-category', 'encounter-diagnosis', 'Encounter Diagnosis')],
      severity: severe ? snomed('24484000', 'Severe') : snomed('255604002', 'Mild'),
      code: this.#illnessCode(illness),
      subject: patient,
      encounter: visit.encounter,
      onsetDateTime: date(timeMs - 2 * DAY_MS),
      abatementDateTime: date(end),
      recordedDate: dateTime(timeMs, profile.offset),
      recorder: visit.performer,
    })
    const vitals = body.vitals(timeMs, illness.fever)
    addVitals(visit, vitals)
    const isBacterial = key === 'bronchitis' || key === 'urinary-infection'
    if (illness.fever)
      addBloodCount(visit, body.bloodCount(timeMs, key === 'dengue' || key === 'malaria' ? key : isBacterial ? 'bacterial' : 'none'))
    if (illness.test !== undefined) addConfirmation(visit, illness.test)
    const drug = illness.avoid === 'penicillin' && this.#setting.isAllergicToPenicillin ? illness.drugs[1] : illness.drugs[0]
    if (drug !== undefined) this.#prescribe(visit, drug, condition, { status: 'completed', days: Math.min(10, illness.days[1]) })
    if (severe) this.#letter(visit, vitals, undefined, illness)
  }

  #visit(timeMs: number, clinic: Clinic, minutes: number, actCode: readonly [string, string], type: readonly [string, string]): Visit {
    const { chart, random, patient, profile } = this.#setting
    const doctor = random.pick(clinic.doctors)
    const encounter = chart.add('Encounter', {
      status: 'finished',
      class: coding('http://terminology.hl7.org/CodeSystem/v3-ActCode', ...actCode),
      type: [snomed(...type)],
      subject: patient,
      participant: [{ individual: doctor.reference }],
      period: { start: dateTime(timeMs, profile.offset), end: dateTime(timeMs + minutes * 60_000, profile.offset) },
      serviceProvider: clinic.organization,
    })
    // Findings are made some minutes after the beginning.
    const found = timeMs + 5 * 60_000
    return { chart, subject: patient, encounter, performer: doctor.reference, timeMs: found, offset: profile.offset, clinic, doctor }
  }

  /** Records a chronic condition at the first visit after it began, and keeps its treatment going. */
  #followCondition(visit: Visit, key: string, onset: number): void {
    const { chart, endMs } = this.#setting
    const illness = CHRONIC[key]
    if (illness === undefined) return
    const healsMs = onset + (HEALING_YEARS[key] ?? Number.POSITIVE_INFINITY) * YEAR_MS
    const healed = healsMs < endMs
    let condition = this.#recorded.get(key)
    if (condition === undefined) {
      condition = chart.add('Condition', {
        clinicalStatus: healed ? hl7('condition-clinical', 'resolved', 'Resolved') : hl7('condition-clinical', 'active', 'Active'),
        verificationStatus: hl7('condition-ver-status', 'confirmed', 'Confirmed'),
        category: [hl7('condition-category', 'problem-list-item', 'Problem List Item')],
        code: this.#illnessCode(illness),
        subject: visit.subject,
        encounter: visit.encounter,
        onsetDateTime: date(onset),
        abatementDateTime: healed ? date(healsMs) : undefined,
        recordedDate: dateTime(visit.timeMs, visit.offset),
        recorder: visit.performer,
      })
      this.#recorded.set(key, condition)
    }
    if (visit.timeMs >= healsMs) return
    const escalated = visit.timeMs - onset > ESCALATION_YEARS * YEAR_MS
    for (const drug of illness.drugs.slice(0, escalated ? 2 : 1)) {
      if (visit.timeMs - (this.#prescribedMs.get(drug) ?? 0) < 330 * DAY_MS) continue
      this.#prescribedMs.set(drug, visit.timeMs)
      const current = !healed && visit.timeMs > endMs - 400 * DAY_MS
      this.#prescribe(visit, drug, condition, { status: current ? 'active' : 'completed', days: 365 })
    }
  }

  #prescribe(visit: Visit, key: DrugKey, reason: Reference, course: { status: 'active' | 'completed'; days: number }): void {
    const drug = DRUGS[key]
    const { atc, name, strength, dose, unit, perDay } = drug
    const codings = [coding(SYSTEMS.atc, atc, name)]
    if ('rxnorm' in drug) codings.push(coding(SYSTEMS.rxnorm, drug.rxnorm, name))
    visit.chart.add('MedicationRequest', {
      status: course.status,
      intent: 'order',
      medicationCodeableConcept: concept(`${name} ${strength}`, ...codings),
      subject: visit.subject,
      encounter: visit.encounter,
      authoredOn: dateTime(visit.timeMs, visit.offset),
      requester: visit.performer,
      reasonReference: [reason],
      dosageInstruction: [
        {
          text: `${dose} ${unit}${dose === 1 ? '' : 's'} ${TIMES[perDay] ?? `${perDay} times`} a day`,
          timing: { repeat: { frequency: perDay, period: 1, periodUnit: 'd' } },
          doseAndRate: [{ doseQuantity: quantity(dose, 2, `{${unit}}`, unit) }],
        },
      ],
      dispenseRequest: { expectedSupplyDuration: { value: course.days, unit: 'days', system: SYSTEMS.ucum, code: 'd' } },
    })
  }

  /** At most one examination that is due, so that visits stay short. */
  #examine(visit: Visit): void {
    const { body, onsets } = this.#setting
    const due = PROCEDURES.find(({ snomed: code, condition, fromAge }) => {
      const onset = onsets.get(condition)
      const called = (onset !== undefined && onset <= visit.timeMs) || body.age(visit.timeMs) >= fromAge
      const pauseYears = condition === '' && fromAge >= 50 ? 10 : 1.5
      return called && visit.timeMs - (this.#examinedMs.get(code) ?? Number.NEGATIVE_INFINITY) > pauseYears * YEAR_MS
    })
    if (due === undefined) return
    this.#examinedMs.set(due.snomed, visit.timeMs)
    const reason = this.#recorded.get(due.condition)
    visit.chart.add('Procedure', {
      status: 'completed',
      code: snomed(due.snomed, due.name),
      subject: visit.subject,
      encounter: visit.encounter,
      performedPeriod: {
        start: dateTime(visit.timeMs, visit.offset),
        end: dateTime(visit.timeMs + due.minutes * 60_000, visit.offset),
      },
      performer: [{ actor: visit.performer }],
      reasonReference: reason === undefined ? undefined : [reason],
    })
  }

  #letter(visit: Visit, vitals: Vitals, hba1c: number | undefined, illness?: Illness): void {
    const { profile, name, birthMs, onsets } = this.#setting
    const { language } = profile
    const day = date(visit.timeMs)
    const known = [...onsets].filter(([key, onset]) => onset <= visit.timeMs && this.#recorded.has(key))
    const { title, text } = writeLetter(language, {
      name,
      birthDate: date(birthMs),
      day,
      hospital: visit.clinic.name,
      doctor: visit.doctor.name,
      conditions: known.map(([key]) => CHRONIC[key]?.names[language] ?? key),
      drugs: [...this.#prescribedMs]
        .filter(([, prescribed]) => visit.timeMs - prescribed < 400 * DAY_MS)
        .map(([key]) => `${DRUGS[key].name} ${DRUGS[key].strength}`),
      bloodPressure: `${vitals.systolic}/${vitals.diastolic}`,
      weight: vitals.weight.toFixed(1),
      hba1c: hba1c?.toFixed(1),
      illness: illness?.names[language],
    })
    const bytes = new TextEncoder().encode(text)
    const [code, display] = LETTER_TYPES[illness === undefined ? 'visit' : 'stay']
    visit.chart.add('DocumentReference', {
      status: 'current',
      docStatus: 'final',
      type: concept(display, coding(SYSTEMS.loinc, code, display)),
      subject: visit.subject,
      date: new Date(visit.timeMs).toISOString(),
      author: [visit.performer],
      custodian: visit.clinic.organization,
      description: title,
      content: [
        {
          attachment: {
            contentType: 'text/plain; charset=utf-8',
            language: profile.locale,
            data: Buffer.from(bytes).toString('base64'),
            size: bytes.length,
            title,
            creation: dateTime(visit.timeMs, visit.offset),
          },
        },
      ],
      context: { encounter: [visit.encounter] },
    })
  }

  #illnessCode(illness: Illness): ReturnType<typeof concept> {
    const { en } = illness.names
    return concept(
      illness.names[this.#setting.profile.language],
      coding(SYSTEMS.snomed, illness.snomed, en),
      coding(SYSTEMS.icd10, illness.icd10, en),
    )
  }
}

function lot(random: SeededRandom): string {
  return `LOT-${random.int(10_000, 99_999)}`
}
