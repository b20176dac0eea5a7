/** Proof that a validator signed two different things at one place of the protocol. */
import { verifySignature } from '../crypto/signature.ts'
import { compareBytes, equalBytes } from '../encoding/bytes.ts'
import { encodeCanonical } from '../encoding/cbor.ts'
import { codec, fixedBytes, hash32, type Infer, integer, nullable, struct, tagged } from '../encoding/schema.ts'
import { MAX_ROUND } from '../ledger/certificate.ts'
import type { ValidatorSet } from '../ledger/header.ts'
import { type Proposal, proposalContent, proposalContentSigningBytes, type Vote, voteCodec, voteMessageSigningBytes } from './messages.ts'

const signedProposalSchema = struct({
  height: integer(),
  round: integer(MAX_ROUND),
  validRound: nullable(integer(MAX_ROUND)),
  /** Hash of the header. */
  header: hash32,
  /** Hash of the list of batches. */
  batches: hash32,
  validator: hash32,
  signature: fixedBytes(64),
})
type SignedProposal = Infer<typeof signedProposalSchema>

const evidenceSchema = tagged({
  votes: struct({ first: voteCodec, second: voteCodec }),
  proposals: struct({ first: signedProposalSchema, second: signedProposalSchema }),
})
/** Two conflicting messages of one validator, ascending by their canonical bytes, so that one pair has one form. */
export type Evidence = Infer<typeof evidenceSchema>
export const evidenceCodec = codec(evidenceSchema, 2048)

export function voteEvidence(a: Vote, b: Vote): Evidence {
  const [first, second] = compareBytes(voteCodec.encode(a), voteCodec.encode(b)) <= 0 ? [a, b] : [b, a]
  return { type: 'votes', value: { first, second } }
}

export function proposalEvidence(a: Proposal, b: Proposal): Evidence {
  const [x, y] = [signedProposal(a), signedProposal(b)]
  const [first, second] = compareBytes(signedProposalBytes(x), signedProposalBytes(y)) <= 0 ? [x, y] : [y, x]
  return { type: 'proposals', value: { first, second } }
}

function signedProposal(proposal: Proposal): SignedProposal {
  return { ...proposalContent(proposal), validator: proposal.validator, signature: proposal.signature }
}

function signedProposalBytes(proposal: SignedProposal): Uint8Array {
  return encodeCanonical(signedProposalSchema.pack(proposal))
}

/** Validator that the evidence is against. */
export function accused(evidence: Evidence): Uint8Array {
  return evidence.value.first.validator
}

/** Whether the evidence proves that a validator of `validators` (those of the evidence's height) signed twice. Never throws. */
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
    if (compareBytes(signedProposalBytes(a), signedProposalBytes(b)) >= 0) return false
    messages = [proposalContentSigningBytes(chainId, a), proposalContentSigningBytes(chainId, b)]
  }
  // The same bytes signed twice are no offence, whatever the signatures look like.
  if (equalBytes(messages[0], messages[1])) return false
  return verifySignature(first.validator, messages[0], first.signature) && verifySignature(second.validator, messages[1], second.signature)
}
