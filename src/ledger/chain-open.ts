/**
 * What is checked of a stored chain before it is used. LevelDB notices a torn end of its log, but not every damage in the
 * middle: one flipped bit there can silently lose whole acknowledged batches while later ones are present. So nothing is
 * believed that does not hang together by hashes.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { receiptsRoot, transactionsRoot } from './block.ts'
import type { Certificate } from './certificate.ts'
import { chainKey, KIND, rangeOf } from './chain-keys.ts'
import { baseCodec, bodyCodec, headCodec, openRecord, outcomeCodec, tipCodec } from './chain-records.ts'
import { type Header, headerHash } from './header.ts'
import { type StateTree, StateTreeBuilder } from './state-tree.ts'
import type { KeyValueStore } from './store.ts'

export interface ChainTip {
  readonly header: Header
  /** Hash of the header. */
  readonly hash: Uint8Array
  /** State after this block. */
  readonly tree: StateTree
  /** Null at genesis alone. */
  readonly certificate: Certificate | null
}

export function storeCorrupt(height: number, reason: string, cause?: unknown): EpioneError {
  return new EpioneError(
    'store-corrupt',
    `The stored chain is damaged at height ${height}: ${reason}. Restore the store from a backup or synchronise the node anew.`,
    { metadata: { height }, cause },
  )
}

/** Runs a check of what belongs to a height; whatever it throws becomes `store-corrupt`, unless the store itself failed. */
function examine<T>(height: number, reason: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (errorCode(error).startsWith('store-')) throw error
    throw storeCorrupt(height, reason, error)
  }
}

/** Whether the store holds anything of a chain. */
export async function isEmpty(store: KeyValueStore): Promise<boolean> {
  for await (const _ of store.iterator({ gte: Uint8Array.of(KIND.tip), lt: Uint8Array.of(KIND.installed + 1), limit: 1 })) return false
  return true
}

/**
 * Checks a stored chain and gives its tip: that it grew from this genesis, that every header stands on the one before, that
 * the newest `verifyBlocks` blocks and receipts (of those that are kept) are what their headers say, and that the leaves amount to the
 * tip's state root.
 * @throws EpioneError `other-chain`; `store-corrupt` with the height
 */
export async function checkStoredChain(
  store: KeyValueStore,
  genesis: Header,
  verifyBlocks: number,
): Promise<{ tip: ChainTip; base: number }> {
  const tipRecord = await store.get(chainKey.tip())
  if (tipRecord === undefined) throw storeCorrupt(0, 'the mark of the newest block is missing')
  const tip = examine(0, 'the mark of the newest block is unreadable', () => tipCodec.decode(openRecord(chainKey.tip(), tipRecord)))
  await checkGenesis(store, genesis)
  const newest = await checkHeaders(store, tip.height)
  if (!equalBytes(newest.hash, tip.hash)) throw storeCorrupt(tip.height, 'the newest block is not the one that was marked')
  const base = await readBase(store)
  if (base > Math.max(1, tip.height)) throw storeCorrupt(base, 'its blocks are said to begin above the newest')
  // Genesis is kept for good, whatever else goes.
  await checkBlocks(store, Math.max(base === 1 ? 0 : base, tip.height - verifyBlocks + 1), tip.height)
  return { tip: { ...newest, tree: await loadState(store, newest.header) }, base }
}

/** Lowest height above genesis whose transactions and receipts are kept: 1 where nothing was ever pruned. */
async function readBase(store: KeyValueStore): Promise<number> {
  const key = chainKey.base()
  const record = await store.get(key)
  if (record === undefined) return 1
  return examine(0, 'the mark of the oldest block that is kept is unreadable', () => baseCodec.decode(openRecord(key, record))).height
}

