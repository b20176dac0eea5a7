/** Makes evidence out of two conflicting consensus messages. What it proves, and how that is checked, is the ledger's. */
import { compareBytes } from '../encoding/bytes.ts'
import { type Evidence, type SignedProposal, signedProposalCodec } from '../ledger/evidence.ts'
import { type Proposal, proposalContent, type Vote, voteCodec } from './messages.ts'

export function voteEvidence(a: Vote, b: Vote): Evidence {
  const [first, second] = compareBytes(voteCodec.encode(a), voteCodec.encode(b)) <= 0 ? [a, b] : [b, a]
  return { type: 'votes', value: { first, second } }
}

export function proposalEvidence(a: Proposal, b: Proposal): Evidence {
  const [x, y] = [signedProposal(a), signedProposal(b)]
  const [first, second] = compareBytes(signedProposalCodec.encode(x), signedProposalCodec.encode(y)) <= 0 ? [x, y] : [y, x]
  return { type: 'proposals', value: { first, second } }
}

function signedProposal(proposal: Proposal): SignedProposal {
  return { ...proposalContent(proposal), validator: proposal.validator, signature: proposal.signature }
}
