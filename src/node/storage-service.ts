/** Keeps the ledger's disk in bounds: makes snapshots for newcomers, forgets old blocks where the operator wants that, and measures. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../encoding/errors.ts'
import { MAX_VALIDITY_MS } from '../ledger/limits.ts'
import type { SnapshotStore } from '../ledger/snapshot-store.ts'
import type { Chain } from './chain.ts'
import type { Logger } from './logger.ts'

/** Heights between two looks at what may be forgotten. */
const PRUNE_EVERY = 64
/** Pruned transactions after which the disk that their places took is given back. */
const PLACES_AT_ONCE = 50_000
const MEASURE_MS = 60_000
/** Time over which growth is judged at least, in ms, and measurements that are kept. */
const JUDGED_MS = 10 * 60_000
const MAX_MEASUREMENTS = 24 * 60
const DAY_MS = 24 * 60 * 60_000
const HOUR_MS = 60 * 60_000

export interface StorageOptions {
  /** Heights between two snapshots; 0 makes none. @default 1000 */
  snapshotInterval?: number
  /** Snapshots that are kept. @default 2 */
  snapshotsKept?: number
  /** Newest blocks that are kept with their transactions and receipts; 0 for all. @default 0 */
  retainBlocks?: number
  /** Hours for which they are kept; 0 for ever. Where both are given, what either of them keeps stays. @default 0 */
  retainHours?: number
  /** Folders whose files are the ledger's, for the measurement. */
  dirs: readonly string[]
  /** Bytes that ledger and fragments may fill together. */
  quotaBytes: number
}

export interface StorageDependencies {
  chain: Chain
  snapshots: SnapshotStore
  /** Bytes of fragments at present. */
  fragmentBytes: () => number
  logger: Logger
  now: () => number
}

export interface LedgerStorage {
  /** Lowest height whose transactions and receipts are kept. */
  base: number
  /** Heights of the snapshots that are held for newcomers. */
  snapshots: number[]
  /** Bytes of the ledger on disk, as last measured; null before the first time. */
  bytes: number | null
  /** Days until ledger and fragments fill their quota at the present growth; null where they do not grow, or it cannot be told yet. */
  daysLeft: number | null
}

export class StorageService {
  readonly #options: Required<StorageOptions>
  readonly #deps: StorageDependencies
  readonly #stopped = new AbortController()
  #stopCommits: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()
  #pruning = false
  #snapping = false
  #prunedPlaces = 0
  #measured: { atMs: number; ledger: number; all: number }[] = []

  constructor(options: StorageOptions, dependencies: StorageDependencies) {
    this.#options = { snapshotInterval: 1000, snapshotsKept: 2, retainBlocks: 0, retainHours: 0, ...options }
    this.#deps = dependencies
  }

