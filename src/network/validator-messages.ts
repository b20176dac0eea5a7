/** Messages between members about blocks and batches. */
import { byteString, codec, hash32, type Infer, integer, list, struct, tagged } from '../encoding/schema.ts'
import { blockCodec, MAX_BATCH_BYTES } from '../ledger/block.ts'
import { certificateCodec } from '../ledger/certificate.ts'
import { headerCodec, validatorSetCodec } from '../ledger/header.ts'
import { MAX_BLOCK_TRANSACTIONS, MAX_TRANSACTION_BYTES } from '../ledger/limits.ts'
import { receiptCodec } from '../ledger/receipt.ts'
import { MAX_CHUNK_BYTES, manifestCodec } from '../ledger/snapshot.ts'
import { MAX_BATCH_RESPONSE, MAX_SNAPSHOT_RESPONSE, MAX_SYNC_RESPONSE } from './protocols.ts'

/** Most blocks of one answer. */
export const MAX_SYNC_BLOCKS = 256

export const syncRequestCodec = codec(struct({ from: integer(), limit: integer(MAX_SYNC_BLOCKS, 1) }), 64)
export const syncResponseCodec = codec(struct({ blocks: list(byteString(blockCodec.maxBytes), MAX_SYNC_BLOCKS) }), MAX_SYNC_RESPONSE)
export const batchRequestCodec = codec(struct({ digest: hash32 }), 64)
export const batchResponseCodec = codec(struct({ batch: byteString(MAX_BATCH_BYTES + 64 * 1024) }), MAX_BATCH_RESPONSE)

/** Most snapshots that one node offers. */
export const MAX_SNAPSHOTS = 8
/** Most headers of one answer, and most validator sets beside them. */
export const MAX_HEADS = 1024
export const MAX_HEAD_SETS = 64

export const snapshotRequestCodec = codec(
  tagged({
    /** Which snapshots the peer has. */
    list: struct({}),
    /** The manifest of one. */
    manifest: struct({ height: integer() }),
    chunk: struct({ height: integer(), index: integer() }),
    /** Headers with certificates from a height on, and the validator sets that signed them. */
    heads: struct({ from: integer(), limit: integer(MAX_HEADS, 1) }),
    /** Transactions and receipts of blocks from a height on; fewer than asked where they are long. */
    blocks: struct({ from: integer(), limit: integer(MAX_SYNC_BLOCKS, 1) }),
  }),
  64,
)
export type SnapshotRequest = Infer<typeof snapshotRequestCodec>

export const snapshotListCodec = codec(struct({ snapshots: list(struct({ height: integer(), id: hash32 }), MAX_SNAPSHOTS) }), 1024)
export const snapshotManifestCodec = codec(struct({ manifest: byteString(manifestCodec.maxBytes) }), manifestCodec.maxBytes + 16)
export const snapshotChunkCodec = codec(struct({ chunk: byteString(MAX_CHUNK_BYTES) }), MAX_CHUNK_BYTES + 16)
export const headsCodec = codec(
  struct({
    heads: list(struct({ header: headerCodec, certificate: certificateCodec }), MAX_HEADS),
    sets: list(validatorSetCodec, MAX_HEAD_SETS),
  }),
  MAX_SYNC_RESPONSE,
)
export const receiptBlocksCodec = codec(
  struct({
    blocks: list(
      struct({
        transactions: list(byteString(MAX_TRANSACTION_BYTES), MAX_BLOCK_TRANSACTIONS),
        receipts: list(byteString(receiptCodec.maxBytes), MAX_BLOCK_TRANSACTIONS),
      }),
      MAX_SYNC_BLOCKS,
    ),
  }),
  MAX_SNAPSHOT_RESPONSE,
)
