/** `epione dispute open` */
import { resolve } from 'node:path'
import { openDelegateSession } from '../../src/client/delegation.ts'
import { listVersions } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { type DisputeInput, type OpenedDispute, openDispute, openDisputeAsDelegate } from '../../src/client/open-dispute.ts'
import { openOwnSession, type Session } from '../../src/client/session.ts'
import { MAX_STATEMENT } from '../../src/contracts/disputes-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { disputerOf, type FolderOrDelegate } from '../disputer.ts'
import { readText } from '../files.ts'
import { formatDay, printable } from '../format.ts'
import { nothingToRead, ownReading, versionsOf } from '../reading.ts'
import { readTitles } from '../titles.ts'
import { idBytes, withOwnedFolder, withWallet } from '../wallet-session.ts'

export interface DisputeOpenOptions extends FolderOrDelegate {
  recordVersion?: number
  statement: string
  yes?: boolean
}

/** What `--json` prints. */
export interface DisputeOpenResult {
  dispute: string
  folder: string
  record: string
  version: number
  height: number
  /** Day by which the author has to answer, in ms since the epoch. */
  dueMs: number
  custodians: number
  accessEntry: string
}

export async function disputeOpen(context: Context, options: DisputeOpenOptions, record: string): Promise<void> {
  const { signal } = context
  assertConfirmable(context, options.yes === true)
  const disputer = await disputerOf(context, options)
  const statement = (await readText(resolve(options.statement), 4 * MAX_STATEMENT)).trim()
  if ('share' in disputer) {
    const { share } = disputer
    return await withWallet(context, async ({ peer, wallet }) => {
      const session = await openDelegateSession(peer, wallet, share, { signal })
      await dispute(
        context,
        options,
        { peer, session, record, statement, behalf: true },
        async input => await openDisputeAsDelegate(peer, wallet, share, input, { signal }),
      )
    })
  }
  await withOwnedFolder(context, disputer.folder, async ({ peer, wallet, owned }) => {
    const session = await openOwnSession(peer, wallet, owned, { signal })
    await dispute(
      context,
      options,
      { peer, session, record, statement, behalf: false },
      async input => await openDispute(peer, wallet, owned, input, { signal }),
    )
  })
}

async function dispute(
  context: Context,
  options: DisputeOpenOptions,
  { peer, session, record, statement, behalf }: { peer: LightPeer; session: Session; record: string; statement: string; behalf: boolean },
  open: (input: DisputeInput) => Promise<OpenedDispute>,
): Promise<void> {
  const { signal, output } = context
  const listing = await listVersions(peer, session, { signal })
  const versions = versionsOf(listing.versions, idBytes(record))
  const version = options.recordVersion === undefined ? versions.at(-1) : versions.find(one => one.version === options.recordVersion)
  if (versions.length === 0) nothingToRead(listing)
  if (version === undefined) throw new EpioneError('not-found', `This record has no version ${options.recordVersion}.`)
  if (options.yes !== true) {
    const reading = { ...ownReading(peer, session, listing), own: !behalf }
    const titles = await readTitles(context, reading, [version])
    const author = await peer.member(version.submission.anchor.author, { signal })
    const title = printable(titles.get(version)?.title ?? record.slice(0, 16))
    output.note(`You say${behalf ? ' on behalf of the patient' : ''} that this is wrong: ${title}, version ${version.version}`)
    output.note(`${printable(author.organisation.name)}, which wrote it, and everybody who may read it will see your words:`)
    for (const line of statement.split('\n')) output.note(`  ${printable(line)}`)
  }
  await confirmed(context, options.yes === true, 'Dispute it?')
  const opened = await open({ version, statement })
  const value: DisputeOpenResult = {
    dispute: toHex(opened.id),
    folder: toHex(session.folder),
    record,
    version: version.version,
    height: opened.committed.height,
    dueMs: opened.due,
    custodians: opened.stored,
    accessEntry: toHex(session.entryId),
  }
  const later = behalf ? 'the owner sees what comes of it' : `see: epione dispute list --folder ${value.folder}`
  output.result(value, () => [
    `dispute ${value.dispute}, at height ${value.height}`,
    `its author has until ${formatDay(value.dueMs)} to answer; ${later}`,
  ])
}
