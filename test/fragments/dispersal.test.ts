import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { merkleRootOf } from '../../src/encoding/merkle.ts'
import {
  computeDispersal,
  dispersalRoot,
  disperse,
  disperseBytes,
  fragmentRootProof,
  verifyFragmentRoot,
} from '../../src/fragments/dispersal.ts'
import { FragmentHasher } from '../../src/fragments/hasher.ts'
import { CHUNK_BYTES, chunkCount, chunkLength, fragmentLength } from '../../src/fragments/layout.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { pieces } from './dispersed.ts'
import { referenceShards } from './reference.ts'

const test = suite('dispersal')

const sha = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = []
  for await (const item of items) out.push(item)
  return out
}

test('lengths follow the layout', () => {
  const stripe = 2 * CHUNK_BYTES
  assert.is(fragmentLength(1, 4, 2), 16)
  assert.is(fragmentLength(32, 4, 2), 16)
  assert.is(fragmentLength(33, 4, 2), 32)
  assert.is(fragmentLength(stripe - 1, 4, 2), CHUNK_BYTES)
  assert.is(fragmentLength(stripe, 4, 2), CHUNK_BYTES)
  assert.is(fragmentLength(stripe + 1, 4, 2), CHUNK_BYTES + 16)
  assert.is(chunkCount(stripe, 4, 2), 1)
  assert.is(chunkCount(stripe + 1, 4, 2), 2)
  assert.is(chunkLength(CHUNK_BYTES + 16, 1), 16)
  assert.is(chunkLength(CHUNK_BYTES + 16, 2), 0)
  assert.is(fragmentLength(3_000_000, 7, 3), 15 * CHUNK_BYTES + 16_960)
  for (const size of [0, -1, 1.5, 2 ** 40 + 1, Number.NaN]) throwsCode(() => fragmentLength(size, 4, 2), 'malformed')
})

test('one stripe gives the root that the format spells out, step by step', () => {
  const size = 100
  const data = Uint8Array.from({ length: size }, (_, i) => 3 * i + 1)
  const padded = new Uint8Array(2 * 64)
  padded.set(data)
  const fragments = referenceShards([padded.subarray(0, 64), padded.subarray(64)], 3)
  // Each fragment is one chunk, so its root is its leaf; then the tree of three roots as RFC 6962 draws it.
  const roots = fragments.map(fragment => sha(Uint8Array.of(0), fragment))
  const [a, b, c] = roots.map(root => sha(Uint8Array.of(0), root)) as [Uint8Array, Uint8Array, Uint8Array]
  const tree = sha(Uint8Array.of(1), sha(Uint8Array.of(1), a, b), c)
  const expected = sha(new TextEncoder().encode('epione/dispersal/1\0'), Uint8Array.of(3, 2, 0, 0, 0, 0, 0, 0, 0, 100), tree)
  const dispersed = disperseBytes(data, { n: 3, k: 2 })
  assert.equal(dispersed.fragments, fragments)
  assert.equal(dispersed.fragmentRoots, roots)
  assert.is(toHex(dispersed.root), toHex(expected))
  assert.is(toHex(dispersed.root), '65c968d31dd7339f28832ce4b56f39b2dc3ba385e627870acc6c4081cdb2133e')
})

