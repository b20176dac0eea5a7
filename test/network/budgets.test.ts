import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Budgets, type Busy, DEFAULT_BUDGET_LIMITS, isBusy, type Slot, TokenBucket } from '../../src/network/budgets.ts'

const test = suite('budgets')

function make(limits: Partial<typeof DEFAULT_BUDGET_LIMITS>) {
  const clock = { ms: 0 }
  const all = new Budgets({ ...DEFAULT_BUDGET_LIMITS, ...limits }, () => clock.ms)
  const open = (peer: string, member: boolean): Slot | undefined => {
    const given = all.open(peer, member)
    return isBusy(given) ? undefined : given
  }
  /** What is used up, and when to come back. */
  const busy = (peer: string, member = false): Busy | undefined => {
    const given = all.open(peer, member)
    return isBusy(given) ? given : undefined
  }
  return { budgets: { open }, busy, all, clock }
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

test('who is refused is told what is used up, and when to come back', () => {
  const { busy, budgets, all, clock } = make({
    requestsPerSecond: 2,
    requestBurst: 2,
    bytesPerSecond: 1000,
    byteBurst: 1000,
    streamsPerPeer: 1,
  })
  const slot = budgets.open('a', false)
  assert.equal(busy('a'), { shortage: 'streams', retryAfterMs: 1_000 })
  slot?.charge(1500)
  slot?.release()
  assert.equal(busy('a'), { shortage: 'bytes', retryAfterMs: 500 })
  budgets.open('b', false)?.release()
  budgets.open('b', false)?.release()
  assert.equal(busy('b'), { shortage: 'requests', retryAfterMs: 500 })
  clock.ms = 500
  assert.is(busy('b'), undefined)
  assert.equal(all.load, { streams: 1, held: 0, refused: { places: 0, streams: 1, requests: 1, bytes: 1, held: 0 } })
})

test('who waits has fewer places than who asks, each and all together, and gives them back once', () => {
  const { budgets, all } = make({ heldPerPeer: 2, streams: 12, reservedForMembers: 8 })
  const hold = (peer: string): (() => void) | Busy => (budgets.open(peer, false) as Slot).hold()
  const first = hold('a') as () => void
  hold('a')
  assert.equal(hold('a'), { shortage: 'held', retryAfterMs: 1_000 })
  hold('b')
  assert.is(all.load.held, 3)
  assert.is(all.load.streams, 4)
  assert.ok(typeof budgets.open('member', true)?.hold() === 'function', 'members are not counted')
  first()
  first()
  assert.is(all.load.held, 2)
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
