/** `epione recovery open-share` */
import { resolve } from 'node:path'
import { openSealedShare, SEALED_SHARE } from '../../src/client/guardians.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { readCode } from '../codes.ts'
import type { Context } from '../context.ts'
import { identityPath, openIdentityFile } from '../identity-file.ts'
import { readPassphrase } from '../passphrase.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'

export interface RecoveryOpenShareOptions {
  out: string
}

export async function recoveryOpenShare(context: Context, options: RecoveryOpenShareOptions, share: string): Promise<void> {
  const file = resolve(options.out)
  await assertWritable(file)
  const sealed = await readCode(context, share, SEALED_SHARE)
  const path = identityPath(context)
  const { person } = await openIdentityFile(path, await readPassphrase(context, { of: `the keys ${path}` }))
  await writePrivateFile(file, [utf8(`${openSealedShare(sealed, person.sealing)}\n`)])
  context.output.result({ file }, () => [file])
  context.output.note('give it to nobody but the person who gave it to you, and only when you have seen or heard them yourself')
}
