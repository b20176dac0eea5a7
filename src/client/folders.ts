/** Wallets and folders: enrolment with an organisation, and finding one's folders again from the seed alone. */

import {
  createFolderCodec,
  type Folder,
  folderCodec,
  folderId,
  LABELS,
  type Label,
  labelCommitment,
  labelSchema,
  ownerCodec,
} from '../contracts/folders-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { SEALING_PUBLIC_KEY_LENGTH, type SealingKey, sealingKeyFromSeed } from '../crypto/sealing.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { folderSealingKey, labelSalt, labelSaltFrom, ownerKey, ownerKeyHash, readingSeed, sealingSeedFrom } from '../crypto/wallet.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { byteString, codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { deskTransaction } from './desk.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** A scan ends after this many indices in a row without a folder (DESIGN: gap limit). */
export const GAP_LIMIT = 20
/** Folder keys for which a wallet holds the hash of a recovery key. */
export const RECOVERY_KEYS = 256

/** What a wallet took over from one that was lost: what opens its folders' past. */
export interface TakenOver {
  readonly readingSeed: Uint8Array
  readonly folders: readonly {
    readonly folder: Uint8Array
    /** Index of the folder's keys under that reading seed. */
    readonly keyIndex: number
    /** The last epoch whose keys are of that reading seed. */
    readonly lastEpoch: number
  }[]
}

/** What a patient's device holds: the owner seed, and of the recovery seed only the hashes of its public keys. */
export interface Wallet {
  readonly seed: Uint8Array
  /** Hash of recovery key i at position i. */
  readonly recoveryKeyHashes: readonly Uint8Array[]
  /** From the first wallet that was lost to the last; none, if left out. */
  readonly takenOver?: readonly TakenOver[] | undefined
}

/** One of a wallet's folders, as found in the ledger. */
export interface OwnedFolder {
  readonly index: number
  readonly id: Uint8Array
  readonly folder: Folder
  readonly label: Label
  readonly labelSalt: Uint8Array
}

export function folderOwnerKey(wallet: Wallet, folder: OwnedFolder): SigningKey {
  return ownerKey(wallet.seed, folder.index)
}

/** The folder's key pair of an epoch: opens what authors sealed to the folder. */
export function folderKey(wallet: Wallet, folder: OwnedFolder, epoch = folder.folder.epoch): SealingKey {
  return sealingKeyFromSeed(folderSeed(wallet, folder, epoch))
}

export function folderSeed(wallet: Wallet, folder: OwnedFolder, epoch = folder.folder.epoch): Uint8Array {
  for (const { readingSeed: former, folders } of wallet.takenOver ?? []) {
    const found = folders.find(known => equalBytes(known.folder, folder.id) && epoch <= known.lastEpoch)
    if (found !== undefined) return sealingSeedFrom(former, found.keyIndex, epoch)
  }
  return sealingSeedFrom(readingSeed(wallet.seed), folder.index, epoch)
}

/** Salt of a folder's label: of the wallet that opened the folder. */
function labelSaltOf(wallet: Wallet, id: Uint8Array, index: number): Uint8Array {
  for (const { readingSeed: former, folders } of wallet.takenOver ?? []) {
    const found = folders.find(({ folder }) => equalBytes(folder, id))
    if (found !== undefined) return labelSaltFrom(former, found.keyIndex)
  }
  return labelSaltFrom(readingSeed(wallet.seed), index)
}

/** A folder's label, found by its commitment; undefined where the salt is not the folder's. */
export function labelOf(folder: Folder, salt: Uint8Array): Label | undefined {
  return LABELS.find(candidate => equalBytes(labelCommitment(salt, candidate), folder.labelCommitment))
}

const enrolmentCodec = codec(
  struct({
    version: integer(1, 1),
    chainId: hash32,
    /** Account of the organisation that it is for. */
    organisation: hash32,
    folders: list(
      struct({
        ownerKeyHash: hash32,
        recoveryKeyHash: hash32,
        sealingKey: byteString(SEALING_PUBLIC_KEY_LENGTH, SEALING_PUBLIC_KEY_LENGTH),
        label: labelSchema,
        labelSalt: hash32,
      }),
      16,
      1,
    ),
  }),
  32 * 1024,
)
/** What a patient hands to an organisation: keys for new folders, and nothing that says who the patient is. */
export type Enrolment = Infer<typeof enrolmentCodec>

const ENROLMENT = 'epione-enrolment:'

export function encodeEnrolment(enrolment: Enrolment): string {
  return ENROLMENT + toBase64Url(enrolmentCodec.encode(enrolment))
}

/** @throws EpioneError `bad-enrolment` */
export function decodeEnrolment(value: string): Enrolment {
  try {
    if (!value.startsWith(ENROLMENT)) throw new Error('prefix')
    return enrolmentCodec.decode(fromBase64Url(value.slice(ENROLMENT.length)))
  } catch (error) {
    throw new EpioneError(
      'bad-enrolment',
      'This is not an enrolment; one begins with "epione-enrolment:" and is made by `epione enroll offer`.',
      { cause: error },
    )
  }
}

