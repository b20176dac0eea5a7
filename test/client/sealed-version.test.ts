/** A version that was sealed before is sealed the same again, or not at all under its key. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { personFromSeeds } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import type { RecordInput } from '../../src/client/record-input.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { sealedBefore, sealVersion } from '../../src/client/sealed-version.ts'
import type { Folder } from '../../src/contracts/folders-formats.ts'
import { folderSealingKey } from '../../src/crypto/wallet.ts'
import { concat, equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { seedOf, walletOf } from '../node/cluster.ts'

const test = suite('client/sealed-version')
const peer = {
  chainId: seedOf('chain'),
  parameters: { n: 4, k: 2, dictionaries: [] },
  now: () => 1_700_000_000_000,
} as unknown as LightPeer
const person = personFromSeeds({
  organisation: seedOf('organisation'),
  role: 'physician',
  signingSeed: seedOf('signing'),
  sealingSeed: seedOf('sealing'),
})
const folder = { epoch: 0, sealingKey: folderSealingKey(walletOf('patient').seed, 0, 0).publicKey } as Folder
const address = { id: seedOf('folder'), label: 'normal' as const, labelSalt: seedOf('salt') }

async function ciphertext({ ciphertext }: { ciphertext: () => AsyncIterable<Uint8Array> }): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of ciphertext()) parts.push(part.slice())
  return concat(...parts)
}

test('the same content goes on under the same key only where its stored bytes are the same too', async () => {
  const input: RecordInput = { mediaType: 'text/plain', class: 'laboratory', content: contentOf(utf8('a finding '.repeat(100))) }
  const first = await sealVersion(peer, person, address, folder, input)
  const again = await sealedBefore(peer, input, first.secret)
  assert.ok(again !== undefined && equalBytes(await ciphertext(first), await ciphertext(again)))
  // As another compressor would have made them: other bytes of the same content, as many.
  const other = first.secret.storedHash.slice()
  other[0] = (other[0] as number) ^ 1
  assert.is(await sealedBefore(peer, input, { ...first.secret, storedHash: other }), undefined)
  const changed = { ...input, content: contentOf(utf8('a Finding '.repeat(100))) }
  assert.is(await sealedBefore(peer, changed, first.secret), undefined)
})

test.run()
