/**
 * Tells the DHT which submissions are held here: each when it is anchored and again every 20 hours, many at a time; those that are
 * gone are withdrawn. Nothing stands on it: placement finds custodians without, the DHT finds them where custodians have changed.
 *
 * When each was announced is on disk, so that a restart announces what is due and no more. A look through all that is held, every ten minutes,
 * finds what is due, what was dropped because the queue was full, and what failed too often: no announcement is lost for good.
 */
import { toHex, u64 } from '../../encoding/bytes.ts'
import { EpioneError, errorCode } from '../../encoding/errors.ts'
import { submissionLocator } from '../../fragments/formats.ts'
import type { KeyValueStore } from '../../ledger/store.ts'
import type { Network } from '../../network/network.ts'
import type { Logger } from '../logger.ts'
import type { Submission, Submissions } from './submissions.ts'

/** Announcements under way at a time: as many as go together, see network/announcements.ts. */
export const AT_ONCE = 256
/** Announcements that wait, retries among them; a look through all leaves half of it to what is anchored meanwhile. */
const MAX_WAITING = 4096
const LOOK_MS = 10 * 60_000
/** Age at which an announcement is made anew. The DHT forgets it after 48 hours. */
export const AGAIN_MS = 20 * 3_600_000
/** Age from which on an announcement counts as forgotten, so that it is taken back before libp2p makes it anew by itself: see network/locate.ts. */
export const STALE_MS = 40 * 3_600_000
/** Attempts in a row; between two of them the wait doubles. */
const MAX_ATTEMPTS = 5
const RETRY_MS = 5_000

export interface AnnouncerDependencies {
  network: Pick<Network, 'locate' | 'onPeer'>
  submissions: Pick<Submissions, 'all' | 'get'>
  /** Submission root -> time of its last announcement. */
  store: KeyValueStore
  logger: Logger
  now: () => number
}

export interface AnnouncerOptions {
  /** Announcements under way at a time. @default 256 */
  atOnce?: number
}

export interface AnnouncerReport {
  /** Announcements that wait or are under way. */
  waiting: number
  /** Announcements that were made, and attempts that failed, since the start. */
  made: number
  failed: number
}

interface Waiting {
  root: Uint8Array
  attempt: number
}

export class Announcer {
  readonly #deps: AnnouncerDependencies
  readonly #atOnce: number
  readonly #ready = new Map<string, Waiting>()
  readonly #retries = new Map<string, NodeJS.Timeout>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #stopped = new AbortController()
  readonly #counts = { made: 0, failed: 0 }
  #isConnected = false
  #looking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #stopPeers: (() => void) | undefined
  /** Wakes the look through all when there is room again. */
  #roomWanted: (() => void) | undefined

  constructor(dependencies: AnnouncerDependencies, options: AnnouncerOptions = {}) {
    this.#deps = dependencies
    this.#atOnce = options.atOnce ?? AT_ONCE
  }

