/** How long the many wait for the few: an allowance that work earns and waiting spends. */

/** The clock by which a read or write decides whom to wait for no longer. */
export interface Timer {
  /** Milliseconds since some moment; never goes back. */
  now(): number
  /** Calls back after so many ms; what is returned takes that back. */
  after(ms: number, act: () => void): () => void
}

export const systemTimer: Timer = {
  now: () => performance.now(),
  after: (ms, act) => {
    const timer = setTimeout(act, ms)
    return () => clearTimeout(timer)
  },
}

/**
 * A bucket of time. It holds at most `capacityMs`; every ms of work without waiting for laggards adds one, every ms of waiting for
 * them takes one. So all waiting together is at most one capacity longer than the work that was done, whether a laggard stops
 * for once or drips for ever.
 */
export class Patience {
  readonly #capacityMs: number
  #leftMs: number

  /** @param firstMs what is in the bucket at the start, by default its capacity */
  constructor(capacityMs: number, firstMs: number = capacityMs) {
    this.#capacityMs = capacityMs
    this.#leftMs = firstMs
  }

  /** How long laggards may be waited for now, in ms. */
  get leftMs(): number {
    return Math.max(0, this.#leftMs)
  }

  note(workedMs: number, waitedMs: number): void {
    this.#leftMs = Math.min(this.#capacityMs, this.#leftMs + workedMs) - waitedMs
  }

  /** Starts anew, as when others were called to help. */
  refill(): void {
    this.#leftMs = this.#capacityMs
  }
}
