/** Whom a repair asks, and which comes first. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { byUrgency, chooseHelpers, Doubts, type Helper, pauseBefore } from '../../src/node/custodian/repair-plan.ts'
import { property } from '../encoding/seeded.ts'
import { seedOf } from './cluster.ts'

const test = suite('plan of repairs')
const helper = (index: number): Helper => ({ id: seedOf('member', index), index })
const root = seedOf('root')

test('those with the fewest good fragments come first; what cannot be repaired is left out', () => {
  const repair = (k: number, ...indices: number[]) => ({ k, there: indices.map(helper) })
  // Two that have one fragment count once.
  assert.equal(byUrgency([repair(2, 1, 1)]), [])
  const [four, two, one, three] = [repair(2, 0, 1, 2, 3), repair(2, 0, 1), repair(2, 0), repair(2, 1, 2, 3)]
  assert.equal(byUrgency([four, two, one, three]), [two, three, four])
  // What counts is how many may still be lost.
  const other = repair(3, 0, 1, 2, 3)
  assert.equal(byUrgency([three, other, two]), [two, three, other])
})

test(
  'k helpers, ascending by index; where f of the others lie, a set without a liar comes, and from then on liars are left aside',
  property(random => {
    for (let round = 0; round < 100; round++) {
      const f = 1 + random.below(4)
      const k = f + 1
      const there = Array.from({ length: 3 * f }, (_, i) => helper(i))
      const twins = [...there, { id: seedOf('former holder'), index: random.below(3 * f) }]
      assert.is(new Set(chooseHelpers(twins, 3 * f, new Doubts(), root, round)?.map(({ index }) => index)).size, 3 * f)
      assert.is(chooseHelpers(there.slice(0, k - 1), k, new Doubts(), root, 1), undefined)
      const liars = new Set(there.slice(0, f).map(({ id }) => toHex(id)))
      const doubts = new Doubts()
      let attempt = 1
      for (; ; attempt++) {
        const chosen = chooseHelpers(there, k, doubts, root, attempt) as Helper[]
        assert.equal(
          chosen.map(({ index }) => index),
          [...new Set(chosen.map(({ index }) => index))].sort((a, b) => a - b),
        )
        assert.is(chosen.length, k)
        if (!chosen.some(({ id }) => liars.has(toHex(id)))) break
        doubts.failed(chosen)
        assert.ok(attempt < 1_000, 'a set without liars comes')
      }
      // Every success tells which are honest.
      const honest = chooseHelpers(there, k, doubts, root, attempt) as Helper[]
      for (let i = 0; i <= attempt; i++) doubts.succeeded(honest)
      for (let i = 0; i < 10; i++) {
        const next = chooseHelpers(there, k, doubts, seedOf('another root', i), 1) as Helper[]
        assert.not(next.some(({ id }) => liars.has(toHex(id))))
      }
    }
  }),
)

test('attempts take turns among equals, and a success makes up for a failure', () => {
  const there = Array.from({ length: 6 }, (_, i) => helper(i))
  const sets = Array.from({ length: 12 }, (_, i) =>
    JSON.stringify(chooseHelpers(there, 2, new Doubts(), root, i)?.map(({ index }) => index)),
  )
  assert.ok(new Set(sets).size > 4)
  const doubts = new Doubts()
  doubts.failed([helper(0), helper(1)])
  doubts.succeeded([helper(0), helper(2)])
  assert.equal(
    [0, 1, 2].map(index => doubts.of(helper(index).id)),
    [0, 1, 0],
  )
})

test('many wrong sums, as of what never was a codeword, make a repair rare; a few cost no time', () => {
  const job = (failures: number, wrongSums: number) => ({ folder: root, root, failures, wrongSums, failedAttempt: 0, notBefore: 0 })
  assert.equal(
    [0, 10, 32, 33, 40, 1_000].map(count => pauseBefore(job(count, count), true)),
    [500, 500, 500, 1_000, 128_000, 24 * 60 * 60_000],
  )
  // Others that could not be reached are no wrong sums.
  assert.is(pauseBefore(job(100, 0), true), 500)
  assert.equal(
    [0, 3, 100].map(count => pauseBefore(job(count, 0), false)),
    [500, 4_000, 5 * 60_000],
  )
})

test.run()
