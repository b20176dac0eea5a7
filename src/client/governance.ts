/** How the members of the network decide who belongs to it: what the ledger has of that, proven, and a member's own vote. */
import { convictionCodec, hasSeat } from '../contracts/evidence-formats.ts'
import { PROPOSAL_LIFETIME_MS } from '../contracts/governance.ts'
import {
  type Proposal,
  type ProposalState,
  proposalHash,
  proposalStateCodec,
  type Validators,
  type VoteBody,
  validatorsCodec,
  voteBodyCodec,
} from '../contracts/members-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { totalPower } from '../ledger/header.ts'
import type { AsOf, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** Series numbers of one proposal that are tried; nobody decides the same thing more often. */
const MAX_SERIES = 1024
/** Series numbers that are looked up at once. */
const SERIES_PAGE = 16
/** Fewest digits of an account's id that stand for it. */
const MIN_PREFIX = 4

/**
 * `held`: signs the next block and goes on to; `coming`: from at most two blocks later on; `leaving`: the next block alone;
 * `none`: no validator.
 */
export type Seat = 'held' | 'coming' | 'leaving' | 'none'

/** A member and how it stands to the validators. */
export interface MemberSeat extends MemberInfo {
  seat: Seat
  /** Offences of double signing that are on the ledger, of any key of this member. */
  offences: number
  /** Block in which evidence cost it a seat, the latest; null where none did. */
  evictedAt: number | null
}

/** All members, removed ones too, in the order of their ids. Proven complete. */
export async function readMembers(peer: LightPeer, options: CallOptions = {}): Promise<{ members: MemberSeat[]; asOf: AsOf }> {
  const [members, { validators, asOf }, convictions] = [
    await peer.members(options),
    await readValidators(peer, options),
    (await peer.list(stateKey.convictions(), options)).entries.map(([, value]) => convictionCodec.decode(value)),
  ]
  return {
    members: members.map(member => {
      const own = convictions.filter(({ account }) => equalBytes(account, member.id))
      const evictions = own.flatMap(({ evicted }) => (evicted === null ? [] : [evicted]))
      return {
        ...member,
        seat: seatOf(member, validators),
        offences: own.reduce((sum, { offences }) => sum + offences.length, 0),
        evictedAt: evictions.length === 0 ? null : Math.max(...evictions),
      }
    }),
    asOf,
  }
}

async function readValidators(peer: LightPeer, options: CallOptions): Promise<{ validators: Validators; asOf: AsOf }> {
  const { values, asOf } = await peer.read([stateKey.validators()], options)
  return { validators: validatorsCodec.decode(present(values[0])), asOf }
}

function seatOf({ organisation: { consensusKey } }: MemberInfo, { next, decided }: Validators): Seat {
  if (consensusKey === null) return 'none'
  const [votes, stays] = [hasSeat(next, consensusKey), hasSeat(decided, consensusKey)]
  return votes ? (stays ? 'held' : 'leaving') : stays ? 'coming' : 'none'
}

function present(value: Uint8Array | null | undefined): Uint8Array {
  if (value == null) throw new MalformedError('the state lacks an entry that every state has')
  return value
}

/**
 * The member that a text means: its account's id, the first digits of it, or its exact name. Names of removed members count last.
 * @throws EpioneError `unknown-member`, `ambiguous-member`
 */
export function findMember<M extends MemberInfo>(members: readonly M[], text: string): M {
  const isPrefix = text.length >= MIN_PREFIX && /^[0-9a-f]+$/i.test(text)
  const named = members.filter(({ organisation }) => organisation.name === text)
  const active = named.filter(({ status }) => status === 'active')
  const found = active.length > 0 ? active : named.length > 0 ? named : []
  const byId = isPrefix ? members.filter(({ id }) => toHex(id).startsWith(text.toLowerCase())) : []
  const all = [...new Set([...found, ...byId])]
  if (all.length === 1) return all[0] as M
  if (all.length === 0) {
    throw new EpioneError(
      'unknown-member',
      `no member has the name or the account ${JSON.stringify(text)}; "epione members list" shows them`,
    )
  }
  const ids = all.map(({ id }) => toHex(id).slice(0, 16)).join(', ')
  throw new EpioneError('ambiguous-member', `${all.length} members fit ${JSON.stringify(text)}: ${ids}; give more of the account's digits`)
}

/** How far a proposal is. */
export interface ProposalProgress {
  /** Hash that names it. */
  id: Uint8Array
  body: VoteBody
  /** `expired`: it is open and takes no votes any more. */
  status: 'open' | 'applied' | 'expired'
  /** Time of the block that opened it, and until when votes count, in ms. */
  openedMs: number
  closesMs: number
  /** Accounts that voted for it and hold a seat; of an applied one, those that did when it passed. */
  voters: Uint8Array[]
  /** Their weight now, that of all validators, and the least that decides. */
  weight: number
  total: number
  needed: number
}

function progressOf(state: ProposalState, members: readonly MemberInfo[], { decided }: Validators, timeMs: number): ProposalProgress {
  const { status, opened, votes, body } = state
  const closesMs = opened + PROPOSAL_LIFETIME_MS
  const power = (voter: Uint8Array): number => {
    const member = members.find(({ id }) => equalBytes(id, voter))
    return member?.status === 'active' ? member.organisation.power : 0
  }
  const voters = status === 'applied' ? votes : votes.filter(voter => power(voter) > 0)
  const total = totalPower(decided)
  return {
    id: proposalHash(body),
    body,
    status: status === 'open' && timeMs > closesMs ? 'expired' : status,
    openedMs: opened,
    closesMs,
    voters,
    weight: voters.reduce((sum, voter) => sum + power(voter), 0),
    total,
    needed: Math.floor((2 * total) / 3) + 1,
  }
}

/** Every proposal that the ledger has, the latest first. Proven complete. */
export async function readProposals(peer: LightPeer, options: CallOptions = {}): Promise<{ proposals: ProposalProgress[]; asOf: AsOf }> {
  const members = await peer.members(options)
  const { validators } = await readValidators(peer, options)
  const { entries, asOf } = await peer.list(stateKey.proposals(), options)
  const proposals = entries.map(([, value]) => progressOf(proposalStateCodec.decode(value), members, validators, asOf.time))
  return { proposals: proposals.sort((a, b) => b.openedMs - a.openedMs), asOf }
}

/**
 * The series number under which a proposal is to be voted on: the first that is neither applied nor expired. Whoever votes on the
 * same proposal finds the same one.
 * @throws EpioneError `no-series`
 */
export async function openSeries(peer: LightPeer, proposal: Proposal, options: CallOptions = {}): Promise<number> {
  for (let from = 0; from < MAX_SERIES; from += SERIES_PAGE) {
    const all = Array.from({ length: SERIES_PAGE }, (_, index) => from + index)
    const { values, asOf } = await peer.read(
      all.map(series => stateKey.proposal(proposalHash({ series, proposal }))),
      options,
    )
    const free = values.findIndex(value => {
      if (value === null) return true
      const { status, opened } = proposalStateCodec.decode(value)
      return status === 'open' && asOf.time <= opened + PROPOSAL_LIFETIME_MS
    })
    if (free >= 0) return from + free
  }
  throw new EpioneError('no-series', `This was decided ${MAX_SERIES} times already; give another number with --series.`)
}

export interface VoteOutcome extends ProposalProgress {
  /** Block that took the vote in. */
  height: number
  /** Height from which other validators sign, where this vote decided that; null otherwise. */
  effective: number | null
}

/**
 * Votes for a proposal as a member and waits until the vote is final.
 * @throws EpioneError the ledger's codes, such as `not-validator`, `key-taken`, `key-convicted`, `too-few-custodians`
 */
export async function voteFor(
  peer: LightPeer,
  member: { account: Uint8Array; key: SigningKey },
  body: VoteBody,
  options: CallOptions = {},
): Promise<VoteOutcome> {
  const transaction = peer.sign(
    { from: { kind: 'account', id: member.account }, contract: 'members', action: 'vote', body: voteBodyCodec.encode(body) },
    member.key,
  )
  const { height } = await peer.submit(transaction, options)
  const members = await peer.members(options)
  const { values, asOf } = await peer.read([stateKey.proposal(proposalHash(body)), stateKey.validators()], options)
  const validators = validatorsCodec.decode(present(values[1]))
  const progress = progressOf(proposalStateCodec.decode(present(values[0])), members, validators, asOf.time)
  const isEffective = progress.status === 'applied' && [validators.decided, validators.next].some(({ since }) => since === height + 2)
  return { ...progress, height, effective: isEffective ? height + 2 : null }
}
