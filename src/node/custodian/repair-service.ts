/**
 * Brings back what this custodian ought to hold and does not: what it never got, lost, or has from today on in the place of one that
 * left. Nothing of it is remembered but the ledger and what is on disk: after a restart it goes on where it was.
 */

import { folderCodec } from '../../contracts/folders-formats.ts'
import { type RepairOrder, repairEntryCodec, repairOrdersCodec } from '../../contracts/repairs-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { randomBytes } from '../../crypto/random.ts'
import type { SigningKey } from '../../crypto/signature.ts'
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../../encoding/errors.ts'
import { submissionLocator } from '../../fragments/formats.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import { fragmentLength } from '../../fragments/layout.ts'
import { createTransaction } from '../../ledger/transaction.ts'
import type { Network } from '../../network/network.ts'
import { INVENTORY_LIMIT } from '../../network/repair-messages.ts'
import type { Chain, CommittedBlock } from '../chain.ts'
import type { Directory } from '../directory.ts'
import type { Logger } from '../logger.ts'
import type { TransactionService } from '../transactions.ts'
import { concernsHoldings, type Holdings, indexOf, type Placed } from './holdings.ts'
import type { Pace } from './pace.ts'
import { pause } from './pace.ts'
import { askInventory, askMetas, HelperFailure, SumStreams, type ToKeep } from './repair-client.ts'
import { byUrgency, chooseHelpers, Doubts, type Helper } from './repair-plan.ts'
import { RepairWriter } from './repair-writer.ts'
import type { Submission, Submissions } from './submissions.ts'

/** Repairs that are known at a time; what is beyond them is found by the next look through everything. */
const MAX_JOBS = 4_096
/** Submissions that are looked at before other work gets its turn. */
const LOOKS_AT_ONCE = 32
/** Orders of one transaction: with 32 helpers each they stay below its limit. */
const ORDERS_AT_ONCE = 32
const INVENTORY_TIMEOUT_MS = 10_000
/** How long an order may take to reach the ledger, in ms, and how long its transaction is valid. */
const ORDER_WAIT_MS = 20_000
const ORDER_VALIDITY_MS = 60_000
/** First and longest pause before a repair that failed is tried again, in ms. */
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 5 * 60_000
/** Longest time without a look what is due, in ms: anchors come without a sign. */
const LONGEST_SLEEP_MS = 5_000
/** Submissions that another is asked about in one look whether what is left over here may go. */
const DROPS_AT_ONCE = INVENTORY_LIMIT

export interface RepairOptions {
  custodian: Uint8Array
  accountKey: SigningKey
  /** Repairs that go on at once. @default 2 */
  atOnce?: number
  /** How long a write may still be on its way here after its anchor, in ms, before what is missing counts as lost. @default 10000 */
  graceMs?: number
  /** How often all that the ledger anchors is looked through, in ms. @default one hour */
  lookMs?: number
}

export interface RepairDependencies {
  chain: Chain
  directory: Directory
  network: Network
  fragments: FragmentStore
  submissions: Submissions
  transactions: Pick<TransactionService, 'submit'>
  holdings: Holdings
  pace: Pace
  logger: Logger
  now: () => number
}

/** A submission that is not here as it should be. */
interface Job {
  readonly folder: Uint8Array
  readonly root: Uint8Array
  failures: number
  /** Not tried again before this time, in ms. */
  notBefore: number
}

/** A repair that can be done now. */
interface Repair {
  readonly job: Job
  readonly placed: Placed
  readonly index: number
  readonly k: number
  readonly there: readonly Helper[]
}

interface Ordered extends Repair {
  readonly helpers: readonly Helper[]
  readonly attempt: number
}

export interface RepairReport {
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
  readonly #stopped = new AbortController()
  readonly #report = { repairing: 0, repaired: 0, repairedBytes: 0 }
  #lookAt = 0
  #wake: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()
  #stops: (() => void)[] = []

