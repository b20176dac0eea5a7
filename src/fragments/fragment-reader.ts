/** Reading fragments back, with every chunk checked against its hash: disks lose and change bytes. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { checkKey, corrupt } from './fragment-checks.ts'
import type { FragmentIndex, FragmentRecord } from './fragment-index.ts'
import type { FragmentKey } from './fragment-writer.ts'
import { chunkLeaf, fragmentRoot, unpackLeaves } from './hasher.ts'
import { CHUNK_BYTES, chunkLength, chunksOf } from './layout.ts'
import { type FragmentFiles, storageError } from './platform.ts'

export interface ReadOptions {
  /** Chunk to begin with, 0 by default. */
  readonly firstChunk?: number
  readonly signal?: AbortSignal
}

/** Longest fragment that `readAll` gives by default. */
const READ_ALL_BYTES = 16 * 1024 * 1024

export class FragmentReader {
  readonly #index: FragmentIndex
  readonly #files: FragmentFiles

  constructor(index: FragmentIndex, files: FragmentFiles) {
    this.#index = index
    this.#files = files
  }

  /** Record of a fragment that is here. */
  find(key: FragmentKey): FragmentRecord | undefined {
    checkKey(key)
    const record = this.#index.fragment(key.dispersalRoot)
    return record?.index === key.index ? record : undefined
  }

  chunkLeaves(key: FragmentKey): Promise<Uint8Array[]> {
    return this.#leaves(key, this.#record(key))
  }

  async *read(key: FragmentKey, options: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const record = this.#record(key)
    const leaves = await this.#leaves(key, record)
    const first = options.firstChunk ?? 0
    if (!Number.isSafeInteger(first) || first < 0 || first > leaves.length) throw new RangeError(`the fragment has ${leaves.length} chunks`)
    if (record.inFile) yield* this.#readFile(key, record, leaves, first, options.signal)
    else if (first === 0) yield checkChunk(key, await this.#index.data(key.dispersalRoot), record.length, leaves[0])
  }

  async readAll(key: FragmentKey, options: { maxBytes?: number; signal?: AbortSignal }): Promise<Uint8Array> {
    const { length } = this.#record(key)
    const maxBytes = options.maxBytes ?? READ_ALL_BYTES
    if (length > maxBytes) {
      throw new EpioneError('too-large', `the fragment is longer than ${maxBytes} bytes: read it chunk by chunk`, { metadata: { length } })
    }
    const out = new Uint8Array(length)
    let at = 0
    for await (const chunk of this.read(key, options)) {
      out.set(chunk, at)
      at += chunk.length
    }
    return out
  }

  async *#readFile(
    key: FragmentKey,
    record: FragmentRecord,
    leaves: readonly Uint8Array[],
    first: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const handle = await this.#files.read(key.dispersalRoot).catch(error => {
      throw storageError(error)
    })
    if (handle === undefined) throw corrupt(key, 'its file is lost')
    try {
      for (let chunk = first; chunk < leaves.length; chunk++) {
        signal?.throwIfAborted()
        const bytes = new Uint8Array(chunkLength(record.length, chunk))
        for (let filled = 0; filled < bytes.length; ) {
          const at = chunk * CHUNK_BYTES + filled
          const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, at).catch(error => {
            throw storageError(error)
          })
          if (bytesRead === 0) throw corrupt(key, 'its file is too short')
          filled += bytesRead
        }
        yield checkChunk(key, bytes, bytes.length, leaves[chunk])
      }
    } finally {
      await handle.close()
    }
  }

  #record(key: FragmentKey): FragmentRecord {
    const record = this.find(key)
    if (record === undefined) throw new EpioneError('fragment-not-found', 'this custodian does not hold that fragment')
    return record
  }

  async #leaves(key: FragmentKey, record: FragmentRecord): Promise<Uint8Array[]> {
    const chunks = chunksOf(record.length)
    if (chunks === 1) return [record.fragmentRoot]
    const packed = await this.#index.leaves(key.dispersalRoot)
    const leaves = unpackLeaves(packed ?? new Uint8Array(0))
    if (leaves.length !== chunks || !equalBytes(fragmentRoot(leaves), record.fragmentRoot))
      throw corrupt(key, 'its chunk hashes are damaged')
    return leaves
  }
}

function checkChunk(key: FragmentKey, bytes: Uint8Array | undefined, length: number, leaf: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined || leaf === undefined || bytes.length !== length || !equalBytes(chunkLeaf(bytes), leaf)) {
    throw corrupt(key, 'the disk gives other bytes than were stored')
  }
  return bytes
}
