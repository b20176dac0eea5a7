/** The action `members.report`: evidence of double signing is recorded, and costs the validator its seat while enough others remain. */

import { accused, offencePlace, verifyEvidence } from '../ledger/evidence.ts'
import type { ValidatorSet } from '../ledger/header.ts'
import type { Origin } from '../ledger/transaction.ts'
import { type Action, type ActionContext, type ActionState, defineAction } from './action.ts'
import { ContractError } from './contract-error.ts'
import { membersAccusedCodec, membersEvictedCodec } from './events.ts'
import {
  type Conviction,
  convictionCodec,
  type EvidenceBody,
  type EvidenceEntry,
  evidenceBodyCodec,
  evidenceEntryCodec,
  evidenceEntryId,
  hasSeat,
  isRecorded,
  MAX_OFFENCES,
} from './evidence-formats.ts'
import { accountKeyCodec, consensusKeyHash } from './member-keys.ts'
import { accountCodec, type Validators, validatorsCodec } from './members-formats.ts'
import { stateKey } from './state-keys.ts'
import { decideValidators, validatorOf } from './validators.ts'

/** Validators that must remain for evidence to evict by itself: with fewer, no fault at all would be tolerated any more. */
export const MIN_VALIDATORS_LEFT = 4

function report(context: ActionContext, { evidence }: EvidenceBody): void {
  const { state, height, timeMs, from } = context
  const key = accused(evidence)
  const validators = state.read(validatorsCodec, stateKey.validators()) as Validators
  const seated = seatedIn(validators, key)
  if (seated === undefined) throw new ContractError('no-seat', 'The evidence is against a key that holds no seat among the validators.')
  const place = offencePlace(evidence)
  const keyHash = consensusKeyHash(key)
  const known = state.read(convictionCodec, stateKey.conviction(keyHash))
  if (known !== undefined && isRecorded(known, place)) return
  const evicts = canEvict(validators, key)
  const isFull = known !== undefined && known.offences.length >= MAX_OFFENCES
  if (isFull && !evicts) {
    throw new ContractError('offences-full', `${MAX_OFFENCES} offences of this validator are on record, which no further one adds to.`)
  }
  if (!verifyEvidence(context.chainId, evidence, seated)) {
    throw new ContractError('bad-evidence', 'The two messages do not prove that the validator signed twice at one place.')
  }

  const account = state.read(accountKeyCodec, stateKey.accountKey(keyHash)) as Uint8Array
  const subject: Origin = { kind: 'account', id: account }
  const offences = known?.offences ?? []
  let recorded = offences
  if (!isFull) {
    const { index: entry } = context.append(stateKey.evidence(), index => {
      const line: EvidenceEntry = { index, reporter: from.id, height, time: timeMs, evidence }
      return { id: evidenceEntryId(line), body: evidenceEntryCodec.encode(line) }
    })
    recorded = [...offences, { ...place, reported: height, entry }]
    context.emit('members.accused', subject, membersAccusedCodec, { validator: key, ...place, entry })
  }
  const evicted = evicts ? height : (known?.evicted ?? null)
  const conviction: Conviction = { account, consensusKey: key, offences: recorded, evicted }
  state.write(convictionCodec, stateKey.conviction(keyHash), conviction)
  if (!evicts) return
  evict(state, account, validators, height)
  context.emit('members.evicted', subject, membersEvictedCodec, { validator: key, effective: height + 2 })
}

/** Whether evidence against a key would cost it its seat now. */
export function canEvict({ decided }: Pick<Validators, 'decided'>, consensusKey: Uint8Array): boolean {
  return hasSeat(decided, consensusKey) && decided.validators.length > MIN_VALIDATORS_LEFT
}

/** The set that shows that a key has, or still has, a seat: one that was decided away may sign for two more blocks. */
function seatedIn({ current, next, decided }: Validators, key: Uint8Array): ValidatorSet | undefined {
  return [decided, next, current].find(set => hasSeat(set, key))
}

/** Takes the seat of a member, which stays a member. */
function evict(state: ActionState, id: Uint8Array, validators: Validators, height: number): void {
  const account = state.read(accountCodec, stateKey.account(id))
  if (account === undefined) throw new Error('a seat belongs to no account: the state did not start from genesis')
  const decided = decideValidators(validators.decided, height, validatorOf(account.organisation), undefined)
  const organisation = { ...account.organisation, consensusKey: null, power: 0 }
  state.write(accountCodec, stateKey.account(id), { ...account, organisation })
  state.write(validatorsCodec, stateKey.validators(), { ...validators, decided })
}

/** Whether a consensus key was ever proven to have signed twice. */
export function isConvicted(state: ActionState, consensusKey: Uint8Array): boolean {
  return state.read(convictionCodec, stateKey.conviction(consensusKeyHash(consensusKey))) !== undefined
}

export const reportAction: Action = defineAction({ authors: ['account'], folderCharge: 'sponsor' }, evidenceBodyCodec, report)
