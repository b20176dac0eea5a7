import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Budgets, DEFAULT_BUDGET_LIMITS, TokenBucket } from '../../src/network/budgets.ts'

const test = suite('budgets')

function make(limits: Partial<typeof DEFAULT_BUDGET_LIMITS>): { budgets: Budgets; clock: { ms: number } } {
  const clock = { ms: 0 }
  return { budgets: new Budgets({ ...DEFAULT_BUDGET_LIMITS, ...limits }, () => clock.ms), clock }
}

test('a bucket gives its burst at once and then its rate', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 3, nowMs: 0 })
  assert.equal(
    [1, 2, 3, 4].map(() => bucket.take(1, 0)),
    [true, true, true, false],
  )
  assert.not(bucket.take(1, 99))
  assert.ok(bucket.take(1, 100))
  assert.equal(
    [1, 2, 3, 4].map(() => bucket.take(1, 10_000)),
    [true, true, true, false],
    'never more than the burst',
  )
})

test('an overdrawn bucket tells how long it owes', () => {
  const bucket = new TokenBucket({ perSecond: 1000, burst: 500, nowMs: 0 })
  assert.is(bucket.charge(400, 0), 0)
  assert.is(bucket.charge(400, 0), 300)
  assert.is(bucket.debtMs(200), 100)
  assert.is(bucket.debtMs(300), 0)
})

test('requests per second', () => {
  const { budgets, clock } = make({ requestsPerSecond: 2, requestBurst: 2 })
  for (let i = 0; i < 2; i++) {
    const slot = budgets.open('a', false)
    assert.ok(slot)
    slot?.release()
  }
  assert.is(budgets.open('a', false), undefined)
  assert.ok(budgets.open('b', false), 'each peer has its own')
  clock.ms = 500
  assert.ok(budgets.open('a', false))
})

test('bytes are owed after the answer and block the next request', () => {
  const { budgets, clock } = make({ bytesPerSecond: 1000, byteBurst: 1000 })
  const slot = budgets.open('a', false)
  assert.is(slot?.charge(3000), 2000)
  slot?.release()
  clock.ms = 1999
  assert.is(budgets.open('a', false), undefined)
  clock.ms = 2000
  assert.ok(budgets.open('a', false))
})

test('streams of one peer, and a release counts once', () => {
  const { budgets } = make({ streamsPerPeer: 2 })
  const first = budgets.open('a', false)
  assert.ok(budgets.open('a', false))
  assert.is(budgets.open('a', false), undefined)
  first?.release()
  first?.release()
  assert.ok(budgets.open('a', false))
  assert.is(budgets.open('a', false), undefined)
})

test('strangers never get the slots of members', () => {
  const { budgets } = make({ streams: 10, reservedForMembers: 4 })
  let strangers = 0
  while (budgets.open(`stranger ${strangers}`, false) !== undefined) strangers += 1
  assert.is(strangers, 6)
  let members = 0
  while (budgets.open('member', true) !== undefined) members += 1
  assert.is(members, 4)
})

test('the table of peers is bounded and forgets idle peers first', () => {
  const { budgets } = make({ peers: 2, requestBurst: 1, requestsPerSecond: 1 })
  const held = budgets.open('held', false)
  budgets.open('idle', false)?.release()
  assert.ok(budgets.open('new', false), 'takes the place of the idle one')
  assert.is(budgets.open('held', false), undefined, 'still known: its burst is used up')
  assert.is(budgets.open('other', false), undefined, 'all places are held by peers with streams')
  held?.release()
  assert.ok(budgets.open('other', false))
})

test.run()
