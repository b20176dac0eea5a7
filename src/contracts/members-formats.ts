/** Formats of the members contract: organisations, validators, custodians, genesis. */

import { sealingPublicKeySchema } from '../crypto/sealing-suites.ts'
import { concat } from '../encoding/bytes.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, nullable, oneOf, struct, tagged, text } from '../encoding/schema.ts'
import { validatorSetCodec } from '../ledger/header.ts'
import { MAX_TRANSACTION_BYTES, MAX_VALIDATORS } from '../ledger/limits.ts'
import { emergencyParametersSchema } from './emergency-formats.ts'

/** ISO 3166-1 alpha-2. */
const jurisdictionSchema = text(2, /^[A-Z]{2}$/)

/** Most compression dictionaries that one network accepts. */
export const MAX_DICTIONARIES = 16

/** Most members of one network. */
export const MAX_MEMBERS = 4096

/** What an organisation brings when it is admitted. */
const organisationSchema = struct({
  /** Name as shown to people; of an organisation, never of a person. */
  name: text(128, /^\S(.*\S)?$/u),
  jurisdiction: jurisdictionSchema,
  kind: oneOf('provider', 'laboratory', 'payer', 'regulator', 'pharmacy', 'research', 'other'),
  /** Ed25519 key that signs the organisation's transactions, receipts and upload tickets. */
  signingKey: fixedBytes(32),
  /** Suite byte and sealing key to which role grants and shares are sealed. */
  sealingKey: sealingPublicKeySchema,
  /** Ed25519 key of the node's libp2p identity. */
  networkKey: fixedBytes(32),
  /** Ed25519 consensus key, or null for a member that does not validate. */
  consensusKey: nullable(fixedBytes(32)),
  /** Voting weight; 0 without a consensus key. */
  power: integer(1_000_000),
  /** Storage weight for the placement of fragments; 0 for a member that stores none. */
  capacity: integer(1_000_000),
})
export type Organisation = Infer<typeof organisationSchema>
export const organisationCodec = codec(organisationSchema, 4096)

/** Most signing keys that an account has had before its present one: what they signed stays checkable. */
export const MAX_FORMER_KEYS = 32

/** Value at `stateKey.account`. */
export const accountSchema = struct({
  status: oneOf('active', 'removed'),
  since: integer(),
  organisation: organisationSchema,
  /** Signing keys of before, each with the height of the block that took it out of use; in this order. */
  former: list(struct({ signingKey: fixedBytes(32), until: integer() }), MAX_FORMER_KEYS),
})
export type Account = Infer<typeof accountSchema>
export const accountCodec = codec(accountSchema, 8192)

/** New keys of a member; null for one that stays. The consensus key is a seat's, and the members vote on seats. */
const newKeysSchema = struct({
  signingKey: nullable(fixedBytes(32)),
  sealingKey: nullable(sealingPublicKeySchema),
  networkKey: nullable(fixedBytes(32)),
})
export type NewKeys = Infer<typeof newKeysSchema>
const newKeysCodec = codec(newKeysSchema, 4096)

/** Body of `members.rotate`, from the member, signed by its present signing key. */
export const rotateMemberCodec = codec(
  struct({
    keys: newKeysSchema,
    /** Signatures of the new signing and network keys over {@link newKeysBytes}: nobody takes a key that they do not hold. */
    signingProof: nullable(fixedBytes(64)),
    networkProof: nullable(fixedBytes(64)),
  }),
  4096,
)
export type RotateMember = Infer<typeof rotateMemberCodec>

/** What new keys of a member sign. */
export function newKeysBytes(chainId: Uint8Array, account: Uint8Array, keys: NewKeys): Uint8Array {
  return concat(domain('member-keys'), chainId, account, newKeysCodec.encode(keys))
}

/** Id of a member: hash of the signing key with which it was admitted. It stays when the key is rotated. */
export function accountId(signingKey: Uint8Array): Uint8Array {
  return taggedHash('account', signingKey)
}

/** Value at `stateKey.validators`: the sets for this height, the next, and the one decided for the height after. */
export const validatorsCodec = codec(
  struct({ current: validatorSetCodec, next: validatorSetCodec, decided: validatorSetCodec }),
  3 * validatorSetCodec.maxBytes,
)
export type Validators = Infer<typeof validatorsCodec>

/** Value at `stateKey.custodians`: everybody who stores fragments, ascending by id. */
export const custodiansCodec = codec(
  list(struct({ id: hash32, jurisdiction: jurisdictionSchema, capacity: integer(1_000_000, 1) }), MAX_MEMBERS),
  512 * 1024,
)
export type Custodians = Infer<typeof custodiansCodec>

