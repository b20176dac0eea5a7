/** Messages between members about blocks and batches. */
import { byteString, codec, hash32, integer, list, struct } from '../encoding/schema.ts'
import { blockCodec, MAX_BATCH_BYTES } from '../ledger/block.ts'
import { MAX_BATCH_RESPONSE, MAX_SYNC_RESPONSE } from './protocols.ts'

/** Most blocks of one answer. */
export const MAX_SYNC_BLOCKS = 256

export const syncRequestCodec = codec(struct({ from: integer(), limit: integer(MAX_SYNC_BLOCKS, 1) }), 64)
export const syncResponseCodec = codec(struct({ blocks: list(byteString(blockCodec.maxBytes), MAX_SYNC_BLOCKS) }), MAX_SYNC_RESPONSE)
export const batchRequestCodec = codec(struct({ digest: hash32 }), 64)
export const batchResponseCodec = codec(struct({ batch: byteString(MAX_BATCH_BYTES + 64 * 1024) }), MAX_BATCH_RESPONSE)
