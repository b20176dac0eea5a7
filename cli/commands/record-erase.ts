/** `epione record erase` */
import { type ErasureSelection, eraseRecords, versionsToErase } from '../../src/client/erase.ts'
import { markOf } from '../../src/client/erased.ts'
import { type ListedVersion, listVersions } from '../../src/client/get.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { noteErasures } from '../erasure-book.ts'
import { type ErasureReport, erasureReport, progressLine, reportLines } from '../erasure-report.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { count, formatBytes, formatDay } from '../format.ts'
import { homeOf } from '../home.ts'
import { table } from '../output.ts'
import { createProgress } from '../progress.ts'
import { byRecord, ownReading, type Reading } from '../reading.ts'
import { readTitles, type Title } from '../titles.ts'
import { idBytes, withOwnedFolder } from '../wallet-session.ts'

export interface RecordEraseOptions {
  folder: string
  /** Exactly one of this, `all` and the argument `record`. */
  submission?: string
  all?: boolean
  recordVersion?: number
  yes?: boolean
  /** How long to wait for custodians, in ms. */
  wait: number
}

/** What `--json` prints. */
export interface RecordEraseResult extends ErasureReport {
  folder: string
  versions: readonly { record: string; version: number; submission: string; mark: string }[]
  /** Bundle manifests among them: they hold a digest of the whole. */
  manifests: number
  /** Heights of the orders; empty where all had been ordered before. */
  heights: readonly number[]
  accessEntry: string
}

/** Versions that the preview names one by one. */
const NAMED = 20

export async function recordErase(context: Context, options: RecordEraseOptions, record: string | undefined): Promise<ExitCode> {
  const selection = selectionOf(options, record)
  assertConfirmable(context, options.yes === true)
  const { signal, output } = context
  return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const session = await openOwnSession(peer, wallet, owned, { signal })
    const one = 'submissions' in selection ? { submission: selection.submissions[0] as Uint8Array } : {}
    const listing = await listVersions(peer, session, { signal, ...one })
    const { versions, manifests } = await versionsToErase(peer, session, listing, selection, { signal })
    const titles = options.yes === true ? new Map() : await titlesOf(context, ownReading(peer, session, listing), versions)
    for (const line of preview(versions, manifests.length, version => titles.get(version)?.title ?? '')) output.note(line)
    await confirmed(context, options.yes === true, 'Erase this for good?')

    const all = [...versions, ...manifests]
    const entries = all.map(version => ({
      recordId: version.recordId,
      version: version.version,
      submission: version.submission.root,
      mark: markOf(version),
    }))
    // First, so that what becomes of it can be asked although this is interrupted.
    await noteErasures(homeOf(context), owned.id, entries)
    const progress = createProgress(context)
    const erasure = await eraseRecords(peer, wallet, owned, all, {
      signal,
      waitMs: options.wait,
      onProgress: step => progress.show(() => progressLine(step)),
    }).finally(() => progress.clear())
    const value: RecordEraseResult = {
      ...erasureReport(erasure),
      folder: options.folder,
      versions: entries.map(({ recordId, version, submission, mark }) => ({
        record: toHex(recordId),
        version,
        submission: toHex(submission),
        mark: toHex(mark),
      })),
      manifests: manifests.length,
      heights: erasure.committed.map(({ height }) => height),
      accessEntry: toHex(session.entryId),
    }
    output.result(value, () => [
      `erased       ${count(all.length, 'version')}${value.heights.length === 0 ? ', ordered before' : ` by order at height ${value.heights.join(', ')}`}`,
      ...reportLines(value),
    ])
    if (value.status === 'erased') return EXIT.ok
    output.warn('the order stands and nobody honest gives it out any more; see later who is still missing: epione record erasure')
    return EXIT.unhealthy
  })
}

/** What the first versions are about. What cannot be read can be erased all the same. */
async function titlesOf(context: Context, reading: Reading, versions: readonly ListedVersion[]): Promise<Map<ListedVersion, Title>> {
  try {
    return await readTitles(context, reading, versions.slice(0, NAMED))
  } catch (error) {
    context.signal.throwIfAborted()
    context.output.warn(`what these records say could not be read (${errorCode(error)})`)
    return new Map()
  }
}

function selectionOf({ submission, all, recordVersion }: RecordEraseOptions, record: string | undefined): ErasureSelection {
  const ways = [record, submission, all].filter(way => way !== undefined).length
  if (ways !== 1) {
    throw new EpioneError(
      ways === 0 ? 'missing-argument' : 'conflicting-option',
      'say what to erase, in one way: the id of a record, --submission <root>, or --all',
    )
  }
  if (submission !== undefined) return { submissions: [idBytes(submission)] }
  if (record === undefined) return { all: true }
  return { records: [{ recordId: idBytes(record), ...(recordVersion === undefined ? {} : { version: recordVersion }) }] }
}

/** What is about to happen, in plain words. */
export function preview(versions: readonly ListedVersion[], manifests: number, titleOf: (version: ListedVersion) => string): string[] {
  const records = byRecord(versions).length
  const bytes = versions.reduce((sum, { meta }) => sum + meta.size, 0)
  return [
    `This destroys ${count(versions.length, 'version')} of ${count(records, 'record')}, ${formatBytes(bytes)}, at every custodian, for good:`,
    '',
    ...table([
      ['record', 'version', 'class', 'date', 'stored', ''],
      ...versions
        .slice(0, NAMED)
        .map(version => [
          toHex(version.recordId).slice(0, 16),
          String(version.version),
          version.class,
          version.dataTime === null ? '-' : formatDay(version.dataTime),
          formatBytes(version.meta.size),
          titleOf(version),
        ]),
    ]),
    ...(versions.length > NAMED ? [`and ${versions.length - NAMED} more`] : []),
    '',
    ...(manifests === 0
      ? []
      : [
          `With it ${count(manifests, 'document')} can no longer be given back as a whole, for a part of it goes; the rest of it stays readable.`,
        ]),
    'Nobody can undo it: neither you, nor who wrote it. It does not reach what others have read already, nor the copy that its author keeps.',
  ]
}
