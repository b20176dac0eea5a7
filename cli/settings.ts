/** The settings of a node for a command: its flags, the environment, and the file in the home. */
import { type ConfigFlags, type LoadedConfig, loadHomeConfig } from '../src/node/config.ts'
import type { Context } from './context.ts'
import { NODE_FLAGS } from './declarations/declare.ts'

/** @throws EpioneError `config-invalid`, `file-unreadable`, `file-too-large` */
export async function loadSettings(
  context: Context,
  options: object,
): Promise<LoadedConfig & { file: { path: string; text: string } | null }> {
  const typed = options as Readonly<Record<string, string | readonly string[] | undefined>>
  const flags: ConfigFlags = Object.fromEntries(
    [...NODE_FLAGS, 'home' as const, 'passphraseFile' as const].flatMap(name => (typed[name] === undefined ? [] : [[name, typed[name]]])),
  )
  return loadHomeConfig({ flags, env: context.env })
}
