/** Brings evidence of double signing that this node caught onto the ledger, and leaves it alone once it is there. */
import { canEvict } from '../contracts/evidence.ts'
import { evidenceBodyCodec, hasSeat, isRecorded, MAX_OFFENCES } from '../contracts/evidence-formats.ts'
import { randomBytes } from '../crypto/random.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { toHex } from '../encoding/bytes.ts'
import { errorCode } from '../encoding/errors.ts'
import { accused, type Evidence, offencePlace } from '../ledger/evidence.ts'
import { createTransaction, type Transaction } from '../ledger/transaction.ts'
import type { Chain } from './chain.ts'
import type { Directory } from './directory.ts'
import type { Logger } from './logger.ts'
import { convictionAt } from './offences.ts'
import type { TransactionService } from './transactions.ts'

/** Most offences that wait; of one validator, so that one that signs at random cannot crowd out another. What comes later is dropped. */
const MAX_WAITING = 256
const MAX_PER_VALIDATOR = MAX_OFFENCES
const RETRY_MS = 5_000
/** How long a report is valid, in ms of block time. */
const VALIDITY_MS = 10 * 60 * 1000

export interface EvidenceOptions {
  /** Account of this node's organisation, and the key that signs for it. */
  account: Uint8Array
  accountKey: SigningKey
  /** Pause before a report that is not on the ledger is handed in again, in ms. @default 5000 */
  retryMs?: number
}

export interface EvidenceDependencies {
  chain: Chain
  directory: Directory
  transactions: Pick<TransactionService, 'submit'>
  logger: Logger
  now: () => number
}

interface Waiting {
  readonly evidence: Evidence
  /** The report that was handed in last. */
  report: Transaction | null
}

/** Nothing of it outlives the process: whoever else saw the two messages reports them, too. */
export class EvidenceService {
  readonly #options: EvidenceOptions
  readonly #deps: EvidenceDependencies
  readonly #waiting = new Map<string, Waiting>()
  #timer: NodeJS.Timeout | undefined
  #stopCommits: (() => void) | undefined
  #stopped = false

  constructor(options: EvidenceOptions, dependencies: EvidenceDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  start(): void {
    this.#stopCommits = this.#deps.chain.onCommit(() => this.#settle())
    this.#timer = setInterval(() => this.#handIn([...this.#waiting.values()]), this.#options.retryMs ?? RETRY_MS)
  }

  stop(): void {
    this.#stopped = true
    this.#stopCommits?.()
    clearInterval(this.#timer)
  }

  /** Offences that are not on the ledger yet. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Takes evidence that verified messages make; the same offence again is passed over. */
  add(evidence: Evidence): void {
    if (this.#stopped || this.#isSettled(evidence)) return
    const validator = toHex(accused(evidence))
    const { kind, height, round } = offencePlace(evidence)
    const name = `${validator} ${kind} ${height} ${round}`
    if (this.#waiting.has(name)) return
    const ofValidator = [...this.#waiting.keys()].filter(key => key.startsWith(validator)).length
    if (this.#waiting.size >= MAX_WAITING || ofValidator >= MAX_PER_VALIDATOR) return
    const item: Waiting = { evidence, report: null }
    this.#waiting.set(name, item)
    this.#handIn([item])
  }

  /** Whether there is nothing to report: it is on the ledger, or nobody there would take it. */
  #isSettled(evidence: Evidence): boolean {
    const { tree, validators } = this.#deps.chain.tip
    const key = accused(evidence)
    if (![validators.current, validators.next, validators.decided].some(set => hasSeat(set, key))) return true
    const conviction = convictionAt(tree, key)
    if (conviction === undefined) return false
    if (isRecorded(conviction, offencePlace(evidence))) return true
    return conviction.offences.length >= MAX_OFFENCES && !canEvict(validators, key)
  }

  #settle(): void {
    for (const [name, { evidence }] of this.#waiting) if (this.#isSettled(evidence)) this.#waiting.delete(name)
  }

  #handIn(items: readonly Waiting[]): void {
    if (this.#stopped || items.length === 0) return
    const { directory, transactions, logger } = this.#deps
    // A node whose organisation is no member has no voice; others saw the same.
    if (directory.byId(this.#options.account)?.status !== 'active') return
    for (const item of items) {
      item.report = this.#reportFor(item)
      transactions.submit(item.report.bytes).catch((error: unknown) => {
        // Over quota, the pool full, the seat just lost: the next attempt tells.
        logger.debug({ code: errorCode(error) }, 'evidence was not taken in yet')
      })
    }
  }

  /** The report that is on its way, or a new one where that has expired or was executed without leaving a trace. */
  #reportFor({ evidence, report }: Waiting): Transaction {
    const { chain, now } = this.#deps
    const time = Math.max(now(), chain.tip.header.time)
    if (report !== null && report.content.validUntil > time && !chain.seen.has(report.id, time)) return report
    const content = {
      chainId: chain.chainId,
      from: { kind: 'account' as const, id: this.#options.account },
      validUntil: time + VALIDITY_MS,
      nonce: randomBytes(16),
      contract: 'members',
      action: 'report',
      body: evidenceBodyCodec.encode({ evidence }),
      sponsor: null,
    }
    return createTransaction(content, this.#options.accountKey)
  }
}
