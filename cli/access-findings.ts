/** What the check of an access log found, and what no such check can find, in words. */
import type { ReceiptDoubt, ReceiptFlaw } from '../src/client/access-audit.ts'
import type { AccessReport } from '../src/client/access-evidence.ts'
import { toHex } from '../src/encoding/bytes.ts'
import { count, formatInstant, printable } from './format.ts'

const FLAWS: Readonly<Record<ReceiptFlaw, string>> = {
  'bad-signature': 'a receipt that it did not sign, or that is of another folder',
  'no-entry': 'released under no entry of the log',
  'before-entry': 'released before the entry was on the ledger',
  'after-session': 'released after the session had ended',
  'consent-ended': 'released when the consent was over',
  'outside-records': 'released a version that the session was not for',
}

const DOUBTS: Readonly<Record<ReceiptDoubt, string>> = {
  'time-not-shown': 'were decided at blocks whose times are not proven here',
  'records-not-shown': 'are of sessions for certain versions, and which versions were released is not known here; --records reads them',
  'opening-not-shown': 'are of sessions of which nobody says who read and why',
  'ground-not-checked': 'stand on another ground than a consent or ownership, which is not checked here',
}

/** As `--json` prints it. */
export interface AccessFindings {
  /** No receipt breaks a rule. */
  holds: boolean
  /** The block that proves the log complete. */
  height: number
  timeMs: number
  entries: number
  receipts: number
  flaws: readonly { custodian: { id: string; name: string | null }; entry: string; height: number; timeMs: number; flaw: string }[]
  /** Receipts of which something could not be shown, by what. */
  doubts: Readonly<Record<string, number>>
  silent: readonly { id: string; name: string | null; code: string }[]
  /** What no check of this kind can show, in words. */
  cannotShow: readonly string[]
}

/** @param f how many custodians may lie together */
export function findingsOf(report: AccessReport, f: number): AccessFindings {
  const doubts: Record<string, number> = {}
  for (const { doubts: own } of report.receipts) for (const doubt of own) doubts[doubt] = (doubts[doubt] ?? 0) + 1
  return {
    holds: report.flawed.length === 0,
    height: report.height,
    timeMs: report.time,
    entries: report.entries.length,
    receipts: report.receipts.length,
    flaws: report.flawed.map(({ receipt, flaw }) => ({
      custodian: { id: toHex(receipt.custodian), name: report.nameOf(receipt.custodian) },
      entry: toHex(receipt.entry),
      height: receipt.height,
      timeMs: receipt.time,
      flaw: flaw as ReceiptFlaw,
    })),
    doubts,
    silent: report.silent.map(({ custodian, name, code }) => ({ id: toHex(custodian), name, code })),
    cannotShow: [
      ...(report.silent.length === 0
        ? []
        : ['what only the custodians released that did not answer: they may keep receipts that nobody has checked']),
      `reads by more than ${count(f, 'custodian')} that lie together: they can give out fragments and keep no receipt`,
      'looks of an author at the copy that it keeps of what it wrote: they do not pass through the network',
      'what became of what was read: a copy, a photograph, a word to somebody else',
    ],
  }
}

/** What was checked, line by line. */
export function findingLines(findings: AccessFindings): string[] {
  const { height, entries, receipts, flaws, doubts, silent, cannotShow, timeMs } = findings
  return [
    `checked: ${count(entries, 'line')} of the log, all that there are by the state of block ${height} of ${formatInstant(timeMs)}, which a quorum signed`,
    `checked: ${count(receipts, 'release receipt')} by signature, line, time and consent; ${receipts - flaws.length} are covered`,
    ...flaws.map(
      ({ custodian, entry, flaw, timeMs: at }) =>
        `WRONG: ${printable(custodian.name ?? custodian.id.slice(0, 16))}, ${formatInstant(at)}, entry ${entry.slice(0, 16)}: ${FLAWS[flaw as ReceiptFlaw]}`,
    ),
    ...Object.entries(doubts).map(([doubt, number]) => `not shown: ${count(number, 'receipt')} ${DOUBTS[doubt as ReceiptDoubt]}`),
    ...(silent.length === 0
      ? ['checked: every custodian that may have released something answered']
      : silent.map(({ id, name, code }) => `no answer: ${printable(name ?? id.slice(0, 16))} (${code})`)),
    ...cannotShow.map(text => `cannot be shown: ${text}`),
  ]
}
