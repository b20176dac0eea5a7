/**
 * Whom a node that joins by a snapshot asks for the next piece. Pure: times are arguments. Members take turns; who gives far less than
 * it was asked for, or takes far longer than answers do, comes behind the others, and is left aside after some such answers. So a peer
 * that drips costs some moments, and members who all do, the attempt.
 */
import { toHex } from '../encoding/bytes.ts'

/** Short or slow answers after which a peer is left aside in this attempt, and good ones that make up for one of them. */
const MAX_DRIPS = 3
const GOOD_FOR_ONE = 16
/** Answers by whose times is told how long one takes; beyond the multiple of their median, and the least time in ms, one is slow. */
const TIMED_ANSWERS = 16
const SLOW_TIMES = 4
const LEAST_SLOW_MS = 1_000
/** Peers that are remembered: members, whom the ledger bounds. */
const MAX_PEERS = 1_024

interface Turns {
  drips: number
  good: number
  failures: number
  /** Number of the turn that it had last. */
  turn: number
}

export interface SnapshotTurnsOptions {
  /** How long an answer is waited for at first, in ms, and at most, where nobody is faster. */
  patienceMs: number
  mostPatienceMs: number
}

export class SnapshotTurns {
  readonly #most: number
  readonly #peers = new Map<string, Turns>()
  readonly #answerMs: number[] = []
  #patienceMs: number
  #turn = 0

  constructor({ patienceMs, mostPatienceMs }: SnapshotTurnsOptions) {
    this.#patienceMs = Math.min(patienceMs, mostPatienceMs)
    this.#most = mostPatienceMs
  }

  /** How long an answer is waited for before another peer is asked, in ms. */
  get patienceMs(): number {
    return this.#patienceMs
  }

  /** Nobody answered in time: waits longer from now on; whether there is a longer time. */
  waitLonger(): boolean {
    if (this.#patienceMs >= this.#most) return false
    this.#patienceMs = Math.min(this.#most, 2 * this.#patienceMs)
    return true
  }

  /** Peers in the order in which to ask them, without those that are left aside. */
  order(peers: readonly Uint8Array[]): Uint8Array[] {
    return peers
      .map(peer => ({ peer, ...this.#of(peer) }))
      .filter(({ drips }) => drips < MAX_DRIPS)
      .sort((a, b) => a.drips + a.failures - b.drips - b.failures || a.turn - b.turn)
      .map(({ peer }) => peer)
  }

  /** A peer gave a piece. @param isShort whether it could have given more. @param ms how long it took */
  gave(peer: Uint8Array, { isShort, ms }: { isShort: boolean; ms: number }): void {
    const known = this.#of(peer)
    known.turn = ++this.#turn
    known.failures = 0
    if (isShort || this.#isSlow(ms)) known.drips++
    else if (++known.good % GOOD_FOR_ONE === 0 && known.drips > 0) known.drips--
    if (isShort) return
    this.#answerMs.push(ms)
    if (this.#answerMs.length > TIMED_ANSWERS) this.#answerMs.shift()
  }

  /** It has turned out that a peer could have given more. */
  wasShort(peer: Uint8Array): void {
    this.#of(peer).drips++
  }

  /** A peer gave nothing, or nothing of use. */
  failed(peer: Uint8Array): void {
    const known = this.#of(peer)
    known.turn = ++this.#turn
    known.failures++
  }

  #isSlow(ms: number): boolean {
    if (this.#answerMs.length === 0) return false
    const median = [...this.#answerMs].sort((a, b) => a - b)[this.#answerMs.length >> 1] as number
    return ms > Math.max(LEAST_SLOW_MS, SLOW_TIMES * median)
  }

  #of(peer: Uint8Array): Turns {
    const name = toHex(peer)
    const known = this.#peers.get(name) ?? { drips: 0, good: 0, failures: 0, turn: 0 }
    if (this.#peers.size < MAX_PEERS) this.#peers.set(name, known)
    return known
  }
}
