/** `epione recovery sheet` */
import { resolve } from 'node:path'
import { encodeKit } from '../../src/client/recovery-kit.ts'
import { seedToPhrase } from '../../src/crypto/wallet.ts'
import type { Context } from '../context.ts'
import { readPassphrase } from '../passphrase.ts'
import { assertWritable } from '../private-file.ts'
import { assertPhraseOf, readRecoveryPhrase } from '../recovery-phrase.ts'
import { recoverySheet, writeSheet } from '../recovery-sheet.ts'
import { openWalletFile, walletPath } from '../wallet-file.ts'

export interface RecoverySheetOptions {
  out: string
  phraseFile?: string
}

export async function recoverySheetCommand(context: Context, options: RecoverySheetOptions): Promise<void> {
  const file = resolve(options.out)
  await assertWritable(file)
  const path = walletPath(context)
  const wallet = await openWalletFile(path, await readPassphrase(context, { of: `the wallet ${path}` }))
  const { seed } = await readRecoveryPhrase(context, options)
  assertPhraseOf(wallet.recoveryKeyHashes, seed)
  const kit = encodeKit(wallet, seed)
  await writeSheet(file, recoverySheet(seedToPhrase(seed), kit))
  context.output.result({ file, kit }, () => [file])
  context.output.warn('print the sheet and remove the file: whoever reads it can take the folders over')
}
