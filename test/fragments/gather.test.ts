import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, equalBytes } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { type DispersedBytes, dispersalRoot, disperseBytes } from '../../src/fragments/dispersal.ts'
import { erasureCode } from '../../src/fragments/erasure.ts'
import { type AssembleOptions, assemble } from '../../src/fragments/gather.ts'
import { chunkLeaf, fragmentRoot } from '../../src/fragments/hasher.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import type { FragmentSource } from '../../src/fragments/source-reader.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { chunks, source } from './dispersed.ts'

const test = suite('gather')

async function read(options: AssembleOptions): Promise<Uint8Array> {
  const out: Uint8Array[] = []
  for await (const piece of assemble(options)) out.push(piece.slice())
  return concat(...out)
}

function shuffled(count: number, random: SeededRandom): number[] {
  const left = Array.from({ length: count }, (_, i) => i)
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] as number)
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice()
  out[at] = (out[at] as number) ^ 1
  return out
}

/** A dispersal of any fragments, as a dishonest writer makes it. */
function committed(fragments: Uint8Array[], k: number, size: number): DispersedBytes {
  const chunkLeaves = fragments.map(fragment =>
    Array.from({ length: Math.ceil(fragment.length / CHUNK_BYTES) }, (_, i) =>
      chunkLeaf(fragment.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)),
    ),
  )
  const fragmentRoots = chunkLeaves.map(fragmentRoot)
  return { fragments, chunkLeaves, fragmentRoots, root: dispersalRoot(fragmentRoots, fragments.length, k, size) }
}

test(
  'any k sources give the ciphertext back',
  property(async random => {
    for (const [n, k, size] of [
      [3, 2, 1],
      [4, 2, 2 * CHUNK_BYTES - 1],
      [4, 2, 2 * CHUNK_BYTES],
      [4, 2, 2 * CHUNK_BYTES + 1],
      [7, 3, 1 + random.below(900_000)],
      [48, 32, 1 + random.below(400_000)],
    ] as const) {
      const data = random.bytes(size)
      const dispersed = disperseBytes(data, { n, k })
      const sources = shuffled(n, random)
        .slice(0, k)
        .map(index => source(dispersed, index))
      assert.ok(equalBytes(await read({ n, k, size, dispersalRoot: dispersed.root, sources }), data), `${n}/${k} ${size}`)
      await rejectsCode(read({ n, k, size, dispersalRoot: dispersed.root, sources: sources.slice(1) }), 'too-few-fragments')
      // One fragment twice is still one fragment.
      const twice = [...sources.slice(1), sources[1] as FragmentSource]
      await rejectsCode(read({ n, k, size, dispersalRoot: dispersed.root, sources: twice }), 'too-few-fragments')
    }
  }),
)

test(
  'a wrong byte anywhere is found, its source named, and a spare takes over at that chunk',
  property(async random => {
    const [n, k] = [5, 3]
    for (let round = 0; round < 12; round++) {
      const size = 1 + random.below(4 * k * CHUNK_BYTES)
      const data = random.bytes(size)
      const dispersed = disperseBytes(data, { n, k })
      const order = shuffled(n, random)
      const bad = order[random.below(k)] as number
      const fragment = dispersed.fragments[bad] as Uint8Array
      const at = random.below(fragment.length)
      const opened: number[] = []
      const sources = order.map(index =>
        source(dispersed, index, {
          open: first => {
            if (order.indexOf(index) >= k) opened.push(first)
            return chunks(index === bad ? flip(fragment, at) : (dispersed.fragments[index] as Uint8Array), first)
          },
        }),
      )
      const failed: [number, string, unknown][] = []
      const onSourceFailed = (given: FragmentSource, error: unknown): void => {
        failed.push([given.index, errorCode(error), error instanceof EpioneError ? error.metadata.index : undefined])
      }
      assert.ok(equalBytes(await read({ n, k, size, dispersalRoot: dispersed.root, sources, onSourceFailed }), data))
      assert.equal(failed, [[bad, 'corrupt-fragment', bad]])
      assert.equal(opened, [Math.floor(at / CHUNK_BYTES)])
      const error = await rejectsCode(read({ n, k, size, dispersalRoot: dispersed.root, sources: sources.slice(0, k) }), 'corrupt-fragment')
      assert.is((error as EpioneError).metadata.index, bad)
    }
  }),
)

