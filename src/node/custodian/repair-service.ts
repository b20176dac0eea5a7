/**
 * Brings back what this custodian ought to hold and does not: what it never got, lost, or has from today on in the place of one that
 * left. Nothing of it is remembered but the ledger and what is on disk: after a restart it goes on where it was.
 */

import type { SigningKey } from '../../crypto/signature.ts'
import { EpioneError } from '../../encoding/errors.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import type { Network } from '../../network/network.ts'
import type { Chain, CommittedBlock } from '../chain.ts'
import type { Directory } from '../directory.ts'
import type { DiskWatch } from '../disk-watch.ts'
import type { Logger } from '../logger.ts'
import type { TransactionService } from '../transactions.ts'
import type { Announcer } from './announcer.ts'
import type { Damages } from './damages.ts'
import type { ErasureService } from './erasure.ts'
import { concernsHoldings, type Holdings } from './holdings.ts'
import { Leftovers } from './leftovers.ts'
import type { Pace } from './pace.ts'
import { RepairCounts } from './repair-counts.ts'
import { RepairFetcher } from './repair-fetcher.ts'
import { RepairJobs } from './repair-jobs.ts'
import { RepairLook } from './repair-look.ts'
import { RepairOrders } from './repair-orders.ts'
import { Doubts, FIRST_RETRY_MS } from './repair-plan.ts'
import { RepairRoom } from './repair-room.ts'
import { RepairRound } from './repair-round.ts'
import type { RepairStrays } from './repair-strays.ts'
import { RepairSurvey } from './repair-survey.ts'
import type { Submissions } from './submissions.ts'

/** Repairs that are known at a time; what is beyond them is found by a look through everything once half of them are done. */
const MAX_JOBS = 4_096
/** Longest time without a look what is due, in ms: anchors come without a sign, and so does room on the disk. */
const LONGEST_SLEEP_MS = 5_000

export interface RepairOptions {
  custodian: Uint8Array
  accountKey: SigningKey
  /** Repairs that go on at once. @default 2 */
  atOnce?: number
  /** How long a write may still be on its way here after its anchor, in ms, before what is missing counts as lost. @default 10000 */
  graceMs?: number
  /** How often all that the ledger anchors is looked through, in ms. @default one hour */
  lookMs?: number
  /** Repairs that are known at a time. @default 4096 */
  maxJobs?: number
}

export interface RepairDependencies {
  chain: Chain
  directory: Directory
  network: Network
  fragments: FragmentStore
  submissions: Submissions
  transactions: Pick<TransactionService, 'submit'>
  holdings: Holdings
  damages: Damages
  announcer: Pick<Announcer, 'announce' | 'withdraw'>
  erasures: Pick<ErasureService, 'recheck'>
  strays: Pick<RepairStrays, 'begin' | 'end'>
  disk: Pick<DiskWatch, 'reserve'>
  pace: Pace
  logger: Logger
  now: () => number
}

export interface RepairReport {
  /** Whether all that is to be here was looked for since the start: before that, more may be missing. */
  looked: boolean
  /** Submissions that are to be here, and are not, or not in whole. */
  missing: number
  /** Those that are being repaired. */
  repairing: number
  /** Submissions and bytes that were repaired since the start. */
  repaired: number
  repairedBytes: number
}

export class RepairService {
  readonly #lookMs: number
  readonly #deps: RepairDependencies
  /** What became of repairs, and of those who helped. */
  readonly counts = new RepairCounts()
  readonly #stopped = new AbortController()
  readonly #jobs: RepairJobs
  readonly #look: RepairLook
  readonly #round: RepairRound
  readonly #room: RepairRoom
  readonly #leftovers: Leftovers
  /** When all that the ledger anchors is looked through next, in ms. */
  #lookAt = 0
  /** Everything was looked through once since the start. */
  #hasLooked = false
  #wake: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()
  #stops: (() => void)[] = []

