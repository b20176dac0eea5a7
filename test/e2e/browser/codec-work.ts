/** Work of the codec that Node and a page do alike, from the same seeds, so that what comes of it can be compared. */
import { decryptObject, encryptObject, OBJECT_CHUNK_LENGTH, objectLength } from '../../../src/crypto/object-stream.ts'
import { concat, equalBytes, toHex } from '../../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../../src/encoding/errors.ts'
import { sha256, sha256Stream } from '../../../src/encoding/hash.ts'
import { type DispersedBytes, dispersalRoot, disperse, disperseBytes, fragmentRootProof } from '../../../src/fragments/dispersal.ts'
import { erasureCode } from '../../../src/fragments/erasure.ts'
import { assemble } from '../../../src/fragments/gather.ts'
import { chunkLeaf, fragmentRoot } from '../../../src/fragments/hasher.ts'
import { CHUNK_BYTES } from '../../../src/fragments/layout.ts'
import type { FragmentSource } from '../../../src/fragments/source-reader.ts'
import { type SeededRandom, seededRandom } from '../../encoding/seeded-random.ts'

/** Codes as n, k. */
export const CODES = [
  [3, 2],
  [4, 2],
  [7, 3],
  [12, 8],
  [48, 32],
] as const

export interface Coded {
  code: string
  size: number
  root: string
  /** Hash over all fragments. */
  fragments: string
  /** Hash of what k of them gave back. */
  decoded: string
  data: string
}

/** Encodes seeded bytes by every code and gives them back from k of the n fragments, chosen by the seed. */
export async function code(seed: number): Promise<Coded[]> {
  const random = seededRandom(seed)
  const out: Coded[] = []
  for (const [n, k] of CODES) {
    for (const size of [1, k * CHUNK_BYTES, k * CHUNK_BYTES + 1, 1 + random.below(400_000)]) {
      const data = random.bytes(size)
      const dispersed = disperseBytes(data, { n, k })
      const sources = chosen(n, k, random).map(index => sourceOf(dispersed, index))
      const decoded = await all(assemble({ n, k, size, dispersalRoot: dispersed.root, sources }))
      out.push({
        ...{ code: `${k} of ${n}`, size, root: toHex(dispersed.root), data: toHex(sha256(data)) },
        ...{ fragments: toHex(sha256(concat(...dispersed.fragments))), decoded: toHex(sha256(decoded)) },
      })
    }
  }
  return out
}

export interface Flip {
  code: string
  /** Fragment in which one byte was flipped, those who were given up for a wrong byte, and whether the data came all the same. */
  flipped: number
  named: number[]
  isRight: boolean
  /** What a read fails with that has no other fragment to turn to. */
  alone: string
}

/** Flips one byte of one fragment, and reads with a spare and without. */
export async function flip(seed: number): Promise<Flip[]> {
  const random = seededRandom(seed)
  const out: Flip[] = []
  for (const [n, k] of CODES) {
    const data = random.bytes(1 + random.below(300_000))
    const dispersed = disperseBytes(data, { n, k })
    const asked = chosen(n, k + 1, random)
    const flipped = asked[0] as number
    const fragment = dispersed.fragments[flipped] as Uint8Array
    const at = random.below(fragment.length)
    fragment[at] = (fragment[at] as number) ^ (1 << random.below(8))
    const named: number[] = []
    const read = async (indices: readonly number[]): Promise<Uint8Array> =>
      await all(
        assemble({
          ...{ n, k, size: data.length, dispersalRoot: dispersed.root },
          sources: indices.map(index => sourceOf(dispersed, index)),
          onSourceFailed: ({ index }, error) => {
            if (errorCode(error) === 'corrupt-fragment') named.push(index)
          },
        }),
      )
    const isRight = equalBytes(await read(asked), data)
    const alone = await read(asked.slice(0, k)).then(
      () => 'nothing',
      (error: unknown) => (error instanceof EpioneError ? `${error.code} of ${error.metadata.index}` : String(error)),
    )
    out.push({ code: `${k} of ${n}`, flipped, named, isRight, alone })
  }
  return out
}

export interface Sealed {
  length: number
  /** Hash of the object, and of what it decrypts to. */
  object: string
  plaintext: string
  opened: string
  /** What an object with one flipped byte fails with. */
  damaged: string
}

