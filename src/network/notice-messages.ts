/** Notices to people who read a version that turned out to be wrong, and their signed word that they saw it. */
import { disputeOpeningCodec, disputeStatusSchema } from '../contracts/disputes-formats.ts'
import { concat } from '../encoding/bytes.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { byteString, codec, hash32, type Infer, integer, list, nullable, struct } from '../encoding/schema.ts'

/** What the folder's owner leaves with the organisation that answers for a reader. Nothing clinical is in it. */
export const noticeCodec = codec(
  struct({
    chainId: hash32,
    /** Organisation whose people it is for. */
    organisation: hash32,
    /** Access entry under which the version was read. */
    entry: hash32,
    /** Opens the dispute on the ledger: folder, record, version. */
    opening: byteString(disputeOpeningCodec.maxBytes),
    status: disputeStatusSchema,
    /** Where it was accepted, the submission with the new version. */
    submissionRoot: nullable(hash32),
    /** Clock of the owner, in ms. */
    time: integer(),
  }),
  1024,
)
export type Notice = Infer<typeof noticeCodec>

export function noticeId(notice: Uint8Array): Uint8Array {
  return taggedHash('notice', notice)
}

/** A reader's word that they saw a notice. */
export const acknowledgementCodec = codec(struct({ notice: hash32, reader: hash32, time: integer() }), 128)
export type Acknowledgement = Infer<typeof acknowledgementCodec>
export function acknowledgementBytes(acknowledgement: Acknowledgement): Uint8Array {
  return concat(domain('notice-seen'), acknowledgementCodec.encode(acknowledgement))
}

/** A notice as the reader's organisation keeps it. */
export const keptNoticeSchema = struct({
  notice: byteString(noticeCodec.maxBytes),
  reader: hash32,
  /** When it came, by the organisation's clock, in ms. */
  received: integer(),
  seen: nullable(struct({ acknowledgement: byteString(128), signature: byteString(64, 64) })),
})
export type KeptNotice = Infer<typeof keptNoticeSchema>
export const keptNoticesSchema = list(keptNoticeSchema, 64)
