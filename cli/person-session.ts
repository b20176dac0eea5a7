/** A command that acts for a person of an organisation: the person's keys opened, a light peer on their network. */
import type { Person } from '../src/client/identity.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import type { Context } from './context.ts'
import { homeOf } from './home.ts'
import { identityPath, openIdentityFile } from './identity-file.ts'
import { connect } from './network.ts'
import { readPassphrase } from './passphrase.ts'
import { loadSettings } from './settings.ts'

export interface PersonSession {
  readonly peer: LightPeer
  readonly person: Person
}

/** Runs `act` with the person's keys and a light peer, which is stopped in the end. */
export async function withPerson<T>(context: Context, act: (session: PersonSession) => Promise<T>): Promise<T> {
  const path = identityPath(context)
  const passphrase = await readPassphrase(context, { of: `the keys ${path}`, configured: await configuredFile(context) })
  const { person, chainId } = await openIdentityFile(path, passphrase)
  await using peer = await connect(context, chainId)
  return await act({ peer, person })
}

/** The file that unlocks a node's keys unlocks its operator's own beside them; somebody else's keys it does not. */
async function configuredFile(context: Context): Promise<string | null> {
  if (context.globals.identity || context.env.EPIONE_IDENTITY) return null
  return (await loadSettings(context, { home: homeOf(context) })).config.passphraseFile
}
