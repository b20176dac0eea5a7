import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accountId } from '../../src/contracts/members-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { createNodeKeystore, newNodeSecrets, nodeKeysFrom, openNodeKeystore } from '../../src/node/keys.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { seedOf } from './cluster.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('node keys')
const secrets = newNodeSecrets(name => seedOf(`node ${name}`))

test('the same secrets give the same keys, each use its own', () => {
  const [a, b] = [nodeKeysFrom(secrets), nodeKeysFrom(secrets)]
  assert.equal(a.account, accountId(a.signing.publicKey))
  assert.equal([a.account, a.storage, a.networkSeed], [b.account, b.storage, b.networkSeed])
  const keys = [a.signing.publicKey, a.consensus.publicKey, a.network.publicKey, a.sealing.publicKey, a.storage].map(toHex)
  assert.is(new Set(keys).size, keys.length)
  assert.not.equal(newNodeSecrets(), newNodeSecrets())
})

test('a missing or short secret is named', () => {
  const { consensus: _, ...rest } = secrets
  assert.match(throwsCode(() => nodeKeysFrom(rest), 'keystore-corrupt').message, 'consensus')
  throwsCode(() => nodeKeysFrom({ ...secrets, storage: new Uint8Array(31) }), 'keystore-corrupt')
})

test('a keystore opens with its passphrase alone, and is never overwritten', async () => {
  using place = temporary()
  const path = join(place.dir, 'node.keystore')
  const cheap = { scrypt: { N: 1024, r: 8, p: 1 } }
  const keys = await createNodeKeystore(path, 'correct horse', secrets, cheap)
  assert.is((await stat(path)).mode & 0o777, 0o600)
  assert.equal((await openNodeKeystore(path, 'correct horse')).account, keys.account)
  const error = await rejectsCode(openNodeKeystore(path, 'wrong horse'), 'wrong-passphrase')
  assert.not.match(error.message, 'horse')
  await rejectsCode(createNodeKeystore(path, 'another', newNodeSecrets(), cheap), 'keystore-exists')
  assert.equal((await openNodeKeystore(path, 'correct horse')).account, keys.account)
})

test.run()
