/** Dispersal: from a ciphertext to its n fragments, their roots, and the one root that binds them all. */
import { equalBytes, u64 } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { HASH_LENGTH, taggedHash } from '../encoding/hash.ts'
import { merkleLeaf, merkleProof, merkleRoot, merkleRootFromProof } from '../encoding/merkle.ts'
import { type CodeParameters, erasureCode } from './erasure.ts'
import { chunkLeaf, FragmentHasher, fragmentRoot } from './hasher.ts'
import { CHUNK_BYTES, checkDispersalShape, chunkLength, chunksOf, type DispersalShape, fragmentLength, stripeBytes } from './layout.ts'
import type { StripeWorker } from './stripe-work.ts'

export interface DispersalOptions {
  signal?: AbortSignal | undefined
  /** Who computes stripes, where it is not this thread. */
  worker?: StripeWorker | undefined
}

/** The n shards of one stripe; shard i is the next chunk of fragment i. */
export interface Stripe {
  readonly stripe: number
  readonly shards: Uint8Array[]
  /** Their leaf hashes, where they are known already. */
  readonly leaves?: readonly Uint8Array[]
}

/** A dispersed ciphertext without its bytes. */
export interface Dispersal {
  /** Dispersal root. */
  readonly root: Uint8Array
  /** Roots of the n fragments, by index. */
  readonly fragmentRoots: Uint8Array[]
}

/**
 * Root that binds a ciphertext's fragments, their number and its length:
 * hash('dispersal', u8 n, u8 k, u64 size, Merkle root over the n fragment roots as data items).
 */
export function dispersalRoot(fragmentRoots: readonly Uint8Array[], n: number, k: number, size: number): Uint8Array {
  checkDispersalShape({ n, k, size })
  if (fragmentRoots.length !== n || fragmentRoots.some(root => root.length !== HASH_LENGTH)) {
    throw new MalformedError(`a dispersal has ${n} fragment roots of ${HASH_LENGTH} bytes`)
  }
  return bindShape(merkleRoot(fragmentRoots.map(merkleLeaf)), { n, k, size })
}

function bindShape(rootOfRoots: Uint8Array, { n, k, size }: DispersalShape): Uint8Array {
  return taggedHash('dispersal', Uint8Array.of(n, k), u64(size), rootOfRoots)
}

/** Hashes that, with the fragment's root, lead to the dispersal root. */
export function fragmentRootProof(fragmentRoots: readonly Uint8Array[], index: number): Uint8Array[] {
  return merkleProof(fragmentRoots.map(merkleLeaf), [index])
}

/** Whether `fragmentRoot` is the root of fragment `index` under this dispersal root. Takes hostile input. */
export function verifyFragmentRoot(
  root: Uint8Array,
  shape: DispersalShape,
  index: number,
  fragmentRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (fragmentRoot.length !== HASH_LENGTH) return false
  try {
    checkDispersalShape(shape)
    return equalBytes(bindShape(merkleRootFromProof(shape.n, [{ index, leaf: merkleLeaf(fragmentRoot) }], proof), shape), root)
  } catch {
    return false
  }
}

/**
 * Encodes a ciphertext that arrives in pieces of any length, stripe by stripe; holds one stripe at a time.
 * @param size exact length of the ciphertext in bytes
 * @throws EpioneError `size-mismatch` where the pieces do not add up to it
 */
export function disperse(
  ciphertext: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
  { n, k }: CodeParameters,
  options: DispersalOptions = {},
): AsyncGenerator<Stripe, void, undefined> {
  return stripesOf(ciphertext, { n, k, size }, { ...options, reuse: false })
}

/** The whole stripes of the beginning of a ciphertext of `size` bytes, as {@link disperse} gives them; what is over is left out. */
export function dispersePrefix(
  prefix: AsyncIterable<Uint8Array>,
  size: number,
  { n, k }: CodeParameters,
  options: DispersalOptions = {},
): AsyncGenerator<Stripe, void, undefined> {
  return stripesOf(prefix, { n, k, size }, { ...options, reuse: false, partial: true })
}

