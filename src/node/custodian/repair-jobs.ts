/** What is known to be missing here, when each of it is tried next, and what is looked for soon because it was anchored lately. */

import { toHex } from '../../encoding/bytes.ts'
import { type Job, pauseBefore } from './repair-plan.ts'

/** Anchors that are waited for at a time. */
const MAX_EXPECTED = 4_096

export interface RepairJobsOptions {
  /** Repairs that are known at a time. */
  maxJobs: number
  /** How long what was anchored may still be on its way here, in ms. */
  graceMs: number
  now: () => number
  /** Told that there is something new to do. */
  onWork: () => void
}

export interface Expected {
  readonly folder: Uint8Array
  readonly root: Uint8Array
  /** When it is looked for, in ms. */
  readonly at: number
}

export class RepairJobs {
  readonly #options: RepairJobsOptions
  readonly #jobs = new Map<string, Job>()
  /** In the order of their times. */
  readonly #expected = new Map<string, Expected>()
  #isOverfull = false

  constructor(options: RepairJobsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#jobs.size
  }

  /** More is missing than is known: all has to be looked through again. */
  get isOverfull(): boolean {
    return this.#isOverfull
  }

  /** Whether a look through all would find room for what is not known. */
  get wantsLook(): boolean {
    return this.#isOverfull && this.#jobs.size <= this.#options.maxJobs / 2
  }

  /** Says that a look through all begins: what is beyond the bounds comes up in it again. */
  beginLook(): void {
    this.#isOverfull = false
  }

  has(root: Uint8Array): boolean {
    return this.#jobs.has(toHex(root))
  }

  add(folder: Uint8Array, root: Uint8Array): void {
    const name = toHex(root)
    if (this.#jobs.has(name)) return
    if (this.#jobs.size >= this.#options.maxJobs) {
      this.#isOverfull = true
      return
    }
    this.#jobs.set(name, { folder, root, failures: 0, wrongSums: 0, failedAttempt: 0, notBefore: 0 })
    this.#options.onWork()
  }

  delete(root: Uint8Array): void {
    this.#jobs.delete(toHex(root))
  }

  /** What is to be tried now. */
  due(): Job[] {
    return [...this.#jobs.values()].filter(({ notBefore }) => notBefore <= this.#options.now())
  }

  /** Puts a repair off that failed. @param isWrongSum nobody has to recover first */
  postpone(job: Job, isWrongSum = false): void {
    job.notBefore = this.#options.now() + pauseBefore(job, isWrongSum)
    job.failures++
    if (isWrongSum) job.wrongSums++
  }

  /** Notes what was anchored just now: it may still be on its way, and what has come by then is no loss. */
  expect(folder: Uint8Array, root: Uint8Array): void {
    if (this.#expected.size >= MAX_EXPECTED) this.#isOverfull = true
    else this.#expected.set(toHex(root), { folder, root, at: this.#options.now() + this.#options.graceMs })
  }

  /** The next anchor whose time has come, once; undefined where there is none. */
  takeExpected(): Expected | undefined {
    const [first] = this.#expected.values()
    if (first === undefined || first.at > this.#options.now()) return undefined
    this.#expected.delete(toHex(first.root))
    return first
  }

  /** When there is something to do again, in ms. */
  get dueAt(): number {
    let at = Number.POSITIVE_INFINITY
    for (const { notBefore } of this.#jobs.values()) at = Math.min(at, notBefore)
    const [expected] = this.#expected.values()
    return Math.min(at, expected?.at ?? at)
  }
}