  constructor(options: RepairOptions, dependencies: RepairDependencies) {
    const { custodian, accountKey, atOnce = 2, graceMs = 10_000, lookMs = 60 * 60 * 1000, maxJobs = MAX_JOBS } = options
    const { signal } = this.#stopped
    this.#lookMs = lookMs
    this.#deps = dependencies
    this.#jobs = new RepairJobs({ maxJobs, graceMs, now: dependencies.now, onWork: () => this.#wake?.() })
    this.#room = new RepairRoom(dependencies)
    const doubts = new Doubts()
    const survey = new RepairSurvey({ custodian, signal }, dependencies)
    const orders = new RepairOrders({ custodian, accountKey, signal }, { ...dependencies, doubts, counts: this.counts })
    const fetcher = new RepairFetcher({ custodian, signal }, { ...dependencies, survey })
    this.#leftovers = new Leftovers({ custodian }, { ...dependencies, survey })
    this.#look = new RepairLook({ custodian, signal }, { ...dependencies, jobs: this.#jobs })
    this.#round = new RepairRound(
      { custodian, atOnce, signal },
      { ...dependencies, jobs: this.#jobs, look: this.#look, room: this.#room, doubts, survey, orders, fetcher, counts: this.counts },
    )
  }

  start(): void {
    const { chain } = this.#deps
    this.#stops = [chain.onCommit(block => this.#onCommit(block)), chain.onReplace(() => this.#lookSoon())]
    this.#work = this.#run()
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop()
    this.#stopped.abort(new EpioneError('stopped', 'The custodian stops.'))
    this.#wake?.()
    await this.#work
  }

  report(): RepairReport {
    return { looked: this.#hasLooked && !this.#jobs.isOverfull, missing: this.#jobs.size, ...this.#round.report }
  }

  /** Whether a submission is here in whole, as far as is known: what nobody has found missing or bad is. */
  async isWhole(root: Uint8Array): Promise<boolean> {
    const { submissions, holdings } = this.#deps
    if (this.#jobs.has(root)) return false
    const submission = await submissions.get(root)
    if (submission?.anchored !== true) return false
    if (this.#hasLooked && !this.#jobs.isOverfull) return true
    try {
      return (await holdings.lacking(root, submission)).length === 0
    } catch (error) {
      // What cannot be read here is not to hide from the asker what can.
      this.#look.failed(error)
      return false
    }
  }

  /** Has a fragment repaired whose bytes went bad. */
  async lost(root: Uint8Array, leaf: number): Promise<void> {
    await this.#look.lost(root, leaf)
  }

  #onCommit({ candidate }: CommittedBlock): void {
    for (const { key } of candidate.changes) {
      const what = concernsHoldings(key)
      if (what === 'custodians') this.#lookSoon()
      if (what === 'submission') this.#jobs.expect(key.slice(1, 33), key.slice(33))
    }
  }

  #lookSoon(): void {
    this.#lookAt = 0
    this.#wake?.()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        // A ledger that is behind knows neither who holds what nor what was erased.
        if (this.#deps.holdings.isFresh()) await this.#turn()
      } catch (error) {
        this.#look.failed(error)
      }
      await this.#sleep()
    }
  }

  async #turn(): Promise<void> {
    const { now } = this.#deps
    if (now() >= this.#lookAt) {
      this.#lookAt = now() + this.#lookMs
      // Until it is through, what is missing is not known.
      if (this.#jobs.isOverfull) this.#hasLooked = false
      this.#jobs.beginLook()
      await this.#look.all()
      this.#hasLooked = true
      this.#leftovers.lookSoon()
    }
    if (now() >= this.#leftovers.dueAt) await this.#leftovers.look()
    await this.#look.expected()
    await this.#round.run()
    if (this.#jobs.wantsLook) this.#lookAt = 0
  }

  /** Until there is something to do: the next repair that is due, or a sign. */
  async #sleep(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    const { now } = this.#deps
    const due = Math.min(this.#lookAt, this.#leftovers.dueAt, Math.max(this.#jobs.dueAt, this.#room.opensAt))
    await new Promise<void>(resolve => {
      const done = (): void => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(done, Math.min(Math.max(due - now(), FIRST_RETRY_MS / 2), LONGEST_SLEEP_MS))
      this.#wake = done
    })
  }
}
