/** `epione consent grant` */
import { scanFolders } from '../../src/client/folders.ts'
import { decodeShare } from '../../src/client/identity.ts'
import { readCode } from '../codes.ts'
import { assertConfirmable } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type DelegateConsentResult, grantForOwner } from '../delegate-consent.ts'
import { assertNote, grantDecision, type SharingGrantResult } from '../sharing-grant.ts'
import { decisionOf, provisionFor, readCard, recipientOf, type SharingOptions } from '../sharing-options.ts'
import { withWallet } from '../wallet-session.ts'

export interface ConsentGrantOptions extends SharingOptions {
  /** Share code of a delegation, under which the wallet's holder grants for the folder's owner. */
  asDelegate?: string
  qr?: boolean
  yes?: boolean
  /** Id of a decision that was granted in part. */
  resume?: string
  /** Longest pause between two folders, in ms. */
  spread?: number
}

/** What `--json` prints: for one's own folders, or as a delegate. */
export type ConsentGrantResult = SharingGrantResult | DelegateConsentResult

export async function consentGrant(context: Context, options: ConsentGrantOptions): Promise<void> {
  const { signal } = context
  const { qr = false, yes = false, resume, spread, asDelegate } = options
  assertConfirmable(context, yes, 'somebody will be able to read')
  const card = await readCard(context, options)
  const delegation = asDelegate === undefined ? null : decodeShare(await readCode(context, asDelegate, 'epione-share:'))
  const note = options.note ?? card?.name ?? ''
  assertNote(note)
  await withWallet(context, async ({ peer, wallet }) => {
    const recipient = await recipientOf(context, peer, card, options)
    const { grantee, sealingKey, role } = recipient
    if (delegation !== null) {
      const provision = await provisionFor(context, peer, grantee, options)
      await grantForOwner(context, peer, wallet, { delegation, recipient, provision, note, yes, qr })
      return
    }
    const { folders } = await scanFolders(peer, wallet, { signal })
    const decision = await decisionOf(context, peer, grantee, folders, options)
    await grantDecision(context, peer, wallet, { decision, folders, sealingKeyOf: () => sealingKey, role, note, yes, qr, resume, spread })
  })
}
