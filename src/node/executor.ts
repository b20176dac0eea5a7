/** Executes candidate blocks on the tip: what a proposer does before it proposes and a validator before it prevotes. */

import { parametersCodec, type Validators, validatorsCodec } from '../contracts/members-formats.ts'
import { executeBlock } from '../contracts/runtime.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { receiptsRoot, transactionsRoot } from '../ledger/block.ts'
import type { LogItem } from '../ledger/chain-store.ts'
import { BLOCK_VERSION, type Header, headerHash, validatorSetHash } from '../ledger/header.ts'
import { MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS } from '../ledger/limits.ts'
import { type Receipt, receiptCodec } from '../ledger/receipt.ts'
import type { StateChange, StateTree } from '../ledger/state-tree.ts'
import type { Transaction } from '../ledger/transaction.ts'
import type { SeenTransactions } from './seen.ts'

export interface ParentBlock {
  readonly header: Header
  readonly hash: Uint8Array
  readonly tree: StateTree
}

/** A block that was executed and is ready to be stored. */
export interface Candidate {
  readonly header: Header
  readonly transactions: readonly Transaction[]
  readonly receipts: readonly Receipt[]
  readonly encodedReceipts: Uint8Array[]
  readonly changes: readonly StateChange[]
  readonly logItems: readonly LogItem[]
  readonly tree: StateTree
}

/** The validator sets that the state at `tree` holds. */
export function validatorsAt(tree: StateTree): Validators {
  return validatorsCodec.decode(tree.get(stateKey.validators()) as Uint8Array)
}

export function parametersAt(tree: StateTree) {
  return parametersCodec.decode(tree.get(stateKey.parameters()) as Uint8Array)
}

/** Executes transactions on a parent and builds the header that commits to the outcome. Signatures were checked before. */
export function buildCandidate(
  parent: ParentBlock,
  input: { time: number; proposer: Uint8Array; transactions: readonly Transaction[] },
  seen: SeenTransactions,
): Candidate {
  const height = parent.header.height + 1
  const result = executeBlock({
    state: parent.tree,
    chainId: parent.header.chainId,
    height,
    time: input.time,
    transactions: input.transactions.map(transaction => ({ transaction, signaturesValid: true })),
    seen: id => seen.has(id, input.time),
  })
  const tree = parent.tree.apply(result.changes)
  const encodedReceipts = result.receipts.map(receipt => receiptCodec.encode(receipt))
  const header: Header = {
    chainId: parent.header.chainId,
    version: BLOCK_VERSION,
    height,
    time: input.time,
    parent: parent.hash,
    proposer: input.proposer,
    transactionsRoot: transactionsRoot(input.transactions.map(transaction => transaction.bytes)),
    stateRoot: tree.root,
    receiptsRoot: receiptsRoot(encodedReceipts),
    validatorsHash: validatorSetHash(result.validators.current),
    nextValidatorsHash: validatorSetHash(result.validators.next),
  }
  return {
    header,
    transactions: input.transactions,
    receipts: result.receipts,
    encodedReceipts,
    changes: result.changes,
    logItems: result.logItems,
    tree,
  }
}

/** Whether the transactions are no more than a block holds: one above that could be decided, but neither stored nor synchronised. */
function fitBlock(transactions: readonly Transaction[]): boolean {
  const size = transactions.reduce((sum, transaction) => sum + transaction.bytes.length, 0)
  return transactions.length <= MAX_BLOCK_TRANSACTIONS && size <= MAX_BLOCK_BYTES
}

/** Executes a block that another proposed; undefined where it is too large or its header says anything else than this execution. */
export function checkCandidate(
  parent: ParentBlock,
  header: Header,
  transactions: readonly Transaction[],
  seen: SeenTransactions,
): Candidate | undefined {
  if (header.height !== parent.header.height + 1 || header.time <= parent.header.time || header.version !== BLOCK_VERSION) return undefined
  if (!equalBytes(header.parent, parent.hash) || !equalBytes(header.chainId, parent.header.chainId)) return undefined
  if (!fitBlock(transactions)) return undefined
  if (!equalBytes(header.transactionsRoot, transactionsRoot(transactions.map(transaction => transaction.bytes)))) return undefined
  const candidate = buildCandidate(parent, { time: header.time, proposer: header.proposer, transactions }, seen)
  return equalBytes(headerHash(candidate.header), headerHash(header)) ? candidate : undefined
}
