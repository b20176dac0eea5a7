/** What is measured in a made-up patient at a given time: a personal baseline, moved by illnesses and their treatment, and noise. */
import type { SeededRandom } from './random.ts'

export const YEAR_MS = 365.25 * 24 * 3600 * 1000
export const DAY_MS = 24 * 3600 * 1000

export type Sex = 'female' | 'male'

export interface Vitals {
  systolic: number
  diastolic: number
  heartRate: number
  temperature: number
  saturation: number
  weight: number
  bodyMassIndex: number
}

export interface BloodCount {
  haemoglobin: number
  haematocrit: number
  leukocytes: number
  erythrocytes: number
  platelets: number
}

export interface Lipids {
  total: number
  hdl: number
  ldl: number
  triglycerides: number
}

export class Body {
  /** Centimetres. */
  readonly height: number
  readonly #random: SeededRandom
  readonly #sex: Sex
  readonly #birthMs: number
  readonly #onsets: ReadonlyMap<string, number>
  readonly #baseline: Readonly<
    Record<'systolic' | 'bmi' | 'hba1c' | 'hba1cPeak' | 'hba1cGoal' | 'cholesterol' | 'hdl' | 'creatinine' | 'hb' | 'tsh', number>
  >

  /** @param onsets milliseconds since the epoch at which each chronic condition, by catalogue key, began */
  constructor(random: SeededRandom, sex: Sex, birthMs: number, onsets: ReadonlyMap<string, number>) {
    this.#random = random
    this.#sex = sex
    this.#birthMs = birthMs
    this.#onsets = onsets
    const female = sex === 'female'
    this.height = Math.round(random.normal(female ? 161 : 174, 6))
    this.#baseline = {
      systolic: random.normal(114, 5),
      bmi: random.normal(24.5, 1.8) + (onsets.has('diabetes') ? 2.5 : 0) + (onsets.has('obesity') ? 7.5 : 0),
      hba1c: random.normal(5.3, 0.15),
      hba1cPeak: random.normal(8.8, 0.5),
      hba1cGoal: random.normal(6.8, 0.2),
      cholesterol: random.normal(178, 14),
      hdl: random.normal(female ? 56 : 47, 5),
      creatinine: random.normal(female ? 0.74 : 0.93, 0.07),
      hb: random.normal(female ? 13.3 : 14.8, 0.4),
      tsh: random.normal(1.9, 0.4),
    }
  }

  age(timeMs: number): number {
    return (timeMs - this.#birthMs) / YEAR_MS
  }

  /** Height of an illness's effect, 0 to 1: it rises over four years up to the diagnosis and falls by `relief` under treatment. */
  #effect(condition: string, timeMs: number, relief: number, halfLifeYears: number): number {
    const onset = this.#onsets.get(condition)
    if (onset === undefined) return 0
    const years = (timeMs - onset) / YEAR_MS
    if (years < 0) return Math.max(0, 1 + years / 4)
    return 1 - relief * (1 - 2 ** (-years / halfLifeYears))
  }

  vitals(timeMs: number, feverish: boolean): Vitals {
    const random = this.#random
    const systolic =
      this.#baseline.systolic + 0.22 * (this.age(timeMs) - 30) + 32 * this.#effect('hypertension', timeMs, 0.75, 0.4) + random.normal(0, 4)
    const bmi = this.#baseline.bmi + 0.04 * (this.age(timeMs) - 50) + random.normal(0, 0.2)
    const weight = Math.round(bmi * (this.height / 100) ** 2 * 10) / 10
    return {
      systolic: Math.round(systolic),
      diastolic: Math.round(0.48 * systolic + 19 + random.normal(0, 3)),
      heartRate: Math.round(random.normal(72, 5) + (feverish ? 18 : 0)),
      temperature: feverish ? random.normal(38.7, 0.4) : random.normal(36.6, 0.2),
      saturation: Math.min(100, Math.round(random.normal(97.5, 0.8) - 2 * this.#effect('asthma', timeMs, 0.6, 1) - (feverish ? 1 : 0))),
      weight,
      bodyMassIndex: weight / (this.height / 100) ** 2,
    }
  }

  /** Percent of haemoglobin. */
  hba1c(timeMs: number): number {
    const { hba1c, hba1cPeak, hba1cGoal } = this.#baseline
    const relief = (hba1cPeak - hba1cGoal) / (hba1cPeak - hba1c)
    return hba1c + (hba1cPeak - hba1c) * this.#effect('diabetes', timeMs, relief, 0.4) + this.#random.normal(0, 0.1)
  }

  /** mg/dL, fasting; follows from HbA1c (Nathan 2008: estimated average glucose), a little lower in the morning. */
  glucose(hba1c: number): number {
    return Math.round((28.7 * hba1c - 46.7) * 0.92 + this.#random.normal(0, 5))
  }

  /** mg/dL; the parts fit together by Friedewald's formula. */
  lipids(timeMs: number): Lipids {
    const random = this.#random
    const total = Math.round(this.#baseline.cholesterol + 68 * this.#effect('hyperlipidaemia', timeMs, 0.9, 0.3) + random.normal(0, 6))
    const hdl = Math.round(this.#baseline.hdl + random.normal(0, 2))
    const triglycerides = Math.round(105 + 60 * this.#effect('diabetes', timeMs, 0.4, 1) + random.normal(0, 12))
    return { total, hdl, triglycerides, ldl: Math.round(total - hdl - triglycerides / 5) }
  }

  /** mg/dL. */
  creatinine(timeMs: number): number {
    const diabetic = this.#onsets.get('diabetes')
    const years = diabetic === undefined ? 0 : Math.max(0, (timeMs - diabetic) / YEAR_MS)
    return this.#baseline.creatinine + 0.003 * Math.max(0, this.age(timeMs) - 40) + 0.012 * years + this.#random.normal(0, 0.03)
  }

  /** mL/min/1.73 m2 by CKD-EPI 2021 (Inker, N Engl J Med 385:1737). */
  filtrationRate(creatinine: number, timeMs: number): number {
    const female = this.#sex === 'female'
    const ratio = creatinine / (female ? 0.7 : 0.9)
    const power = female ? -0.241 : -0.302
    return Math.round(142 * Math.min(ratio, 1) ** power * Math.max(ratio, 1) ** -1.2 * 0.9938 ** this.age(timeMs) * (female ? 1.012 : 1))
  }

  bloodCount(timeMs: number, illness: 'none' | 'bacterial' | 'dengue' | 'malaria'): BloodCount {
    const random = this.#random
    const haemoglobin =
      this.#baseline.hb - 3.4 * this.#effect('anaemia', timeMs, 0.95, 0.25) - (illness === 'malaria' ? 1.6 : 0) + random.normal(0, 0.25)
    const leukocytes = { none: 6.4, bacterial: 12.3, dengue: 2.9, malaria: 5.1 }[illness]
    const platelets = { none: 250, bacterial: 300, dengue: 78, malaria: 104 }[illness]
    return {
      haemoglobin,
      haematocrit: 3 * haemoglobin + random.normal(0, 0.6),
      erythrocytes: haemoglobin / 3 + random.normal(0, 0.1),
      leukocytes: leukocytes * random.normal(1, 0.1),
      platelets: Math.round(platelets * random.normal(1, 0.1)),
    }
  }

  /** mU/L. */
  thyrotropin(timeMs: number): number {
    return this.#baseline.tsh + 7.5 * this.#effect('hypothyroidism', timeMs, 0.95, 0.25) + this.#random.normal(0, 0.2)
  }
}
