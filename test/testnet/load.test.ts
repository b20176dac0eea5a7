/** What a load is made of, and what it counts. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Histogram, histogramSchema } from '../../testnet/load/histogram.ts'
import { OPERATIONS, type Operation, parseMix, pickOperation } from '../../testnet/load/mix.ts'
import { Tally } from '../../testnet/load/tally.ts'
import { seededRandom } from '../../testnet/population/random.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('load')

test('percentiles are those of the sorted samples, to within a hundredth', () => {
  const random = seededRandom(5)
  const samples = Array.from({ length: 20_000 }, () => Math.exp(random.normal(3, 1.5)))
  const histogram = new Histogram()
  for (const ms of samples) histogram.record(ms)
  const sorted = samples.toSorted((a, b) => a - b)
  for (const share of [0.01, 0.5, 0.95, 0.99, 0.999, 1]) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1] as number
    const seen = histogram.percentile(share)
    assert.ok(Math.abs(seen - exact) <= exact / 100, `${share}: ${seen} for ${exact}`)
  }
  assert.is(histogram.maxMs, sorted.at(-1))
  assert.ok(Number.isNaN(new Histogram().percentile(0.5)))
  for (const ms of [-1, Number.NaN]) assert.throws(() => histogram.record(ms), RangeError)
  // What is beyond the range is counted all the same.
  histogram.record(0)
  histogram.record(1e9)
  assert.is(histogram.count, samples.length + 2)
  assert.is(histogram.percentile(1), histogram.maxMs > 2 ** 22 ? histogram.percentile(1) : histogram.maxMs)
})

test('two histograms together are the one of all, also by way of JSON', () => {
  const [a, b, all] = [new Histogram(), new Histogram(), new Histogram()]
  const random = seededRandom(6)
  for (let i = 0; i < 1000; i++) {
    const ms = random.next() * 500
    ;(i % 3 === 0 ? a : b).record(ms)
    all.record(ms)
  }
  const read = Histogram.from(histogramSchema.parse(JSON.parse(JSON.stringify(a))))
  read.add(b)
  assert.equal(read.toJSON().buckets, all.toJSON().buckets)
  assert.is(read.count, 1000)
  assert.ok(Math.abs(read.meanMs - all.meanMs) < 1e-9)
})

test('a mix is what its weights say', () => {
  const mix = parseMix('anchors=6, reads=3,searches=1')
  assert.equal(mix, { anchors: 6, reads: 3, searches: 1 })
  const random = seededRandom(7)
  const counts = new Map<Operation, number>()
  for (let i = 0; i < 10_000; i++) {
    const operation = pickOperation(mix, random)
    counts.set(operation, (counts.get(operation) ?? 0) + 1)
  }
  assert.ok(Math.abs((counts.get('anchors') ?? 0) - 6000) < 200)
  assert.ok(Math.abs((counts.get('searches') ?? 0) - 1000) < 120)
  assert.is(counts.get('grants'), undefined)
  for (const text of ['', 'anchors', 'anchors=x', 'anchors=-1', 'anchors=0', 'burns=1', 'anchors=1,,'])
    throwsCode(() => parseMix(text), 'invalid-argument')
  assert.is(OPERATIONS.length, 5)
})

test('what was done and what failed is counted by operation, code and second', () => {
  const tally = new Tally(performance.now())
  tally.done('reads', 12)
  tally.done('reads', -0.5)
  tally.failed('reads', 'unreachable')
  for (let i = 0; i < 200; i++) tally.failed('anchors', `code-${i}`)
  const { reads, anchors, grants } = tally.operations()
  assert.equal([reads?.done, reads?.failed, grants], [2, { unreachable: 1 }, undefined])
  assert.is(Object.keys(anchors?.failed ?? {}).length, 65)
  assert.is(anchors?.failed.other, 136)
  assert.is(tally.failures.get('unreachable'), 1)
  assert.equal(tally.seconds(), [{ done: 2, failed: 201, maxMs: 12 }])
})

test.run()
