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
import { type SealingOpener, sealingKeyFromSeed, sealingOpener } from '../crypto/sealing.ts'
import { sealingPublicKeySchema, suiteOf } from '../crypto/sealing-suites.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { folderSealingKey, folderSealingSeed, labelSalt, labelSaltFrom, ownerKey, ownerKeyHash, sealingSeedFrom } from '../crypto/wallet.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { deskHeld, deskTransaction } from './desk.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { randomFraction, spreadDelay } from './spread.ts'

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
    /** Index of the folder's keys in the wallet that took it over, for the epochs from then on. */
    readonly nextKeyIndex: number
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
  /** Index of its present owner key. */
  readonly index: number
  /** Index under which the wallet opened it or took it over: sealing keys and the label's salt stay with it when the owner key changes. */
  readonly keyIndex: number
  readonly id: Uint8Array
  readonly folder: Folder
  readonly label: Label
  readonly labelSalt: Uint8Array
}

/** The key that signs a folder's acts. */
export function folderOwnerKey(wallet: Wallet, folder: OwnedFolder): SigningKey {
  return ownerKey(wallet.seed, folder.index)
}

/** Opens what was sealed to the folder in an epoch, under whichever suite it was. */
export function folderOpener(wallet: Wallet, folder: OwnedFolder, epoch: number): SealingOpener {
  return sealingOpener(folderSeed(wallet, folder, epoch))
}

/** A public key to which the folder's key of an epoch is the private half, in the suite of the present one. */
export function folderPublicKey(wallet: Wallet, folder: OwnedFolder, epoch: number): Uint8Array {
  return sealingKeyFromSeed(folderSeed(wallet, folder, epoch), suiteOf(folder.folder.sealingKey)).publicKey
}

/** The private half of the folder's key of an epoch: the wallet's own, or that of a lost one whose epoch it was. */
export function folderSeed(wallet: Wallet, { id, keyIndex }: Pick<OwnedFolder, 'id' | 'keyIndex'>, epoch: number): Uint8Array {
  for (const { readingSeed: former, folders } of wallet.takenOver ?? []) {
    const found = folders.find(({ folder, lastEpoch }) => equalBytes(folder, id) && epoch <= lastEpoch)
    if (found !== undefined) return sealingSeedFrom(former, found.keyIndex, epoch)
  }
  return folderSealingSeed(wallet.seed, keyIndex, epoch)
}