  /** Begins once there is somebody to tell. */
  start(): void {
    this.#stopPeers = this.#deps.network.onPeer(({ type }) => {
      if (type !== 'connect' || this.#isConnected) return
      this.#isConnected = true
      this.#pump()
      this.look()
    })
    this.#timer = setInterval(() => {
      if (this.#isConnected) this.look()
    }, LOOK_MS)
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new EpioneError('stopped', 'The custodian stops.'))
    this.#stopPeers?.()
    clearInterval(this.#timer)
    for (const timer of this.#retries.values()) clearTimeout(timer)
    this.#retries.clear()
    this.#ready.clear()
    this.#roomWanted?.()
    await this.#looking
    await Promise.all(this.#running.values())
  }

  /** How many wait and are under way. */
  get pending(): number {
    return this.#ready.size + this.#retries.size + this.#running.size
  }

  report(): AnnouncerReport {
    return { waiting: this.pending, ...this.#counts }
  }

  /** Announces an anchored submission soon. Where too many wait it is left to the next look through all that is held. */
  announce(root: Uint8Array): void {
    const name = toHex(root)
    if (this.#stopped.signal.aborted || this.#isPending(name)) return
    if (this.#ready.size + this.#retries.size >= MAX_WAITING) return
    this.#ready.set(name, { root, attempt: 1 })
    this.#pump()
  }

  /**
   * Takes an announcement back, as when the submission is deleted. Nobody renews it then; who has stored it forgets it within 48
   * hours, and whoever asks here meanwhile hears that nothing is held.
   */
  async withdraw(root: Uint8Array): Promise<void> {
    const name = toHex(root)
    this.#forget(name)
    await this.#running.get(name)
    // One that failed meanwhile would be tried again.
    this.#forget(name)
    await this.#deps.network.locate.withdraw(submissionLocator(root))
    await this.#deps.store.batch([{ type: 'del', key: root }])
  }

  #isPending(name: string): boolean {
    return this.#ready.has(name) || this.#retries.has(name) || this.#running.has(name)
  }

  #forget(name: string): void {
    this.#ready.delete(name)
    clearTimeout(this.#retries.get(name))
    this.#retries.delete(name)
  }

  /** Looks through all that is held and all that was announced, in the background; one look at a time. */
  look(): void {
    if (this.#stopped.signal.aborted) return
    this.#looking ??= this.#look()
      .catch(error => this.#deps.logger.error({ code: errorCode(error) }, 'the submissions that are held could not be looked through'))
      .finally(() => {
        this.#looking = undefined
      })
  }

  async #look(): Promise<void> {
    const { network, submissions, store, now } = this.#deps
    const { signal } = this.#stopped
    for await (const [root, value] of store.iterator()) {
      if (signal.aborted) return
      if (!isHeld(await submissions.get(root))) await this.withdraw(root)
      else if (ageOf(value, now()) >= STALE_MS && !this.#running.has(toHex(root))) await network.locate.withdraw(submissionLocator(root))
    }
    for await (const { root, submission } of submissions.all()) {
      if (signal.aborted) return
      // What is on its way may be noted as announced in the very moment in which it is looked up.
      if (!isHeld(submission) || this.#isPending(toHex(root))) continue
      const value = await store.get(root)
      if (value !== undefined && ageOf(value, now()) < AGAIN_MS) continue
      await this.#room()
      this.announce(root)
    }
  }

  /** Resolves once less than half of the queue is filled. */
  async #room(): Promise<void> {
    while (!this.#stopped.signal.aborted && this.#ready.size + this.#retries.size >= MAX_WAITING / 2) {
      await new Promise<void>(resolve => {
        this.#roomWanted = resolve
      })
    }
  }

  #pump(): void {
    if (!this.#isConnected) return
    for (const [name, waiting] of this.#ready) {
      if (this.#running.size >= this.#atOnce || this.#stopped.signal.aborted) return
      this.#ready.delete(name)
      const run = this.#run(name, waiting).finally(() => {
        this.#running.delete(name)
        this.#roomWanted?.()
        this.#pump()
      })
      this.#running.set(name, run)
    }
  }

  async #run(name: string, { root, attempt }: Waiting): Promise<void> {
    const { network, store, logger, now } = this.#deps
    try {
      await network.locate.provide(submissionLocator(root), { signal: this.#stopped.signal })
      await store.batch([{ type: 'put', key: root, value: u64(now()) }])
      this.#counts.made++
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      this.#counts.failed++
      logger.debug({ code: errorCode(error), attempt }, 'could not announce a submission')
      if (attempt >= MAX_ATTEMPTS) return
      const timer = setTimeout(
        () => {
          this.#retries.delete(name)
          this.#ready.set(name, { root, attempt: attempt + 1 })
          this.#pump()
        },
        RETRY_MS * 2 ** (attempt - 1),
      )
      this.#retries.set(name, timer)
    }
  }
}

/** Whether there is anything to find: of a submission that is erased no fragment is left. */
function isHeld(submission: Submission | undefined): boolean {
  return submission?.anchored === true && submission.bytes > 0
}

/** Age of an announcement, in ms. One from the future, as after a clock was set back, counts as old. */
function ageOf(value: Uint8Array, now: number): number {
  const at = value.length === 8 ? Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0)) : 0
  return at > now ? Number.POSITIVE_INFINITY : now - at
}
