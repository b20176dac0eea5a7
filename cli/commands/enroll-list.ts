/** `epione enroll list` */
import { scanFolders } from '../../src/client/folders.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, printable } from '../format.ts'
import { table } from '../output.ts'
import { withWallet } from '../wallet-session.ts'

/** What `--json` prints. */
export interface EnrollListResult {
  folders: readonly {
    folder: string
    label: string
    index: number
    organisation: { id: string; name: string; jurisdiction: string } | null
    status: string
    epoch: number
  }[]
  /** Keys that were handed out and of which no folder came yet. */
  waiting: number
  asOf: AsOfResult
}

export async function enrollList(context: Context): Promise<void> {
  const { signal, output } = context
  await withWallet(context, async ({ peer, wallet, state }) => {
    const { folders, nextIndex } = await scanFolders(peer, wallet, { signal })
    const members = await peer.members({ signal })
    const { asOf } = await peer.head({ signal })
    const value: EnrollListResult = {
      folders: folders.map(({ id, label, index, folder }) => {
        const author = members.find(member => equalBytes(member.id, folder.author))
        return {
          folder: toHex(id),
          label,
          index,
          organisation:
            author === undefined
              ? null
              : { id: toHex(author.id), name: author.organisation.name, jurisdiction: author.organisation.jurisdiction },
          status: folder.status,
          epoch: folder.epoch,
        }
      }),
      waiting: Math.max(0, state.nextIndex - nextIndex),
      asOf: asOfResult(asOf),
    }
    output.result(value, () =>
      table(
        value.folders.map(({ folder, label, organisation, status }) => [
          folder,
          label,
          organisation === null ? 'unknown organisation' : `${printable(organisation.name)} (${organisation.jurisdiction})`,
          ...(status === 'open' ? [] : [status]),
        ]),
      ),
    )
    if (value.folders.length === 0) output.note('this wallet has no folders yet; offer keys for one with: epione enroll offer')
    if (value.waiting > 0) output.note(`offered and not accepted yet: ${value.waiting}`)
  })
}
