/** One round over the repairs that are due: who can help, which comes first, room for them, their orders, and the repairs themselves. */

import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { errorCode } from '../../encoding/errors.ts'
import type { Directory } from '../directory.ts'
import type { Logger } from '../logger.ts'
import type { Announcer } from './announcer.ts'
import { type Holdings, indexOf } from './holdings.ts'
import { HelperFailure } from './repair-client.ts'
import type { RepairCounts } from './repair-counts.ts'
import type { RepairFetcher } from './repair-fetcher.ts'
import type { RepairJobs } from './repair-jobs.ts'
import type { RepairLook } from './repair-look.ts'
import { ORDERS_AT_ONCE, type RepairOrders } from './repair-orders.ts'
import { byUrgency, type Doubts, type Helper, type Job, type Ordered, type Repair } from './repair-plan.ts'
import { isLocalFailure, type RepairRoom, type Room } from './repair-room.ts'
import type { RepairSurvey } from './repair-survey.ts'

export interface RepairRoundOptions {
  custodian: Uint8Array
  /** Repairs that go on at once. */
  atOnce: number
  signal: AbortSignal
}

export interface RepairRoundDependencies {
  directory: Directory
  holdings: Holdings
  jobs: RepairJobs
  look: RepairLook
  survey: RepairSurvey
  orders: RepairOrders
  fetcher: RepairFetcher
  room: RepairRoom
  doubts: Doubts
  counts: RepairCounts
  announcer: Pick<Announcer, 'announce'>
  logger: Logger
}

export class RepairRound {
  readonly #options: RepairRoundOptions
  readonly #deps: RepairRoundDependencies
  /** Repairs under way; submissions and bytes that were repaired since the start. */
  readonly report = { repairing: 0, repaired: 0, repairedBytes: 0 }

