import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import type { ValidatorSet } from '../../src/ledger/header.ts'
import { seeded, testKeys, validatorSet } from './network.ts'

const test = suite('proposer rotation')
const keys = testKeys(10)

function turns(set: ValidatorSet, slots: number): number[] {
  return Array.from({ length: slots }, (_, i) => set.validators.indexOf(proposerAt(set, set.since + i, 0)))
}

function code(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return errorCode(error)
  }
  return 'none'
}

test('equal weights take turns', () => {
  assert.equal(turns(validatorSet(keys.slice(0, 4)), 8), [0, 1, 2, 3, 0, 1, 2, 3])
  assert.equal(turns(validatorSet(keys.slice(0, 4), [5, 5, 5, 5]), 4), [0, 1, 2, 3])
})

test('a round is a step ahead, and rounds reach every validator', () => {
  const set = validatorSet(keys.slice(0, 4), [3, 2, 1, 1])
  assert.is(proposerAt(set, 5, 2), proposerAt(set, 7, 0))
  assert.is(new Set(Array.from({ length: 7 }, (_, round) => proposerAt(set, 9, round))).size, 4)
})

test('the rotation starts where the set starts', () => {
  const set = validatorSet(keys.slice(0, 4), [3, 2, 1, 1])
  assert.is(proposerAt({ ...set, since: 1000 }, 1003, 1), proposerAt(set, 4, 1))
})

test('in each period everybody has exactly its share, and turns are spread', () => {
  const seed = 7
  const random = seeded(seed)
  for (let run = 0; run < 40; run++) {
    const n = 1 + Math.floor(random() * 10)
    const powers = Array.from({ length: n }, () => 1 + Math.floor(random() * 20))
    const total = powers.reduce((a, b) => a + b)
    const order = turns(validatorSet(keys.slice(0, n), powers), 2 * total)
    const counts = powers.map(() => 0)
    order.forEach((who, i) => {
      counts[who]!++
      powers.forEach((power, v) => {
        const ahead = Math.abs(counts[v]! - ((i + 1) * power) / total)
        assert.ok(ahead < 2, `seed ${seed} run ${run}: validator ${v} is ${ahead} turns off its share`)
      })
      if (i + 1 === total) assert.equal(counts, powers, `seed ${seed} run ${run}: the first period`)
    })
    assert.equal(
      counts,
      powers.map(power => 2 * power),
      `seed ${seed} run ${run}: the second period`,
    )
  }
})

test('the heaviest weights and the longest chains cost no more', () => {
  const set = validatorSet(
    keys,
    keys.map((_, i) => 1_000_000_000 - 7 * i),
  )
  const height = Number.MAX_SAFE_INTEGER - 2_000_000
  const seen = new Set(Array.from({ length: 30 }, (_, round) => proposerAt(set, height, round)))
  assert.is(seen.size, 10)
})

test('an empty set and a height before the set are refused', () => {
  assert.is(
    code(() => proposerAt({ validators: [], since: 0 }, 1, 0)),
    'no-validators',
  )
  assert.is(
    code(() => proposerAt({ ...validatorSet(keys), since: 5 }, 4, 0)),
    'height-before-set',
  )
})

test.run()
