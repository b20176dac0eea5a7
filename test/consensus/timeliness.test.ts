import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_SYNCHRONY, isTimely } from '../../src/consensus/timeliness.ts'

const test = suite('timeliness')
const bounds = { precisionMs: 500, delayMs: 10_000 }

const rows: { name: string; arrived: number; round: number; timely: boolean }[] = [
  { name: 'at its own time', arrived: 0, round: 0, timely: true },
  { name: 'the proposer ahead by the whole precision', arrived: -500, round: 0, timely: true },
  { name: 'ahead by more', arrived: -501, round: 0, timely: false },
  { name: 'as late as delay and precision allow', arrived: 10_500, round: 0, timely: true },
  { name: 'later', arrived: 10_501, round: 0, timely: false },
  { name: 'the delay grows by a tenth a round', arrived: 11_500, round: 1, timely: true },
  { name: 'and no more', arrived: 11_501, round: 1, timely: false },
  { name: 'ten rounds double it', arrived: 20_500, round: 10, timely: true },
  { name: 'the precision does not grow', arrived: -501, round: 100, timely: false },
]
for (const { name, arrived, round, timely } of rows) {
  test(name, () => assert.is(isTimely(1_000_000, 1_000_000 + arrived, round, bounds), timely))
}

test('what machines without care for their clocks show is within the default', () => {
  assert.ok(isTimely(10_000, 9_100, 0, DEFAULT_SYNCHRONY))
  assert.ok(isTimely(10_000, 24_000, 0, DEFAULT_SYNCHRONY))
})

test.run()