/** Keys for new folders with one organisation, from the wallet's first unused indices on. */
export function createEnrolment(
  wallet: Wallet,
  input: { chainId: Uint8Array; organisation: Uint8Array; firstIndex: number; labels: readonly Label[] },
): Enrolment {
  return {
    version: 1,
    chainId: input.chainId,
    organisation: input.organisation,
    folders: input.labels.map((label, i) => {
      const index = input.firstIndex + i
      const recoveryKeyHash = wallet.recoveryKeyHashes[index]
      if (recoveryKeyHash === undefined) {
        throw new EpioneError(
          'recovery-keys-used-up',
          `This wallet holds recovery keys for ${wallet.recoveryKeyHashes.length} folders; restore it with both phrases to make more.`,
        )
      }
      return {
        ownerKeyHash: ownerKeyHash(ownerKey(wallet.seed, index).publicKey),
        recoveryKeyHash,
        sealingKey: folderSealingKey(wallet.seed, index, 0).publicKey,
        label,
        labelSalt: labelSalt(wallet.seed, index),
      }
    }),
  }
}

/** What an author keeps to write into a folder. */
export interface FolderAddress {
  readonly id: Uint8Array
  readonly label: Label
  readonly labelSalt: Uint8Array
}

/** Opens the folders of an enrolment in the ledger, for the person's organisation as their author. */
export async function openFolders(
  peer: LightPeer,
  person: Person,
  enrolment: Enrolment,
  options: CallOptions & { policy?: string } = {},
): Promise<{ folders: FolderAddress[]; committed: Committed[] }> {
  if (!equalBytes(enrolment.chainId, peer.chainId)) throw new EpioneError('other-chain', 'The enrolment is for another network.')
  if (!equalBytes(enrolment.organisation, person.organisation))
    throw new EpioneError('bad-enrolment', 'The enrolment is for another organisation.')
  const policy = policyIndex(peer, options.policy)
  const committed = await Promise.all(
    enrolment.folders.map(async folder => {
      const body = createFolderCodec.encode({
        ownerKeyHash: folder.ownerKeyHash,
        recoveryKeyHash: folder.recoveryKeyHash,
        sealingKey: folder.sealingKey,
        labelCommitment: labelCommitment(folder.labelSalt, folder.label),
        policy,
      })
      return await deskTransaction(peer, person, { type: 'open-folder', value: { body } }, options)
    }),
  )
  return {
    folders: enrolment.folders.map(folder => ({
      id: folderId(peer.chainId, folder.ownerKeyHash),
      label: folder.label,
      labelSalt: folder.labelSalt,
    })),
    committed,
  }
}

function policyIndex(peer: LightPeer, name: string | undefined): number {
  if (name === undefined) return 0
  const { policies } = peer.parameters
  const index = policies.findIndex(policy => policy.name === name)
  if (index < 0) {
    throw new EpioneError(
      'unknown-policy',
      `This network has no residency policy "${name}"; it has: ${policies.map(policy => policy.name).join(', ')}.`,
    )
  }
  return index
}

/** A folder as the ledger has it, or null where there is none. */
export async function readFolder(peer: LightPeer, id: Uint8Array, options: CallOptions = {}): Promise<Folder | null> {
  const value = await peer.readOne(stateKey.folder(id), options)
  return value === null ? null : folderCodec.decode(value)
}

/** Finds a wallet's folders: the ledger maps each owner key's hash to its folder, and proves where there is none. */
export async function scanFolders(
  peer: LightPeer,
  wallet: Wallet,
  options: CallOptions = {},
): Promise<{ folders: OwnedFolder[]; nextIndex: number }> {
  const folders: OwnedFolder[] = []
  let nextIndex = 0
  for (let first = 0; first < nextIndex + GAP_LIMIT; first += GAP_LIMIT) {
    const indices = Array.from({ length: GAP_LIMIT }, (_, i) => first + i)
    const keys = indices.map(index => stateKey.owner(ownerKeyHash(ownerKey(wallet.seed, index).publicKey)))
    const { values } = await peer.read(keys, options)
    const found = indices.flatMap((index, i) => {
      const value = values[i]
      return value === null || value === undefined ? [] : [{ index, id: ownerCodec.decode(value) }]
    })
    if (found.length === 0) continue
    const states = await peer.read(
      found.map(({ id }) => stateKey.folder(id)),
      options,
    )
    found.forEach(({ index, id }, i) => {
      const value = states.values[i]
      if (value === null || value === undefined) return
      const folder = folderCodec.decode(value)
      nextIndex = Math.max(nextIndex, index + 1)
      // A key that a pending recovery keeps for its folder owns nothing yet.
      if (!equalBytes(folder.ownerKeyHash, ownerKeyHash(ownerKey(wallet.seed, index).publicKey))) return
      const salt = labelSaltOf(wallet, id, index)
      const label = labelOf(folder, salt)
      if (label !== undefined) folders.push({ index, id, folder, label, labelSalt: salt })
    })
  }
  return { folders, nextIndex }
}

/** One of the wallet's folders by id. @throws EpioneError `not-found` */
export async function findOwnedFolder(peer: LightPeer, wallet: Wallet, id: Uint8Array, options: CallOptions = {}): Promise<OwnedFolder> {
  const { folders } = await scanFolders(peer, wallet, options)
  const found = folders.find(folder => toHex(folder.id) === toHex(id))
  if (found === undefined) throw new EpioneError('not-found', 'This wallet owns no folder with this id.')
  return found
}
