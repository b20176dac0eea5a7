/**
 * Makes a chain from a snapshot, in a store of its own: all headers with their certificates, the state and the logs at one height,
 * and the blocks of the hour before it, by which replays are told. All of it comes from peers and is checked here. What was
 * checked stays over a restart.
 */
import { compareBytes, equalBytes, u32 } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { receiptsRoot, transactionsRoot } from './block.ts'
import type { Certificate } from './certificate.ts'
import { eventOperations } from './chain-events.ts'
import { chainKey, KIND, rangeOf } from './chain-keys.ts'
import { loadState } from './chain-open.ts'
import { baseCodec, bodyCodec, headCodec, openRecord, outcomeCodec, tipCodec } from './chain-records.ts'
import { blockOperations, logOperations, type OpenChainStoreOptions, placeOperations, putSealed } from './chain-store.ts'
import { type Header, headerHash, type ValidatorSet } from './header.ts'
import { type TrustedHeader, verifyNextHeader } from './header-chain.ts'
import { MAX_VALIDITY_MS } from './limits.ts'
import { receiptCodec } from './receipt.ts'
import { chunkCodec, chunkHash, manifestCodec, manifestId, type SnapshotManifest } from './snapshot.ts'
import { StateTree } from './state-tree.ts'
import type { KeyValueStore, StoreOperation } from './store.ts'
import { decodeTransaction } from './transaction.ts'

/** How the bodies of logs hang together: what the contracts put into the state for them. */
export interface LogRules {
  /** Id of an item by its body. @throws MalformedError where no log has such an item */
  itemId(stream: Uint8Array, body: Uint8Array): Uint8Array
  /** Head of a log after one more item. */
  nextHead(head: Uint8Array, itemId: Uint8Array): Uint8Array
  /** All logs of a state, ascending by stream. */
  heads(tree: StateTree): Iterable<{ stream: Uint8Array; count: number; head: Uint8Array }>
}

export interface Head {
  readonly header: Header
  readonly certificate: Certificate | null
}

const DELETED_AT_ONCE = 5_000

function wrongSnapshot(reason: string, cause?: unknown): EpioneError {
  return new EpioneError('wrong-snapshot', `The snapshot is not what its block says: ${reason}.`, { cause })
}

export class SnapshotInstaller {
  readonly #store: KeyValueStore
  readonly #genesis: OpenChainStoreOptions
  readonly #rules: LogRules
  #newest: TrustedHeader
  #manifest: SnapshotManifest | undefined
  #whole = false
  #leaves = 0
  readonly #present = new Set<number>()

  private constructor(store: KeyValueStore, genesis: OpenChainStoreOptions, rules: LogRules, newest: TrustedHeader) {
    this.#store = store
    this.#genesis = genesis
    this.#rules = rules
    this.#newest = newest
  }

  /** Takes up what an earlier attempt left in the store; an empty one begins with genesis. */
  static async open(store: KeyValueStore, genesis: OpenChainStoreOptions, rules: LogRules): Promise<SnapshotInstaller> {
    const { genesisHeader } = genesis
    const installer = new SnapshotInstaller(store, genesis, rules, { header: genesisHeader, hash: headerHash(genesisHeader) })
    await installer.#resume()
    return installer
  }

