/**
 * A custodian's fragments on disk. Those of 64 KiB and more are files, smaller ones lie in the key-value store. Fragments come
 * in under a submission, staged until the ledger anchors it or its time runs out. Node only.
 */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import type { KeyValueStore, StoreOperation } from '../ledger/store.ts'
import { busy, checkHash, checkKey, checkSame, corrupt } from './fragment-checks.ts'
import { FragmentIndex, type FragmentRecord, type SubmissionRecord } from './fragment-index.ts'
import { FragmentReader, type ReadOptions } from './fragment-reader.ts'
import {
  type FragmentKey,
  type FragmentWriter,
  isInline,
  PendingFragment,
  type ReceivedFragment,
  type Staging,
  type WriterHost,
} from './fragment-writer.ts'
import { packLeaves } from './hasher.ts'
import { MAX_DISPERSED_BYTES } from './layout.ts'
import { FragmentFiles, storageError } from './platform.ts'

export type { ReadOptions } from './fragment-reader.ts'
export type { FragmentKey, FragmentWriter, Staging } from './fragment-writer.ts'

export interface FragmentStoreOptions {
  /** Folder for files; made if it is not there, mode 0700. */
  readonly dir: string
  /** Store whose part `fragments` is used; the caller closes it, after this store. */
  readonly store: KeyValueStore
  /** Most bytes of fragments, finished and arriving. */
  readonly quotaBytes: number
}

/** A fragment of a submission together with the root that it must have. */
export interface CommitItem {
  readonly writer: FragmentWriter
  readonly expectedRoot: Uint8Array
}

export interface SubmissionStatus {
  readonly submissionRoot: Uint8Array
  readonly anchored: boolean
  /** When it is dropped unless anchored, in ms; 0 once anchored. */
  readonly stagedUntilMs: number
}

/** Fragments that may be arriving at a time; a submission has up to 4096. */
const MAX_WRITERS = 8192
/** Bytes of small fragments that may be in memory, uncommitted, at a time. */
const MAX_INLINE_PENDING_BYTES = 64 * 1024 * 1024
/** Files that may be open for writing at a time. */
const MAX_OPEN_FILES = 128
/** A batch of the key-value store is cut at this many bytes, so that memory stays flat. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024
/** Expired submissions that are looked up at a time. */
const EXPIRY_PAGE = 256

interface Accepted extends ReceivedFragment {
  readonly writer: PendingFragment
}

/** Opens the store, and clears what a crash left. @throws EpioneError `storage-failed`, MalformedError where its records are damaged */
export async function openFragmentStore(options: FragmentStoreOptions): Promise<FragmentStore> {
  const index = new FragmentIndex(options.store.sublevel('fragments'))
  let bytes = 0
  let fragments = 0
  for await (const { record } of index.fragments()) {
    bytes += record.length
    fragments++
  }
  try {
    const files = await FragmentFiles.open(options.dir, root => index.fragment(root)?.inFile === true)
    return new FragmentStore(options.quotaBytes, index, files, { bytes, fragments })
  } catch (error) {
    throw storageError(error)
  }
}

