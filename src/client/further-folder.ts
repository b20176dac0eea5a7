/** A further folder of a wallet with an organisation that has one already: its owner asks, and nobody of the organisation has to. */
import { createFolderCodec, folderId, type Label, labelCommitment } from '../contracts/folders-formats.ts'
import { folderSealingKey, labelSalt, ownerKey, ownerKeyHash } from '../crypto/wallet.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { OPEN_FOLDER_DOMAIN, openFolderCodec, submitResponseCodec } from '../network/light-messages.ts'
import { findOwnedFolder, folderOwnerKey, GAP_LIMIT, type OwnedFolder, readFolder, scanFolders, type Wallet } from './folders.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/**
 * Opens a folder with the author organisation and the residency policy of one that the wallet has. Its organisation learns that both are one
 * owner's, as it does of what it enrols together; the label it is not told.
 *
 * Devices that share a wallet may do this at once: the ledger gives each owner key one folder, and who comes second takes the next key.
 * @param firstIndex first index whose keys were never handed out, by what this device knows
 * @returns the folder, and the first index after it
 * @throws EpioneError `recovery-keys-used-up`, `not-sponsored`, `over-folder-quota`, `too-many-offers`
 */
export async function openFurtherFolder(
  peer: LightPeer,
  wallet: Wallet,
  beside: OwnedFolder,
  label: Label,
  options: CallOptions & { firstIndex?: number } = {},
): Promise<{ owned: OwnedFolder; nextIndex: number }> {
  const used = (await scanFolders(peer, wallet, options)).nextIndex
  for (let index = Math.max(used, options.firstIndex ?? 0); ; index++) {
    if (index >= used + GAP_LIMIT) {
      throw new EpioneError(
        'too-many-offers',
        'Too many keys of this wallet were handed out and not used; have those folders opened first.',
      )
    }
    const recoveryKeyHash = wallet.recoveryKeyHashes[index]
    if (recoveryKeyHash === undefined) {
      throw new EpioneError(
        'recovery-keys-used-up',
        `This wallet holds recovery keys for ${wallet.recoveryKeyHashes.length} folders; restore it with both phrases to make more.`,
      )
    }
    const keyHash = ownerKeyHash(ownerKey(wallet.seed, index).publicKey)
    const body = createFolderCodec.encode({
      ownerKeyHash: keyHash,
      recoveryKeyHash,
      sealingKey: folderSealingKey(wallet.seed, index, 0).publicKey,
      labelCommitment: labelCommitment(labelSalt(wallet.seed, index), label),
      policy: beside.folder.policy,
    })
    const id = folderId(peer.chainId, keyHash)
    // Another device, or an organisation that was offered these keys, may have been quicker.
    if ((await readFolder(peer, id, options)) !== null) continue
    try {
      await ask(peer, wallet, beside, body, options)
    } catch (error) {
      if (errorCode(error) === 'exists') continue
      throw error
    }
    return { owned: await findOwnedFolder(peer, wallet, id, options), nextIndex: index + 1 }
  }
}

async function ask(peer: LightPeer, wallet: Wallet, beside: OwnedFolder, body: Uint8Array, options: CallOptions): Promise<void> {
  const content = openFolderCodec.encode({
    chainId: peer.chainId,
    folder: beside.id,
    peer: peer.nodes.network.networkKey,
    time: peer.now(),
    body,
  })
  const key = folderOwnerKey(wallet, beside)
  const signature = key.sign(concat(domain(OPEN_FOLDER_DOMAIN), content))
  const request = { type: 'open-folder' as const, value: { content, key: key.publicKey, signature } }
  const answer = await peer.askMember(beside.folder.author, request, options)
  await peer.outcome(submitResponseCodec.decode(answer).transaction, options)
}

/** The wallet's folders with this label and of this author. */
export function foldersLike(folders: readonly OwnedFolder[], author: Uint8Array, label: Label): OwnedFolder[] {
  return folders.filter(one => one.label === label && one.folder.status === 'open' && equalBytes(one.folder.author, author))
}
