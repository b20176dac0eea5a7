/** The chain on disk: blocks, receipts, the newest state and the logs, always at one height. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { Block } from './block.ts'
import type { Certificate } from './certificate.ts'
import { eventHeights, eventOperations } from './chain-events.ts'
import { chainKey, KIND, MAX_STREAM_BYTES, rangeOf } from './chain-keys.ts'
import { type ChainTip, certifies, checkStoredChain, isEmpty, storeCorrupt } from './chain-open.ts'
import { compactBlocks, compactPlaces, pruneOperations } from './chain-prune.ts'
import { bodyCodec, decodePlace, encodePlace, headCodec, openRecord, outcomeCodec, sealRecord, tipCodec } from './chain-records.ts'
import { type Header, headerHash } from './header.ts'
import { PROVABLE_ROOTS } from './limits.ts'
import { type Receipt, receiptCodec } from './receipt.ts'
import { type StateChange, StateTree } from './state-tree.ts'
import type { KeyValueStore, StoreOperation } from './store.ts'

/** One item of a log that only grows; the state holds the log's count and head, the body lies here. */
export interface LogItem {
  /** The log's name, such as the key of its count in the state: 1 to 255 bytes. */
  stream: Uint8Array
  /** Position in the log. */
  index: number
  /** Id by which the item is found, 1 to 64 bytes. */
  id: Uint8Array
  body: Uint8Array
}

export interface OpenChainStoreOptions {
  /** Header of height 0. Its `stateRoot` is that of `genesisChanges` on the empty tree. */
  genesisHeader: Header
  genesisChanges: readonly StateChange[]
  /** How many of the newest blocks are checked with their transactions and receipts on opening; headers are always all checked. */
  verifyBlocks?: number
}

export interface CommitInput {
  /** The block above the tip, with its certificate. */
  block: Block
  /** Encoded receipts, one per transaction, in order. */
  receipts: readonly Uint8Array[]
  /** The same receipts decoded, by which their events are found again; without them they are not. */
  outcomes?: readonly Receipt[]
  transactionIds: readonly Uint8Array[]
  /** What turns the tip's state into `tree`. */
  changes: readonly StateChange[]
  /** State after the block; its root is the header's `stateRoot`. */
  tree: StateTree
  logItems: readonly LogItem[]
}

const VERIFY_BLOCKS = 10_000
/** Most heights that one step of pruning takes away. */
const PRUNED_AT_ONCE = 64
const MAX_LOG_ID_BYTES = 64
/** Most log items that are read at once. */
const MAX_LOG_PAGE = 10_000

/**
 * Opens the chain in a store, writing genesis where the store is empty.
 * @throws EpioneError `other-chain` where the store belongs to another genesis; `store-corrupt`, with the height, where what is
 *   stored does not hang together; `genesis-state` where the genesis header does not state the root of the genesis state.
 */
export async function openChainStore(store: KeyValueStore, options: OpenChainStoreOptions): Promise<ChainStore> {
  const { genesisHeader, genesisChanges, verifyBlocks = VERIFY_BLOCKS } = options
  if (!(await isEmpty(store))) {
    const { tip, base } = await checkStoredChain(store, genesisHeader, verifyBlocks)
    return new ChainStore(store, tip, base)
  }
  const tree = StateTree.empty().apply(genesisChanges)
  if (genesisHeader.height !== 0 || !equalBytes(tree.root, genesisHeader.stateRoot)) {
    throw new EpioneError('genesis-state', 'The genesis header does not state the root of the genesis state.')
  }
  const hash = headerHash(genesisHeader)
  const block: Block = { header: genesisHeader, transactions: [], certificate: null }
  const input = { block, receipts: [], transactionIds: [], changes: genesisChanges, tree, logItems: [] }
  await store.batch(blockOperations(input, hash), { sync: true })
  return new ChainStore(store, { header: genesisHeader, hash, tree, certificate: null }, 1)
}

/** A chain as it is stored. One writer; readers see a block once {@link commit} has settled. */
export class ChainStore {
  readonly #store: KeyValueStore
  #tip: ChainTip
  #base: number
  /** The newest trees by height. In memory only: after a restart, state is provable at the tip alone until blocks follow. */
  readonly #trees = new Map<number, StateTree>()
  #commit: Promise<void> | undefined
  #retired = false

  /** @internal Use {@link openChainStore}. */
  constructor(store: KeyValueStore, tip: ChainTip, base: number) {
    this.#store = store
    this.#tip = tip
    this.#base = base
    this.#trees.set(tip.header.height, tip.tree)
  }

  tip(): ChainTip {
    return this.#tip
  }

  /** Another chain took this one's place, and its records are about to go: reads fail from now on, those under way included. */
  retire(): void {
    this.#retired = true
  }

