/** `epione recovery veto` */
import { vetoRecovery } from '../../src/client/recovery.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface RecoveryVetoOptions {
  folder: string
  yes?: boolean
}

/** What `--json` prints. */
export interface RecoveryVetoResult {
  status: 'vetoed'
  folder: string
  height: number
}

export async function recoveryVeto(context: Context, options: RecoveryVetoOptions): Promise<void> {
  const { signal, output } = context
  assertConfirmable(context, options.yes === true)
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    await confirmed(
      context,
      options.yes === true,
      'Stop the recovery of this folder? You can do so once; the next one waits longer and cannot be stopped.',
    )
    const { height } = await vetoRecovery(peer, wallet, owned, { signal })
    const value: RecoveryVetoResult = { status: 'vetoed', folder: toHex(owned.id), height }
    output.result(value, () => [`vetoed at height ${height}: the folder stays with this wallet`])
    output.note('if somebody has your recovery phrase or enough shares, move to other guardians now: the next recovery cannot be vetoed')
  })
}
