/** The passphrase of a keystore: `--passphrase-file`, EPIONE_PASSPHRASE, EPIONE_PASSPHRASE_FILE, the settings, or a hidden prompt. */
import { EpioneError } from '../src/encoding/errors.ts'
import type { Context } from './context.ts'
import { canPrompt, promptSecret, readSecretFile } from './secrets.ts'

export interface PassphraseOptions {
  /** What it opens, for the prompt: `the wallet /home/a/wallet.keystore`. */
  of: string
  /** A new one: asked for twice. */
  create?: boolean
  /** File that the settings name, if they do. */
  configured?: string | null
  /** Whether a person may be asked, where one can be. @default true */
  ask?: boolean
}

/** Below this a new passphrase is warned about. */
const SHORT_PASSPHRASE = 8

/**
 * The passphrase for a keystore, never empty.
 * @throws EpioneError `passphrase-required` where no source gives one and nobody can be asked; `passphrase-empty`;
 * `passphrase-unreadable`; `passphrase-mismatch`; `interrupted`
 */
export async function readPassphrase(context: Context, options: PassphraseOptions): Promise<string> {
  const passphrase = await findPassphrase(context, options)
  if (options.create === true && passphrase.length < SHORT_PASSPHRASE) {
    context.output.warn(`the passphrase is short: with fewer than ${SHORT_PASSPHRASE} characters, whoever copies the file can guess it`)
  }
  return passphrase
}

async function findPassphrase(context: Context, options: PassphraseOptions): Promise<string> {
  const { of, create = false, configured = null, ask = true } = options
  const { env, globals } = context
  const file = globals.passphraseFile ?? null
  if (file !== null) return nonEmpty(await readSecretFile(context, file, 'passphrase'), file)
  if (env.EPIONE_PASSPHRASE !== undefined) return nonEmpty(env.EPIONE_PASSPHRASE, 'EPIONE_PASSPHRASE')
  const named = env.EPIONE_PASSPHRASE_FILE || configured
  if (named) return nonEmpty(await readSecretFile(context, named, 'passphrase'), named)
  if (!ask || !canPrompt(context)) {
    throw new EpioneError(
      'passphrase-required',
      `a passphrase is needed for ${of} and ${ask ? 'no terminal can ask for it' : 'nothing is to be asked'}; give --passphrase-file <file>, or set EPIONE_PASSPHRASE or EPIONE_PASSPHRASE_FILE`,
    )
  }
  const answer = nonEmpty(await promptSecret(context, create ? `New passphrase for ${of}` : `Passphrase for ${of}`), 'the prompt')
  if (create && (await promptSecret(context, 'The same again')) !== answer) {
    throw new EpioneError('passphrase-mismatch', 'the two passphrases differ; nothing was changed')
  }
  return answer
}

function nonEmpty(passphrase: string, source: string): string {
  if (passphrase === '') throw new EpioneError('passphrase-empty', `the passphrase from ${source} is empty`)
  return passphrase
}
