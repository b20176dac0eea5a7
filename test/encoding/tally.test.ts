import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Tally } from '../../src/encoding/tally.ts'

const test = suite('counts by code')

test('codes are counted apart up to a bound, and further ones together', () => {
  const tally = new Tally()
  assert.equal(tally.counts(), {})
  for (let i = 0; i < 100; i++) tally.add(`code-${i}`)
  tally.add('code-0', 4)
  const counts = tally.counts()
  assert.is(Object.keys(counts).length, 32)
  assert.equal([counts['code-0'], counts['code-30'], counts['code-31'], counts.other], [5, 1, undefined, 69])
})

test('what a peer sends in place of a code is not shown', () => {
  const tally = new Tally()
  for (const code of ['', 'Amina Otieno', 'a"b', 'x\ny', 'a'.repeat(49), '7f3c', '__proto__', '-a']) tally.add(code)
  tally.add('not-found')
  assert.equal(tally.counts(), { other: 8, 'not-found': 1 })
})

test.run()
