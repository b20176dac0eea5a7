/**
 * The contract `audits`: members report in sum how custodians took their challenges. What validators with more than a third of the weight
 * found silent in one window is absent: it leaves the set of custodians and stays a member. What as many found answering later comes back.
 * Less than a third of liars can neither make an honest custodian absent, nor keep a dead one present where the others report it: each
 * window is judged by its own voices for as long as reports may be about it, whatever was said of another meanwhile.
 */
import { compareBytes, equalBytes } from '../encoding/bytes.ts'
import { isMoreThanThird, totalPower } from '../ledger/header.ts'
import { type ActionContext, type ActionState, type Contract, defineAction } from './action.ts'
import {
  type AuditEntry,
  type AuditRecord,
  type AuditReport,
  type AuditVerdict,
  auditRecordCodec,
  auditReportCodec,
  auditWindow,
  FORGIVEN_AFTER_WINDOWS,
  NEW_RECORD,
  returnWindow,
} from './audits-formats.ts'
import { ContractError } from './contract-error.ts'
import { readCustodians, staysPlaceable, writeCustodians } from './custodian-set.ts'
import { auditsChangedCodec } from './events.ts'
import { custodianOf, sortedCustodians } from './members.ts'
import { type Account, accountCodec, MAX_MEMBERS, type Validators, validatorsCodec } from './members-formats.ts'
import { stateKey } from './state-keys.ts'

/** Absences in a row that are counted; more make no difference. */
const MAX_ABSENCES = 255

function report(context: ActionContext, { window, entries }: AuditReport): void {
  const { state, from, timeMs, parameters } = context
  if (weightOf(state, from.id) === 0) throw new ContractError('not-validator', 'Only members that validate report audits.')
  const present = auditWindow(timeMs, parameters.auditWindowMs)
  if (window !== present && window !== present - 1) {
    throw new ContractError('bad-window', `A report is about the present window, ${present}, or the one before.`)
  }
  entries.forEach(({ custodian, asked, missed }, i) => {
    const before = entries[i - 1]
    if (missed > asked || (before !== undefined && compareBytes(before.custodian, custodian) >= 0)) {
      throw new ContractError('bad-report', 'A report names each custodian once, ascending, with no more missed than asked.')
    }
  })
  for (const entry of entries) take(context, window, entry)
}

/** What does not count is passed over, so that one custodian that left meanwhile does not void what is said of the others. */
function take(context: ActionContext, window: number, { custodian: id, asked, missed, verdict }: AuditEntry): void {
  const { state, from, timeMs, parameters } = context
  const account = state.read(accountCodec, stateKey.account(id))
  if (account?.status !== 'active' || account.organisation.capacity === 0 || equalBytes(id, from.id)) return
  const known = state.read(auditRecordCodec, stateKey.audit(id)) ?? NEW_RECORD
  if (known.voices.some(voice => voice.window === window && equalBytes(voice.member, from.id))) return
  // The voices of two windows stand side by side: who speaks of the present one before it is over must not cut off those who wait for its end.
  // What no report may be about any more drops out, and who lost its seat since, which also bounds the list by the validators.
  const oldest = auditWindow(timeMs, parameters.auditWindowMs) - 1
  const before = known.voices.filter(voice => voice.window >= oldest && weightOf(state, voice.member) > 0)
  const sum = (a: number, b: number): number => Math.min(Number.MAX_SAFE_INTEGER, a + b)
  const heard: AuditRecord = {
    ...known,
    voices: [...before, { window, member: from.id, verdict }],
    asked: sum(known.asked, asked),
    missed: sum(known.missed, missed),
  }
  state.write(auditRecordCodec, stateKey.audit(id), judge(context, id, account, heard, window))
}

/** The record after the voices of one window, and the set of custodians with it. */
function judge(context: ActionContext, id: Uint8Array, account: Account, record: AuditRecord, window: number): AuditRecord {
  // A later window has changed its standing since, which takes an honest voice: what was before counts no more.
  if (window < record.sinceWindow) return record
  const { state } = context
  const { decided } = state.read(validatorsCodec, stateKey.validators()) as Validators
  const total = totalPower(decided)
  const voices = record.voices.filter(voice => voice.window === window)
  const found = (verdict: AuditVerdict): boolean =>
    isMoreThanThird(
      voices.reduce((sum, voice) => sum + (voice.verdict === verdict ? weightOf(state, voice.member) : 0), 0),
      total,
    )
  if (record.standing === 'absent') {
    return found('answers') && window >= returnWindow(record) ? takeBack(context, id, account, record, window) : record
  }
  if (found('silent')) return leave(context, id, record, window)
  return record.standing === 'kept' && found('answers') ? changed(context, id, record, 'present', window) : record
}

function leave(context: ActionContext, id: Uint8Array, record: AuditRecord, window: number): AuditRecord {
  const custodians = readCustodians(context.state)
  const others = custodians.filter(other => !equalBytes(other.id, id))
  // Not in the set, as one that was admitted before it stored anything: there is nothing to leave.
  if (others.length === custodians.length) return record
  if (!staysPlaceable(context.parameters, custodians, others)) {
    return record.standing === 'kept' ? record : changed(context, id, record, 'kept', window)
  }
  writeCustodians(context, others)
  const isSoon = record.absences > 0 && window - record.sinceWindow < FORGIVEN_AFTER_WINDOWS
  const absences = isSoon ? Math.min(MAX_ABSENCES, record.absences + 1) : 1
  return changed(context, id, { ...record, absences }, 'absent', window)
}

function takeBack(context: ActionContext, id: Uint8Array, account: Account, record: AuditRecord, window: number): AuditRecord {
  const custodians = readCustodians(context.state)
  const custodian = custodianOf(id, account.organisation)
  if (custodian !== undefined && !custodians.some(other => equalBytes(other.id, id))) {
    if (custodians.length >= MAX_MEMBERS) return record
    writeCustodians(context, sortedCustodians([...custodians, custodian]))
  }
  return changed(context, id, record, 'present', window)
}

const EVENT = { present: 'audits.returned', kept: 'audits.kept', absent: 'audits.absent' } as const

function changed(
  context: ActionContext,
  id: Uint8Array,
  record: AuditRecord,
  standing: AuditRecord['standing'],
  window: number,
): AuditRecord {
  context.emit(EVENT[standing], { kind: 'account', id }, auditsChangedCodec, { window })
  return { ...record, standing, since: context.height, sinceWindow: window }
}

/** A member's weight as it is decided now. */
function weightOf(state: ActionState, id: Uint8Array): number {
  const account = state.read(accountCodec, stateKey.account(id))
  return account?.status === 'active' ? account.organisation.power : 0
}

export const audits: Contract = new Map([
  ['report', defineAction({ authors: ['account'], folderCharge: 'sponsor' }, auditReportCodec, report)],
])
