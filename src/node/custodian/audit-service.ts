/**
 * Audits custodians for as long as this node's organisation validates: a few rounds in every window, each about one submission of the ledger and all who
 * ought to hold a fragment of it. What a window brought is reported where it matters; while all answer, once a day.
 */
import { type AuditRecord, auditReportCodec, auditWindow } from '../../contracts/audits-formats.ts'
import { type Anchor, anchorCodec } from '../../contracts/records-formats.ts'
import { NAMESPACE } from '../../contracts/state-keys.ts'
import { randomBytes } from '../../crypto/random.ts'
import type { SigningKey } from '../../crypto/signature.ts'
import { concat, equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../../encoding/errors.ts'
import { AUDIT_NONCES, judgeAnswers } from '../../fragments/audit.ts'
import type { StateTree } from '../../ledger/state-tree.ts'
import { createTransaction } from '../../ledger/transaction.ts'
import { type AuditAnswer, type AuditChallenge, auditAnswerCodec, auditChallengeCodec } from '../../network/audit-messages.ts'
import type { Network } from '../../network/network.ts'
import { PROTOCOL } from '../../network/protocols.ts'
import type { Chain } from '../chain.ts'
import { auditRecordOf, type Directory, latestCustodians } from '../directory.ts'
import type { Logger } from '../logger.ts'
import { MemberTally } from '../member-tally.ts'
import type { TransactionService } from '../transactions.ts'
import { PresentPeriod } from './audit-period.ts'
import type { AuditResponder } from './audit-responder.ts'
import { AuditTally, type Outcome } from './audit-tally.ts'

/** Rounds of a window: as many as ask every custodian four times on average, within these bounds. */
const ASKED_ON_AVERAGE = 4
const MIN_ROUNDS = 8
const MAX_ROUNDS = 64
/** Rounds under way at once; what is due beyond them is left out. */
const MAX_RUNNING = 4
/** Absent custodians that are asked in one round whether they are back. */
const MAX_ABSENT_ASKED = 16
/** Wait for an answer, in ms: a window, within these bounds. */
const MIN_TIMEOUT_MS = 5_000
const MAX_TIMEOUT_MS = 10_000
/** Shortest pause between looks at the clock, in ms. */
const MIN_TICK_MS = 50
/** Drift of clocks that is allowed for before this node takes itself for cut off, in ms. */
const DRIFT_MS = 15_000
const VALIDITY_MS = 10 * 60 * 1000

/** What is worth a line in the log. */
const FINDINGS: Readonly<Partial<Record<Outcome, string>>> = {
  lost: 'a custodian lost what it ought to hold',
  wrong: 'a custodian answered with other bytes than it was given',
}

export interface AuditOptions {
  /** Account of this node's organisation, and the key that signs for it. */
  account: Uint8Array
  accountKey: SigningKey
}

export interface AuditDependencies {
  chain: Chain
  directory: Directory
  network: Pick<Network, 'request' | 'report'>
  transactions: Pick<TransactionService, 'submit'>
  responder: Pick<AuditResponder, 'answer'>
  /** Accounts that ought to hold the fragments of a submission today, by index; undefined where nobody does. */
  holders: (folder: Uint8Array, submissionRoot: Uint8Array) => readonly (Uint8Array | undefined)[] | undefined
  logger: Logger
  now: () => number
}

/** A submission of the ledger, and who ought to hold its fragments, by index. */
interface Target {
  readonly folder: Uint8Array
  readonly submissionRoot: Uint8Array
  readonly anchor: Anchor
  readonly holders: readonly (Uint8Array | undefined)[]
}

export class AuditService {
  readonly #options: AuditOptions
  readonly #deps: AuditDependencies
  readonly #tally: AuditTally
  readonly #period: PresentPeriod
  readonly #stopped = new AbortController()
  readonly #running = new Set<Promise<void>>()
  /** How custodians took this node's challenges since the start, by {@link Outcome}. */
  readonly counts = new MemberTally()
  #timer: NodeJS.Timeout | undefined
  /** The window under way, whether it was seen from its beginning, and its rounds. */
  #window: { number: number; whole: boolean; rounds: number } | undefined

  constructor(options: AuditOptions, dependencies: AuditDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#tally = new AuditTally(Math.floor((dependencies.chain.parameters.n - 1) / 3))
    this.#period = new PresentPeriod(dependencies.chain)
  }

  start(): void {
    const { auditWindowMs } = this.#deps.chain.parameters
    this.#timer = setInterval(() => this.tick(), Math.max(MIN_TICK_MS, auditWindowMs / (2 * MAX_ROUNDS)))
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new EpioneError('stopped', 'The node stops.'))
    clearInterval(this.#timer)
    await this.idle()
  }

  /** Resolves when no round is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#running)
  }

  /** Ends a window that is over, and begins the rounds that are due. Called by a timer. */
  tick(): void {
    const { chain, now } = this.#deps
    if (this.#stopped.signal.aborted) return
    const { auditWindowMs } = chain.parameters
    const time = now()
    const number = auditWindow(time, auditWindowMs)
    if (this.#window?.number !== number) {
      if (this.#window !== undefined) this.#close(this.#window.number, this.#window.whole && this.#window.number === number - 1)
      this.#window = { number, whole: this.#window?.number === number - 1, rounds: 0 }
    }
    if (!this.#mayAudit(time)) return
    const { custodians } = latestCustodians(chain.tip.tree)
    const rounds = Math.min(MAX_ROUNDS, Math.max(MIN_ROUNDS, Math.ceil((ASKED_ON_AVERAGE * custodians.length) / chain.parameters.n)))
    const due = Math.ceil((((time % auditWindowMs) + 1) * rounds) / auditWindowMs)
    if (this.#window.rounds >= due || this.#running.size >= MAX_RUNNING) return
    this.#window.rounds = due
    const round = this.#round().catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#deps.logger.warn({ code: errorCode(error) }, 'a round of audits failed')
    })
    this.#running.add(round)
    void round.finally(() => this.#running.delete(round))
  }

  /** Whether this node has a voice, and knows the ledger as it is now. */
  #mayAudit(time: number): boolean {
    const { chain, directory } = this.#deps
    const own = directory.byId(this.#options.account)
    if (own?.status !== 'active' || own.organisation.power === 0) return false
    return time - chain.tip.header.time <= 2 * chain.parameters.heartbeatMs + DRIFT_MS
  }

  async #round(): Promise<void> {
    const { chain } = this.#deps
    const height = await this.#period.height()
    const target = this.#target(chain.tip.tree)
    if (height === undefined || target === undefined) return
    const { folder, submissionRoot, anchor, holders } = target
    const nonce = (randomBytes(1)[0] as number) % AUDIT_NONCES
    const challenge = { chainId: chain.chainId, height, nonce, folder, submissionRoot }
    const [answers] = await Promise.all([
      Promise.all(holders.map(async holder => (holder === undefined ? null : await this.#ask(holder, challenge)))),
      Promise.all(this.#absent().map(async id => await this.#askAbsent(id, challenge, anchor))),
    ])
    if (this.#stopped.signal.aborted) return
    const held = answers.map(answer => (answer?.type === 'held' ? answer.value : undefined))
    const right = judgeAnswers(anchor, held)
    // While more than f others hold a version it is not erased; and without any mark in the folder nothing is.
    const faults = Math.floor((anchor.n - 1) / 3)
    const mayBeErased = this.#hasErasures(folder) && held.filter(answer => answer !== undefined).length <= faults
    holders.forEach((holder, index) => {
      const answer = answers[index]
      // Of itself a node says nothing, and of an absent custodian only whether it is back.
      if (holder === undefined || answer === null || equalBytes(holder, this.#options.account) || this.#isAbsent(holder)) return
      if (answer?.type === 'erased' && mayBeErased) return
      const isRight = right?.[index]
      const said = isRight === undefined ? 'unsure' : isRight ? 'right' : 'wrong'
      const outcome = answer === undefined ? 'silent' : answer.type === 'held' ? said : 'lost'
      this.#note(holder, outcome, anchor.author)
      const finding = FINDINGS[outcome]
      if (finding !== undefined) this.#deps.logger.info({ custodian: toHex(holder).slice(0, 8) }, finding)
    })
  }

  #hasErasures(folder: Uint8Array): boolean {
    const prefix = concat(Uint8Array.of(NAMESPACE.erasure), folder)
    const key = this.#deps.chain.tip.tree.keyFrom(prefix)
    return key !== undefined && equalBytes(key.subarray(0, prefix.length), prefix)
  }

  #isAbsent(id: Uint8Array): boolean {
    return auditRecordOf(this.#deps.chain.tip.tree, id).standing === 'absent'
  }

  /** Custodians that are absent now; of many, some that change from round to round. */
  #absent(): Uint8Array[] {
    const absent = this.#deps.directory.active().filter(({ id, organisation }) => organisation.capacity > 0 && this.#isAbsent(id))
    const first = (this.#window?.rounds ?? 0) % Math.max(1, absent.length)
    return [...absent.slice(first), ...absent.slice(0, first)].slice(0, MAX_ABSENT_ASKED).map(({ id }) => id)
  }

  /** Its fragments may be with others by now: whatever it says, it is back. */
  async #askAbsent(id: Uint8Array, challenge: AuditChallenge, { author }: Anchor): Promise<void> {
    if (equalBytes(id, this.#options.account)) return
    const answer = await this.#ask(id, challenge)
    if (answer !== null && !this.#stopped.signal.aborted) this.#note(id, answer === undefined ? 'silent' : 'unsure', author)
  }

  #note(custodian: Uint8Array, outcome: Outcome, author: Uint8Array): void {
    this.#tally.note(custodian, outcome, author)
    this.counts.add(custodian, outcome)
  }

  /** The answer of one holder; undefined where none came that can be read, null where the holder is not to be asked. */
  async #ask(holder: Uint8Array, challenge: AuditChallenge): Promise<AuditAnswer | undefined | null> {
    const { chain, directory, network, responder } = this.#deps
    try {
      if (equalBytes(holder, this.#options.account)) return await responder.answer(challenge, holder)
      const member = directory.byId(holder)
      if (member?.status !== 'active' || member.organisation.capacity === 0) return null
      const { networkKey } = member.organisation
      const bytes = await network.request(networkKey, PROTOCOL.audit, auditChallengeCodec.encode(challenge), {
        signal: this.#stopped.signal,
        timeoutMs: Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, chain.parameters.auditWindowMs)),
        maxResponse: auditAnswerCodec.maxBytes,
      })
      try {
        return auditAnswerCodec.decode(bytes)
      } catch (error) {
        if (error instanceof MalformedError) network.report(networkKey, 'malformed')
        throw error
      }
    } catch (error) {
      this.#deps.logger.debug({ custodian: toHex(holder).slice(0, 8), code: errorCode(error) }, 'an audit was not answered')
      return undefined
    }
  }

  /** A random submission: a folder first, then one of its submissions, each by where a random key falls among theirs. */
  #target(tree: StateTree): Target | undefined {
    const all = Uint8Array.of(NAMESPACE.submission)
    const folderKey = keyUnder(tree, all)
    const key = folderKey === undefined ? undefined : keyUnder(tree, folderKey.slice(0, 33))
    if (key === undefined) return undefined
    const [folder, submissionRoot] = [key.slice(1, 33), key.slice(33)]
    const anchor = anchorCodec.decode(tree.get(key) as Uint8Array)
    const holders = this.#deps.holders(folder, submissionRoot)
    return holders === undefined ? undefined : { folder, submissionRoot, anchor, holders }
  }

  #close(window: number, isWhole: boolean): void {
    const { chain, now } = this.#deps
    const { tree } = chain.tip
    const entries = this.#tally.close(window, id => this.#recordOf(tree, id))
    // Of a window that was not seen whole nothing is said: a node that starts is not connected to everybody yet.
    if (entries.length === 0 || !isWhole || !this.#mayAudit(now())) return
    this.#deps.logger.info({ window, custodians: entries.length }, 'reports what audits found')
    const transaction = createTransaction(
      {
        chainId: chain.chainId,
        from: { kind: 'account', id: this.#options.account },
        validUntil: Math.max(now(), chain.tip.header.time) + VALIDITY_MS,
        nonce: randomBytes(16),
        contract: 'audits',
        action: 'report',
        body: auditReportCodec.encode({ window, entries }),
        sponsor: null,
      },
      this.#options.accountKey,
    )
    this.#deps.transactions.submit(transaction.bytes).catch((error: unknown) => {
      // Over quota, or the pool is full: what lasts is reported again with the next window.
      this.#deps.logger.debug({ code: errorCode(error) }, 'a report of audits was not taken in')
    })
  }

  #recordOf(tree: StateTree, id: Uint8Array): AuditRecord | undefined {
    const member = this.#deps.directory.byId(id)
    if (member?.status !== 'active' || member.organisation.capacity === 0) return undefined
    return auditRecordOf(tree, id)
  }
}

/** A key under a prefix: the first at or above a random one, else the first of all. */
function keyUnder(tree: StateTree, prefix: Uint8Array): Uint8Array | undefined {
  for (const from of [concat(prefix, randomBytes(32)), prefix]) {
    const key = tree.keyFrom(from)
    if (key !== undefined && equalBytes(key.subarray(0, prefix.length), prefix)) return key
  }
  return undefined
}
