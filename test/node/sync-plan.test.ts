/** Which heights are asked from whom, by tables of claims and answers. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Delivered, type RangeRequest, SyncPlan, type SyncPlanOptions } from '../../src/node/sync-plan.ts'
import { property } from '../encoding/seeded.ts'

const test = suite('sync plan')

const blocks = (from: number, count: number, bytes = 100): Delivered<number>[] =>
  Array.from({ length: count }, (_, i) => ({ block: from + i, bytes }))

function planOf(claims: Record<string, { height: number; base?: number }>, options: SyncPlanOptions = {}): SyncPlan<number> {
  const plan = new SyncPlan<number>({ rangeBlocks: 10, windowBlocks: 50, ...options })
  for (const [peer, { height, base = 1 }] of Object.entries(claims)) plan.claim(peer, { height, base }, 0)
  return plan
}

const asked = (ranges: readonly RangeRequest[]): string[] => ranges.map(({ peer, from, limit }) => `${peer} ${from}-${from + limit - 1}`)

test('ranges go to several peers at once, within the window and the bounds of each', () => {
  const plan = planOf({ a: { height: 1000 }, b: { height: 1000 }, c: { height: 1000 } })
  assert.equal(asked(plan.next(0)), ['a 1-10', 'b 11-20', 'c 21-30', 'a 31-40', 'b 41-50'])
  assert.equal(plan.next(0), [])
  plan.delivered('b', 11, blocks(11, 10), 1)
  assert.is(plan.first(), undefined)
  plan.delivered('a', 1, blocks(1, 10), 1)
  assert.is(plan.first()?.block, 1)
  plan.tip(20, 1)
  assert.equal(asked(plan.next(1)), ['a 51-60', 'b 61-70'])
})

test('nobody is asked for what it does not claim, or has pruned', () => {
  const plan = planOf({ old: { height: 15 }, new: { height: 40, base: 12 } })
  assert.equal(asked(plan.next(0)), ['old 1-10', 'old 11-15', 'new 16-25', 'new 26-35'])
  assert.is(plan.isPruned(0), false)
  const pruned = planOf({ a: { height: 40, base: 12 }, b: { height: 3, base: 1 } })
  pruned.tip(3, 0)
  assert.is(pruned.isPruned(0), true)
  assert.equal(
    pruned.next(0).map(({ from }) => from),
    [12, 22],
  )
})

test('a short answer leaves the rest to be asked again', () => {
  const plan = planOf({ a: { height: 10 } })
  plan.next(0)
  plan.delivered('a', 1, blocks(1, 4), 1)
  assert.equal(asked(plan.next(1)), ['a 5-10'])
})

test('a slow peer loses its range to another, and its late answer is still good', () => {
  const plan = planOf({ slow: { height: 10 }, good: { height: 10 } }, { slowMs: 1000 })
  assert.equal(asked(plan.next(0)), ['slow 1-10'])
  assert.equal(plan.next(999), [])
  assert.equal(asked(plan.next(1000)), ['good 1-10'])
  assert.equal(plan.next(1500), [])
  plan.delivered('slow', 1, blocks(1, 3), 1600)
  plan.delivered('good', 1, blocks(1, 10), 1700)
  assert.is(plan.first()?.peer, 'slow')
  plan.tip(3, 1700)
  assert.is(plan.first()?.peer, 'good')
})

test('who does not answer is asked less and later', () => {
  const plan = planOf({ a: { height: 10 } })
  plan.next(0)
  plan.failed('a', 1, 'failed', 10)
  assert.equal(plan.next(11), [])
  assert.equal(asked(plan.next(2000)), ['a 1-10'])
  plan.failed('a', 1, 'failed', 2000)
  plan.claim('b', { height: 10, base: 1 }, 2000)
  assert.equal(asked(plan.next(20_000)), ['b 1-10'], 'who never failed goes first')
})

test('an empty answer, a wrong block and a claim that falls far put a peer aside for a while, and longer each time', () => {
  const plan = planOf({ liar: { height: 1_000_000 } })
  plan.next(0)
  plan.delivered('liar', 1, [], 0)
  assert.equal(plan.next(59_000), [])
  assert.is(plan.next(60_000).length, 2)
  plan.failed('liar', 1, 'wrong', 60_000)
  assert.equal(plan.next(120_000), [])
  const [progress] = plan.progress(120_000)
  assert.is(progress?.lastFault, 'wrong')
  assert.is(progress?.asideUntilMs, 180_000)
  const regressing = planOf({ peer: { height: 500 } })
  regressing.claim('peer', { height: 490, base: 1 }, 0)
  assert.ok(regressing.next(0).length > 0, 'messages may overtake each other')
  regressing.claim('peer', { height: 20, base: 1 }, 0)
  assert.equal(regressing.next(1), [])
  assert.is(regressing.progress(1)[0]?.lastFault, 'regressed')
})

test('a block that does not verify takes everything with it that its peer gave', () => {
  const plan = planOf({ liar: { height: 40 }, good: { height: 40 } })
  plan.next(0)
  plan.delivered('liar', 1, blocks(1, 10), 1)
  plan.delivered('good', 11, blocks(11, 10), 1)
  plan.delivered('liar', 21, blocks(21, 10), 1)
  plan.reject(2)
  assert.is(plan.first(), undefined)
  assert.is(plan.bufferedBytes, 1000)
  assert.equal(asked(plan.next(2)), ['good 1-10'])
})

test('what waits is bounded in bytes: then only the next height is asked for', () => {
  const plan = planOf({ a: { height: 100 }, b: { height: 100 } }, { maxBufferedBytes: 5000 })
  plan.next(0)
  plan.delivered('b', 11, blocks(11, 10, 1000), 1)
  plan.failed('a', 1, 'failed', 1)
  assert.equal(asked(plan.next(2)), ['b 1-10'])
  assert.equal(plan.next(2), [])
})

test('a liar with any claim stops nobody: the others bring the chain to its end', () =>
  property(random => {
    const height = 300
    const plan = planOf({ liar: { height: 2 ** 40 }, a: { height }, b: { height } }, { slowMs: 100, answerBytes: 0 })
    let tip = 0
    let now = 0
    const waiting: RangeRequest[] = []
    for (let step = 0; tip < height && step < 5_000; step++) {
      now += random.below(60)
      waiting.push(...plan.next(now))
      assert.ok(waiting.length <= 30)
      const at = waiting.splice(random.below(waiting.length), 1)[0]
      if (at === undefined) continue
      const { peer, from, limit } = at
      if (peer === 'liar') {
        const kind = random.below(4)
        if (kind === 0) plan.delivered(peer, from, [], now)
        else if (kind === 1) plan.failed(peer, from, 'wrong', now)
        else if (kind === 2) plan.delivered(peer, from, blocks(-from, limit), now)
        else waiting.push(at)
      } else if (random.below(5) === 0) plan.failed(peer, from, 'failed', now)
      else plan.delivered(peer, from, blocks(from, 1 + random.below(limit)), now)
      for (let next = plan.first(); next !== undefined; next = plan.first()) {
        if (next.block !== next.height) {
          assert.is(next.peer, 'liar')
          plan.reject(now)
          break
        }
        tip++
        plan.tip(tip, now)
      }
    }
    assert.is(tip, height)
  })())

interface Supplier {
  /** Time of an answer in ms, and blocks in it at most. */
  ms: number
  most: number
}
const HONEST: Supplier = { ms: 50, most: 64 }

