/** `epione consent revoke` */
import { revokeConsent } from '../../src/client/consents.ts'
import type { Context } from '../context.ts'
import { idBytes, withOwnedFolder } from '../wallet-session.ts'

export interface ConsentRevokeOptions {
  folder: string
}

/** What `--json` prints. */
export interface ConsentRevokeResult {
  status: 'committed'
  consent: string
  height: number
  /** Time of the block in ms since the epoch: custodians that have it refuse from then on, all others within 75 s. */
  effectiveMs: number
}

export async function consentRevoke(context: Context, options: ConsentRevokeOptions, consent: string): Promise<void> {
  const { signal, output } = context
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const committed = await revokeConsent(peer, wallet, owned, idBytes(consent), { signal })
    const value: ConsentRevokeResult = { status: 'committed', consent, height: committed.height, effectiveMs: committed.time }
    output.result(value, () => [`revoked at height ${value.height}: custodians refuse reads under it from now on, all of them within 75 s`])
    output.note('what was read before cannot be unread; the access log says what that was: epione access log')
  })
}
