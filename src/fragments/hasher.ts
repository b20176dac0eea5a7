/** Hashing of fragments: RFC 6962 Merkle roots over their chunks. */
import { concat } from '../encoding/bytes.ts'
import { HASH_LENGTH, sha256Stream } from '../encoding/hash.ts'
import { merkleLeaf, merkleRoot } from '../encoding/merkle.ts'
import { CHUNK_BYTES } from './layout.ts'

const LEAF = Uint8Array.of(0)

/** From here on hashing in two pieces is cheaper than copying the chunk behind its prefix. */
const STREAM_FROM_BYTES = 4096

/** Leaf hash of a chunk; the same as `merkleLeaf`, without a copy of a long chunk. */
export function chunkLeaf(chunk: Uint8Array): Uint8Array {
  if (chunk.length < STREAM_FROM_BYTES) return merkleLeaf(chunk)
  const hash = sha256Stream()
  hash.update(LEAF)
  hash.update(chunk)
  return hash.digest()
}

/** Root of a fragment from the leaf hashes of its chunks. */
export function fragmentRoot(chunkLeaves: readonly Uint8Array[]): Uint8Array {
  return merkleRoot(chunkLeaves)
}

/** Leaf hashes side by side, 32 bytes each. */
export function packLeaves(leaves: readonly Uint8Array[]): Uint8Array {
  return concat(...leaves)
}

/** Leaf hashes out of their concatenation; a remainder of fewer than 32 bytes is left out. */
export function unpackLeaves(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.floor(bytes.length / HASH_LENGTH) }, (_, i) => bytes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH))
}

/** Hashes one fragment as it passes, in pieces of any length; keeps the leaf hashes alone. */
export class FragmentHasher {
  readonly #leaves: Uint8Array[] = []
  /** Hash of the chunk that has begun. */
  #chunk: ReturnType<typeof sha256Stream> | undefined
  /** Bytes in it. */
  #filled = 0
  #ended = false

  /** Takes the next bytes. */
  update(bytes: Uint8Array): void {
    if (this.#ended) throw new RangeError('the fragment has been hashed to its end')
    let at = 0
    while (at < bytes.length) {
      const taken = Math.min(CHUNK_BYTES - this.#filled, bytes.length - at)
      const piece = bytes.subarray(at, at + taken)
      at += taken
      if (taken === CHUNK_BYTES) {
        this.#leaves.push(chunkLeaf(piece))
        continue
      }
      if (this.#chunk === undefined) {
        this.#chunk = sha256Stream()
        this.#chunk.update(LEAF)
      }
      this.#chunk.update(piece)
      this.#filled += taken
      if (this.#filled === CHUNK_BYTES) this.#endChunk()
    }
  }

  /** Takes a whole chunk by its leaf hash, where that is known already. */
  updateLeaf(leaf: Uint8Array): void {
    if (this.#ended || this.#filled !== 0) throw new RangeError('a leaf hash stands for a whole chunk')
    this.#leaves.push(leaf)
  }

  /** Leaf hashes of all chunks, and the end: nothing can follow a short last chunk. */
  leaves(): Uint8Array[] {
    this.#endChunk()
    this.#ended = true
    return [...this.#leaves]
  }

  /** The fragment's root, and the end. */
  root(): Uint8Array {
    return fragmentRoot(this.leaves())
  }

  #endChunk(): void {
    if (this.#chunk === undefined) return
    this.#leaves.push(this.#chunk.digest())
    this.#chunk = undefined
    this.#filled = 0
  }
}
