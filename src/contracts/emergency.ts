/**
 * The contract `emergency`: the owner leaves shares of a folder's key with its custodians; an organisation opens the folder for
 * one of its clinicians without the patient, at a rate that everybody sees, and another of its people has to review it.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { type AccessEntry, accessEntryCodec, accessEntryId } from './access-formats.ts'
import { type ActionContext, type Contract, defineAction } from './action.ts'
import { ContractError, notFound } from './contract-error.ts'
import { mayAnchor } from './custodian-set.ts'
import {
  type Clinician,
  clinicianCodec,
  type DepositBody,
  depositBodyCodec,
  depositCodec,
  type Emergency,
  type EmergencyOpenBody,
  emergencyCodec,
  emergencyOpenBodyCodec,
  emergencyQuotaCodec,
  MAX_EMERGENCY_MS,
  MAX_OPEN_REVIEWS,
  RATE_DAYS,
  type ReviewBody,
  reviewBodyCodec,
  standingDeposit,
  withdrawBodyCodec,
} from './emergency-formats.ts'
import {
  accessOpenedCodec,
  emergencyDepositedCodec,
  emergencyOpenedCodec,
  emergencyReviewedCodec,
  emergencyWithdrawnCodec,
} from './events.ts'
import { actingFolder, openFolder } from './folders.ts'
import { stateKey } from './state-keys.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const NOBODY: Clinician = { days: [], open: [], reviewed: 0 }

function deposit(context: ActionContext, body: DepositBody): void {
  const { state, height } = context
  const { id, folder } = actingFolder(context)
  const { epoch, memberHeight, commitments } = body
  const key = stateKey.emergencyDeposit(id)
  const known = state.read(depositCodec, key)
  const isDone =
    known !== undefined &&
    !known.withdrawn &&
    known.epoch === epoch &&
    known.memberHeight === memberHeight &&
    equalBytes(known.commitments, commitments)
  if (isDone) return
  if (epoch !== folder.epoch) throw new ContractError('stale-epoch', `The folder is in epoch ${folder.epoch}, not ${epoch}.`)
  if (!mayAnchor(context, memberHeight)) {
    throw new ContractError('stale-members', 'The custodians changed since the shares were made; share the key again.')
  }
  state.write(depositCodec, key, { epoch, memberHeight, commitments, height, withdrawn: false })
  context.emit('emergency.deposited', context.from, emergencyDepositedCodec, { epoch, commitments })
}

function withdraw(context: ActionContext): void {
  const { state, height } = context
  const { id } = actingFolder(context)
  const key = stateKey.emergencyDeposit(id)
  const known = standingDeposit(state.read(depositCodec, key))
  if (known === null) return
  state.write(depositCodec, key, { ...known, height, withdrawn: true })
  context.emit('emergency.withdrawn', context.from, emergencyWithdrawnCodec, {})
}

function open(context: ActionContext, body: EmergencyOpenBody): void {
  const { from, state, timeMs, height } = context
  const { folder, clinician, commitment, until } = body
  openFolder(state, folder)
  if (standingDeposit(state.read(depositCodec, stateKey.emergencyDeposit(folder))) === null) throw notFound()
  if (until <= timeMs || until > timeMs + MAX_EMERGENCY_MS) {
    throw new ContractError('bad-until', 'A break-glass session ends in the future, and at most four hours after the block that opens it.')
  }
  const organisation = from.id
  drawOrganisation(context)
  const { index: position, id: entry } = context.append(stateKey.accessLog(folder), index => {
    const line: AccessEntry = { folder, index, organisation, consent: null, commitment, until, height, time: timeMs }
    return { id: accessEntryId(line), body: accessEntryCodec.encode(line) }
  })
  drawClinician(context, clinician, entry)
  state.write(emergencyCodec, stateKey.emergency(folder, entry), { organisation, clinician, time: timeMs, until, height, review: null })
  const subject = { kind: 'folder', id: folder } as const
  context.emit('access.opened', subject, accessOpenedCodec, { entry, position, organisation, consent: null, until })
  context.emit('emergency.opened', subject, emergencyOpenedCodec, { entry, organisation, clinician, until })
}

function drawOrganisation({ from, state, timeMs, parameters }: ActionContext): void {
  const day = Math.floor(timeMs / DAY_MS)
  const key = stateKey.emergencyQuota(from.id)
  const known = state.read(emergencyQuotaCodec, key)
  const opened = (known?.day === day ? known.opened : 0) + 1
  const { perOrganisationDay } = parameters.emergency
  if (opened > perOrganisationDay) throw overQuota(`This organisation's people break the glass at most ${perOrganisationDay} times a day.`)
  state.write(emergencyQuotaCodec, key, { day, opened })
}

function drawClinician(context: ActionContext, clinician: Uint8Array, entry: Uint8Array): void {
  const { from, state, timeMs, parameters } = context
  const { perClinicianDay, reviewMs, maxOverdue } = parameters.emergency
  const key = stateKey.clinician(from.id, clinician)
  const { days, open: waiting, reviewed } = state.read(clinicianCodec, key) ?? NOBODY
  const overdue = waiting.filter(({ time }) => time + reviewMs <= timeMs).length
  if (overdue >= maxOverdue) {
    throw new ContractError('reviews-overdue', `${overdue} reviews of this clinician are overdue; others have to close them first.`)
  }
  const today = Math.floor(timeMs / DAY_MS)
  const opened = (days.find(({ day }) => day === today)?.opened ?? 0) + 1
  if (opened > perClinicianDay) throw overQuota(`One clinician breaks the glass at most ${perClinicianDay} times a day.`)
  if (waiting.length === MAX_OPEN_REVIEWS) throw overQuota(`At most ${MAX_OPEN_REVIEWS} reviews of one clinician are open at once.`)
  const recent = days.filter(({ day }) => day > today - RATE_DAYS && day !== today)
  state.write(clinicianCodec, key, {
    days: [...recent, { day: today, opened }],
    open: [...waiting, { entry, time: timeMs }],
    reviewed,
  })
}

function overQuota(message: string): ContractError {
  return new ContractError('over-emergency-quota', message)
}

function review(context: ActionContext, body: ReviewBody): void {
  const { from, state, timeMs, height } = context
  const { folder, entry, reviewer, commitment, sealedHash } = body
  const key = stateKey.emergency(folder, entry)
  const known = state.read(emergencyCodec, key)
  if (known === undefined || !equalBytes(known.organisation, from.id)) throw notFound()
  if (known.review !== null) {
    if (!isSameReview(known.review, body)) throw new ContractError('exists', 'This review is closed.')
    return
  }
  if (equalBytes(reviewer, known.clinician)) {
    throw new ContractError('same-person', 'Who broke the glass does not review it; another person has to.')
  }
  state.write(emergencyCodec, key, { ...known, review: { reviewer, commitment, sealedHash, time: timeMs, height } })
  const clinicianKey = stateKey.clinician(known.organisation, known.clinician)
  const record = state.read(clinicianCodec, clinicianKey) ?? NOBODY
  const waiting = record.open.filter(item => !equalBytes(item.entry, entry))
  state.write(clinicianCodec, clinicianKey, { ...record, open: waiting, reviewed: record.reviewed + 1 })
  context.emit('emergency.reviewed', { kind: 'folder', id: folder }, emergencyReviewedCodec, { entry, reviewer })
}

function isSameReview(known: NonNullable<Emergency['review']>, body: ReviewBody): boolean {
  return (
    equalBytes(known.reviewer, body.reviewer) &&
    equalBytes(known.commitment, body.commitment) &&
    equalBytes(known.sealedHash, body.sealedHash)
  )
}

export const emergency: Contract = new Map([
  ['deposit', defineAction({ authors: ['folder'], folderCharge: 'bucket' }, depositBodyCodec, deposit)],
  ['withdraw', defineAction({ authors: ['folder'], folderCharge: 'bucket' }, withdrawBodyCodec, withdraw)],
  ['open', defineAction({ authors: ['account'], folderCharge: 'sponsor' }, emergencyOpenBodyCodec, open)],
  ['review', defineAction({ authors: ['account'], folderCharge: 'sponsor' }, reviewBodyCodec, review)],
])
