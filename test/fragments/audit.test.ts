import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import {
  type Answer,
  challengeSeed,
  fingerprint,
  judgeAnswers,
  pickedChunk,
  pickedLeaf,
  SHORT_CHUNK_BYTES,
} from '../../src/fragments/audit.ts'
import { nearestCodeword } from '../../src/fragments/codeword.ts'
import { disperseBytes } from '../../src/fragments/dispersal.ts'
import { divide, multiply } from '../../src/fragments/field.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'

const test = suite('storage audits')

/** A property, looked at many times. */
const often = (body: (random: SeededRandom) => void): (() => Promise<void>) =>
  property(random => {
    for (let i = 0; i < 40; i++) body(random)
  })

const hashOf = (name: string): Uint8Array => taggedHash('test', utf8(name))
/** Dispersal root of the version that is asked for. */
const ROOT = hashOf('dispersal')
const challenge = { block: hashOf('block'), challenger: hashOf('challenger'), submissionRoot: hashOf('root'), nonce: 0 }

/** Codes with n = 3f + 1 and k = f + 1. */
const codeOf = (faults: number): { n: number; k: number } => ({ n: 3 * faults + 1, k: faults + 1 })

function distinct(random: SeededRandom, count: number, below: number): number[] {
  const all = Array.from({ length: below }, (_, i) => i)
  return Array.from({ length: count }, () => all.splice(random.below(all.length), 1)[0] as number)
}

function answersOf(
  random: SeededRandom,
  code: { n: number; k: number },
  size: number,
): { answers: Answer[]; fragments: Uint8Array[]; seed: Uint8Array } {
  const seed = challengeSeed({ ...challenge, nonce: random.below(4) })
  const { fragments } = disperseBytes(random.bytes(size), code)
  const chunk = pickedChunk(seed, size, code)
  const answers = fragments.map(fragment => ({
    versions: 3,
    size,
    fingerprint: fingerprint(seed, ROOT, fragment.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)),
  }))
  return { answers, fragments, seed }
}

test(
  'with at most f silent and lying custodians together, every right answer is told from every wrong one',
  often(random => {
    const code = codeOf(1 + random.below(5))
    const faults = code.k - 1
    const { answers } = answersOf(random, code, 1 + random.below(5000))
    const bad = distinct(random, faults, code.n)
    const silent = new Set(bad.slice(0, random.below(faults + 1)))
    const lying = new Set(bad.filter(index => !silent.has(index)))
    const given = answers.map((answer, index) => {
      if (silent.has(index)) return undefined
      if (!lying.has(index)) return answer
      const wrong = answer.fingerprint.slice()
      wrong[random.below(2)] = (wrong[random.below(2)] as number) ^ (1 + random.below(255))
      const lies: Answer[] = [
        { ...answer, fingerprint: wrong },
        { ...answer, size: answer.size + 1 },
        { ...answer, versions: 4 },
      ]
      return lies[random.below(3)]
    })
    const isLie = (index: number): boolean => JSON.stringify(given[index]) !== JSON.stringify(answers[index])
    const judged = judgeAnswers(code, given)
    assert.equal(
      judged,
      given.map((_, index) => (silent.has(index) ? undefined : !isLie(index))),
    )
  }),
)

test('the largest code: 16 of 46, with 15 that lie alike', () => {
  const code = codeOf(15)
  const seed = challengeSeed(challenge)
  const { fragments } = disperseBytes(
    Uint8Array.from({ length: 9000 }, (_, i) => (i * 31) ^ (i >> 3)),
    code,
  )
  const answers = fragments.map(fragment => ({ versions: 1, size: 9000, fingerprint: fingerprint(seed, ROOT, fragment) }))
  // Liars that agree with each other on another codeword.
  const other = disperseBytes(new Uint8Array(9000).fill(7), code).fragments
  for (let i = 0; i < 15; i++)
    answers[3 * i] = { versions: 1, size: 9000, fingerprint: fingerprint(seed, ROOT, other[3 * i] as Uint8Array) }
  const judged = judgeAnswers(code, answers)
  assert.equal(
    judged,
    answers.map((_, index) => index % 3 !== 0 || index === 45),
  )
})

/** Changes that went unseen. */
let unseen = 0

test(
  'a changed byte anywhere in the chunk changes the answer',
  often(random => {
    // Short chunks and long ones.
    const size = random.below(2) === 0 ? 1 + random.below(8000) : 100_000 + random.below(100_000)
    const code = codeOf(1)
    const { answers, fragments, seed } = answersOf(random, code, size)
    const index = random.below(4)
    const chunk = pickedChunk(seed, size, code)
    const bytes = (fragments[index] as Uint8Array).slice(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] as number) ^ (1 + random.below(255))
    const given = answers.slice()
    given[index] = { versions: 3, size, fingerprint: fingerprint(seed, ROOT, bytes) }
    // Both bytes stay as they were once in 65,536 times.
    if (equalBytes(given[index].fingerprint, answers[index]?.fingerprint ?? new Uint8Array(0))) {
      unseen++
      assert.ok(unseen <= 2, 'changes go unseen more often than by chance')
      return
    }
    assert.equal(
      judgeAnswers(code, given),
      [0, 1, 2, 3].map(i => i !== index),
    )
  }),
)

