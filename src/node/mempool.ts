/**
 * Transactions on their way into a block. Those that were handed to this node wait to be cut into a batch; batches, own and
 * received, wait to be named by a proposer. Everything here has had its stateless checks.
 */

import { payerOf } from '../contracts/authority.ts'
import { folderChargeOf } from '../contracts/contract-registry.ts'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { sha256 } from '../encoding/hash.ts'
import { batchCodec, batchDigest, MAX_BATCH_BYTES, MAX_BATCH_TRANSACTIONS } from '../ledger/block.ts'
import { MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS } from '../ledger/limits.ts'
import type { Transaction, TransactionContent } from '../ledger/transaction.ts'

export interface PooledBatch {
  readonly digest: Uint8Array
  readonly bytes: Uint8Array
  readonly author: Uint8Array
  readonly transactions: readonly Transaction[]
}

export interface MempoolOptions {
  /** Most transactions that wait for a batch. @default 20000 */
  maxWaiting?: number
  /** Most bytes of transactions that wait for a batch. @default 32 MiB */
  maxWaitingBytes?: number
  /** Most batches held per author. @default 64 */
  maxBatchesPerAuthor?: number
}

/** Most batches that one proposal names. */
const MAX_NAMED_BATCHES = 256
/** Part of the room for waiting transactions that only those with priority may take. */
const PRIORITY_SHARE = 8

/** How much waits, or may wait. */
interface Load {
  count: number
  bytes: number
}

interface Waiting {
  readonly transaction: Transaction
  readonly priority: boolean
}

export class Mempool {
  readonly #waiting = new Map<string, Waiting>()
  /** By digest, oldest first. */
  readonly #batches = new Map<string, PooledBatch>()
  readonly #perAuthor = new Map<string, number>()
  /** Acts on their way from this node, by whose quota they draw on: those that wait, and those in batches that it cut. */
  readonly #perPayer = new Map<string, number>()
  /** Batches that this node cut, by digest: the keys of their transactions. */
  readonly #own = new Map<string, readonly string[]>()
  readonly #cut = new Set<string>()
  readonly #load: { all: Load; ordinary: Load } = { all: { count: 0, bytes: 0 }, ordinary: { count: 0, bytes: 0 } }
  readonly #limits: { all: Load; ordinary: Load }
  readonly #maxBatchesPerAuthor: number

  constructor(options: MempoolOptions = {}) {
    const all = { count: options.maxWaiting ?? 20_000, bytes: options.maxWaitingBytes ?? 32 * 1024 * 1024 }
    this.#limits = { all, ordinary: { count: ordinaryShare(all.count), bytes: ordinaryShare(all.bytes) } }
    this.#maxBatchesPerAuthor = options.maxBatchesPerAuthor ?? 64
  }

