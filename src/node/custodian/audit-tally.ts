/** Counts of what custodians answered, and what of it is worth a line in the ledger. Pure. */
import {
  type AuditEntry,
  type AuditRecord,
  type AuditVerdict,
  MAX_REPORT_ENTRIES,
  MAX_REPORTED,
  returnWindow,
} from '../../contracts/audits-formats.ts'
import { compareBytes, parseHex, toHex } from '../../encoding/bytes.ts'

/**
 * `right`; `silent`: no answer, or none that can be read; `lost`: it says itself that it has not what it ought to; `wrong`: other bytes
 * than were dispersed; `unsure`: too few others answered to tell.
 */
export type Outcome = 'right' | 'silent' | 'lost' | 'wrong' | 'unsure'

/** Windows in a row for which trouble with one custodian is reported; from then on every twelfth, so that an idle chain is let sleep. */
const REPORTED_IN_A_ROW = 6
const SPARSE = 12
/** All counts are reported once in so many windows: once a day, with windows of 5 minutes. */
const SUMMARY = 288

interface Counts {
  asked: number
  missed: number
  silent: number
  wrong: number
  /** Authors of the submissions that were answered wrongly. */
  readonly wronged: Set<string>
}

interface Tallied {
  /** Of the present window. */
  window: Counts
  /** Since the last report. */
  asked: number
  missed: number
  /** Windows in a row with trouble. */
  troubled: number
}

const noCounts = (): Counts => ({ asked: 0, missed: 0, silent: 0, wrong: 0, wronged: new Set() })

export class AuditTally {
  /** By account. Bounded by the members: who is none any more is forgotten with the window. */
  readonly #custodians = new Map<string, Tallied>()
  readonly #faults: number

  /** @param faults f of n = 3f + 1: so many members may be dishonest writers */
  constructor(faults: number) {
    this.#faults = faults
  }

  /** @param author organisation that dispersed what was asked for */
  note(custodian: Uint8Array, outcome: Outcome, author: Uint8Array): void {
    const name = toHex(custodian)
    const tallied = this.#custodians.get(name) ?? { window: noCounts(), asked: 0, missed: 0, troubled: 0 }
    this.#custodians.set(name, tallied)
    const { window } = tallied
    window.asked++
    if (outcome === 'silent') window.silent++
    if (outcome === 'wrong') {
      window.wrong++
      window.wronged.add(toHex(author))
    }
    if (outcome === 'silent' || outcome === 'lost' || outcome === 'wrong') window.missed++
  }

  /**
   * Ends a window: what of it is to be reported, ascending by custodian.
   * @param recordOf a custodian's record in the ledger; undefined for who is no custodian
   */
  close(window: number, recordOf: (custodian: Uint8Array) => AuditRecord | undefined): AuditEntry[] {
    const found: { custodian: Uint8Array; tallied: Tallied; verdict: AuditVerdict; record: AuditRecord; missed: number }[] = []
    for (const [name, tallied] of this.#custodians) {
      const custodian = parseHex(name) as Uint8Array
      const record = recordOf(custodian)
      if (record === undefined) {
        this.#custodians.delete(name)
        continue
      }
      const { asked, missed } = tallied.window
      const verdict = this.#verdict(tallied.window)
      tallied.asked = Math.min(MAX_REPORTED, tallied.asked + asked)
      tallied.missed = Math.min(tallied.asked, tallied.missed + missed)
      tallied.troubled = verdict === 'silent' || missed > 0 ? tallied.troubled + 1 : 0
      tallied.window = noCounts()
      found.push({ custodian, tallied, verdict, record, missed })
    }
    const standing = found.filter(({ record, verdict }) => record.standing === 'present' && verdict !== 'open')
    // Who finds most of the others silent is itself cut off.
    const isCutOff = 2 * standing.filter(({ verdict }) => verdict === 'silent').length > standing.length
    const worth = found.filter(({ tallied, verdict, record, missed }) => {
      if (verdict === 'silent' && isCutOff) return false
      if (window % SUMMARY === 0) return tallied.asked > 0
      if (record.standing === 'absent') return verdict === 'answers' && window >= returnWindow(record)
      if (record.standing === 'kept' && verdict === 'answers') return true
      const isTrouble = verdict === 'silent' || missed > 0
      const isDue = window % SPARSE === 0 || (record.standing === 'present' && tallied.troubled <= REPORTED_IN_A_ROW)
      return isTrouble && isDue
    })
    return worth
      .sort((a, b) => compareBytes(a.custodian, b.custodian))
      .slice(0, MAX_REPORT_ENTRIES)
      .map(({ custodian, tallied, verdict }) => {
        const entry: AuditEntry = { custodian, asked: tallied.asked, missed: tallied.missed, verdict }
        tallied.asked = 0
        tallied.missed = 0
        return entry
      })
  }

  /**
   * A loss that a custodian admits is no silence: it is there, and its repair puts the fragment back where it was. Wrong answers weigh as silence once they
   * are about submissions of more authors than may be dishonest: such a one can disperse what is no codeword.
   */
  #verdict({ asked, silent, wrong, wronged }: Counts): AuditVerdict {
    if (asked === 0) return 'open'
    const failed = silent + (wronged.size > this.#faults ? wrong : 0)
    if (2 * failed > asked) return 'silent'
    return 2 * (silent + wrong) > asked ? 'open' : 'answers'
  }
}
