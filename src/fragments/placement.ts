/**
 * Placement: which custodian holds which fragment, computed alike by everybody from the member set. Weighted rendezvous
 * hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005), in integer arithmetic alone, for
 * engines disagree about the last bits of `Math.log`.
 */
import { compareBytes } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { HASH_LENGTH, taggedHash } from '../encoding/hash.ts'
import { type CodeParameters, checkCodeParameters } from './erasure.ts'

export interface Custodian {
  /** Account id, 32 bytes. */
  readonly id: Uint8Array
  readonly jurisdiction: string
  /** Weight: a custodian of twice the capacity gets twice the fragments. An integer from 1 to {@link MAX_CAPACITY}. */
  readonly capacity: number
}

export interface PlacementRequest extends CodeParameters {
  /** What is placed: a submission's root or a folder's id, 32 bytes. */
  readonly key: Uint8Array
  /** All custodians at the height that the anchor names, in any order. */
  readonly custodians: readonly Custodian[]
  /** Jurisdictions where fragments may lie; null for any. */
  readonly policy: readonly string[] | null
}

export interface Placement {
  /** The custodian at index i holds fragment i. */
  readonly custodians: Custodian[]
  /** Some jurisdiction had to get k fragments or more, which can open the record without any other. */
  readonly relaxed: boolean
}

/** Largest capacity that is taken. */
export const MAX_CAPACITY = 2 ** 32

/** Each hash gives the scores of four indices, 8 bytes each. */
const SCORES_PER_HASH = 4

/**
 * Chooses a custodian for each of the n fragments. Index after index, the custodian with the best score for this index is
 * taken among those that hold none yet and whose jurisdiction is below its limit. Scores of an index depend on the key, the
 * index and the custodian alone, so that a custodian that joins or leaves moves fragments in proportion to its weight: among
 * N of equal weight a joining one changes sum(1 / (N + 1 - i), i < n) indices on average, about n / N, and no more.
 *
 * A jurisdiction's limit is k - 1. Where the eligible custodians cannot give n fragments under it, it is the smallest that they
 * can (so that losing one jurisdiction costs as few fragments as possible), and the result is `relaxed`.
 *
 * @throws EpioneError `too-few-custodians` where fewer than n are eligible under the policy
 */
export function place({ key, custodians, n, k, policy }: PlacementRequest): Placement {
  checkCodeParameters({ n, k })
  if (key.length !== HASH_LENGTH) throw new MalformedError(`a placement key has ${HASH_LENGTH} bytes`)
  const eligible = custodians.filter(({ jurisdiction }) => policy === null || policy.includes(jurisdiction))
  checkCustodians(eligible)
  if (eligible.length < n) {
    throw new EpioneError(
      'too-few-custodians',
      `${eligible.length} custodians are eligible under the residency policy and ${n} are needed`,
      {
        metadata: { eligible: eligible.length, needed: n },
      },
    )
  }
  const limit = jurisdictionLimit(eligible, n, k)
  const candidates = eligible.map(custodian => new Candidate(key, custodian))
  const held = new Map<string, number>()
  const chosen: Custodian[] = []
  for (let index = 0; index < n; index++) {
    const winner = best(
      candidates.filter(({ custodian }) => !chosen.includes(custodian) && (held.get(custodian.jurisdiction) ?? 0) < limit),
      index,
    )
    chosen.push(winner)
    held.set(winner.jurisdiction, (held.get(winner.jurisdiction) ?? 0) + 1)
  }
  return { custodians: chosen, relaxed: limit >= k }
}

/** @throws MalformedError */
export function checkCustodians(custodians: readonly Custodian[]): void {
  const sorted = custodians.map(({ id }) => id).sort(compareBytes)
  sorted.forEach((id, i) => {
    const next = sorted[i + 1]
    if (id.length !== HASH_LENGTH || (next !== undefined && compareBytes(id, next) === 0)) {
      throw new MalformedError(`custodians have distinct ids of ${HASH_LENGTH} bytes`)
    }
  })
  if (custodians.some(({ capacity }) => !Number.isSafeInteger(capacity) || capacity < 1 || capacity > MAX_CAPACITY)) {
    throw new MalformedError(`a custodian's capacity is an integer from 1 to ${MAX_CAPACITY}`)
  }
}