/** Value at `stateKey.custodiansHeight` and at counters. */
export const counterCodec = codec(integer(), 16)

/** A named choice of jurisdictions among which a folder's fragments stay; null allows all. */
const policySchema = struct({ name: text(64, /^[a-z0-9-]+$/), jurisdictions: nullable(list(jurisdictionSchema, 256, 1)) })
export type ResidencyPolicy = Infer<typeof policySchema>

const parametersSchema = struct({
  /** Custodians per version, 3f + 1. */
  n: integer(48, 4),
  /** Custodians that a reader needs, f + 1. */
  k: integer(32, 2),
  /** Longest silence between blocks, in ms. */
  heartbeatMs: integer(3_600_000, 100),
  /** Consensus timeouts of round 0 and their growth per round, in ms. */
  proposeTimeoutMs: integer(600_000, 10),
  voteTimeoutMs: integer(600_000, 10),
  timeoutGrowthMs: integer(600_000, 1),
  /** Transactions that a member may sponsor or send within one hour. */
  sponsorQuota: integer(1_000_000_000, 1),
  /** Acts that a folder may do without a sponsor within one hour. */
  folderQuota: integer(1_000, 1),
  /** Span in which members ask custodians and report what they found, in ms of block time. */
  auditWindowMs: integer(86_400_000, 500),
  /** Limits of break-glass. */
  emergency: emergencyParametersSchema,
  /** Wait of a recovery to which the owner may object, in ms of block time. */
  recoveryWaitMs: integer(7_776_000_000, 100),
  /** Wait of a recovery after an objection, and of another recovery key by the owner alone; not shorter. */
  recoverySecondWaitMs: integer(7_776_000_000, 100),
  policies: list(policySchema, 64, 1),
  /**
   * SHA-256 of the compression dictionaries with which versions may be written, the one to prefer first; none for compression without.
   * One that was ever named stays readable: readers know dictionaries by their hashes, not by this list.
   */
  dictionaries: list(hash32, MAX_DICTIONARIES),
})
export type Parameters = Infer<typeof parametersSchema>
/** Value at `stateKey.parameters`. */
export const parametersCodec = codec(parametersSchema, 64 * 1024)

const genesisSchema = struct({
  version: integer(1, 1),
  /** Name of the network as people say it. */
  network: text(64, /^[a-z0-9-]+$/),
  /** Time of height 0, in ms. */
  time: integer(),
  parameters: parametersSchema,
  /** Founding members; those with power are the first validators. */
  organisations: list(organisationSchema, MAX_VALIDATORS, 1),
})
export type Genesis = Infer<typeof genesisSchema>
export const genesisCodec = codec(genesisSchema, 2 * 1024 * 1024)

/** Id of the chain: hash of its genesis document. */
export function chainId(genesis: Genesis): Uint8Array {
  return taggedHash('genesis', genesisCodec.encode(genesis))
}

/** What the members decide by votes of more than two thirds of the weight. */
const proposalSchema = tagged({
  admit: organisationSchema,
  remove: struct({ account: hash32 }),
  /** New weights, or new keys, of an active member. */
  amend: struct({ account: hash32, organisation: organisationSchema }),
})
export type Proposal = Infer<typeof proposalSchema>

const voteBodySchema = struct({ series: integer(), proposal: proposalSchema })
/** Body of `members.vote`: the whole proposal, so that voters sign what they decide. `series` tells repeats apart. */
export const voteBodyCodec = codec(voteBodySchema, MAX_TRANSACTION_BYTES)
export type VoteBody = Infer<typeof voteBodyCodec>

/** Value at `stateKey.proposal`. */
export const proposalStateCodec = codec(
  struct({
    status: oneOf('open', 'applied'),
    /** Time of the block that opened it, in ms. */
    opened: integer(),
    votes: list(hash32, MAX_VALIDATORS),
    /** What is decided, so that who is to vote can see it. */
    body: voteBodySchema,
  }),
  16 * 1024,
)
export type ProposalState = Infer<typeof proposalStateCodec>

export function proposalHash(body: VoteBody): Uint8Array {
  return taggedHash('proposal', voteBodyCodec.encode(body))
}

/** Value at `stateKey.sponsorQuota` and `stateKey.folderBucket`: acts within the hour that `hour` counts from the epoch. */
export const quotaCodec = codec(struct({ hour: integer(), used: integer() }), 32)
export type Quota = Infer<typeof quotaCodec>

/** Head of a log that only grows. */
export const logHeadCodec = codec(struct({ count: integer(), head: hash32 }), 64)
export type LogHead = Infer<typeof logHeadCodec>