  async #resume(): Promise<void> {
    for await (const [key, record] of this.#store.iterator({ ...rangeOf(KIND.head), reverse: true, limit: 1 })) {
      const { header } = headCodec.decode(openRecord(key, record))
      this.#newest = { header, hash: headerHash(header) }
    }
    const mark = await this.#store.get(chainKey.tip())
    if (mark !== undefined) {
      // A finished attempt whose chain was not taken, and headers above it since: not the chain of the newest header.
      const { height, hash } = tipCodec.decode(openRecord(chainKey.tip(), mark))
      this.#whole = height === this.#newest.header.height && equalBytes(hash, this.#newest.hash)
    }
    const key = chainKey.installing()
    const record = await this.#store.get(key)
    if (record === undefined) return
    this.#manifest = manifestCodec.decode(openRecord(key, record))
    for (let index = 0; index < this.#manifest.chunks.length; index++) {
      const mark = await this.#store.get(chainKey.installedChunk(index))
      if (mark === undefined) continue
      this.#present.add(index)
      this.#leaves += mark.length === 4 ? new DataView(mark.buffer, mark.byteOffset).getUint32(0) : 0
    }
  }

  /** The newest header that was verified. */
  get newest(): TrustedHeader {
    return this.#newest
  }

  /** Whether an earlier attempt finished here: the store holds a whole chain, up to the newest header. */
  get whole(): boolean {
    return this.#whole
  }

  /** The snapshot whose chunks are being gathered. */
  get manifest(): SnapshotManifest | undefined {
    return this.#manifest
  }

  /** Leaves in the chunks that are here. */
  get leaves(): number {
    return this.#leaves
  }

  /** Chunks that are not here yet. */
  missing(): number[] {
    return [...(this.#manifest?.chunks.keys() ?? [])].filter(index => !this.#present.has(index))
  }

  /**
   * Verifies headers that follow the newest one, and keeps them.
   * @throws EpioneError `invalid-header`, `invalid-certificate`; headers before the wrong one are kept
   */
  async addHeads(heads: readonly Head[], validatorsOf: (hash: Uint8Array) => ValidatorSet | undefined): Promise<void> {
    const operations: StoreOperation[] = []
    let newest = this.#newest
    try {
      for (const head of heads) {
        const validators = validatorsOf(newest.header.nextValidatorsHash)
        if (validators === undefined) throw new EpioneError('invalid-header', 'The validators of a header were not shown with it.')
        newest = verifyNextHeader(newest, head, validators)
        operations.push(putSealed(chainKey.head(head.header.height), headCodec.encode(head)))
      }
    } finally {
      await this.#store.batch(operations)
      this.#advance(newest)
    }
  }

  /** Takes over headers that this node verified before. They follow the newest one. */
  async copyHeads(heads: readonly Head[]): Promise<void> {
    const operations: StoreOperation[] = []
    let newest = this.#newest
    for (const head of heads) {
      const { header } = head
      if (header.height !== newest.header.height + 1 || !equalBytes(header.parent, newest.hash)) {
        throw new EpioneError('invalid-header', `The header of height ${header.height} does not stand on the one before.`)
      }
      newest = { header, hash: headerHash(header) }
      operations.push(putSealed(chainKey.head(header.height), headCodec.encode(head)))
    }
    await this.#store.batch(operations)
    this.#advance(newest)
  }

  #advance(newest: TrustedHeader): void {
    if (newest.header.height > this.#newest.header.height) this.#whole = false
    this.#newest = newest
  }

  /**
   * Chooses the snapshot. Chunks of another one are dropped, those of the same are kept.
   * @throws EpioneError `wrong-snapshot` where the manifest is not for the final block of its height; its header must be here
   */
  async begin(manifest: SnapshotManifest): Promise<void> {
    const head = await this.#head(manifest.height)
    if (head === undefined || !equalBytes(headerHash(head.header), manifest.block)) throw wrongSnapshot('it is for another block')
    if (this.#manifest !== undefined && equalBytes(manifestId(this.#manifest), manifestId(manifest))) return
    await this.discard()
    await this.#store.batch([putSealed(chainKey.installing(), manifestCodec.encode(manifest))], { sync: true })
    this.#manifest = manifest
  }

  /** Drops the chosen snapshot and everything of it. Verified headers stay. */
  async discard(): Promise<void> {
    this.#manifest = undefined
    this.#whole = false
    this.#leaves = 0
    this.#present.clear()
    // First: what is half gone must not pass for a whole chain.
    await this.#store.batch([{ type: 'del', key: chainKey.tip() }], { sync: true })
    for (const kind of [KIND.installed, KIND.leaf, KIND.logItem, KIND.logId, KIND.body, KIND.outcome, KIND.transaction, KIND.base]) {
      let operations: StoreOperation[] = []
      for await (const [key] of this.#store.iterator(rangeOf(kind))) {
        operations.push({ type: 'del', key })
        if (operations.length < DELETED_AT_ONCE) continue
        await this.#store.batch(operations)
        operations = []
      }
      await this.#store.batch(operations)
    }
  }

  /**
   * Keeps a chunk.
   * @throws EpioneError `wrong-chunk` where it is not the one that the manifest names: who gave it is to blame; `wrong-snapshot`
   *   where it is, and holds something else than leaves and log items: whoever made the manifest is
   */
  async putChunk(index: number, bytes: Uint8Array): Promise<void> {
    const wanted = this.#manifest?.chunks[index]
    if (wanted === undefined) throw new EpioneError('wrong-chunk', 'The snapshot has no such chunk.')
    if (!equalBytes(chunkHash(bytes), wanted)) throw new EpioneError('wrong-chunk', 'The chunk is not the one that the snapshot names.')
    if (this.#present.has(index)) return
    const operations: StoreOperation[] = []
    let count: number
    try {
      const { leaves, items } = chunkCodec.decode(bytes)
      count = leaves.length
      operations.push({ type: 'put', key: chainKey.installedChunk(index), value: u32(count) })
      for (const { key, value } of leaves) operations.push({ type: 'put', key: chainKey.leaf(key), value })
      for (const item of items) operations.push(...logOperations({ ...item, id: this.#rules.itemId(item.stream, item.body) }))
    } catch (cause) {
      throw wrongSnapshot('a chunk is malformed', cause)
    }
    await this.#store.batch(operations)
    // Two peers may have given the same one at once.
    if (this.#present.has(index)) return
    this.#present.add(index)
    this.#leaves += count
  }

  /** Heights whose blocks are needed with their receipts: those within an hour of the snapshot's block, by which replays are told. */
  async neededBlocks(): Promise<{ from: number; to: number }> {
    const to = this.#manifest?.height ?? 0
    const last = await this.#head(to)
    let from = to
    while (last !== undefined && from > 1) {
      const before = await this.#head(from - 1)
      if (before === undefined || before.header.time < last.header.time - MAX_VALIDITY_MS) break
      from--
    }
    return { from, to }
  }

  /** Whether the block of a height is here. */
  async hasBlock(height: number): Promise<boolean> {
    return (await this.#store.get(chainKey.outcome(height))) !== undefined
  }

  /**
   * Keeps the transactions and receipts of a block. Blocks come in the order of their heights.
   * @throws EpioneError `wrong-block` where they are not those of the header: who gave them is to blame
   */
  async putBlock(height: number, transactions: Uint8Array[], receipts: Uint8Array[]): Promise<void> {
    const head = await this.#head(height)
    const fits =
      head !== undefined &&
      transactions.length === receipts.length &&
      equalBytes(transactionsRoot(transactions), head.header.transactionsRoot) &&
      equalBytes(receiptsRoot(receipts), head.header.receiptsRoot)
    if (!fits) throw new EpioneError('wrong-block', `The transactions or receipts given for height ${height} are not those of its header.`)
    const transactionIds = transactions.map(bytes => decodeTransaction(bytes).id)
    await this.#store.batch([
      putSealed(chainKey.body(height), bodyCodec.encode({ transactions })),
      putSealed(chainKey.outcome(height), outcomeCodec.encode({ transactionIds, receipts })),
      ...(await placeOperations(this.#store, height, { receipts, transactionIds })),
      ...eventOperations(
        height,
        receipts.map(receipt => receiptCodec.decode(receipt)),
      ),
    ])
  }

  /**
   * Checks what all chunks amount to and makes the store a whole chain, to be opened by `openChainStore`.
   * @throws EpioneError `wrong-snapshot` where state or logs are not those of the block: whoever made the manifest is to blame
   */
  async finish(): Promise<void> {
    const manifest = this.#manifest
    if (manifest === undefined || this.missing().length > 0) throw new EpioneError('wrong-snapshot', 'The snapshot is not here in whole.')
    const { height, block } = manifest
    const head = await this.#head(height)
    if (head === undefined) throw wrongSnapshot('its header is missing')
    const { genesisHeader } = this.#genesis
    let tree: StateTree
    try {
      tree = await loadState(this.#store, head.header)
    } catch (cause) {
      if (errorCode(cause) !== 'store-corrupt') throw cause
      throw wrongSnapshot('its state has another root', cause)
    }
    await this.#checkLogs(tree)
    const operations: StoreOperation[] = blockOperations(
      {
        block: { header: genesisHeader, transactions: [], certificate: null },
        receipts: [],
        transactionIds: [],
        changes: [],
        tree: StateTree.empty(),
        logItems: [],
      },
      headerHash(genesisHeader),
    )
    const { from } = await this.neededBlocks()
    operations.push(
      putSealed(chainKey.base(), baseCodec.encode({ height: from })),
      putSealed(chainKey.tip(), tipCodec.encode({ version: 1, height, hash: block })),
      { type: 'del', key: chainKey.installing() },
    )
    for (const index of manifest.chunks.keys()) operations.push({ type: 'del', key: chainKey.installedChunk(index) })
    for (let above = height + 1; above <= this.#newest.header.height; above++) {
      operations.push({ type: 'del', key: chainKey.head(above) })
    }
    await this.#store.batch(operations, { sync: true })
    this.#whole = true
  }

  /** Every log has exactly the items that the state commits to. */
  async #checkLogs(tree: StateTree): Promise<void> {
    const heads = [...this.#rules.heads(tree)].filter(({ count }) => count > 0)
    // Items lie by the length of their streams first.
    heads.sort((a, b) => a.stream.length - b.stream.length || compareBytes(a.stream, b.stream))
    let at = 0
    let seen = 0
    let head: Uint8Array = new Uint8Array(32)
    const close = (): void => {
      const log = heads[at]
      if (log === undefined || seen !== log.count || !equalBytes(head, log.head)) throw wrongSnapshot('a log is not the one of its state')
      at++
      seen = 0
      head = new Uint8Array(32)
    }
    for await (const [key, record] of this.#store.iterator(rangeOf(KIND.logItem))) {
      if (heads[at] !== undefined && seen === heads[at]?.count) close()
      const log = heads[at]
      if (log === undefined || !equalBytes(key, chainKey.logItem(log.stream, seen)))
        throw wrongSnapshot('a log has other items than its state')
      head = this.#rules.nextHead(head, this.#rules.itemId(log.stream, openRecord(key, record)))
      seen++
    }
    if (at < heads.length) close()
    if (at < heads.length) throw wrongSnapshot('a log is missing')
  }

  async #head(height: number): Promise<Head | undefined> {
    if (height === 0) return { header: this.#genesis.genesisHeader, certificate: null }
    const key = chainKey.head(height)
    const record = await this.#store.get(key)
    return record === undefined ? undefined : headCodec.decode(openRecord(key, record))
  }
}