  constructor(options: RepairRoundOptions, dependencies: RepairRoundDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  async run(): Promise<void> {
    const { jobs, room } = this.#deps
    const due = jobs.due()
    if (due.length === 0 || !room.isOpen()) return
    const repairs = byUrgency(await this.#possible(due))
    const possible = new Set(repairs.map(({ job }) => job))
    for (const job of due) if (!possible.has(job) && jobs.has(job.root)) jobs.postpone(job)
    for (let i = 0; i < repairs.length; i += ORDERS_AT_ONCE) {
      // What is left is due all the same, and comes again.
      if (this.#options.signal.aborted || !room.isOpen()) return
      await this.#batch(repairs.slice(i, i + ORDERS_AT_ONCE))
    }
  }

  /** Orders what there is room for, and repairs it. */
  async #batch(repairs: readonly Repair[]): Promise<void> {
    const { jobs, orders, room } = this.#deps
    const rooms = new Map<Job, Room>()
    try {
      for (const repair of repairs) {
        const taken = await this.#roomFor(repair)
        if (taken === undefined) jobs.postpone(repair.job)
        else rooms.set(repair.job, taken)
      }
      const roomy = repairs.filter(({ job }) => rooms.has(job))
      const ordered = roomy.length === 0 ? [] : await orders.order(roomy)
      for (const { job } of roomy) if (!ordered.some(other => other.job === job)) jobs.postpone(job)
      const waiting = [...ordered]
      const repairOneByOne = async (): Promise<void> => {
        // Where one could not be stored the others are held as well: their orders stand, and serve later.
        for (let next = waiting.shift(); next !== undefined && room.isOpen(); next = waiting.shift()) {
          const taken = rooms.get(next.job) as Room
          await this.#attempt(next, taken)
          taken.give()
        }
      }
      await Promise.all(Array.from({ length: this.#options.atOnce }, repairOneByOne))
    } finally {
      // Those that came to no attempt.
      for (const taken of rooms.values()) taken.give(false)
    }
  }

  /** Room for what a repair will bring as far as it is known; undefined where there is none. */
  async #roomFor(repair: Repair): Promise<Room | undefined> {
    const { fetcher, room, logger } = this.#deps
    try {
      return room.take(await fetcher.bytesWanted(repair.placed))
    } catch (error) {
      const fields = { submission: toHex(repair.job.root).slice(0, 16), code: errorCode(error) }
      if (isLocalFailure(error)) logger.debug(fields, 'there is no room for a repair')
      // The others are not held up by it.
      else logger.warn(fields, 'what is known of a submission cannot be read')
      return undefined
    }
  }

  /** Asks the other holders what they have. */
  async #possible(due: readonly Job[]): Promise<Repair[]> {
    const { holdings, jobs, survey } = this.#deps
    const repairs: (Repair & { there: Helper[] })[] = []
    for (const job of due) {
      const placed = holdings.placed(job.folder, job.root)
      const index = placed === undefined ? undefined : indexOf(placed, this.#options.custodian)
      if (placed === undefined || index === undefined) jobs.delete(job.root)
      else repairs.push({ job, placed, index, k: placed.anchor.k, there: [] })
    }
    const held = await survey.inventory(repairs.map(({ placed }) => placed))
    // Who held the same fragment before is no help in a sum.
    for (const { placed, index, there } of repairs)
      there.push(...(held.get(toHex(placed.root)) ?? []).filter(helper => helper.index !== index))
    return repairs
  }

  /** Repairs one submission under its order, or puts it off. */
  async #attempt(repair: Ordered, room: Room): Promise<void> {
    const { job, placed, helpers, attempt } = repair
    const { jobs, look, doubts, logger } = this.#deps
    this.report.repairing++
    try {
      const { bytes, without } = await this.#deps.fetcher.fetch(repair, room)
      this.#deps.room.stored()
      doubts.succeeded(helpers.filter(helper => !without.includes(helper)))
      doubts.failed(without)
      for (const { id } of without) this.#deps.counts.helpers.add(id, 'without')
      this.report.repairedBytes += bytes
      const now = this.#deps.holdings.placed(placed.folder, placed.root)
      if (now !== undefined && !(await look.inspect(now))) {
        // Some had no part of some versions, though they said that they held it all.
        job.failedAttempt = attempt
        jobs.postpone(job)
        return
      }
      jobs.delete(job.root)
      this.report.repaired++
      logger.info({ submission: toHex(job.root).slice(0, 16), bytes, attempt }, 'fragments were repaired')
      this.#deps.announcer.announce(job.root)
    } catch (error) {
      if (!this.#options.signal.aborted) this.#failed(repair, error)
    } finally {
      this.report.repairing--
    }
  }

  #failed({ job, helpers, attempt }: Ordered, error: unknown): void {
    const { jobs, survey, doubts, counts, room, logger } = this.#deps
    const submission = toHex(job.root).slice(0, 16)
    if (isLocalFailure(error)) {
      // Nobody else is to blame: the order serves again.
      room.failed()
      counts.failed(errorCode(error))
      jobs.postpone(job)
      logger.warn({ submission, code: errorCode(error), attempt }, 'a repair could not be stored; it goes on with the same order')
      return
    }
    const guilty = error instanceof HelperFailure ? helpers.filter(({ id }) => this.#isPeer(id, error.peer)) : []
    const cause = error instanceof HelperFailure ? error.cause : error
    if (error instanceof HelperFailure) survey.blame(error.peer, cause)
    // A sum that is wrong tells that somebody lied, not who.
    const isWrongSum = guilty.length === 0 && errorCode(error) === 'corrupt-fragment'
    doubts.failed(isWrongSum ? helpers : guilty)
    counts.failed(errorCode(cause))
    for (const { id } of isWrongSum ? helpers : guilty) counts.helpers.add(id, isWrongSum ? 'wrong-sum' : errorCode(cause))
    // What is no helper's doing, as an erasure that came in between, leaves the order as good as it was.
    if (isWrongSum || error instanceof HelperFailure) job.failedAttempt = attempt
    jobs.postpone(job, isWrongSum)
    logger.debug({ submission, code: errorCode(cause), attempt }, 'a repair failed')
  }

  #isPeer(id: Uint8Array, peer: Uint8Array): boolean {
    const member = this.#deps.directory.byId(id)
    return member !== undefined && equalBytes(member.organisation.networkKey, peer)
  }
}