/** Rank of what the answers to many challenges tell of the first `columns` bytes of chunks of `length` bytes. */
function rankOfAnswers(random: SeededRandom, length: number, columns: number): number {
  const rows: Uint8Array[] = Array.from({ length: columns }, () => new Uint8Array(columns))
  for (let pair = 0; pair < columns; pair += 2) {
    const seed = challengeSeed({ ...challenge, challenger: random.bytes(32), block: random.bytes(32), nonce: random.below(4) })
    for (let column = 0; column < columns; column++) {
      const unit = new Uint8Array(length)
      unit[column] = 1
      fingerprint(seed, ROOT, unit).forEach((value, i) => {
        ;(rows[pair + i] as Uint8Array)[column] = value
      })
    }
  }
  let rank = 0
  for (let column = 0; column < columns; column++) {
    const found = rows.findIndex((row, i) => i >= rank && row[column] !== 0)
    if (found < 0) continue
    const pivot = rows[found] as Uint8Array
    rows[found] = rows[rank] as Uint8Array
    rows[rank++] = pivot
    for (const row of rows.slice(rank)) {
      const factor = divide(row[column] as number, pivot[column] as number)
      for (let i = column; i < columns; i++) row[i] = (row[i] as number) ^ multiply(factor, pivot[i] as number)
    }
  }
  return rank
}

test(
  'of a short chunk, all challenges by all members tell the same 16 bytes, or half of it',
  property(random => {
    for (const [length, digest] of [
      [16, 8],
      [48, 16],
      [176, 16],
    ] as const) {
      assert.is(rankOfAnswers(random, length, length), digest, `${length} bytes`)
    }
    assert.is(rankOfAnswers(random, SHORT_CHUNK_BYTES, 24), 16)
    assert.ok(rankOfAnswers(random, SHORT_CHUNK_BYTES + 16, 24) > 16, 'a long one is asked for all')
  }),
)

test('too few answers tell nothing: k of them fit any', () => {
  const code = codeOf(1)
  const answer = (byte: number): Answer => ({ versions: 1, size: 5, fingerprint: Uint8Array.of(byte, byte) })
  assert.is(judgeAnswers(code, [answer(1), undefined, answer(9), undefined]), undefined)
  assert.is(judgeAnswers(code, [undefined, undefined, undefined, undefined]), undefined)
  // Three that are no codeword: one of them is wrong, and nobody can say which.
  assert.is(judgeAnswers(code, [answer(1), answer(2), answer(9), undefined]), undefined)
})

test('the answer for one challenger, block, nonce or submission is of no use for another', () => {
  const chunk = Uint8Array.from({ length: 500 }, (_, i) => i * 7)
  const seeds = [
    challenge,
    { ...challenge, challenger: hashOf('another') },
    { ...challenge, block: hashOf('another') },
    { ...challenge, nonce: 1 },
    { ...challenge, submissionRoot: hashOf('another') },
  ].map(challengeSeed)
  assert.is(new Set(seeds.map(seed => String(seed))).size, 5)
  assert.is(new Set(seeds.map(seed => String(fingerprint(seed, ROOT, chunk)))).size, 5)
})

test('every version and every chunk is picked', () => {
  const leaves = new Set<number>()
  const chunks = new Set<number>()
  for (let i = 0; i < 400; i++) {
    const seed = challengeSeed({ ...challenge, submissionRoot: hashOf(`root ${i}`) })
    leaves.add(pickedLeaf(seed, 20))
    chunks.add(pickedChunk(seed, 20 * 2 * CHUNK_BYTES, codeOf(1)))
  }
  assert.equal(
    [...leaves].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i),
  )
  assert.equal(
    [...chunks].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i),
  )
})

test(
  'a codeword is found by itself alone',
  often(random => {
    const code = codeOf(1 + random.below(4))
    const { fragments } = disperseBytes(random.bytes(16 * code.k), code)
    const missing = random.below(code.k)
    const values = fragments.map((fragment, index) => (index < missing ? undefined : fragment))
    assert.equal(nearestCodeword(code, values, 0), fragments)
    const spoiled = values.slice()
    spoiled[code.n - 1] = random.bytes(16)
    assert.is(nearestCodeword(code, spoiled, 0), undefined)
  }),
)

test.run()
