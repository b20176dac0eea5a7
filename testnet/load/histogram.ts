/**
 * Latencies in buckets of constant relative width, after HdrHistogram (Tene): of a fixed size however many are recorded, exact to within a
 * hundredth, mergeable, and written down as numbers. Our own, since the package that is kept for it brings a WebAssembly loader and a
 * compressor for what is sixty lines here.
 */
import { z } from 'zod'

/** Buckets in each doubling: relative width 1/128, below 1 %. */
const STEPS = 128
/** Doublings from 2^-7 ms, which is 8 µs, to 2^22 ms, above an hour. */
const LOWEST = -7
const DOUBLINGS = 29
const BUCKETS = STEPS * DOUBLINGS

export const histogramSchema = z.strictObject({
  count: z.int().min(0),
  sumMs: z.number().min(0),
  maxMs: z.number().min(0),
  /** Buckets that are not empty: index and count. */
  buckets: z
    .array(
      z.tuple([
        z
          .int()
          .min(0)
          .max(BUCKETS - 1),
        z.int().min(1),
      ]),
    )
    .max(BUCKETS),
})

export type HistogramValue = z.infer<typeof histogramSchema>

export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS)
  #count = 0
  #sumMs = 0
  #maxMs = 0

  static from({ count, sumMs, maxMs, buckets }: HistogramValue): Histogram {
    const histogram = new Histogram()
    for (const [index, n] of buckets) histogram.#buckets[index] = n
    histogram.#count = count
    histogram.#sumMs = sumMs
    histogram.#maxMs = maxMs
    return histogram
  }

  get count(): number {
    return this.#count
  }

  get maxMs(): number {
    return this.#maxMs
  }

  get meanMs(): number {
    return this.#count === 0 ? Number.NaN : this.#sumMs / this.#count
  }

  /** @param ms not negative; what is beyond the range goes into the first or the last bucket */
  record(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a latency is not ${ms} ms`)
    this.#buckets[bucketOf(ms)]!++
    this.#count++
    this.#sumMs += ms
    this.#maxMs = Math.max(this.#maxMs, ms)
  }

  add(other: Histogram): void {
    for (const [i, n] of other.#buckets.entries()) this.#buckets[i]! += n
    this.#count += other.#count
    this.#sumMs += other.#sumMs
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs)
  }

  /** The value below which a share of what was recorded lies (nearest rank), in ms, to within 1 %; NaN where nothing was. */
  percentile(share: number): number {
    if (this.#count === 0) return Number.NaN
    const rank = Math.max(1, Math.ceil(share * this.#count))
    let seen = 0
    for (const [i, n] of this.#buckets.entries()) {
      seen += n
      if (seen >= rank) return Math.min(this.#maxMs, middleOf(i))
    }
    return this.#maxMs
  }

  toJSON(): HistogramValue {
    const buckets = [...this.#buckets.entries()].filter(([, n]) => n > 0)
    return { count: this.#count, sumMs: this.#sumMs, maxMs: this.#maxMs, buckets }
  }
}

function bucketOf(ms: number): number {
  if (ms <= 2 ** LOWEST) return 0
  const doubling = Math.floor(Math.log2(ms))
  const step = Math.floor((ms / 2 ** doubling - 1) * STEPS)
  return Math.min(BUCKETS - 1, Math.max(0, (doubling - LOWEST) * STEPS + Math.min(STEPS - 1, step)))
}

function middleOf(bucket: number): number {
  const doubling = Math.floor(bucket / STEPS) + LOWEST
  return 2 ** doubling * (1 + ((bucket % STEPS) + 0.5) / STEPS)
}