/**
 * Smallest number of fragments per jurisdiction, from k - 1 on, under which n can be placed. Choosing greedily under such a
 * limit never gets stuck: whatever has been chosen, each jurisdiction can still be filled up to it.
 */
function jurisdictionLimit(custodians: readonly Custodian[], n: number, k: number): number {
  const counts = new Map<string, number>()
  for (const { jurisdiction } of custodians) counts.set(jurisdiction, (counts.get(jurisdiction) ?? 0) + 1)
  let limit = k - 1
  while ([...counts.values()].reduce((sum, count) => sum + Math.min(count, limit), 0) < n) limit++
  return limit
}

/** A custodian with its scores, hashed when they are first asked for. */
export class Candidate {
  readonly custodian: Custodian
  readonly #key: Uint8Array
  readonly #hashes: DataView[] = []

  constructor(key: Uint8Array, custodian: Custodian) {
    this.#key = key
    this.custodian = custodian
  }

  /** A number below 2^64, uniform and independent for each key, index and custodian. */
  score(index: number): bigint {
    const block = Math.floor(index / SCORES_PER_HASH)
    let view = this.#hashes[block]
    if (view === undefined) {
      const hash = taggedHash('placement', this.#key, this.custodian.id, Uint8Array.of(block))
      view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength)
      this.#hashes[block] = view
    }
    return view.getBigUint64(8 * (index % SCORES_PER_HASH))
  }
}

interface Contender {
  readonly custodian: Custodian
  readonly score: bigint
}

/**
 * The custodian with the smallest -log(u) / capacity, u being its score as a number in (0, 1): the first of exponential clocks
 * whose rates are the capacities, so that each wins in proportion to its capacity. Among equal capacities that is the one
 * with the largest score, which saves all logarithms but one per capacity.
 */
export function best(candidates: readonly Candidate[], index: number): Custodian {
  const champions = new Map<number, Contender>()
  for (const candidate of candidates) {
    const { custodian } = candidate
    const contender = { custodian, score: candidate.score(index) }
    const champion = champions.get(custodian.capacity)
    if (champion === undefined || isBefore(contender, champion)) champions.set(custodian.capacity, contender)
  }
  let winner: Contender | undefined
  let winnerCost = 0n
  for (const contender of champions.values()) {
    const cost = negativeLog2(contender.score)
    if (winner !== undefined) {
      const difference = cost * BigInt(winner.custodian.capacity) - winnerCost * BigInt(contender.custodian.capacity)
      if (difference > 0n || (difference === 0n && !isBefore(contender, winner))) continue
    }
    winner = contender
    winnerCost = cost
  }
  if (winner === undefined) throw new RangeError('the limit leaves a custodian for every index')
  return winner.custodian
}

/** Larger score first; ids settle ties. */
function isBefore(a: Contender, b: Contender): boolean {
  return a.score === b.score ? compareBytes(a.custodian.id, b.custodian.id) < 0 : a.score > b.score
}

const FRACTION_BITS = 48n
const MANTISSA_BITS = 64n

/**
 * -log2((2 score + 1) / 2^65) with 48 binary digits, for a score below 2^64. The binary digits of a logarithm come out of
 * repeated squaring (Knuth, The Art of Computer Programming 1, section 1.2.2, exercise 28); every step truncates at 64 bits
 * in the same way on every machine, so the result is exact by definition, if not the true logarithm in its last digits.
 */
export function negativeLog2(score: bigint): bigint {
  const odd = 2n * score + 1n
  const exponent = BigInt(odd.toString(2).length - 1)
  let mantissa = (odd << MANTISSA_BITS) >> exponent
  let log = exponent
  for (let i = 0n; i < FRACTION_BITS; i++) {
    mantissa = (mantissa * mantissa) >> MANTISSA_BITS
    log <<= 1n
    if (mantissa >> (MANTISSA_BITS + 1n) !== 0n) {
      mantissa >>= 1n
      log |= 1n
    }
  }
  return (65n << FRACTION_BITS) - log
}
