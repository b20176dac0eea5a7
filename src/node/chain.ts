/** The node's ledger: one tip, moved by consensus or by synchronisation, and everybody who wants to know when it moves. */

import type { Genesis, Parameters, Validators } from '../contracts/members-formats.ts'
import { countsAsSeen } from '../contracts/runtime.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { Block } from '../ledger/block.ts'
import { type Certificate, verifyCertificate } from '../ledger/certificate.ts'
import type { ChainStore } from '../ledger/chain-store.ts'
import { type Header, headerHash, type ValidatorSet, validatorSetCodec, validatorSetHash } from '../ledger/header.ts'
import { MAX_VALIDITY_MS } from '../ledger/limits.ts'
import { type Receipt, receiptCodec } from '../ledger/receipt.ts'
import type { SnapshotSource } from '../ledger/snapshot-store.ts'
import type { StateTree } from '../ledger/state-tree.ts'
import type { KeyValueStore } from '../ledger/store.ts'
import { decodeTransaction } from '../ledger/transaction.ts'
import { type Candidate, checkCandidate, parametersAt, validatorsAt } from './executor.ts'
import { SeenTransactions } from './seen.ts'

export interface ChainTip {
  readonly header: Header
  readonly hash: Uint8Array
  readonly tree: StateTree
  readonly certificate: Certificate | null
  /** Sets at the tip: `current` signed it, `next` signs the block above it. */
  readonly validators: Validators
}

/** A block as listeners learn of it, right after it is on disk. */
export interface CommittedBlock {
  readonly header: Header
  readonly certificate: Certificate
  readonly candidate: Candidate
}

/** Ids of the transactions that count as replays when they come again. */
function executedIds(receipts: readonly Receipt[]): Uint8Array[] {
  return receipts.filter(receipt => countsAsSeen(receipt.code)).map(receipt => receipt.transaction)
}

/** Reads the last hour's transactions back, by which replays are told. */
async function readSeen(store: ChainStore): Promise<SeenTransactions> {
  const seen = new SeenTransactions()
  const tip = store.tip().header
  let first = tip.height
  while (first > 0) {
    const stored = await store.header(first)
    if (stored === undefined || stored.header.time < tip.time - MAX_VALIDITY_MS) break
    first--
  }
  for (let height = first + 1; height <= tip.height; height++) {
    const stored = await store.header(height)
    if (stored === undefined) continue
    const receipts = (await store.receipts(height)).map(bytes => receiptCodec.decode(bytes))
    seen.add(stored.header.time, executedIds(receipts))
  }
  return seen
}

type Listener = (block: CommittedBlock) => void

export class Chain {
  readonly genesis: Genesis
  readonly chainId: Uint8Array
  readonly parameters: Parameters
  #store: ChainStore
  #seen = new SeenTransactions()
  readonly #listeners = new Set<Listener>()
  readonly #replaceListeners = new Set<() => void>()
  /** Every validator set that signed a height, by hash: light peers that come back late need the older ones. */
  readonly #sets: KeyValueStore
  #tip: ChainTip
  #lock: Promise<unknown> = Promise.resolve()

  private constructor(genesis: Genesis, store: ChainStore, sets: KeyValueStore) {
    this.genesis = genesis
    this.#store = store
    this.#sets = sets
    const { header, hash, tree, certificate } = store.tip()
    this.chainId = header.chainId
    this.#tip = { header, hash, tree, certificate, validators: validatorsAt(tree) }
    this.parameters = parametersAt(tree)
  }

  /** Takes over an opened store and reads the last hour's transactions back, by which replays are told. */
  static async open(genesis: Genesis, store: ChainStore, sets: KeyValueStore): Promise<Chain> {
    const chain = new Chain(genesis, store, sets)
    await chain.keepSet(chain.tip.validators.current)
    chain.#seen = await readSeen(store)
    return chain
  }

  get store(): ChainStore {
    return this.#store
  }

  /** The transactions of the last hour's blocks. */
  get seen(): SeenTransactions {
    return this.#seen
  }

  get tip(): ChainTip {
    return this.#tip
  }

