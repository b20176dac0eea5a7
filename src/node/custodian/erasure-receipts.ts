/**
 * Receipts of what was erased, for the folder's owner to read: one for each version that was held here, kept for good. Their number is
 * bounded by what was held.
 */

import { stateKey } from '../../contracts/state-keys.ts'
import type { SigningKey } from '../../crypto/signature.ts'
import { concat, toHex } from '../../encoding/bytes.ts'
import { byteString, codec, integer, struct, tagged } from '../../encoding/schema.ts'
import { type ErasureReceipt, erasureReceiptBytes, erasureReceiptCodec } from '../../fragments/formats.ts'
import type { KeyValueStore } from '../../ledger/store.ts'
import type { Chain } from '../chain.ts'
import type { SignedReceipt } from './receipts.ts'

const MARK = Uint8Array.of(1)
/** How many of a folder's marks are through here: what a restart need not look at again. */
const THROUGH = Uint8Array.of(2)

/** What is known of a mark: that its version is about to be destroyed here, or the receipt of it. */
const countCodec = codec(integer(), 16)
const storedCodec = codec(tagged({ begun: struct({}), done: struct({ receipt: byteString(256), signature: byteString(64, 64) }) }), 512)

export interface ErasureReceiptsOptions {
  custodian: Uint8Array
  accountKey: SigningKey
}

export interface ErasureReceiptsDependencies {
  chain: Chain
  store: KeyValueStore
  now: () => number
}

export class ErasureReceipts {
  readonly #options: ErasureReceiptsOptions
  readonly #deps: ErasureReceiptsDependencies
  /** Folders whose erasures are not through here, by hex. */
  readonly #open = new Set<string>()
  #ready = false

  constructor(options: ErasureReceiptsOptions, dependencies: ErasureReceiptsDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /** Says that a folder has erasures that are not through: until they are {@link settle}d, nothing is said of them. */
  reopen(folder: Uint8Array): void {
    this.#open.add(toHex(folder))
  }

  /** Says that all that the ledger ordered up to now is known, folder by folder, or that it is not. */
  setReady(ready: boolean): void {
    this.#ready = ready
  }

  /** Notes, on disk, that the versions of these marks are about to be destroyed. */
  async begin(folder: Uint8Array, marks: readonly Uint8Array[]): Promise<void> {
    const operations = []
    for (const mark of marks) {
      const key = concat(MARK, folder, mark)
      if ((await this.#deps.store.get(key)) === undefined)
        operations.push({ type: 'put' as const, key, value: storedCodec.encode({ type: 'begun', value: {} }) })
    }
    if (operations.length > 0) await this.#deps.store.batch(operations, { sync: true })
  }

  /** Folders with versions whose destruction was begun and has no receipt, as after a crash. */
  async *unfinished(): AsyncGenerator<Uint8Array> {
    let last = ''
    for await (const [key, value] of this.#deps.store.iterator({ gte: MARK, lt: THROUGH })) {
      const folder = key.slice(1, 33)
      if (toHex(folder) === last || storedCodec.decode(value).type === 'done') continue
      last = toHex(folder)
      yield folder
    }
  }

  /** Whether the destruction of a version of this folder was begun and has no receipt. */
  async hasBegun(folder: Uint8Array): Promise<boolean> {
    for await (const [, value] of this.#deps.store.iterator(marksOf(folder))) if (storedCodec.decode(value).type === 'begun') return true
    return false
  }

  /** Signs for what was begun in a folder, now that nothing of it is left. */
  async settle(folder: Uint8Array, height: number): Promise<number> {
    const { store } = this.#deps
    const operations = []
    for await (const [key, value] of store.iterator(marksOf(folder))) {
      if (storedCodec.decode(value).type === 'done') continue
      const signed = this.#sign(folder, key.slice(33), true, height)
      operations.push({ type: 'put' as const, key, value: storedCodec.encode({ type: 'done', value: signed }) })
    }
    if (operations.length > 0) await store.batch(operations, { sync: true })
    return operations.length
  }

  /** Says that this many erasures of a folder, all that the ledger has, are through. */
  async close(folder: Uint8Array, marks: number): Promise<void> {
    this.#open.delete(toHex(folder))
    await this.#deps.store.batch([{ type: 'put', key: concat(THROUGH, folder), value: countCodec.encode(marks) }])
  }

  /** Whether this many erasures of a folder were through before. Marks never go: as many are the same ones. */
  async isThrough(folder: Uint8Array, marks: number): Promise<boolean> {
    const value = await this.#deps.store.get(concat(THROUGH, folder))
    return value !== undefined && countCodec.decode(value) === marks
  }

  /**
   * Receipts of those of these marks that the ledger has and that are through here. Where nothing was held under a mark it is said
   * afresh, and not kept: asking fills no disk.
   */
  async find(folder: Uint8Array, marks: readonly Uint8Array[]): Promise<SignedReceipt[]> {
    const { chain, store } = this.#deps
    if (!this.#ready || this.#open.has(toHex(folder))) return []
    const { tree, header } = chain.tip
    const found: SignedReceipt[] = []
    for (const mark of marks) {
      if (tree.get(stateKey.erasure(folder, mark)) === undefined) continue
      const value = await store.get(concat(MARK, folder, mark))
      const stored = value === undefined ? undefined : storedCodec.decode(value)
      if (stored?.type === 'done') found.push(stored.value)
      else if (stored === undefined) found.push(this.#sign(folder, mark, false, header.height))
    }
    // A block may have reopened the folder meanwhile.
    return this.#open.has(toHex(folder)) ? [] : found
  }

  #sign(folder: Uint8Array, mark: Uint8Array, destroyed: boolean, height: number): SignedReceipt {
    const { custodian, accountKey } = this.#options
    const { chain, now } = this.#deps
    const receipt: ErasureReceipt = { chainId: chain.chainId, custodian, folder, mark, destroyed, height, time: now() }
    return { receipt: erasureReceiptCodec.encode(receipt), signature: accountKey.sign(erasureReceiptBytes(receipt)) }
  }
}

/** Range of the keys of a folder's marks. */
function marksOf(folder: Uint8Array): { gte: Uint8Array; lt: Uint8Array } {
  const gte = concat(MARK, folder)
  return { gte, lt: concat(gte, new Uint8Array(33).fill(0xff)) }
}
