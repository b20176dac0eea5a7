/** A wallet for somebody who has none, from two seeds that are kept apart. */
import { randomBytes } from '../crypto/random.ts'
import { recoveryKey, recoveryKeyHash } from '../crypto/wallet.ts'
import { RECOVERY_KEYS, type Wallet } from './folders.ts'

/** A wallet, and the seed of which it holds no more than hashes. */
export interface NewWallet {
  readonly wallet: Wallet
  /** Takes the folders back when the wallet is lost or stolen: it belongs on paper or with guardians, never on the device that has the wallet. */
  readonly recoverySeed: Uint8Array
}

/**
 * A wallet from its two seeds, fresh ones where none are given. `seedToPhrase` gives each as 24 words.
 * @param options.seed 32 bytes from which the owner keys come
 * @param options.recoverySeed 32 bytes from which the recovery keys come
 */
export function createWallet(options: { seed?: Uint8Array; recoverySeed?: Uint8Array } = {}): NewWallet {
  const { seed = randomBytes(32), recoverySeed = randomBytes(32) } = options
  const recoveryKeyHashes = Array.from({ length: RECOVERY_KEYS }, (_, i) => recoveryKeyHash(recoveryKey(recoverySeed, i).publicKey))
  return { wallet: { seed, recoveryKeyHashes }, recoverySeed }
}