async function checkGenesis(store: KeyValueStore, genesis: Header): Promise<void> {
  const key = chainKey.head(0)
  const record = await store.get(key)
  if (record === undefined) throw storeCorrupt(0, 'genesis is missing')
  const { header } = examine(0, 'genesis is unreadable', () => headCodec.decode(openRecord(key, record)))
  if (equalBytes(headerHash(header), headerHash(genesis))) return
  throw new EpioneError(
    'other-chain',
    'The store holds another chain than the one of this genesis. Use an empty directory or the right genesis.',
  )
}

async function checkHeaders(store: KeyValueStore, tipHeight: number): Promise<Omit<ChainTip, 'tree'>> {
  let newest: Omit<ChainTip, 'tree'> | undefined
  let height = 0
  for await (const [key, record] of store.iterator(rangeOf(KIND.head))) {
    if (!equalBytes(key, chainKey.head(height))) throw storeCorrupt(height, 'its header is missing')
    if (height > tipHeight) throw storeCorrupt(height, 'it lies above the newest block')
    const { header, certificate } = examine(height, 'its header is unreadable', () => headCodec.decode(openRecord(key, record)))
    const hash = headerHash(header)
    if (newest !== undefined && !equalBytes(header.parent, newest.hash)) throw storeCorrupt(height, 'it does not stand on the block before')
    if (header.height !== height) throw storeCorrupt(height, 'its header is of another height')
    if (height > 0 && !certifies(certificate, height, hash)) throw storeCorrupt(height, 'its certificate is not for it')
    newest = { header, hash, certificate }
    height++
  }
  if (newest === undefined || height !== tipHeight + 1) throw storeCorrupt(height, 'its header is missing')
  return newest
}

/** Whether a certificate names this block; its signatures were checked before it was stored. */
export function certifies(certificate: Certificate | null, height: number, hash: Uint8Array): boolean {
  return certificate !== null && certificate.height === height && equalBytes(certificate.block, hash)
}

async function checkBlocks(store: KeyValueStore, from: number, to: number): Promise<void> {
  for (let height = from; height <= to; height++) {
    const headKey = chainKey.head(height)
    const bodyKey = chainKey.body(height)
    const outcomeKey = chainKey.outcome(height)
    const [head, body, outcome] = await Promise.all([store.get(headKey), store.get(bodyKey), store.get(outcomeKey)])
    if (head === undefined || body === undefined || outcome === undefined) throw storeCorrupt(height, 'a part of its block is missing')
    const { header } = examine(height, 'its header is unreadable', () => headCodec.decode(openRecord(headKey, head)))
    const { transactions } = examine(height, 'its transactions are unreadable', () => bodyCodec.decode(openRecord(bodyKey, body)))
    const { receipts, transactionIds } = examine(height, 'its receipts are unreadable', () =>
      outcomeCodec.decode(openRecord(outcomeKey, outcome)),
    )
    if (transactionIds.length !== transactions.length) throw storeCorrupt(height, 'its transactions lack ids')
    // Genesis has neither, and what its header states instead is for the genesis document to say.
    if (height === 0) continue
    if (!equalBytes(transactionsRoot(transactions), header.transactionsRoot)) {
      throw storeCorrupt(height, 'its transactions are not those of its header')
    }
    if (!equalBytes(receiptsRoot(receipts), header.receiptsRoot)) {
      throw storeCorrupt(height, 'its receipts are not those of its header')
    }
  }
}

/** The state that the stored leaves amount to. @throws EpioneError `store-corrupt` where it is not that of `tip` */
export async function loadState(store: KeyValueStore, tip: Header): Promise<StateTree> {
  const builder = new StateTreeBuilder()
  for await (const [key, value] of store.iterator(rangeOf(KIND.leaf))) {
    examine(tip.height, 'a leaf of the state is malformed', () => builder.add(key.subarray(1), value))
  }
  const tree = builder.finish()
  if (!equalBytes(tree.root, tip.stateRoot)) throw storeCorrupt(tip.height, 'the stored state is not that of the newest block')
  return tree
}
