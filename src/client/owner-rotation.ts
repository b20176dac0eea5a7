/** Another key of the same wallet as a folder's owner. */

import { rotateFolderCodec } from '../contracts/folders-formats.ts'
import { ownerKey, ownerKeyHash } from '../crypto/wallet.ts'
import { folderOwnerKey, type OwnedFolder, scanFolders, type Wallet } from './folders.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/**
 * Gives a folder to the wallet's next unused owner key. Recovery key, sealing keys and the label's salt stay those under which the folder was
 * opened or taken over, so that guardians, authors and readers need nothing new.
 */
export async function rotateOwner(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions & { firstIndex?: number } = {},
): Promise<{ index: number; committed: Committed }> {
  const { nextIndex } = await scanFolders(peer, wallet, options)
  const index = Math.max(nextIndex, options.firstIndex ?? 0)
  const { recoveryKeyHash } = owned.folder
  const body = rotateFolderCodec.encode({ ownerKeyHash: ownerKeyHash(ownerKey(wallet.seed, index).publicKey), recoveryKeyHash })
  const transaction = peer.sign(
    { from: { kind: 'folder', id: owned.id }, contract: 'folders', action: 'rotate', body },
    folderOwnerKey(wallet, owned),
  )
  return { index, committed: await peer.submit(transaction, options) }
}