  start(): void {
    const { chain } = this.#deps
    const { snapshotInterval } = this.#options
    this.#stopCommits = chain.onCommit(({ header }) => {
      if (snapshotInterval > 0 && header.height % snapshotInterval === 0) this.#snapshot()
      if (header.height % PRUNE_EVERY === 0) this.prune()
    })
    this.prune()
    this.#later(async () => await this.#measure())
    this.#timer = setInterval(() => this.#later(async () => await this.#measure()), MEASURE_MS)
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#stopCommits?.()
    clearInterval(this.#timer)
    await this.#work
  }

  /** Makes a snapshot of the block that is just committed, in the background; one at a time. */
  #snapshot(): void {
    if (this.#snapping) return
    this.#snapping = true
    const source = this.#deps.chain.snapshotSource()
    this.#later(async () => {
      try {
        const { snapshots, logger } = this.#deps
        const startMs = performance.now()
        const { height, chunks } = await snapshots.write(source, { signal: this.#stopped.signal })
        const kept = snapshots.heights().slice(-this.#options.snapshotsKept)
        await snapshots.drop(kept[0] ?? 0)
        logger.debug({ height, chunks: chunks.length, ms: Math.round(performance.now() - startMs) }, 'made a snapshot')
      } finally {
        this.#snapping = false
      }
    })
  }

  /** Forgets what need not be kept any more, in the background. */
  prune(): void {
    const { retainBlocks, retainHours } = this.#options
    if ((retainBlocks === 0 && retainHours === 0) || this.#pruning) return
    this.#pruning = true
    this.#later(async () => {
      try {
        await this.#pruneTo(await this.#prunable())
      } finally {
        this.#pruning = false
      }
    })
  }

  /** Resolves once nothing is under way. */
  async settled(): Promise<void> {
    await this.#work
  }

  report(): LedgerStorage {
    const { chain, snapshots } = this.#deps
    return {
      base: chain.store.base,
      snapshots: snapshots.heights(),
      bytes: this.#measured.at(-1)?.ledger ?? null,
      daysLeft: this.#daysLeft(),
    }
  }

  /** Lowest height that must stay: what the settings keep, the last hour's blocks, and those of the hour before each snapshot. */
  async #prunable(): Promise<number> {
    const { chain, snapshots } = this.#deps
    const { retainBlocks, retainHours } = this.#options
    const { height, time } = chain.tip.header
    const floors = [await this.#firstSince(time - MAX_VALIDITY_MS)]
    for (const snapshot of snapshots.heights()) {
      const at = await chain.store.header(snapshot)
      if (at !== undefined) floors.push(await this.#firstSince(at.header.time - MAX_VALIDITY_MS))
    }
    if (retainBlocks > 0) floors.push(Math.max(1, height - retainBlocks + 1))
    if (retainHours > 0) floors.push(await this.#firstSince(time - retainHours * HOUR_MS))
    return Math.min(...floors)
  }

  /** Lowest height above genesis whose block time is `timeMs` or later. Times ascend with the heights. */
  async #firstSince(timeMs: number): Promise<number> {
    const { store } = this.#deps.chain
    let low = 1
    let high = Math.max(1, this.#deps.chain.tip.header.height)
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const stored = await store.header(middle)
      if (stored !== undefined && stored.header.time < timeMs) low = middle + 1
      else high = middle
    }
    return low
  }

  async #pruneTo(below: number): Promise<void> {
    const { chain, logger } = this.#deps
    const first = chain.store.base
    while (!this.#stopped.signal.aborted) {
      const { from, to, transactions } = await chain.prune(below)
      if (to === from) break
      this.#prunedPlaces += transactions
      await chain.store.compactBlocks(from, to)
      await new Promise(resolve => setImmediate(resolve))
    }
    if (chain.store.base > first) logger.debug({ from: first, to: chain.store.base }, 'forgot old blocks')
    if (this.#prunedPlaces < PLACES_AT_ONCE || this.#stopped.signal.aborted) return
    this.#prunedPlaces = 0
    await chain.store.compactPlaces(async () => await new Promise(resolve => setImmediate(resolve)))
  }

  async #measure(): Promise<void> {
    const { now, fragmentBytes } = this.#deps
    let ledger = 0
    for (const dir of this.#options.dirs) ledger += await folderBytes(dir)
    this.#measured.push({ atMs: now(), ledger, all: ledger + fragmentBytes() })
    if (this.#measured.length > MAX_MEASUREMENTS) this.#measured.shift()
  }

  #daysLeft(): number | null {
    const first = this.#measured[0]
    const last = this.#measured.at(-1)
    if (first === undefined || last === undefined || last.atMs - first.atMs < JUDGED_MS) return null
    const perDay = ((last.all - first.all) / (last.atMs - first.atMs)) * DAY_MS
    return perDay <= 0 ? null : Math.max(0, Math.round((10 * (this.#options.quotaBytes - last.all)) / perDay) / 10)
  }

  /** Runs background work one piece after another. */
  #later(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      try {
        if (!this.#stopped.signal.aborted) await task()
      } catch (error) {
        // The chain was replaced by a snapshot meanwhile: there is nothing to keep up of the former one.
        if (errorCode(error) === 'chain-replaced') return
        if (!this.#stopped.signal.aborted) this.#deps.logger.error({ code: errorCode(error) }, "the ledger's upkeep failed")
      }
    })
  }
}

/** Bytes of the files in a folder. A file that goes meanwhile counts as nothing. */
async function folderBytes(dir: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name)
    bytes += entry.isDirectory()
      ? await folderBytes(path)
      : await stat(path).then(
          ({ size }) => size,
          () => 0,
        )
  }
  return bytes
}
