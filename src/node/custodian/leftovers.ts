/** What is here and is to be held by others now: it is dropped once enough of them have it. */

import { equalBytes, toHex } from '../../encoding/bytes.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import type { Logger } from '../logger.ts'
import type { Announcer } from './announcer.ts'
import { type Holdings, indexOf, type Placed } from './holdings.ts'
import { FIRST_RETRY_MS, LONGEST_RETRY_MS } from './repair-plan.ts'
import type { RepairSurvey } from './repair-survey.ts'
import type { Submissions } from './submissions.ts'

/** Submissions of which it is asked in one look whether they may go. */
const DROPS_AT_ONCE = 256
const FROM_THE_FIRST = new Uint8Array(0)

export interface LeftoversOptions {
  custodian: Uint8Array
  /** Submissions of which it is asked in one look whether they may go. @default 256 */
  atOnce?: number
}

export interface LeftoversDependencies {
  fragments: Pick<FragmentStore, 'dropSubmission'>
  submissions: Submissions
  holdings: Pick<Holdings, 'placed'>
  survey: Pick<RepairSurvey, 'inventory'>
  announcer: Pick<Announcer, 'withdraw'>
  logger: Logger
  now: () => number
}

export class Leftovers {
  readonly #options: Required<LeftoversOptions>
  readonly #deps: LeftoversDependencies
  /** Where the next look begins: all is gone through in turns, for what waits for others must not hold up what may go. */
  #next: Uint8Array = FROM_THE_FIRST
  /** Something that was looked at in this turn waits for others to repair it. */
  #isWaiting = false
  #dueAt = Number.POSITIVE_INFINITY
  #pauseMs = FIRST_RETRY_MS

  constructor(options: LeftoversOptions, dependencies: LeftoversDependencies) {
    this.#options = { atOnce: DROPS_AT_ONCE, ...options }
    this.#deps = dependencies
  }

  /** When the next look is due, in ms. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** Asks for a turn through all as soon as may be. */
  lookSoon(): void {
    this.#dueAt = 0
  }

  /** Looks at the next of what is here, and drops what may go. */
  async look(): Promise<void> {
    // Whoever asks for a turn meanwhile gets one.
    this.#dueAt = Number.POSITIVE_INFINITY
    const left = await this.#page()
    if (await this.#letGo(left)) this.#isWaiting = true
    if (this.#next.length > 0) {
      this.#dueAt = 0
      return
    }
    // Others get time to repair.
    this.#pauseMs = this.#isWaiting ? Math.min(LONGEST_RETRY_MS, 2 * this.#pauseMs) : FIRST_RETRY_MS
    if (this.#isWaiting) this.#dueAt = Math.min(this.#dueAt, this.#deps.now() + this.#pauseMs)
    this.#isWaiting = false
  }

  async #page(): Promise<Placed[]> {
    const { holdings, submissions } = this.#deps
    const { custodian, atOnce } = this.#options
    const left: Placed[] = []
    for await (const { root, submission } of submissions.all(this.#next)) {
      if (left.length === atOnce) {
        this.#next = root
        return left
      }
      const placed = submission.anchored ? holdings.placed(submission.folder, root) : undefined
      if (placed !== undefined && indexOf(placed, custodian) === undefined) left.push(placed)
    }
    this.#next = FROM_THE_FIRST
    return left
  }

  /** Drops what so many others have that any f losses are survived. Returns whether some of it waits. */
  async #letGo(left: readonly Placed[]): Promise<boolean> {
    if (left.length === 0) return false
    const { fragments, submissions, survey, announcer, logger } = this.#deps
    const held = await survey.inventory(left)
    let isWaiting = false
    for (const { root, anchor, holders } of left) {
      const needed = anchor.n - Math.floor((anchor.n - 1) / 3)
      const have = (held.get(toHex(root)) ?? []).filter(({ id, index }) => equalBytes(holders[index] ?? new Uint8Array(0), id))
      if (have.length < needed) {
        isWaiting = true
        continue
      }
      if ((await submissions.get(root)) === undefined) continue
      // In this order: what stops in between is looked at again.
      await fragments.dropSubmission(root)
      await submissions.delete(root)
      await announcer.withdraw(root).catch(() => undefined)
      logger.info({ submission: toHex(root).slice(0, 16) }, 'fragments that others hold now were dropped')
    }
    return isWaiting
  }
}
