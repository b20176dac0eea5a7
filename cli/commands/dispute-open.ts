/** `epione dispute open` */
import { resolve } from 'node:path'
import { listVersions } from '../../src/client/get.ts'
import { openDispute } from '../../src/client/open-dispute.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { MAX_STATEMENT } from '../../src/contracts/disputes-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { readText } from '../files.ts'
import { formatDay, printable } from '../format.ts'
import { nothingToRead, ownReading, versionsOf } from '../reading.ts'
import { readTitles } from '../titles.ts'
import { idBytes, withOwnedFolder } from '../wallet-session.ts'

export interface DisputeOpenOptions {
  folder: string
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
  const { signal, output } = context
  assertConfirmable(context, options.yes === true)
  const statement = (await readText(resolve(options.statement), 4 * MAX_STATEMENT)).trim()
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const session = await openOwnSession(peer, wallet, owned, { signal })
    const listing = await listVersions(peer, session, { signal })
    const versions = versionsOf(listing.versions, idBytes(record))
    const version = options.recordVersion === undefined ? versions.at(-1) : versions.find(one => one.version === options.recordVersion)
    if (versions.length === 0) nothingToRead(listing)
    if (version === undefined) throw new EpioneError('not-found', `This record has no version ${options.recordVersion}.`)
    if (options.yes !== true) {
      const titles = await readTitles(context, ownReading(peer, session, listing), [version])
      const author = await peer.member(version.submission.anchor.author, { signal })
      output.note(`You say that this is wrong: ${printable(titles.get(version)?.title ?? record.slice(0, 16))}, version ${version.version}`)
      output.note(`${printable(author.organisation.name)}, which wrote it, and everybody who may read it will see your words:`)
      for (const line of statement.split('\n')) output.note(`  ${printable(line)}`)
    }
    await confirmed(context, options.yes === true, 'Dispute it?')
    const opened = await openDispute(peer, wallet, owned, { version, statement }, { signal })
    const value: DisputeOpenResult = {
      dispute: toHex(opened.id),
      folder: options.folder,
      record,
      version: version.version,
      height: opened.committed.height,
      dueMs: opened.due,
      custodians: opened.stored,
      accessEntry: toHex(session.entryId),
    }
    output.result(value, () => [
      `dispute ${value.dispute}, at height ${value.height}`,
      `its author has until ${formatDay(value.dueMs)} to answer; see: epione dispute list --folder ${options.folder}`,
    ])
  })
}
