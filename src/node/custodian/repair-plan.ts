/** Which repairs come first, and who is asked to help. Pure. */
import { compareBytes, toHex, u32 } from '../../encoding/bytes.ts'
import { taggedHash } from '../../encoding/hash.ts'
import type { Placed } from './holdings.ts'

/** A member that says it holds its fragments of a submission in whole. */
export interface Helper {
  readonly id: Uint8Array
  readonly index: number
}

/** A submission that is not here as it should be. */
export interface Job {
  readonly folder: Uint8Array
  readonly root: Uint8Array
  failures: number
  /** Of these, sums that were wrong. */
  wrongSums: number
  /** The last attempt that failed for its helpers: its order does not serve again. 0 for none. */
  failedAttempt: number
  /** Not tried again before this time, in ms. */
  notBefore: number
}

/** First and longest pause before a repair that failed is tried again, in ms. */
export const FIRST_RETRY_MS = 500
export const LONGEST_RETRY_MS = 5 * 60_000
/**
 * Wrong sums after which a repair is tried less and less often, and the longest pause then, in ms. It may be that no set of helpers
 * gives a right one: the writer's fragments were of no codeword.
 */
const SETS_IN_A_ROW = 32
const LONGEST_WRONG_MS = 24 * 60 * 60_000

/** How long a repair that failed now waits, in ms. @param isWrongSum nobody has to recover first: another set of helpers may do at once */
export function pauseBefore({ failures, wrongSums }: Job, isWrongSum: boolean): number {
  const doublings = isWrongSum ? Math.max(0, wrongSums - SETS_IN_A_ROW) : failures
  return Math.min(isWrongSum ? LONGEST_WRONG_MS : LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(doublings, 20))
}

/** A repair that can be done now. */
export interface Repair {
  readonly job: Job
  readonly placed: Placed
  readonly index: number
  readonly k: number
  readonly there: readonly Helper[]
}

export interface Ordered extends Repair {
  readonly helpers: readonly Helper[]
  readonly attempt: number
}

/** Members of which doubts are remembered: those whom the ledger names as holders. */
const MAX_DOUBTED = 4_096

/** Counts failures of helpers, so that others are asked; a success makes up for one. A liar cannot be told from the others of its set. */
export class Doubts {
  readonly #counts = new Map<string, number>()

  of(id: Uint8Array): number {
    return this.#counts.get(toHex(id)) ?? 0
  }

  failed(helpers: readonly Helper[]): void {
    for (const { id } of helpers) this.#set(id, this.of(id) + 1)
  }

  succeeded(helpers: readonly Helper[]): void {
    for (const { id } of helpers) this.#set(id, this.of(id) - 1)
  }

  #set(id: Uint8Array, count: number): void {
    const name = toHex(id)
    this.#counts.delete(name)
    if (count <= 0) return
    const [oldest] = this.#counts.keys()
    if (this.#counts.size >= MAX_DOUBTED && oldest !== undefined) this.#counts.delete(oldest)
    this.#counts.set(name, count)
  }
}

/** How many different fragments are there. */
export function fragmentsThere(there: readonly Helper[]): number {
  return new Set(there.map(({ index }) => index)).size
}

/**
 * k helpers with different fragments, ascending by index, of those that are there: the least doubted, and among equals others with every
 * attempt. Undefined where there are fewer than k.
 */
export function chooseHelpers(
  there: readonly Helper[],
  k: number,
  doubts: Doubts,
  root: Uint8Array,
  attempt: number,
): Helper[] | undefined {
  if (fragmentsThere(there) < k) return undefined
  const ranked = there.map(helper => ({
    helper,
    doubt: doubts.of(helper.id),
    rank: taggedHash('repair-rank', root, u32(attempt), helper.id),
  }))
  ranked.sort((a, b) => a.doubt - b.doubt || compareBytes(a.rank, b.rank))
  const chosen = new Map<number, Helper>()
  for (const { helper } of ranked) if (chosen.size < k && !chosen.has(helper.index)) chosen.set(helper.index, helper)
  return [...chosen.values()].sort((a, b) => a.index - b.index)
}

/** The repairs that can be done, those with the fewest good fragments left first. */
export function byUrgency<T extends { readonly there: readonly Helper[]; readonly k: number }>(repairs: readonly T[]): T[] {
  const spare = ({ there, k }: T): number => fragmentsThere(there) - k
  return repairs.filter(repair => spare(repair) >= 0).sort((a, b) => spare(a) - spare(b))
}