/** @param options `partial`: the ciphertext may end too early. `reuse`: the shards of a stripe are overwritten by the next, which spares their allocation */
async function* stripesOf(
  ciphertext: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  shape: DispersalShape,
  options: DispersalOptions & { reuse: boolean; partial?: boolean },
): AsyncGenerator<Stripe, void, undefined> {
  const { n, k, size } = shape
  const code = erasureCode(shape)
  const length = fragmentLength(size, n, k)
  const stripes = chunksOf(length)
  const memory = (stripe: number): { data: Uint8Array; parity: Uint8Array[] } => {
    const shard = chunkLength(length, stripe)
    return { data: new Uint8Array(k * shard), parity: Array.from({ length: n - k }, () => new Uint8Array(shard)) }
  }
  let stripe = 0
  let filled = 0
  let { data, parity } = memory(0)
  for await (const piece of ciphertext) {
    options.signal?.throwIfAborted()
    let at = 0
    while (at < piece.length) {
      const wanted = stripeBytes(shape, stripe) - filled
      if (wanted === 0) throw sizeMismatch(size, 'more')
      const taken = Math.min(wanted, piece.length - at)
      data.set(piece.subarray(at, at + taken), filled)
      filled += taken
      at += taken
      if (taken < wanted) continue
      if (options.worker === undefined) yield { stripe, shards: code.encodeStripe(data, parity) }
      else yield { stripe, ...(await options.worker.encode(shape, data)) }
      stripe++
      filled = 0
      // The shards that were given out are views of this memory. A last, shorter stripe needs other memory in any case.
      if (!options.reuse || chunkLength(length, stripe) !== parity[0]?.length) ({ data, parity } = memory(stripe))
      else data.fill(0, stripeBytes(shape, stripe))
    }
  }
  if (stripe < stripes && options.partial !== true) throw sizeMismatch(size, 'fewer')
}

function sizeMismatch(size: number, what: 'more' | 'fewer'): EpioneError {
  return new EpioneError('size-mismatch', `the ciphertext has ${what} bytes than the ${size} that were announced`, { metadata: { size } })
}

/** Roots of a ciphertext's dispersal, with memory that does not grow with its fragments. @throws as {@link disperse} */
export async function computeDispersal(
  ciphertext: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
  { n, k }: CodeParameters,
  options: DispersalOptions = {},
): Promise<Dispersal> {
  const hashers = Array.from({ length: n }, () => new FragmentHasher())
  for await (const { shards, leaves } of stripesOf(ciphertext, { n, k, size }, { ...options, reuse: true })) {
    shards.forEach((shard, i) => {
      hashers[i]?.updateLeaf(leaves?.[i] ?? chunkLeaf(shard))
    })
  }
  const fragmentRoots = hashers.map(hasher => hasher.root())
  return { root: dispersalRoot(fragmentRoots, n, k, size), fragmentRoots }
}

/** A ciphertext that fits in memory, dispersed in one call. */
export interface DispersedBytes extends Dispersal {
  /** The n fragments, by index. */
  readonly fragments: Uint8Array[]
  /** Leaf hashes of each fragment's chunks. */
  readonly chunkLeaves: Uint8Array[][]
}

/** Disperses a ciphertext in memory, synchronously; for the many small versions of a submission. */
export function disperseBytes(ciphertext: Uint8Array, { n, k }: CodeParameters): DispersedBytes {
  const shape = { n, k, size: ciphertext.length }
  const length = fragmentLength(shape.size, n, k)
  const code = erasureCode(shape)
  const fragments = Array.from({ length: n }, () => new Uint8Array(length))
  const chunkLeaves: Uint8Array[][] = fragments.map(() => [])
  let read = 0
  for (let stripe = 0; stripe < chunksOf(length); stripe++) {
    const from = stripe * CHUNK_BYTES
    const shard = chunkLength(length, stripe)
    let data = ciphertext.subarray(read, read + k * shard)
    if (data.length < k * shard) {
      // The last stripe, with its padding.
      const padded = new Uint8Array(k * shard)
      padded.set(data)
      data = padded
    }
    read += stripeBytes(shape, stripe)
    const places = fragments.map(fragment => fragment.subarray(from, from + shard))
    code.encodeStripe(data, places.slice(k)).forEach((bytes, i) => {
      if (i < k) places[i]?.set(bytes)
      chunkLeaves[i]?.push(chunkLeaf(bytes))
    })
  }
  const fragmentRoots = chunkLeaves.map(fragmentRoot)
  return { root: dispersalRoot(fragmentRoots, n, k, shape.size), fragmentRoots, fragments, chunkLeaves }
}
