/**
 * New keys after a recovery. A finished recovery gives a folder to the new wallet, and leaves it under a key that whoever has the lost wallet
 * knows. The new wallet's own key takes its place by a new epoch, which brings the grants in force along.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { errorCode } from '../encoding/errors.ts'
import { advanceFolder, type NewEpoch } from './epochs.ts'
import { type OwnedFolder, scanFolders, type Wallet } from './folders.ts'
import type { LightPeer } from './light-peer.ts'
import { type SpreadOptions, spread } from './recovery.ts'

/** What became of one folder. */
export interface RenewedFolder {
  readonly owned: OwnedFolder
  /** Null where no epoch began. */
  readonly epoch: NewEpoch | null
  /** Why none began. */
  readonly code: string | null
}

/** The folders that a wallet took over and that are still under a lost wallet's key. */
export function foldersToRenew(wallet: Wallet, folders: readonly OwnedFolder[]): OwnedFolder[] {
  const known = (wallet.takenOver ?? []).flatMap(one => one.folders)
  return folders.filter(({ id, folder }) => known.some(one => equalBytes(one.folder, id) && folder.epoch <= one.lastEpoch))
}

/**
 * Starts an epoch under the wallet's own key in each folder that is still under a lost wallet's key, at random moments of a span. One that
 * fails does not keep the others waiting; the same call tries it again.
 */
export async function renewRecovered(
  peer: LightPeer,
  wallet: Wallet,
  options: Omit<SpreadOptions, 'onProgress'> & { folder?: Uint8Array } = {},
): Promise<RenewedFolder[]> {
  const { folders } = await scanFolders(peer, wallet, options)
  const { folder } = options
  const due = foldersToRenew(wallet, folders).filter(({ id }) => folder === undefined || equalBytes(id, folder))
  return await spread(due, options, undefined, async (owned): Promise<RenewedFolder> => {
    try {
      return { owned, epoch: await advanceFolder(peer, wallet, owned, options), code: null }
    } catch (error) {
      options.signal?.throwIfAborted()
      return { owned, epoch: null, code: errorCode(error) }
    }
  })
}
