/** The home folder that a command works in. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { SETTINGS } from '../src/node/settings.ts'
import type { Context } from './context.ts'

/** Absolute path: `--home`, EPIONE_HOME, or the default; `~` is the user's home folder. */
export function homeOf(context: Context): string {
  const given = context.globals.home || context.env[SETTINGS.home.env] || SETTINGS.home.default
  return given === '~' || given.startsWith('~/') ? join(homedir(), given.slice(1)) : resolve(given)
}

/** Addresses of the nodes that the command is to speak to: `--peer`, EPIONE_PEER (separated by commas), or null for the node of the home. */
export function peerAddresses(context: Context): readonly string[] | null {
  if (context.globals.peer !== undefined) return context.globals.peer
  const named = (context.env.EPIONE_PEER ?? '')
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
  return named.length > 0 ? named : null
}
