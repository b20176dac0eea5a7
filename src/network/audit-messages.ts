/** Challenges of storage audits, from a validating member to a custodian, and the answers. */
import { byteString, codec, hash32, type Infer, integer, struct, tagged } from '../encoding/schema.ts'
import { AUDIT_NONCES, FINGERPRINT_BYTES } from '../fragments/audit.ts'
import { MAX_CIPHERTEXT_BYTES, MAX_SUBMISSION_VERSIONS } from '../fragments/formats.ts'

export const auditChallengeCodec = codec(
  struct({
    chainId: hash32,
    /** Height of the first block of the present period. */
    height: integer(2 ** 48, 1),
    nonce: integer(AUDIT_NONCES - 1),
    folder: hash32,
    submissionRoot: hash32,
  }),
  160,
)
export type AuditChallenge = Infer<typeof auditChallengeCodec>

export const auditAnswerCodec = codec(
  tagged({
    held: struct({
      /** Versions of the submission, and the ciphertext's length in bytes of the one that was picked. */
      versions: integer(MAX_SUBMISSION_VERSIONS, 1),
      size: integer(MAX_CIPHERTEXT_BYTES, 1),
      fingerprint: byteString(FINGERPRINT_BYTES, FINGERPRINT_BYTES),
    }),
    /** It ought to be here, and is not, or not as it was. */
    lost: struct({}),
    /** It was erased by an order in the ledger. */
    erased: struct({}),
  }),
  64,
)
export type AuditAnswer = Infer<typeof auditAnswerCodec>
