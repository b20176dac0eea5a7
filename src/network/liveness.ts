/**
 * Finds connections that died without a word, such as those of a machine that lost its power. libp2p's own monitor closes a
 * connection at the first late ping, which empties a busy network; here only a long silence counts, and any answer, even a
 * refusal, ends it.
 */
import { EpioneError } from '../encoding/errors.ts'

const INTERVAL_MS = 5_000
/** Below the interval, so that each round asks. */
const PING_TIMEOUT_MS = 4_000
/**
 * Pings in a row without any answer before a connection is given up: some 15 s. TCP would not give it up for many minutes, and
 * doubles its pauses meanwhile, so that after a silence of half a minute the old connection stays useless for as long again.
 */
const SILENT_PINGS = 3
/** Rounds in which each of the other peers is asked once. */
const ROUNDS = 6

export interface LivenessDeps {
  /** Peers that are connected, by the hex of their network keys. */
  connected(): ReadonlySet<string>
  /** Whether a peer is asked in each round; others in every sixth, for there may be thousands of them. */
  isClose(peer: string): boolean
  /** Round-trip time in ms. */
  ping(peer: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<number>
  drop(peer: string): void
}

export class Liveness {
  readonly #deps: LivenessDeps
  readonly #rtts = new Map<string, number>()
  readonly #silent = new Map<string, number>()
  readonly #running = new Set<string>()
  #stopped = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #round = 0

  constructor(deps: LivenessDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#stopped = new AbortController()
    this.#timer = setInterval(() => {
      this.#round = (this.#round + 1) % ROUNDS
      for (const peer of this.#deps.connected()) {
        // By the key's first byte, so that each has a round of its own and all rounds are alike.
        if (this.#deps.isClose(peer) || Number.parseInt(peer.slice(0, 2), 16) % ROUNDS === this.#round) void this.#check(peer)
      }
    }, INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#stopped.abort()
  }

  rttMs(peer: string): number | null {
    return this.#rtts.get(peer) ?? null
  }

  connected(peer: string): void {
    if (this.#timer !== undefined) void this.#check(peer)
  }

  disconnected(peer: string): void {
    this.#rtts.delete(peer)
    this.#silent.delete(peer)
  }

  async #check(peer: string): Promise<void> {
    if (this.#running.has(peer)) return
    this.#running.add(peer)
    try {
      this.#rtts.set(peer, await this.#deps.ping(peer, { timeoutMs: PING_TIMEOUT_MS, signal: this.#stopped.signal }))
      this.#silent.delete(peer)
    } catch (error) {
      if (!(error instanceof EpioneError && error.code === 'timeout')) {
        this.#silent.delete(peer)
        return
      }
      const silent = (this.#silent.get(peer) ?? 0) + 1
      this.#silent.set(peer, silent)
      if (silent >= SILENT_PINGS) this.#deps.drop(peer)
    } finally {
      this.#running.delete(peer)
      if (!this.#deps.connected().has(peer)) this.disconnected(peer)
    }
  }
}
