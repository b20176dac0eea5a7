/** `epione erase-all` */
import { type Erasure, eraseRecords } from '../../src/client/erase.ts'
import { markOf } from '../../src/client/erased.ts'
import { type OwnedFolder, scanFolders } from '../../src/client/folders.ts'
import { type Listing, listVersions } from '../../src/client/get.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { noteErasures } from '../erasure-book.ts'
import { type ErasureReport, erasureReport, progressLine, reportLines } from '../erasure-report.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { count, formatBytes } from '../format.ts'
import { homeOf } from '../home.ts'
import { table } from '../output.ts'
import { createProgress } from '../progress.ts'
import { byRecord } from '../reading.ts'
import { withWallet } from '../wallet-session.ts'

export interface EraseAllOptions {
  yes?: boolean
  /** How long to wait for the custodians of one folder, in ms. */
  wait: number
}

/** What `--json` prints. */
export interface EraseAllResult {
  status: 'erased' | 'pending'
  folders: readonly (ErasureReport & { folder: string; versions: number; heights: readonly number[]; accessEntry: string })[]
}

interface Found {
  readonly owned: OwnedFolder
  readonly listing: Listing
  readonly entry: string
}

/** @returns exit code 5 while a custodian has not signed */
export async function eraseAll(context: Context, options: EraseAllOptions): Promise<ExitCode> {
  assertConfirmable(context, options.yes === true)
  const { signal, output } = context
  return await withWallet(context, async ({ peer, wallet }) => {
    const { folders } = await scanFolders(peer, wallet, { signal })
    const found: Found[] = []
    const progress = createProgress(context)
    for (const owned of folders) {
      progress.show(() => `looked through ${found.length} of ${count(folders.length, 'folder')}`)
      const session = await openOwnSession(peer, wallet, owned, { signal })
      found.push({ owned, listing: await listVersions(peer, session, { signal }), entry: toHex(session.entryId) })
    }
    progress.clear()
    const doubtful = found.filter(({ listing }) => listing.incomplete.length > 0)
    if (doubtful.length > 0) {
      throw new EpioneError(
        'too-few-custodians',
        `Too few custodians answered to say what there is to erase in ${count(doubtful.length, 'folder')}; try again later.`,
      )
    }
    const full = found.filter(({ listing }) => listing.versions.length > 0)
    if (full.length === 0) throw new EpioneError('not-found', 'There is nothing to erase in the folders of this wallet.')
    for (const line of preview(full)) output.note(line)
    await confirmed(context, options.yes === true, 'Erase everything for good?')

    const rows: EraseAllResult['folders'][number][] = []
    for (const { owned, listing, entry } of full) {
      const { versions } = listing
      // First, so that what becomes of it can be asked although this is interrupted.
      await noteErasures(
        homeOf(context),
        owned.id,
        versions.map(version => ({ ...version, submission: version.submission.root, mark: markOf(version) })),
      )
      const erasure: Erasure = await eraseRecords(peer, wallet, owned, versions, {
        signal,
        waitMs: options.wait,
        onProgress: step => progress.show(() => `folder ${rows.length + 1} of ${full.length}: ${progressLine(step)}`),
      }).finally(() => progress.clear())
      rows.push({
        ...erasureReport(erasure),
        folder: toHex(owned.id),
        versions: versions.length,
        heights: erasure.committed.map(({ height }) => height),
        accessEntry: entry,
      })
    }
    const value: EraseAllResult = { status: rows.every(({ status }) => status === 'erased') ? 'erased' : 'pending', folders: rows }
    output.result(value, () =>
      rows.flatMap(row => [`folder ${row.folder}: erased ${count(row.versions, 'version')}`, ...reportLines(row).map(line => `  ${line}`)]),
    )
    if (value.status === 'erased') return EXIT.ok
    output.warn(
      'the orders stand and nobody honest gives anything out any more; see who is still missing: epione record erasure --folder <id>',
    )
    return EXIT.unhealthy
  })
}

function preview(found: readonly Found[]): string[] {
  const all = found.flatMap(({ listing }) => listing.versions)
  const bytes = all.reduce((sum, { meta }) => sum + meta.size, 0)
  return [
    `This destroys everything in ${count(found.length, 'folder')}: ${count(all.length, 'version')}, ${formatBytes(bytes)}, at every custodian, for good:`,
    '',
    ...table([
      ['folder', 'label', 'records', 'versions'],
      ...found.map(({ owned, listing }) => [
        toHex(owned.id).slice(0, 16),
        owned.label,
        String(byRecord(listing.versions).length),
        String(listing.versions.length),
      ]),
    ]),
    '',
    'Nobody can undo it: neither you, nor who wrote it. It does not reach what others have read already, nor the copies that authors keep.',
    'To take everything along first: epione export --out <folder>',
  ]
}
