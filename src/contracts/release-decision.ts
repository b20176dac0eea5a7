/**
 * What a custodian decides before it releases a version, on the ledger's facts at its latest applied height and on the openings of
 * commitments; a client decides the same beforehand. Signatures are the caller's to check: the reader's over its request, and
 * Merkle paths of leaves. Reasons of refusal are for logs and tests; outside, every refusal reads `not-found`.
 */
import { ownerKeyHash } from '../crypto/wallet.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { type AccessEntry, accessEntryId } from './access-formats.ts'
import { decide } from './consent-decision.ts'
import { type AccessOpening, accessCommitment, type ConsentOpening, consentCommitment, type RecordClass } from './consent-terms.ts'
import { type Consent, consentId } from './consents-formats.ts'
import type { Folder, Label } from './folders-formats.ts'
import type { Anchor } from './records-formats.ts'
import { type DelegationFacts, delegateFault, grantorFault } from './release-delegation.ts'
import {
  type EmergencyFacts,
  type EmergencyRefusal,
  emergencyRefusal,
  emergencyVersionRefusal,
  isEmergencyEntry,
} from './release-emergency.ts'

/** Role of the folder's owner; no organisation vouches for anybody under it. */
export const OWNER_ROLE = 'owner'

/** Facts about a session: the same for all that is read in it. */
export interface SessionFacts extends DelegationFacts {
  /** Time of the block at which it is decided, in ms. */
  readonly timeMs: number
  /** Folder that is asked for, and its state; null where the ledger has none. */
  readonly folderId: Uint8Array
  readonly folder: Folder | null
  /** Id of the access entry that the request names, and the entry; null where the ledger has none. */
  readonly entryId: Uint8Array
  readonly entry: AccessEntry | null
  /** Whether the entry's organisation is an active member now; of no account where the entry has none. */
  readonly isOrganisationActive: boolean
  /** Opening of the entry's commitment, as the reader brought it. */
  readonly accessOpening: AccessOpening
  /** The entry's consent in the state, and the opening of its commitment; null where there is none. */
  readonly consent: Consent | null
  readonly consentOpening: ConsentOpening | null
  /** Of break-glass alone. */
  readonly emergency?: EmergencyFacts | null
}

/** Facts about one version. */
export interface VersionFacts {
  /** Anchor of its submission under this folder; null where the ledger has none. */
  readonly anchor: Anchor | null
  readonly recordId: Uint8Array
  readonly version: number
  readonly class: RecordClass
  /** Time of the content, in ms, where it has one. */
  readonly dataTime: number | null
  /** Whether the state holds the version's erasure mark. */
  readonly isErased: boolean
  /** Label of the folder, as it was opened to the custodian; break-glass needs it. */
  readonly label?: Label | undefined
}

export type ReleaseRefusal =
  | 'folder-unknown'
  | 'entry-unknown'
  | 'entry-other-folder'
  | 'entry-ended'
  | 'opening-mismatch'
  | 'not-owner'
  | 'owner-role'
  | 'organisation-inactive'
  | 'consent-unknown'
  | 'consent-mismatch'
  | 'consent-revoked'
  | 'consent-expired'
  | 'not-anchored'
  | 'erased'
  | 'not-covered'
  | 'epoch-not-covered'
  | 'consent-denies'
  | EmergencyRefusal
  | 'delegate-role'
  | 'not-delegate'
  | 'delegation-unknown'
  | 'delegation-ended'

export type ReleaseDecision = { readonly permitted: true } | { readonly permitted: false; readonly reason: ReleaseRefusal }

const NO_ORGANISATION = new Uint8Array(32)
const PERMITTED: ReleaseDecision = { permitted: true }

function refused(reason: ReleaseRefusal): ReleaseDecision {
  return { permitted: false, reason }
}

/** Whether a version may be released: session and version together. */
export function releaseDecision(session: SessionFacts, version: VersionFacts): ReleaseDecision {
  const decision = sessionDecision(session)
  return decision.permitted ? versionDecision(session, version) : decision
}

