/** The reader's half: from any k fragments back to the ciphertext, trusting no fragment and no writer. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { dispersalRoot, verifyFragmentRoot } from './dispersal.ts'
import { erasureCode } from './erasure.ts'
import { chunkLeaf, FragmentHasher, fragmentRoot } from './hasher.ts'
import { checkDispersalShape, chunkLength, chunksOf, type DispersalShape, fragmentLength, stripeBytes } from './layout.ts'

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
   * and only if the source is needed. A source that hangs holds the reader up: the caller's stream has to time out and throw.
   */
  open(firstChunk: number): AsyncIterable<Uint8Array>
}

export interface AssembleOptions extends DispersalShape {
  readonly dispersalRoot: Uint8Array
  /** Sources in order of preference; k are read at a time, the others are spares. Several may offer one index. */
  readonly sources: readonly FragmentSource[]
  readonly signal?: AbortSignal
  /** Told of every source that is given up: what it sent was wrong (`corrupt-fragment`) or it failed by itself. */
  readonly onSourceFailed?: (source: FragmentSource, error: unknown) => void
}

/**
 * Yields the ciphertext in order, in pieces of at most 64 KiB; memory is one stripe and the leaf hashes. Every chunk is
 * checked before it is used; a source that sends a wrong one is replaced by a spare from that chunk on. All n fragments are
 * recomputed on the way, so that a writer who dispersed what is no codeword is found out by every reader alike, whichever k
 * fragments it holds (Cachin and Tessaro, "Asynchronous verifiable information dispersal", 2005).
 *
 * What it yields is provisional until it returns: act on it only after that, or after an authenticated decryption.
 *
 * @throws EpioneError `too-few-fragments` where sources for fewer than k fragments are left, `corrupt-fragment` (metadata
 * `index`) where that is because of a wrong byte, `malformed-dispersal` where the fragments are no codeword of that root
 */
export async function* assemble(options: AssembleOptions): AsyncGenerator<Uint8Array, void, undefined> {
  checkDispersalShape(options)
  const { n, k, size, signal } = options
  const code = erasureCode(options)
  const length = fragmentLength(size, n, k)
  const stripes = chunksOf(length)
  const hashers = Array.from({ length: n }, () => new FragmentHasher())
  const pool = new SourcePool(options, length)
  try {
    for (let stripe = 0; stripe < stripes; stripe++) {
      signal?.throwIfAborted()
      const { shards, leaves } = await pool.readStripe(stripe)
      const complete = code.completeStripe(shards, chunkLength(length, stripe))
      complete.forEach((shard, i) => {
        hashers[i]?.updateLeaf(leaves[i] ?? chunkLeaf(shard))
      })
      let left = stripeBytes(options, stripe)
      for (const shard of complete.slice(0, k)) {
        const taken = Math.min(left, shard.length)
        if (shard.subarray(taken).some(byte => byte !== 0)) throw malformedDispersal('its padding is not zero')
        if (taken > 0) yield shard.subarray(0, taken)
        left -= taken
      }
    }
  } finally {
    pool.close()
  }
  const roots = hashers.map(hasher => hasher.root())
  if (!equalBytes(dispersalRoot(roots, n, k, size), options.dispersalRoot)) throw malformedDispersal('its fragments are no codeword')
}

function malformedDispersal(why: string): EpioneError {
  return new EpioneError('malformed-dispersal', `the writer dispersed this version wrongly: ${why}; no reader can accept it`)
}

function corruptFragment(index: number, why: string): EpioneError {
  return new EpioneError('corrupt-fragment', `fragment ${index} is corrupt: ${why}`, { metadata: { index } })
}

/** The promise's outcome, or the signal's reason where that comes first. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

type Read = { readonly chunk: Uint8Array } | { readonly error: unknown }

/** One source being read, always one chunk ahead of the decoder. */
class SourceReader {
  readonly source: FragmentSource
  readonly #length: number
  #iterator: AsyncIterator<Uint8Array> | undefined
  /** The chunk on its way; settles, never rejects. */
  #next: Promise<Read>
  #chunk: number

  constructor(source: FragmentSource, length: number, firstChunk: number) {
    this.source = source
    this.#length = length
    this.#chunk = firstChunk
    this.#next = this.#read(firstChunk)
  }

