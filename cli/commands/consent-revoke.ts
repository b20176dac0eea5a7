/** `epione consent revoke` */
import { revokeConsent } from '../../src/client/consents.ts'
import { revokeAndAdvance } from '../../src/client/epochs.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { leftWords, type NewEpochResult, newEpochResult } from '../new-epoch.ts'
import { idBytes, withOwnedFolder } from '../wallet-session.ts'

export interface ConsentRevokeOptions {
  folder: string
  /** End the consent and leave the folder's key as it is. */
  keepKey?: boolean
}

/** What `--json` prints. */
export interface ConsentRevokeResult {
  status: 'committed'
  consent: string
  height: number
  /** Time of the block in ms since the epoch: custodians that have it refuse from then on, all others within 75 s. */
  effectiveMs: number
  /** The folder's new key; null where none was asked for, or none could be brought in. */
  key: NewEpochResult | null
  /** Why the folder still has its old key, as an error code; null where it has not, or where that was asked for. */
  keyError: string | null
}

export async function consentRevoke(context: Context, options: ConsentRevokeOptions, consent: string): Promise<void> {
  const { signal, output } = context
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const id = idBytes(consent)
    const { committed, epoch, error } =
      options.keepKey === true
        ? { committed: await revokeConsent(peer, wallet, owned, id, { signal }), epoch: undefined, error: undefined }
        : await revokeAndAdvance(peer, wallet, owned, id, { signal })
    const key = epoch === undefined ? null : newEpochResult(epoch)
    const value: ConsentRevokeResult = {
      status: 'committed',
      consent,
      height: committed.height,
      effectiveMs: committed.time,
      key,
      keyError: error === undefined ? null : errorCode(error),
    }
    output.result(value, () => [
      `revoked at height ${value.height}: custodians refuse reads under it from now on, all of them within 75 s`,
      ...(key === null ? [] : [`the folder has a new key, epoch ${key.epoch}; ${key.rewrapped} other consents go on under it`]),
    ])
    if (value.keyError !== null)
      output.warn(
        `the folder keeps its key, which the reader has (${value.keyError}); custodians refuse all the same. A new key: epione folder rotate-key --folder ${options.folder}`,
      )
    if (key !== null) for (const line of leftWords(key)) output.warn(line)
    output.note('what was read before cannot be unread; the access log says what that was: epione access log')
  })
}
