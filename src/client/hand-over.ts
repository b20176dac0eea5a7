/**
 * A folder that an organisation opened for somebody without a wallet, and hands over: its owner key becomes one of the wallet's, and so does
 * its label's salt, so that the wallet finds it from its seed alone. The wallet then starts an epoch with a key of its own and has what was
 * written before sealed to it: what the organisation keeps of the owner's keys opens nothing new, and nothing that custodians hold.
 */
import { relabelFolderCodec } from '../contracts/folder-labels.ts'
import { labelCommitment, labelSchema, ownerCodec, rotateFolderCodec } from '../contracts/folders-formats.ts'
import { rekeyRecoveryCodec } from '../contracts/recovery-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { seal, sealingKeyFromSeed, sealingOpener } from '../crypto/sealing.ts'
import { suiteOf } from '../crypto/sealing-suites.ts'
import { folderSealingKey, ownerKey, ownerKeyHash, recoveryKey, recoveryKeyHash as recoveryKeyHashOf } from '../crypto/wallet.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { byteString, codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { MAX_MOVED_VERSIONS } from '../fragments/move.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { advanceFolder } from './epochs.ts'
import { type Erasure, eraseRecords } from './erase.ts'
import {
  type Enrolment,
  findOwnedFolder,
  folderOwnerKey,
  folderSeed,
  GAP_LIMIT,
  type OwnedFolder,
  readFolder,
  type Wallet,
} from './folders.ts'
import { listVersions } from './get.ts'
import type { LightPeer } from './light-peer.ts'
import { isSame, type MoveOptions, Mover, tooFewCustodians } from './move.ts'
import type { CallOptions } from './nodes.ts'
import { openOwnSession, type Session } from './session.ts'

/** Most epochs of a folder that is handed over. */
const MAX_EPOCHS = 64

const secretCodec = codec(
  struct({ label: labelSchema, seeds: list(struct({ epoch: integer(0xffff_ffff), seed: hash32 }), MAX_EPOCHS, 1) }),
  8192,
)
const handOverCodec = codec(
  struct({ version: integer(1, 1), chainId: hash32, folder: hash32, ownerKeyHash: hash32, sealed: byteString(16 * 1024) }),
  20 * 1024,
)
/** What goes from the organisation to the wallet, sealed to the key that the wallet offered. */
export type HandOver = Infer<typeof handOverCodec>

const PREFIX = 'epione-hand-over:'

/** A hand-over as text, for the organisation that opened the folder. */
export function encodeHandOver(handOver: HandOver): string {
  return PREFIX + toBase64Url(handOverCodec.encode(handOver))
}

/** Inverse of {@link encodeHandOver}. @throws EpioneError `bad-hand-over` */
export function decodeHandOver(value: string): HandOver {
  try {
    if (!value.startsWith(PREFIX)) throw new Error('prefix')
    return handOverCodec.decode(fromBase64Url(value.slice(PREFIX.length)))
  } catch (error) {
    throw new EpioneError(
      'bad-hand-over',
      'This hands no folder over; what does begins with "epione-hand-over:" and is made by `epione enroll hand-over`.',
      { cause: error },
    )
  }
}

const context = (chainId: Uint8Array, folder: Uint8Array) => ({ info: concat(domain('seal-hand-over'), chainId), aad: folder })

/** What the wallet needs of a folder, sealed to the key of its offer. To be kept safe before {@link handOverFolder} gives the folder away. */
export function prepareHandOver(wallet: Wallet, owned: OwnedFolder, offer: Enrolment): HandOver {
  const [keys, ...others] = offer.folders
  if (keys === undefined || others.length > 0 || keys.label !== owned.label) {
    throw new EpioneError('bad-enrolment', `A folder is handed over to an offer of keys for one folder with its label, ${owned.label}.`)
  }
  if (!equalBytes(offer.organisation, owned.folder.author)) throw new EpioneError('bad-enrolment', 'The offer is for another organisation.')
  const first = Math.max(0, owned.folder.epoch - MAX_EPOCHS + 1)
  const seeds = Array.from({ length: owned.folder.epoch - first + 1 }, (_, i) => ({
    epoch: first + i,
    seed: folderSeed(wallet, owned, first + i),
  }))
  const { chainId } = offer
  const sealed = seal(keys.sealingKey, secretCodec.encode({ label: owned.label, seeds }), context(chainId, owned.id))
  return { version: 1, chainId, folder: owned.id, ownerKeyHash: keys.ownerKeyHash, sealed }
}

/**
 * Gives the folder to the keys of an offer. From then on the organisation cannot act for its owner. With `recoverySeed`, the organisation's own, the
 * folder's recovery key is the other's at once, too; without, it is only announced, and whoever has that seed might start a recovery
 * until the owner has said it again after the long wait. Fine to repeat.
 * @throws EpioneError `wrong-recovery-seed`
 */
