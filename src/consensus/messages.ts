/** What validators say to each other: formats, bounds and the bytes that are signed. */
import type { SigningKey } from '../crypto/signature.ts'
import { concat } from '../encoding/bytes.ts'
import { encodeCanonical } from '../encoding/cbor.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, nullable, oneOf, refine, struct, tagged } from '../encoding/schema.ts'
import { certificateCodec, MAX_ROUND, voteSigningBytes } from '../ledger/certificate.ts'
import { headerCodec, headerHash } from '../ledger/header.ts'
import { MAX_VALIDATORS } from '../ledger/limits.ts'

/** Most batches that one proposal names. */
export const MAX_PROPOSAL_BATCHES = 256
/** Most votes in one bundle: both kinds of one round from every validator. */
export const MAX_BUNDLE_VOTES = 2 * MAX_VALIDATORS

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

/** What a proposer signs, in hashes: enough to prove that it signed it. */
export interface ProposalContent {
  height: number
  round: number
  validRound: number | null
  /** Hash of the header. */
  header: Uint8Array
  /** Hash of the list of batches. */
  batches: Uint8Array
}

/** Bytes that a proposer signs for the hashes of a proposal. */
export function proposalContentSigningBytes(chainId: Uint8Array, content: ProposalContent): Uint8Array {
  return concat(
    domain('proposal'),
    encodeCanonical([chainId, content.height, content.round, content.validRound, content.header, content.batches]),
  )
}

export function proposalContent(proposal: UnsignedProposal): ProposalContent {
  const { height, round, validRound, header, batches } = proposal
  return { height, round, validRound, header: headerHash(header), batches: batchesHash(batches) }
}

/** Bytes that a proposer signs. */
export function proposalSigningBytes(chainId: Uint8Array, proposal: UnsignedProposal): Uint8Array {
  return proposalContentSigningBytes(chainId, proposalContent(proposal))
}

/** Bytes that a voter signs: those of the ledger's certificates, so that precommits become a certificate as they are. */
export function voteMessageSigningBytes(chainId: Uint8Array, vote: UnsignedVote): Uint8Array {
  return voteSigningBytes({ chainId, kind: vote.kind, height: vote.height, round: vote.round, block: vote.block })
}

/** Signs without any guard: for tests, simulators and tools. A validator signs through its guard. */
export function signVote(chainId: Uint8Array, vote: UnsignedVote, key: Pick<SigningKey, 'sign'>): Vote {
  return { ...vote, signature: key.sign(voteMessageSigningBytes(chainId, vote)) }
}

/** As {@link signVote}, for a proposal. */
export function signProposal(chainId: Uint8Array, proposal: UnsignedProposal, key: Pick<SigningKey, 'sign'>): Proposal {
  return { ...proposal, signature: key.sign(proposalSigningBytes(chainId, proposal)) }
}
