/** `epione config validate` */
import { resolve } from 'node:path'
import { EpioneError } from '../../src/encoding/errors.ts'
import { loadConfig, MAX_CONFIG_BYTES, unknownEnvironment } from '../../src/node/config.ts'
import { readBoundedFile } from '../../src/node/config-file.ts'
import type { Context } from '../context.ts'
import { loadSettings } from '../settings.ts'

export async function configValidate(context: Context, options: object, given: string | undefined): Promise<void> {
  let path: string | null
  if (given === undefined) {
    path = (await loadSettings(context, options)).file?.path ?? null
  } else {
    path = resolve(given)
    const text = await readBoundedFile(path, MAX_CONFIG_BYTES)
    if (text === null) throw new EpioneError('config-invalid', `there is no file ${path}`)
    // The environment is left out: the question is whether the file is right.
    loadConfig({ file: { path, text } })
  }
  const warnings = unknownEnvironment(context.env)
  for (const warning of warnings) context.output.warn(warning)
  context.output.result({ valid: true, file: path, warnings }, () => [
    path === null ? 'no settings file; environment and defaults are valid' : `${path} is valid`,
  ])
}
