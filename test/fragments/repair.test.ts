/** The masked sum: it is the lost fragment, and nothing less than all of it says anything. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { disperseBytes } from '../../src/fragments/dispersal.ts'
import { multiply } from '../../src/fragments/field.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { type MaskContext, RepairMask, repairCoefficients, sumMessages } from '../../src/fragments/repair.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'

const test = suite('repair by masked sums')

const KEYS = Array.from({ length: 13 }, (_, i) => sealingKeyFromSeed(new Uint8Array(32).fill(i + 1)))
const keyAt = (index: number) => KEYS[index] as (typeof KEYS)[number]

/** Distinct indices below n, ascending. */
function choose(random: SeededRandom, count: number, from: readonly number[]): number[] {
  const left = [...from]
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] as number).sort((a, b) => a - b)
}

function context(random: SeededRandom, lost: number, helpers: readonly number[], dispersalRoot = random.bytes(32)): MaskContext {
  return {
    chainId: random.bytes(32),
    folder: random.bytes(32),
    submissionRoot: random.bytes(32),
    custodian: random.bytes(32),
    index: lost,
    attempt: 1,
    height: 7,
    helpers: helpers.map(index => ({ id: new Uint8Array(32).fill(index), index })),
    dispersalRoot,
  }
}

function maskOf(code: { n: number; k: number }, at: MaskContext, own: number): RepairMask {
  const others = at.helpers.filter(({ index }) => index !== own)
  return new RepairMask(
    code,
    at,
    own,
    keyAt(own),
    others.map(({ index }) => ({ index, sealingKey: keyAt(index).publicKey })),
  )
}

function chunksOf(fragment: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let from = 0; from < fragment.length; from += CHUNK_BYTES) chunks.push(fragment.slice(from, from + CHUNK_BYTES))
  return chunks
}

for (const code of [
  { n: 4, k: 2 },
  { n: 7, k: 3 },
  { n: 13, k: 5 },
]) {
  test(
    `any lost fragment is the sum of any ${code.k} of ${code.n}, at every border of a stripe`,
    property(random => {
      const { n, k } = code
      const stripe = k * CHUNK_BYTES
      const sizes = [1, 15, 16 * k + 1, CHUNK_BYTES, stripe - 1, stripe, stripe + 1, 2 * stripe + random.below(stripe)]
      for (const [round, size] of sizes.entries()) {
        const { fragments } = disperseBytes(random.bytes(size), code)
        const lost = round < n ? round : random.below(n)
        const helpers = choose(
          random,
          k,
          Array.from({ length: n }, (_, i) => i).filter(i => i !== lost),
        )
        const at = context(random, lost, helpers)
        const masks = helpers.map(own => maskOf(code, at, own))
        const wanted = chunksOf(fragments[lost] as Uint8Array)
        for (const [position, chunk] of wanted.entries()) {
          const messages = helpers.map((own, i) =>
            (masks[i] as RepairMask).mask(chunksOf(fragments[own] as Uint8Array)[position] as Uint8Array, position),
          )
          assert.ok(
            equalBytes(sumMessages(messages), chunk),
            `${n}/${k}, size ${size}, lost ${lost}, helpers ${helpers}, chunk ${position}`,
          )
        }
      }
    }),
  )
}

test(
  'no message, and no sum of fewer than k, is any multiple of a fragment',
  property(random => {
    const code = { n: 7, k: 3 }
    const { fragments } = disperseBytes(random.bytes(50_000), code)
    const [lost, helpers] = [2, [0, 3, 6]]
    const at = context(random, lost, helpers)
    const messages = helpers.map(own => maskOf(code, at, own).mask(fragments[own] as Uint8Array, 0))
    const [a, b, c] = messages as [Uint8Array, Uint8Array, Uint8Array]
    const own = fragments[lost] as Uint8Array
    const seen = [a, b, c, sumMessages([a, b]), sumMessages([a, c]), sumMessages([b, c]), sumMessages([a, own]), sumMessages([a, b, own])]
    for (const bytes of seen) {
      for (const [index, fragment] of fragments.entries()) {
        for (let factor = 1; factor < 256; factor++) {
          const isMultiple = bytes.subarray(0, 64).every((byte, i) => byte === multiply(factor, fragment[i] as number))
          // The messages of all but one, with the own fragment, give the missing message: known from the start, and masked as ever.
          assert.not(isMultiple, `a multiple of fragment ${index}`)
        }
      }
    }
  }),
)