  /**
   * Takes a transaction for the next batch of this node; one that is on its way already is fine. An eighth of the room is for those with
   * priority: however much the others send, a revocation finds a place.
   * @throws EpioneError `busy` when the pool is full
   */
  add(transaction: Transaction, { priority = false }: { priority?: boolean } = {}): void {
    const key = exactKey(transaction)
    if (this.#waiting.has(key) || this.#cut.has(key)) return
    const size = transaction.bytes.length
    if (!fits(this.#load.all, this.#limits.all, size) || (!priority && !fits(this.#load.ordinary, this.#limits.ordinary, size))) {
      throw new EpioneError('busy', `This node already holds ${this.#waiting.size} waiting transactions; try again or ask another node.`)
    }
    this.#waiting.set(key, { transaction, priority })
    this.#weigh(transaction, priority, 1)
    this.#count(transaction, 1)
  }

  /** Whether exactly this transaction, signatures included, waits here or is in a batch that this node cut. */
  has(transaction: Transaction): boolean {
    const key = exactKey(transaction)
    return this.#waiting.has(key) || this.#cut.has(key)
  }

  /** How many acts that draw on the same quota as this one are on their way from this node and in no block yet. */
  pending(content: TransactionContent): number {
    return this.#perPayer.get(payerKey(content)) ?? 0
  }

  get waiting(): number {
    return this.#waiting.size
  }

  get batches(): number {
    return this.#batches.size
  }

  hasWork(): boolean {
    return this.#batches.size > 0 || this.#waiting.size > 0
  }

  /** The transactions that wait here, for a node that does not validate and hands them on. */
  takeWaiting(): Transaction[] {
    const all = [...this.#waiting.values()].map(({ transaction }) => transaction)
    for (const key of [...this.#waiting.keys()]) this.#count((this.#remove(key) as Waiting).transaction, -1)
    return all
  }

  /** Cuts waiting transactions into a batch, those that came first; in it, those with `priority` go first, and otherwise the order tells nothing. */
  cutBatch(author: Uint8Array, priority: (transaction: Transaction) => boolean): PooledBatch | undefined {
    if (this.#waiting.size === 0 || (this.#perAuthor.get(toHex(author)) ?? 0) >= this.#maxBatchesPerAuthor) return undefined
    const waiting = [...this.#waiting.entries()].map(([key, { transaction }]) => ({ key, transaction, first: priority(transaction) }))
    const chosen: typeof waiting = []
    let bytes = 0
    for (const item of [...waiting.filter(({ first }) => first), ...waiting.filter(({ first }) => !first)]) {
      if (chosen.length === MAX_BATCH_TRANSACTIONS) break
      if (bytes + item.transaction.bytes.length > MAX_BATCH_BYTES) continue
      bytes += item.transaction.bytes.length
      chosen.push(item)
      this.#cut.add(item.key)
      this.#remove(item.key)
    }
    // In the order of their hashes: who came after whom would tell which folders one hand has opened.
    chosen.sort((a, b) => Number(b.first) - Number(a.first) || (a.key < b.key ? -1 : 1))
    const keys = chosen.map(({ key }) => key)
    const transactions = chosen.map(({ transaction }) => transaction)
    const encoded = batchCodec.encode({ author, transactions: transactions.map(transaction => transaction.bytes) })
    const batch = { digest: batchDigest(encoded), bytes: encoded, author, transactions }
    this.#own.set(toHex(batch.digest), keys)
    this.addBatch(batch)
    return batch
  }

  /** Takes a batch whose transactions were checked; false where its author already has as many as are held. */
  addBatch(batch: PooledBatch): boolean {
    const key = toHex(batch.digest)
    if (this.#batches.has(key)) return true
    const author = toHex(batch.author)
    const count = this.#perAuthor.get(author) ?? 0
    if (count >= this.#maxBatchesPerAuthor) return false
    this.#perAuthor.set(author, count + 1)
    this.#batches.set(key, batch)
    return true
  }

  batch(digest: Uint8Array): PooledBatch | undefined {
    return this.#batches.get(toHex(digest))
  }

  /** Batches for a proposal, oldest first, as many as a block holds. */
  proposable(): PooledBatch[] {
    const named: PooledBatch[] = []
    let count = 0
    let bytes = 0
    for (const batch of this.#batches.values()) {
      const size = batch.transactions.reduce((sum, transaction) => sum + transaction.bytes.length, 0)
      if (
        named.length === MAX_NAMED_BATCHES ||
        count + batch.transactions.length > MAX_BLOCK_TRANSACTIONS ||
        bytes + size > MAX_BLOCK_BYTES
      )
        break
      named.push(batch)
      count += batch.transactions.length
      bytes += size
    }
    return named
  }

  /** Forgets what a committed block settled: its transactions, and the batches that it took in. */
  settle(committed: readonly Transaction[]): void {
    const settled = new Set(committed.map(exactKey))
    for (const key of settled) {
      const waiting = this.#remove(key)
      if (waiting !== undefined) this.#count(waiting.transaction, -1)
    }
    for (const [key, batch] of this.#batches) {
      if (batch.transactions.every(transaction => settled.has(exactKey(transaction)))) this.#drop(key, batch)
    }
  }

  /** Drops the batches of authors that are none any more, which no block is going to name, and gives them back. */
  dropAuthors(isAuthor: (author: Uint8Array) => boolean): PooledBatch[] {
    const verdicts = new Map<string, boolean>()
    const gone = [...this.#batches].filter(([, { author }]) => {
      const key = toHex(author)
      const known = verdicts.get(key) ?? isAuthor(author)
      verdicts.set(key, known)
      return !known
    })
    for (const [key, batch] of gone) this.#drop(key, batch)
    return gone.map(([, batch]) => batch)
  }

  #drop(key: string, batch: PooledBatch): void {
    this.#batches.delete(key)
    increase(this.#perAuthor, toHex(batch.author), -1)
    const keys = this.#own.get(key)
    if (keys === undefined) return
    this.#own.delete(key)
    for (const cut of keys) this.#cut.delete(cut)
    for (const transaction of batch.transactions) this.#count(transaction, -1)
  }

  #remove(key: string): Waiting | undefined {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) return undefined
    this.#waiting.delete(key)
    this.#weigh(waiting.transaction, waiting.priority, -1)
    return waiting
  }

  #weigh({ bytes }: Transaction, priority: boolean, sign: 1 | -1): void {
    for (const load of priority ? [this.#load.all] : [this.#load.all, this.#load.ordinary]) {
      load.count += sign
      load.bytes += sign * bytes.length
    }
  }

  #count({ content }: Transaction, sign: 1 | -1): void {
    increase(this.#perPayer, payerKey(content), sign)
  }
}

function ordinaryShare(room: number): number {
  return room - Math.floor(room / PRIORITY_SHARE)
}

function fits(load: Load, limit: Load, size: number): boolean {
  return load.count < limit.count && load.bytes + size <= limit.bytes
}

/** Adds to a count that is not kept at 0. */
function increase(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count <= 0) counts.delete(key)
  else counts.set(key, count)
}

function payerKey(content: TransactionContent): string {
  const { kind, id } = payerOf(content, folderChargeOf(content))
  return `${kind} ${toHex(id)}`
}

/**
 * Names a transaction with its signatures. The id alone will not do here: it leaves the keys out, so that a copy under a foreign
 * key could push the true one, a revocation say, out of the pool.
 */
function exactKey(transaction: Transaction): string {
  return toHex(sha256(transaction.bytes))
}

/** A block's transactions: those of the named batches in order, the first occurrence of each kept. */
export function blockTransactions(batches: readonly PooledBatch[]): Transaction[] {
  const seen = new Set<string>()
  const out: Transaction[] = []
  for (const batch of batches) {
    for (const transaction of batch.transactions) {
      const key = exactKey(transaction)
      if (seen.has(key)) continue
      seen.add(key)
      out.push(transaction)
    }
  }
  return out
}
