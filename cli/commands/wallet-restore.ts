/** `epione wallet restore` */
import { ownerKey, ownerKeyHash, phraseToSeed } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { assertNoKeystore } from '../files.ts'
import { readPassphrase } from '../passphrase.ts'
import { canPrompt, promptSecret, readSecretFile, readSecretPipe } from '../secrets.ts'
import { createWalletFile, recoveryKeyHashes, walletPath } from '../wallet-file.ts'

export interface WalletRestoreOptions {
  phraseFile?: string
  recoveryPhraseFile?: string
}

/** Both phrases; the recovery phrase is null where it was not given. */
async function readPhrases(context: Context, options: WalletRestoreOptions): Promise<{ owner: string; recovery: string | null }> {
  const { phraseFile, recoveryPhraseFile } = options
  let recovery = recoveryPhraseFile === undefined ? null : await readSecretFile(context, recoveryPhraseFile, 'recovery phrase')
  if (phraseFile !== undefined) return { owner: await readSecretFile(context, phraseFile, 'owner phrase'), recovery }
  if (canPrompt(context)) {
    const owner = await promptSecret(context, 'Owner phrase (24 words)')
    recovery ??= (await promptSecret(context, 'Recovery phrase (24 words; leave empty if you do not have it at hand)')).trim() || null
    return { owner, recovery }
  }
  const lines = context.stdin.isTTY === true ? [] : (await readSecretPipe(context)).split('\n').filter(line => line.trim() !== '')
  if (lines[0] === undefined) {
    throw new EpioneError('phrase-required', 'the owner phrase is needed; give --phrase-file <file>, or the phrase on standard input')
  }
  return { owner: lines[0], recovery: recovery ?? lines[1] ?? null }
}

export async function walletRestore(context: Context, options: WalletRestoreOptions): Promise<void> {
  const path = walletPath(context)
  await assertNoKeystore(path, '--wallet')
  const { owner, recovery } = await readPhrases(context, options)
  const ownerSeed = phraseToSeed(owner)
  const hashes = recovery === null ? [] : recoveryKeyHashes(phraseToSeed(recovery))
  if (recovery !== null && owner.trim() === recovery.trim()) {
    throw new EpioneError(
      'phrase-same',
      'owner phrase and recovery phrase are the same; the recovery phrase is the second one of wallet create',
    )
  }
  const passphrase = await readPassphrase(context, { of: `the wallet ${path}`, create: true })
  await createWalletFile(path, passphrase, { seed: ownerSeed, recoveryKeyHashes: hashes })
  const value = { file: path, ownerKeyHashes: [toHex(ownerKeyHash(ownerKey(ownerSeed, 0).publicKey))], recoveryKeys: hashes.length }
  context.output.result(value, () => [
    `wallet         ${path}`,
    `owner key 0    ${value.ownerKeyHashes[0]}`,
    `recovery keys  ${value.recoveryKeys === 0 ? 'none' : value.recoveryKeys}`,
  ])
  if (hashes.length === 0) context.output.warn('without the recovery phrase this wallet opens no new folders; the old ones work')
}
