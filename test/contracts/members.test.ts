import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accountKeyCodec, consensusKeyHash, networkKeyHash, signingKeyHash } from '../../src/contracts/member-keys.ts'
import { genesisChanges, genesisHeader, genesisValidators } from '../../src/contracts/members.ts'
import {
  accountCodec,
  chainId,
  counterCodec,
  custodiansCodec,
  type Genesis,
  type Organisation,
  parametersCodec,
  validatorsCodec,
} from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { compareBytes } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { validatorSetHash } from '../../src/ledger/header.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import { account, accountKey, GENESIS_TIME, genesisOf, keyOf, organisation, plainOrganisation, World } from './world.ts'

const test = suite('genesis')

/** Refused, with a sentence that says why. */
function invalid(genesis: Genesis, why: RegExp): void {
  for (const make of [genesisValidators, genesisChanges, (given: Genesis) => genesisHeader(given, new Uint8Array(32))]) {
    let thrown: unknown
    try {
      make(genesis)
    } catch (error) {
      thrown = error
    }
    assert.is(errorCode(thrown, 'none'), 'genesis-invalid')
    assert.match((thrown as Error).message, why)
  }
}

const founders = genesisOf().organisations
const withOrganisations = (...changes: Organisation[]): Genesis => genesisOf({ organisations: [...founders, ...changes] })

test('the state of height 0', () => {
  const genesis = genesisOf()
  const changes = genesisChanges(genesis)
  for (let i = 1; i < changes.length; i++) assert.is(compareBytes(changes[i - 1]!.key, changes[i]!.key), -1)
  assert.equal([changes[0]?.key, changes.at(-1)?.key], [stateKey.first(), stateKey.last()], 'a sentinel at each end')
  assert.ok(changes.every(({ value }) => value !== null && value.length > 0))
  const { read } = { read: new World(genesis) }
  assert.equal(read.read(parametersCodec, stateKey.parameters()), genesis.parameters)
  const set = genesisValidators(genesis)
  assert.equal(read.read(validatorsCodec, stateKey.validators()), { current: set, next: set, decided: set })
  assert.equal(read.read(accountCodec, accountKey('payer')), {
    status: 'active',
    since: 0,
    organisation: plainOrganisation('payer'),
    former: [],
  })
  assert.is(read.read(counterCodec, stateKey.custodiansHeight()), 0)
  const custodians = read.read(custodiansCodec, stateKey.custodians(0))!
  assert.is(custodians.length, 4)
  for (let i = 1; i < 4; i++) assert.is(compareBytes(custodians[i - 1]!.id, custodians[i]!.id), -1)
  for (const hash of [
    signingKeyHash(keyOf('berlin').publicKey),
    networkKeyHash(keyOf('berlin network').publicKey),
    consensusKeyHash(keyOf('berlin consensus').publicKey),
  ]) {
    assert.equal(read.read(accountKeyCodec, stateKey.accountKey(hash)), account('berlin'))
  }
})

test('validators are those with power, ascending by key, from height 1 on', () => {
  const { validators, since } = genesisValidators(genesisOf())
  assert.equal([validators.length, since], [4, 1])
  for (let i = 1; i < 4; i++) assert.is(compareBytes(validators[i - 1]!.publicKey, validators[i]!.publicKey), -1)
})

test('the order of the founders changes the chain, but nothing else', () => {
  const one = genesisOf()
  const other = genesisOf({ organisations: [...one.organisations].reverse() })
  assert.not.equal(chainId(one), chainId(other))
  assert.equal(genesisChanges(one), genesisChanges(other))
})

test('the header of height 0', () => {
  const genesis = genesisOf()
  const { root } = StateTree.empty().apply(genesisChanges(genesis))
  const header = genesisHeader(genesis, root)
  const hash = validatorSetHash(genesisValidators(genesis))
  assert.equal([header.height, header.time, header.stateRoot], [0, GENESIS_TIME, root])
  assert.equal([header.validatorsHash, header.nextValidatorsHash, header.chainId], [hash, hash, chainId(genesis)])
  assert.equal([header.parent, header.proposer], [new Uint8Array(32), new Uint8Array(32)])
})

test('k is more than f and at most n - 2f', () => {
  const many = Array.from({ length: 10 }, (_, i) => organisation(`hospital ${i}`))
  const of = (n: number, k: number) => genesisOf({ organisations: many }, { n, k })
  for (const [n, k] of [
    [4, 2],
    [5, 2],
    [5, 3],
    [6, 4],
    [7, 3],
    [10, 4],
  ] as const)
    assert.ok(genesisChanges(of(n, k)).length > 0)
  for (const [n, k] of [
    [4, 3],
    [4, 4],
    [5, 4],
    [7, 2],
    [7, 4],
    [10, 3],
    [10, 5],
  ] as const)
    invalid(of(n, k), /k must be/)
})

test('keys belong to one organisation', () => {
  invalid(withOrganisations(organisation('nairobi')), /belongs to another/)
  invalid(withOrganisations(plainOrganisation('x', { signingKey: keyOf('berlin').publicKey })), /key of "x"/)
  invalid(withOrganisations(plainOrganisation('x', { networkKey: keyOf('berlin network').publicKey })), /key of "x"/)
  invalid(withOrganisations(organisation('x', { consensusKey: keyOf('berlin consensus').publicKey })), /key of "x"/)
  assert.ok(genesisChanges(withOrganisations(organisation('x'))).length > 0)
})

test('keys are Ed25519 keys', () => {
  invalid(withOrganisations(plainOrganisation('x', { signingKey: new Uint8Array(32) })), /no Ed25519 public key/)
  invalid(withOrganisations(plainOrganisation('x', { networkKey: new Uint8Array(32).fill(0xff) })), /no Ed25519 public key/)
  invalid(withOrganisations(organisation('x', { consensusKey: new Uint8Array(32) })), /no Ed25519 public key/)
})

test('power and consensus key come together', () => {
  invalid(withOrganisations(organisation('x', { power: 0 })), /"x" has a voting weight without/)
  invalid(withOrganisations(organisation('x', { consensusKey: null })), /"x" has a voting weight without/)
})

test('somebody validates, and enough store', () => {
  const plain = ['a', 'b', 'c', 'd'].map(name => plainOrganisation(name, { capacity: 1 }))
  invalid(genesisOf({ organisations: plain }), /no organisation validates/)
  invalid(genesisOf({ organisations: founders.slice(0, 3) }), /3 custodians, and every record needs 4/)
  assert.ok(genesisChanges(genesisOf({ organisations: [...plain, organisation('only', { capacity: 0 })] })).length > 0)
})

test('what breaks the format, and policies of one name', () => {
  invalid(genesisOf({ network: 'No Name' }), /malformed/)
  invalid(genesisOf({ organisations: [] }), /malformed/)
  invalid(genesisOf({}, { folderQuota: 0 }), /malformed/)
  const policy = { name: 'anywhere', jurisdictions: null }
  invalid(genesisOf({}, { policies: [policy, policy] }), /one name/)
})

test.run()
