/** Blocks as they are stored and synchronised, and batches as they are disseminated before ordering. */
import { taggedHash } from '../encoding/hash.ts'
import { merkleRootOf } from '../encoding/merkle.ts'
import { byteString, codec, hash32, type Infer, list, nullable, struct } from '../encoding/schema.ts'
import { certificateCodec } from './certificate.ts'
import { headerCodec } from './header.ts'
import { MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_TRANSACTION_BYTES } from './limits.ts'

const blockSchema = struct({
  header: headerCodec,
  /** Transactions in order, each as its own exact bytes. */
  transactions: list(byteString(MAX_TRANSACTION_BYTES), MAX_BLOCK_TRANSACTIONS),
  /** Null only for genesis and for a block that is still a proposal. */
  certificate: nullable(certificateCodec),
})
export type Block = Infer<typeof blockSchema>
export const blockCodec = codec(blockSchema, MAX_BLOCK_BYTES + 512 * 1024)

/** Root over the exact bytes of a block's transactions. */
export function transactionsRoot(transactions: readonly Uint8Array[]): Uint8Array {
  return merkleRootOf(transactions)
}

/** Root over the encoded receipts, in the order of their transactions. */
export function receiptsRoot(receipts: readonly Uint8Array[]): Uint8Array {
  return merkleRootOf(receipts)
}

/** Longest batch, in bytes of transactions. */
export const MAX_BATCH_BYTES = 1024 * 1024
/** Most transactions of one batch. */
export const MAX_BATCH_TRANSACTIONS = 2_000

const batchSchema = struct({
  /** Consensus key of the validator that gathered it. */
  author: hash32,
  transactions: list(byteString(MAX_TRANSACTION_BYTES), MAX_BATCH_TRANSACTIONS, 1),
})
export type Batch = Infer<typeof batchSchema>
export const batchCodec = codec(batchSchema, MAX_BATCH_BYTES + 64 * 1024)

/** Name of a batch in proposals: hash of its exact bytes. */
export function batchDigest(bytes: Uint8Array): Uint8Array {
  return taggedHash('batch', bytes)
}
