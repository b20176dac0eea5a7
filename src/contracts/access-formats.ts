/** Formats of the access contract: the ledger's lines that somebody is about to open records. */
import { taggedHash } from '../encoding/hash.ts'
import { codec, hash32, type Infer, integer, nullable, struct } from '../encoding/schema.ts'

/** Longest chart session, in ms. */
export const MAX_SESSION_MS = 60 * 60 * 1000

/** Body of `access.open`, from the reader's organisation, or from the folder (with a sponsor) where the owner reads. */
export const openBodyCodec = codec(
  struct({
    folder: hash32,
    /** Consent under which the reader acts; null for the owner. */
    consent: nullable(hash32),
    /** Commitment to reader, role, purpose and records. */
    commitment: hash32,
    /** End of the session, excluded, in ms of block time; at most an hour after the entry. */
    until: integer(),
  }),
  256,
)
export type OpenBody = Infer<typeof openBodyCodec>

/** One line of a folder's access log. */
export const accessEntryCodec = codec(
  struct({
    folder: hash32,
    /** Position in the folder's log, from 0. */
    index: integer(),
    /** Organisation that answers for the reader; null for the owner. */
    organisation: nullable(hash32),
    consent: nullable(hash32),
    commitment: hash32,
    until: integer(),
    height: integer(),
    /** Time of the block that committed it, in ms. */
    time: integer(),
  }),
  512,
)
export type AccessEntry = Infer<typeof accessEntryCodec>

export function accessEntryId(entry: AccessEntry): Uint8Array {
  return taggedHash('access-entry', accessEntryCodec.encode(entry))
}

/** Head of a log after one more item: the chain whose last link the state holds. An empty log's head is 32 zero bytes. */
export function nextLogHead(head: Uint8Array, itemId: Uint8Array): Uint8Array {
  return taggedHash('log-head', head, itemId)
}
