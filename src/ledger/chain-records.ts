/** What the chain keeps in its store, as bytes. */
import { concat, equalBytes, u32, u64 } from '../encoding/bytes.ts'
import { MalformedError } from '../encoding/errors.ts'
import { taggedHash } from '../encoding/hash.ts'
import { byteString, codec, hash32, integer, list, nullable, struct } from '../encoding/schema.ts'
import { certificateCodec } from './certificate.ts'
import { headerCodec } from './header.ts'
import { MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_TRANSACTION_BYTES } from './limits.ts'
import { receiptCodec } from './receipt.ts'

export const tipCodec = codec(struct({ version: integer(1, 1), height: integer(), hash: hash32 }), 128)
/** From which height on transactions and receipts are kept. */
export const baseCodec = codec(struct({ height: integer(Number.MAX_SAFE_INTEGER, 1) }), 32)
export const headCodec = codec(struct({ header: headerCodec, certificate: nullable(certificateCodec) }), 128 * 1024)
export const bodyCodec = codec(
  struct({ transactions: list(byteString(MAX_TRANSACTION_BYTES), MAX_BLOCK_TRANSACTIONS) }),
  MAX_BLOCK_BYTES + 512 * 1024,
)
/** Receipts lie together, for who shows one of them proves it with the hashes of the others. */
export const outcomeCodec = codec(
  struct({
    transactionIds: list(hash32, MAX_BLOCK_TRANSACTIONS),
    receipts: list(byteString(receiptCodec.maxBytes), MAX_BLOCK_TRANSACTIONS),
  }),
  MAX_BLOCK_TRANSACTIONS * (receiptCodec.maxBytes + 64),
)

/** Where a transaction is: height (8 bytes) and position in the block (4). It has no check: the id at that place is one. */
export function encodePlace(height: number, index: number): Uint8Array {
  return concat(u64(height), u32(index))
}

/** Undefined where the bytes are no place. */
export function decodePlace(bytes: Uint8Array): { height: number; index: number } | undefined {
  if (bytes.length !== 12) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return { height: Number(view.getBigUint64(0)), index: view.getUint32(8) }
}

const CHECK_LENGTH = 8

/** Eight bytes that tell damage from content; bound to the key, so that a record in another's place is told, too. */
function check(key: Uint8Array, value: Uint8Array): Uint8Array {
  return taggedHash('record', u32(key.length), key, value).subarray(0, CHECK_LENGTH)
}

/** Puts the check in front of a record. */
export function sealRecord(key: Uint8Array, value: Uint8Array): Uint8Array {
  return concat(check(key, value), value)
}

/** Takes the check off a record. @throws MalformedError where it does not fit. */
export function openRecord(key: Uint8Array, record: Uint8Array): Uint8Array {
  const value = record.subarray(CHECK_LENGTH)
  if (!equalBytes(check(key, value), record.subarray(0, CHECK_LENGTH))) throw new MalformedError('a stored record is damaged')
  return value
}
