/** Formats of the audits contract: what a member reports of custodians, and the record that the chain keeps of each. */
import { codec, hash32, type Infer, integer, list, oneOf, struct } from '../encoding/schema.ts'
import { MAX_TRANSACTION_BYTES, MAX_VALIDATORS } from '../ledger/limits.ts'

/** Custodians of one report. */
export const MAX_REPORT_ENTRIES = 512
/** Most challenges of one custodian in one report. */
export const MAX_REPORTED = 1_000_000
/** An absence that begins this many windows or more after the one before ended counts as a first one again. */
export const FORGIVEN_AFTER_WINDOWS = 288
/** A custodian waits for its return at most 2 to this power windows. */
const MAX_BACKOFF = 10

/**
 * How a custodian took its challenges in one window: `answers` at least half of them, `silent` where it failed more than half (gave no answer,
 * or wrong ones in so many places that no dishonest writer explains them), `open` where the member does not judge.
 */
const verdictSchema = oneOf('answers', 'silent', 'open')
export type AuditVerdict = Infer<typeof verdictSchema>

const entrySchema = struct({
  custodian: hash32,
  /** Challenges since the member's last report on it, and those that were not answered rightly: silence, loss, wrong bytes. */
  asked: integer(MAX_REPORTED),
  missed: integer(MAX_REPORTED),
  /** Of the window alone. */
  verdict: verdictSchema,
})
export type AuditEntry = Infer<typeof entrySchema>

/** Body of `audits.report`: one member's challenges in sum, custodians ascending by id. */
export const auditReportCodec = codec(
  struct({
    /** Window of block time: floor(ms since the epoch / `auditWindowMs`). The present one or the one before. */
    window: integer(),
    entries: list(entrySchema, MAX_REPORT_ENTRIES, 1),
  }),
  MAX_TRANSACTION_BYTES,
)
export type AuditReport = Infer<typeof auditReportCodec>

/** Value at `stateKey.audit`: a custodian's record. */
export const auditRecordCodec = codec(
  struct({
    /** `kept`: the members find it silent, but without it too few custodians would remain. */
    standing: oneOf('present', 'kept', 'absent'),
    /** Block of the last change of standing, and its window. 0 before the first. */
    since: integer(),
    sinceWindow: integer(),
    /** Absences in a row, each soon after the one before. */
    absences: integer(255),
    /** All that was ever reported. A third of liars can colour these sums, though nothing else. */
    asked: integer(),
    missed: integer(),
    /** Who has judged, of the windows that reports may be about: the newest at the last report, and the one before. */
    voices: list(struct({ window: integer(), member: hash32, verdict: verdictSchema }), 2 * MAX_VALIDATORS),
  }),
  32 * 1024,
)
export type AuditRecord = Infer<typeof auditRecordCodec>

export const NEW_RECORD: AuditRecord = {
  standing: 'present',
  since: 0,
  sinceWindow: 0,
  absences: 0,
  asked: 0,
  missed: 0,
  voices: [],
}

/** The window of a time in ms. */
export function auditWindow(timeMs: number, windowMs: number): number {
  return Math.floor(timeMs / windowMs)
}

/**
 * First window in which an absent custodian may come back: the next, and after every absence that follows soon upon another twice as much
 * later. So one that answers some members and not others does not move fragments about in every window.
 */
export function returnWindow({ sinceWindow, absences }: Pick<AuditRecord, 'sinceWindow' | 'absences'>): number {
  return sinceWindow + 2 ** Math.min(MAX_BACKOFF, Math.max(0, absences - 1))
}
