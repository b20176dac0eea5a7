/** `epione access log` */
import { resolve } from 'node:path'
import { type AccessReport, collectAccessEvidence, encodeEvidence, judgeEvidence } from '../../src/client/access-evidence.ts'
import { type AccessLog, readAccessLog } from '../../src/client/access-log.ts'
import { auditEventsOf } from '../../src/client/audit-events.ts'
import { listConsents } from '../../src/client/consents.ts'
import type { OwnedFolder, Wallet } from '../../src/client/folders.ts'
import { listVersions } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { type AccessFindings, findingLines, findingsOf } from '../access-findings.ts'
import { type AccessLine, accessTable, type KnownVersion, type KnownVersions, lineOfLog, placeName } from '../access-lines.ts'
import type { Context } from '../context.ts'
import { readCases } from '../emergency-cases.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type AsOfResult, asOfResult, count, printable } from '../format.ts'
import { writePrivateFile } from '../private-file.ts'
import { createProgress } from '../progress.ts'
import { ownReading } from '../reading.ts'
import { readTitles } from '../titles.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface AccessLogOptions {
  folder: string
  verify?: boolean
  records?: boolean
  limit: number
  out?: string
  fhir?: string
}

/** What `--json` prints. */
export interface AccessLogResult {
  /** The newest last. */
  entries: readonly AccessLine[]
  /** Number of entries that the state proves. */
  total: number
  /** Custodians that did not answer, and why: what they released alone is not shown. */
  silent: readonly { id: string; name: string; code: string }[]
  /** Release receipts that no entry covers. More than none means that a custodian broke its promise. */
  uncovered: readonly { custodian: { id: string; name: string }; entry: string; timeMs: number }[]
  /** What was checked, and whether all of it held. */
  verified: { holds: boolean; height: number; entries: number; receipts: number }
  /** With --verify, --out or --fhir: each receipt by line, time and consent. */
  findings: AccessFindings | null
  /** Line that the reading of titles left, with --records. */
  accessEntry: string | null
  /** What the answer was proven against: a certified header. */
  asOf: AsOfResult
}

/** @returns exit code 7 where a custodian released something that the log does not cover */
export async function accessLog(context: Context, options: AccessLogOptions): Promise<ExitCode> {
  const { signal, output } = context
  return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const titled = options.records === true ? await knownVersions(context, peer, wallet, owned) : null
    const known = titled?.known ?? new Map()
    const [{ log, report, bytes }, consents] = await Promise.all([
      read(context, options, { peer, wallet, owned }, known),
      listConsents(peer, wallet, owned, { signal }),
    ])
    const cases = await readCases(peer, wallet, owned, signal)
    const all = log.entries.map(logged => lineOfLog(logged, consents, known, cases.get(toHex(logged.id))))
    const entries = all.slice(-options.limit)
    const { n } = peer.parameters
    const findings = report === null ? null : findingsOf(report, Math.floor((n - 1) / 3))
    const value: AccessLogResult = {
      entries,
      total: all.length,
      silent: log.silent.map(({ code, ...one }) => ({ ...named(one), code })),
      uncovered: log.uncovered.map(({ custodian, receipt }) => ({
        custodian: named(custodian),
        entry: toHex(receipt.entry),
        timeMs: receipt.time,
      })),
      verified: {
        holds: log.uncovered.length === 0 && findings?.holds !== false,
        height: log.asOf.height,
        entries: all.length,
        receipts: log.entries.reduce((sum, { releases }) => sum + releases.length, 0) + log.uncovered.length,
      },
      findings,
      accessEntry: titled?.entry ?? null,
      asOf: asOfResult(log.asOf),
    }
    if (options.out !== undefined && bytes !== null) await writePrivateFile(resolve(options.out), [bytes])
    if (options.fhir !== undefined && report !== null) {
      const names = new Map(all.map(({ id, reader }) => [id, reader?.name ?? null]))
      const bundle = await auditEventsOf(report, {
        reader: ({ id }) => names.get(toHex(id)) ?? null,
        record: (root, leaf) => known.get(placeName(root, leaf))?.title ?? null,
      })
      await writePrivateFile(resolve(options.fhir), [utf8(`${JSON.stringify(bundle, null, 2)}\n`)])
    }
    output.result(value, () => accessTable(entries))
    sayWhatIsMissing(context, log, value)
    if (options.verify === true && findings !== null) for (const text of findingLines(findings)) output.note(text)
    return value.verified.holds ? EXIT.ok : EXIT.integrity
  })
}

interface Owner {
  readonly peer: LightPeer
  readonly wallet: Wallet
  readonly owned: OwnedFolder
}

/** The log; where it is to be judged, with its evidence. */
async function read(
  context: Context,
  options: AccessLogOptions,
  { peer, wallet, owned }: Owner,
  known: KnownVersions,
): Promise<{ log: AccessLog; report: AccessReport | null; bytes: Uint8Array | null }> {
  const { signal } = context
  if (options.verify !== true && options.out === undefined && options.fhir === undefined) {
    return { log: await readAccessLog(peer, wallet, owned, { signal }), report: null, bytes: null }
  }
  const progress = createProgress(context)
  const { log, evidence } = await collectAccessEvidence(peer, wallet, owned, {
    signal,
    onProgress: ({ phase, done, total }) => progress.show(() => `${phase}: ${done} of ${total}`),
  }).finally(() => progress.clear())
  const report = await judgeEvidence(
    evidence,
    async commit => await peer.verifyCommit(commit, { signal }),
    (root, leaf) => known.get(placeName(root, leaf)),
  )
  return { log, report, bytes: encodeEvidence(evidence) }
}

/** What lies where in the folder, read as its owner: that leaves a line of its own. */
async function knownVersions(
  context: Context,
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
): Promise<{ known: KnownVersions; entry: string }> {
  const { signal } = context
  const session = await openOwnSession(peer, wallet, owned, { signal })
  const listing = await listVersions(peer, session, { signal })
  const titles = await readTitles(context, ownReading(peer, session, listing), listing.versions)
  const known = new Map<string, KnownVersion>(
    listing.versions.map(listed => [
      placeName(listed.submission.root, listed.leaf),
      { recordId: listed.recordId, version: listed.version, title: titles.get(listed)?.title ?? null },
    ]),
  )
  return { known, entry: toHex(session.entryId) }
}

function named({ id, organisation }: { id: Uint8Array; organisation: { name: string } }): { id: string; name: string } {
  return { id: toHex(id), name: organisation.name }
}

function sayWhatIsMissing({ output }: Context, { silent, asOf }: AccessLog, { entries, total, uncovered }: AccessLogResult): void {
  if (entries.length === 0) output.note('nobody has opened anything in this folder')
  if (entries.length < total) output.note(`${total - entries.length} older entries are not shown; raise --limit`)
  if (silent.length > 0) {
    const names = silent.map(({ organisation }) => printable(organisation.name)).join(', ')
    output.warn(`${names} did not answer: what only they released is not shown, nor who it was and why`)
  }
  const unknown = entries.filter(({ reader }) => reader === null).length
  if (unknown > 0) {
    output.note(
      `${count(unknown, 'session')} of which no custodian that answered released anything: who opened it is known to their organisation`,
    )
  }
  if (asOf.stale) output.warn(`the newest block is ${Math.round(asOf.ageMs / 1000)} s old: later entries may be missing`)
  for (const { custodian, entry } of uncovered) {
    output.warn(`${printable(custodian.name)} released records under ${entry.slice(0, 16)}, which is no entry of the log`)
  }
}