/** Rank of a matrix of bits. */
function rankOf(rows: readonly (readonly number[])[]): number {
  const left = rows.map(row => [...row])
  let rank = 0
  for (let column = 0; column < (left[0]?.length ?? 0); column++) {
    const pivot = left.findIndex((row, i) => i >= rank && row[column] === 1)
    if (pivot < 0) continue
    const row = left[pivot] as number[]
    left[pivot] = left[rank] as number[]
    left[rank] = row
    left.forEach((other, i) => {
      if (i !== rank && other[column] === 1) for (let j = 0; j < row.length; j++) other[j] = (other[j] as number) ^ (row[j] as number)
    })
    rank++
  }
  return rank
}

test('to one who knows no mask, the messages are uniform but for their sum: also beside c helpers who tell theirs', () => {
  for (let k = 2; k <= 12; k++) {
    for (let told = 0; told <= k - 2; told++) {
      // One column for each pair of helpers that tell nothing; what the others share is known and can be taken off.
      const silent = Array.from({ length: k - told }, (_, i) => i)
      const pairs = silent.flatMap(a => silent.filter(b => b > a).map(b => [a, b] as const))
      const masks = silent.map(helper => pairs.map(pair => (pair.includes(helper) ? 1 : 0)))
      // All but one of the messages hide independent combinations of uniform masks: full rank. All of them together: one less, their sum.
      for (const left of silent) assert.is(rankOf(masks.filter((_, i) => i !== left)), silent.length - 1)
      assert.is(rankOf(masks), silent.length - 1)
    }
  }
})

test(
  'the masks are bytes without a pattern, whatever is hidden',
  property(random => {
    const code = { n: 4, k: 2 }
    const counts = new Array<number>(256).fill(0)
    const zeros = new Uint8Array(CHUNK_BYTES)
    let total = 0
    for (let round = 0; round < 8; round++) {
      const message = maskOf(code, context(random, 0, [1, 2]), 1).mask(zeros, round)
      for (const byte of message) counts[byte] = (counts[byte] as number) + 1
      total += message.length
    }
    const expected = total / 256
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    // 255 degrees of freedom: mean 255, standard deviation 22.6; seven of them.
    assert.ok(chi < 255 + 7 * 22.6, `chi-squared ${chi}`)
  }),
)

test(
  'a mask depends on every part of the entry and on the version, and on the place in it',
  property(random => {
    const code = { n: 7, k: 3 }
    const at = context(random, 2, [0, 3, 6])
    const changes: Partial<MaskContext>[] = [
      { chainId: random.bytes(32) },
      { folder: random.bytes(32) },
      { submissionRoot: random.bytes(32) },
      { custodian: random.bytes(32) },
      { index: 1 },
      { attempt: 2 },
      { height: 8 },
      { helpers: [0, 3, 5].map(index => ({ id: new Uint8Array(32).fill(index), index })) },
      { helpers: at.helpers.map(({ id, index }) => ({ id: index === 6 ? random.bytes(32) : id, index })) },
      { dispersalRoot: random.bytes(32) },
    ]
    const zeros = new Uint8Array(1024)
    const streams = [at, ...changes.map(change => ({ ...at, ...change }))].map(changed => maskOf(code, changed, 0).mask(zeros, 0))
    streams.push(maskOf(code, at, 0).mask(zeros, 1), maskOf(code, at, 3).mask(zeros, 0))
    for (const [i, one] of streams.entries()) {
      for (const other of streams.slice(i + 1)) assert.not(equalBytes(one.subarray(0, 16), other.subarray(0, 16)))
    }
    assert.ok(equalBytes(maskOf(code, at, 0).mask(zeros, 0), streams[0] as Uint8Array), 'the same question has the same answer')
  }),
)

test('helpers are k distinct others', () => {
  const code = { n: 4, k: 2 }
  for (const helpers of [[1], [1, 1], [0, 1], [1, 4], [1, 2, 3], [-1, 2]]) {
    assert.throws(() => repairCoefficients(code, 0, helpers))
  }
  assert.is(repairCoefficients(code, 0, [1, 2]).length, 2)
})

test.run()
