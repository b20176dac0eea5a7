/** Formats of the consents contract. */
import { taggedHash } from '../encoding/hash.ts'
import { codec, hash32, type Infer, integer, oneOf, struct } from '../encoding/schema.ts'
import { rewrapsSchema } from './folders-formats.ts'

/** Expiries on the ledger are rounded up to whole days, in ms, so that they tell little. */
export const EXPIRY_BUCKET_MS = 24 * 60 * 60 * 1000

/** The smallest bucket boundary that is not before `timeMs`. */
export function expiryBucket(timeMs: number): number {
  return Math.ceil(timeMs / EXPIRY_BUCKET_MS) * EXPIRY_BUCKET_MS
}

export function consentId(folder: Uint8Array, commitment: Uint8Array): Uint8Array {
  return taggedHash('consent', folder, commitment)
}

/** Value at `stateKey.consent`. */
export const consentCodec = codec(
  struct({
    status: oneOf('active', 'revoked'),
    commitment: hash32,
    /** Hash of the sealed private half of the folder's key, which custodians hold. */
    wrapHash: hash32,
    /** Epoch of the key that is wrapped. */
    epoch: integer(0xffff_ffff),
    /** Rounded end, in ms; the exact one is in the opening. */
    expiry: integer(),
    /** Height of the last change. */
    height: integer(),
  }),
  256,
)
export type Consent = Infer<typeof consentCodec>

/** Body of `consents.grant`, from the folder, with a sponsor. */
export const grantBodyCodec = codec(struct({ commitment: hash32, wrapHash: hash32, epoch: integer(0xffff_ffff), expiry: integer() }), 256)
export type GrantBody = Infer<typeof grantBodyCodec>

/** Body of `consents.revoke`, from the folder, without a sponsor. */
export const revokeBodyCodec = codec(struct({ consent: hash32 }), 64)
export type RevokeBody = Infer<typeof revokeBodyCodec>

/** Body of `consents.rewrap`, from the folder, without a sponsor: consents that go on in the folder's present epoch. */
export const rewrapBodyCodec = codec(struct({ epoch: integer(0xffff_ffff), rewraps: rewrapsSchema(1) }), 48 * 1024)
export type RewrapBody = Infer<typeof rewrapBodyCodec>
