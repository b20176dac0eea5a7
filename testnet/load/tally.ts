/** What a load has seen: latencies and failures by operation, and counts by second. */
import { Histogram, type HistogramValue } from './histogram.ts'
import { OPERATIONS, type Operation } from './mix.ts'

/** Seconds whose counts are kept. */
const MAX_SECONDS = 3_600
/** Codes of failures that are told apart; further ones are `other`. */
const MAX_CODES = 64

export interface OperationReport {
  done: number
  failed: Record<string, number>
  latency: HistogramValue
}

/** Counts of one second, and the longest latency of what was done in it, in ms. */
export interface SecondReport {
  done: number
  failed: number
  maxMs: number
}

export class Tally {
  readonly #began: number
  readonly #operations = new Map<Operation, { latency: Histogram; failed: Map<string, number> }>()
  readonly #seconds: SecondReport[] = []

  /** @param began as `performance.now()` has it */
  constructor(began: number) {
    this.#began = began
  }

  /** How many operations failed, by code. */
  get failures(): ReadonlyMap<string, number> {
    const all = new Map<string, number>()
    for (const { failed } of this.#operations.values()) for (const [code, n] of failed) all.set(code, (all.get(code) ?? 0) + n)
    return all
  }

  /** Latencies of an operation so far. */
  latency(operation: Operation): Histogram {
    return this.#of(operation).latency
  }

  done(operation: Operation, ms: number): void {
    this.#of(operation).latency.record(Math.max(0, ms))
    const second = this.#second()
    second.done++
    second.maxMs = Math.max(second.maxMs, Math.round(ms))
  }

  failed(operation: Operation, code: string): void {
    const { failed } = this.#of(operation)
    const name = failed.has(code) || failed.size < MAX_CODES ? code : 'other'
    failed.set(name, (failed.get(name) ?? 0) + 1)
    this.#second().failed++
  }

  operations(): Partial<Record<Operation, OperationReport>> {
    const report: Partial<Record<Operation, OperationReport>> = {}
    for (const name of OPERATIONS) {
      const seen = this.#operations.get(name)
      if (seen === undefined) continue
      report[name] = { done: seen.latency.count, failed: Object.fromEntries(seen.failed), latency: seen.latency.toJSON() }
    }
    return report
  }

  seconds(): SecondReport[] {
    return Array.from(this.#seconds, second => second ?? empty())
  }

  #of(operation: Operation): { latency: Histogram; failed: Map<string, number> } {
    const known = this.#operations.get(operation)
    if (known !== undefined) return known
    const fresh = { latency: new Histogram(), failed: new Map<string, number>() }
    this.#operations.set(operation, fresh)
    return fresh
  }

  #second(): SecondReport {
    const index = Math.floor((performance.now() - this.#began) / 1000)
    const second = this.#seconds[index] ?? empty()
    if (index < MAX_SECONDS) this.#seconds[index] = second
    return second
  }
}

function empty(): SecondReport {
  return { done: 0, failed: 0, maxMs: 0 }
}