/** Encrypts seeded bytes into objects, and decrypts them again. */
export async function seal(seed: number): Promise<Sealed[]> {
  const random = seededRandom(seed)
  const out: Sealed[] = []
  for (const length of [0, 1, 262_144, 262_145, 700_000]) {
    const [key, salt, plaintext] = [random.bytes(32), random.bytes(32), random.bytes(length)]
    const object = await all(encryptObject(key, salt, one(plaintext), length))
    const damaged = object.slice()
    const at = random.below(damaged.length)
    damaged[at] = (damaged[at] as number) ^ 1
    out.push({
      ...{ length, object: toHex(sha256(object)), plaintext: toHex(sha256(plaintext)) },
      opened: toHex(sha256(await all(decryptObject(key, one(object), object.length)))),
      damaged: await all(decryptObject(key, one(damaged), damaged.length)).then(() => 'nothing', errorCode),
    })
  }
  return out
}

export interface Streamed {
  root: string
  /** Hash of what was encrypted, and of what came out of the fragments. */
  plaintext: string
  opened: string
  /** Pieces that came out, and the longest of them, in bytes. */
  pieces: number
  longest: number
  /** Time of the first pass, which encrypts, codes and hashes, and of the second, which does so again and reads, in ms. */
  rootsMs: number
  readMs: number
}

/**
 * Encrypts, disperses, reads the last k fragments and decrypts, as a stream that nobody ever has in whole: the sources are fed from
 * one encoding that goes no further than they are.
 * @param onPiece told of each piece of plaintext that comes out, by the bytes so far
 */
export async function stream(length: number, n: number, k: number, onPiece: (bytes: number) => void | Promise<void>): Promise<Streamed> {
  const random = seededRandom(length)
  const [key, salt] = [random.bytes(32), random.bytes(32)]
  const size = objectLength(length)
  const ciphertext = (): AsyncGenerator<Uint8Array> => encryptObject(key, salt, plaintextOf(length), length)
  const startMs = performance.now()
  // A writer knows the leaf hashes when it has dispersed once.
  const chunkLeaves: Uint8Array[][] = Array.from({ length: n }, () => [])
  for await (const { shards } of disperse(ciphertext(), size, { n, k }))
    for (const [i, shard] of shards.entries()) chunkLeaves[i]?.push(chunkLeaf(shard))
  const fragmentRoots = chunkLeaves.map(fragmentRoot)
  const root = dispersalRoot(fragmentRoots, n, k, size)
  const rootsMs = performance.now() - startMs
  const feed = new StripeFeed(disperse(ciphertext(), size, { n, k }), k)
  const sources = Array.from({ length: k }, (_, i): FragmentSource => {
    const index = n - k + i
    return {
      ...{ index, fragmentRoot: fragmentRoots[index] as Uint8Array, proof: fragmentRootProof(fragmentRoots, index) },
      ...{ chunkLeaves: chunkLeaves[index] as Uint8Array[], open: () => feed.chunks(index) },
    }
  })
  const opened = sha256Stream()
  let [pieces, longest, bytes] = [0, 0, 0]
  const readFromMs = performance.now()
  for await (const piece of decryptObject(key, assemble({ n, k, size, dispersalRoot: root, sources }), size)) {
    opened.update(piece)
    pieces++
    longest = Math.max(longest, piece.length)
    bytes += piece.length
    await onPiece(bytes)
  }
  const readMs = performance.now() - readFromMs
  const plaintext = sha256Stream()
  for await (const piece of plaintextOf(length)) plaintext.update(piece)
  return {
    ...{ root: toHex(root), plaintext: toHex(plaintext.digest()), opened: toHex(opened.digest()) },
    ...{ pieces, longest, rootsMs, readMs },
  }
}

export interface Speed {
  what: string
  megabytesPerSecond: number
}

