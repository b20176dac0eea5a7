import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MEMBER_BAN_MS, STRANGER_BAN_MS, Standing } from '../../src/network/standing.ts'

const test = suite('standing')

test('repeated offences lead to a ban that ends', () => {
  const clock = { ms: 0 }
  const standing = new Standing(() => clock.ms)
  assert.equal(
    [1, 2, 3].map(() => standing.report('a', 'malformed', false)),
    [false, false, false],
  )
  assert.not(standing.isBanned('a'))
  assert.ok(standing.report('a', 'malformed', false))
  assert.ok(standing.isBanned('a'))
  assert.not(standing.isBanned('b'))
  clock.ms = STRANGER_BAN_MS - 1
  assert.ok(standing.isBanned('a'))
  clock.ms = STRANGER_BAN_MS
  assert.not(standing.isBanned('a'))
})

test('a lie weighs as much as two malformed messages; a member is back sooner', () => {
  const clock = { ms: 0 }
  const standing = new Standing(() => clock.ms)
  assert.not(standing.report('m', 'lie', true))
  assert.ok(standing.report('m', 'lie', true))
  clock.ms = MEMBER_BAN_MS
  assert.not(standing.isBanned('m'))
})

test('what happens rarely is forgiven', () => {
  const clock = { ms: 0 }
  const standing = new Standing(() => clock.ms)
  for (let i = 0; i < 100; i++) {
    assert.not(standing.report('a', 'malformed', false))
    clock.ms += 60_000
  }
})

test('the tables are bounded', () => {
  const standing = new Standing(() => 0)
  for (let i = 0; i < 10_000; i++) {
    standing.report(`p${i}`, 'lie', false)
    standing.report(`p${i}`, 'lie', false)
  }
  assert.not(standing.isBanned('p0'), 'the oldest ban was given up')
  assert.ok(standing.isBanned('p9999'))
})

test.run()
