/** `epione consent grant` */
import { scanFolders } from '../../src/client/folders.ts'
import { assertConfirmable } from '../confirm.ts'
import type { Context } from '../context.ts'
import { assertNote, grantDecision, type SharingGrantResult } from '../sharing-grant.ts'
import { decisionOf, readCard, recipientOf, type SharingOptions } from '../sharing-options.ts'
import { withWallet } from '../wallet-session.ts'

export interface ConsentGrantOptions extends SharingOptions {
  qr?: boolean
  yes?: boolean
  /** Id of a decision that was granted in part. */
  resume?: string
  /** Longest pause between two folders, in ms. */
  spread?: number
}

/** What `--json` prints. */
export type ConsentGrantResult = SharingGrantResult

export async function consentGrant(context: Context, options: ConsentGrantOptions): Promise<void> {
  const { signal } = context
  const { qr = false, yes = false, resume, spread } = options
  assertConfirmable(context, yes, 'somebody will be able to read')
  const card = await readCard(context, options)
  const note = options.note ?? card?.name ?? ''
  assertNote(note)
  await withWallet(context, async ({ peer, wallet }) => {
    const { grantee, sealingKey, role } = await recipientOf(context, peer, card, options)
    const { folders } = await scanFolders(peer, wallet, { signal })
    const decision = await decisionOf(context, peer, grantee, folders, options)
    await grantDecision(context, peer, wallet, { decision, folders, sealingKeyOf: () => sealingKey, role, note, yes, qr, resume, spread })
  })
}
