/**
 * Whether a folder's release receipts are covered by its access log: one judgement for the owner, who asks the network, and for an
 * auditor with a file. It says what is wrong, what could not be shown, and nothing else.
 */
import { type AccessEntry, accessEntryId } from '../contracts/access-formats.ts'
import type { AccessOpening } from '../contracts/consent-terms.ts'
import type { Consent } from '../contracts/consents-formats.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import type { ReleaseReceipt } from '../fragments/formats.ts'

/** What no honest custodian's receipt has. */
export type ReceiptFlaw =
  /** Not signed by the custodian that it names, or of another folder or network. */
  | 'bad-signature'
  /** The log has no such entry. */
  | 'no-entry'
  /** Decided before the entry was on the ledger. */
  | 'before-entry'
  /** Decided at a block that is not before the session's end. */
  | 'after-session'
  /** Decided when the consent was revoked or over. */
  | 'consent-ended'
  /** Of a version that the session was not for. */
  | 'outside-records'

/** What could neither be shown to be right nor to be wrong. */
export type ReceiptDoubt =
  /** The time of the block at which it was decided is not proven here. */
  | 'time-not-shown'
  /** The session is limited to some versions, and which versions these are is not known here. */
  | 'records-not-shown'
  /** Reader, purpose and records of the session are not known: nothing here opens the entry's commitment. */
  | 'opening-not-shown'
  /** The entry stands on another ground than ownership or a consent. */
  | 'ground-not-checked'

export interface JudgedReceipt {
  readonly receipt: ReleaseReceipt
  /** The first thing that is wrong with it, or null. */
  readonly flaw: ReceiptFlaw | null
  readonly doubts: readonly ReceiptDoubt[]
}

/** Proven times of blocks. Heights and times ascend together, so that one block's time bounds another's. */
export class BlockTimes {
  readonly #known = new Map<number, number>()

  add(height: number, time: number): void {
    this.#known.set(height, time)
  }

  /** Whether the block of a height is from before a time; undefined where what is known does not tell. */
  isBefore(height: number, timeMs: number): boolean | undefined {
    for (const [known, time] of this.#known) {
      if (known >= height && time < timeMs) return true
      if (known <= height && time >= timeMs) return false
    }
    return undefined
  }
}

export interface AuditFacts {
  /** All lines of the log, proven to be all. */
  readonly entries: readonly AccessEntry[]
  /** Receipts, and whether each is its custodian's. */
  readonly receipts: readonly { receipt: ReleaseReceipt; isSigned: boolean }[]
  /** Present lines of the consents under which somebody read, by the consent's hex. */
  readonly consents: ReadonlyMap<string, Consent>
  /** Openings that fit their entries, by the entry's hex. */
  readonly openings: ReadonlyMap<string, AccessOpening>
  readonly times: BlockTimes
  /** Which version stands at a place of a submission, where that is known. */
  readonly versionAt?: (submissionRoot: Uint8Array, leaf: number) => { recordId: Uint8Array; version: number } | undefined
}

/** Judges every receipt. */
export function judgeReceipts(facts: AuditFacts): JudgedReceipt[] {
  const entries = new Map(facts.entries.map(entry => [toHex(accessEntryId(entry)), entry]))
  return facts.receipts.map(({ receipt, isSigned }) => {
    const entry = entries.get(toHex(receipt.entry))
    if (!isSigned) return { receipt, flaw: 'bad-signature', doubts: [] }
    if (entry === undefined) return { receipt, flaw: 'no-entry', doubts: [] }
    const doubts = new Set<ReceiptDoubt>()
    const flaw =
      (receipt.height < entry.height ? 'before-entry' : null) ??
      endOf(facts, receipt.height, entry.until, 'after-session', doubts) ??
      consentFlaw(facts, receipt, entry, doubts) ??
      recordsFlaw(facts, receipt, doubts)
    return { receipt, flaw, doubts: [...doubts] }
  })
}

function endOf({ times }: AuditFacts, height: number, end: number, flaw: ReceiptFlaw, doubts: Set<ReceiptDoubt>): ReceiptFlaw | null {
  const isBefore = times.isBefore(height, end)
  if (isBefore === undefined) doubts.add('time-not-shown')
  return isBefore === false ? flaw : null
}

/**
 * The contract lets nobody open a session under a consent that is not in force, and a consent that was revoked does not come back: so it
 * was in force from the entry on until the height of its revocation, or until its rounded end.
 */
function consentFlaw(facts: AuditFacts, { height }: ReleaseReceipt, entry: AccessEntry, doubts: Set<ReceiptDoubt>): ReceiptFlaw | null {
  if (entry.organisation === null && entry.consent === null) return null
  const consent = entry.organisation === null || entry.consent === null ? undefined : facts.consents.get(toHex(entry.consent))
  if (consent === undefined) {
    doubts.add('ground-not-checked')
    return null
  }
  if (consent.status === 'revoked' && height >= consent.height) return 'consent-ended'
  return endOf(facts, height, consent.expiry, 'consent-ended', doubts)
}

function recordsFlaw(facts: AuditFacts, receipt: ReleaseReceipt, doubts: Set<ReceiptDoubt>): ReceiptFlaw | null {
  const opening = facts.openings.get(toHex(receipt.entry))
  if (opening === undefined) doubts.add('opening-not-shown')
  const records = opening?.records ?? null
  if (records === null) return null
  for (const leaf of receipt.leaves) {
    const version = facts.versionAt?.(receipt.submissionRoot, leaf)
    if (version === undefined) doubts.add('records-not-shown')
    else if (!records.some(one => one.version === version.version && equalBytes(one.recordId, version.recordId))) return 'outside-records'
  }
  return null
}
