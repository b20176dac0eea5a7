/** Codes that people hand to each other (contact cards, share codes, enrolments): as text, in a file, or from a scanner on a pipe. */
import { resolve } from 'node:path'
import { EpioneError } from '../src/encoding/errors.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import type { Context } from './context.ts'

const MAX_CODE_BYTES = 64 * 1024

/**
 * The text of a code: `given` itself where it begins with `prefix`, standard input for `-`, else the content of the file of that name.
 * @throws EpioneError `invalid-argument`, `file-unreadable`, `file-too-large`
 */
export async function readCode(context: Context, given: string, prefix: string): Promise<string> {
  if (given.startsWith(prefix)) return given
  if (given !== '-') {
    const text = await readBoundedFile(resolve(given), MAX_CODE_BYTES)
    if (text === null) throw new EpioneError('invalid-argument', `${given} is neither a code that begins with ${prefix} nor a file`)
    return text.trim()
  }
  let text = ''
  for await (const chunk of context.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_CODE_BYTES) throw new EpioneError('file-too-large', `more than ${MAX_CODE_BYTES} characters on standard input`)
  }
  return text.trim()
}
