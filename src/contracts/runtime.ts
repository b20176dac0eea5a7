/** Executes blocks: the one function by which every node gets the same state, receipts and logs from the same transactions. */

import { equalBytes } from '../encoding/bytes.ts'
import type { Codec } from '../encoding/schema.ts'
import type { LogItem } from '../ledger/chain-store.ts'
import { MAX_VALIDITY_MS } from '../ledger/limits.ts'
import type { LedgerEvent, Receipt } from '../ledger/receipt.ts'
import type { StateChange, StateReader } from '../ledger/state-tree.ts'
import { hasSignatureShape, type Origin, type Transaction, type TransactionSignature } from '../ledger/transaction.ts'
import { nextLogHead } from './access-formats.ts'
import type { ActionContext, ActionState, LogEntry } from './action.ts'
import { chargedAct } from './admission.ts'
import { ContractError } from './contract-error.ts'
import { counterCodec, logHeadCodec, type Parameters, parametersCodec, type Validators, validatorsCodec } from './members-formats.ts'
import { keyText, Overlay } from './overlay.ts'
import { stateKey } from './state-keys.ts'
import { type DecodedValues, present, TransactionState } from './transaction-state.ts'
import { rollValidators } from './validators.ts'

/** A transaction of a block. Whether its signatures are right for the keys beside them was found out before, off the main thread. */
export interface ExecutableTransaction {
  readonly transaction: Transaction
  readonly signaturesValid: boolean
}

export interface BlockInput {
  /** State after the parent block. */
  readonly state: StateReader
  readonly chainId: Uint8Array
  readonly height: number
  /** Time of the block, in ms. */
  readonly time: number
  readonly transactions: readonly ExecutableTransaction[]
  /**
   * Whether a transaction was executed by a block of the last hour, that is by one whose time is not before `time` - 1 h. Only
   * those count whose receipt {@link countsAsSeen}.
   */
  readonly seen: (id: Uint8Array) => boolean
}

export interface BlockResult {
  /** Ascending by key, each key once. */
  readonly changes: StateChange[]
  /** One for each transaction, in their order. */
  readonly receipts: Receipt[]
  readonly logItems: LogItem[]
  /** The sets after this block: `current` signs it, `next` the block above, `decided` the one above that. */
  readonly validators: Validators
}

/** Codes of transactions of which it was not shown that author and sponsor sent them. */
const UNPROVEN_CODES: ReadonlySet<string> = new Set([
  'wrong-chain',
  'bad-signature',
  'expired',
  'too-far-ahead',
  'unknown-author',
  'unknown-sponsor',
  'wrong-key',
  'unknown-owner',
])

/**
 * Whether a receipt's transaction is a replay when it comes again. A transaction's id covers what was signed and not the keys:
 * were an act under a wrong key enough, anybody could copy a revocation, sign it with a key of their own, and so have the
 * true one refused. Such a copy changes nothing and therefore does not count. An act that was paid for does, failed or not: else
 * whoever sees it could send it again and again, and use up a quota that is not theirs.
 */
export function countsAsSeen(code: string): boolean {
  return !UNPROVEN_CODES.has(code)
}

/**
 * Executes a block. A transaction that breaks a rule gets a receipt with the rule's code. Where nobody was proven to pay for it, it
 * leaves the state as it was; an act that fails afterwards has drawn on the quota, and leaves all else as it was. Any other exception leaves this function: it is a fault of this node (a bug, memory, a broken disk), and a node that turned it into a
 * receipt would sign a result that the others do not have. So it stops instead, and the others go on or stop, too.
 */
export function executeBlock(input: BlockInput): BlockResult {
  const block = new BlockExecution(input)
  const receipts = input.transactions.map(item => block.execute(item))
  return { receipts, ...block.finish() }
}

/** State of one execution of a block. */
class BlockExecution {
  readonly #input: BlockInput
  readonly #overlay: Overlay
  readonly #parameters: Parameters
  readonly #seen = new Set<string>()
  readonly #logItems: LogItem[] = []
  readonly #decoded: DecodedValues = new Map()

