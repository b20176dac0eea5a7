import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accountId } from '../../src/contracts/members-formats.ts'
import { seal } from '../../src/crypto/sealing.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import {
  createNodeKeystore,
  newNodeSecrets,
  nodeKeysFrom,
  openNodeKeystore,
  prepareNextKeys,
  ROTATED,
  takeNextKeys,
} from '../../src/node/keys.ts'
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

test('next keys wait in the keystore, and come into use with the account and the former sealing key kept', async () => {
  using place = temporary()
  const path = join(place.dir, 'node.keystore')
  const before = await createNodeKeystore(path, 'correct horse', secrets, { scrypt: { N: 1024, r: 8, p: 1 } })
  await rejectsCode(prepareNextKeys(path, 'wrong horse', ROTATED), 'wrong-passphrase')
  const next = await prepareNextKeys(path, 'correct horse', ROTATED)
  const again = await prepareNextKeys(path, 'correct horse', ['signing'])
  assert.equal(again.signing?.publicKey, next.signing?.publicKey, 'an attempt that broke off goes on with its keys')
  assert.equal((await openNodeKeystore(path, 'correct horse')).signing.publicKey, before.signing.publicKey, 'not in use yet')
  await takeNextKeys(path, 'correct horse')
  assert.is((await stat(path)).mode & 0o777, 0o600)
  const after = await openNodeKeystore(path, 'correct horse')
  assert.equal(
    [after.account, after.signing.publicKey, after.sealing.publicKey, after.network.publicKey, after.consensus.publicKey, after.storage],
    [before.account, next.signing?.publicKey, next.sealing?.publicKey, next.network?.publicKey, before.consensus.publicKey, before.storage],
  )
  const context = { info: seedOf('info'), aad: seedOf('aad') }
  for (let i = 0; i < 2; i++) {
    await prepareNextKeys(path, 'correct horse', ['sealing'])
    await takeNextKeys(path, 'correct horse')
  }
  const latest = await openNodeKeystore(path, 'correct horse')
  assert.equal([latest.account, latest.signing.publicKey], [before.account, after.signing.publicKey])
  for (const key of [before, after, latest]) {
    assert.equal(latest.sealing.open(seal(key.sealing.publicKey, seedOf('text'), context), context), seedOf('text'))
  }
  throwsCode(() => before.sealing.open(seal(latest.sealing.publicKey, seedOf('text'), context), context), 'unsealing-failed')
  const stranger = nodeKeysFrom(newNodeSecrets())
  throwsCode(() => latest.sealing.open(seal(stranger.sealing.publicKey, seedOf('text'), context), context), 'unsealing-failed')
})

test.run()
