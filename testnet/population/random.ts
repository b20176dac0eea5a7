/** Pseudo-random numbers from a seed, for made-up data and repeatable runs. Never for keys. */

export interface SeededRandom {
  /** Uniform in [0, 1), 53 bits. */
  next(): number
  /** Uniform integer from `min` to `max`, both included. */
  int(min: number, max: number): number
  /** One item of a list that is not empty. */
  pick<T>(items: readonly T[]): T
  /** True with the given probability. */
  chance(probability: number): boolean
  /** Normally distributed, cut at three standard deviations. */
  normal(mean: number, deviation: number): number
  bytes(length: number): Uint8Array
}

/**
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), its state filled from the
 * seed by splitmix32. The same seed gives the same sequence on every platform.
 * @param seed a safe integer
 */
export function seededRandom(seed: number): SeededRandom {
  if (!Number.isSafeInteger(seed)) throw new RangeError('a seed must be a safe integer')
  let mix = seed >>> 0
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) | 0
    let z = mix
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return z ^ (z >>> 15)
  }
  // The low word decides a, and together with the high word c: two seeds never share a state.
  let a = splitmix()
  let b = splitmix()
  mix ^= Math.floor(seed / 2 ** 32)
  let c = splitmix()
  let d = splitmix()
  if ((a | b | c | d) === 0) d = 1 // the all-zero state is a fixed point

  const word = (): number => {
    const product = Math.imul(b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result >>> 0
  }
  const next = (): number => {
    const high = word() >>> 5
    const low = word() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  }
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1))

  return {
    next,
    int,
    pick: <T>(items: readonly T[]): T => {
      if (items.length === 0) throw new RangeError('nothing to pick from')
      return items[int(0, items.length - 1)] as T
    },
    chance: probability => next() < probability,
    normal: (mean, deviation) => {
      // Box-Muller; 1 - next() is never zero.
      const value = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
      return mean + deviation * Math.max(-3, Math.min(3, value))
    },
    bytes: length => {
      const out = new Uint8Array(length)
      let i = 0
      for (; i + 4 <= length; i += 4) {
        const value = word()
        out[i] = value
        out[i + 1] = value >>> 8
        out[i + 2] = value >>> 16
        out[i + 3] = value >>> 24
      }
      if (i < length) for (let value = word(); i < length; i++, value >>>= 8) out[i] = value
      return out
    },
  }
}

const CHUNK = 64 * 1024

/** `length` pseudo-random bytes in chunks of at most 64 KiB: a stand-in for images and sequences, of any size in flat memory. */
export async function* generateBytes(seed: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (!Number.isSafeInteger(length) || length < 0) throw new RangeError('a length must be a natural number')
  const random = seededRandom(seed)
  for (let left = length; left > 0; left -= CHUNK) yield random.bytes(Math.min(CHUNK, left))
}