  /** Calls back for each block after it is stored; returns how to stop that. Listeners must not throw. */
  onCommit(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls back after another chain of the same network took this one's place, higher up; returns how to stop that. */
  onReplace(listener: () => void): () => void {
    this.#replaceListeners.add(listener)
    return () => this.#replaceListeners.delete(listener)
  }

  /** The validator set with this hash, if it is one of those around the tip or of a header's height that is kept. */
  async validatorSet(hash: Uint8Array): Promise<ValidatorSet | undefined> {
    const { current, next, decided } = this.#tip.validators
    const near = [current, next, decided].find(set => equalBytes(validatorSetHash(set), hash))
    if (near !== undefined) return near
    const stored = await this.#sets.get(hash)
    return stored === undefined ? undefined : validatorSetCodec.decode(stored)
  }

  /** Resolves once the tip is above `height`, or the signal aborts. */
  async waitAbove(height: number, options: { signal: AbortSignal }): Promise<void> {
    if (this.tip.header.height > height || options.signal.aborted) return
    await new Promise<void>(resolve => {
      const done = (): void => {
        stop()
        options.signal.removeEventListener('abort', done)
        resolve()
      }
      const stop = this.onCommit(({ header }) => {
        if (header.height > height) done()
      })
      options.signal.addEventListener('abort', done)
    })
  }

  /** Stores a block that consensus decided and this node executed; the same block again is fine. */
  async commit(candidate: Candidate, certificate: Certificate): Promise<ChainTip> {
    return await this.#exclusive(async () => await this.#append(candidate, certificate))
  }

  /** Verifies, executes and stores a finished block from a peer; one at or below the tip is passed over. */
  async accept(block: Block): Promise<ChainTip> {
    return await this.#exclusive(async () => {
      const { header, certificate } = block
      if (header.height <= this.#tip.header.height) return this.#tip
      if (header.height !== this.#tip.header.height + 1) {
        throw new EpioneError('gap', `Block ${header.height} does not follow the tip at height ${this.#tip.header.height}.`)
      }
      if (certificate === null) throw new EpioneError('invalid-certificate', `Block ${header.height} comes without a certificate.`)
      verifyCertificate(header, certificate, this.#tip.validators.next as ValidatorSet)
      const transactions = block.transactions.map(bytes => decodeTransaction(bytes))
      const candidate = checkCandidate(this.#tip, header, transactions, this.seen)
      if (candidate === undefined) {
        throw new EpioneError('execution-differs', `Block ${header.height} is final, but executing it here gives another result.`, {
          metadata: { height: header.height, block: toHex(headerHash(header)) },
        })
      }
      return await this.#append(candidate, certificate)
    })
  }

  /**
   * Goes on with another chain of the same network: one that was made from a snapshot. No block is stored meanwhile. `open` gives it; once
   * it is known to stand above the tip, `settle` makes it the one that the next start opens. Readers of the former one are told so.
   * @throws EpioneError `gap` where it does not stand above the tip: nothing is settled then
   */
  async replace(open: () => Promise<ChainStore>, settle: () => Promise<void>): Promise<ChainTip> {
    return await this.#exclusive(async () => {
      const store = await open()
      const { header, hash, tree, certificate } = store.tip()
      if (header.height <= this.#tip.header.height) throw new EpioneError('gap', 'The snapshot does not stand above the tip.')
      const seen = await readSeen(store)
      const validators = validatorsAt(tree)
      await this.keepSet(validators.current)
      await settle()
      this.#store.retire()
      this.#store = store
      this.#seen = seen
      this.#tip = { header, hash, tree, certificate, validators }
      for (const listener of this.#replaceListeners) listener()
      return this.#tip
    })
  }

  /** One step of {@link ChainStore.prune}, while no block is stored. */
  async prune(below: number): Promise<{ from: number; to: number; transactions: number }> {
    return await this.#exclusive(async () => await this.#store.prune(below))
  }

  /**
   * What a snapshot at the tip is made of; it stays as it is while the chain goes on. For listeners of {@link onCommit} alone: at
   * other times a block may lie between store and tip.
   */
  snapshotSource(): SnapshotSource {
    const { header, hash, tree } = this.#tip
    const items = this.#store.allLogItems()
    // The store's view is taken when the first item is asked for: now.
    const first = items.next()
    first.catch(() => undefined)
    const logItems = (async function* () {
      const { done, value } = await first
      if (done === true) return
      yield value
      yield* items
    })()
    return { height: header.height, block: hash, tree, logItems }
  }

  async #append(candidate: Candidate, certificate: Certificate): Promise<ChainTip> {
    const { header } = candidate
    if (header.height <= this.#tip.header.height) return this.#tip
    if (!equalBytes(header.parent, this.#tip.hash)) {
      throw new EpioneError('gap', `Block ${header.height} does not stand on the tip at height ${this.#tip.header.height}.`)
    }
    const ids = candidate.transactions.map(transaction => transaction.id)
    const validators = validatorsAt(candidate.tree)
    // Before the block: after it, a write that fails would leave this tip below the store's, and no commit would fit both any more.
    if (!equalBytes(header.validatorsHash, validatorSetHash(this.#tip.validators.current))) await this.keepSet(validators.current)
    await this.#store.commit({
      block: { header, transactions: candidate.transactions.map(transaction => transaction.bytes), certificate },
      receipts: candidate.encodedReceipts,
      outcomes: candidate.receipts,
      transactionIds: ids,
      changes: candidate.changes,
      tree: candidate.tree,
      logItems: candidate.logItems,
    })
    this.#seen.add(header.time, executedIds(candidate.receipts))
    this.#tip = { header, hash: headerHash(header), tree: candidate.tree, certificate, validators }
    for (const listener of this.#listeners) listener({ header, certificate, candidate })
    return this.#tip
  }

  /** Keeps a set of validators that signed a height. */
  async keepSet(set: ValidatorSet): Promise<void> {
    await this.#sets.batch([{ type: 'put', key: validatorSetHash(set), value: validatorSetCodec.encode(set) }], { sync: true })
  }

  async #exclusive<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#lock.then(run)
    this.#lock = result.catch(() => undefined)
    return await result
  }
}
