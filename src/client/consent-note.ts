/** What an owner notes of a consent for themselves: sealed to the folder's own key, of one length whatever it says. */
import { LABELS, labelSchema } from '../contracts/folders-formats.ts'
import { sealingPublicKeySchema } from '../crypto/sealing-suites.ts'
import { concat } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec, fixedBytes, type Infer, integer, list, nullable, struct, text } from '../encoding/schema.ts'

/** Longest text of a note, in bytes of UTF-8. */
export const MAX_NOTE_BYTES = 1024
/** Length of every note before it is sealed: notes of one decision in several folders look like all others, whatever the suite of their keys. */
const NOTE_BYTES = 3200

/** The decision of which a consent is a part. */
const sharingSchema = struct({
  id: fixedBytes(16),
  /** Which rule of the decision, from 0. */
  rule: integer(255),
  /** Labels that the rule names; empty where a folder was named instead. */
  labels: list(labelSchema, LABELS.length),
  /** When it was decided, by the owner's clock, in ms. */
  time: integer(),
})
export type SharingPart = Infer<typeof sharingSchema>

const noteCodec = codec(
  struct({ version: integer(1, 1), text: text(MAX_NOTE_BYTES), sharing: nullable(sharingSchema), sealingKey: sealingPublicKeySchema }),
  NOTE_BYTES - 2,
)

export interface ConsentNote {
  readonly text: string
  readonly sharing: SharingPart | null
  /** Key to which the grant is sealed, so that it can follow the folder into a new epoch. */
  readonly sealingKey: Uint8Array
}

/** @throws EpioneError `invalid-argument` where the text is too long */
export function encodeConsentNote({ text: said, sharing, sealingKey }: ConsentNote): Uint8Array {
  if (new TextEncoder().encode(said).length > MAX_NOTE_BYTES) {
    throw new EpioneError('invalid-argument', `A note has at most ${MAX_NOTE_BYTES} bytes.`)
  }
  const bytes = noteCodec.encode({ version: 1, text: said, sharing, sealingKey })
  const length = Uint8Array.of(bytes.length >> 8, bytes.length & 0xff)
  return concat(length, bytes, new Uint8Array(NOTE_BYTES - 2 - bytes.length))
}

/** @throws MalformedError */
export function decodeConsentNote(bytes: Uint8Array): ConsentNote {
  const length = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  const { text: said, sharing, sealingKey } = noteCodec.decode(bytes.slice(2, 2 + length))
  return { text: said, sharing, sealingKey }
}