test('sources that lie about roots, proofs, chunks or lengths, or fail, are passed over', async () => {
  const shape = { n: 4, k: 2, size: 300_000 }
  const data = Uint8Array.from({ length: shape.size }, (_, i) => (i * 13) ^ (i >> 8))
  const dispersed = disperseBytes(data, shape)
  const other = disperseBytes(data.subarray(1), shape)
  const good = dispersed.chunkLeaves[0] as Uint8Array[]
  async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* chunks((dispersed.fragments[0] as Uint8Array).subarray(0, CHUNK_BYTES))
    throw new Error('connection lost')
  }
  async function* longer(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks(dispersed.fragments[0] as Uint8Array)) yield concat(chunk, Uint8Array.of(0))
  }
  const liars: [string, FragmentSource][] = [
    ['corrupt-fragment', source(other, 0)],
    ['corrupt-fragment', source(dispersed, 0, { index: 1 })],
    ['corrupt-fragment', source(dispersed, 0, { index: 4 })],
    ['corrupt-fragment', source(dispersed, 0, { proof: [] })],
    ['corrupt-fragment', source(dispersed, 0, { chunkLeaves: good.slice(1) })],
    ['corrupt-fragment', source(dispersed, 0, { chunkLeaves: [...good].reverse() })],
    ['corrupt-fragment', source(dispersed, 0, { chunkLeaves: good.map(leaf => leaf.subarray(1)) })],
    ['corrupt-fragment', source(dispersed, 0, { open: () => chunks((dispersed.fragments[0] as Uint8Array).subarray(0, CHUNK_BYTES)) })],
    ['corrupt-fragment', source(dispersed, 0, { open: longer })],
    ['internal', source(dispersed, 0, { open: failing })],
    [
      'internal',
      source(dispersed, 0, {
        open: () => {
          throw new Error('no such peer')
        },
      }),
    ],
  ]
  for (const [code, liar] of liars) {
    const failures: string[] = []
    const sources = [liar, source(dispersed, 2), source(dispersed, 3)]
    const onSourceFailed = (_: FragmentSource, error: unknown): void => {
      failures.push(errorCode(error))
    }
    assert.ok(equalBytes(await read({ ...shape, dispersalRoot: dispersed.root, sources, onSourceFailed }), data))
    assert.equal(failures, [code])
  }
})

test('what is no codeword is malformed for every reader, whichever fragments it has', async () => {
  const shape = { n: 4, k: 2, size: 2 * CHUNK_BYTES + 500 }
  const honest = disperseBytes(
    Uint8Array.from({ length: shape.size }, (_, i) => i * 3),
    shape,
  )
  for (const [forged, at] of [
    [3, 5],
    [0, CHUNK_BYTES + 1],
    [2, CHUNK_BYTES - 1],
  ] as const) {
    const fragments = honest.fragments.map((fragment, i) => (i === forged ? flip(fragment, at) : fragment))
    const dispersed = committed(fragments, shape.k, shape.size)
    for (let a = 0; a < 4; a++) {
      for (let b = 0; b < 4; b++) {
        if (a === b) continue
        const sources = [source(dispersed, a), source(dispersed, b)]
        await rejectsCode(read({ ...shape, dispersalRoot: dispersed.root, sources }), 'malformed-dispersal')
      }
    }
  }
})

test('a codeword whose padding is not zero is malformed too', async () => {
  const shape = { n: 4, k: 2, size: 20 }
  const padded = new Uint8Array(32).fill(7)
  const dispersed = committed(erasureCode(shape).encodeStripe(padded), shape.k, shape.size)
  for (const indices of [
    [0, 1],
    [2, 3],
  ]) {
    const sources = indices.map(index => source(dispersed, index))
    await rejectsCode(read({ ...shape, dispersalRoot: dispersed.root, sources }), 'malformed-dispersal')
  }
})

test('streams are ended when the reader stops, is aborted or a source hangs', async () => {
  const shape = { n: 4, k: 2, size: 10 * CHUNK_BYTES }
  const dispersed = disperseBytes(new Uint8Array(shape.size), shape)
  let ended = 0
  const counted = (index: number): FragmentSource =>
    source(dispersed, index, {
      async *open(first) {
        try {
          yield* chunks(dispersed.fragments[index] as Uint8Array, first)
        } finally {
          ended++
        }
      },
    })
  for await (const piece of assemble({ ...shape, dispersalRoot: dispersed.root, sources: [counted(0), counted(1)] })) {
    assert.is(piece.length, CHUNK_BYTES)
    break
  }
  const controller = new AbortController()
  const hanging = source(dispersed, 2, {
    open: () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          queueMicrotask(() => controller.abort())
          return new Promise(() => {})
        },
      }),
    }),
  })
  const reason = await read({ ...shape, dispersalRoot: dispersed.root, sources: [hanging, counted(3)], signal: controller.signal }).then(
    () => 'done',
    error => error,
  )
  assert.is(reason, controller.signal.reason)
  for (let turns = 0; ended < 3 && turns < 1000; turns++) await Promise.resolve()
  assert.is(ended, 3)
})

test.run()
