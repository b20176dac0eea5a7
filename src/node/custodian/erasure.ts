/**
 * Carries out what the ledger orders to be erased: fragments, sealed keys and salts that are held here go, then the key at rest of
 * their folder's bucket, so that no older copy of the custody gives them back, and then this custodian signs that they are gone.
 * At a start all that the ledger ordered meanwhile is erased before anything is served.
 */

import { erasureMark } from '../../contracts/records-formats.ts'
import { isErasedAt } from '../../contracts/release-facts.ts'
import { NAMESPACE, stateKey } from '../../contracts/state-keys.ts'
import { toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode } from '../../encoding/errors.ts'
import { versionLeafHash } from '../../fragments/formats.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import { fragmentLength } from '../../fragments/layout.ts'
import type { Chain } from '../chain.ts'
import { bucketOf, type Keyring } from '../keyring.ts'
import type { Logger } from '../logger.ts'
import type { ErasureReceipts } from './erasure-receipts.ts'
import type { ErasedVersion, Submission, Submissions } from './submissions.ts'

/** How often what failed is tried again, in ms. */
const RETRY_MS = 60_000
/** After a key was destroyed, rest for so many times as long as that took: orders to erase take a quarter of the disk's time at most. */
const REST_FACTOR = 3
const MAX_REST_MS = 60_000
/** Deleted fragments that wait for their bytes to be written over; those beyond wait for LevelDB to do so in its own time. */
const MAX_SCOURED = 1024

/** Where things are kept under keys of the keyring. */
export interface Resealable {
  /** Writes what is kept for a bucket's folders under the bucket's newest key. */
  reseal(bucket: number): Promise<void>
}

export interface ErasureDependencies {
  chain: Chain
  fragments: FragmentStore
  submissions: Submissions
  keyring: Keyring
  receipts: ErasureReceipts
  /** All that is kept under the keyring. */
  sealed: readonly Resealable[]
  logger: Logger
}

export interface ErasureReport {
  /** Folders whose erasures are not through here: something of them is to be destroyed yet, or the key at rest under which it was. */
  pendingFolders: number
  /** Keys at rest that are to be destroyed. */
  pendingKeys: number
  /** Folders with erasures of which something cannot be read here, so that nothing is signed for them. */
  unreadableFolders: number
  /** Versions that were destroyed since the start. */
  erased: number
}

export class ErasureService {
  readonly #deps: ErasureDependencies
  /** Folders whose versions are to be looked through, by hex. At most those of which something is held or ordered here. */
  readonly #waiting = new Map<string, Uint8Array>()
  /** Folders with which that failed: they go again with the next block, or after a while, and hold up no others. */
  readonly #failed = new Map<string, Uint8Array>()
  /** By bucket: folders whose things are gone and whose receipts wait for the bucket's key to be destroyed. */
  readonly #buckets = new Map<number, Map<string, Uint8Array>>()
  /** Folders with versions that cannot be opened, by hex: nobody can say whether the ledger orders these to be erased. */
  readonly #unreadable = new Set<string>()
  /** Dispersal roots of deleted fragments that may still lie in LevelDB's files. */
  readonly #deleted: Uint8Array[] = []
  readonly #stopped = new AbortController()
  readonly #stops: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  #erased = 0
  /** Whether the ledger has to be looked through as a whole. */
  #unseen = true
  #work: Promise<void> = Promise.resolve()
  #working = false

  constructor(dependencies: ErasureDependencies) {
    this.#deps = dependencies
  }