  constructor(input: BlockInput) {
    this.#input = input
    this.#overlay = new Overlay(input.state)
    const state = new TransactionState(this.#overlay, this.#decoded)
    this.#parameters = present(state.read(parametersCodec, stateKey.parameters()), 'parameters')
    const before = present(state.read(validatorsCodec, stateKey.validators()), 'validators')
    const bytes = validatorsCodec.encode(rollValidators(before))
    if (!equalBytes(bytes, validatorsCodec.encode(before))) this.#overlay.write(stateKey.validators(), bytes)
  }

  execute(item: ExecutableTransaction): Receipt {
    const { transaction } = item
    const { id } = transaction
    let context: TransactionContext
    try {
      this.#checkBeforehand(item)
      const run = this.#atomically(state => chargedAct(transaction, state, this.#parameters, { timeMs: this.#input.time }))
      context = this.#atomically(state => {
        const own = new TransactionContext(this.#input, transaction, this.#parameters, state)
        run(own)
        return own
      })
    } catch (error) {
      if (!(error instanceof ContractError)) throw error
      if (countsAsSeen(error.code)) this.#seen.add(keyText(id))
      return { transaction: id, code: error.code, events: [] }
    }
    this.#logItems.push(...context.logItems)
    this.#seen.add(keyText(id))
    return { transaction: id, code: 'ok', events: context.events }
  }

  /** Runs a step whose writes stay if it returns, and are gone if it throws. */
  #atomically<T>(step: (state: TransactionState) => T): T {
    const overlay = new Overlay(this.#overlay)
    const result = step(new TransactionState(overlay, this.#decoded))
    overlay.mergeInto(this.#overlay)
    return result
  }

  /** What needs no state. */
  #checkBeforehand({ transaction, signaturesValid }: ExecutableTransaction): void {
    const { chainId, time, seen } = this.#input
    const { content, id } = transaction
    if (!equalBytes(content.chainId, chainId)) throw new ContractError('wrong-chain', 'The transaction is for another network.')
    if (!signaturesValid || !hasSignatureShape(transaction)) {
      throw new ContractError('bad-signature', 'A signature is wrong, is missing, or is one too many.')
    }
    if (content.validUntil < time) throw new ContractError('expired', 'The transaction was valid until a time before this block.')
    if (content.validUntil > time + MAX_VALIDITY_MS) {
      throw new ContractError('too-far-ahead', 'A transaction is valid for at most an hour.')
    }
    if (this.#seen.has(keyText(id)) || seen(id)) throw new ContractError('seen', 'The transaction was executed before.')
  }

  finish(): Pick<BlockResult, 'changes' | 'logItems' | 'validators'> {
    const state = new TransactionState(this.#overlay, this.#decoded)
    const validators = present(state.read(validatorsCodec, stateKey.validators()), 'validators')
    return { changes: this.#overlay.changes(), logItems: this.#logItems, validators }
  }
}

class TransactionContext implements ActionContext {
  readonly chainId: Uint8Array
  readonly height: number
  readonly timeMs: number
  readonly parameters: Parameters
  readonly from: Origin
  readonly signer: Uint8Array
  readonly sponsor: Uint8Array | null
  readonly state: ActionState
  readonly events: LedgerEvent[] = []
  readonly logItems: LogItem[] = []

  constructor(input: BlockInput, { content, signatures }: Transaction, parameters: Parameters, state: ActionState) {
    this.chainId = input.chainId
    this.height = input.height
    this.timeMs = input.time
    this.parameters = parameters
    this.from = content.from
    this.signer = (signatures[0] as TransactionSignature).publicKey
    this.sponsor = content.sponsor
    this.state = state
  }

  emit<T>(name: string, subject: Origin, codec: Codec<T>, data: T): void {
    this.events.push({ name, subject: subject.id, index: this.#nextEvent(subject), data: codec.encode(data) })
  }

  #nextEvent(subject: Origin): number {
    if (subject.kind === 'account') return 0
    const key = stateKey.folderEvents(subject.id)
    const index = (this.state.read(counterCodec, key) ?? 0) + 1
    this.state.write(counterCodec, key, index)
    return index
  }

  append(stream: Uint8Array, make: (index: number) => LogEntry): { index: number; id: Uint8Array } {
    const { count, head } = this.state.read(logHeadCodec, stream) ?? { count: 0, head: new Uint8Array(32) }
    const { id, body } = make(count)
    this.state.write(logHeadCodec, stream, { count: count + 1, head: nextLogHead(head, id) })
    this.logItems.push({ stream, index: count, id, body })
    return { index: count, id }
  }
}
