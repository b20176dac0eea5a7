/** Formats of the disputes contract: a patient says that a version is wrong, and its author answers. */
import { concat, u32, utf8 } from '../encoding/bytes.ts'
import { taggedHash } from '../encoding/hash.ts'
import { byteString, codec, hash32, type Infer, integer, nullable, oneOf, struct, tagged, text } from '../encoding/schema.ts'

/** How long an author has to answer, in ms: 30 days, then rounded up to a whole day. */
export const ANSWER_MS = 30 * 24 * 60 * 60 * 1000
/** Most disputes of one folder that wait for an answer. */
export const MAX_OPEN_DISPUTES = 64
/** Longest statement and reason, in characters. */
export const MAX_STATEMENT = 2048

/** Body of `disputes.open`, from the folder. */
export const openDisputeCodec = codec(struct({ commitment: hash32 }), 64)
export type OpenDispute = Infer<typeof openDisputeCodec>

/** Body of `disputes.withdraw`, from the folder. */
export const withdrawDisputeCodec = codec(struct({ dispute: hash32 }), 64)
export type WithdrawDispute = Infer<typeof withdrawDisputeCodec>

/** Body of `disputes.answer`, from the folder's author organisation. */
export const answerDisputeCodec = codec(
  struct({
    folder: hash32,
    dispute: hash32,
    answer: tagged({
      /** The submission that holds the new version. */
      accepted: struct({ submissionRoot: hash32 }),
      /** Hash of the reason, as it is sealed to the folder: see {@link reasonHash}. */
      refused: struct({ reasonHash: hash32 }),
    }),
  }),
  256,
)
export type AnswerDispute = Infer<typeof answerDisputeCodec>

export const disputeStatusSchema = oneOf('open', 'accepted', 'refused', 'withdrawn')

/** Value at `stateKey.dispute`. */
export const disputeCodec = codec(
  struct({
    status: disputeStatusSchema,
    commitment: hash32,
    /** Height of the block that opened it. */
    height: integer(),
    /** Day by which the author has to answer, in ms. */
    due: integer(),
    /** The new version's submission, or the hash of the reason; null while it is open, and once it is withdrawn. */
    answer: nullable(hash32),
    /** Height of the answer, or of the withdrawal; 0 while it is open. */
    answered: integer(),
    /** Delegation under which somebody opened it on behalf of the owner; null where the owner did. */
    delegation: nullable(hash32),
  }),
  256,
)
export type Dispute = Infer<typeof disputeCodec>

/** What a dispute's commitment opens to: kept by custodians, who show it to whoever reads the version. */
export const disputeOpeningCodec = codec(
  struct({
    salt: hash32,
    folder: hash32,
    submissionRoot: hash32,
    /** The version's place in the submission, and what it is. */
    leaf: integer(4095),
    recordId: hash32,
    version: integer(0xffff_ffff),
    /** Epoch of the folder's key to which the statement is sealed. */
    epoch: integer(0xffff_ffff),
    statementHash: hash32,
  }),
  512,
)
export type DisputeOpening = Infer<typeof disputeOpeningCodec>

/** A statement or a reason, as it is sealed. */
export const statementCodec = codec(struct({ text: text(4 * MAX_STATEMENT) }), 10_000)

/** A reason as custodians keep it: sealed to the folder's key of the epoch in which it was given. */
export const sealedReasonCodec = codec(struct({ epoch: integer(0xffff_ffff), sealed: byteString(11 * 1024) }), 12 * 1024)

/** Longest sealed statement or reason, in bytes. */
export const MAX_SEALED_STATEMENT = 12 * 1024
export const sealedStatementSchema = byteString(MAX_SEALED_STATEMENT)

export function disputeCommitment(opening: DisputeOpening): Uint8Array {
  return taggedHash('dispute-commitment', disputeOpeningCodec.encode(opening))
}

export function disputeId(folder: Uint8Array, commitment: Uint8Array): Uint8Array {
  return taggedHash('dispute', folder, commitment)
}

/** Hash of a statement under the dispute's salt. */
export function statementHash(salt: Uint8Array, statement: string): Uint8Array {
  const bytes = utf8(statement)
  return taggedHash('dispute-statement', salt, concat(u32(bytes.length), bytes))
}

/** Hash of a reason's sealed bytes, which no two sealings have in common. */
export function reasonHash(sealedReason: Uint8Array): Uint8Array {
  return taggedHash('dispute-reason', sealedReason)
}
