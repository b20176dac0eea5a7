import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { admission, admit } from '../../src/contracts/admission.ts'
import { revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { countersign, createTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import { throwsCode } from '../encoding/throws.ts'
import { act, genesisOf, HOUR, hashOf, keyOf, World } from './world.ts'

const test = suite('admission')

function withFolder(parameters: Parameters<typeof genesisOf>[1] = {}): World {
  const world = new World(genesisOf({}, parameters))
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  return world
}

const revokeBody = (world: World) => act('consents.revoke', revokeBodyCodec, { consent: world.consent('amina', 'none') })
const revoke = (world: World, owner: string, options: { signer?: string } = {}): Transaction =>
  world.byFolder(owner, revokeBody(world), options)

const ask = (world: World, transaction: Transaction, more: { timeMs?: number; pending?: number } = {}): string | undefined =>
  admission(world.state, transaction, { chainId: world.chainId, timeMs: world.timeMs + 1000, ...more })

test('what the ledger would refuse for its form or its author is refused, with the same code', () => {
  const world = withFolder()
  const nothing = { contract: 'nothing', action: 'nothing', body: new Uint8Array() }
  const anchor = world.byMember('nairobi', world.anchorBody('amina', 's'))
  const refused: [Transaction, string][] = [
    [world.byMember('nairobi', world.anchorBody('amina', 's'), { chainId: hashOf('other') }), 'wrong-chain'],
    [countersign(anchor, keyOf('berlin')), 'bad-signature'],
    [world.byMember('nairobi', nothing), 'unknown-contract'],
    [world.byMember('nairobi', { ...nothing, contract: 'records' }), 'unknown-action'],
    [world.byMember('nairobi', { ...nothing, contract: 'records', action: 'anchor' }), 'malformed'],
    [world.byMember('nairobi', revokeBody(world)), 'not-allowed'],
    [world.byFolder('amina', world.grantBody('c')), 'sponsor-required'],
    [world.byFolder('amina', world.grantBody('c'), { sponsor: 'stranger' }), 'unknown-sponsor'],
    [world.create('stranger', 'bela'), 'unknown-author'],
    [createTransaction(anchor.content, keyOf('mallory')), 'wrong-key'],
  ]
  for (const [transaction, code] of refused) {
    assert.is(ask(world, transaction), code)
    assert.is(world.preview([transaction]).receipts[0]?.code, code)
  }
  assert.is(ask(world, anchor), undefined)
})

test('an unknown folder and a wrong owner key are not found, in the same words', () => {
  const world = withFolder()
  const messages = [revoke(world, 'nobody'), revoke(world, 'amina', { signer: 'mallory' })].map(
    transaction => throwsCode(() => admit(world.state, transaction, { chainId: world.chainId, timeMs: world.timeMs }), 'not-found').message,
  )
  assert.is(messages[0], messages[1])
})

test('it asks who acts and who pays, not whether the act would succeed, and leaves the state alone', () => {
  const world = withFolder()
  const { root } = world.state
  assert.is(ask(world, revoke(world, 'amina')), undefined)
  assert.is(ask(world, world.byMember('berlin', world.openBody('amina', hashOf('none')))), undefined)
  assert.is(world.state.root, root)
})

test('a quota that is used up, by what the state shows and what is on its way, until the next hour', () => {
  const world = withFolder({ folderQuota: 3, sponsorQuota: 2 })
  assert.equal(
    [0, 2, 3].map(pending => ask(world, revoke(world, 'amina'), { pending })),
    [undefined, undefined, 'over-folder-quota'],
  )
  for (let i = 0; i < 2; i++) assert.is(world.run(revoke(world, 'amina')).code, 'not-found')
  assert.equal(
    [0, 1].map(pending => ask(world, revoke(world, 'amina'), { pending })),
    [undefined, 'over-folder-quota'],
  )
  assert.is(world.run(revoke(world, 'amina')).code, 'not-found')
  assert.is(ask(world, revoke(world, 'amina')), 'over-folder-quota')
  assert.is(ask(world, revoke(world, 'amina'), { timeMs: world.timeMs + HOUR }), undefined)

  const anchor = (): Transaction => world.byMember('nairobi', world.anchorBody('amina', 's'))
  assert.is(ask(world, anchor()), undefined)
  assert.is(ask(world, anchor(), { pending: 1 }), 'over-quota')
  assert.is(world.run(anchor()).code, 'ok')
  assert.is(ask(world, world.byFolder('amina', world.grantBody('c'), { sponsor: 'nairobi' })), 'over-quota')
  assert.is(ask(world, world.byFolder('amina', world.grantBody('c'), { sponsor: 'berlin' })), undefined)
})

test('a broken state is no answer', () => {
  const world = withFolder()
  assert.throws(() => admission({ get: () => undefined }, revoke(world, 'amina'), { chainId: world.chainId, timeMs: 0 }), /genesis/)
})

test.run()
