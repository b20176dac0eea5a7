/** `epione record move`, `epione record restrict` and `epione record unrestrict` */
import { listConsents } from '../../src/client/consents.ts'
import { type ErasureSelection, versionsToErase } from '../../src/client/erase.ts'
import { findOwnedFolder, type OwnedFolder, scanFolders } from '../../src/client/folders.ts'
import { foldersLike, openFurtherFolder } from '../../src/client/further-folder.ts'
import { listVersions } from '../../src/client/get.ts'
import { type MoveProgress, type MoveResult, moveRecords } from '../../src/client/move.ts'
import { openOwnSession } from '../../src/client/session.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type ErasureReport, erasureReport, progressLine, reportLines } from '../erasure-report.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { count } from '../format.ts'
import { createProgress } from '../progress.ts'
import { byRecord } from '../reading.ts'
import { idBytes, type WalletSession, withOwnedFolder } from '../wallet-session.ts'
import { writeWalletState } from '../wallet-state.ts'

interface Options {
  /** Folder where the record is now. */
  folder: string
  submission?: string
  all?: boolean
  yes?: boolean
  /** How long to wait for custodians, in ms. */
  wait: number
}

export interface RecordMoveOptions extends Options {
  to: string
}

export interface RecordRestrictOptions extends Options {
  label: Label
}

export interface RecordUnrestrictOptions extends Options {
  to?: string
}

/** What `--json` prints. */
export interface RecordMoveResult {
  from: string
  to: string
  label: Label
  records: readonly { record: string; version: number }[]
  /** Versions that stay and were anchored anew, so that no gap shows. */
  kept: number
  manifests: number
  /** Heights of the anchors that were made. */
  heights: readonly number[]
  /** Disputes that went along with their versions. */
  disputes: readonly { from: string; folder: string; to: string }[]
  erasure: ErasureReport
}

type OwnedSession = WalletSession & { owned: OwnedFolder }

/** To a folder of the wallet that is named. */
export async function recordMove(context: Context, options: RecordMoveOptions, record: string | undefined): Promise<ExitCode> {
  return await move(context, options, record, async ({ peer, wallet }) => ({
    label: undefined,
    target: await findOwnedFolder(peer, wallet, idBytes(options.to), { signal: context.signal }),
  }))
}

/** To the wallet's folder with a label at the same organisation, which is opened where there is none. */
export async function recordRestrict(context: Context, options: RecordRestrictOptions, record: string | undefined): Promise<ExitCode> {
  return await move(context, options, record, async ({ peer, wallet, owned }) => {
    if (owned.label === options.label) throw new EpioneError('same-folder', `the folder has the label ${options.label} already`)
    const { folders } = await scanFolders(peer, wallet, { signal: context.signal })
    return { label: options.label, target: foldersLike(folders, owned.folder.author, options.label)[0] }
  })
}

/** Back to the wallet's one folder of the same organisation with the label `normal`, or to the one that is named. */
export async function recordUnrestrict(context: Context, options: RecordUnrestrictOptions, record: string | undefined): Promise<ExitCode> {
  return await move(context, options, record, async ({ peer, wallet, owned }) => {
    const { folders } = await scanFolders(peer, wallet, { signal: context.signal })
    if (options.to !== undefined) {
      return { label: undefined, target: await findOwnedFolder(peer, wallet, idBytes(options.to), { signal: context.signal }) }
    }
    const normal = foldersLike(folders, owned.folder.author, 'normal').filter(({ id }) => !equalBytes(id, owned.id))
    if (normal.length > 1) throw new EpioneError('missing-option', 'the organisation has several folders of yours; name one with --to')
    return { label: 'normal', target: normal[0] }
  })
}

