/** `epione wallet create` */
import { resolve } from 'node:path'
import { encodeKit } from '../../src/client/recovery-kit.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { ownerKey, ownerKeyHash, seedToPhrase, WALLET_SEED_LENGTH } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { assertNoKeystore } from '../files.ts'
import { readPassphrase } from '../passphrase.ts'
import { assertWritable } from '../private-file.ts'
import { phraseLines, recoverySheet, writeSheet } from '../recovery-sheet.ts'
import { createWalletFile, recoveryKeyHashes, walletPath } from '../wallet-file.ts'

export interface WalletCreateOptions {
  /** File for the recovery sheet. */
  sheet?: string
}

const inLines = (phrase: string): string[] => phraseLines(phrase).map(line => `  ${line}`)

export async function walletCreate(context: Context, options: WalletCreateOptions): Promise<void> {
  const path = walletPath(context)
  await assertNoKeystore(path, '--wallet')
  const sheet = options.sheet === undefined ? null : resolve(options.sheet)
  if (sheet !== null) await assertWritable(sheet)
  const passphrase = await readPassphrase(context, { of: `the wallet ${path}`, create: true })
  const ownerSeed = randomBytes(WALLET_SEED_LENGTH)
  const recoverySeed = randomBytes(WALLET_SEED_LENGTH)
  const hashes = recoveryKeyHashes(recoverySeed)
  const wallet = { seed: ownerSeed, recoveryKeyHashes: hashes }
  await createWalletFile(path, passphrase, wallet)
  const recoveryKit = encodeKit(wallet, recoverySeed)
  if (sheet !== null) await writeSheet(sheet, recoverySheet(seedToPhrase(recoverySeed), recoveryKit))
  const value = {
    file: path,
    ownerPhrase: seedToPhrase(ownerSeed),
    recoveryPhrase: seedToPhrase(recoverySeed),
    recoveryKit,
    sheet,
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
    '',
    'Recovery kit: a recovery needs it beside the recovery phrase, to read what was written before. It is no secret without the phrase.',
    `  ${recoveryKit}`,
    ...(sheet === null ? [] : ['', `Recovery sheet ${sheet}`]),
  ])
  if (sheet !== null) context.output.warn('print the sheet and remove the file: whoever reads it can take the folders over')
  context.output.warn('the recovery phrase will not be shown again: write down both phrases now, and keep them apart')
}
