/**
 * The erasure code: systematic Reed-Solomon over GF(2^8), any k of n shards give the data. Byte-compatible with the libraries
 * of Backblaze and klauspost. The code finds no corruption: check every shard against its hash before it is decoded.
 */
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { invertMatrix, type Matrix, multiplyMatrices, systematicMatrix } from './field.ts'
import { createKernel, type Kernel, MAX_SHARD_BYTES, type Product, prepareProduct } from './kernel/kernel.ts'

/** Shape of a code: `n` shards in all, of which any `k` give the data. */
export interface CodeParameters {
  readonly n: number
  readonly k: number
}

/** Shards by index; a missing one is `undefined`. The first k of n are the data itself. */
export type PartialShards = readonly (Uint8Array | undefined)[]

export interface ErasureCode extends CodeParameters {
  /**
   * Shards of one stripe. `data` is k shards of equal length, 1 to 65,536 bytes each; the first k results are views of it,
   * the others are `parity`, n - k shards of the same length, or new memory.
   */
  encodeStripe(data: Uint8Array, parity?: readonly Uint8Array[]): Uint8Array[]
  /** The k x `shardLength` bytes of data that any k of the n shards give. @throws EpioneError `too-few-fragments` */
  decodeStripe(shards: PartialShards, shardLength: number): Uint8Array
  /** The one shard at `index`. @throws EpioneError `too-few-fragments` */
  reconstruct(shards: PartialShards, index: number, shardLength: number): Uint8Array
  /**
   * All n shards of the codeword through the first k that are given; further ones are neither used nor looked at. Cheaper
   * than decoding and encoding again, and the same. @throws EpioneError `too-few-fragments`
   */
  completeStripe(shards: PartialShards, shardLength: number): Uint8Array[]
}

/** Bounds of the codes that epione speaks. */
export const MAX_FRAGMENTS = 48
export const MAX_DATA_FRAGMENTS = 32

/** Prepared products that one code keeps; each is at most 18 KiB. */
const MAX_CACHED_PRODUCTS = 64

/** Codes kept by {@link erasureCode}; a network speaks one, or two while it changes. */
const MAX_CACHED_CODES = 8

let sharedKernel: Kernel | undefined
const codes = new Map<string, ErasureCode>()

/** @throws MalformedError unless 2 <= k <= 32, k < n <= 48. */
export function checkCodeParameters({ n, k }: CodeParameters): void {
  if (!Number.isInteger(n) || !Number.isInteger(k) || k < 2 || k > MAX_DATA_FRAGMENTS || n <= k || n > MAX_FRAGMENTS) {
    throw new MalformedError(`an erasure code needs 2 <= k <= ${MAX_DATA_FRAGMENTS} and k < n <= ${MAX_FRAGMENTS}`, { n, k })
  }
}

/**
 * Makes a code. All codes share one kernel and its arena, which is safe because every call is synchronous.
 * @param kernel for tests: the kernel to use instead
 * @throws MalformedError unless 2 <= k <= 32, k < n <= 48
 */
export function createErasureCode(parameters: CodeParameters, kernel?: Kernel): ErasureCode {
  checkCodeParameters(parameters)
  if (kernel === undefined) {
    sharedKernel ??= createKernel()
    return new ReedSolomon(parameters, sharedKernel)
  }
  return new ReedSolomon(parameters, kernel)
}

/** The code of these parameters, made once and kept while it is among the last few in use. */
export function erasureCode(parameters: CodeParameters): ErasureCode {
  const key = `${parameters.n}/${parameters.k}`
  let code = codes.get(key)
  if (code === undefined) {
    code = createErasureCode(parameters)
    const oldest = codes.keys().next()
    if (codes.size >= MAX_CACHED_CODES && oldest.done !== true) codes.delete(oldest.value)
    codes.set(key, code)
  }
  return code
}

class ReedSolomon implements ErasureCode {
  readonly n: number
  readonly k: number
  readonly #kernel: Kernel
  readonly #matrix: Matrix
  readonly #parity: Product
  /** Products by which shards are used and which are wanted, least recently used first. */
  readonly #products = new Map<string, Product>()

