/** The contract `members`: its action `vote`, proposals on members and what an accepted one changes; `report` and `rotate` are beside it. */
import { compareBytes, equalBytes } from '../encoding/bytes.ts'
import { isQuorum, totalPower, type ValidatorSet } from '../ledger/header.ts'
import { MAX_VALIDATORS } from '../ledger/limits.ts'
import type { Origin } from '../ledger/transaction.ts'
import { type ActionContext, type ActionState, type Contract, defineAction } from './action.ts'
import { ContractError } from './contract-error.ts'
import { isAbsent, readCustodians, writeCustodians } from './custodian-set.ts'
import { type EventName, membersChangedCodec } from './events.ts'
import { isConvicted, reportAction } from './evidence.ts'
import { accountKeyCodec, memberKeyHashes } from './member-keys.ts'
import { formerKeys, rotateAction } from './member-rotation.ts'
import { custodianOf, isSameCustodians, organisationFault, sortedCustodians } from './members.ts'
import {
  accountCodec,
  accountId,
  type Custodians,
  MAX_MEMBERS,
  type Organisation,
  type Proposal,
  proposalHash,
  proposalStateCodec,
  type Validators,
  type VoteBody,
  validatorsCodec,
  voteBodyCodec,
} from './members-formats.ts'
import { stateKey } from './state-keys.ts'
import { decideValidators, validatorOf } from './validators.ts'

/** How long votes on a proposal add up, in ms of block time: what was half agreed once must not pass years later. */
export const PROPOSAL_LIFETIME_MS = 30 * 24 * 60 * 60 * 1000

const EVENT: Readonly<Record<Proposal['type'], EventName>> = {
  admit: 'members.admitted',
  remove: 'members.removed',
  amend: 'members.amended',
}

/** What a proposal would change, checked. */
interface Plan {
  /** The account that it is about. */
  readonly id: Uint8Array
  readonly before: Organisation | undefined
  /** Undefined where the member leaves. */
  readonly after: Organisation | undefined
  /** The validator sets as they are, and the decided one that follows from the proposal. */
  readonly validators: Validators
  readonly nextDecided: ValidatorSet
  /** The newest custodians, and those that follow from the proposal. */
  readonly custodians: Custodians
  readonly nextCustodians: Custodians
}

function vote(context: ActionContext, body: VoteBody): void {
  const { state, from, timeMs } = context
  if (votingPower(state, from.id) === 0) throw new ContractError('not-validator', 'Only members that validate vote.')
  const hash = proposalHash(body)
  const key = stateKey.proposal(hash)
  const known = state.read(proposalStateCodec, key) ?? { status: 'open' as const, opened: timeMs, votes: [], body }
  if (known.status === 'applied') return
  if (timeMs > known.opened + PROPOSAL_LIFETIME_MS) {
    throw new ContractError('proposal-expired', 'This proposal is older than 30 days; open it again under another series number.')
  }
  const plan = planProposal(context, body.proposal)
  const isNew = !known.votes.some(voter => equalBytes(voter, from.id))
  // Who lost the vote since drops out, which also bounds the list by the validators.
  const votes = (isNew ? [...known.votes, from.id] : known.votes)
    .filter(voter => votingPower(state, voter) > 0)
    .sort((a, b) => compareBytes(a, b))
  const power = votes.reduce((sum, voter) => sum + votingPower(state, voter), 0)
  // The weight that votes is the weight of before the proposal: what it brings or takes has no say in it.
  const isAccepted = isQuorum(power, totalPower(plan.validators.decided))
  state.write(proposalStateCodec, key, { ...known, status: isAccepted ? 'applied' : 'open', votes })
  const account: Origin = { kind: 'account', id: plan.id }
  if (isNew) context.emit('members.voted', from, membersChangedCodec, { proposal: hash, account: plan.id })
  if (isAccepted) {
    applyPlan(context, plan)
    context.emit(EVENT[body.proposal.type], account, membersChangedCodec, { proposal: hash, account: plan.id })
  }
}

/** A member's weight as it is decided now. A removed member has none. */
function votingPower(state: ActionState, id: Uint8Array): number {
  const account = state.read(accountCodec, stateKey.account(id))
  return account?.status === 'active' ? account.organisation.power : 0
}