  constructor(options: RepairOptions, dependencies: RepairDependencies) {
    this.#options = { atOnce: 2, graceMs: 10_000, lookMs: 60 * 60 * 1000, ...options }
    this.#deps = dependencies
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
    return { missing: this.#jobs.size, ...this.#report }
  }

  /** Whether a submission is here in whole, as far as is known: what nobody has found damaged is. */
  async isWhole(root: Uint8Array): Promise<boolean> {
    if (this.#jobs.has(toHex(root))) return false
    return (await this.#deps.submissions.get(root))?.anchored === true
  }

  /** Takes away a fragment whose bytes went bad, and has it repaired. */
  async lost(root: Uint8Array, leaf: number): Promise<void> {
    const { fragments, submissions, logger } = this.#deps
    const submission = await submissions.get(root)
    const version = await submissions.version(root, leaf)
    if (submission === undefined || version === undefined) return
    await fragments.delete({ dispersalRoot: version.meta.leaf.dispersalRoot, index: submission.index })
    logger.warn({ submission: toHex(root).slice(0, 16) }, 'a fragment went bad on disk; it will be repaired')
    this.#add(submission.folder, root, 0)
  }

  #onCommit({ candidate }: CommittedBlock): void {
    for (const { key } of candidate.changes) {
      const what = concernsHoldings(key)
      if (what === 'custodians') this.#lookSoon()
      // It may still be on its way: what has come by then is no loss.
      if (what === 'submission' && this.#expected.size < MAX_JOBS) {
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
    if (this.#jobs.has(name) || this.#jobs.size >= MAX_JOBS) return
    this.#jobs.set(name, { folder, root, failures: 0, notBefore })
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
            await this.#look()
          }
          await this.#lookForExpected()
          await this.#round()
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

  /** Looks through all that the ledger anchors for what is missing here, and through what is here for what may go. */
  async #look(): Promise<void> {
    const { holdings, submissions } = this.#deps
    let looks = 0
    for (const placed of holdings.all()) {
      if (this.#stopped.signal.aborted) return
      await this.#inspect(placed)
      if (++looks % LOOKS_AT_ONCE === 0) await pause(1, this.#stopped.signal)
    }
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
    const repairs = byUrgency(await this.#survey(due))
    const possible = new Set(repairs.map(({ job }) => job))
    for (const job of due) if (!possible.has(job) && this.#jobs.has(toHex(job.root))) this.#postpone(job)
    for (let i = 0; i < repairs.length; i += ORDERS_AT_ONCE) {
      const ordered = await this.#order(repairs.slice(i, i + ORDERS_AT_ONCE))
      const waiting = [...ordered]
      const repairOneByOne = async (): Promise<void> => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await this.#attempt(next)
      }
      await Promise.all(Array.from({ length: this.#options.atOnce }, repairOneByOne))
      if (this.#stopped.signal.aborted) return
    }
  }

  #postpone(job: Job): void {
    job.notBefore = this.#deps.now() + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(job.failures, 20))
    job.failures++
  }

  /** Asks the other holders what they have. */
  async #survey(jobs: readonly Job[]): Promise<Repair[]> {
    const { holdings } = this.#deps
    const repairs: (Repair & { there: Helper[] })[] = []
    for (const job of jobs) {
      const placed = holdings.placed(job.folder, job.root)
      const index = placed === undefined ? undefined : indexOf(placed, this.#options.custodian)
      if (placed === undefined || index === undefined) this.#jobs.delete(toHex(job.root))
      else repairs.push({ job, placed, index, k: placed.anchor.k, there: [] })
    }
    const held = await this.#inventory(repairs.map(({ placed }) => placed))
    for (const repair of repairs) repair.there.push(...(held.get(toHex(repair.placed.root)) ?? []))
    return repairs
  }

  /** Who of today's other holders says that it holds what, by submission. Who does not answer holds nothing. */
  async #inventory(all: readonly Placed[]): Promise<Map<string, Helper[]>> {
    const { custodian } = this.#options
    const byHolder = new Map<string, { id: Uint8Array; asked: { root: Uint8Array; index: number }[] }>()
    for (const { root, holders } of all) {
      for (const [index, id] of holders.entries()) {
        if (id === undefined || equalBytes(id, custodian)) continue
        const known = byHolder.get(toHex(id)) ?? { id, asked: [] }
        known.asked.push({ root, index })
        byHolder.set(toHex(id), known)
      }
    }
    const found = new Map<string, Helper[]>()
    await Promise.all(
      [...byHolder.values()].map(async ({ id, asked }) => {
        for (let i = 0; i < asked.length; i += INVENTORY_LIMIT) {
          const page = asked.slice(i, i + INVENTORY_LIMIT)
          const held = await this.#ask(id, async (peer, signal) => {
            return await askInventory(
              this.#deps.network,
              peer,
              page.map(({ root }) => root),
              signal,
            )
          })
          if (held === undefined) return
          for (const [j, { root, index }] of page.entries()) {
            if (held[j]) found.set(toHex(root), [...(found.get(toHex(root)) ?? []), { id, index }])
          }
        }
      }),
    )
    return found
  }

  /** Asks a member; undefined where it gives no right answer. */
  async #ask<T>(member: Uint8Array, ask: (peer: Uint8Array, signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const { directory, logger } = this.#deps
    const { signal } = this.#stopped
    const peer = directory.byId(member)
    if (peer?.status !== 'active') return undefined
    try {
      return await ask(peer.organisation.networkKey, AbortSignal.any([signal, AbortSignal.timeout(INVENTORY_TIMEOUT_MS)]))
    } catch (error) {
      signal.throwIfAborted()
      this.#blame(peer.organisation.networkKey, error)
      logger.debug({ member: toHex(member).slice(0, 8), code: errorCode(error) }, 'a custodian could not be asked for a repair')
      return undefined
    }
  }

  #blame(peer: Uint8Array, error: unknown): void {
    if (error instanceof MalformedError) this.#deps.network.report(peer, 'malformed')
  }

  /** Puts orders on the ledger for repairs that have none which still serves; gives those of which the order stands. */
  async #order(repairs: readonly Repair[]): Promise<Ordered[]> {
    const { chain, transactions, logger } = this.#deps
    const { custodian, accountKey } = this.#options
    const standing: Ordered[] = []
    const wanted: Ordered[] = []
    for (const repair of repairs) {
      const last = this.#entry(repair)
      const attempt = (last?.attempt ?? 0) + 1
      // After a restart the last order may still serve. Here one that failed never does: its helpers are doubted.
      const serves =
        last !== undefined &&
        last.index === repair.index &&
        repair.job.failures === 0 &&
        last.helpers.every(({ id, index }) => repair.there.some(helper => helper.index === index && equalBytes(helper.id, id)))
      if (serves) {
        standing.push({ ...repair, helpers: last.helpers, attempt: last.attempt })
        continue
      }
      const helpers = chooseHelpers(repair.there, repair.k, this.#doubts, repair.placed.root, attempt)
      if (helpers !== undefined) wanted.push({ ...repair, helpers, attempt })
    }
    if (wanted.length === 0) return standing
    const orders = wanted.map(
      ({ placed, index, helpers, attempt }): RepairOrder => ({
        folder: placed.folder,
        submissionRoot: placed.root,
        index,
        helpers: [...helpers],
        attempt,
      }),
    )
    const transaction = createTransaction(
      {
        chainId: chain.chainId,
        from: { kind: 'account', id: custodian },
        validUntil: Math.max(this.#deps.now(), chain.tip.header.time) + ORDER_VALIDITY_MS,
        nonce: randomBytes(16),
        contract: 'repairs',
        action: 'order',
        body: repairOrdersCodec.encode({ orders }),
        sponsor: null,
      },
      accountKey,
    )
    try {
      await transactions.submit(transaction.bytes)
      await this.#reached(wanted)
    } catch (error) {
      this.#stopped.signal.throwIfAborted()
      logger.debug({ code: errorCode(error) }, 'repairs could not be ordered yet')
    }
    for (const repair of wanted) {
      if (this.#entry(repair)?.attempt === repair.attempt) standing.push(repair)
      else this.#postpone(repair.job)
    }
    return standing
  }

  #entry({ placed }: Repair) {
    const bytes = this.#deps.chain.tip.tree.get(stateKey.repair(placed.folder, placed.root, this.#options.custodian))
    return bytes === undefined ? undefined : repairEntryCodec.decode(bytes)
  }

  /** Waits until the ledger here shows the orders. */
  async #reached(wanted: readonly Ordered[]): Promise<void> {
    const { chain } = this.#deps
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(ORDER_WAIT_MS)])
    while (!signal.aborted && wanted.some(repair => this.#entry(repair)?.attempt !== repair.attempt)) {
      await chain.waitAbove(chain.tip.header.height, { signal })
    }
  }

  /** Repairs one submission under its order, or puts it off. */
  async #attempt(repair: Ordered): Promise<void> {
    const { job, placed, helpers } = repair
    const { logger } = this.#deps
    this.#report.repairing++
    try {
      const bytes = await this.#repair(repair)
      this.#doubts.succeeded(helpers)
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
      await this.#announce(job.root)
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      const guilty = error instanceof HelperFailure ? helpers.filter(({ id }) => this.#isPeer(id, error.peer)) : []
      const cause = error instanceof HelperFailure ? error.cause : error
      if (error instanceof HelperFailure) this.#blame(error.peer, cause)
      // A sum that is wrong tells that somebody lied, not who.
      this.#doubts.failed(guilty.length > 0 ? guilty : errorCode(error) === 'corrupt-fragment' ? helpers : [])
      this.#postpone(job)
      logger.debug({ submission: toHex(job.root).slice(0, 16), code: errorCode(cause), attempt: repair.attempt }, 'a repair failed')
    } finally {
      this.#report.repairing--
    }
  }

  #isPeer(id: Uint8Array, peer: Uint8Array): boolean {
    const member = this.#deps.directory.byId(id)
    return member !== undefined && equalBytes(member.organisation.networkKey, peer)
  }

  /** @returns bytes of the fragments that came @throws HelperFailure, or EpioneError `corrupt-fragment` where a sum is wrong */
  async #repair({ placed, helpers, attempt, there }: Ordered): Promise<number> {
    const { directory, network, submissions, fragments, holdings, pace, now } = this.#deps
    const { signal } = this.#stopped
    const { folder, root, anchor } = placed
    const submission = (await submissions.get(root)) ?? (await this.#keepMetas(placed, there))
    const leaves = await holdings.lacking(root, submission)
    if (leaves.length === 0) return 0
    const peers = helpers.map(({ id }) => directory.byId(id)?.organisation.networkKey ?? new Uint8Array(0))
    const streams = await SumStreams.open(network, peers, { folder, submissionRoot: root, attempt, leaves }, signal)
    const writer = new RepairWriter({ root, index: submission.index, n: anchor.n, k: anchor.k }, { fragments, pace, now })
    try {
      for (const leaf of leaves) {
        const version = await submissions.version(root, leaf)
        if (version === undefined) throw new EpioneError('forgotten', 'A version was erased while it was repaired.')
        await writer.take(version, streams, await streams.begin(leaf), signal)
      }
      await writer.finish()
      await streams.end()
      return writer.bytes
    } catch (error) {
      streams.abort()
      await writer.abort()
      throw error
    }
  }

  /** Gets what is kept of a submission beside fragments from anybody who has it, and keeps it. */
  async #keepMetas(placed: Placed, there: readonly Helper[]): Promise<Submission> {
    const { chain, network, submissions } = this.#deps
    const { folder, root, anchor } = placed
    const line = chain.tip.tree.get(stateKey.folder(folder))
    const index = indexOf(placed, this.#options.custodian)
    if (line === undefined || index === undefined) throw new EpioneError('not-found', 'The submission is not to be held here any more.')
    const { labelCommitment } = folderCodec.decode(line)
    let kept: ToKeep | undefined
    for (const { id } of there) {
      kept = await this.#ask(id, async (peer, signal) => await askMetas(network, peer, placed, labelCommitment, signal))
      if (kept !== undefined) break
    }
    if (kept === undefined) throw new EpioneError('too-few-helpers', 'Nobody gave what is to be kept of a submission.')
    const { label, labelSalt, versions } = kept
    const submission: Submission = {
      folder,
      epoch: anchor.epoch,
      index,
      versions: versions.length,
      n: anchor.n,
      k: anchor.k,
      memberHeight: anchor.memberHeight,
      label,
      labelSalt,
      sponsor: anchor.author,
      bytes: versions.reduce((sum, version) => sum + ('meta' in version ? fragmentLength(version.meta.size, anchor.n, anchor.k) : 0), 0),
      anchored: true,
      stagedUntil: 0,
    }
    await submissions.put(root, submission, versions)
    return submission
  }

  /** Tells the DHT. Nothing stands on it: today's holders are computed. */
  async #announce(root: Uint8Array): Promise<void> {
    const { network, logger } = this.#deps
    try {
      await network.locate.provide(submissionLocator(root), { signal: this.#stopped.signal })
    } catch (error) {
      logger.debug({ code: errorCode(error) }, 'could not announce a submission')
    }
  }

  /** Drops what others are to hold now, once so many of them have it that any f losses are survived. */
  async #letGo(left: readonly Placed[]): Promise<void> {
    if (left.length === 0) return
    const { fragments, submissions, network, logger } = this.#deps
    const held = await this.#inventory(left)
    for (const { root, anchor } of left) {
      const needed = anchor.n - Math.floor((anchor.n - 1) / 3)
      if ((held.get(toHex(root)) ?? []).length < needed) {
        // It is looked at again when others have had time to repair.
        this.#lookAt = Math.min(this.#lookAt, this.#deps.now() + LONGEST_RETRY_MS)
        continue
      }
      const submission = await submissions.get(root)
      if (submission === undefined) continue
      await submissions.delete(root, submission)
      await fragments.dropSubmission(root)
      await network.locate.withdraw(submissionLocator(root)).catch(() => undefined)
      logger.info({ submission: toHex(root).slice(0, 16) }, 'fragments that others hold now were dropped')
    }
  }
}
