/**
 * Formats of the delegations contract: somebody may act for a folder's owner, within limits. A delegation stands on a consent, which has its
 * wrap, its end and its revocation; what is added is whose key it is, what that key may do, and from when on.
 */
import { taggedHash } from '../encoding/hash.ts'
import { codec, hash32, type Infer, integer, oneOf, struct } from '../encoding/schema.ts'

/** Why somebody acts for somebody else. */
export const GROUNDS = ['parent', 'carer', 'executor', 'other'] as const
export type Ground = (typeof GROUNDS)[number]

/** What a delegate may do, each by its bit on the ledger. */
export const RIGHTS = ['read', 'grant', 'revoke', 'dispute'] as const
export type Right = (typeof RIGHTS)[number]

export function rightsBits(rights: readonly Right[]): number {
  return rights.reduce((bits, right) => bits | (1 << RIGHTS.indexOf(right)), 0)
}

export function rightsOf(bits: number): Right[] {
  return RIGHTS.filter(right => hasRight(bits, right))
}

export function hasRight(bits: number, right: Right): boolean {
  return (bits & (1 << RIGHTS.indexOf(right))) !== 0
}

/** What the commitment to a delegation's terms opens to: nothing of it is on the ledger in the clear. */
export const delegationTermsCodec = codec(struct({ salt: hash32, folder: hash32, ground: oneOf(...GROUNDS) }), 128)
export type DelegationTerms = Infer<typeof delegationTermsCodec>

export function delegationTermsCommitment(terms: DelegationTerms): Uint8Array {
  return taggedHash('delegation-terms', delegationTermsCodec.encode(terms))
}

/** Body of `delegations.grant`, from the folder with a sponsor: a consent, and what makes it a delegation. */
export const grantDelegationCodec = codec(
  struct({
    commitment: hash32,
    wrapHash: hash32,
    epoch: integer(0xffff_ffff),
    /** Rounded up to whole days, in ms. */
    expiry: integer(),
    /** Hash of the key by which the delegate acts for this folder; a delegate takes another key for each. */
    delegateKeyHash: hash32,
    rights: integer(2 ** RIGHTS.length - 1, 1),
    /** A whole day, in ms of block time, before which it is not in force. */
    start: integer(),
    /** Commitment to {@link DelegationTerms}. */
    terms: hash32,
  }),
  512,
)
export type GrantDelegation = Infer<typeof grantDelegationCodec>

/** Value at `stateKey.delegation`, beside the consent of the same id. */
export const delegationCodec = codec(
  struct({ delegateKeyHash: hash32, rights: integer(2 ** RIGHTS.length - 1, 1), start: integer(), terms: hash32 }),
  256,
)
export type Delegation = Infer<typeof delegationCodec>

/** Value at `stateKey.delegate` and `stateKey.grantedBy`: the id of the delegation's consent. */
export const delegationIdCodec = codec(hash32, 64)
