/** `epione access log` */
import { type AccessLog, type LoggedAccess, readAccessLog } from '../../src/client/access-log.ts'
import { listConsents, type OwnedConsent } from '../../src/client/consents.ts'
import { delegateName } from '../../src/client/delegation.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type AsOfResult, asOfResult, count, formatInstant, printable } from '../format.ts'
import { table } from '../output.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface AccessLogOptions {
  folder: string
  verify?: boolean
  limit: number
}

/** What `--json` prints. */
export interface AccessLogResult {
  /** The newest last. */
  entries: readonly {
    id: string
    index: number
    timeMs: number
    height: number
    untilMs: number
    /** Who answers for the reader; null where the owner read. */
    organisation: { id: string; name: string | null } | null
    /** From the opening that custodians keep; null where no custodian that answered released anything. */
    reader: { key: string; name: string | null; role: string } | null
    purpose: string | null
    consent: string | null
    /** What was released, after what the custodians signed. */
    released: { listed: boolean; records: number; submissions: number; custodians: readonly { id: string; name: string }[] }
  }[]
  /** Number of entries that the state proves. */
  total: number
  /** Custodians that did not answer: what they released alone is not shown. */
  silent: readonly { id: string; name: string }[]
  /** Release receipts that no entry covers. More than none means that a custodian broke its promise. */
  uncovered: readonly { custodian: { id: string; name: string }; entry: string; timeMs: number }[]
  /** What was checked, and whether all of it held. */
  verified: { holds: boolean; height: number; entries: number; receipts: number }
  /** What the answer was proven against: a certified header. */
  asOf: AsOfResult
}

type Entry = AccessLogResult['entries'][number]

/** @returns exit code 7 where a custodian released something that the log does not cover */
export async function accessLog(context: Context, options: AccessLogOptions): Promise<ExitCode> {
  const { signal, output } = context
  return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const [log, consents] = await Promise.all([
      readAccessLog(peer, wallet, owned, { signal }),
      listConsents(peer, wallet, owned, { signal }),
    ])
    const all = log.entries.map(logged => describeEntry(logged, consents))
    const entries = all.slice(-options.limit)
    const value: AccessLogResult = {
      entries,
      total: all.length,
      silent: log.silent.map(named),
      uncovered: log.uncovered.map(({ custodian, receipt }) => ({
        custodian: named(custodian),
        entry: toHex(receipt.entry),
        timeMs: receipt.time,
      })),
      verified: {
        holds: log.uncovered.length === 0,
        height: log.asOf.height,
        entries: all.length,
        receipts: log.entries.reduce((sum, { releases }) => sum + releases.length, 0) + log.uncovered.length,
      },
      asOf: asOfResult(log.asOf),
    }
    output.result(value, () => (entries.length === 0 ? [] : table([HEAD, ...entries.map(line)])))
    if (entries.length === 0) output.note('nobody has opened anything in this folder')
    if (entries.length < all.length) output.note(`${all.length - entries.length} older entries are not shown; raise --limit`)
    sayWhatIsMissing(context, log, value)
    if (options.verify === true) for (const text of checks(value)) output.note(text)
    return value.verified.holds ? EXIT.ok : EXIT.integrity
  })
}

const HEAD = ['when', 'who', 'as', 'at', 'why', 'what', 'consent', 'released by']

function named({ id, organisation }: { id: Uint8Array; organisation: { name: string } }): { id: string; name: string } {
  return { id: toHex(id), name: organisation.name }
}

function describeEntry({ id, entry, organisation, opening, releases }: LoggedAccess, consents: readonly OwnedConsent[]): Entry {
  const consent = consents.find(known => entry.consent !== null && equalBytes(known.id, entry.consent))
  const custodians = new Map(releases.map(({ custodian }) => [toHex(custodian.id), named(custodian)]))
  const contents = releases.filter(({ receipt }) => !receipt.listed)
  const leaves = new Set(contents.flatMap(({ receipt }) => receipt.leaves.map(leaf => `${toHex(receipt.submissionRoot)}/${leaf}`)))
  return {
    id: toHex(id),
    index: entry.index,
    timeMs: entry.time,
    height: entry.height,
    untilMs: entry.until,
    organisation: entry.organisation === null ? null : { id: toHex(entry.organisation), name: organisation?.organisation.name ?? null },
    reader: opening === null ? null : { key: toHex(opening.reader), name: readerName(opening.reader, entry, consent), role: opening.role },
    purpose: opening?.purpose ?? null,
    consent: entry.consent === null ? null : toHex(entry.consent),
    released: {
      listed: releases.some(({ receipt }) => receipt.listed),
      records: leaves.size,
      submissions: new Set(contents.map(({ receipt }) => toHex(receipt.submissionRoot))).size,
      custodians: [...custodians.values()],
    },
  }
}

/** The owner's note names whom a consent is for, where that is this one person. */
function readerName(reader: Uint8Array, entry: LoggedAccess['entry'], consent: OwnedConsent | undefined): string | null {
  if (entry.organisation === null && entry.consent === null) return 'you'
  if (entry.organisation === null) return `${delegateName(consent?.note ?? '') || 'a delegate'}, on your behalf`
  const grantee = consent?.provision?.grantee
  if (consent === undefined || consent.note === '' || grantee?.type !== 'person' || !equalBytes(grantee.value.key, reader)) return null
  return consent.note
}

function line({ timeMs, organisation, reader, purpose, consent, released }: Entry): string[] {
  const { records, listed, custodians } = released
  return [
    formatInstant(timeMs),
    reader === null ? '?' : printable(reader.name ?? `key ${reader.key.slice(0, 16)}`),
    reader?.role ?? '?',
    organisation === null ? '-' : printable(organisation.name ?? organisation.id.slice(0, 16)),
    purpose ?? '?',
    records > 0 ? count(records, 'record') : listed ? 'the list alone' : 'nothing released',
    consent === null ? '-' : consent.slice(0, 16),
    custodians.length === 0 ? '-' : custodians.map(({ name }) => printable(name)).join(', '),
  ]
}

function sayWhatIsMissing({ output }: Context, { silent, asOf }: AccessLog, { entries, uncovered }: AccessLogResult): void {
  if (silent.length > 0) {
    const names = silent.map(({ organisation }) => printable(organisation.name)).join(', ')
    output.warn(`${names} did not answer: what only they released is not shown, nor who it was and why`)
  }
  const unknown = entries.filter(({ reader }) => reader === null).length
  if (unknown > 0) {
    output.note(
      `${unknown} opened a session of which no custodian that answered released anything: who it was is known to their organisation`,
    )
  }
  if (asOf.stale) output.warn(`the newest block is ${Math.round(asOf.ageMs / 1000)} s old: later entries may be missing`)
  for (const { custodian, entry } of uncovered) {
    output.warn(`${printable(custodian.name)} released records under ${entry.slice(0, 16)}, which is no entry of the log`)
  }
}

function checks({ verified, silent, asOf }: AccessLogResult): string[] {
  return [
    `checked: ${verified.entries} entries of the log are all that there are, by the state of block ${verified.height}, which a quorum signed ${Math.round(asOf.ageMs / 1000)} s ago`,
    `checked: ${count(verified.receipts, 'release receipt')}, each signed by its custodian${verified.holds ? ' and covered by an entry' : ''}`,
    ...(silent.length === 0 ? ['checked: every custodian answered'] : []),
  ]
}