/** Time in ms until 20,000 blocks are here from these peers, by a clock that goes in steps of 10 ms. */
function timeToSync(suppliers: Record<string, (request: number) => Supplier>): number {
  const height = 20_000
  const plan = new SyncPlan<number>()
  for (const peer of Object.keys(suppliers)) plan.claim(peer, { height, base: 1 }, 0)
  const due: (RangeRequest & { at: number; most: number })[] = []
  let requests = 0
  let tip = 0
  for (let now = 0; now < 3_600_000; now += 10) {
    for (const range of due.filter(({ at }) => at <= now)) {
      due.splice(due.indexOf(range), 1)
      plan.delivered(range.peer, range.from, blocks(range.from, Math.min(range.limit, range.most), 1000), now)
    }
    for (; plan.first() !== undefined; plan.tip(tip, now)) tip++
    if (tip === height) return now
    for (const range of plan.next(now)) {
      const { ms, most } = (suppliers[range.peer] ?? (() => HONEST))(requests++)
      due.push({ ...range, at: now + ms, most })
    }
  }
  return Number.POSITIVE_INFINITY
}

const honest = { a: () => HONEST, b: () => HONEST, c: () => HONEST }
const DRIPPERS: Record<string, (request: number) => Supplier> = {
  'one block just before its range goes to another': () => ({ ms: 1900, most: 1 }),
  'one block at once': () => ({ ms: 10, most: 1 }),
  'all blocks, late': () => ({ ms: 1900, most: 64 }),
  'one block, only now and then': request => (request % 8 < 4 ? HONEST : { ms: 1900, most: 1 }),
  'all blocks, late now and then': request => (request % 8 < 4 ? HONEST : { ms: 1900, most: 64 }),
  'late by less than others are asked for': () => ({ ms: 190, most: 64 }),
}
for (const [name, dripper] of Object.entries(DRIPPERS)) {
  test(`a dripping peer, first in the list, costs a moment: ${name}`, () => {
    const without = timeToSync(honest)
    const beside = timeToSync({ dripper, ...honest })
    assert.ok(beside <= 3 * without, `${beside} ms against ${without} ms`)
    const alone = timeToSync({ dripper, a: () => HONEST })
    assert.ok(alone <= 3 * timeToSync({ a: () => HONEST }), `${alone} ms beside one honest peer`)
  })
}

test('who ends an answer for the sake of its size is not left aside', () => {
  const plan = planOf({ a: { height: 30 } }, { answerBytes: 1000 })
  plan.next(0)
  plan.delivered('a', 1, blocks(1, 4, 200), 1)
  plan.next(1)
  plan.delivered('a', 5, blocks(5, 1, 900), 2)
  plan.tip(5, 2)
  assert.is(plan.progress(2)[0]?.lastFault, null)
  plan.next(2)
  plan.delivered('a', 6, blocks(6, 1, 10), 3)
  plan.next(3)
  plan.delivered('a', 7, blocks(7, 4, 10), 4)
  plan.tip(10, 4)
  assert.is(plan.progress(4)[0]?.lastFault, 'short')
})

test.run()
