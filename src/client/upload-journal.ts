/**
 * What an author keeps of a large upload until it is anchored, so that it goes on where it was after a crash: the keys under which the
 * content was encrypted, so that the same bytes come out again. It is sealed to the author's own key before it is handed out.
 */
import { randomBytes } from '../crypto/random.ts'
import { seal } from '../crypto/sealing.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import type { Person } from './identity.ts'
import { versionSecretSchema } from './sealed-version.ts'

/** Less content than this is sent again rather than remembered, in bytes. */
export const MIN_JOURNAL_BYTES = 4 * 1024 * 1024
/** Most versions of a submission that is remembered. */
export const MAX_JOURNAL_VERSIONS = 64

/** Where the sealed journal is kept. A file must be for its owner alone. */
export interface JournalStore {
  /** What was kept last, or null. */
  load(): Promise<Uint8Array | null>
  /** Keeps it, on disk when the promise settles. */
  save(sealed: Uint8Array): Promise<void>
  clear(): Promise<void>
}

const journalCodec = codec(
  struct({
    version: integer(2, 2),
    chainId: hash32,
    folder: hash32,
    epoch: integer(0xffff_ffff),
    /** Set of custodians by which the fragments are placed. */
    memberHeight: integer(),
    /** From it come the tokens by which custodians know the upload again. */
    secret: hash32,
    versions: list(versionSecretSchema, MAX_JOURNAL_VERSIONS, 1),
  }),
  2 * 1024 * 1024,
)
export type UploadJournal = Infer<typeof journalCodec>

const context = (chainId: Uint8Array) => ({ info: concat(domain('seal-upload-journal'), chainId), aad: new Uint8Array(0) })

export function sealJournal(person: Person, journal: UploadJournal): Uint8Array {
  return seal(person.sealing.publicKey, journalCodec.encode(journal), context(journal.chainId))
}

/** The journal, if it is of this network and this person can open it; undefined where it is of no use. */
export function openJournal(person: Person, chainId: Uint8Array, sealed: Uint8Array): UploadJournal | undefined {
  try {
    const journal = journalCodec.decode(person.sealing.open(sealed, context(chainId)))
    return equalBytes(journal.chainId, chainId) ? journal : undefined
  } catch {
    return undefined
  }
}

/** What makes the tokens of an upload: from the journal, or for this once. */
export function uploadSecret(): Uint8Array {
  return randomBytes(32)
}

/** The token by which one custodian knows an upload again. Another custodian learns nothing of it. */
export function uploadToken(secret: Uint8Array, custodian: Uint8Array): Uint8Array {
  return taggedHash('upload-token', secret, custodian)
}
