/** `epione emergency deposit` and `epione emergency withdraw` */
import { depositShares, withdrawShares } from '../../src/client/emergency-deposit.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { printable } from '../format.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export async function emergencyDeposit(context: Context, options: { folder: string }): Promise<void> {
  const { signal, output } = context
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const { committed, stored, failures } = await depositShares(peer, wallet, owned, { signal })
    const { n, k } = peer.parameters
    const missing = failures.map(({ custodian, code }) => ({ id: toHex(custodian.id), name: custodian.organisation.name, code }))
    output.result({ status: 'committed', folder: toHex(owned.id), stored, shares: n, needed: k, missing, height: committed.height }, () => [
      `${stored} of ${n} custodians hold a share of the key; ${k} of them open it, and fewer know nothing`,
    ])
    for (const { name, code } of missing) output.warn(`${printable(name)} did not take its share (${code})`)
    if (missing.length > 0) output.note('do it again once they are back; see who holds a share with: epione emergency status')
  })
}

export async function emergencyWithdraw(context: Context, options: { folder: string; yes?: boolean }): Promise<void> {
  const { signal, output } = context
  assertConfirmable(context, options.yes === true)
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    output.note('from then on nobody can open this folder in an emergency, however bad it is, until you share the key again')
    await confirmed(context, options.yes === true, 'Take the shares back?', 'nothing was taken back')
    const { height } = await withdrawShares(peer, wallet, owned, { signal })
    output.result({ status: 'committed', folder: toHex(owned.id), height }, () => ['taken back; custodians forget their shares'])
  })
}
