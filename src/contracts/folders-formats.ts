/** Formats of the folders contract. */

import { SEALING_PUBLIC_KEY_LENGTH } from '../crypto/sealing.ts'
import { taggedHash } from '../encoding/hash.ts'
import { byteString, codec, fixedBytes, hash32, type Infer, integer, nullable, oneOf, struct } from '../encoding/schema.ts'

const sealingPublicKey = byteString(SEALING_PUBLIC_KEY_LENGTH, SEALING_PUBLIC_KEY_LENGTH)

/** Confidentiality classes of folders. */
export const LABELS = ['normal', 'restricted', 'mental-health', 'sexual-health', 'genetic', 'substance-use', 'emergency-summary'] as const
export type Label = (typeof LABELS)[number]
export const labelSchema = oneOf(...LABELS)

/** Commitment to a folder's label; the salt is derived by the wallet and reaches custodians with the fragments. */
export function labelCommitment(salt: Uint8Array, label: Label): Uint8Array {
  return taggedHash('label', codec(struct({ salt: hash32, label: labelSchema }), 128).encode({ salt, label }))
}

/** Id of a folder: it follows from the chain and the first owner key, and stays when keys are rotated. */
export function folderId(chainId: Uint8Array, ownerKeyHash: Uint8Array): Uint8Array {
  return taggedHash('folder', chainId, ownerKeyHash)
}

/** Value at `stateKey.folder`. */
export const folderCodec = codec(
  struct({
    /** Member whose records the folder holds. */
    author: hash32,
    ownerKeyHash: hash32,
    recoveryKeyHash: hash32,
    /** Counts sealing keys, from 0. */
    epoch: integer(0xffff_ffff),
    sealingKey: sealingPublicKey,
    /** Hash of the previous epoch's private half sealed to this epoch's key; null in epoch 0. */
    previousKeyHash: nullable(hash32),
    labelCommitment: hash32,
    /** Index into the residency policies of genesis. */
    policy: integer(63),
    status: oneOf('open', 'erased'),
  }),
  4096,
)
export type Folder = Infer<typeof folderCodec>

/** Body of `folders.create`, from the author organisation. */
export const createFolderCodec = codec(
  struct({ ownerKeyHash: hash32, recoveryKeyHash: hash32, sealingKey: sealingPublicKey, labelCommitment: hash32, policy: integer(63) }),
  4096,
)
export type CreateFolder = Infer<typeof createFolderCodec>

/** Body of `folders.rotate`, from the folder by its owner key: other hands, such as the wallet of a patient enrolled before. */
export const rotateFolderCodec = codec(struct({ ownerKeyHash: hash32, recoveryKeyHash: hash32 }), 256)
export type RotateFolder = Infer<typeof rotateFolderCodec>

/** Body of `folders.advance`, from the folder: a new epoch, compare-and-set on the present one. */
export const advanceFolderCodec = codec(
  struct({ epoch: integer(0xffff_ffff), sealingKey: sealingPublicKey, previousKeyHash: hash32 }),
  4096,
)
export type AdvanceFolder = Infer<typeof advanceFolderCodec>

/** Value at `stateKey.owner`. */
export const ownerCodec = codec(fixedBytes(32), 64)