  /** Runs a read. @throws EpioneError `chain-replaced` where records may have gone meanwhile */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      const found = await read()
      if (!this.#retired) return found
    } catch (error) {
      if (!this.#retired) throw error
    }
    throw replaced()
  }

  /** Lowest height above genesis whose transactions and receipts are kept; headers and certificates are kept of all. */
  get base(): number {
    return this.#base
  }

  /**
   * Stores the next block with everything that it brings, in one atomic batch that is on disk when the promise settles. After
   * an error the store is where it was. The caller has executed the block: that transactions and receipts have the header's
   * roots and that `changes` lead to `tree` is not computed again here, but on every opening.
   * @throws EpioneError `wrong-block` where the block is not the tip's successor or its parts do not match; `commit-pending`
   *   where another commit is under way.
   */
  async commit(input: CommitInput): Promise<void> {
    if (this.#commit !== undefined) throw new EpioneError('commit-pending', 'The block before is still being stored.')
    const hash = headerHash(input.block.header)
    this.#checkSuccessor(input, hash)
    const operations = blockOperations(input, hash)
    this.#commit = this.#write(input, operations, hash)
    try {
      await this.#commit
    } finally {
      this.#commit = undefined
    }
  }

  async #write(input: CommitInput, operations: StoreOperation[], hash: Uint8Array): Promise<void> {
    const { header, certificate } = input.block
    operations.push(...(await placeOperations(this.#store, header.height, input)), ...eventOperations(header.height, input.outcomes ?? []))
    await this.#store.batch(operations, { sync: true })
    this.#tip = { header, hash, tree: input.tree, certificate }
    this.#trees.set(header.height, input.tree)
    this.#trees.delete(header.height - PROVABLE_ROOTS)
  }

  #checkSuccessor({ block, receipts, transactionIds, tree }: CommitInput, hash: Uint8Array): void {
    const { header, transactions, certificate } = block
    const refuse = (reason: string): never => {
      throw new EpioneError('wrong-block', `The block of height ${header.height} cannot be stored: ${reason}.`, {
        metadata: { height: header.height },
      })
    }
    if (header.height !== this.#tip.header.height + 1) refuse(`the chain stands at ${this.#tip.header.height}`)
    if (!equalBytes(header.parent, this.#tip.hash)) refuse('it does not stand on the newest block')
    if (!certifies(certificate, header.height, hash)) refuse('its certificate is not for it')
    if (receipts.length !== transactions.length || transactionIds.length !== transactions.length) refuse('receipts or ids are missing')
    if (!equalBytes(tree.root, header.stateRoot)) refuse('its state has another root')
  }

  /** The block at a height; undefined above the tip. @throws EpioneError `pruned` below the base; as all reads `chain-replaced` */
  async block(height: number): Promise<Block | undefined> {
    return await this.#reading(async () => {
      const [head, body] = await Promise.all([this.header(height), this.#body(height)])
      if (head === undefined || body === undefined) return undefined
      return { header: head.header, transactions: body.transactions, certificate: head.certificate }
    })
  }

  /** Header and certificate at a height (null at genesis); undefined above the tip. */
  async header(height: number): Promise<{ header: Header; certificate: Certificate | null } | undefined> {
    if (!this.#holds(height)) return undefined
    return await this.#reading(async () => headCodec.decode(await this.#record(height, chainKey.head(height))))
  }

  /**
   * What became of a transaction: its height, its position in the block and its encoded receipt. Undefined where no block that is
   * kept holds it.
   */
  async receipt(transactionId: Uint8Array): Promise<{ height: number; index: number; receipt: Uint8Array } | undefined> {
    return await this.#reading(async () => await this.#receipt(transactionId))
  }

  async #receipt(transactionId: Uint8Array): Promise<{ height: number; index: number; receipt: Uint8Array } | undefined> {
    const record = await this.#store.get(chainKey.transaction(transactionId))
    if (record === undefined) return undefined
    const { height, index } = decodePlace(record) ?? { height: 0, index: 0 }
    // The batch of a commit can be on disk a moment before the tip moves.
    if (height === this.#tip.header.height + 1 || (height > 0 && height < this.#base)) return undefined
    const outcome = await this.#outcome(height)
    const receipt = outcome?.receipts[index]
    const id = outcome?.transactionIds[index]
    if (receipt === undefined || id === undefined || !equalBytes(id, transactionId))
      throw storeCorrupt(height, 'a transaction is not in its place')
    return { height, index, receipt }
  }

  /** Encoded receipts of a height, in order; none above the tip. @throws EpioneError `pruned` below the base */
  async receipts(height: number): Promise<Uint8Array[]> {
    return await this.#reading(async () => (await this.#outcome(height))?.receipts ?? [])
  }

  /**
   * Heights of the blocks with a subject's events from a number on, ascending: at most `limit`. Blocks that were pruned are not among
   * them, nor those that were stored without their outcomes.
   */
  async eventHeights(subject: Uint8Array, from: number, limit: number): Promise<number[]> {
    return await this.#reading(async () => {
      const heights = await eventHeights(this.#store, subject, from, limit)
      // The batch of a commit can be on disk a moment before the tip moves.
      return heights.filter(height => height >= this.#base && height <= this.#tip.header.height)
    })
  }

  /** State after a height, for the last PROVABLE_ROOTS heights since the store was opened. */
  treeAt(height: number): StateTree | undefined {
    return this.#trees.get(height)
  }

  /**
   * Ids of the transactions in all blocks whose time is `sinceTimeMs` or later, in the order of the chain.
   * @throws EpioneError `pruned` where such blocks are not kept any more
   */
  async *recentTransactionIds(sinceTimeMs: number): AsyncGenerator<Uint8Array> {
    const tip = this.#tip.header.height
    let first = tip + 1
    for (let height = tip; height >= 0; height--) {
      const head = await this.header(height)
      if (head === undefined || head.header.time < sinceTimeMs) break
      first = height
    }
    for (let height = first; height <= tip; height++) {
      yield* await this.#reading(async () => (await this.#outcome(height))?.transactionIds ?? [])
    }
  }

  /** Bodies of a log's items from an index on, in order: at most `limit`, and never more than 10,000. */
  async logItems(stream: Uint8Array, from: number, limit: number): Promise<Uint8Array[]> {
    if (stream.length < 1 || stream.length > MAX_STREAM_BYTES || limit < 1) return []
    const end = chainKey.logStreamEnd(stream)
    const range = { gte: chainKey.logItem(stream, from), lt: end, limit: Math.min(limit, MAX_LOG_PAGE) }
    return await this.#reading(async () => {
      const items: Uint8Array[] = []
      for await (const [key, record] of this.#store.iterator(range)) items.push(this.#open(this.#tip.header.height, key, record))
      return items
    })
  }

  /** Body of the log item with this id. */
  async logItemById(id: Uint8Array): Promise<Uint8Array | undefined> {
    const key = chainKey.logId(id)
    return await this.#reading(async () => {
      if ((await this.#store.get(key)) === undefined) return undefined
      const { height } = this.#tip.header
      return await this.#record(height, await this.#record(height, key))
    })
  }

  /** Items of all logs, by stream and position, as they were when the first was asked for. */
  async *allLogItems(): AsyncGenerator<{ stream: Uint8Array; index: number; body: Uint8Array }> {
    if (this.#retired) throw replaced()
    for await (const [key, record] of this.#store.iterator(rangeOf(KIND.logItem))) {
      const stream = key.slice(2, 2 + (key[1] as number))
      const index = Number(new DataView(key.buffer, key.byteOffset + key.length - 8).getBigUint64(0))
      yield { stream, index, body: this.#open(this.#tip.header.height, key, record) }
    }
  }

  /**
   * Forgets transactions, receipts and the places of transactions below a height, a bounded number of heights at a time: call again
   * until the base is where it should be. The tip's block stays whatever is asked. Gives the range of heights that went.
   */
  async prune(below: number): Promise<{ from: number; to: number; transactions: number }> {
    const from = this.#base
    const to = Math.min(below, from + PRUNED_AT_ONCE, this.#tip.header.height)
    if (to <= from) return { from, to: from, transactions: 0 }
    const operations = await pruneOperations(this.#store, from, to)
    // What is forgotten is not asked for while it goes.
    this.#base = to
    await this.#store.batch(operations)
    return { from, to, transactions: operations.filter(({ key }) => key[0] === KIND.transaction).length }
  }

  /** Gives back the disk that pruned heights took. */
  async compactBlocks(from: number, to: number): Promise<void> {
    await compactBlocks(this.#store, from, to)
  }

  /** Gives back the disk that the places of pruned transactions took; in small steps, between which `pause` is called. */
  async compactPlaces(pause: () => Promise<void>): Promise<void> {
    await compactPlaces(this.#store, pause)
  }

  /** Waits for a commit that is under way and closes the store. */
  async close(): Promise<void> {
    await this.#commit?.catch(() => {})
    await this.#store.close()
  }

  #holds(height: number): boolean {
    return Number.isSafeInteger(height) && height >= 0 && height <= this.#tip.header.height
  }

  /** @throws EpioneError `pruned` */
  #requireKept(height: number): void {
    if (height > 0 && height < this.#base) throw pruned(height, this.#base)
  }

  async #body(height: number) {
    if (!this.#holds(height)) return undefined
    this.#requireKept(height)
    return bodyCodec.decode(await this.#record(height, chainKey.body(height)))
  }

  async #outcome(height: number) {
    if (!this.#holds(height)) return undefined
    this.#requireKept(height)
    return outcomeCodec.decode(await this.#record(height, chainKey.outcome(height)))
  }

  /** A record that must be there. `height` is what the error names. */
  async #record(height: number, key: Uint8Array): Promise<Uint8Array> {
    const record = await this.#store.get(key)
    if (record === undefined) throw storeCorrupt(height, 'a record is missing')
    return this.#open(height, key, record)
  }

  #open(height: number, key: Uint8Array, record: Uint8Array): Uint8Array {
    try {
      return openRecord(key, record)
    } catch (cause) {
      throw storeCorrupt(height, 'a record is damaged', cause)
    }
  }
}

function replaced(): EpioneError {
  return new EpioneError('chain-replaced', 'This node has just gone over to a newer chain, by a snapshot. Ask again.')
}

/** What is said of a block whose transactions and receipts are not kept any more. */
export function pruned(height: number, base: number): EpioneError {
  return new EpioneError(
    'pruned',
    `Transactions and receipts of height ${height} are not kept here any more; those from height ${base} on are. Ask another node.`,
    { metadata: { height, base } },
  )
}

export function putSealed(key: Uint8Array, value: Uint8Array): StoreOperation {
  return { type: 'put', key, value: sealRecord(key, value) }
}

/**
 * Where each transaction of a block is to be found. An id may come again, as an error receipt for what was seen before: that must
 * not hide what became of it first, unless only this time it was done.
 */
export async function placeOperations(
  store: KeyValueStore,
  height: number,
  { receipts, transactionIds }: Pick<CommitInput, 'receipts' | 'transactionIds'>,
): Promise<StoreOperation[]> {
  const operations: StoreOperation[] = []
  const placed = new Set<string>()
  for (const [index, id] of transactionIds.entries()) {
    const key = chainKey.transaction(id)
    const name = String.fromCharCode(...id)
    if (!isSuccess(receipts[index] as Uint8Array) && (placed.has(name) || (await store.get(key)) !== undefined)) continue
    placed.add(name)
    operations.push({ type: 'put', key, value: encodePlace(height, index) })
  }
  return operations
}

/** Everything that a block brings, but for the places of its transactions. */
export function blockOperations({ block, receipts, transactionIds, changes, logItems }: CommitInput, hash: Uint8Array): StoreOperation[] {
  const { header, transactions, certificate } = block
  const { height } = header
  const operations: StoreOperation[] = [
    putSealed(chainKey.tip(), tipCodec.encode({ version: 1, height, hash })),
    putSealed(chainKey.head(height), headCodec.encode({ header, certificate })),
    putSealed(chainKey.body(height), bodyCodec.encode({ transactions })),
    putSealed(chainKey.outcome(height), outcomeCodec.encode({ transactionIds: [...transactionIds], receipts: [...receipts] })),
  ]
  // Leaves carry no check of their own: the state root is theirs.
  for (const { key, value } of changes) {
    const leaf = chainKey.leaf(key)
    operations.push(value === null ? { type: 'del', key: leaf } : { type: 'put', key: leaf, value })
  }
  for (const item of logItems) operations.push(...logOperations(item))
  return operations
}

/** A log's item, and where it is by its id. @throws EpioneError `wrong-block` */
export function logOperations({ stream, index, id, body }: LogItem): StoreOperation[] {
  if (stream.length < 1 || stream.length > MAX_STREAM_BYTES || id.length < 1 || id.length > MAX_LOG_ID_BYTES) {
    throw new EpioneError('wrong-block', 'A log item has a stream of 1 to 255 bytes and an id of 1 to 64 bytes.')
  }
  const key = chainKey.logItem(stream, index)
  return [putSealed(key, body), putSealed(chainKey.logId(id), key)]
}

/** Where the code begins in an encoded receipt: after the array's head, the byte string's head and the id. */
const CODE_OFFSET = 1 + 2 + 32
/** How an encoded receipt goes on after its 32-byte transaction id where its code is `ok`. */
const SUCCESS = receiptCodec.encode({ transaction: new Uint8Array(32), code: 'ok', events: [] }).subarray(CODE_OFFSET, -1)

/** Whether an encoded receipt says `ok`, without decoding all of it. */
function isSuccess(receipt: Uint8Array): boolean {
  return equalBytes(receipt.subarray(CODE_OFFSET, CODE_OFFSET + SUCCESS.length), SUCCESS)
}
