/** Makes evidence out of two conflicting consensus messages. What it proves, and how that is checked, is the ledger's. */
import { compareBytes } from '../encoding/bytes.ts'
import type { Certificate, CommitSignature } from '../ledger/certificate.ts'
import { type Evidence, type SignedProposal, signedProposalCodec } from '../ledger/evidence.ts'
import { type Proposal, proposalContent, type Vote, voteCodec } from './messages.ts'

export function voteEvidence(a: Vote, b: Vote): Evidence {
  const [first, second] = compareBytes(voteCodec.encode(a), voteCodec.encode(b)) <= 0 ? [a, b] : [b, a]
  return { type: 'votes', value: { first, second } }
}

/**
 * What two certificates of one height for different blocks prove: each validator that is in both of them and signed both in one round. One that signed
 * them in different rounds may have been right to, if it saw a quorum between; that is not to be told from certificates alone.
 */
export function certificateEvidence(a: Certificate, b: Certificate): Evidence[] {
  if (a.height !== b.height || a.round !== b.round || compareBytes(a.block, b.block) === 0) return []
  const precommit = ({ height, round, block }: Certificate, { validator, signature }: CommitSignature): Vote => ({
    ...{ kind: 'precommit', height, round, block, validator, signature },
  })
  return a.signatures.flatMap(first => {
    const second = b.signatures.find(({ validator }) => compareBytes(validator, first.validator) === 0)
    return second === undefined ? [] : [voteEvidence(precommit(a, first), precommit(b, second))]
  })
}

export function proposalEvidence(a: Proposal, b: Proposal): Evidence {
  const [x, y] = [signedProposal(a), signedProposal(b)]
  const [first, second] = compareBytes(signedProposalCodec.encode(x), signedProposalCodec.encode(y)) <= 0 ? [x, y] : [y, x]
  return { type: 'proposals', value: { first, second } }
}

function signedProposal(proposal: Proposal): SignedProposal {
  return { ...proposalContent(proposal), validator: proposal.validator, signature: proposal.signature }
}
