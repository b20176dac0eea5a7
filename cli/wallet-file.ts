/**
 * The wallet file: a keystore with the owner's seed. The recovery seed is never in it, only the hashes of the recovery keys that new
 * folders will name, so that whoever takes the device and its passphrase cannot recover folders with it.
 */
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { TakenOver, Wallet } from '../src/client/folders.ts'
import { plain, takenOverCodec } from '../src/client/recovery-kit.ts'
import { changeEntries, createKeystore, openKeystore } from '../src/crypto/keystore.ts'
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
const ENTRY_BYTES = 4096
const TAKEN_OVER = 'wallet/taken-over/'
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
  const entries: Record<string, Uint8Array> = { [SEED]: contents.seed, ...takenOverEntries(contents.takenOver ?? []) }
  for (let at = 0; at < contents.recoveryKeyHashes.length; at += HASHES_PER_ENTRY) {
    entries[hashesEntry(at / HASHES_PER_ENTRY)] = concat(...contents.recoveryKeyHashes.slice(at, at + HASHES_PER_ENTRY))
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await createKeystore(path, passphrase, entries)
}

/** Writes what a wallet took over from lost ones; all else in its file stays. @throws as openKeystore */
export async function writeTakenOver(path: string, passphrase: string, takenOver: readonly TakenOver[]): Promise<void> {
  await changeEntries(path, passphrase, entries => ({
    ...Object.fromEntries(Object.entries(entries).filter(([name]) => !name.startsWith(TAKEN_OVER))),
    ...takenOverEntries(takenOver),
  }))
}

function takenOverEntries(takenOver: readonly TakenOver[]): Record<string, Uint8Array> {
  if (takenOver.length === 0) return {}
  const bytes = takenOverCodec.encode(plain(takenOver))
  const pieces = Array.from({ length: Math.ceil(bytes.length / ENTRY_BYTES) }, (_, i) =>
    bytes.slice(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES),
  )
  return Object.fromEntries(pieces.map((piece, i) => [`${TAKEN_OVER}${i}`, piece]))
}

function takenOverOf(entries: Readonly<Record<string, Uint8Array>>): readonly TakenOver[] {
  const pieces: Uint8Array[] = []
  for (let i = 0; ; i++) {
    const piece = entries[`${TAKEN_OVER}${i}`]
    if (piece === undefined) break
    pieces.push(piece)
  }
  return pieces.length === 0 ? [] : takenOverCodec.decode(concat(...pieces))
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
  return { seed, recoveryKeyHashes: hashes, takenOver: takenOverOf(entries) }
}
