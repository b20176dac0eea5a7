/** Sums what helpers send, chunk by chunk, and stores the fragments that come of it. */
import type { CommitItem, FragmentStore } from '../../fragments/fragment-store.ts'
import { chunkLength, chunksOf, fragmentLength } from '../../fragments/layout.ts'
import { sumMessages } from '../../fragments/repair.ts'
import type { Pace } from './pace.ts'
import type { SumStreams } from './repair-client.ts'
import type { HeldVersion } from './submissions.ts'

/** Fragments, and bytes of them, that are stored at once. */
const BATCH_FRAGMENTS = 64
const BATCH_BYTES = 8 * 1024 * 1024
/** How long what was stored may wait to be marked as anchored, in ms: it is done at once. */
const STAGING_MS = 60 * 60 * 1000

export interface RepairWriterOptions {
  root: Uint8Array
  /** Index of the fragments. */
  index: number
  n: number
  k: number
}

/** A fragment that came, by its version's place in the submission. */
export interface StoredFragment {
  readonly leaf: number
  readonly dispersalRoot: Uint8Array
}

export class RepairWriter {
  readonly #options: RepairWriterOptions
  readonly #deps: { fragments: FragmentStore; pace: Pace; now: () => number }
  #items: CommitItem[] = []
  #taken: StoredFragment[] = []
  #pending = 0
  #bytes = 0

  constructor(options: RepairWriterOptions, dependencies: { fragments: FragmentStore; pace: Pace; now: () => number }) {
    this.#options = options
    this.#deps = dependencies
  }

  /** The fragments that are stored. */
  readonly stored: StoredFragment[] = []
  /** Helpers, by their places among the k, that had no part of some version. */
  readonly without = new Set<number>()

  /** Bytes of the fragments that are stored. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Takes the fragment of one version. Where somebody has no part of it, what the others send of it is passed over.
   * @throws HelperFailure, EpioneError `corrupt-fragment` where the sum is not the fragment, and what the store throws
   */
  async take(leaf: number, { meta, fragmentRoots }: HeldVersion, streams: SumStreams, signal: AbortSignal): Promise<void> {
    const { index, n, k } = this.#options
    const { fragments, pace } = this.#deps
    const length = fragmentLength(meta.size, n, k)
    const has = await streams.begin(leaf)
    const isWhole = has.every(Boolean)
    for (const [i, part] of has.entries()) if (!part) this.without.add(i)
    const writer = isWhole ? fragments.begin({ dispersalRoot: meta.leaf.dispersalRoot, index }, length) : undefined
    if (writer !== undefined) this.#items.push({ writer, expectedRoot: fragmentRoots[index] as Uint8Array })
    for (let position = 0; position < chunksOf(length); position++) {
      const messages = await streams.chunks(has, chunkLength(length, position))
      await pace.take(chunkLength(length, position), signal)
      await writer?.write(sumMessages(messages))
    }
    if (writer === undefined) return
    this.#pending += length
    this.#taken.push({ leaf, dispersalRoot: meta.leaf.dispersalRoot })
    if (this.#items.length >= BATCH_FRAGMENTS || this.#pending >= BATCH_BYTES) await this.finish()
  }

  /** Stores what was taken, for good. */
  async finish(): Promise<void> {
    if (this.#items.length === 0) return
    const { fragments, now } = this.#deps
    const [items, taken, bytes] = [this.#items, this.#taken, this.#pending]
    this.#items = []
    this.#taken = []
    this.#pending = 0
    await fragments.commitSubmission(items, { submissionRoot: this.#options.root, stagedUntilMs: now() + STAGING_MS })
    this.stored.push(...taken)
    this.#bytes += bytes
    await fragments.markAnchored(this.#options.root)
  }

  async abort(): Promise<void> {
    await Promise.all(this.#items.map(async ({ writer }) => await writer.abort()))
    this.#items = []
  }
}
