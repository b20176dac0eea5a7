/** One source of a fragment being read, always one chunk ahead of who takes them. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { chunkLeaf } from './hasher.ts'
import { chunkLength } from './layout.ts'

/** Where one fragment can be had, with what proves its chunks. */
export interface FragmentSource {
  /** Index of the fragment, 0 to n - 1. */
  readonly index: number
  readonly fragmentRoot: Uint8Array
  /** Path from the fragment's root to the dispersal root. */
  readonly proof: readonly Uint8Array[]
  /** Leaf hashes of all chunks of the fragment. */
  readonly chunkLeaves: readonly Uint8Array[]
  /**
   * The fragment's chunks from `firstChunk` to the end, one chunk per item, each in memory of its own. Called at most once,
   * and only if the source is needed.
   */
  open(firstChunk: number): AsyncIterable<Uint8Array>
}

export function corruptFragment(index: number, why: string): EpioneError {
  return new EpioneError('corrupt-fragment', `fragment ${index} is corrupt: ${why}`, { metadata: { index } })
}

export class SourceReader {
  readonly source: FragmentSource
  readonly #length: number
  readonly #changed: () => void
  #iterator: AsyncIterator<Uint8Array> | undefined
  /** Chunk that the stream gives next. */
  #next: number
  /** Chunks before this one are wanted by nobody any more. */
  #wanted: number
  #ready: { chunk: number; bytes: Uint8Array } | undefined
  #pumping = false
  #closed = false
  #error: unknown
  #failed = false

  /** @param changed called when a chunk is there, or the source has failed */
  constructor(source: FragmentSource, length: number, firstChunk: number, changed: () => void) {
    this.source = source
    this.#length = length
    this.#next = firstChunk
    this.#wanted = firstChunk
    this.#changed = changed
  }

  /** Why the source is given up, where it failed. */
  get failure(): { error: unknown } | undefined {
    return this.#failed ? { error: this.#error } : undefined
  }

  /** Whether the stream has given all its chunks, so that it stands behind the fragment. */
  get finished(): boolean {
    return !this.#failed && this.#next === this.source.chunkLeaves.length
  }

  /** Asks for a chunk; those before it are passed over. */
  want(chunk: number): void {
    this.#wanted = Math.max(this.#wanted, chunk)
    if (this.#ready !== undefined && this.#ready.chunk < this.#wanted) this.#ready = undefined
    void this.#pump()
  }

  has(chunk: number): boolean {
    return this.#ready?.chunk === chunk
  }

  /** The chunk, which is there; asks for the following one. */
  take(chunk: number): Uint8Array {
    const bytes = this.#ready?.bytes
    if (bytes === undefined || !this.has(chunk)) throw new RangeError('the chunk is not there yet')
    this.#ready = undefined
    this.want(chunk + 1)
    return bytes
  }

  /** Ends the stream. Not awaited, for a generator that hangs in `next` would hold its `return` up too. */
  close(): void {
    this.#closed = true
    this.#ready = undefined
    // How a stream ends that nobody reads any more concerns nobody.
    Promise.resolve(this.#iterator?.return?.()).catch(() => {})
  }

  async #pump(): Promise<void> {
    if (this.#pumping || this.#closed || this.#failed) return
    this.#pumping = true
    try {
      while (!this.#closed && this.#ready === undefined && this.#next < this.source.chunkLeaves.length) await this.#read()
    } catch (error) {
      this.#failed = true
      this.#error = error
    } finally {
      this.#pumping = false
      if (!this.#closed) this.#changed()
    }
  }

  async #read(): Promise<void> {
    const { index, chunkLeaves } = this.source
    const chunk = this.#next
    this.#iterator ??= this.source.open(chunk)[Symbol.asyncIterator]()
    const { done, value: bytes } = await this.#iterator.next()
    if (done === true) throw corruptFragment(index, 'it ends too early')
    if (bytes.length !== chunkLength(this.#length, chunk)) throw corruptFragment(index, `chunk ${chunk} has a wrong length`)
    this.#next++
    if (chunk < this.#wanted) return
    const leaf = chunkLeaves[chunk]
    if (leaf === undefined || !equalBytes(chunkLeaf(bytes), leaf)) throw corruptFragment(index, `chunk ${chunk} has wrong bytes`)
    this.#ready = { chunk, bytes }
  }
}
