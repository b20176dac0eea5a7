/** `epione config show` */
import { formatByteSize } from '../../src/node/config.ts'
import { SETTING_NAMES, SETTINGS, type SettingName } from '../../src/node/settings.ts'
import type { Context } from '../context.ts'
import { table } from '../output.ts'
import { loadSettings } from '../settings.ts'

/** A value as the settings file would have it. */
function written(name: SettingName, value: unknown): string {
  if (value === null) return ''
  return SETTINGS[name].kind === 'bytes' ? formatByteSize(Number(value)) : JSON.stringify(value)
}

export async function configShow(context: Context, options: { origin?: boolean }): Promise<void> {
  const { config, origins, file } = await loadSettings(context, options)
  const withOrigin = options.origin === true
  const value = { file: file?.path ?? null, settings: config, ...(withOrigin ? { origins } : {}) }
  context.output.result(value, () => {
    if (withOrigin) return table(SETTING_NAMES.map(name => [name, written(name, config[name]) || '-', origins[name].at]))
    // The home is where the file is, so the file cannot name it.
    return SETTING_NAMES.map(name => `${name === 'home' ? '# ' : ''}${name}: ${written(name, config[name])}`.trimEnd())
  })
}
