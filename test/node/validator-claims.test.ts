import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Claim, heightOfMoreThanThird, ownClockOffset, weightedMedian } from '../../src/node/validator-claims.ts'
import { property } from '../encoding/seeded.ts'

const test = suite('claims of validators')

/** Claims of validators of weight 1, or of `[weight, value]`. */
function claims(...values: (number | null | [number, number | null])[]): Claim[] {
  return values.map(item => (Array.isArray(item) ? { power: item[0], value: item[1] } : { power: 1, value: item }))
}

const HEIGHTS: [string, Claim[], number][] = [
  ['nobody', [], 0],
  ['nobody has said anything', claims(null, null, null, null), 0],
  ['one alone of four is less than a third', claims(9, null, null, null), 0],
  ['two of four', claims(9, 7, null, null), 7],
  ['one liar far above', claims(2 ** 48, 7, 7, 6), 7],
  ['one liar at the bottom', claims(0, 7, 7, 6), 7],
  ['exactly a third is not more', claims(9, null, null), 0],
  ['by weight: a heavy validator speaks for itself', claims([5, 9], [1, 3], [1, 3]), 9],
  ['by weight: many light ones', claims([1, 99], [1, 98], [7, 4]), 4],
  ['alone', claims(3), 3],
]
for (const [name, given, expected] of HEIGHTS) {
  test(`height of more than a third: ${name}`, () => assert.is(heightOfMoreThanThird(given), expected))
}

const MEDIANS: [string, Claim[], number | null][] = [
  ['nobody', [], null],
  ['two of four are too few', claims(0, 10, null, null), null],
  ['three of four', claims(0, 10, 20, null), 10],
  ['an even number: the lower one', claims(0, 10, 20, 30), 10],
  ['a liar at either end', claims(-(2 ** 48), 10, 12, 14), 10],
  ['by weight', claims([1, 0], [1, 1], [5, 50]), 50],
]
for (const [name, given, expected] of MEDIANS) {
  test(`weighted median: ${name}`, () => assert.is(weightedMedian(given), expected))
}

test('the own clock is judged against the others: ahead is positive', () => {
  assert.is(ownClockOffset(claims(0, -300, -310, -290)), 300)
  assert.is(ownClockOffset(claims(0, 400, 390, 410)), -390)
  assert.is(ownClockOffset(claims(0, 0, 0, 0)), 0)
  assert.is(ownClockOffset(claims(0, 400, null, null)), null)
})

test(
  'less than a third of the weight moves neither figure out of what honest validators say',
  property(random => {
    for (let run = 0; run < 2_000; run++) {
      const powers = Array.from({ length: 4 + random.below(10) }, () => 1 + random.below(20))
      const total = powers.reduce((sum, power) => sum + power, 0)
      let lying = 0
      const honest: number[] = []
      const given = powers.map(power => {
        if (3 * (lying + power) < total && random.below(2) === 0) {
          lying += power
          return { power, value: (random.below(2) === 0 ? -1 : 1) * random.below(2 ** 31) * 2 ** 17 }
        }
        const value = 100 + random.below(50)
        honest.push(value)
        return { power, value }
      })
      const [least, most] = [Math.min(...honest), Math.max(...honest)]
      const height = heightOfMoreThanThird(given)
      const median = weightedMedian(given) as number
      assert.ok(height >= least && height <= most, `height ${height}, run ${run}`)
      assert.ok(median >= least && median <= most, `median ${median}, run ${run}`)
    }
  }),
)

test.run()