  constructor({ n, k }: CodeParameters, kernel: Kernel) {
    this.n = n
    this.k = k
    this.#kernel = kernel
    this.#matrix = systematicMatrix(n, k)
    this.#parity = prepareProduct(this.#matrix.slice(k))
  }

  encodeStripe(data: Uint8Array, parity?: readonly Uint8Array[]): Uint8Array[] {
    const length = data.length / this.k
    if (!Number.isInteger(length) || length < 1 || length > MAX_SHARD_BYTES) {
      throw new RangeError(`a stripe is ${this.k} shards of 1 to ${MAX_SHARD_BYTES} bytes each`)
    }
    const shards = Array.from({ length: this.k }, (_, i) => data.subarray(i * length, (i + 1) * length))
    return [...shards, ...this.#kernel.run(this.#parity, shards, parity)]
  }

  decodeStripe(shards: PartialShards, shardLength: number): Uint8Array {
    const wanted = Array.from({ length: this.k }, (_, i) => i).filter(i => shards[i] === undefined)
    const computed = this.#compute(shards, wanted, shardLength)
    const out = new Uint8Array(this.k * shardLength)
    for (let i = 0; i < this.k; i++) out.set(shards[i] ?? (computed.get(i) as Uint8Array), i * shardLength)
    return out
  }

  reconstruct(shards: PartialShards, index: number, shardLength: number): Uint8Array {
    if (!Number.isInteger(index) || index < 0 || index >= this.n) throw new RangeError(`shard index must be from 0 to ${this.n - 1}`)
    const present = shards[index]
    if (present !== undefined) return present.slice()
    return this.#compute(shards, [index], shardLength).get(index) as Uint8Array
  }

  completeStripe(shards: PartialShards, shardLength: number): Uint8Array[] {
    const used = this.#choose(shards, shardLength)
    const wanted = Array.from({ length: this.n }, (_, i) => i).filter(i => !used.includes(i))
    const computed = this.#compute(shards, wanted, shardLength)
    return Array.from({ length: this.n }, (_, i) => computed.get(i) ?? (shards[i] as Uint8Array))
  }

  /** Indices of the first k shards that are there. */
  #choose(shards: PartialShards, shardLength: number): number[] {
    if (shards.length > this.n) throw new RangeError(`there are at most ${this.n} shards`)
    const present: number[] = []
    shards.forEach((shard, i) => {
      if (shard !== undefined && shard.length !== shardLength) throw new RangeError(`shard ${i} must have ${shardLength} bytes`)
      if (shard !== undefined) present.push(i)
    })
    if (present.length < this.k) {
      throw new EpioneError('too-few-fragments', `${present.length} fragments are there and ${this.k} are needed`, {
        metadata: { present: present.length, needed: this.k },
      })
    }
    return present.slice(0, this.k)
  }

  #compute(shards: PartialShards, wanted: readonly number[], shardLength: number): Map<number, Uint8Array> {
    const used = this.#choose(shards, shardLength)
    if (wanted.length === 0) return new Map()
    const outputs = this.#kernel.run(
      this.#product(used, wanted),
      used.map(i => shards[i] as Uint8Array),
    )
    return new Map(wanted.map((index, i) => [index, outputs[i] as Uint8Array]))
  }

  #product(used: readonly number[], wanted: readonly number[]): Product {
    const key = `${used}>${wanted}`
    let product = this.#products.get(key)
    if (product === undefined) {
      const inverse = invertMatrix(used.map(i => this.#matrix[i] as Uint8Array))
      if (inverse === undefined) throw new RangeError('any k rows of the matrix have an inverse')
      product = prepareProduct(
        multiplyMatrices(
          wanted.map(i => this.#matrix[i] as Uint8Array),
          inverse,
        ),
      )
      const oldest = this.#products.keys().next()
      if (this.#products.size >= MAX_CACHED_PRODUCTS && oldest.done !== true) this.#products.delete(oldest.value)
    } else {
      this.#products.delete(key)
    }
    this.#products.set(key, product)
    return product
  }
}
