/** The private halves of a folder's past epochs, sealed to a later epoch's key: one wrap opens the past. */
import type { Folder } from '../contracts/folders-formats.ts'
import { type SealingOpener, seal } from '../crypto/sealing.ts'
import { SEALING_SEED_LENGTH } from '../crypto/sealing-suites.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { taggedHash } from '../encoding/hash.ts'
import { sealingContext } from './formats.ts'

/** Where a message of past private halves belongs. */
export interface PastKeysPlace {
  readonly chainId: Uint8Array
  readonly folder: Uint8Array
  /** Epoch to whose key it is sealed. */
  readonly epoch: number
}

/** How the ledger names the sealed private halves. */
export function pastKeysHash(sealed: Uint8Array): Uint8Array {
  return taggedHash('past-keys', sealed)
}

/** Seals the seeds of the epochs 0 to `epoch` - 1, in this order, to the key of `epoch`. */
export function sealPastKeys(publicKey: Uint8Array, seeds: readonly Uint8Array[], { chainId, folder, epoch }: PastKeysPlace): Uint8Array {
  if (seeds.length !== epoch) throw new EpioneError('bad-keys', 'past keys are those of every epoch before')
  return seal(publicKey, concat(...seeds), sealingContext.previousEpoch(chainId, folder, epoch))
}

/** The seeds of the epochs before, by their numbers. @throws EpioneError `unsealing-failed`, `bad-keys` */
export function openPastKeys(key: SealingOpener, sealed: Uint8Array, { chainId, folder, epoch }: PastKeysPlace): Uint8Array[] {
  const packed = key.open(sealed, sealingContext.previousEpoch(chainId, folder, epoch))
  if (packed.length !== epoch * SEALING_SEED_LENGTH) throw new EpioneError('bad-keys', 'past keys are those of every epoch before')
  return Array.from({ length: epoch }, (_, i) => packed.slice(i * SEALING_SEED_LENGTH, (i + 1) * SEALING_SEED_LENGTH))
}

/**
 * Whether these are the private halves of the epochs before `epoch`, as far as the ledger says: it names those of the present epoch. Of
 * an epoch that has passed it says nothing, and wrong halves open nothing.
 */
export function isPastOf(folder: Folder, epoch: number, past: Uint8Array | null): boolean {
  if (epoch === 0) return true
  if (past === null) return false
  return folder.epoch !== epoch || (folder.previousKeyHash !== null && equalBytes(pastKeysHash(past), folder.previousKeyHash))
}
