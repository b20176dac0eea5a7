/** `epione keys card` */
import { encodeCard } from '../../src/client/identity.ts'
import type { Context } from '../context.ts'
import { identityPath, openIdentityFile } from '../identity-file.ts'
import { readPassphrase } from '../passphrase.ts'
import { qrLines } from '../qr.ts'

export async function keysCard(context: Context, options: { qr?: boolean }): Promise<void> {
  const path = identityPath(context)
  const passphrase = await readPassphrase(context, { of: `the keys ${path}` })
  const { person, name, chainId } = await openIdentityFile(path, passphrase)
  const { organisation, role, signing, sealing } = person
  const card = encodeCard({ version: 1, chainId, organisation, name, role, signingKey: signing.publicKey, sealingKey: sealing.publicKey })
  const code = options.qr === true ? await qrLines(card) : []
  const value = { file: path, card, name, role, organisation, chainId, signingKey: signing.publicKey, sealingKey: sealing.publicKey }
  context.output.result(value, () => [...code, card])
}
