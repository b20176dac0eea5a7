import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { blurredExpiry, EXPIRY_BLUR_DAYS, randomFraction, sessionEnd, spreadDelay } from '../../src/client/spread.ts'
import { MAX_SESSION_MS } from '../../src/contracts/access-formats.ts'
import { MAX_CONSENT_MS } from '../../src/contracts/consents.ts'
import { EXPIRY_BUCKET_MS, expiryBucket } from '../../src/contracts/consents-formats.ts'
import { INSTANT_GRID_MS, onGrid } from '../../src/ledger/instants.ts'
import { seededRandom } from '../../testnet/population/random.ts'

const random = seededRandom(3)
const NOW = Date.UTC(2026, 5, 1, 12, 34, 56, 789)

test('instants lie on the grid, and never before what was asked for', () => {
  for (let i = 0; i < 200; i++) {
    const time = NOW + random.int(0, 10_000_000)
    assert.is(onGrid(time) % INSTANT_GRID_MS, 0)
    assert.ok(onGrid(time) >= time && onGrid(time) - time < INSTANT_GRID_MS)
  }
})

test('sessions end on the grid, after they began, and within the hour that the contract allows', () => {
  for (let i = 0; i < 200; i++) {
    const start = NOW + random.int(0, 10_000_000)
    const end = sessionEnd(start, random.int(1, MAX_SESSION_MS))
    assert.is(end % INSTANT_GRID_MS, 0)
    assert.ok(end > start && end <= start + MAX_SESSION_MS)
  }
  assert.ok(sessionEnd(NOW, MAX_SESSION_MS) > NOW + MAX_SESSION_MS - INSTANT_GRID_MS, 'an hour stays nearly one')
})

test("a consent's expiry on the ledger is a whole day, not before its end, and within what the contract takes", () => {
  const seen = new Set<number>()
  for (let i = 0; i < 300; i++) {
    const end = NOW + random.int(1, 3600) * EXPIRY_BUCKET_MS
    const expiry = blurredExpiry(end, random.next(), NOW)
    assert.is(expiry % EXPIRY_BUCKET_MS, 0)
    assert.ok(expiry >= end && expiry <= Math.max(expiryBucket(end), expiryBucket(NOW + MAX_CONSENT_MS)))
    seen.add((expiry - expiryBucket(end)) / EXPIRY_BUCKET_MS)
  }
  assert.ok(seen.size > EXPIRY_BLUR_DAYS / 2, 'consents of one decision end on different days')
})

test('delays fill their span, and fractions are below one', () => {
  assert.is(spreadDelay(1000, 0), 1)
  assert.ok(spreadDelay(1000, 1 - 2 ** -40) <= 1000)
  const fractions = Array.from({ length: 100 }, randomFraction)
  assert.ok(fractions.every(fraction => fraction >= 0 && fraction < 1))
  assert.ok(new Set(fractions).size > 90)
})

test.run()