  /** Erases what the ledger orders as far as it is known here; keys at rest and receipts follow in the background. */
  async start(): Promise<void> {
    const { chain, keyring, receipts } = this.#deps
    this.#stops.push(
      chain.onCommit(({ candidate }) => {
        for (const { key } of candidate.changes) if (key[0] === NAMESPACE.erasure) this.#add(key.slice(1, 33))
        this.#wake()
      }),
      // Another chain took this one's place: what it orders is looked through as at a start, and nothing is said of it until then.
      chain.onReplace(() => {
        receipts.setReady(false)
        this.#unseen = true
        this.#wake()
      }),
    )
    for (const bucket of keyring.unfinished()) this.#buckets.set(bucket, new Map())
    for await (const folder of receipts.unfinished()) this.#add(folder)
    this.#later(async () => {
      await this.#lookThrough()
      await this.#eraseWaiting()
    })
    await this.#work
    this.#timer = setInterval(() => this.#wake(), RETRY_MS)
    this.#wake()
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new EpioneError('stopped', 'The custodian stops.'))
    for (const stop of this.#stops) stop()
    if (this.#timer !== undefined) clearInterval(this.#timer)
    await this.#work
  }

  /** Looks through a folder again: what came in while its erasure was carried out goes too. */
  recheck(folder: Uint8Array): void {
    this.#add(folder)
    this.#wake()
  }

  report(): ErasureReport {
    const pending = new Set([...this.#waiting.keys(), ...this.#failed.keys()])
    for (const folders of this.#buckets.values()) for (const name of folders.keys()) pending.add(name)
    return {
      pendingFolders: pending.size,
      pendingKeys: this.#buckets.size,
      unreadableFolders: this.#unreadable.size,
      erased: this.#erased,
    }
  }

  /** Resolves once nothing is under way. */
  async settled(): Promise<void> {
    await this.#work
  }

  #add(folder: Uint8Array): void {
    this.#deps.receipts.reopen(folder)
    this.#waiting.set(toHex(folder), folder)
  }

  /** Finds all folders of which something is held and of which the ledger has marks that were not through here before. */
  async #lookThrough(): Promise<void> {
    this.#unseen = false
    try {
      await this.#addAll()
      // Unless the ledger was replaced once more meanwhile.
      if (!this.#unseen) this.#deps.receipts.setReady(true)
    } catch (error) {
      this.#unseen = true
      throw error
    }
  }

  async #addAll(): Promise<void> {
    const { submissions, receipts } = this.#deps
    for await (const folder of submissions.folders()) {
      this.#stopped.signal.throwIfAborted()
      const marks = this.#marksOf(folder)
      if (marks > 0 && !(await receipts.isThrough(folder, marks))) this.#add(folder)
    }
  }

  #marksOf(folder: Uint8Array): number {
    let marks = 0
    for (const _ of this.#deps.chain.tip.tree.entries(stateKey.erasures(folder))) marks++
    return marks
  }

  /** Runs background work one piece after another; what fails is logged, and tried again with the next block or after a while. */
  #later(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped.signal.aborted) return
      try {
        await task()
      } catch (error) {
        this.#report(error)
      }
    })
  }

  #report(error: unknown): void {
    if (!this.#stopped.signal.aborted) this.#deps.logger.error({ code: errorCode(error) }, 'an erasure failed and will be tried again')
  }

  #wake(): void {
    if (this.#working || this.#left + this.#failed.size === 0) return
    this.#working = true
    for (const [name, folder] of this.#failed) this.#waiting.set(name, folder)
    this.#failed.clear()
    this.#later(async () => {
      try {
        while (!this.#stopped.signal.aborted && this.#left > 0) {
          if (this.#unseen) await this.#lookThrough()
          await this.#eraseWaiting()
          if (this.#buckets.size > 0) await this.#atEase(async () => await this.#destroyOne())
          else await this.#atEase(async () => await this.#scourOne())
        }
      } finally {
        this.#working = false
      }
    })
  }

  get #left(): number {
    return (this.#unseen ? 1 : 0) + this.#waiting.size + this.#buckets.size + this.#deleted.length
  }

  async #eraseWaiting(): Promise<void> {
    for (const [name, folder] of this.#waiting) {
      if (this.#stopped.signal.aborted) return
      // Taken out first: a block that orders more meanwhile puts it in again.
      this.#waiting.delete(name)
      try {
        await this.#erase(folder)
      } catch (error) {
        this.#failed.set(name, folder)
        this.#report(error)
      }
    }
  }

  /** Destroys what is held under a folder's marks, all but the key at rest. */
  async #erase(folder: Uint8Array): Promise<void> {
    const { submissions, receipts, fragments, logger } = this.#deps
    let erased = 0
    let unread = 0
    for await (const { root, submission } of submissions.ofFolder(folder)) {
      const { found, forgotten } = await this.#marked(folder, root, submission)
      unread += forgotten
      if (found.length === 0) continue
      await receipts.begin(
        folder,
        found.map(({ mark }) => mark),
      )
      for (const { dispersalRoot } of found) await fragments.dropFragment(root, dispersalRoot)
      await submissions.erase(root, found)
      this.#deleted.push(...found.map(({ dispersalRoot }) => dispersalRoot).slice(0, MAX_SCOURED - this.#deleted.length))
      erased += found.length
    }
    this.#erased += erased
    const bucket = bucketOf(folder)
    const folders = this.#buckets.get(bucket) ?? new Map<string, Uint8Array>()
    const hasBegun = erased > 0 || (await receipts.hasBegun(folder))
    if (unread === 0) this.#unreadable.delete(toHex(folder))
    else {
      // An older copy of the custody, or another keyring: nobody can read it here, nor say what of it is to go. It may be mended yet.
      this.#unreadable.add(toHex(folder))
      logger.warn({ versions: unread }, 'versions of a folder with erasures cannot be opened with the keyring: nothing is signed for it')
    }
    if (hasBegun) this.#buckets.set(bucket, folders.set(toHex(folder), folder))
    else await this.#close(folder)
    if (erased > 0) logger.info({ versions: erased }, 'destroyed fragments and sealed keys by order of the ledger')
  }

  /** The versions of a submission that are held here and that the ledger orders to erase. */
  async #marked(
    folder: Uint8Array,
    root: Uint8Array,
    submission: Submission,
  ): Promise<{ found: (ErasedVersion & { mark: Uint8Array; dispersalRoot: Uint8Array })[]; forgotten: number }> {
    const found = []
    let forgotten = 0
    for (let leaf = 0; leaf < submission.versions; leaf++) {
      this.#stopped.signal.throwIfAborted()
      const held = await this.#deps.submissions.versionOrForgotten(root, leaf)
      if (held === 'forgotten') forgotten++
      if (held === undefined || held === 'forgotten') continue
      const { salt, size, leaf: committed } = held.meta
      const { recordId, version, dispersalRoot } = committed
      if (!isErasedAt(this.#deps.chain.tip.tree, folder, { salt, recordId, version })) continue
      const bytes = fragmentLength(size, submission.n, submission.k)
      found.push({ leaf, leafHash: versionLeafHash(committed), bytes, mark: erasureMark(salt, recordId, version), dispersalRoot })
    }
    return { found, forgotten }
  }

  /** Destroys the key at rest of one bucket, and signs for what is through with that. */
  async #destroyOne(): Promise<void> {
    const { keyring, receipts, sealed, chain } = this.#deps
    const next = this.#buckets.entries().next()
    if (next.done === true) return
    const [bucket, folders] = next.value
    // Taken out first: what is erased meanwhile needs another key destroyed.
    this.#buckets.delete(bucket)
    try {
      await keyring.destroy(bucket, async () => {
        for (const place of sealed) await place.reseal(bucket)
      })
      for (const [name, folder] of folders) {
        // Not all of it may be destroyed; it comes here again once it is.
        if (this.#waiting.has(name) || this.#failed.has(name)) continue
        await receipts.settle(folder, chain.tip.header.height)
        await this.#close(folder)
      }
    } catch (error) {
      const later = this.#buckets.get(bucket) ?? new Map<string, Uint8Array>()
      for (const [name, folder] of folders) later.set(name, folder)
      this.#buckets.set(bucket, later)
      throw error
    }
  }

  async #scourOne(): Promise<void> {
    const root = this.#deleted.shift()
    if (root !== undefined) await this.#deps.fragments.scour(root)
  }

  /** Does a piece of work, and rests. */
  async #atEase(work: () => Promise<void>): Promise<void> {
    const startMs = performance.now()
    await work()
    await this.#rest(REST_FACTOR * (performance.now() - startMs))
  }

  /** Says that a folder's erasures are through, unless more were ordered meanwhile, or it cannot be known. */
  async #close(folder: Uint8Array): Promise<void> {
    const name = toHex(folder)
    if (!this.#waiting.has(name) && !this.#failed.has(name) && !this.#unreadable.has(name))
      await this.#deps.receipts.close(folder, this.#marksOf(folder))
  }

  async #rest(ms: number): Promise<void> {
    const { signal } = this.#stopped
    if (signal.aborted) return
    await new Promise<void>(resolve => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, Math.min(ms, MAX_REST_MS))
      signal.addEventListener('abort', done)
    })
  }
}
