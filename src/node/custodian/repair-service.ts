/**
 * Brings back what this custodian ought to hold and does not: what it never got, lost, or has from today on in the place of one that
 * left. Nothing of it is remembered but the ledger and what is on disk: after a restart it goes on where it was.
 */

import type { SigningKey } from '../../crypto/signature.ts'
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode } from '../../encoding/errors.ts'
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
import { concernsHoldings, type Holdings, indexOf, type Placed } from './holdings.ts'
import { type Pace, pause } from './pace.ts'
import { HelperFailure } from './repair-client.ts'
import { RepairCounts } from './repair-counts.ts'
import { RepairFetcher } from './repair-fetcher.ts'
import { ORDERS_AT_ONCE, RepairOrders } from './repair-orders.ts'
import {
  byUrgency,
  Doubts,
  FIRST_RETRY_MS,
  type Helper,
  type Job,
  LONGEST_RETRY_MS,
  type Ordered,
  pauseBefore,
  type Repair,
} from './repair-plan.ts'
import { RepairSurvey } from './repair-survey.ts'
import type { Submissions } from './submissions.ts'

/** Repairs that are known at a time; what is beyond them is found by a look through everything once half of them are done. */
const MAX_JOBS = 4_096
/** Submissions that are looked at before other work gets its turn. */
const LOOKS_AT_ONCE = 32
/** Longest time without a look what is due, in ms: anchors come without a sign. */
const LONGEST_SLEEP_MS = 5_000
/** Submissions of which it is asked in one look whether what is left over here may go. */
const DROPS_AT_ONCE = 256

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
  readonly #options: Required<RepairOptions>
  readonly #deps: RepairDependencies
  readonly #jobs = new Map<string, Job>()
  /** What was anchored lately, and when it is looked for; in the order of these times. */
  readonly #expected = new Map<string, { folder: Uint8Array; root: Uint8Array; at: number }>()
  readonly #doubts = new Doubts()
  /** What became of repairs, and of those who helped. */
  readonly counts = new RepairCounts()
  readonly #stopped = new AbortController()
  readonly #survey: RepairSurvey
  readonly #orders: RepairOrders
  readonly #fetcher: RepairFetcher
  readonly #report = { repairing: 0, repaired: 0, repairedBytes: 0 }
  #lookAt = 0
  /** Everything was looked through once since the start. */
  #hasLooked = false
  /** More is missing than is known. */
  #isOverfull = false
  #letGoAt = 0
  #letGoPauseMs = FIRST_RETRY_MS
  #wake: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()
  #stops: (() => void)[] = []

  constructor(options: RepairOptions, dependencies: RepairDependencies) {
    this.#options = { atOnce: 2, graceMs: 10_000, lookMs: 60 * 60 * 1000, maxJobs: MAX_JOBS, ...options }
    this.#deps = dependencies
    const { signal } = this.#stopped
    const { custodian, accountKey } = this.#options
    this.#survey = new RepairSurvey({ custodian, signal }, dependencies)
    this.#orders = new RepairOrders({ custodian, accountKey, signal }, { ...dependencies, doubts: this.#doubts, counts: this.counts })
    this.#fetcher = new RepairFetcher({ custodian, signal }, { ...dependencies, survey: this.#survey })
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
    return { looked: this.#hasLooked && !this.#isOverfull, missing: this.#jobs.size, ...this.#report }
  }

  /** Whether a submission is here in whole, as far as is known: what nobody has found missing or bad is. */
  async isWhole(root: Uint8Array): Promise<boolean> {
    const { submissions, holdings } = this.#deps
    if (this.#jobs.has(toHex(root))) return false
    const submission = await submissions.get(root)
    if (submission?.anchored !== true) return false
    if (this.#hasLooked && !this.#isOverfull) return true
    try {
      return (await holdings.lacking(root, submission)).length === 0
    } catch (error) {
      // What cannot be read here is not to hide from the asker what can.
      this.#failed(error)
      return false
    }
  }

  /** Has a fragment repaired whose bytes went bad. */
  async lost(root: Uint8Array, leaf: number): Promise<void> {
    const { submissions, damages, logger } = this.#deps
    const submission = await submissions.get(root)
    if (submission === undefined || damages.has(root, leaf) || (await submissions.isErased(root, leaf))) return
    await damages.add(root, leaf)
    logger.warn({ submission: toHex(root).slice(0, 16) }, 'a fragment went bad on disk; it will be repaired')
    this.#add(submission.folder, root, 0)
  }

  #onCommit({ candidate }: CommittedBlock): void {
    for (const { key } of candidate.changes) {
      const what = concernsHoldings(key)
      if (what === 'custodians') this.#lookSoon()
      // It may still be on its way: what has come by then is no loss.
      if (what === 'submission' && this.#expected.size >= MAX_JOBS) this.#isOverfull = true
      else if (what === 'submission') {
        const [folder, root] = [key.slice(1, 33), key.slice(33)]
        this.#expected.set(toHex(root), { folder, root, at: this.#deps.now() + this.#options.graceMs })
      }
    }
  }

  /** Looks whether what was anchored a while ago has come, if it is to be here. */
  async #lookForExpected(): Promise<void> {
    const { holdings, now } = this.#deps
    for (const [name, { folder, root, at }] of this.#expected) {
      if (at > now()) return
      this.#expected.delete(name)
      const placed = holdings.placed(folder, root)
      if (placed !== undefined) await this.#inspect(placed)
    }
  }

  #lookSoon(): void {
    this.#lookAt = 0
    this.#wake?.()
  }

  #add(folder: Uint8Array, root: Uint8Array, notBefore: number): void {
    const name = toHex(root)
    if (this.#jobs.has(name)) return
    if (this.#jobs.size >= this.#options.maxJobs) {
      this.#isOverfull = true
      return
    }
    this.#jobs.set(name, { folder, root, failures: 0, wrongSums: 0, notBefore })
    this.#wake?.()
  }

  #failed(error: unknown): void {
    if (!this.#stopped.signal.aborted) this.#deps.logger.error({ code: errorCode(error) }, 'a look for what is to be repaired failed')
  }

  async #run(): Promise<void> {
    const { now, holdings } = this.#deps
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        // A ledger that is behind knows neither who holds what nor what was erased.
        if (holdings.isFresh()) {
          if (now() >= this.#lookAt) {
            this.#lookAt = now() + this.#options.lookMs
            // Until it is through, what is missing is not known.
            if (this.#isOverfull) this.#hasLooked = false
            this.#isOverfull = false
            await this.#look()
            this.#hasLooked = true
            this.#letGoAt = 0
          }
          if (now() >= this.#letGoAt) {
            this.#letGoAt = Number.POSITIVE_INFINITY
            await this.#lookForLeft()
          }
          await this.#lookForExpected()
          await this.#round()
          if (this.#isOverfull && this.#jobs.size <= this.#options.maxJobs / 2) this.#lookAt = 0
        }
      } catch (error) {
        this.#failed(error)
      }
      await this.#sleep()
    }
  }

  /** Until there is something to do: the next repair that is due, or a sign. */
  async #sleep(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    const { now } = this.#deps
    const [expected] = this.#expected.values()
    const due = Math.min(
      this.#lookAt,
      this.#letGoAt,
      expected?.at ?? Number.POSITIVE_INFINITY,
      ...[...this.#jobs.values()].map(({ notBefore }) => notBefore),
    )
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

  /** Looks through all that the ledger anchors for what is missing here. */
  async #look(): Promise<void> {
    const { holdings, submissions, damages } = this.#deps
    await damages.clear(async (root, leaf) => (await submissions.get(root)) === undefined || (await submissions.isErased(root, leaf)))
    let looks = 0
    for (const placed of holdings.all()) {
      if (this.#stopped.signal.aborted) return
      try {
        await this.#inspect(placed)
      } catch (error) {
        // What cannot be read is as good as missing; those after it are looked at all the same.
        this.#failed(error)
        if (indexOf(placed, this.#options.custodian) !== undefined) this.#add(placed.folder, placed.root, 0)
      }
      if (++looks % LOOKS_AT_ONCE === 0) await pause(1, this.#stopped.signal)
    }
  }

  /** Looks through what is here for what may go. */
  async #lookForLeft(): Promise<void> {
    const { holdings, submissions } = this.#deps
    const left: Placed[] = []
    for await (const { root, submission } of submissions.all()) {
      const placed = submission.anchored ? holdings.placed(submission.folder, root) : undefined
      if (placed !== undefined && indexOf(placed, this.#options.custodian) === undefined) left.push(placed)
      if (left.length === DROPS_AT_ONCE) break
    }
    await this.#letGo(left)
  }

  /** Notes what of a submission is missing. Returns whether it is all here, or need not be. */
  async #inspect(placed: Placed): Promise<boolean> {
    const { submissions, holdings } = this.#deps
    const { folder, root } = placed
    const index = indexOf(placed, this.#options.custodian)
    const held = await submissions.get(root)
    const isRight =
      index === undefined ||
      // Another index is never taken beside the one that is here; one that waits for its anchor is about to be kept.
      (held !== undefined && (held.index !== index || !held.anchored || (await holdings.lacking(root, held)).length === 0))
    if (isRight) this.#jobs.delete(toHex(root))
    else this.#add(folder, root, 0)
    return isRight
  }

  /** One round over the repairs that are due: who can help, which comes first, orders, and the repairs themselves. */
  async #round(): Promise<void> {
    const { now } = this.#deps
    const due = [...this.#jobs.values()].filter(({ notBefore }) => notBefore <= now())
    if (due.length === 0) return
    const repairs = byUrgency(await this.#possible(due))
    const possible = new Set(repairs.map(({ job }) => job))
    for (const job of due) if (!possible.has(job) && this.#jobs.has(toHex(job.root))) this.#postpone(job)
    for (let i = 0; i < repairs.length; i += ORDERS_AT_ONCE) {
      const batch = repairs.slice(i, i + ORDERS_AT_ONCE)
      const ordered = await this.#orders.order(batch)
      for (const { job } of batch) if (!ordered.some(other => other.job === job)) this.#postpone(job)
      const waiting = [...ordered]
      const repairOneByOne = async (): Promise<void> => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await this.#attempt(next)
      }
      await Promise.all(Array.from({ length: this.#options.atOnce }, repairOneByOne))
      if (this.#stopped.signal.aborted) return
    }
  }

  #postpone(job: Job, isWrongSum = false): void {
    job.notBefore = this.#deps.now() + pauseBefore(job, isWrongSum)
    job.failures++
    if (isWrongSum) job.wrongSums++
  }

  /** Asks the other holders what they have. */
  async #possible(jobs: readonly Job[]): Promise<Repair[]> {
    const { holdings } = this.#deps
    const repairs: (Repair & { there: Helper[] })[] = []
    for (const job of jobs) {
      const placed = holdings.placed(job.folder, job.root)
      const index = placed === undefined ? undefined : indexOf(placed, this.#options.custodian)
      if (placed === undefined || index === undefined) this.#jobs.delete(toHex(job.root))
      else repairs.push({ job, placed, index, k: placed.anchor.k, there: [] })
    }
    const held = await this.#survey.inventory(repairs.map(({ placed }) => placed))
    // Who held the same fragment before is no help in a sum.
    for (const { placed, index, there } of repairs)
      there.push(...(held.get(toHex(placed.root)) ?? []).filter(helper => helper.index !== index))
    return repairs
  }

  /** Repairs one submission under its order, or puts it off. */
  async #attempt(repair: Ordered): Promise<void> {
    const { job, placed, helpers } = repair
    const { logger } = this.#deps
    this.#report.repairing++
    try {
      const { bytes, without } = await this.#fetcher.fetch(repair)
      this.#doubts.succeeded(helpers.filter(helper => !without.includes(helper)))
      this.#doubts.failed(without)
      for (const { id } of without) this.counts.helpers.add(id, 'without')
      this.#report.repairedBytes += bytes
      const now = this.#deps.holdings.placed(placed.folder, placed.root)
      if (now !== undefined && !(await this.#inspect(now))) {
        // Some had no part of some versions, though they said that they held it all.
        this.#postpone(job)
        return
      }
      this.#jobs.delete(toHex(job.root))
      this.#report.repaired++
      logger.info({ submission: toHex(job.root).slice(0, 16), bytes, attempt: repair.attempt }, 'fragments were repaired')
      this.#deps.announcer.announce(job.root)
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      const guilty = error instanceof HelperFailure ? helpers.filter(({ id }) => this.#isPeer(id, error.peer)) : []
      const cause = error instanceof HelperFailure ? error.cause : error
      if (error instanceof HelperFailure) this.#survey.blame(error.peer, cause)
      // A sum that is wrong tells that somebody lied, not who.
      const isWrongSum = guilty.length === 0 && errorCode(error) === 'corrupt-fragment'
      this.#doubts.failed(isWrongSum ? helpers : guilty)
      this.counts.failed(errorCode(cause))
      for (const { id } of isWrongSum ? helpers : guilty) this.counts.helpers.add(id, isWrongSum ? 'wrong-sum' : errorCode(cause))
      this.#postpone(job, isWrongSum)
      logger.debug({ submission: toHex(job.root).slice(0, 16), code: errorCode(cause), attempt: repair.attempt }, 'a repair failed')
    } finally {
      this.#report.repairing--
    }
  }

  #isPeer(id: Uint8Array, peer: Uint8Array): boolean {
    const member = this.#deps.directory.byId(id)
    return member !== undefined && equalBytes(member.organisation.networkKey, peer)
  }

  /** Drops what others are to hold now, once so many of them have it that any f losses are survived. */
  async #letGo(left: readonly Placed[]): Promise<void> {
    if (left.length === 0) return
    const { fragments, submissions, announcer, logger } = this.#deps
    const held = await this.#survey.inventory(left)
    let waiting = false
    for (const { root, anchor, holders } of left) {
      const needed = anchor.n - Math.floor((anchor.n - 1) / 3)
      const have = (held.get(toHex(root)) ?? []).filter(({ id, index }) => equalBytes(holders[index] ?? new Uint8Array(0), id))
      if (have.length < needed) {
        waiting = true
        continue
      }
      if ((await submissions.get(root)) === undefined) continue
      // In this order: what stops in between is looked at again.
      await fragments.dropSubmission(root)
      await submissions.delete(root)
      await announcer.withdraw(root).catch(() => undefined)
      logger.info({ submission: toHex(root).slice(0, 16) }, 'fragments that others hold now were dropped')
    }
    // Others get time to repair.
    this.#letGoPauseMs = waiting ? Math.min(LONGEST_RETRY_MS, 2 * this.#letGoPauseMs) : FIRST_RETRY_MS
    if (waiting) this.#letGoAt = this.#deps.now() + this.#letGoPauseMs
    else if (left.length === DROPS_AT_ONCE) this.#letGoAt = 0
  }
}
