/** What goes when old blocks are forgotten, and how the disk gets it back. Headers and certificates stay: light peers stand on them. */
import { eventKeys } from './chain-events.ts'
import { chainKey, KIND } from './chain-keys.ts'
import { baseCodec, decodePlace, openRecord, outcomeCodec, sealRecord } from './chain-records.ts'
import { receiptCodec } from './receipt.ts'
import type { KeyValueStore, StoreOperation } from './store.ts'

/** Transactions lie by their hashes: their places are given back in slices, so that no commit waits long. */
const SLICES = 64

/** Deletes transactions, receipts and places of the heights from `from` up to `to`, and marks `to` as the oldest that is kept. */
export async function pruneOperations(store: KeyValueStore, from: number, to: number): Promise<StoreOperation[]> {
  const key = chainKey.base()
  const operations: StoreOperation[] = [{ type: 'put', key, value: sealRecord(key, baseCodec.encode({ height: to })) }]
  for (let height = from; height < to; height++) {
    const outcomeKey = chainKey.outcome(height)
    const record = await store.get(outcomeKey)
    const { transactionIds, receipts } =
      record === undefined ? { transactionIds: [], receipts: [] } : outcomeCodec.decode(openRecord(outcomeKey, record))
    for (const key of eventKeys(receipts.map(receipt => receiptCodec.decode(receipt)))) operations.push({ type: 'del', key })
    for (const id of transactionIds) {
      const placeKey = chainKey.transaction(id)
      const place = await store.get(placeKey)
      // An id that came again may have its place in a later block.
      if (place !== undefined && decodePlace(place)?.height === height) operations.push({ type: 'del', key: placeKey })
    }
    operations.push({ type: 'del', key: chainKey.body(height) }, { type: 'del', key: outcomeKey })
  }
  return operations
}

/** Gives back the disk that the blocks of these heights took. */
export async function compactBlocks(store: KeyValueStore, from: number, to: number): Promise<void> {
  await store.compact({ gte: chainKey.body(from), lt: chainKey.body(to) })
  await store.compact({ gte: chainKey.outcome(from), lt: chainKey.outcome(to) })
}

export async function compactPlaces(store: KeyValueStore, pause: () => Promise<void>): Promise<void> {
  const step = 256 / SLICES
  for (let first = 0; first < 256; first += step) {
    const end = first + step
    const lt = end === 256 ? Uint8Array.of(KIND.transaction + 1) : Uint8Array.of(KIND.transaction, end)
    await store.compact({ gte: Uint8Array.of(KIND.transaction, first), lt })
    await pause()
  }
}
