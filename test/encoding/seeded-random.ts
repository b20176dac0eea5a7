/** Randomness that follows from a seed alone, in Node and in browsers. */
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
