import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { createErasureCode, type ErasureCode, erasureCode } from '../../src/fragments/erasure.ts'
import { PLAIN_KERNEL, RELAXED_KERNEL } from '../../src/fragments/kernel/bytes.ts'
import { createKernel } from '../../src/fragments/kernel/kernel.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'
import { referenceShards } from './reference.ts'

const test = suite('erasure code')

function module(base64: string): WebAssembly.Module {
  return new WebAssembly.Module(new Uint8Array(Buffer.from(base64, 'base64')))
}

function split(data: Uint8Array, k: number): Uint8Array[] {
  const length = data.length / k
  return Array.from({ length: k }, (_, i) => data.subarray(i * length, (i + 1) * length))
}

/** The shards with all but `count` of them missing. */
function keep(shards: readonly Uint8Array[], count: number, random: SeededRandom): (Uint8Array | undefined)[] {
  const left = shards.map((_, i) => i)
  while (left.length > count) left.splice(random.below(left.length), 1)
  return shards.map((shard, i) => (left.includes(i) ? shard : undefined))
}

function randomShape(random: SeededRandom): { n: number; k: number } {
  const k = 2 + random.below(31)
  return { k, n: k + 1 + random.below(48 - k) }
}

const fails = (act: () => unknown): void => assert.throws(act, (error: unknown) => error instanceof RangeError)

test('gives the vector that the tests of Backblaze and klauspost give', () => {
  const shards = createErasureCode({ n: 10, k: 5 }).encodeStripe(Uint8Array.of(0, 1, 4, 5, 2, 3, 6, 7, 8, 9))
  assert.equal(
    shards.slice(5).map(shard => [...shard]),
    [
      [12, 13],
      [10, 11],
      [14, 15],
      [90, 91],
      [94, 95],
    ],
  )
})

test(
  'agrees with the slow code for every shape it is asked for',
  property(random => {
    const shapes = [
      { n: 3, k: 2 },
      { n: 48, k: 32 },
      { n: 48, k: 2 },
      { n: 48, k: 24 },
      ...Array.from({ length: 20 }, () => randomShape(random)),
    ]
    for (const { n, k } of shapes) {
      const data = random.bytes(k * (1 + random.below(150)))
      const expected = referenceShards(split(data, k), n)
      assert.ok(
        createErasureCode({ n, k })
          .encodeStripe(data)
          .every((shard, i) => equalBytes(shard, expected[i] as Uint8Array)),
        `${n}/${k}`,
      )
    }
  }),
)

test(
  'any k of n shards give the data, each shard and the codeword',
  property(random => {
    for (let round = 0; round < 60; round++) {
      const { n, k } = randomShape(random)
      const code = erasureCode({ n, k })
      const length = random.pick([1, 15, 16, 17, 63, 64, 65, 320, 1 + random.below(2000)])
      const data = random.bytes(k * length)
      const shards = code.encodeStripe(data)
      const some = keep(shards, k, random)
      const what = `${n}/${k} of ${length}`
      assert.ok(equalBytes(code.decodeStripe(some, length), data), what)
      assert.ok(
        code.completeStripe(some, length).every((shard, i) => equalBytes(shard, shards[i] as Uint8Array)),
        what,
      )
      const index = random.below(n)
      assert.ok(equalBytes(code.reconstruct(some, index, length), shards[index] as Uint8Array), what)
    }
  }),
)

test('every loss pattern of small codes decodes, over the whole length of a chunk', () => {
  for (const [n, k] of [
    [4, 2],
    [7, 3],
  ] as const) {
    const code = createErasureCode({ n, k })
    const data = Uint8Array.from({ length: k * 65_536 }, (_, i) => (i * 131) ^ (i >> 7))
    const shards = code.encodeStripe(data)
    let patterns = 0
    for (let mask = 0; mask < 1 << n; mask++) {
      const some = shards.map((shard, i) => ((mask >> i) & 1 ? shard : undefined))
      if (some.filter(shard => shard !== undefined).length !== k) continue
      assert.ok(equalBytes(code.decodeStripe(some, 65_536), data))
      patterns++
    }
    assert.is(patterns, n === 4 ? 6 : 35)
  }
})

test(
  'fewer than k shards are refused',
  property(random => {
    for (let round = 0; round < 20; round++) {
      const { n, k } = randomShape(random)
      const code = erasureCode({ n, k })
      const some = keep(code.encodeStripe(random.bytes(k * 32)), random.below(k), random)
      throwsCode(() => code.decodeStripe(some, 32), 'too-few-fragments')
      throwsCode(() => code.completeStripe(some, 32), 'too-few-fragments')
    }
  }),
)

test('both variants of the kernel give the same bytes', () => {
  assert.ok(WebAssembly.validate(new Uint8Array(Buffer.from(RELAXED_KERNEL, 'base64'))))
  const codes: ErasureCode[] = [PLAIN_KERNEL, RELAXED_KERNEL].map(text => createErasureCode({ n: 48, k: 24 }, createKernel(module(text))))
  const data = Uint8Array.from({ length: 24 * 1000 }, (_, i) => (i * 7919) >> 3)
  const [plain, relaxed] = codes.map(code => code.encodeStripe(data))
  assert.equal(plain, relaxed)
})

test('results outlive later calls, and inputs are left alone', () => {
  const code = createErasureCode({ n: 4, k: 2 })
  const data = Uint8Array.from({ length: 2000 }, (_, i) => i)
  const copy = data.slice()
  const first = code.encodeStripe(data).map(shard => shard.slice())
  const again = code.encodeStripe(data)
  code.encodeStripe(new Uint8Array(2000).fill(255))
  assert.equal(again, first)
  assert.equal(data, copy)
})

test('refuses shapes and lengths outside its bounds', () => {
  for (const [n, k] of [
    [2, 2],
    [2, 1],
    [49, 32],
    [48, 33],
    [3.5, 2],
    [Number.NaN, 2],
  ] as const) {
    throwsCode(() => createErasureCode({ n, k }), 'malformed')
  }
  const code = createErasureCode({ n: 4, k: 2 })
  fails(() => code.encodeStripe(new Uint8Array(0)))
  fails(() => code.encodeStripe(new Uint8Array(3)))
  fails(() => code.encodeStripe(new Uint8Array(2 * 65_537)))
  fails(() => code.decodeStripe([new Uint8Array(4), new Uint8Array(5)], 4))
  fails(() => code.reconstruct([new Uint8Array(4), new Uint8Array(4)], 4, 4))
  fails(() =>
    code.decodeStripe(
      Array.from({ length: 5 }, () => new Uint8Array(4)),
      4,
    ),
  )
})

test('more loss patterns than are kept still decode', () => {
  const code = createErasureCode({ n: 16, k: 3 })
  const data = Uint8Array.from({ length: 96 }, (_, i) => i)
  const shards = code.encodeStripe(data)
  let patterns = 0
  for (let a = 0; a < 14; a++) {
    for (let b = a + 1; b < 15; b++) {
      const some = shards.map((shard, i) => (i === a || i === b || i === 15 ? shard : undefined))
      assert.ok(equalBytes(code.decodeStripe(some, 32), data))
      patterns++
    }
  }
  assert.ok(patterns > 64)
})

test.run()
