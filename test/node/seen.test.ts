import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex, u32 } from '../../src/encoding/bytes.ts'
import { MAX_VALIDITY_MS } from '../../src/ledger/limits.ts'
import { SeenTransactions } from '../../src/node/seen.ts'
import { property } from '../encoding/seeded.ts'

const test = suite('seen transactions')
const id = (n: number): Uint8Array => {
  const bytes = new Uint8Array(32).fill(7)
  bytes.set(u32(n))
  return bytes
}

test('an id is seen for an hour of block time, both ends included', () => {
  const seen = new SeenTransactions()
  seen.add(1000, [id(1)])
  assert.is(seen.has(id(1), 1001), true)
  assert.is(seen.has(id(1), 1000 + MAX_VALIDITY_MS), true)
  assert.is(seen.has(id(1), 1001 + MAX_VALIDITY_MS), false)
  assert.is(seen.has(id(2), 1001), false)
})

test('an id that comes again after the hour counts from then on', () => {
  const seen = new SeenTransactions()
  seen.add(1000, [id(1)])
  const later = 2000 + MAX_VALIDITY_MS
  seen.add(later, [id(1)])
  seen.add(later + 1, [])
  assert.is(seen.has(id(1), later + MAX_VALIDITY_MS), true)
})

test(
  'the answer follows from the chain alone, however much of it a node has kept',
  property(random => {
    const blocks: { time: number; ids: Uint8Array[] }[] = []
    let time = 0
    for (let height = 0; height < 120; height++) {
      time += 1 + random.below(MAX_VALIDITY_MS / 20)
      blocks.push({ time, ids: Array.from({ length: random.below(4) }, () => id(random.below(60))) })
    }
    const whole = new SeenTransactions()
    for (const block of blocks) whole.add(block.time, block.ids)
    // A node that came back reads only the blocks of the last hour; both must answer alike for every block that can follow.
    const late = new SeenTransactions()
    for (const block of blocks) if (block.time >= time - MAX_VALIDITY_MS) late.add(block.time, block.ids)
    for (const ahead of [1, 1000, MAX_VALIDITY_MS / 2, MAX_VALIDITY_MS, 2 * MAX_VALIDITY_MS]) {
      for (let n = 0; n < 60; n++) {
        const expected = blocks.some(
          block => block.time >= time + ahead - MAX_VALIDITY_MS && block.ids.some(known => toHex(known) === toHex(id(n))),
        )
        assert.is(whole.has(id(n), time + ahead), expected)
        assert.is(late.has(id(n), time + ahead), expected)
      }
    }
  }),
)

test.run()
