/** A command that acts for a person of an organisation: the person's keys opened, a light peer on their network. */
import type { Person } from '../src/client/identity.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import type { Context } from './context.ts'
import { identityPath, openIdentityFile } from './identity-file.ts'
import { connect } from './network.ts'
import { readPassphrase } from './passphrase.ts'

export interface PersonSession {
  readonly peer: LightPeer
  readonly person: Person
}

/** Runs `act` with the person's keys and a light peer, which is stopped in the end. */
export async function withPerson<T>(context: Context, act: (session: PersonSession) => Promise<T>): Promise<T> {
  const path = identityPath(context)
  const { person, chainId } = await openIdentityFile(path, await readPassphrase(context, { of: `the keys ${path}` }))
  await using peer = await connect(context, chainId)
  return await act({ peer, person })
}
