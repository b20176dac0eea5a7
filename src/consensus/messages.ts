/** What validators say to each other: formats, bounds and the bytes that are signed. */
import type { SigningKey } from '../crypto/signature.ts'
import { encodeCanonical } from '../encoding/cbor.ts'
import { taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, nullable, refine, struct, tagged } from '../encoding/schema.ts'
import { certificateCodec, MAX_ROUND } from '../ledger/certificate.ts'
import {
  type ProposalContent,
  proposalContentSigningBytes,
  type UnsignedVote,
  type Vote,
  type VoteKind,
  voteCodec,
  voteMessageSigningBytes,
} from '../ledger/evidence.ts'
import { headerCodec, headerHash } from '../ledger/header.ts'
import { MAX_VALIDATORS } from '../ledger/limits.ts'

/** Most batches that one proposal names. */
export const MAX_PROPOSAL_BATCHES = 256
/** Most votes in one bundle: both kinds of one round from every validator. */
export const MAX_BUNDLE_VOTES = 2 * MAX_VALIDATORS

/** Votes have the ledger's format: certificates and evidence are made of them. */
export { type UnsignedVote, type Vote, type VoteKind, voteCodec, voteMessageSigningBytes }

export const batchesSchema = list(hash32, MAX_PROPOSAL_BATCHES)
const proposalSchema = refine(
  struct({
    height: integer(),
    round: integer(MAX_ROUND),
    /** Round in which a quorum prevoted this value before, or null (the paper's -1) for a fresh value. */
    validRound: nullable(integer(MAX_ROUND)),
    /** The value itself. */
    header: headerCodec,
    /** Digests of the batches that hold the block's transactions, in order. */
    batches: batchesSchema,
    /** Consensus key of the proposer of this round; `header.proposer` is who proposed the value first. */
    validator: hash32,
    signature: fixedBytes(64),
  }),
  'a proposal whose header is of its height and whose validRound is below its round',
  proposal => proposal.header.height === proposal.height && (proposal.validRound === null || proposal.validRound < proposal.round),
)
export type Proposal = Infer<typeof proposalSchema>
export type UnsignedProposal = Omit<Proposal, 'signature'>
export const proposalCodec = codec(proposalSchema, 16 * 1024)

export const decisionSchema = refine(
  struct({ header: headerCodec, certificate: certificateCodec }),
  'a header with the certificate of its height',
  decision => decision.header.height === decision.certificate.height,
)
/** A decided header with the precommits that made it final. */
export type Decision = Infer<typeof decisionSchema>

const bundleSchema = refine(list(voteCodec, MAX_BUNDLE_VOTES, 1), 'votes of one height', votes =>
  votes.every(vote => vote.height === votes[0]?.height),
)

const consensusMessageSchema = tagged({
  proposal: proposalCodec,
  vote: voteCodec,
  /** Votes of any validators at one height, each verified by itself: what is resent, and polka certificates. */
  votes: bundleSchema,
  /** Lets a peer that fell behind decide, or learn that it must synchronise. */
  certificate: decisionSchema,
})
export type ConsensusMessage = Infer<typeof consensusMessageSchema>
export const consensusMessageCodec = codec(consensusMessageSchema, 160 * 1024)

/** Height that a message speaks of. */
export function messageHeight(message: ConsensusMessage): number {
  switch (message.type) {
    case 'proposal':
    case 'vote':
      return message.value.height
    case 'votes':
      return message.value[0]?.height ?? 0
    case 'certificate':
      return message.value.header.height
  }
}

/** Hash of a proposal's list of batches. */
export function batchesHash(batches: readonly Uint8Array[]): Uint8Array {
  return taggedHash('proposal-batches', encodeCanonical(batchesSchema.pack([...batches])))
}

/**
 * Name of a header together with one list of batches. Votes are for the header alone, but a verdict belongs to both: a header
 * that arrives with a wrong list must not spoil the same header with the right one.
 */
export function candidateId(header: Proposal['header'], batches: readonly Uint8Array[]): Uint8Array {
  return taggedHash('proposal-candidate', headerHash(header), batchesHash(batches))
}

/** A proposal in hashes: what its proposer signs. */
export function proposalContent(proposal: UnsignedProposal): ProposalContent {
  const { height, round, validRound, header, batches } = proposal
  return { height, round, validRound, header: headerHash(header), batches: batchesHash(batches) }
}

/** Bytes that a proposer signs. */
export function proposalSigningBytes(chainId: Uint8Array, proposal: UnsignedProposal): Uint8Array {
  return proposalContentSigningBytes(chainId, proposalContent(proposal))
}

/** Signs without any guard: for tests, simulators and tools. A validator signs through its guard. */
export function signVote(chainId: Uint8Array, vote: UnsignedVote, key: Pick<SigningKey, 'sign'>): Vote {
  return { ...vote, signature: key.sign(voteMessageSigningBytes(chainId, vote)) }
}

/** As {@link signVote}, for a proposal. */
export function signProposal(chainId: Uint8Array, proposal: UnsignedProposal, key: Pick<SigningKey, 'sign'>): Proposal {
  return { ...proposal, signature: key.sign(proposalSigningBytes(chainId, proposal)) }
}
