/** Proof that a validator signed two different things at one place of the protocol, and the signed forms that it is made of. */
import { verifySignature } from '../crypto/signature.ts'
import { compareBytes, concat, equalBytes } from '../encoding/bytes.ts'
import { encodeCanonical } from '../encoding/cbor.ts'
import { domain } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, nullable, oneOf, struct, tagged } from '../encoding/schema.ts'
import { MAX_ROUND, voteSigningBytes } from './certificate.ts'
import type { ValidatorSet } from './header.ts'

const voteSchema = struct({
  kind: oneOf('prevote', 'precommit'),
  height: integer(),
  round: integer(MAX_ROUND),
  /** Hash of the header voted for, or null for nil. */
  block: nullable(hash32),
  /** Consensus key of the voter. */
  validator: hash32,
  /** Over `voteSigningBytes`, which adds the chain's id. */
  signature: fixedBytes(64),
})
export type Vote = Infer<typeof voteSchema>
export type VoteKind = Vote['kind']
/** A vote that is not signed yet. */
export type UnsignedVote = Omit<Vote, 'signature'>
export const voteCodec = codec(voteSchema, 512)

/** Bytes that a voter signs: those of certificates, so that precommits become a certificate as they are. */
export function voteMessageSigningBytes(chainId: Uint8Array, vote: UnsignedVote): Uint8Array {
  return voteSigningBytes({ chainId, kind: vote.kind, height: vote.height, round: vote.round, block: vote.block })
}

const signedProposalSchema = struct({
  height: integer(),
  round: integer(MAX_ROUND),
  validRound: nullable(integer(MAX_ROUND)),
  /** Hash of the header. */
  header: hash32,
  /** Hash of the list of batches. */
  batches: hash32,
  /** Consensus key of the proposer of the round. */
  validator: hash32,
  signature: fixedBytes(64),
})
/** A proposal in hashes, with its signature: enough to prove that it was signed. */
export type SignedProposal = Infer<typeof signedProposalSchema>
export const signedProposalCodec = codec(signedProposalSchema, 512)

/** What a proposer signs, in hashes. */
export type ProposalContent = Omit<SignedProposal, 'validator' | 'signature'>

/** Bytes that a proposer signs for the hashes of a proposal. */
export function proposalContentSigningBytes(chainId: Uint8Array, content: ProposalContent): Uint8Array {
  return concat(
    domain('proposal'),
    encodeCanonical([chainId, content.height, content.round, content.validRound, content.header, content.batches]),
  )
}

export const evidenceSchema = tagged({
  votes: struct({ first: voteCodec, second: voteCodec }),
  proposals: struct({ first: signedProposalCodec, second: signedProposalCodec }),
})
/** Two conflicting messages of one validator, ascending by their canonical bytes, so that one pair has one form. */
export type Evidence = Infer<typeof evidenceSchema>
export const evidenceCodec = codec(evidenceSchema, 2048)

/** Validator that the evidence is against: its consensus key. */
export function accused(evidence: Evidence): Uint8Array {
  return evidence.value.first.validator
}

/** Place of the protocol at which there may be one signature of a validator, and two were found. */
export interface OffencePlace {
  kind: VoteKind | 'proposal'
  height: number
  round: number
}

export function offencePlace(evidence: Evidence): OffencePlace {
  const { height, round } = evidence.value.first
  return { kind: evidence.type === 'votes' ? evidence.value.first.kind : 'proposal', height, round }
}

/**
 * Whether the evidence proves that one of `validators` signed twice. Costs two signature checks at most, and none where the form
 * is wrong. Never throws.
 */
export function verifyEvidence(chainId: Uint8Array, evidence: Evidence, validators: ValidatorSet): boolean {
  const { first, second } = evidence.value
  if (first.height !== second.height || first.round !== second.round || !equalBytes(first.validator, second.validator)) return false
  if (!validators.validators.some(({ publicKey }) => equalBytes(publicKey, first.validator))) return false
  let messages: [Uint8Array, Uint8Array]
  if (evidence.type === 'votes') {
    const { first: a, second: b } = evidence.value
    if (a.kind !== b.kind || compareBytes(voteCodec.encode(a), voteCodec.encode(b)) >= 0) return false
    messages = [voteMessageSigningBytes(chainId, a), voteMessageSigningBytes(chainId, b)]
  } else {
    const { first: a, second: b } = evidence.value
    if (compareBytes(signedProposalCodec.encode(a), signedProposalCodec.encode(b)) >= 0) return false
    messages = [proposalContentSigningBytes(chainId, a), proposalContentSigningBytes(chainId, b)]
  }
  // The same bytes signed twice are no offence, whatever the signatures look like.
  if (equalBytes(messages[0], messages[1])) return false
  return verifySignature(first.validator, messages[0], first.signature) && verifySignature(second.validator, messages[1], second.signature)
}
