/**
 * How a ciphertext lies in its fragments. It is cut into stripes of k x 65,536 bytes; shard i < k of a full stripe is its
 * i-th 65,536 bytes. What remains forms a last stripe, whose shards are as long as a k-th of it, rounded up to a multiple of
 * 16, zeros at the end. Fragment i is shard i of every stripe in turn, and its chunks are these shards.
 */
import { MalformedError } from '../encoding/errors.ts'
import { type CodeParameters, checkCodeParameters } from './erasure.ts'

/** Length of every chunk but a fragment's last, in bytes. */
export const CHUNK_BYTES = 65_536

/** The last chunk's length is a multiple of this. */
const CHUNK_ALIGNMENT = 16

/** Longest ciphertext that is dispersed, in bytes. */
export const MAX_DISPERSED_BYTES = 2 ** 40

/** A ciphertext's length in bytes, and the code it is dispersed by. */
export interface DispersalShape extends CodeParameters {
  readonly size: number
}

/** @throws MalformedError unless the code is one of ours and 1 <= size <= 2^40. */
export function checkDispersalShape(shape: DispersalShape): void {
  checkCodeParameters(shape)
  if (!Number.isSafeInteger(shape.size) || shape.size < 1 || shape.size > MAX_DISPERSED_BYTES) {
    throw new MalformedError(`a dispersed ciphertext has 1 to ${MAX_DISPERSED_BYTES} bytes`, { size: shape.size })
  }
}

/** Length of each of the n fragments, in bytes. */
export function fragmentLength(size: number, n: number, k: number): number {
  checkDispersalShape({ size, n, k })
  const stripe = k * CHUNK_BYTES
  const rest = size % stripe
  return Math.floor(size / stripe) * CHUNK_BYTES + Math.ceil(Math.ceil(rest / k) / CHUNK_ALIGNMENT) * CHUNK_ALIGNMENT
}

/** Chunks of each fragment, which is the number of stripes. */
export function chunkCount(size: number, n: number, k: number): number {
  return chunksOf(fragmentLength(size, n, k))
}

/** Chunks of a fragment of `length` bytes. */
export function chunksOf(length: number): number {
  return Math.ceil(length / CHUNK_BYTES)
}

/** Length of the chunk at `index` in a fragment of `length` bytes. */
export function chunkLength(length: number, index: number): number {
  return Math.max(0, Math.min(CHUNK_BYTES, length - index * CHUNK_BYTES))
}

/** Bytes of ciphertext in the stripe at `index`; the rest of its k shards is padding. */
export function stripeBytes({ size, k }: DispersalShape, index: number): number {
  return Math.max(0, Math.min(k * CHUNK_BYTES, size - index * k * CHUNK_BYTES))
}