/** @param choose the folder to which it goes, or, where there is none, the label of the one to open */
async function move(
  context: Context,
  options: Options,
  record: string | undefined,
  choose: (session: OwnedSession) => Promise<{ label: Label | undefined; target: OwnedFolder | undefined }>,
): Promise<ExitCode> {
  const selection = selectionOf(options, record)
  assertConfirmable(context, options.yes === true, 'others may read it there')
  const { signal, output } = context
  return await withOwnedFolder(context, options.folder, async session => {
    const { peer, wallet, owned, path, state } = session
    const { label, target: found } = await choose(session)
    const own = await openOwnSession(peer, wallet, owned, { signal })
    const { versions, manifests } = await versionsToErase(peer, own, await listVersions(peer, own, { signal }), selection, { signal })
    const readers = found === undefined ? 0 : await readersOf(session, found, signal)
    const records = byRecord(versions).length
    for (const line of preview(records, label ?? found?.label ?? 'normal', readers, manifests.length)) output.note(line)
    await confirmed(context, options.yes === true, 'Move this?', 'nothing was moved')

    const progress = createProgress(context)
    let result: MoveResult
    let target: OwnedFolder
    try {
      if (found === undefined) {
        progress.show(() => 'opening a folder')
        const opened = await openFurtherFolder(peer, wallet, owned, label as Label, { signal, firstIndex: state.nextIndex })
        await writeWalletState(path, { ...state, nextIndex: Math.max(state.nextIndex, opened.nextIndex) })
        target = opened.owned
      } else target = found
      result = await moveRecords(peer, wallet, owned, target, selection, {
        signal,
        waitMs: options.wait,
        onProgress: step => progress.show(() => words(step)),
      })
    } finally {
      progress.clear()
    }
    const value: RecordMoveResult = {
      from: options.folder,
      to: toHex(target.id),
      label: target.label,
      records: result.moved.map(({ recordId, version }) => ({ record: toHex(recordId), version })),
      kept: result.kept,
      manifests: result.manifests,
      heights: result.anchored.map(({ height }) => height),
      disputes: result.disputes.carried.map(({ from, folder, to }) => ({ from: toHex(from), folder: toHex(folder), to: toHex(to) })),
      erasure: erasureReport(result.erasure),
    }
    output.result(value, () => [
      `moved        ${count(result.moved.length, 'version')} of ${count(byRecord(result.moved).length, 'record')}`,
      `to folder    ${value.to} (${value.label})`,
      ...value.disputes.map(({ folder, to }) => `dispute      goes on as ${to} in folder ${folder}`),
      ...reportLines(value.erasure),
    ])
    if (result.disputes.left.length > 0)
      output.warn(
        `of ${count(result.disputes.left.length, 'dispute')} no custodian showed the words: what they are about did not go along; see: epione dispute list`,
      )
    if (value.erasure.status === 'erased') return EXIT.ok
    output.warn(
      'the order stands and nobody honest gives it out any more under the old folder; see later who is missing: epione record erasure',
    )
    return EXIT.unhealthy
  })
}

/** Consents in force on a folder: their grantees will read what comes into it. */
async function readersOf({ peer, wallet }: WalletSession, folder: OwnedFolder, signal: AbortSignal): Promise<number> {
  const consents = await listConsents(peer, wallet, folder, { signal })
  return consents.filter(({ line }) => line.status === 'active' && line.expiry > peer.now()).length
}

function words({ phase, done, total }: MoveProgress): string {
  if (phase === 'erasing') return progressLine({ phase: 'collecting', done, total })
  return `${phase === 'moving' ? 'moving' : 'anchoring anew what stays'}: ${done} of ${total}`
}

function selectionOf({ submission, all }: Options, record: string | undefined): ErasureSelection {
  const ways = [record, submission, all].filter(way => way !== undefined).length
  if (ways !== 1) {
    throw new EpioneError(
      ways === 0 ? 'missing-argument' : 'conflicting-option',
      'say what to move, in one way: the id of a record, --submission <root>, or --all',
    )
  }
  if (submission !== undefined) return { submissions: [idBytes(submission)] }
  return record === undefined ? { all: true } : { records: [{ recordId: idBytes(record) }] }
}

/** What is about to happen, in plain words. */
function preview(records: number, label: Label, readers: number, manifests: number): string[] {
  return [
    `This moves ${count(records, 'record')}, with all versions, to your folder "${label}" of the same organisation.`,
    'Whoever may read the folder where it is now will find nothing of it there: no count, no gap, no refusal.',
    readers === 0
      ? 'Nobody but you may read the other folder now.'
      : `In the other folder ${count(readers, 'consent')} ${readers === 1 ? 'is' : 'are'} in force: who has one may read it there.`,
    ...(manifests === 0
      ? []
      : [
          `With it ${count(manifests, 'document')} can no longer be given back as a whole, for a part of it goes; the rest stays readable.`,
        ]),
    'What others have read already is not reached, nor the copy that its author keeps. Who kept a list of the old folder can see that something went, not what, nor why.',
  ]
}
