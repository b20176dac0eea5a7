/** Orders to repair: who may give one, what is in it, and how many. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Quota, quotaCodec } from '../../src/contracts/members-formats.ts'
import { REPAIR_QUOTA, type RepairOrder, repairEntryCodec, repairOrdersCodec } from '../../src/contracts/repairs-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { account, act, HOUR, hashOf, World } from './world.ts'

const test = suite('repairs')

const helper = (name: string, index: number) => ({ id: account(name), index })

function withSubmission(): World {
  const world = new World()
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  assert.is(world.run(world.byMember('nairobi', world.anchorBody('amina', 'chart'))).code, 'ok')
  return world
}

function orderOf(world: World, changes: Partial<RepairOrder> = {}): RepairOrder {
  return {
    folder: world.folder('amina'),
    submissionRoot: hashOf('chart'),
    index: 1,
    helpers: [helper('nairobi', 0), helper('recife', 3)],
    attempt: 1,
    ...changes,
  }
}

const give = (world: World, member: string, ...orders: RepairOrder[]): Transaction =>
  world.byMember(member, act('repairs.order', repairOrdersCodec, { orders }))

const entry = (world: World, member: string) =>
  world.read(repairEntryCodec, stateKey.repair(world.folder('amina'), hashOf('chart'), account(member)))

test('a custodian orders a repair, then the next attempt of it; the last order alone stands', () => {
  const world = withSubmission()
  const receipt = world.run(give(world, 'berlin', orderOf(world)))
  assert.equal([receipt.code, receipt.events.map(({ name }) => name)], ['ok', ['repairs.ordered']])
  assert.equal(entry(world, 'berlin'), { index: 1, helpers: orderOf(world).helpers, attempt: 1, height: world.height })
  const helpers = [helper('recife', 2), helper('pune', 3)]
  assert.is(world.run(give(world, 'berlin', orderOf(world, { attempt: 2, helpers }))).code, 'ok')
  assert.equal(entry(world, 'berlin'), { index: 1, helpers, attempt: 2, height: world.height })
  for (const attempt of [1, 2, 4]) assert.is(world.run(give(world, 'berlin', orderOf(world, { attempt }))).code, 'wrong-attempt')
})

test('the orders of one custodian are in nobody else’s way', () => {
  const world = withSubmission()
  const others = [helper('berlin', 0), helper('recife', 2)]
  assert.is(world.run(give(world, 'pune', orderOf(world, { helpers: others }))).code, 'ok')
  assert.is(world.run(give(world, 'berlin', orderOf(world))).code, 'ok')
  assert.is(entry(world, 'pune')?.attempt, 1)
  assert.is(entry(world, 'berlin')?.attempt, 1)
})

test('what the ledger can see must be right', () => {
  const world = withSubmission()
  const cases: [string, Partial<RepairOrder>][] = [
    ['not-found', { submissionRoot: hashOf('another') }],
    ['not-found', { folder: hashOf('another') }],
    ['bad-helpers', { helpers: [helper('nairobi', 0), helper('recife', 2), helper('pune', 3)] }],
    ['bad-helpers', { helpers: [helper('nairobi', 3), helper('recife', 0)] }],
    ['bad-helpers', { helpers: [helper('nairobi', 0), helper('recife', 0)] }],
    ['bad-helpers', { helpers: [helper('nairobi', 0), helper('recife', 1)] }],
    ['bad-helpers', { helpers: [helper('nairobi', 0), helper('recife', 4)] }],
    ['bad-helpers', { index: 4 }],
    ['bad-helpers', { helpers: [helper('nairobi', 0), helper('nairobi', 2)] }],
    ['bad-helpers', { helpers: [helper('berlin', 0), helper('recife', 2)] }],
    ['bad-helpers', { helpers: [helper('nairobi', 0), { id: hashOf('nobody'), index: 2 }] }],
    ['wrong-attempt', { attempt: 2 }],
  ]
  for (const [code, changes] of cases) {
    assert.is(world.run(give(world, 'berlin', orderOf(world, changes))).code, code, JSON.stringify(changes))
  }
  // One wrong order of several undoes them all.
  assert.is(world.run(give(world, 'berlin', orderOf(world), orderOf(world, { submissionRoot: hashOf('b') }))).code, 'not-found')
  assert.is(entry(world, 'berlin'), undefined)
  assert.is(world.run(give(world, 'payer', orderOf(world))).code, 'not-custodian')
})

test('an hour holds so many orders', () => {
  const world = withSubmission()
  let attempt = 1
  const batch = (count: number): RepairOrder[] => Array.from({ length: count }, () => orderOf(world, { attempt: attempt++ }))
  assert.is(world.run(give(world, 'berlin', ...batch(200))).code, 'ok')
  const key = stateKey.repairQuota(account('berlin'))
  const quota = world.read(quotaCodec, key) as Quota
  assert.is(quota.used, 200)
  // As if so many had been given that three are left.
  world.state = world.state.apply([{ key, value: quotaCodec.encode({ ...quota, used: REPAIR_QUOTA - 3 }) }])
  assert.is(world.run(give(world, 'berlin', ...batch(4))).code, 'over-repair-quota')
  attempt -= 4
  assert.is(world.run(give(world, 'berlin', ...batch(3))).code, 'ok')
  assert.is(world.run(give(world, 'berlin', ...batch(1))).code, 'over-repair-quota')
  attempt--
  world.timeMs += HOUR
  assert.is(world.run(give(world, 'berlin', ...batch(1))).code, 'ok')
})

test.run()