/** Salt of a folder's label: of the wallet that opened the folder. */
function labelSaltOf(wallet: Wallet, id: Uint8Array, index: number): Uint8Array {
  for (const { readingSeed: former, folders } of wallet.takenOver ?? []) {
    const found = folders.find(({ folder }) => equalBytes(folder, id))
    if (found !== undefined) return labelSaltFrom(former, found.keyIndex)
  }
  return labelSalt(wallet.seed, index)
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
        sealingKey: sealingPublicKeySchema,
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

/** An enrolment as text, for a QR code or a message to the organisation: public keys alone. */
export function encodeEnrolment(enrolment: Enrolment): string {
  return ENROLMENT + toBase64Url(enrolmentCodec.encode(enrolment))
}

/** Inverse of {@link encodeEnrolment}. @throws EpioneError `bad-enrolment` */
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

/** What became of an enrolment's folders. */
export interface OpenedFolders {
  readonly folders: FolderAddress[]
  /** Of those that are open. */
  readonly committed: Committed[]
  /** Folders that the organisation's node opens later, and by when, in ms of its clock. */
  readonly later: readonly { readonly id: Uint8Array; readonly transaction: Uint8Array; readonly byMs: number }[]
}

/**
 * Opens the folders of an enrolment in the ledger, for the person's organisation as their author. With `spreadMs` the organisation's node opens each
 * at a time of its own within that span (ms, at most 50 minutes): folders that come together tell that they are one person's. A node that is
 * restarted meanwhile forgets them; the same call again opens what is missing.
 */
export async function openFolders(
  peer: LightPeer,
  person: Person,
  enrolment: Enrolment,
  options: CallOptions & { policy?: string; spreadMs?: number } = {},
): Promise<OpenedFolders> {
  if (!equalBytes(enrolment.chainId, peer.chainId)) throw new EpioneError('other-chain', 'The enrolment is for another network.')
  if (!equalBytes(enrolment.organisation, person.organisation))
    throw new EpioneError('bad-enrolment', 'The enrolment is for another organisation.')
  const policy = policyIndex(peer, options.policy)
  const spreadMs = options.spreadMs ?? 0
  const actions = enrolment.folders.map(folder => {
    const body = createFolderCodec.encode({
      ownerKeyHash: folder.ownerKeyHash,
      recoveryKeyHash: folder.recoveryKeyHash,
      sealingKey: folder.sealingKey,
      labelCommitment: labelCommitment(folder.labelSalt, folder.label),
      policy,
    })
    return { body, holdMs: spreadMs === 0 ? 0 : spreadDelay(spreadMs, randomFraction()) }
  })
  const folders = enrolment.folders.map(folder => ({
    id: folderId(peer.chainId, folder.ownerKeyHash),
    label: folder.label,
    labelSalt: folder.labelSalt,
  }))
  const opened = actions.map(async (value, i) => {
    const action = { type: 'open-folder' as const, value }
    if (value.holdMs === 0) return await deskTransaction(peer, person, action, options)
    const { id } = folders[i] as FolderAddress
    return { id, transaction: await deskHeld(peer, person, action, options), byMs: peer.now() + value.holdMs }
  })
  const results = await Promise.all(opened)
  return {
    folders,
    committed: results.filter(result => 'status' in result),
    later: results.filter(result => 'byMs' in result),
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

/** Owner keys of a wallet among which a folder is looked for that has changed its owner key. */
const MAX_OWNER_KEYS = 1024

/**
 * Finds a wallet's folders: the ledger maps each owner key's hash to its folder, and proves where there is none. A folder that was
 * opened with one of the wallet's keys and goes by another now is found by its id, which follows from the first key; one that was taken
 * over from a lost wallet, by the key to which it came.
 */
export async function scanFolders(
  peer: LightPeer,
  wallet: Wallet,
  options: CallOptions = {},
): Promise<{ folders: OwnedFolder[]; nextIndex: number }> {
  const folders = new Map<string, OwnedFolder>()
  const owned: { index: number; id: Uint8Array }[] = []
  let nextIndex = 0
  for (let first = 0; first < nextIndex + GAP_LIMIT; first += GAP_LIMIT) {
    const indices = Array.from({ length: GAP_LIMIT }, (_, i) => first + i)
    const hashes = indices.map(index => ownerKeyHash(ownerKey(wallet.seed, index).publicKey))
    const { values } = await peer.read(
      [...hashes.map(hash => stateKey.owner(hash)), ...hashes.map(hash => stateKey.folder(folderId(peer.chainId, hash)))],
      options,
    )
    const present = (value: Uint8Array | null | undefined): value is Uint8Array => value !== null && value !== undefined
    const taken: { id: Uint8Array; index: number; keyIndex: number }[] = []
    indices.forEach((index, i) => {
      const [owner, opened] = [values[i], values[GAP_LIMIT + i]]
      if (present(owner) || present(opened)) nextIndex = Math.max(nextIndex, index + 1)
      const takenOver = present(owner) ? takenOverAs(wallet, ownerCodec.decode(owner)) : undefined
      if (takenOver !== undefined) taken.push({ ...takenOver, index })
      else if (present(owner)) owned.push({ index, id: ownerCodec.decode(owner) })
      if (!present(opened)) return
      const found = ownFolder(wallet, folderId(peer.chainId, hashes[i] as Uint8Array), folderCodec.decode(opened), index)
      if (found === undefined) return
      folders.set(toHex(found.id), found)
      nextIndex = Math.max(nextIndex, found.index + 1)
    })
    for (const found of await takenOverFolders(peer, wallet, taken, options)) folders.set(toHex(found.id), found)
  }
  const handed = owned.filter(({ id }) => !folders.has(toHex(id)))
  if (handed.length > 0) for (const folder of await handedOverFolders(peer, wallet, handed, options)) folders.set(toHex(folder.id), folder)
  return { folders: [...folders.values()], nextIndex }
}

/** A folder that the wallet took over, and the index of its keys in this wallet; undefined for another. */
function takenOverAs(wallet: Wallet, id: Uint8Array): { id: Uint8Array; keyIndex: number } | undefined {
  const found = (wallet.takenOver ?? []).flatMap(({ folders }) => folders).findLast(({ folder }) => equalBytes(folder, id))
  return found === undefined ? undefined : { id, keyIndex: found.nextKeyIndex }
}

/** Of the folders to which the wallet's owner keys lead and which it took over, those that are its own already. */
async function takenOverFolders(
  peer: LightPeer,
  wallet: Wallet,
  taken: readonly { id: Uint8Array; index: number; keyIndex: number }[],
  options: CallOptions,
): Promise<OwnedFolder[]> {
  if (taken.length === 0) return []
  const { values } = await peer.read(
    taken.map(({ id }) => stateKey.folder(id)),
    options,
  )
  return taken.flatMap(({ id, index, keyIndex }, i) => {
    const value = values[i]
    if (value === null || value === undefined) return []
    const folder = folderCodec.decode(value)
    // A key that a pending recovery keeps for its folder owns nothing yet.
    if (!equalBytes(folder.ownerKeyHash, ownerKeyHash(ownerKey(wallet.seed, index).publicKey))) return []
    const salt = labelSaltOf(wallet, id, keyIndex)
    const label = labelOf(folder, salt)
    return label === undefined ? [] : [{ index, keyIndex, id, folder, label, labelSalt: salt }]
  })
}

/**
 * Folders that others opened and handed over: found by their owner key, and known by the label's salt, which is that of the key to which
 * they were given first.
 */
async function handedOverFolders(
  peer: LightPeer,
  wallet: Wallet,
  owned: readonly { index: number; id: Uint8Array }[],
  options: CallOptions,
): Promise<OwnedFolder[]> {
  const keys = owned.map(({ id }) => stateKey.folder(id))
  const values: (Uint8Array | null)[] = []
  for (let at = 0; at < keys.length; at += GAP_LIMIT) values.push(...(await peer.read(keys.slice(at, at + GAP_LIMIT), options)).values)
  return owned.flatMap(({ index, id }, i) => {
    const value = values[i] ?? null
    if (value === null) return []
    const folder = folderCodec.decode(value)
    // A key that is only kept for the folder by a pending recovery owns nothing yet.
    if (!equalBytes(folder.ownerKeyHash, ownerKeyHash(ownerKey(wallet.seed, index).publicKey))) return []
    for (let keyIndex = index; keyIndex >= 0; keyIndex--) {
      const salt = labelSalt(wallet.seed, keyIndex)
      const label = labelOf(folder, salt)
      if (label !== undefined) return [{ index, keyIndex, id, folder, label, labelSalt: salt }]
    }
    return []
  })
}

/** A folder as the wallet's own that was opened with its key `keyIndex`; undefined where it is somebody else's now. */
function ownFolder(wallet: Wallet, id: Uint8Array, folder: Folder, keyIndex: number): OwnedFolder | undefined {
  const salt = labelSalt(wallet.seed, keyIndex)
  const label = labelOf(folder, salt)
  if (label === undefined) return undefined
  const isOwner = (index: number): boolean => equalBytes(ownerKeyHash(ownerKey(wallet.seed, index).publicKey), folder.ownerKeyHash)
  for (let index = keyIndex; index < MAX_OWNER_KEYS + keyIndex; index++) {
    if (isOwner(index)) return { index, keyIndex, id, folder, label, labelSalt: salt }
  }
  return undefined
}

/** One of the wallet's folders by id. @throws EpioneError `not-found` */
export async function findOwnedFolder(peer: LightPeer, wallet: Wallet, id: Uint8Array, options: CallOptions = {}): Promise<OwnedFolder> {
  const { folders } = await scanFolders(peer, wallet, options)
  const found = folders.find(folder => toHex(folder.id) === toHex(id))
  if (found === undefined) throw new EpioneError('not-found', 'This wallet owns no folder with this id.')
  return found
}
