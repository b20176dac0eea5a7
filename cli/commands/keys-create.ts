/** `epione keys create` */
import { encodeCard } from '../../src/client/identity.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { parseHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { assertNoKeystore } from '../files.ts'
import { createIdentityFile, identityPath, openIdentityFile } from '../identity-file.ts'
import { readPassphrase } from '../passphrase.ts'

export interface KeysCreateOptions {
  name: string
  role: string
  /** Account of the organisation, in hex. */
  organisation: string
  /** Id of the chain, in hex. */
  chain: string
}

/** Bytes of an id that the declaration has checked already. */
function idBytes(hex: string): Uint8Array {
  const bytes = parseHex(hex)
  if (bytes === undefined) throw new EpioneError('invalid-argument', `${hex} is no id of 64 hex digits`)
  return bytes
}

export async function keysCreate(context: Context, options: KeysCreateOptions): Promise<void> {
  const path = identityPath(context)
  await assertNoKeystore(path, '--identity')
  const passphrase = await readPassphrase(context, { of: `the keys ${path}`, create: true })
  await createIdentityFile(path, passphrase, {
    name: options.name,
    role: options.role,
    organisation: idBytes(options.organisation),
    chainId: idBytes(options.chain),
    signingSeed: randomBytes(32),
    sealingSeed: randomBytes(32),
  })
  // Read back: what is shown is what the file gives.
  const { person, name, chainId } = await openIdentityFile(path, passphrase)
  const card = encodeCard({
    version: 1,
    chainId,
    organisation: person.organisation,
    name,
    role: person.role,
    signingKey: person.signing.publicKey,
    sealingKey: person.sealing.publicKey,
  })
  context.output.result({ file: path, signingKey: person.signing.publicKey, card }, () => [card])
  context.output.note(`keys in ${path}; the card is for patients, and for your organisation: epione staff add <card>`)
}
