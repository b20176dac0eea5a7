/** What two members tell each other of where they stand: the request and its answer have the same form, so that both learn. */
import { codec, hash32, type Infer, integer, struct } from '../encoding/schema.ts'

/** Highest height and latest time (ms) that are read: far beyond any honest one, and safe to calculate with. */
export const MAX_CLAIM = 2 ** 48

const peerStatusSchema = struct({
  /** The sender's clock when it wrote this, in ms since the epoch. */
  time: integer(MAX_CLAIM),
  /** Height of its newest block, and the hash of that block's header. */
  height: integer(MAX_CLAIM),
  tip: hash32,
  /** Lowest height whose block it can still hand over whole; 1 where nothing was pruned. */
  base: integer(MAX_CLAIM),
  /** Height through which it, as a validator, keeps silent for want of a past; -1 where it does not. */
  silentThrough: integer(MAX_CLAIM, -1),
})

export const peerStatusCodec = codec(peerStatusSchema, 96)
export type PeerStatusMessage = Infer<typeof peerStatusSchema>
