/** Chains for tests: blocks that stand on each other, with made-up transactions. */
import { concat, u32, utf8 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { receiptsRoot, transactionsRoot } from '../../src/ledger/block.ts'
import type { ChainStore, CommitInput, LogItem, OpenChainStoreOptions } from '../../src/ledger/chain-store.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { type StateChange, StateTree } from '../../src/ledger/state-tree.ts'

const hashOf = (name: string, n = 0): Uint8Array => sha256(concat(utf8(name), u32(n)))

export const genesisChanges: StateChange[] = [
  { key: Uint8Array.of(0), value: Uint8Array.of(1) },
  { key: Uint8Array.of(0xff), value: Uint8Array.of(1) },
  { key: utf8('counter'), value: u32(0) },
]

function header(fields: Partial<Header>): Header {
  return {
    chainId: hashOf('chain'),
    version: 1,
    height: 0,
    time: 1_000_000,
    parent: new Uint8Array(32),
    proposer: new Uint8Array(32),
    transactionsRoot: transactionsRoot([]),
    stateRoot: new Uint8Array(32),
    receiptsRoot: receiptsRoot([]),
    validatorsHash: hashOf('validators'),
    nextValidatorsHash: hashOf('validators'),
    ...fields,
  }
}

export const genesisHeader = header({ stateRoot: StateTree.empty().apply(genesisChanges).root })
export const genesis: OpenChainStoreOptions = { genesisHeader, genesisChanges }

/** Stream of the log in which each block leaves one item. */
export const STREAM = concat(Uint8Array.of(0x40), hashOf('folder'))

export interface NextBlock {
  /** Names of the block's transactions; each also puts a leaf. */
  names?: readonly string[]
  code?: string
  logItems?: readonly LogItem[]
  changes?: readonly StateChange[]
}

export const idOf = (name: string): Uint8Array => hashOf(`id ${name}`)
export const bytesOf = (name: string): Uint8Array => utf8(`transaction ${name}`)
export const receiptOf = (name: string, code = 'ok'): Uint8Array => receiptCodec.encode({ transaction: idOf(name), code, events: [] })

/** The block above the tip, one second later: it counts up a leaf, and puts one for each transaction. */
export function nextBlock(chain: ChainStore, next: NextBlock = {}): CommitInput {
  const tip = chain.tip()
  const height = tip.header.height + 1
  const names = next.names ?? [`${height}a`, `${height}b`]
  const transactions = names.map(bytesOf)
  const receipts = names.map(name => receiptOf(name, next.code))
  const changes = next.changes ?? [
    { key: utf8('counter'), value: u32(height) },
    ...names.map(name => ({ key: concat(Uint8Array.of(0x10), idOf(name)), value: bytesOf(name) })),
    { key: concat(Uint8Array.of(0x10), idOf(`${height - 3}a`)), value: null },
  ]
  const tree = tip.tree.apply(changes)
  const built = header({
    height,
    time: tip.header.time + 1000,
    parent: tip.hash,
    transactionsRoot: transactionsRoot(transactions),
    receiptsRoot: receiptsRoot(receipts),
    stateRoot: tree.root,
  })
  const certificate = { height, round: 0, block: headerHash(built), signatures: [] }
  const logItems = next.logItems ?? [{ stream: STREAM, index: height, id: idOf(`log ${height}`), body: utf8(`item ${height}`) }]
  return { block: { header: built, transactions, certificate }, receipts, transactionIds: names.map(idOf), changes, tree, logItems }
}
