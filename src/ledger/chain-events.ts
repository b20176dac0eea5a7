/** Where the numbered events of a subject are: for each block that brought some, the number of the last of them and the height. */
import { toHex, u64 } from '../encoding/bytes.ts'
import { chainKey } from './chain-keys.ts'
import type { Receipt } from './receipt.ts'
import type { KeyValueStore, StoreOperation } from './store.ts'

/** The index's keys for a block: one for each subject whose events it counted up. Events without a number are not found by it. */
export function eventKeys(receipts: readonly Receipt[]): Uint8Array[] {
  const last = new Map<string, { subject: Uint8Array; index: number }>()
  for (const { events } of receipts) {
    // Numbers ascend within a block, so that the last that is seen is the greatest.
    for (const { subject, index } of events) if (index > 0) last.set(toHex(subject), { subject, index })
  }
  return [...last.values()].map(({ subject, index }) => chainKey.event(subject, index))
}

export function eventOperations(height: number, receipts: readonly Receipt[]): StoreOperation[] {
  return eventKeys(receipts).map(key => ({ type: 'put', key, value: u64(height) }))
}

/** Heights of the blocks that hold a subject's events from a number on, ascending: at most `limit`. */
export async function eventHeights(store: KeyValueStore, subject: Uint8Array, from: number, limit: number): Promise<number[]> {
  const heights: number[] = []
  const range = { gte: chainKey.event(subject, from), lt: chainKey.eventsEnd(subject), limit }
  for await (const [, value] of store.iterator(range)) {
    heights.push(Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0)))
  }
  return heights
}