/** Checks a proposal against the state of this moment: when it is opened, and again when the last vote comes in. */
function planProposal(context: ActionContext, proposal: Proposal): Plan {
  const { state } = context
  const id = proposal.type === 'admit' ? accountId(proposal.value.signingKey) : proposal.value.account
  const known = state.read(accountCodec, stateKey.account(id))
  if (proposal.type === 'admit' && known !== undefined) {
    throw new ContractError('exists', 'This signing key belongs to a member, or to one that left; admission takes a new key.')
  }
  if (proposal.type !== 'admit' && known?.status !== 'active') {
    throw new ContractError('unknown-account', 'The proposal is about an account that is no active member.')
  }
  const before = known?.organisation
  const after = proposal.type === 'remove' ? undefined : proposal.type === 'admit' ? proposal.value : proposal.value.organisation
  if (after !== undefined) {
    if (known !== undefined) formerKeys(known, after.signingKey, context.height)
    assertOrganisation(state, id, after)
    assertUnconvicted(state, before, after)
  }

  const validators = state.read(validatorsCodec, stateKey.validators()) as Validators
  const nextDecided = decidedWith(context, validators.decided, before, after)
  const custodians = readCustodians(state)
  const custodian = after === undefined || isAbsent(state, id) ? undefined : custodianOf(id, after)
  const others = custodians.filter(other => !equalBytes(other.id, id))
  const nextCustodians = custodian === undefined ? others : sortedCustodians([...others, custodian])
  if (nextCustodians.length < custodians.length && nextCustodians.length < context.parameters.n) {
    throw new ContractError('too-few-custodians', `Records need ${context.parameters.n} custodians; ${nextCustodians.length} would stay.`)
  }
  if (nextCustodians.length > MAX_MEMBERS) throw new ContractError('too-many-members', `A network has at most ${MAX_MEMBERS} custodians.`)
  return { id, before, after, validators, nextDecided, custodians, nextCustodians }
}

function assertOrganisation(state: ActionState, id: Uint8Array, organisation: Organisation): void {
  const fault = organisationFault(organisation)
  if (fault !== undefined) throw new ContractError('bad-organisation', `The organisation ${fault}.`)
  for (const hash of memberKeyHashes(organisation)) {
    const holder = state.read(accountKeyCodec, stateKey.accountKey(hash))
    if (holder !== undefined && !equalBytes(holder, id)) {
      throw new ContractError('key-taken', 'A key of the organisation belongs, or once belonged, to another member.')
    }
  }
}

/** A key that signed twice never gets a seat or more weight; who still holds a seat with it may keep it or get less. */
function assertUnconvicted(state: ActionState, before: Organisation | undefined, after: Organisation): void {
  if (after.consensusKey === null || !isConvicted(state, after.consensusKey)) return
  const keeps = before?.consensusKey != null && equalBytes(before.consensusKey, after.consensusKey)
  if (keeps && after.power <= before.power) return
  throw new ContractError('key-convicted', 'The consensus key was proven to have signed twice; a seat takes another key.')
}

function decidedWith(
  context: ActionContext,
  decided: ValidatorSet,
  before: Organisation | undefined,
  after: Organisation | undefined,
): ValidatorSet {
  const validator = before === undefined ? undefined : validatorOf(before)
  const set = decideValidators(decided, context.height, validator, after === undefined ? undefined : validatorOf(after))
  if (set.validators.length === 0) throw new ContractError('too-few-validators', 'The last validator cannot leave.')
  if (set.validators.length > MAX_VALIDATORS) {
    throw new ContractError('too-many-validators', `A network has at most ${MAX_VALIDATORS} validators.`)
  }
  return set
}

function applyPlan(context: ActionContext, plan: Plan): void {
  const { state, height } = context
  const { id, before, after } = plan
  const isMember = after !== undefined
  const known = state.read(accountCodec, stateKey.account(id))
  const since = before === undefined || !isMember ? height : (known?.since ?? height)
  const organisation = (after ?? before) as Organisation
  const former = known === undefined ? [] : formerKeys(known, organisation.signingKey, height)
  state.write(accountCodec, stateKey.account(id), { status: isMember ? 'active' : 'removed', since, organisation, former })
  // Entries of keys that are no longer used stay: signatures of the past must lead to their account, and to it alone.
  for (const hash of memberKeyHashes(organisation)) state.write(accountKeyCodec, stateKey.accountKey(hash), id)
  state.write(validatorsCodec, stateKey.validators(), { ...plan.validators, decided: plan.nextDecided })
  if (isSameCustodians(plan.custodians, plan.nextCustodians)) return
  writeCustodians(context, plan.nextCustodians)
}

export const members: Contract = new Map([
  ['vote', defineAction({ authors: ['account'], folderCharge: 'sponsor' }, voteBodyCodec, vote)],
  ['report', reportAction],
  ['rotate', rotateAction],
])
