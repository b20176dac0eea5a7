/** What a custodian decides of break-glass: whether the session is one that the ledger counts, and for what it is. */
import { equalBytes } from '../encoding/bytes.ts'
import type { AccessEntry } from './access-formats.ts'
import type { AccessOpening } from './consent-terms.ts'
import {
  clinicianPseudonym,
  type Deposit,
  EMERGENCY_PURPOSES,
  EMERGENCY_ROLES,
  type Emergency,
  type EmergencyReason,
  emergencyCommitment,
} from './emergency-formats.ts'
import type { Label } from './folders-formats.ts'

/** Facts about a session of break-glass. */
export interface EmergencyFacts {
  /** Why the patient was not asked, as the reader says; null where nothing was said. */
  readonly reason: EmergencyReason | null
  /** What the ledger has of it; null where that is nothing. */
  readonly emergency: Emergency | null
  /** The shares that lie with the folder's custodians; null where the owner left none, or took them back. */
  readonly deposit: Deposit | null
}

export type EmergencyRefusal =
  | 'entry-unknown'
  | 'opening-mismatch'
  | 'other-clinician'
  | 'no-deposit'
  | 'emergency-role'
  | 'emergency-purpose'
  | 'emergency-records'
  | 'epoch-not-covered'
  | 'not-emergency-summary'

/** Whether an entry is one of break-glass: somebody of an organisation reads, and nobody consented. */
export function isEmergencyEntry(entry: AccessEntry): boolean {
  return entry.organisation !== null && entry.consent === null
}

/** Why a session of break-glass does not stand; null where it does. That the entry is in force was found out before. */
export function emergencyRefusal(
  entry: AccessEntry,
  access: AccessOpening,
  facts: EmergencyFacts | null | undefined,
): EmergencyRefusal | null {
  if (facts == null || facts.emergency === null || facts.reason === null || entry.organisation === null) return 'entry-unknown'
  const { reason, emergency, deposit } = facts
  if (!equalBytes(emergencyCommitment({ access, reason }), entry.commitment)) return 'opening-mismatch'
  // Else an organisation could count one person's sessions under many names.
  const isCounted = equalBytes(emergency.clinician, clinicianPseudonym(entry.organisation, access.reader))
  if (!isCounted || !equalBytes(emergency.organisation, entry.organisation)) return 'other-clinician'
  if (deposit === null) return 'no-deposit'
  if (!EMERGENCY_ROLES.includes(access.role)) return 'emergency-role'
  if (!EMERGENCY_PURPOSES.includes(access.purpose)) return 'emergency-purpose'
  return access.records === null ? null : 'emergency-records'
}

/** Why break-glass does not cover a version: it opens emergency summaries alone, and nothing newer than the key that was shared. */
export function emergencyVersionRefusal(
  facts: EmergencyFacts | null | undefined,
  version: { readonly label: Label | undefined; readonly epoch: number },
): EmergencyRefusal | null {
  if (facts == null || facts.deposit === null) return 'no-deposit'
  if (version.label !== 'emergency-summary') return 'not-emergency-summary'
  return version.epoch > facts.deposit.epoch ? 'epoch-not-covered' : null
}