export async function handOverFolder(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  offer: Enrolment,
  options: CallOptions & { recoverySeed?: Uint8Array } = {},
): Promise<void> {
  const [keys] = offer.folders
  const folder = await readFolder(peer, owned.id, options)
  if (keys === undefined || folder === null) throw new EpioneError('bad-enrolment', 'There is nothing to hand over, or nobody.')
  if (equalBytes(folder.ownerKeyHash, keys.ownerKeyHash)) return
  const from = { kind: 'folder' as const, id: owned.id }
  const key = folderOwnerKey(wallet, owned)
  const { ownerKeyHash: next, recoveryKeyHash } = keys
  if (options.recoverySeed !== undefined && !equalBytes(folder.recoveryKeyHash, recoveryKeyHash)) {
    const own = recoveryKey(options.recoverySeed, owned.keyIndex)
    if (!equalBytes(recoveryKeyHashOf(own.publicKey), folder.recoveryKeyHash))
      throw new EpioneError('wrong-recovery-seed', "This recovery phrase is not that of the folder's wallet.")
    const rekeyed = rekeyRecoveryCodec.encode({ recoveryKeyHash })
    await peer.submit(peer.sign({ from, contract: 'recovery', action: 'rekey', body: rekeyed }, own), options)
  }
  // The label first: with the next act the folder is the other's.
  const relabelled = relabelFolderCodec.encode({ labelCommitment: labelCommitment(keys.labelSalt, keys.label) })
  await peer.submit(peer.sign({ from, contract: 'folders', action: 'relabel', body: relabelled }, key), options)
  const rotated = rotateFolderCodec.encode({ ownerKeyHash: next, recoveryKeyHash })
  await peer.submit(peer.sign({ from, contract: 'folders', action: 'rotate', body: rotated }, key), options)
}

export interface TakeOverResult {
  readonly owned: OwnedFolder
  /** Versions that were sealed to the wallet's own key. */
  readonly resealed: number
  /** Null where there was nothing to erase. */
  readonly erasure: Erasure | null
}

/**
 * Takes a folder over: a new epoch with the wallet's own key, and everything in it sealed to that key and anchored anew. Grants of the time
 * before end with it, for they are of an epoch of which nothing is left. Repeat it where it was interrupted, with the same hand-over.
 * @throws EpioneError `other-chain`; `not-found` where the folder is not this wallet's (yet); `bad-hand-over`; as moveRecords
 */
export async function takeOverFolder(
  peer: LightPeer,
  wallet: Wallet,
  handOver: HandOver,
  options: MoveOptions = {},
): Promise<TakeOverResult> {
  if (!equalBytes(handOver.chainId, peer.chainId)) throw new EpioneError('other-chain', 'The folder is handed over on another network.')
  const index = await indexOf(peer, wallet, handOver, options)
  const { seeds } = secretCodec.decode(
    folderSealingKey(wallet.seed, index, 0).open(handOver.sealed, context(peer.chainId, handOver.folder)),
  )
  let owned = await findOwnedFolder(peer, wallet, handOver.folder, options)
  const last = seeds.at(-1) as (typeof seeds)[number]
  if (owned.folder.epoch === last.epoch) {
    if (!equalBytes(sealingKeyFromSeed(last.seed, suiteOf(owned.folder.sealingKey)).publicKey, owned.folder.sealingKey))
      throw new EpioneError('bad-hand-over', 'The key that was handed over is not that of the folder.')
    const foreign = new Map(seeds.map(({ epoch, seed }) => [epoch, seed]))
    await advanceFolder(peer, wallet, owned, { signal: options.signal, foreign })
    owned = await findOwnedFolder(peer, wallet, handOver.folder, options)
  }
  const handed = new Map(seeds.map(({ epoch, seed }) => [epoch, sealingOpener(seed)]))
  const own = await openOwnSession(peer, wallet, owned, options)
  const session: Session = { ...own, keyOf: epoch => handed.get(epoch) ?? own.keyOf(epoch) }
  return { owned, ...(await reseal(peer, wallet, owned, session, last.epoch, options)) }
}

/** Index of the wallet's key to which a folder was given. */
async function indexOf(peer: LightPeer, wallet: Wallet, { folder, ownerKeyHash: given }: HandOver, options: CallOptions): Promise<number> {
  const found = await peer.readOne(stateKey.owner(given), options)
  const isGiven = found !== null && equalBytes(ownerCodec.decode(found), folder)
  for (let index = 0; isGiven && index < wallet.recoveryKeyHashes.length + GAP_LIMIT; index++) {
    if (equalBytes(ownerKeyHash(ownerKey(wallet.seed, index).publicKey), given)) return index
  }
  throw new EpioneError('not-found', 'The folder was not given to a key of this wallet, or not yet.')
}

/** Anchors anew, in the present epoch, what was sealed up to an epoch, and erases what it was before. */
async function reseal(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  session: Session,
  upTo: number,
  options: MoveOptions,
): Promise<Omit<TakeOverResult, 'owned'>> {
  const { versions, incomplete } = await listVersions(peer, session, options)
  if (incomplete.length > 0) throw tooFewCustodians()
  const old = versions.filter(({ submission }) => submission.anchor.epoch <= upTo)
  const fresh = versions.filter(({ submission }) => submission.anchor.epoch > upTo)
  const mover = new Mover(peer, wallet, session, owned, options)
  const total = old.length
  let done = 0
  for (const root of new Set(old.map(({ submission }) => submission.root))) {
    const all = old.filter(({ submission }) => submission.root === root)
    const missing = all.filter(one => !fresh.some(other => isSame(one, other)))
    done += all.length - missing.length
    for (let at = 0; at < missing.length; at += MAX_MOVED_VERSIONS) {
      options.onProgress?.({ phase: 'keeping', done, total })
      const part = missing.slice(at, at + MAX_MOVED_VERSIONS)
      await mover.anchor(part, owned)
      done += part.length
    }
  }
  if (old.length === 0) return { resealed: 0, erasure: null }
  const onProgress = options.onProgress
  const erasure = await eraseRecords(peer, wallet, owned, old, {
    ...options,
    onProgress: step => onProgress?.({ phase: 'erasing', done: step.done, total: step.total }),
  })
  return { resealed: old.length, erasure }
}

/** The address under which the organisation goes on writing into a folder that it gave away. */
export function addressAfter(owned: OwnedFolder, offer: Enrolment): Pick<OwnedFolder, 'id' | 'label' | 'labelSalt'> {
  return { id: owned.id, label: owned.label, labelSalt: offer.folders[0]?.labelSalt ?? owned.labelSalt }
}
