/** One stripe of a dispersal with the leaf hashes of its shards: what takes the time of writing and reading, and can be done elsewhere than on this thread. */
import { type CodeParameters, erasureCode, type PartialShards } from './erasure.ts'
import { chunkLeaf } from './hasher.ts'

/** All n shards of a stripe, and the leaf hash of each. */
export interface StripeShards {
  shards: Uint8Array[]
  leaves: Uint8Array[]
}

/** Who computes stripes: this thread, or a worker. */
export interface StripeWorker {
  encode(code: CodeParameters, data: Uint8Array): Promise<StripeShards>
  complete(code: CodeParameters, shards: PartialShards, leaves: PartialShards, shardLength: number): Promise<StripeShards>
}

/** @param data k shards of equal length, one after the other @param parity memory for the other shards, where it is to be used again */
export function encodeStripe(code: CodeParameters, data: Uint8Array, parity?: readonly Uint8Array[]): StripeShards {
  const shards = erasureCode(code).encodeStripe(data, parity)
  return { shards, leaves: shards.map(chunkLeaf) }
}

/**
 * All shards from any k of them, see `ErasureCode.completeStripe`; leaf hashes that are known already are not computed again.
 * @throws EpioneError `too-few-fragments`
 */
export function completeStripe(code: CodeParameters, shards: PartialShards, leaves: PartialShards, shardLength: number): StripeShards {
  const complete = erasureCode(code).completeStripe(shards, shardLength)
  return { shards: complete, leaves: complete.map((shard, i) => leaves[i] ?? chunkLeaf(shard)) }
}
