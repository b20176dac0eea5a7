/** Where commands get the recovery phrase and the kit from: a file, a pipe or a hidden prompt. */
import { KIT } from '../src/client/recovery-kit.ts'
import { phraseToSeed, recoveryKey, recoveryKeyHash } from '../src/crypto/wallet.ts'
import { equalBytes } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { readCode } from './codes.ts'
import type { Context } from './context.ts'
import { canPrompt, promptSecret, readSecretFile, readSecretPipe } from './secrets.ts'

export interface RecoveryPhraseOptions {
  phraseFile?: string
  kit?: string
}

/** The recovery seed, and the kit where one was given: in the phrase's file, on its second line, or by `--kit`. */
export async function readRecoveryPhrase(
  context: Context,
  options: RecoveryPhraseOptions,
): Promise<{ seed: Uint8Array; kit: string | null }> {
  const given = await phraseText(context, options.phraseFile)
  const lines = given.split('\n').map(line => line.trim())
  const kit = options.kit === undefined ? (lines.find(line => line.startsWith(KIT)) ?? null) : await readCode(context, options.kit, KIT)
  return { seed: phraseToSeed(lines.filter(line => !line.startsWith(KIT)).join(' ')), kit }
}

async function phraseText(context: Context, file: string | undefined): Promise<string> {
  if (file !== undefined) return await readSecretFile(context, file, 'recovery phrase')
  if (canPrompt(context)) return await promptSecret(context, 'Recovery phrase (24 words)')
  const text = context.stdin.isTTY === true ? '' : await readSecretPipe(context)
  if (text.trim() === '') {
    throw new EpioneError('phrase-required', 'the recovery phrase is needed; give --phrase-file <file>, or the phrase on standard input')
  }
  return text
}

/** @throws EpioneError `other-phrase` where the phrase is not the one that a wallet's recovery keys come from */
export function assertPhraseOf(hashes: readonly Uint8Array[], recoverySeed: Uint8Array): void {
  const first = hashes[0]
  if (first !== undefined && equalBytes(first, recoveryKeyHash(recoveryKey(recoverySeed, 0).publicKey))) return
  throw new EpioneError(
    'other-phrase',
    'this is not the recovery phrase of the wallet; take the one that was shown when the wallet was made',
  )
}
