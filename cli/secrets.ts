/** Where secrets that people type come from: a file, the environment, a pipe, or a hidden prompt; never an argument. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { EpioneError } from '../src/encoding/errors.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import type { Context } from './context.ts'

const MAX_SECRET_BYTES = 4096

/** Whether a person can be asked: both ends are a terminal. */
export function canPrompt(context: Context): boolean {
  return context.stdin.isTTY === true && process.stderr.isTTY === true
}

/** Asks for one hidden line on the terminal. @throws EpioneError `interrupted` */
export async function promptSecret(context: Context, message: string): Promise<string> {
  const { isCancel, password } = await import('@clack/prompts')
  const answer = await password({ message, input: context.stdin, output: process.stderr, signal: context.signal })
  if (isCancel(answer)) throw new EpioneError('interrupted', 'interrupted')
  return answer ?? ''
}

/** Asks for one line on the terminal, until `fault` finds nothing wrong with it. @throws EpioneError `interrupted` */
export async function promptText(context: Context, message: string, fault: (text: string) => string | undefined): Promise<string> {
  const { isCancel, text } = await import('@clack/prompts')
  const validate = (value: string | undefined): string | undefined => fault(value?.trim() ?? '')
  const answer = await text({ message, validate, input: context.stdin, output: process.stderr, signal: context.signal })
  if (isCancel(answer)) throw new EpioneError('interrupted', 'interrupted')
  return answer.trim()
}

/** Text of a file that holds a secret, without the line's end. Warns where others can read it. */
export async function readSecretFile(context: Context, path: string, what: string): Promise<string> {
  const absolute = resolve(path)
  const text = await readBoundedFile(absolute, MAX_SECRET_BYTES)
  if (text === null) throw new EpioneError('passphrase-unreadable', `there is no file ${absolute} to read the ${what} from`)
  if (process.platform !== 'win32' && ((await stat(absolute)).mode & 0o077) !== 0) {
    context.output.warn(`others can read ${absolute}, which holds the ${what}; run: chmod 600 ${absolute}`)
  }
  return text.replace(/\r?\n$/, '')
}

/** All of standard input, where it is no terminal; bounded. */
export async function readSecretPipe(context: Context): Promise<string> {
  let text = ''
  for await (const chunk of context.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_SECRET_BYTES) throw new EpioneError('usage', `more than ${MAX_SECRET_BYTES} characters on standard input`)
  }
  return text
}