test('several stripes lie in the fragments as the format says', () => {
  const k = 3
  const size = 2 * k * CHUNK_BYTES + 1000
  const data = Uint8Array.from({ length: size }, (_, i) => (i * 31) ^ (i >> 9))
  const { fragments, fragmentRoots } = disperseBytes(data, { n: 5, k })
  // ceil(1000 / 3) = 334, rounded up to 336.
  for (const fragment of fragments) assert.is(fragment.length, 2 * CHUNK_BYTES + 336)
  for (let i = 0; i < k; i++) {
    const fragment = fragments[i] as Uint8Array
    for (let stripe = 0; stripe < 2; stripe++) {
      const from = (stripe * k + i) * CHUNK_BYTES
      assert.ok(equalBytes(fragment.subarray(stripe * CHUNK_BYTES, (stripe + 1) * CHUNK_BYTES), data.subarray(from, from + CHUNK_BYTES)))
    }
    const last = new Uint8Array(336)
    last.set(data.subarray(2 * k * CHUNK_BYTES + i * 336, 2 * k * CHUNK_BYTES + (i + 1) * 336))
    assert.equal(fragment.slice(2 * CHUNK_BYTES), last)
  }
  fragments.forEach((fragment, i) => {
    const chunks = [0, 1, 2].map(chunk => fragment.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
    assert.equal(merkleRootOf(chunks), fragmentRoots[i])
  })
})

test(
  'streaming, whatever the pieces, gives the same fragments and roots',
  property(async random => {
    for (const [n, k, size] of [
      [4, 2, 1],
      [4, 2, 2 * CHUNK_BYTES],
      [4, 2, 2 * CHUNK_BYTES + 1],
      [3, 2, 4 * CHUNK_BYTES - 1],
      [7, 3, 1 + random.below(700_000)],
      [48, 32, 1 + random.below(300_000)],
    ] as const) {
      const data = random.bytes(size)
      const whole = disperseBytes(data, { n, k })
      const stripes = await collect(disperse(pieces(data, random), size, { n, k }))
      assert.equal(
        stripes.map(({ stripe }) => stripe),
        Array.from({ length: chunkCount(size, n, k) }, (_, i) => i),
      )
      whole.fragments.forEach((fragment, i) => {
        assert.ok(equalBytes(fragment, Buffer.concat(stripes.map(({ shards }) => shards[i] as Uint8Array))))
      })
      const streamed = await computeDispersal(pieces(data, random), size, { n, k })
      assert.equal(streamed, { root: whole.root, fragmentRoots: whole.fragmentRoots })
    }
  }),
)

test('a ciphertext of another length than announced is refused', async () => {
  const data = new Uint8Array(1000)
  await rejectsCode(computeDispersal([data], 999, { n: 4, k: 2 }), 'size-mismatch')
  await rejectsCode(computeDispersal([data], 1001, { n: 4, k: 2 }), 'size-mismatch')
  await rejectsCode(computeDispersal([], 1, { n: 4, k: 2 }), 'size-mismatch')
})

test('an aborted dispersal ends', async () => {
  const controller = new AbortController()
  controller.abort()
  const ended = await computeDispersal([new Uint8Array(10)], 10, { n: 4, k: 2 }, { signal: controller.signal }).then(
    () => 'done',
    error => error,
  )
  assert.is(ended, controller.signal.reason)
})

test(
  'a hasher gives the leaves of the chunks, whatever the pieces',
  property(async random => {
    for (const length of [16, CHUNK_BYTES, CHUNK_BYTES + 16, 3 * CHUNK_BYTES, 1 + random.below(300_000)]) {
      const data = random.bytes(length)
      const hasher = new FragmentHasher()
      for await (const piece of pieces(data, random)) hasher.update(piece)
      const chunks = Array.from({ length: Math.ceil(length / CHUNK_BYTES) }, (_, i) =>
        data.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES),
      )
      assert.equal(hasher.root(), merkleRootOf(chunks))
      assert.throws(
        () => hasher.update(Uint8Array.of(1)),
        (error: unknown) => error instanceof RangeError,
      )
    }
  }),
)

test('a fragment root proves itself at its own index, in its own dispersal alone', () => {
  const shape = { n: 7, k: 3, size: 500 }
  const { root, fragmentRoots } = disperseBytes(
    Uint8Array.from({ length: 500 }, (_, i) => i),
    shape,
  )
  for (let index = 0; index < 7; index++) {
    const proof = fragmentRootProof(fragmentRoots, index)
    const own = fragmentRoots[index] as Uint8Array
    assert.ok(verifyFragmentRoot(root, shape, index, own, proof))
    assert.not(verifyFragmentRoot(root, shape, (index + 1) % 7, own, proof))
    assert.not(verifyFragmentRoot(root, { ...shape, size: 501 }, index, own, proof))
    assert.not(verifyFragmentRoot(root, { ...shape, k: 4 }, index, own, proof))
    assert.not(verifyFragmentRoot(root, { ...shape, n: 8 }, index, own, proof))
    assert.not(verifyFragmentRoot(root, shape, index, fragmentRoots[(index + 1) % 7] as Uint8Array, proof))
    assert.not(verifyFragmentRoot(root, shape, index, own, proof.slice(1)))
    assert.not(verifyFragmentRoot(root, shape, index, own, [...proof, own]))
  }
  assert.not(verifyFragmentRoot(root, { ...shape, size: -1 }, 0, fragmentRoots[0] as Uint8Array, fragmentRootProof(fragmentRoots, 0)))
  assert.not(verifyFragmentRoot(root, shape, -1, fragmentRoots[0] as Uint8Array, []))
  throwsCode(() => dispersalRoot(fragmentRoots.slice(1), 7, 3, 500), 'malformed')
})

test.run()
