/** `epione wallet create` */
import { randomBytes } from '../../src/crypto/random.ts'
import { ownerKey, ownerKeyHash, seedToPhrase, WALLET_SEED_LENGTH } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { assertNoKeystore } from '../files.ts'
import { readPassphrase } from '../passphrase.ts'
import { createWalletFile, recoveryKeyHashes, walletPath } from '../wallet-file.ts'

/** A phrase in lines of six words, as it is best written down. */
function inLines(phrase: string): string[] {
  const words = phrase.split(' ')
  return Array.from({ length: words.length / 6 }, (_, line) => {
    const numbered = words.slice(6 * line, 6 * line + 6).map((word, i) => `${String(6 * line + i + 1).padStart(2)} ${word.padEnd(8)}`)
    return `  ${numbered.join('  ').trimEnd()}`
  })
}

export async function walletCreate(context: Context): Promise<void> {
  const path = walletPath(context)
  await assertNoKeystore(path, '--wallet')
  const passphrase = await readPassphrase(context, { of: `the wallet ${path}`, create: true })
  const ownerSeed = randomBytes(WALLET_SEED_LENGTH)
  const recoverySeed = randomBytes(WALLET_SEED_LENGTH)
  const hashes = recoveryKeyHashes(recoverySeed)
  await createWalletFile(path, passphrase, { seed: ownerSeed, recoveryKeyHashes: hashes })
  const value = {
    file: path,
    ownerPhrase: seedToPhrase(ownerSeed),
    recoveryPhrase: seedToPhrase(recoverySeed),
    ownerKeyHashes: [toHex(ownerKeyHash(ownerKey(ownerSeed, 0).publicKey))],
    recoveryKeys: hashes.length,
  }
  context.output.result(value, () => [
    `Wallet ${path}`,
    '',
    'Owner phrase: restores this wallet. Whoever reads it owns the folders.',
    ...inLines(value.ownerPhrase),
    '',
    'Recovery phrase: takes the folders back if the wallet is stolen. It is stored nowhere.',
    ...inLines(value.recoveryPhrase),
  ])
  context.output.warn('the recovery phrase will not be shown again: write down both phrases now, and keep them apart')
}
