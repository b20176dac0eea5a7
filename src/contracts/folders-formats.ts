/** Formats of the folders contract. */

import { sealingPublicKeySchema } from '../crypto/sealing-suites.ts'
import { taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, nullable, oneOf, struct } from '../encoding/schema.ts'

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
    sealingKey: sealingPublicKeySchema,
    /** Hash of the private halves of all epochs before, sealed to this epoch's key; null in epoch 0. */
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
  struct({
    ownerKeyHash: hash32,
    recoveryKeyHash: hash32,
    sealingKey: sealingPublicKeySchema,
    labelCommitment: hash32,
    policy: integer(63),
  }),
  4096,
)
export type CreateFolder = Infer<typeof createFolderCodec>

/** Body of `folders.rotate`, from the folder by its owner key: other hands, such as the wallet of a patient enrolled before. */
export const rotateFolderCodec = codec(struct({ ownerKeyHash: hash32, recoveryKeyHash: hash32 }), 256)
export type RotateFolder = Infer<typeof rotateFolderCodec>

/** Last epoch of a folder: the private halves of all epochs before fit into one sealed message (see {@link MAX_PAST_KEYS_BYTES}). */
export const LAST_EPOCH = 4095
/** Longest sealed message of past private halves: 32 bytes for each epoch, and what any suite adds. */
export const MAX_PAST_KEYS_BYTES = 32 * LAST_EPOCH + 2048

/** Most consents that one act ends, or brings into the present epoch: the act stays far below a transaction's limit. */
export const MAX_REWRAPS = 256

const rewrapSchema = struct({
  consent: hash32,
  /** Hash of the present private half, sealed to the same grantee. */
  wrapHash: hash32,
})
export const rewrapsSchema = (min: number) => list(rewrapSchema, MAX_REWRAPS, min)
export type Rewrap = Infer<typeof rewrapSchema>

/**
 * Body of `folders.advance`, from the folder: a new epoch, compare-and-set on the present one. Consents end and others go on in the
 * same act, so that nobody reads under an ended consent, and no other reader misses a version.
 */
export const advanceFolderCodec = codec(
  struct({
    epoch: integer(0xffff_ffff),
    sealingKey: sealingPublicKeySchema,
    previousKeyHash: hash32,
    /** Consents that end. */
    revoke: list(hash32, MAX_REWRAPS),
    /** Consents that go on in the new epoch. */
    rewraps: rewrapsSchema(0),
  }),
  48 * 1024,
)
export type AdvanceFolder = Infer<typeof advanceFolderCodec>

/** Value at `stateKey.owner`. */
export const ownerCodec = codec(fixedBytes(32), 64)