  /** The chunk of this stripe, checked; asks for the following one. */
  async take(): Promise<Read> {
    const read = await this.#next
    this.#chunk++
    if ('chunk' in read && this.#chunk < this.source.chunkLeaves.length) this.#next = this.#read(this.#chunk)
    return read
  }

  /** Ends the stream. Not awaited, for a generator that hangs in `next` would hold its `return` up too. */
  close(): void {
    // How a stream ends that nobody reads any more concerns nobody.
    Promise.resolve(this.#iterator?.return?.()).catch(() => {})
  }

  async #read(chunk: number): Promise<Read> {
    const { index, chunkLeaves } = this.source
    try {
      this.#iterator ??= this.source.open(chunk)[Symbol.asyncIterator]()
      const result = await this.#iterator.next()
      if (result.done === true) return { error: corruptFragment(index, 'it ends too early') }
      const bytes = result.value
      if (bytes.length !== chunkLength(this.#length, chunk)) return { error: corruptFragment(index, `chunk ${chunk} has a wrong length`) }
      const leaf = chunkLeaves[chunk]
      if (leaf === undefined || !equalBytes(chunkLeaf(bytes), leaf))
        return { error: corruptFragment(index, `chunk ${chunk} has wrong bytes`) }
      return { chunk: bytes }
    } catch (error) {
      return { error }
    }
  }
}

/** Keeps k good sources of different fragments open, drawing on the spares. */
class SourcePool {
  readonly #options: AssembleOptions
  readonly #length: number
  readonly #spares: FragmentSource[]
  #active: SourceReader[] = []
  #lastError: unknown

  constructor(options: AssembleOptions, length: number) {
    this.#options = options
    this.#length = length
    this.#spares = [...options.sources]
  }

  /** The chunks of one stripe by fragment index, k of them, with their leaf hashes. */
  async readStripe(stripe: number): Promise<{ shards: (Uint8Array | undefined)[]; leaves: (Uint8Array | undefined)[] }> {
    const { n, k } = this.#options
    const shards: (Uint8Array | undefined)[] = Array.from({ length: n }, () => undefined)
    const leaves: (Uint8Array | undefined)[] = Array.from({ length: n }, () => undefined)
    let readers = [...this.#active]
    for (;;) {
      readers.push(...this.#recruit(stripe, k - this.#active.length))
      const reads = await abortable(Promise.all(readers.map(async reader => [reader, await reader.take()] as const)), this.#options.signal)
      for (const [reader, read] of reads) {
        const { source } = reader
        if ('error' in read) {
          this.#fail(reader, read.error)
        } else {
          shards[source.index] = read.chunk
          leaves[source.index] = source.chunkLeaves[stripe]
        }
      }
      if (this.#active.length === k) return { shards, leaves }
      readers = []
    }
  }

  close(): void {
    for (const reader of this.#active) reader.close()
  }

  /** Opens `count` spares, each of a fragment that is not being read. */
  #recruit(stripe: number, count: number): SourceReader[] {
    const recruits: SourceReader[] = []
    while (recruits.length < count) {
      const at = this.#spares.findIndex(({ index }) => !this.#active.some(reader => reader.source.index === index))
      const source = at < 0 ? undefined : this.#spares.splice(at, 1)[0]
      if (source === undefined) throw this.#tooFew()
      const flaw = this.#flaw(source)
      if (flaw !== undefined) {
        this.#report(source, flaw)
        continue
      }
      const reader = new SourceReader(source, this.#length, stripe)
      this.#active.push(reader)
      recruits.push(reader)
    }
    return recruits
  }

  /** What is wrong with a source's proofs, before a byte of it is read. */
  #flaw(source: FragmentSource): EpioneError | undefined {
    const { index, chunkLeaves } = source
    if (!verifyFragmentRoot(this.#options.dispersalRoot, this.#options, index, source.fragmentRoot, source.proof)) {
      return corruptFragment(index, 'its root does not belong to the dispersal')
    }
    if (chunkLeaves.length !== chunksOf(this.#length)) return corruptFragment(index, 'its number of chunks is wrong')
    if (chunkLeaves.some(leaf => leaf.length !== 32)) return corruptFragment(index, 'its chunk hashes are malformed')
    if (!equalBytes(fragmentRoot(chunkLeaves), source.fragmentRoot)) return corruptFragment(index, 'its chunk hashes do not give its root')
    return undefined
  }

  #fail(reader: SourceReader, error: unknown): void {
    this.#active = this.#active.filter(other => other !== reader)
    reader.close()
    this.#report(reader.source, error)
  }

  #report(source: FragmentSource, error: unknown): void {
    this.#lastError = error
    this.#options.onSourceFailed?.(source, error)
  }

  #tooFew(): unknown {
    if (this.#lastError instanceof EpioneError && this.#lastError.code === 'corrupt-fragment') return this.#lastError
    const needed = this.#options.k
    return new EpioneError('too-few-fragments', `fragments from fewer than ${needed} different custodians could be read`, {
      metadata: { needed },
      cause: this.#lastError,
    })
  }
}
