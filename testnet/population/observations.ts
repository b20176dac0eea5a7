/** Observations and the reports that gather them. */

import type { AcuteIllness } from './catalogue.ts'
import { type Chart, dateTime, hl7, type JsonObject, loinc, quantity, type Reference, snomed } from './chart.ts'
import type { BloodCount, Body, Vitals } from './physiology.ts'

/** What all observations of one visit share. */
export interface VisitContext {
  chart: Chart
  subject: Reference
  encounter: Reference
  performer: Reference
  timeMs: number
  offset: string
}

type Category = 'vital-signs' | 'laboratory' | 'social-history'

const CATEGORY_NAMES: Readonly<Record<Category, string>> = {
  'vital-signs': 'Vital Signs',
  laboratory: 'Laboratory',
  'social-history': 'Social History',
}

function observe(visit: VisitContext, category: Category, code: JsonObject, rest: JsonObject): Reference {
  const { chart, subject, encounter, performer, timeMs, offset } = visit
  return chart.add('Observation', {
    status: 'final',
    category: [hl7('observation-category', category, CATEGORY_NAMES[category])],
    code,
    subject,
    encounter,
    effectiveDateTime: dateTime(timeMs, offset),
    performer: [performer],
    ...rest,
  })
}

/** Low and high of a reference range; either may be open. */
type Range = readonly [number | null, number | null]

interface Measure {
  code: string
  display: string
  /** Plain words for `code.text`. */
  text: string
  digits: number
  ucum: string
  range?: Range
}

const MEASURES = {
  heartRate: { code: '8867-4', display: 'Heart rate', text: 'Heart rate', digits: 0, ucum: '/min' },
  temperature: { code: '8310-5', display: 'Body temperature', text: 'Body temperature', digits: 1, ucum: 'Cel' },
  saturation: {
    code: '59408-5',
    display: 'Oxygen saturation in Arterial blood by Pulse oximetry',
    text: 'Oxygen saturation',
    digits: 0,
    ucum: '%',
  },
  weight: { code: '29463-7', display: 'Body weight', text: 'Body weight', digits: 1, ucum: 'kg' },
  height: { code: '8302-2', display: 'Body height', text: 'Body height', digits: 1, ucum: 'cm' },
  bodyMassIndex: { code: '39156-5', display: 'Body mass index (BMI) [Ratio]', text: 'Body mass index', digits: 1, ucum: 'kg/m2' },
  hba1c: {
    code: '4548-4',
    display: 'Hemoglobin A1c/Hemoglobin.total in Blood',
    text: 'Haemoglobin A1c',
    digits: 1,
    ucum: '%',
    range: [4, 5.6],
  },
  glucose: {
    code: '1558-6',
    display: 'Fasting glucose [Mass/volume] in Serum or Plasma',
    text: 'Fasting glucose',
    digits: 0,
    ucum: 'mg/dL',
    range: [70, 99],
  },
  cholesterol: {
    code: '2093-3',
    display: 'Cholesterol [Mass/volume] in Serum or Plasma',
    text: 'Total cholesterol',
    digits: 0,
    ucum: 'mg/dL',
    range: [null, 200],
  },
  hdl: {
    code: '2085-9',
    display: 'Cholesterol in HDL [Mass/volume] in Serum or Plasma',
    text: 'HDL cholesterol',
    digits: 0,
    ucum: 'mg/dL',
    range: [40, null],
  },
  ldl: {
    code: '13457-7',
    display: 'Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation',
    text: 'LDL cholesterol',
    digits: 0,
    ucum: 'mg/dL',
    range: [null, 130],
  },
  triglycerides: {
    code: '2571-8',
    display: 'Triglyceride [Mass/volume] in Serum or Plasma',
    text: 'Triglycerides',
    digits: 0,
    ucum: 'mg/dL',
    range: [null, 150],
  },
  creatinine: {
    code: '2160-0',
    display: 'Creatinine [Mass/volume] in Serum or Plasma',
    text: 'Creatinine',
    digits: 2,
    ucum: 'mg/dL',
    range: [0.5, 1.2],
  },
  filtrationRate: {
    code: '98979-8',
    display:
      'Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)',
    text: 'Estimated glomerular filtration rate',
    digits: 0,
    ucum: 'mL/min/{1.73_m2}',
    range: [60, null],
  },
  thyrotropin: {
    code: '3016-3',
    display: 'Thyrotropin [Units/volume] in Serum or Plasma',
    text: 'Thyrotropin',
    digits: 2,
    ucum: 'm[IU]/L',
    range: [0.4, 4],
  },
  leukocytes: {
    code: '6690-2',
    display: 'Leukocytes [#/volume] in Blood by Automated count',
    text: 'Leukocytes',
    digits: 2,
    ucum: '10*3/uL',
    range: [4, 10],
  },
  erythrocytes: {
    code: '789-8',
    display: 'Erythrocytes [#/volume] in Blood by Automated count',
    text: 'Erythrocytes',
    digits: 2,
    ucum: '10*6/uL',
    range: [3.9, 5.7],
  },
  haemoglobin: {
    code: '718-7',
    display: 'Hemoglobin [Mass/volume] in Blood',
    text: 'Haemoglobin',
    digits: 1,
    ucum: 'g/dL',
    range: [12, 17],
  },
  haematocrit: {
    code: '4544-3',
    display: 'Hematocrit [Volume Fraction] of Blood by Automated count',
    text: 'Haematocrit',
    digits: 1,
    ucum: '%',
    range: [36, 50],
  },
  platelets: {
    code: '777-3',
    display: 'Platelets [#/volume] in Blood by Automated count',
    text: 'Platelets',
    digits: 0,
    ucum: '10*3/uL',
    range: [150, 400],
  },
} as const satisfies Readonly<Record<string, Measure>>

