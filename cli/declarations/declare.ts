/** Small helpers of the declarations. */
import { type Command, Option } from 'commander'
import { SETTING_NAMES, SETTINGS, type SettingName } from '../../src/node/settings.ts'
import { collect } from '../parse.ts'

/** Appends examples to a command's help: what one types, and what it does. */
export function examples(command: Command, lines: readonly (readonly [typed: string, does: string])[]): Command {
  const width = Math.max(...lines.map(([typed]) => typed.length))
  const text = lines.map(([typed, does]) => `  $ ${typed.padEnd(width)}  ${does}`).join('\n')
  return command.addHelpText('after', `\nExamples:\n${text}`)
}

/** Makes a command demand at least one of some options; `names` as in its options object. */
export function requireOneOf(command: Command, names: readonly string[]): Command {
  return command.hook('preAction', (_parent, acting) => {
    const values: Readonly<Record<string, unknown>> = acting.opts()
    if (names.some(name => values[name] !== undefined)) return
    const flags = acting.options.filter(option => names.includes(option.attributeName())).map(option => `'${option.flags}'`)
    acting.error(`error: one of the options ${flags.join(' and ')} is needed`, { code: 'commander.missingMandatoryOptionValue' })
  })
}

/** Settings that are global options of the program. */
const GLOBAL: readonly SettingName[] = ['home', 'passphraseFile']

/** Settings that commands about a node take as flags, and their options' names. */
export const NODE_FLAGS = SETTING_NAMES.filter(name => !GLOBAL.includes(name))

/** Adds a flag for each setting of a node. Values stay texts: the schema of the settings checks them. */
export function nodeOptions(command: Command): Command {
  command.optionsGroup('Settings (flag before EPIONE_... before config.yaml before default):')
  for (const name of NODE_FLAGS) {
    const { kind, flag, env, help, default: value } = SETTINGS[name]
    const isList = kind === 'multiaddrs' || kind === 'peers'
    const placeholder = {
      path: 'path',
      level: 'level',
      multiaddrs: 'multiaddr',
      peers: 'multiaddr',
      bytes: 'size',
      count: 'n',
      endpoint: 'host:port',
    }[kind]
    const fallback = formatDefault(value)
    const option = new Option(`${flag} <${placeholder}>`, `${help} (${env}${fallback === '' ? '' : `, default ${fallback}`})`)
    if (isList) option.argParser(collect)
    command.addOption(option)
  }
  return command.optionsGroup('Options:')
}

function formatDefault(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ')
  if (typeof value !== 'number') return value === null ? '' : String(value)
  if (value >= 2 ** 30 && value % 2 ** 30 === 0) return `${value / 2 ** 30}GiB`
  return value >= 2 ** 20 && value % 2 ** 20 === 0 ? `${value / 2 ** 20}MiB` : String(value)
}