export class FragmentStore {
  readonly #quotaBytes: number
  readonly #index: FragmentIndex
  readonly #files: FragmentFiles
  readonly #reader: FragmentReader
  readonly #host: WriterHost
  readonly #writers = new Set<PendingFragment>()
  #bytes: number
  #fragments: number
  /** Bytes announced by open writers; part of the quota. */
  #reserved = 0
  #inlinePending = 0
  #openFiles = 0
  #closed = false
  /** Changes run one after another, for each reads before it writes. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(quotaBytes: number, index: FragmentIndex, files: FragmentFiles, usage: { bytes: number; fragments: number }) {
    this.#quotaBytes = quotaBytes
    this.#index = index
    this.#files = files
    this.#reader = new FragmentReader(index, files)
    this.#bytes = usage.bytes
    this.#fragments = usage.fragments
    this.#host = {
      files,
      takeFile: () => {
        if (this.#openFiles >= MAX_OPEN_FILES) throw busy('too many fragments are being written at once')
        this.#openFiles++
      },
      giveFile: () => {
        this.#openFiles--
      },
      release: writer => this.#release(writer),
      commit: (writer, expectedRoot, staging) => this.commitSubmission([{ writer, expectedRoot }], staging),
    }
  }

  /**
   * Begins to receive a fragment of `length` bytes, which counts against the quota from now on.
   * @throws EpioneError `quota-exceeded`, `busy` where too much is arriving at once, `second-index` where another fragment of
   * this version is here, `exists` where this one is with another length
   */
  begin(key: FragmentKey, length: number): FragmentWriter {
    this.#checkOpen()
    checkKey(key)
    if (!Number.isSafeInteger(length) || length < 1 || length > MAX_DISPERSED_BYTES) {
      throw new MalformedError('a fragment has at least one byte', { length })
    }
    const present = this.#index.fragment(key.dispersalRoot)
    checkSame(key, length, undefined, present)
    if (!this.hasRoom(length)) {
      throw new EpioneError('quota-exceeded', 'the fragment store is full: raise its quota or wait until staged fragments expire', {
        metadata: { quotaBytes: this.#quotaBytes, usedBytes: this.#bytes + this.#reserved, length },
      })
    }
    if (this.#writers.size >= MAX_WRITERS || (isInline(length) && this.#inlinePending + length > MAX_INLINE_PENDING_BYTES)) {
      throw busy('too many fragments are arriving at once')
    }
    const writer = new PendingFragment({ dispersalRoot: key.dispersalRoot.slice(), index: key.index }, length, this.#host)
    this.#writers.add(writer)
    this.#reserved += length
    if (isInline(length)) this.#inlinePending += length
    return writer
  }

  /**
   * Checks and stages many fragments of one submission, durably and in few writes. If one of them is wrong, none is staged and
   * all are discarded. Fragments that are here already are replaced by their like, which mends one that went bad. Staging again
   * keeps the later time; a submission that is anchored stays so.
   * @throws EpioneError `corrupt-fragment` (metadata `index`), `length-mismatch`, `second-index`, `exists`, `disk-full`, `storage-failed`
   */
  async commitSubmission(items: readonly CommitItem[], staging: Staging): Promise<void> {
    this.#checkOpen()
    checkHash(staging.submissionRoot, 'a submission root')
    if (!Number.isSafeInteger(staging.stagedUntilMs) || staging.stagedUntilMs < 0) throw new MalformedError('a time is whole milliseconds')
    const writers = items.map(({ writer }) => this.#own(writer))
    try {
      const accepted: Accepted[] = []
      for (const [i, { expectedRoot }] of items.entries()) {
        const writer = writers[i] as PendingFragment
        const received = await writer.receive()
        if (!equalBytes(received.root, expectedRoot)) throw corrupt(writer.key, 'its bytes do not give its root')
        accepted.push({ writer, ...received })
      }
      await this.#exclusive(() => this.#stage(accepted, staging))
    } catch (error) {
      await Promise.all(writers.map(writer => writer.abort()))
      throw storageError(error)
    }
  }

  /** Whether the quota leaves room for so many bytes beside what is here and what is arriving. */
  hasRoom(bytes: number): boolean {
    return this.#bytes + this.#reserved + bytes <= this.#quotaBytes
  }

  /** Whether this fragment is here, by its record alone; only reading tells whether its bytes are sound. */
  has(key: FragmentKey): boolean {
    return this.#reader.find(key) !== undefined
  }

  /** Length in bytes and root of a fragment that is here. */
  info(key: FragmentKey): { length: number; fragmentRoot: Uint8Array } | undefined {
    const record = this.#reader.find(key)
    return record === undefined ? undefined : { length: record.length, fragmentRoot: record.fragmentRoot }
  }

  /** Leaf hashes of the fragment's chunks, checked against its root. @throws EpioneError `fragment-not-found`, `corrupt-fragment` */
  chunkLeaves(key: FragmentKey): Promise<Uint8Array[]> {
    return this.#reader.chunkLeaves(key)
  }

  /**
   * Yields the fragment chunk by chunk, each checked and in memory of its own. @throws EpioneError `fragment-not-found`,
   * `corrupt-fragment` where the disk lost or changed bytes, `storage-failed`
   */
  read(key: FragmentKey, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#reader.read(key, options)
  }

  /** The whole fragment in memory. @throws as {@link read}, and `too-large` above `maxBytes` (16 MiB by default) */
  readAll(key: FragmentKey, options: { maxBytes?: number; signal?: AbortSignal } = {}): Promise<Uint8Array> {
    return this.#reader.readAll(key, options)
  }

  /** Keeps a submission's fragments for good, present and future ones. Returns false where none of it is here. */
  markAnchored(submissionRoot: Uint8Array): Promise<boolean> {
    return this.#exclusive(async () => {
      const before = this.#index.submission(submissionRoot)
      if (before === undefined) return false
      if (!before.anchored) await this.#index.write(this.#index.setSubmission(submissionRoot, before, { anchored: true, stagedUntilMs: 0 }))
      return true
    })
  }

  /** Moves the time until which a staged submission is kept. Returns false where it is not staged here. */
  renew(submissionRoot: Uint8Array, stagedUntilMs: number): Promise<boolean> {
    return this.#exclusive(async () => {
      const before = this.#index.submission(submissionRoot)
      if (before === undefined || before.anchored) return false
      await this.#index.write(this.#index.setSubmission(submissionRoot, before, { anchored: false, stagedUntilMs }))
      return true
    })
  }

  /** State of a submission that has or had fragments here. */
  submission(submissionRoot: Uint8Array): SubmissionStatus | undefined {
    const record = this.#index.submission(submissionRoot)
    return record === undefined ? undefined : { submissionRoot, ...record }
  }

  /** All submissions, by root. */
  async *submissions(): AsyncGenerator<SubmissionStatus, void, undefined> {
    for await (const { submissionRoot, record } of this.#index.submissions()) yield { submissionRoot, ...record }
  }

  /** Fragments that a submission brought and that are still here. */
  async fragmentsOf(submissionRoot: Uint8Array): Promise<FragmentKey[]> {
    const roots = await this.#index.contents(submissionRoot)
    return roots.flatMap(dispersalRoot => {
      const record = this.#index.fragment(dispersalRoot)
      return record === undefined ? [] : [{ dispersalRoot, index: record.index }]
    })
  }

  /**
   * Drops the staged submissions whose time has come (`stagedUntilMs <= nowMs`), with the fragments that no other submission
   * here brought. Returns how many submissions were dropped.
   */
  async dropExpired(nowMs: number): Promise<number> {
    let dropped = 0
    for (;;) {
      const page = await this.#index.expired(nowMs, EXPIRY_PAGE)
      let progress = 0
      for (const submissionRoot of page) {
        if (
          await this.#exclusive(() => this.#dropSubmission(submissionRoot, record => !record.anchored && record.stagedUntilMs <= nowMs))
        ) {
          progress++
        }
      }
      dropped += progress
      if (page.length < EXPIRY_PAGE || progress === 0) return dropped
    }
  }

  /** Drops a submission in any state, as when this custodian no longer has its place. Returns false where it is not here. */
  dropSubmission(submissionRoot: Uint8Array): Promise<boolean> {
    return this.#exclusive(() => this.#dropSubmission(submissionRoot, () => true))
  }

  /** Deletes a fragment, whichever submissions brought it; gone from disk when it returns. Returns whether it was here. */
  delete(key: FragmentKey): Promise<boolean> {
    return this.#exclusive(async () => {
      if (this.#reader.find(key) === undefined) return false
      const users = await this.#index.usedBy(key.dispersalRoot)
      const operations = users.flatMap(submissionRoot => this.#index.unlink(submissionRoot, key.dispersalRoot))
      await this.#forget([key.dispersalRoot], operations)
      return true
    })
  }

  /**
   * Takes a fragment from a submission, and deletes it where no other submission here brought it: whoever has a fragment of somebody
   * else's in a submission of their own must not be able to destroy it. Gone from disk when it returns; returns whether it was deleted.
   */
  dropFragment(submissionRoot: Uint8Array, dispersalRoot: Uint8Array): Promise<boolean> {
    return this.#exclusive(async () => {
      const users = await this.#index.usedBy(dispersalRoot)
      if (!users.some(user => equalBytes(user, submissionRoot))) return false
      const isLast = users.length === 1
      await this.#forget(isLast ? [dispersalRoot] : [], this.#index.unlink(submissionRoot, dispersalRoot))
      return isLast
    })
  }

  /**
   * Has the key-value store give up what it still has of a deleted fragment that was kept in it: LevelDB keeps deleted bytes in its
   * files until it compacts them. It costs the rewriting of the files around it.
   */
  async scour(dispersalRoot: Uint8Array): Promise<void> {
    await this.#index.compactData(dispersalRoot)
    const isGone = await this.#exclusive(async () => {
      if (this.#index.fragment(dispersalRoot) !== undefined) return false
      // What was written and deleted in one memory table can come to lie in one file, low down, which that compaction left as it is.
      // Another deletion on top of it makes the next one write it anew.
      await this.#index.write(this.#index.deleteFragment(dispersalRoot))
      return true
    })
    if (isGone) await this.#index.compactData(dispersalRoot)
  }

  /** Bytes and number of the fragments that are here; what is still arriving is not counted. */
  usage(): { bytes: number; fragments: number } {
    return { bytes: this.#bytes, fragments: this.#fragments }
  }

  /** Discards what is arriving and waits for changes under way. The key-value store stays open. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#last.catch(() => {})
    await Promise.all([...this.#writers].map(writer => writer.abort()))
  }

  async #stage(accepted: readonly Accepted[], { submissionRoot, stagedUntilMs }: Staging): Promise<void> {
    // Two writers may have brought one fragment; the first stands for both.
    const distinct = new Map<string, Accepted>()
    for (const item of accepted) {
      const { dispersalRoot } = item.writer.key
      const name = toHex(dispersalRoot)
      const twin = distinct.get(name)
      checkSame(item.writer.key, item.writer.length, item.root, this.#index.fragment(dispersalRoot))
      if (twin === undefined) distinct.set(name, item)
      else checkSame(item.writer.key, item.writer.length, item.root, recordOf(twin))
    }
    const items = [...distinct.values()]
    await this.#files.keep(items.flatMap(({ path, writer }) => (path === undefined ? [] : [{ path, root: writer.key.dispersalRoot }])))

    const before = this.#index.submission(submissionRoot)
    const after = before?.anchored ? before : { anchored: false, stagedUntilMs: Math.max(stagedUntilMs, before?.stagedUntilMs ?? 0) }
    // Every batch is whole in itself: after a crash between two, what is there is staged and expires like the rest.
    let operations = this.#index.setSubmission(submissionRoot, before, after)
    let batch: Accepted[] = []
    let size = 0
    const flush = async (): Promise<void> => {
      const added = batch.filter(({ writer }) => this.#index.fragment(writer.key.dispersalRoot) === undefined)
      await this.#index.write(operations)
      for (const { writer } of added) {
        this.#bytes += writer.length
        this.#fragments++
      }
      for (const { writer } of batch) writer.done()
      operations = []
      batch = []
      size = 0
    }
    for (const item of items) {
      const { dispersalRoot } = item.writer.key
      const leaves = item.leaves.length > 1 ? packLeaves(item.leaves) : undefined
      operations.push(...this.#index.putFragment(dispersalRoot, recordOf(item), leaves, item.bytes))
      operations.push(...this.#index.link(submissionRoot, dispersalRoot))
      batch.push(item)
      size += (item.bytes?.length ?? 0) + (leaves?.length ?? 0) + 512
      if (size >= MAX_BATCH_BYTES) await flush()
    }
    if (operations.length > 0) await flush()
    for (const { writer } of accepted) await writer.abort()
  }

  async #dropSubmission(submissionRoot: Uint8Array, rule: (record: SubmissionRecord) => boolean): Promise<boolean> {
    const record = this.#index.submission(submissionRoot)
    if (record === undefined || !rule(record)) return false
    const roots = await this.#index.contents(submissionRoot)
    const operations = this.#index.setSubmission(submissionRoot, record, undefined)
    const orphans: Uint8Array[] = []
    for (const root of roots) {
      operations.push(...this.#index.unlink(submissionRoot, root))
      if ((await this.#index.usedBy(root)).length === 1) orphans.push(root)
    }
    await this.#forget(orphans, operations)
    return true
  }

  /** Deletes fragments together with other changes. Records go first: a file without a record is cleared at the next opening. */
  async #forget(roots: readonly Uint8Array[], operations: StoreOperation[]): Promise<void> {
    const records = roots.flatMap(root => this.#index.fragment(root) ?? [])
    for (const root of roots) operations.push(...this.#index.deleteFragment(root))
    await this.#index.write(operations)
    for (const { length } of records) {
      this.#bytes -= length
      this.#fragments--
    }
    try {
      await this.#files.remove(roots)
    } catch (error) {
      throw storageError(error)
    }
  }

  #own(writer: FragmentWriter): PendingFragment {
    if (writer instanceof PendingFragment && this.#writers.has(writer)) return writer
    throw new EpioneError('writer-closed', 'this fragment has been committed or discarded')
  }

  #release(writer: PendingFragment): void {
    this.#writers.delete(writer)
    this.#reserved -= writer.length
    if (isInline(writer.length)) this.#inlinePending -= writer.length
  }

  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#last.then(task, task)
    this.#last = run.catch(() => {})
    return run
  }

  #checkOpen(): void {
    if (this.#closed) throw new EpioneError('store-closed', 'the fragment store is closed')
  }
}

function recordOf({ writer, root, path }: Accepted): FragmentRecord {
  return { index: writer.key.index, length: writer.length, fragmentRoot: root, inFile: path !== undefined }
}