type MeasureKey = keyof typeof MEASURES

function measure(visit: VisitContext, category: Category, key: MeasureKey, value: number): Reference {
  const { code, display, text, digits, ucum, ...rest }: Measure = MEASURES[key]
  const { range } = rest
  if (range === undefined) return observe(visit, category, loinc(code, display, text), { valueQuantity: quantity(value, digits, ucum) })
  const [low, high] = range
  const shown = Number(value.toFixed(digits))
  const flag = low !== null && shown < low ? 'L' : high !== null && shown > high ? 'H' : 'N'
  return observe(visit, category, loinc(code, display, text), {
    valueQuantity: quantity(value, digits, ucum),
    interpretation: [hl7('v3-ObservationInterpretation', flag, { L: 'Low', H: 'High', N: 'Normal' }[flag])],
    referenceRange: [
      {
        low: low === null ? undefined : quantity(low, digits, ucum),
        high: high === null ? undefined : quantity(high, digits, ucum),
      },
    ],
  })
}

/** Blood pressure as one panel, and the single vital signs. */
export function addVitals(visit: VisitContext, vitals: Vitals, height?: number): void {
  const pressure = (code: string, display: string, value: number): JsonObject => ({
    code: loinc(code, display),
    valueQuantity: quantity(value, 0, 'mm[Hg]', 'mmHg'),
  })
  observe(visit, 'vital-signs', loinc('85354-9', 'Blood pressure panel with all children optional', 'Blood pressure'), {
    component: [
      pressure('8480-6', 'Systolic blood pressure', vitals.systolic),
      pressure('8462-4', 'Diastolic blood pressure', vitals.diastolic),
    ],
  })
  for (const key of ['heartRate', 'temperature', 'saturation', 'weight'] as const) measure(visit, 'vital-signs', key, vitals[key])
  if (height === undefined) return
  measure(visit, 'vital-signs', 'height', height)
  measure(visit, 'vital-signs', 'bodyMassIndex', vitals.bodyMassIndex)
}

function report(visit: VisitContext, code: JsonObject, results: readonly Reference[]): void {
  const { chart, subject, encounter, performer, timeMs, offset } = visit
  chart.add('DiagnosticReport', {
    status: 'final',
    category: [hl7('v2-0074', 'LAB', 'Laboratory')],
    code,
    subject,
    encounter,
    effectiveDateTime: dateTime(timeMs, offset),
    issued: new Date(timeMs + 5 * 3600 * 1000).toISOString(),
    performer: [performer],
    result: results,
  })
}

export function addBloodCount(visit: VisitContext, count: BloodCount): void {
  const keys = ['leukocytes', 'erythrocytes', 'haemoglobin', 'haematocrit', 'platelets'] as const
  report(
    visit,
    loinc('58410-2', 'CBC panel - Blood by Automated count', 'Complete blood count'),
    keys.map(key => measure(visit, 'laboratory', key, count[key])),
  )
}

/** The regular laboratory: sugar, lipids, kidney and, where it is asked for, thyroid. Gives the HbA1c that was found. */
export function addChemistry(visit: VisitContext, body: Body, thyroid: boolean): number {
  const { timeMs } = visit
  const hba1c = body.hba1c(timeMs)
  measure(visit, 'laboratory', 'hba1c', hba1c)
  measure(visit, 'laboratory', 'glucose', body.glucose(hba1c))
  const creatinine = body.creatinine(timeMs)
  measure(visit, 'laboratory', 'creatinine', creatinine)
  measure(visit, 'laboratory', 'filtrationRate', body.filtrationRate(creatinine, timeMs))
  if (thyroid) measure(visit, 'laboratory', 'thyrotropin', body.thyrotropin(timeMs))
  const { total, hdl, ldl, triglycerides } = body.lipids(timeMs)
  report(visit, loinc('24331-1', 'Lipid 1996 panel - Serum or Plasma', 'Lipid panel'), [
    measure(visit, 'laboratory', 'cholesterol', total),
    measure(visit, 'laboratory', 'triglycerides', triglycerides),
    measure(visit, 'laboratory', 'hdl', hdl),
    measure(visit, 'laboratory', 'ldl', ldl),
  ])
  return hba1c
}

/** The finding that confirms an acute illness. */
export function addConfirmation(visit: VisitContext, test: NonNullable<AcuteIllness['test']>): void {
  observe(visit, 'laboratory', loinc(test.loinc, test.name), { valueCodeableConcept: snomed(test.snomed, test.result) })
}

export type Smoking = 'never' | 'former' | 'daily'

const SMOKING: Readonly<Record<Smoking, readonly [string, string]>> = {
  never: ['266919005', 'Never smoked tobacco'],
  former: ['8517006', 'Ex-smoker'],
  daily: ['449868002', 'Smokes tobacco daily'],
}

export function addSmoking(visit: VisitContext, smoking: Smoking): void {
  const [code, display] = SMOKING[smoking]
  observe(visit, 'social-history', loinc('72166-2', 'Tobacco smoking status'), { valueCodeableConcept: snomed(code, display) })
}
