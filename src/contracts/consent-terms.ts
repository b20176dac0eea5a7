/** Terms of consent: what a grant says to those who hold its opening. The ledger sees a salted commitment alone. */
import { taggedHash } from '../encoding/hash.ts'
import {
  codec,
  fixedBytes,
  hash32,
  type Infer,
  integer,
  lazy,
  list,
  nullable,
  oneOf,
  type Schema,
  struct,
  tagged,
  text,
} from '../encoding/schema.ts'
import { PURPOSES, type Purpose } from './purposes.ts'

export { PURPOSES, type Purpose } from './purposes.ts'
export const purposeSchema = oneOf(...PURPOSES)

/** Kinds of content by which a consent may be narrowed. */
export const RECORD_CLASSES = [
  'laboratory',
  'imaging',
  'medication',
  'allergy',
  'condition',
  'immunization',
  'procedure',
  'encounter',
  'vital-signs',
  'document',
  'social-history',
  'demographics',
  'administrative',
  'device',
  'other',
] as const
export type RecordClass = (typeof RECORD_CLASSES)[number]
export const recordClassSchema = oneOf(...RECORD_CLASSES)

export const roleSchema = text(64, /^[a-z][a-z0-9-]*$/)

/** To whom a provision applies. A person is named by signing key within an organisation that vouches for them. */
export const granteeSchema = tagged({
  person: struct({ organisation: hash32, key: fixedBytes(32) }),
  role: struct({ organisation: hash32, role: roleSchema }),
  organisation: struct({ organisation: hash32 }),
})
export type Grantee = Infer<typeof granteeSchema>

/** Start included, end excluded, in ms. */
export const periodSchema = struct({ start: integer(), end: integer() })
export type Period = Infer<typeof periodSchema>

/** One provision: null or an empty list places no limit on that aspect. The deepest matching exception decides. */
export interface Provision {
  decision: 'permit' | 'deny'
  grantee: Grantee | null
  purposes: Purpose[]
  classes: RecordClass[]
  /** Time of the record's content. */
  dataPeriod: Period | null
  /** Author organisations. */
  authors: Uint8Array[]
  /** When the provision is in force. */
  validity: Period | null
  exceptions: Provision[]
}

/** How deep exceptions go: the consent's own provision has depth 0, its exceptions 1, and so on. */
export const MAX_EXCEPTION_DEPTH = 5
/** Most exceptions of one provision. The opening's size bounds how many there are in all. */
export const MAX_EXCEPTIONS = 16
export const MAX_AUTHORS = 64

/** A provision whose exceptions go so deep at most. */
function provisionOf(depth: number): Schema<Provision> {
  return struct({
    decision: oneOf('permit', 'deny'),
    grantee: nullable(granteeSchema),
    purposes: list(purposeSchema, PURPOSES.length),
    classes: list(recordClassSchema, RECORD_CLASSES.length),
    dataPeriod: nullable(periodSchema),
    authors: list(hash32, MAX_AUTHORS),
    validity: nullable(periodSchema),
    exceptions: depth === 0 ? list(never, 0) : list(provisionOf(depth - 1), MAX_EXCEPTIONS),
  })
}

/** Nothing is inside the deepest exceptions: their lists are empty, and no item of them is ever looked at. */
const never: Schema<Provision> = lazy(() => provisionSchema)
export const provisionSchema: Schema<Provision> = provisionOf(MAX_EXCEPTION_DEPTH)

/** What a consent's commitment opens to. */
export const consentOpeningCodec = codec(struct({ salt: hash32, folder: hash32, provision: provisionSchema }), 16 * 1024)
export type ConsentOpening = Infer<typeof consentOpeningCodec>

export function consentCommitment(opening: ConsentOpening): Uint8Array {
  return taggedHash('consent-commitment', consentOpeningCodec.encode(opening))
}

/** What an access entry's commitment opens to. */
export const accessOpeningCodec = codec(
  struct({
    salt: hash32,
    folder: hash32,
    /** Signing key of the person who reads. */
    reader: fixedBytes(32),
    /** Role in which the organisation vouches for the reader; `owner` for the folder's owner. */
    role: roleSchema,
    purpose: purposeSchema,
    /** Versions that the session is for; null for all that the consent permits. */
    records: nullable(list(struct({ recordId: hash32, version: integer(0xffff_ffff) }), 512)),
  }),
  32 * 1024,
)
export type AccessOpening = Infer<typeof accessOpeningCodec>

export function accessCommitment(opening: AccessOpening): Uint8Array {
  return taggedHash('access-commitment', accessOpeningCodec.encode(opening))
}
