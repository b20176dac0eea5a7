/** Executes blocks: the one function by which every node gets the same state, receipts and logs from the same transactions. */

import { equalBytes } from '../encoding/bytes.ts'
import type { Codec } from '../encoding/schema.ts'
import type { LogItem } from '../ledger/chain-store.ts'
import { MAX_VALIDITY_MS } from '../ledger/limits.ts'
import type { LedgerEvent, Receipt } from '../ledger/receipt.ts'
import type { StateChange, StateReader } from '../ledger/state-tree.ts'
import { hasSignatureShape, type Origin, type Transaction, type TransactionContent } from '../ledger/transaction.ts'
import { access } from './access.ts'
import { nextLogHead } from './access-formats.ts'
import type { Action, ActionContext, ActionState, Contract, LogEntry } from './action.ts'
import { charge, checkAuthority, checkForm } from './authority.ts'
import { consents } from './consents.ts'
import { ContractError } from './contract-error.ts'
import { folders } from './folders.ts'
import { members } from './governance.ts'
import { counterCodec, logHeadCodec, type Parameters, parametersCodec, type Validators, validatorsCodec } from './members-formats.ts'
import { keyText, Overlay } from './overlay.ts'
import { records } from './records.ts'
import { stateKey } from './state-keys.ts'
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

const CONTRACTS: ReadonlyMap<string, Contract> = new Map([
  ['members', members],
  ['folders', folders],
  ['records', records],
  ['consents', consents],
  ['access', access],
])

/** Codes of transactions of which it was not shown that author and sponsor sent them. */
const UNPROVEN_CODES: ReadonlySet<string> = new Set([
  'wrong-chain',
  'bad-signature',
  'expired',
  'too-far-ahead',
  'unknown-author',
  'unknown-sponsor',
  'wrong-key',
  'not-found',
])

/**
 * Whether a receipt's transaction is a replay when it comes again. A transaction's id covers what was signed and not the keys:
 * were an act under a wrong key enough, anybody could copy a revocation, sign it with a key of their own, and so have the
 * true one refused. Such a copy changes nothing and therefore does not count.
 */
export function countsAsSeen(code: string): boolean {
  return !UNPROVEN_CODES.has(code)
}

/** Whether an act goes first in every batch: what a patient may do without any sponsor, so that nobody stands in the way of a revocation. */
export function isPriority(content: TransactionContent): boolean {
  return content.from.kind === 'folder' && CONTRACTS.get(content.contract)?.get(content.action)?.folderCharge === 'bucket'
}

/**
 * Executes a block. A transaction that breaks a rule gets a receipt with the rule's code and leaves the state as it was. Any
 * other exception leaves this function: it is a fault of this node (a bug, memory, a broken disk), and a node that turned it into a
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
  /** Values decoded so far, with their bytes: accounts and sets are read again and again. */
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
    const { id } = item.transaction
    const overlay = new Overlay(this.#overlay)
    const context = new TransactionContext(this.#input, item.transaction, this.#parameters, new TransactionState(overlay, this.#decoded))
    try {
      this.#run(item, context)
    } catch (error) {
      if (!(error instanceof ContractError)) throw error
      if (countsAsSeen(error.code)) this.#seen.add(keyText(id))
      return { transaction: id, code: error.code, events: [] }
    }
    overlay.mergeInto(this.#overlay)
    this.#logItems.push(...context.logItems)
    this.#seen.add(keyText(id))
    return { transaction: id, code: 'ok', events: context.events }
  }

  #run(item: ExecutableTransaction, context: TransactionContext): void {
    const { transaction } = item
    const action = this.#admit(item)
    const run = action.prepare(transaction.content.body)
    checkForm(transaction, action)
    checkAuthority(transaction, context.state)
    charge(transaction, context.state, this.#parameters, this.#input.time)
    run(context)
  }

  /** What needs no state. */
  #admit({ transaction, signaturesValid }: ExecutableTransaction): Action {
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
    const contract = CONTRACTS.get(content.contract)
    if (contract === undefined) throw new ContractError('unknown-contract', 'This network has no such contract.')
    const action = contract.get(content.action)
    if (action === undefined) throw new ContractError('unknown-action', `The contract ${content.contract} has no such action.`)
    return action
  }

  finish(): Pick<BlockResult, 'changes' | 'logItems' | 'validators'> {
    const state = new TransactionState(this.#overlay, this.#decoded)
    const validators = present(state.read(validatorsCodec, stateKey.validators()), 'validators')
    return { changes: this.#overlay.changes(), logItems: this.#logItems, validators }
  }
}

/** What genesis puts there. Its absence is a broken state, and no transaction's fault. */
function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the state holds no ${name}: it did not start from genesis`)
  return value
}

type DecodedValues = Map<string, { bytes: Uint8Array; value: unknown }>

class TransactionState implements ActionState {
  readonly #overlay: Overlay
  readonly #decoded: DecodedValues

  constructor(overlay: Overlay, decoded: DecodedValues) {
    this.#overlay = overlay
    this.#decoded = decoded
  }

  read<T>(codec: Codec<T>, key: Uint8Array): T | undefined {
    const bytes = this.#overlay.get(key)
    if (bytes === undefined) return undefined
    const name = keyText(key)
    const known = this.#decoded.get(name)
    // A key has one format, so that the same bytes under it are the same value.
    if (known !== undefined && (known.bytes === bytes || equalBytes(known.bytes, bytes))) return known.value as T
    const value = codec.decode(bytes)
    this.#decoded.set(name, { bytes, value })
    return value
  }

  write<T>(codec: Codec<T>, key: Uint8Array, value: T): void {
    this.#overlay.write(key, codec.encode(value))
  }

  remove(key: Uint8Array): void {
    this.#overlay.write(key, null)
  }
}

class TransactionContext implements ActionContext {
  readonly chainId: Uint8Array
  readonly height: number
  readonly timeMs: number
  readonly parameters: Parameters
  readonly from: Origin
  readonly sponsor: Uint8Array | null
  readonly state: ActionState
  readonly events: LedgerEvent[] = []
  readonly logItems: LogItem[] = []

  constructor(input: BlockInput, { content }: Transaction, parameters: Parameters, state: ActionState) {
    this.chainId = input.chainId
    this.height = input.height
    this.timeMs = input.time
    this.parameters = parameters
    this.from = content.from
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
