/** Another key of the same wallet as a folder's owner. */

import { rotateFolderCodec } from '../contracts/folders-formats.ts'
import { ownerKey, ownerKeyHash } from '../crypto/wallet.ts'
import { EpioneError } from '../encoding/errors.ts'
import { folderOwnerKey, type OwnedFolder, scanFolders, type Wallet } from './folders.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/**
 * Gives a folder to the wallet's next unused owner key, and to the recovery key of the same number. Sealing keys and the label's salt
 * stay those under which the folder was opened, so that authors and readers need nothing new.
 * @throws EpioneError `recovery-keys-used-up` where the wallet holds no more hashes of recovery keys
 */
export async function rotateOwner(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions & { firstIndex?: number } = {},
): Promise<{ index: number; committed: Committed }> {
  const { nextIndex } = await scanFolders(peer, wallet, options)
  const index = Math.max(nextIndex, options.firstIndex ?? 0)
  const recoveryKeyHash = wallet.recoveryKeyHashes[index]
  if (recoveryKeyHash === undefined) {
    throw new EpioneError(
      'recovery-keys-used-up',
      `This wallet holds recovery keys for ${wallet.recoveryKeyHashes.length} folders; restore it with both phrases to make more.`,
    )
  }
  const body = rotateFolderCodec.encode({ ownerKeyHash: ownerKeyHash(ownerKey(wallet.seed, index).publicKey), recoveryKeyHash })
  const transaction = peer.sign(
    { from: { kind: 'folder', id: owned.id }, contract: 'folders', action: 'rotate', body },
    folderOwnerKey(wallet, owned),
  )
  return { index, committed: await peer.submit(transaction, options) }
}
