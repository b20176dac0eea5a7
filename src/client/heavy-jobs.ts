/** The work of the SDK that takes a page's thread for long: the same functions on that thread and in a worker. */
import { type SealingContext, seal } from '../crypto/sealing.ts'
import { completeStripe, encodeStripe, type StripeShards } from '../fragments/stripe-work.ts'
import { unzstd, zstd } from './platform.ts'

export interface Jobs {
  zstd(bytes: Uint8Array, dictionary: Uint8Array | undefined): Promise<Uint8Array>
  unzstd(bytes: Uint8Array, maxBytes: number, dictionary: Uint8Array | undefined): Promise<Uint8Array>
  encode(n: number, k: number, data: Uint8Array): StripeShards
  complete(n: number, k: number, shards: (Uint8Array | undefined)[], leaves: (Uint8Array | undefined)[], length: number): StripeShards
  seal(publicKey: Uint8Array, plaintext: Uint8Array, context: SealingContext): Uint8Array
}

export type JobName = keyof Jobs

export const JOBS: Jobs = {
  zstd: async (bytes, dictionary) => await zstd(bytes, dictionary),
  unzstd: async (bytes, maxBytes, dictionary) => await unzstd(bytes, maxBytes, dictionary),
  encode: (n, k, data) => encodeStripe({ n, k }, data),
  complete: (n, k, shards, leaves, length) => completeStripe({ n, k }, shards, leaves, length),
  seal: (publicKey, plaintext, context) => seal(publicKey, plaintext, context),
}

/** What goes to a worker, and what comes back. */
export interface JobMessage {
  id: number
  name: JobName
  args: readonly unknown[]
}
export type JobAnswer = { id: number; result: unknown } | { id: number; error: { code: string; message: string } }
