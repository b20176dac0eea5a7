/** Seeded randomness for property tests: a failure names the seed, and `EPIONE_TEST_SEED` replays it. */
import { randomInt } from 'node:crypto'

export interface SeededRandom {
  /** Integer from 0 to `bound` - 1. */
  below(bound: number): number
  bytes(length: number): Uint8Array
  pick<T>(items: readonly T[]): T
}

/** mulberry32: enough for choosing test cases, and the same everywhere. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (bound: number): number => Math.floor((next() / 2 ** 32) * bound)
  return {
    below,
    bytes: length => Uint8Array.from({ length }, () => below(256)),
    pick: items => items[below(items.length)] as (typeof items)[number],
  }
}

/** A test body that gets seeded randomness; when it fails, the error says with which seed. */
export function property(body: (random: SeededRandom) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const given = process.env.EPIONE_TEST_SEED
    const seed = given === undefined ? randomInt(2 ** 32) : Number(given)
    try {
      await body(seededRandom(seed))
    } catch (error) {
      if (error instanceof Error) error.message += ` (replay with EPIONE_TEST_SEED=${seed})`
      throw error
    }
  }
}