/** Whether the session stands: folder, entry, reader, organisation, consent. */
export function sessionDecision(facts: SessionFacts): ReleaseDecision {
  const { folderId, folder, entry, accessOpening } = facts
  if (folder === null || folder.status !== 'open') return refused('folder-unknown')
  if (entry === null || !equalBytes(accessEntryId(entry), facts.entryId)) return refused('entry-unknown')
  if (!equalBytes(entry.folder, folderId)) return refused('entry-other-folder')
  if (facts.timeMs >= entry.until) return refused('entry-ended')
  if (!equalBytes(accessOpening.folder, folderId)) return refused('opening-mismatch')
  if (isEmergencyEntry(entry)) {
    const reason = emergencyRefusal(entry, accessOpening, facts.emergency)
    if (reason !== null) return refused(reason)
    return facts.isOrganisationActive ? PERMITTED : refused('organisation-inactive')
  }
  if (!equalBytes(accessCommitment(accessOpening), entry.commitment)) return refused('opening-mismatch')
  if (entry.organisation === null && entry.consent !== null) {
    const fault = delegateFault(facts, facts.consent, accessOpening, facts.timeMs)
    return fault === null ? consentStanding(facts, entry.consent) : refused(fault)
  }
  if (entry.organisation === null || entry.consent === null) return ownerDecision(folder, entry, accessOpening)
  if (accessOpening.role === OWNER_ROLE) return refused('owner-role')
  if (!facts.isOrganisationActive) return refused('organisation-inactive')
  const fault = grantorFault(facts, accessOpening, facts.timeMs)
  if (fault !== null) return refused(fault)
  return consentStanding(facts, entry.consent)
}

/** The owner reads with the folder's own key; the contract writes both fields of the entry as null or neither. */
function ownerDecision(folder: Folder, entry: AccessEntry, { reader, role }: AccessOpening): ReleaseDecision {
  if (entry.organisation !== null || entry.consent !== null) return refused('entry-unknown')
  if (role !== OWNER_ROLE) return refused('owner-role')
  return equalBytes(ownerKeyHash(reader), folder.ownerKeyHash) ? PERMITTED : refused('not-owner')
}

function consentStanding({ timeMs, folderId, consent, consentOpening }: SessionFacts, id: Uint8Array): ReleaseDecision {
  if (consent === null || consentOpening === null) return refused('consent-unknown')
  const isSame =
    equalBytes(consentId(folderId, consent.commitment), id) &&
    equalBytes(consentOpening.folder, folderId) &&
    equalBytes(consentCommitment(consentOpening), consent.commitment)
  if (!isSame) return refused('consent-mismatch')
  if (consent.status !== 'active') return refused('consent-revoked')
  return timeMs < consent.expiry ? PERMITTED : refused('consent-expired')
}

/** Whether a session that stands covers a version. Without {@link sessionDecision} before it, the answer means nothing. */
export function versionDecision(session: SessionFacts, version: VersionFacts): ReleaseDecision {
  const { entry, accessOpening, consent, consentOpening } = session
  const { anchor, recordId } = version
  if (anchor === null) return refused('not-anchored')
  if (version.isErased) return refused('erased')
  const { records } = accessOpening
  if (records !== null && !records.some(known => known.version === version.version && equalBytes(known.recordId, recordId))) {
    return refused('not-covered')
  }
  if (entry?.organisation === null && entry.consent === null) return PERMITTED
  if (entry !== null && isEmergencyEntry(entry)) {
    const reason = emergencyVersionRefusal(session.emergency, { label: version.label, epoch: anchor.epoch })
    return reason === null ? PERMITTED : refused(reason)
  }
  if (entry === null || consent === null || consentOpening === null) return refused('consent-unknown')
  // One wrap opens its own epoch and the past; what was sealed after a new epoch is outside this consent.
  if (anchor.epoch > consent.epoch) return refused('epoch-not-covered')
  const { permitted } = decide({
    provision: consentOpening.provision,
    request: {
      reader: accessOpening.reader,
      // A delegate is of no organisation: provisions that name one are not about them.
      organisation: entry.organisation ?? NO_ORGANISATION,
      role: accessOpening.role,
      purpose: accessOpening.purpose,
      class: version.class,
      dataTime: version.dataTime,
      author: anchor.author,
      time: session.timeMs,
    },
  })
  return permitted ? PERMITTED : refused('consent-denies')
}
