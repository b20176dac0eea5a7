/** The classifiers find what there is to find, and nothing where there is nothing. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refusalTime } from '../../src/node/refusals.ts'
import { accuracy, type Sample } from '../../testnet/hidden/classifier.ts'
import { seededRandom } from '../../testnet/population/random.ts'

const test = suite('telling hidden records')

function samples(count: number, seed: number, feature: (hidden: boolean, random: () => number) => number[]): [Sample[], Sample[]] {
  const { next } = seededRandom(seed)
  const of = (): Sample[] =>
    Array.from({ length: count / 2 }, () => {
      const hidden = next() < 0.5
      return { hidden, features: feature(hidden, next) }
    })
  return [of(), of()]
}

test('another code, another length and another time are found; noise is not', () => {
  assert.is(accuracy(samples(400, 1, hidden => [hidden ? 1 : 0, 0, 3])), 1)
  assert.ok(accuracy(samples(1000, 2, (hidden, random) => [0, 0, 50 + random() + (hidden ? 0.6 : 0)])) > 0.7)
  // Of two equal means, the spread tells.
  assert.ok(accuracy(samples(1000, 3, (hidden, random) => [0, hidden ? random() * 10 : random() * 2])) > 0.75)
  for (const seed of [4, 5, 6]) {
    const share = accuracy(samples(1000, seed, (_, random) => [0, Math.floor(random() * 3), 50 + random()]))
    assert.ok(share < 0.55, `${share}`)
  }
})

test('a refusal leaves at the end of a span that its question began', () => {
  assert.equal([refusalTime(100, 100), refusalTime(100, 149), refusalTime(100, 150), refusalTime(100, 151)], [150, 150, 150, 200])
  assert.equal([refusalTime(0, 20, 500), refusalTime(0, 520, 500)], [500, 1000])
})

test.run()