/** Bytes of payload per second of each part, in MB/s: encode, decode from the last k shards, hash, decrypt. @param ms time for each */
export async function speeds(ms: number): Promise<Speed[]> {
  const out: Speed[] = []
  const measure = async (what: string, bytes: number, work: () => unknown): Promise<void> => {
    // The first round is for the engine to warm up.
    for (const limit of [ms / 2, ms]) {
      const startMs = performance.now()
      let rounds = 0
      while (performance.now() - startMs < limit) {
        await work()
        rounds++
      }
      if (limit === ms) out.push({ what, megabytesPerSecond: (rounds * bytes) / 1000 / (performance.now() - startMs) })
    }
  }
  const random = seededRandom(1)
  for (const [n, k] of CODES) {
    const coder = erasureCode({ n, k })
    const data = random.bytes(k * CHUNK_BYTES)
    const shards = coder.encodeStripe(data)
    const parity = shards.slice(k).map(shard => shard.slice())
    const partial = shards.map((shard, i) => (i < n - k ? undefined : shard))
    await measure(`encode ${k} of ${n}`, data.length, () => coder.encodeStripe(data, parity))
    await measure(`decode ${k} of ${n}, the first ${Math.min(k, n - k)} lost`, data.length, () => coder.decodeStripe(partial, CHUNK_BYTES))
  }
  const chunk = random.bytes(CHUNK_BYTES)
  await measure('SHA-256 of chunks', chunk.length, () => chunkLeaf(chunk))
  const [key, salt, plaintext] = [random.bytes(32), random.bytes(32), random.bytes(4 * OBJECT_CHUNK_LENGTH)]
  const object = await all(encryptObject(key, salt, one(plaintext), plaintext.length))
  await measure('decrypt an object', plaintext.length, async () => {
    for await (const _ of decryptObject(key, one(object), object.length));
  })
  return out
}

/** Gives several readers the shards of one encoding; keeps a stripe until each of them has taken it. */
class StripeFeed {
  readonly #stripes: AsyncGenerator<{ shards: Uint8Array[] }>
  readonly #readers: number
  readonly #kept = new Map<number, { shards: Uint8Array[]; left: number }>()
  #next = 0
  #advancing: Promise<boolean> | undefined

  constructor(stripes: AsyncGenerator<{ shards: Uint8Array[] }>, readers: number) {
    this.#stripes = stripes
    this.#readers = readers
  }

  async *chunks(index: number): AsyncGenerator<Uint8Array> {
    for (let stripe = 0; ; stripe++) {
      while (stripe >= this.#next) if (!(await this.#advance())) return
      const kept = this.#kept.get(stripe) as { shards: Uint8Array[]; left: number }
      if (--kept.left === 0) this.#kept.delete(stripe)
      yield kept.shards[index] as Uint8Array
    }
  }

  /** Encodes the next stripe; false at the end. Those who want it at the same time wait for one encoding. */
  async #advance(): Promise<boolean> {
    this.#advancing ??= this.#stripes.next().then(({ value, done }) => {
      this.#advancing = undefined
      if (done === true) return false
      this.#kept.set(this.#next++, { shards: value.shards, left: this.#readers })
      return true
    })
    return await this.#advancing
  }
}

/** Bytes that follow from their place, in pieces of 100,000. */
async function* plaintextOf(length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < length; at += 100_000) {
    const piece = new Uint8Array(Math.min(100_000, length - at))
    for (let i = 0; i < piece.length; i++) piece[i] = Math.imul(at + i + 1, 0x9e3779b1) >>> 24
    yield piece
  }
}

function sourceOf({ fragments, fragmentRoots, chunkLeaves }: DispersedBytes, index: number): FragmentSource {
  const fragment = fragments[index] as Uint8Array
  return {
    ...{ index, fragmentRoot: fragmentRoots[index] as Uint8Array, proof: fragmentRootProof(fragmentRoots, index) },
    chunkLeaves: chunkLeaves[index] as Uint8Array[],
    open: async function* (firstChunk) {
      for (let at = firstChunk * CHUNK_BYTES; at < fragment.length; at += CHUNK_BYTES) yield fragment.slice(at, at + CHUNK_BYTES)
    },
  }
}

/** So many of n indices, in an order that the seed gives. */
function chosen(n: number, count: number, random: SeededRandom): number[] {
  const left = Array.from({ length: n }, (_, i) => i)
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] as number)
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const out: Uint8Array[] = []
  for await (const piece of pieces) out.push(piece.slice())
  return concat(...out)
}
