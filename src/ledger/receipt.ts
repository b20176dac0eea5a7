/** Receipts: what became of each transaction of a block. */
import { byteString, codec, hash32, type Infer, integer, list, struct, text } from '../encoding/schema.ts'

const eventSchema = struct({
  /** Contract and event, such as `consents.granted`. */
  name: text(48, /^[a-z-]+\.[a-z-]+$/),
  /** Folder or account that it concerns. */
  subject: hash32,
  /** Position in the subject's own count of events, from 1: a withheld event leaves a gap that the state betrays. */
  index: integer(),
  /** Canonical bytes, by event. */
  data: byteString(4096),
})

const receiptSchema = struct({
  transaction: hash32,
  /** `ok`, or the stable code of the error that left the state untouched. */
  code: text(48, /^[a-z-]+$/),
  events: list(eventSchema, 64),
})

export type LedgerEvent = Infer<typeof eventSchema>
export type Receipt = Infer<typeof receiptSchema>
export const receiptCodec = codec(receiptSchema, 128 * 1024)
