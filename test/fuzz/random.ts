/** Seeded randomness for fuzzing: fast, and the same everywhere. */
export interface Random {
  /** Integer from 0 to `bound` - 1. */
  below(bound: number): number
  /** True once in `n` times. */
  oneIn(n: number): boolean
  pick<T>(items: readonly T[]): T
  bytes(length: number): Uint8Array
}

/** sfc32 (PractRand's small fast counter generator), its state filled from the seed by splitmix32. */
export function randomOf(seed: number): Random {
  let mix = seed | 0
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) | 0
    let z = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) | 0
  }
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), 1]
  const word = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + t) | 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) word()
  const below = (bound: number): number => Math.floor((word() / 2 ** 32) * bound)
  return {
    below,
    oneIn: n => below(n) === 0,
    pick: items => items[below(items.length)] as (typeof items)[number],
    bytes: length => {
      const out = new Uint8Array(length)
      for (let i = 0; i < length; i++) out[i] = word()
      return out
    },
  }
}
