/** `epione dispute withdraw` */
import { disputeLine, withdrawDispute, withdrawDisputeAsDelegate } from '../../src/client/open-dispute.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { disputerOf, type FolderOrDelegate } from '../disputer.ts'
import { idBytes, withOwnedFolder, withWallet } from '../wallet-session.ts'

export interface DisputeWithdrawOptions extends FolderOrDelegate {
  yes?: boolean
}

/** What `--json` prints. */
export interface DisputeWithdrawResult {
  dispute: string
  folder: string
  status: 'withdrawn'
  height: number
}

export async function disputeWithdraw(context: Context, options: DisputeWithdrawOptions, id: string): Promise<void> {
  const { signal, output } = context
  assertConfirmable(context, options.yes === true)
  const disputer = await disputerOf(context, options)
  const ask = async (): Promise<void> => {
    output.note('The statement goes out with the version no more. Custodians keep it for the owner alone.')
    await confirmed(context, options.yes === true, 'Take this dispute back?')
  }
  const done = (folder: Uint8Array, height: number): void => {
    const value: DisputeWithdrawResult = { dispute: id, folder: toHex(folder), status: 'withdrawn', height }
    output.result(value, () => [`withdrawn, at height ${height}`])
  }
  if ('share' in disputer) {
    const { share } = disputer
    return await withWallet(context, async ({ peer, wallet }) => {
      await ask()
      const { height } = await withdrawDisputeAsDelegate(peer, wallet, share, idBytes(id), { signal })
      done(share.folder, height)
    })
  }
  await withOwnedFolder(context, disputer.folder, async ({ peer, wallet, owned }) => {
    // What there is not is said before a question.
    await disputeLine(peer, owned.id, idBytes(id), { signal })
    await ask()
    const { height } = await withdrawDispute(peer, wallet, owned, idBytes(id), { signal })
    done(owned.id, height)
    output.note(`those who were told of it hear of this by: epione dispute notify ${id} --folder ${disputer.folder}`)
  })
}
