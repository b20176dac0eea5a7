/** `epione sharing revoke` */
import { listSharings, revokeSharing } from '../../src/client/sharing.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { count } from '../format.ts'
import { sharingId } from '../sharing-grant.ts'
import { withWallet } from '../wallet-session.ts'

/** What `--json` prints. */
export interface SharingRevokeResult {
  status: 'committed'
  sharing: string
  revoked: readonly { consent: string; folder: string; height: number; effectiveMs: number }[]
}

export async function sharingRevoke(context: Context, _options: object, sharing: string): Promise<void> {
  const { signal, output } = context
  const id = sharingId(sharing)
  await withWallet(context, async ({ peer, wallet }) => {
    const { sharings, unreadable } = await listSharings(peer, wallet, { signal })
    const found = sharings.find(one => equalBytes(one.id, id))
    if (found === undefined) throw new EpioneError('not-found', 'This wallet has no sharing decision with this id.')
    const { revoked, failed } = await revokeSharing(peer, wallet, found, { signal })
    const value: SharingRevokeResult = {
      status: 'committed',
      sharing,
      revoked: revoked.map(({ consent, folder, height, timeMs }) => ({
        consent: toHex(consent),
        folder: toHex(folder),
        height,
        effectiveMs: timeMs,
      })),
    }
    if (failed.length > 0) {
      throw new EpioneError(
        'sharing-incomplete',
        `${count(failed.length, 'consent')} could not be taken back (${[...new Set(failed.map(({ code }) => code))].join(', ')}) and ${revoked.length} were; the same command tries again`,
        { metadata: { revoked: revoked.length, failed: failed.length } },
      )
    }
    output.result(value, () => [
      `${count(revoked.length, 'consent')} revoked: custodians refuse reads under them from now on, all of them within 75 s`,
    ])
    if (unreadable > 0) {
      output.warn(
        `${count(unreadable, 'consent')} of which no custodian that answered has the terms may belong to it too: epione consent list`,
      )
    }
  })
}
