import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accountKeyCodec, networkKeyHash, signingKeyHash } from '../../src/contracts/member-keys.ts'
import { signedByAt } from '../../src/contracts/member-signatures.ts'
import {
  accountCodec,
  MAX_FORMER_KEYS,
  type NewKeys,
  newKeysBytes,
  rotateMemberCodec,
  validatorsCodec,
} from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { SUITE_MLKEM1024 } from '../../src/crypto/sealing-suites.ts'
import { createTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import { account, accountKey, act, hashOf, keyOf, sealingKey, World } from './world.ts'

const test = suite('new keys of members')

const NONE: NewKeys = { signingKey: null, sealingKey: null, networkKey: null }

/** The act by which Berlin takes keys of these names; the proofs are by `provers`, where others than the keys themselves. */
function rotation(
  world: World,
  names: { signing?: string; sealing?: string; network?: string },
  options: { signer?: string; provers?: { signing?: string; network?: string }; chainId?: Uint8Array } = {},
): Transaction {
  const key = (name: string | undefined) => (name === undefined ? null : keyOf(name).publicKey)
  const keys = {
    signingKey: key(names.signing),
    sealingKey: names.sealing === undefined ? null : sealingKey(names.sealing),
    networkKey: key(names.network),
  }
  const message = newKeysBytes(options.chainId ?? world.chainId, account('berlin'), keys)
  const proof = (name: string | undefined) => (name === undefined ? null : keyOf(name).sign(message))
  const body = act('members.rotate', rotateMemberCodec, {
    keys,
    signingProof: proof(options.provers?.signing ?? names.signing),
    networkProof: proof(options.provers?.network ?? names.network),
  })
  return createTransaction(world.byMember('berlin', body).content, keyOf(options.signer ?? 'berlin'))
}

const berlin = (world: World) => world.read(accountCodec, accountKey('berlin'))!

test('a member takes new keys: account, seat and weight stay, and what its former key signed stays checkable', () => {
  const world = new World()
  const before = berlin(world)
  const seats = world.read(validatorsCodec, stateKey.validators())
  const { code, events } = world.run(rotation(world, { signing: 'new', sealing: 'new', network: 'new network' }))
  assert.equal([code, events.map(({ name }) => name)], ['ok', ['members.rotated']])
  const after = berlin(world)
  assert.equal(after, {
    ...before,
    organisation: {
      ...before.organisation,
      signingKey: keyOf('new').publicKey,
      sealingKey: sealingKey('new'),
      networkKey: keyOf('new network').publicKey,
    },
    former: [{ signingKey: keyOf('berlin').publicKey, until: world.height }],
  })
  assert.equal(world.read(validatorsCodec, stateKey.validators()), seats)
  for (const hash of [signingKeyHash(keyOf('new').publicKey), networkKeyHash(keyOf('new network').publicKey)])
    assert.equal(world.read(accountKeyCodec, stateKey.accountKey(hash)), account('berlin'))
  assert.is(world.run(world.create('berlin', 'amina')).code, 'wrong-key')
  assert.is(world.run(createTransaction(world.create('berlin', 'amina').content, keyOf('new'))).code, 'ok')

  const message = hashOf('a receipt')
  const old = keyOf('berlin').sign(message)
  assert.ok(signedByAt(after, after.former[0]!.until, message, old))
  assert.not.ok(signedByAt(after, after.former[0]!.until + 1000, message, old), 'a key that is out of use vouches for nothing later')
  assert.ok(signedByAt(after, after.former[0]!.until + 1000, message, keyOf('new').sign(message)))
  assert.not.ok(signedByAt(after, 0, message, keyOf('recife').sign(message)))
})

test('one key alone, and the same again', () => {
  const world = new World()
  assert.is(world.run(rotation(world, { sealing: 'new' })).code, 'ok')
  assert.equal([berlin(world).former, berlin(world).organisation.sealingKey], [[], sealingKey('new')])
  const { code, events } = world.run(rotation(world, { sealing: 'new' }))
  assert.equal([code, events], ['ok', []])
  assert.is(world.run(rotation(world, {})).code, 'ok')
})

test('nobody takes a key that they do not hold, that was used before, or for somebody else', () => {
  const world = new World()
  const refuses = (transaction: Transaction, code: string) => assert.is(world.preview([transaction]).receipts[0]?.code, code)
  refuses(rotation(world, { signing: 'new' }, { provers: { signing: 'mallory' } }), 'key-unproven')
  refuses(rotation(world, { network: 'new' }, { provers: { network: 'mallory' } }), 'key-unproven')
  refuses(rotation(world, { signing: 'new' }, { chainId: hashOf('another chain') }), 'key-unproven')
  refuses(rotation(world, { signing: 'new' }, { signer: 'new' }), 'wrong-key')
  refuses(rotation(world, { signing: 'recife' }), 'key-taken')
  refuses(rotation(world, { network: 'recife network' }), 'key-taken')
  const unproven = { keys: { ...NONE, signingKey: keyOf('new').publicKey }, signingProof: null, networkProof: null }
  refuses(world.byMember('berlin', act('members.rotate', rotateMemberCodec, unproven)), 'key-unproven')
  const pure = sealingKeyFromSeed(hashOf('pure'), SUITE_MLKEM1024).publicKey
  const other = { keys: { ...NONE, sealingKey: pure }, signingProof: null, networkProof: null }
  refuses(world.byMember('berlin', act('members.rotate', rotateMemberCodec, other)), 'bad-organisation')
  assert.is(world.run(rotation(world, { signing: 'new' })).code, 'ok')
  refuses(rotation(world, { signing: 'berlin' }, { signer: 'new' }), 'key-taken')
})

test('an account has so many keys, and none is forgotten', () => {
  const world = new World()
  let signer = 'berlin'
  for (let i = 0; i < MAX_FORMER_KEYS; i++) {
    assert.is(world.run(rotation(world, { signing: `key ${i}` }, { signer })).code, 'ok')
    signer = `key ${i}`
  }
  assert.is(world.run(rotation(world, { signing: 'one more' }, { signer })).code, 'too-many-keys')
  assert.is(berlin(world).former.length, MAX_FORMER_KEYS)
})

test.run()
