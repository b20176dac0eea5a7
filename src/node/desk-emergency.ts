/** What an organisation's desk demands before it breaks a glass for one of its people, or closes the review of another. */
import {
  clinicianPseudonym,
  EMERGENCY_PURPOSES,
  EMERGENCY_ROLES,
  type EmergencyOpening,
  emergencyCodec,
  emergencyCommitment,
  emergencyOpenBodyCodec,
  emergencyOpeningCodec,
  MAX_EMERGENCY_MS,
  REVIEW_ROLES,
  reviewBodyCodec,
  reviewCommitment,
  reviewOpeningCodec,
} from '../contracts/emergency-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { StateReader } from '../ledger/state-tree.ts'
import { notFound } from './folder-facts.ts'

/** Who asks: one of the organisation's people, as its list of staff has them. */
export interface Asker {
  /** Account of the organisation. */
  readonly account: Uint8Array
  /** Signing key of the person. */
  readonly person: Uint8Array
  readonly role: string
}

/** What the entry's commitment opens to. @throws EpioneError `not-staff` where the asker may not, or where the entry would say something else than what is so */
export function checkEmergency(
  bodyBytes: Uint8Array,
  openingBytes: Uint8Array,
  { account, person, role }: Asker,
  nowMs: number,
): EmergencyOpening {
  const body = emergencyOpenBodyCodec.decode(bodyBytes)
  const opening = emergencyOpeningCodec.decode(openingBytes)
  const { access } = opening
  if (!EMERGENCY_ROLES.includes(role)) {
    throw new EpioneError('not-staff', `The role ${role} does not open emergency summaries; these do: ${EMERGENCY_ROLES.join(', ')}.`)
  }
  const right =
    equalBytes(access.reader, person) &&
    access.role === role &&
    equalBytes(access.folder, body.folder) &&
    EMERGENCY_PURPOSES.includes(access.purpose) &&
    access.records === null &&
    equalBytes(emergencyCommitment(opening), body.commitment) &&
    equalBytes(clinicianPseudonym(account, person), body.clinician) &&
    body.until <= nowMs + MAX_EMERGENCY_MS
  if (!right) {
    throw new EpioneError('not-staff', `The entry must name the asker, in the role of ${role}, for an emergency and at most four hours.`)
  }
  return opening
}

/** @throws EpioneError `not-staff` where the role closes no reviews */
export function requireReviewer(role: string): void {
  if (REVIEW_ROLES.includes(role)) return
  throw new EpioneError('not-staff', `The role ${role} closes no reviews; these do: ${REVIEW_ROLES.join(', ')}.`)
}

/** @throws EpioneError `not-staff`, `same-person`, `not-found` where the organisation has no such case that waits */
export function checkReview(bodyBytes: Uint8Array, openingBytes: Uint8Array, { account, person, role }: Asker, state: StateReader): void {
  const body = reviewBodyCodec.decode(bodyBytes)
  const opening = reviewOpeningCodec.decode(openingBytes)
  requireReviewer(role)
  const right =
    equalBytes(opening.reviewer, person) &&
    opening.role === role &&
    equalBytes(opening.folder, body.folder) &&
    equalBytes(opening.entry, body.entry) &&
    equalBytes(reviewCommitment(opening), body.commitment) &&
    equalBytes(clinicianPseudonym(account, person), body.reviewer)
  if (!right) throw new EpioneError('not-staff', `The review must name the asker, in the role of ${role}.`)
  const value = state.get(stateKey.emergency(body.folder, body.entry))
  const known = value === undefined ? undefined : emergencyCodec.decode(value)
  if (known === undefined || !equalBytes(known.organisation, account)) throw notFound()
  if (equalBytes(known.clinician, body.reviewer)) {
    throw new EpioneError('same-person', 'Who broke the glass does not review it; another person of the organisation has to.')
  }
}
