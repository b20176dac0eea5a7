/** Keys of the chain in its store: one byte for the kind, then fixed-length parts, heights big-endian so that they sort. */
import { concat, u32, u64 } from '../encoding/bytes.ts'

export const KIND = {
  tip: 0x00,
  head: 0x01,
  body: 0x02,
  outcome: 0x03,
  transaction: 0x04,
  leaf: 0x05,
  logItem: 0x06,
  logId: 0x07,
  base: 0x08,
  installed: 0x09,
  event: 0x0a,
} as const

/** Longest name of a log's stream, in bytes: its length is one byte of the key. */
export const MAX_STREAM_BYTES = 255

const kind = (value: number, ...parts: readonly Uint8Array[]): Uint8Array => concat(Uint8Array.of(value), ...parts)

export const chainKey = {
  /** Height and hash of the newest block: written in the same batch as that block. */
  tip: (): Uint8Array => kind(KIND.tip),
  /** Header and certificate at a height. */
  head: (height: number): Uint8Array => kind(KIND.head, u64(height)),
  /** Transactions at a height. */
  body: (height: number): Uint8Array => kind(KIND.body, u64(height)),
  /** Ids of the transactions at a height, and their receipts. */
  outcome: (height: number): Uint8Array => kind(KIND.outcome, u64(height)),
  /** Height and position of a transaction. */
  transaction: (id: Uint8Array): Uint8Array => kind(KIND.transaction, id),
  /** A leaf of the newest state. */
  leaf: (key: Uint8Array): Uint8Array => kind(KIND.leaf, key),
  logItem: (stream: Uint8Array, index: number): Uint8Array => kind(KIND.logItem, Uint8Array.of(stream.length), stream, u64(index)),
  /** Above every item of a stream: one byte longer than an index, all of it 0xff. */
  logStreamEnd: (stream: Uint8Array): Uint8Array => kind(KIND.logItem, Uint8Array.of(stream.length), stream, new Uint8Array(9).fill(0xff)),
  /** Where a log's item is, by its id. */
  logId: (id: Uint8Array): Uint8Array => kind(KIND.logId, id),
  /** Height of the block that brought a subject's events up to this number. */
  event: (subject: Uint8Array, index: number): Uint8Array => kind(KIND.event, subject, u64(index)),
  /** Above every event of a subject. */
  eventsEnd: (subject: Uint8Array): Uint8Array => kind(KIND.event, subject, new Uint8Array(9).fill(0xff)),
  /** Lowest height whose transactions and receipts are kept. */
  base: (): Uint8Array => kind(KIND.base),
  /** The snapshot that is being installed, and the chunks of it that are here; only until it is. */
  installing: (): Uint8Array => kind(KIND.installed),
  installedChunk: (index: number): Uint8Array => kind(KIND.installed, u32(index)),
}

/** All records of one kind. */
export function rangeOf(recordKind: number): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: Uint8Array.of(recordKind), lt: Uint8Array.of(recordKind + 1) }
}
