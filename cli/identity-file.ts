/** The identity file: a keystore with the keys of one person, such as a clinician, for whom an organisation answers. */
import { join, resolve } from 'node:path'
import { type Person, personFromSeeds } from '../src/client/identity.ts'
import { createIdentityKeystore, type IdentityContents, openIdentityKeystore } from '../src/node/identity-file.ts'
import type { Context } from './context.ts'
import { homeOf } from './home.ts'

/** The identity file that the command is about: `--identity`, EPIONE_IDENTITY, or `identity.keystore` in the home. */
export function identityPath(context: Context): string {
  return resolve(context.globals.identity || context.env.EPIONE_IDENTITY || join(homeOf(context), 'identity.keystore'))
}

/** Writes a new identity file, and its folder if needed. @throws as createKeystore */
export async function createIdentityFile(path: string, passphrase: string, contents: IdentityContents): Promise<void> {
  await createIdentityKeystore(path, passphrase, contents)
}

/** Reads an identity file. @throws as openKeystore; EpioneError `not-an-identity` for a keystore of another kind */
export async function openIdentityFile(path: string, passphrase: string): Promise<{ person: Person; name: string; chainId: Uint8Array }> {
  const { name, chainId, ...seeds } = await openIdentityKeystore(path, passphrase)
  return { person: personFromSeeds(seeds), name, chainId }
}
