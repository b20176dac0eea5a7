/**
 * The wallet file: a keystore with the owner's seed. The recovery seed is never in it, only the hashes of the recovery keys that new
 * folders will name, so that whoever takes the device and its passphrase cannot recover folders with it.
 */
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Wallet } from '../src/client/folders.ts'
import { createKeystore, openKeystore } from '../src/crypto/keystore.ts'
import { recoveryKey, recoveryKeyHash, WALLET_SEED_LENGTH } from '../src/crypto/wallet.ts'
import { concat } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import type { Context } from './context.ts'
import { homeOf } from './home.ts'

/** Recovery keys whose hashes a wallet holds: as many folders can be opened before the recovery phrase is needed again. */
export const RECOVERY_KEYS = 256

const SEED = 'wallet/owner-seed'
/** A keystore's entries hold at most 4 KiB: 128 hashes each. */
const HASHES_PER_ENTRY = 128
const hashesEntry = (index: number): string => `wallet/recovery-key-hashes/${index}`

/** The wallet file that the command is about: `--wallet`, EPIONE_WALLET, or `wallet.keystore` in the home. */
export function walletPath(context: Context): string {
  return resolve(context.globals.wallet || context.env.EPIONE_WALLET || join(homeOf(context), 'wallet.keystore'))
}

/** The hashes that a wallet keeps of its recovery keys. */
export function recoveryKeyHashes(recoverySeed: Uint8Array): Uint8Array[] {
  return Array.from({ length: RECOVERY_KEYS }, (_, index) => recoveryKeyHash(recoveryKey(recoverySeed, index).publicKey))
}

/** Writes a new wallet file, and its folder if needed. @throws as createKeystore */
export async function createWalletFile(path: string, passphrase: string, contents: Wallet): Promise<void> {
  const entries: Record<string, Uint8Array> = { [SEED]: contents.seed }
  for (let at = 0; at < contents.recoveryKeyHashes.length; at += HASHES_PER_ENTRY) {
    entries[hashesEntry(at / HASHES_PER_ENTRY)] = concat(...contents.recoveryKeyHashes.slice(at, at + HASHES_PER_ENTRY))
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await createKeystore(path, passphrase, entries)
}

/** Reads a wallet file; no recovery key hashes where it was restored without the recovery phrase. @throws as openKeystore; EpioneError `not-a-wallet` for a keystore of another kind */
export async function openWalletFile(path: string, passphrase: string): Promise<Wallet> {
  const entries = await openKeystore(path, passphrase)
  const seed = entries[SEED]
  if (seed?.length !== WALLET_SEED_LENGTH) {
    throw new EpioneError('not-a-wallet', `${path} is a keystore, but not of a wallet`, { metadata: { path } })
  }
  const hashes: Uint8Array[] = []
  for (let index = 0; ; index++) {
    const joined = entries[hashesEntry(index)]
    if (joined === undefined) break
    for (let at = 0; at + 32 <= joined.length; at += 32) hashes.push(joined.slice(at, at + 32))
  }
  return { seed, recoveryKeyHashes: hashes }
}
