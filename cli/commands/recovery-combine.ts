/** `epione recovery combine` */
import { resolve } from 'node:path'
import { combineHeld, decodeShareText, type HeldShare, SHARE } from '../../src/client/guardians.ts'
import { openKit } from '../../src/client/recovery-kit.ts'
import { seedToPhrase } from '../../src/crypto/wallet.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { readCode } from '../codes.ts'
import type { Context } from '../context.ts'
import { count, printable } from '../format.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'

export interface RecoveryCombineOptions {
  out: string
}

/** What `--json` prints. */
export interface RecoveryCombineResult {
  file: string
  used: number
  /** Shares that are false, damaged or of another wallet. */
  rejected: readonly { file: string; number: number | null; guardian: string }[]
}

export async function recoveryCombine(context: Context, options: RecoveryCombineOptions, files: readonly string[]): Promise<void> {
  const file = resolve(options.out)
  await assertWritable(file)
  const rejected: RecoveryCombineResult['rejected'][number][] = []
  const shares: { file: string; share: HeldShare }[] = []
  for (const given of files) {
    try {
      shares.push({ file: given, share: decodeShareText(await readCode(context, given, SHARE)) })
    } catch (error) {
      if (errorCode(error) !== 'bad-guardian-share') throw error
      rejected.push({ file: given, number: null, guardian: '' })
    }
  }
  const name = (at: number): void => {
    const { file: from, share } = shares[at] as (typeof shares)[number]
    rejected.push({ file: from, number: share.number, guardian: printable(share.guardian) })
  }
  try {
    const { recoverySeed, kits, rejected: positions } = await combineHeld(shares.map(({ share }) => share))
    for (const at of positions) name(at)
    const kit = kits.find(candidate => opens(candidate, recoverySeed))
    await writePrivateFile(file, [utf8(`${seedToPhrase(recoverySeed)}\n${kit === undefined ? '' : `${kit}\n`}`)])
    const value: RecoveryCombineResult = { file, used: shares.length - positions.length, rejected }
    context.output.result(value, () => [file])
    if (kit === undefined)
      context.output.warn(
        'no share came with a kit that opens: what was written before cannot be read without the kit of the recovery sheet',
      )
    context.output.note(
      `the recovery phrase of ${count(value.used, 'share')}; use it with: epione recovery start --phrase-file ${file}, and remove the file`,
    )
  } catch (error) {
    if (error instanceof EpioneError && error.code === 'too-few-shares') {
      for (const at of String(error.metadata.rejected).split(',').filter(Boolean)) name(Number(at) - 1)
    }
    throw error
  } finally {
    for (const one of rejected)
      context.output.warn(`${one.file} is no true share${words(one)}: ask its guardian for the file that they were given`)
  }
}

function words({ number, guardian }: RecoveryCombineResult['rejected'][number]): string {
  if (number === null) return ''
  return `, it says it is number ${number}${guardian === '' ? '' : ` of ${guardian}`}`
}

function opens(kit: string, recoverySeed: Uint8Array): boolean {
  try {
    openKit(kit, recoverySeed)
    return true
  } catch {
    return false
  }
}
