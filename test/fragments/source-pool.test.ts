/** Laggards and liars in virtual time: what they cost a read, and that they are told apart from the honest. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, equalBytes } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { disperseBytes } from '../../src/fragments/dispersal.ts'
import { assemble } from '../../src/fragments/gather.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { Patience } from '../../src/fragments/pace.ts'
import { FIRST_MS, LAG_MS, type SourceOffer, type SourceOutcome } from '../../src/fragments/source-pool.ts'
import type { FragmentSource } from '../../src/fragments/source-reader.ts'
import { source } from './dispersed.ts'
import { VirtualTimer } from './virtual-timer.ts'

const test = suite('source pool')

const SHAPE = { n: 7, k: 3 }
const STRIPES = 24
const OPEN_MS = 20
const CHUNK_MS = 10
const SIZE = STRIPES * SHAPE.k * CHUNK_BYTES
const data = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31) ^ (i >> 9))
const dispersed = disperseBytes(data, SHAPE)

/** What one custodian does wrong; `at` is the chunk at which it begins. */
type Conduct = (timer: VirtualTimer, honest: FragmentSource) => Promise<FragmentSource>

const never = new Promise<never>(() => {})
const paced = (timer: VirtualTimer, honest: FragmentSource, ms: number, change?: (chunk: Uint8Array, i: number) => Uint8Array) => ({
  ...honest,
  async *open(first: number) {
    let i = first
    for await (const chunk of honest.open(first)) {
      await timer.sleep(ms)
      yield change === undefined ? chunk : change(chunk, i)
      i++
    }
  },
})
const opened = async (timer: VirtualTimer, made: FragmentSource): Promise<FragmentSource> => {
  await timer.sleep(OPEN_MS)
  return made
}
const honest: Conduct = (timer, of) => opened(timer, paced(timer, of, CHUNK_MS))
const flipped = (chunk: Uint8Array): Uint8Array => Uint8Array.from(chunk, byte => byte ^ 1)

const LIES: Record<string, { conduct: Conduct; code: string }> = {
  'wrong bytes': { conduct: (timer, of) => opened(timer, paced(timer, of, CHUNK_MS, flipped)), code: 'corrupt-fragment' },
  'wrong bytes in the middle': {
    conduct: (timer, of) =>
      opened(
        timer,
        paced(timer, of, CHUNK_MS, (chunk, i) => (i < STRIPES / 2 ? chunk : flipped(chunk))),
      ),
    code: 'corrupt-fragment',
  },
  'never answers': { conduct: () => never, code: 'too-slow' },
  'stops in the middle': {
    conduct: (timer, of) => opened(timer, { ...of, open: first => stopping(timer, of, first) }),
    code: 'too-slow',
  },
  drips: { conduct: (timer, of) => opened(timer, paced(timer, of, 200)), code: 'too-slow' },
  'drips slowly': { conduct: (timer, of) => opened(timer, paced(timer, of, 3_000)), code: 'too-slow' },
  'not found': {
    conduct: async timer => {
      await timer.sleep(OPEN_MS)
      throw new EpioneError('not-found', 'not here')
    },
    code: 'not-found',
  },
  'closes in the middle': {
    conduct: (timer, of) =>
      opened(timer, {
        ...of,
        async *open(first) {
          let i = first
          for await (const chunk of of.open(first)) {
            await timer.sleep(CHUNK_MS)
            if (i++ > STRIPES / 2) throw new EpioneError('connection-lost', 'gone')
            yield chunk
          }
        },
      }),
    code: 'connection-lost',
  },
  'wrong proofs': { conduct: (timer, of) => opened(timer, { ...of, proof: [] }), code: 'corrupt-fragment' },
}

async function* stopping(timer: VirtualTimer, of: FragmentSource, first: number): AsyncGenerator<Uint8Array> {
  let i = first
  for await (const chunk of of.open(first)) {
    await timer.sleep(CHUNK_MS)
    if (i++ > STRIPES / 2) await never
    yield chunk
  }
}

interface Run {
  elapsedMs: number
  asked: number[]
  outcomes: Map<number, string>
}

/** Reads with custodians of these conducts, asked in this order. */
async function read(conducts: readonly Conduct[]): Promise<Run> {
  const timer = new VirtualTimer()
  const asked: number[] = []
  const outcomes = new Map<number, string>()
  const more = (firstChunk: number): SourceOffer | undefined => {
    const index = asked.length
    const conduct = conducts[index]
    if (conduct === undefined) return undefined
    asked.push(index)
    const ended = (outcome: SourceOutcome): void => {
      assert.not.ok(outcomes.has(index), 'ended once')
      outcomes.set(index, outcome.type === 'failed' ? errorCode(outcome.error) : outcome.type === 'slow' ? 'too-slow' : outcome.type)
    }
    return { firstChunk, source: conduct(timer, source(dispersed, index)), ended }
  }
  const all = async (): Promise<Uint8Array> => {
    const out: Uint8Array[] = []
    for await (const piece of assemble({ ...SHAPE, size: SIZE, dispersalRoot: dispersed.root, more, timer })) out.push(piece.slice())
    return concat(...out)
  }
  const bytes = await timer.run(all())
  assert.ok(equalBytes(bytes, data))
  assert.is(outcomes.size, asked.length, 'all are told how it ended')
  return { elapsedMs: timer.now(), asked, outcomes }
}

test('without liars k are asked and none is named', async () => {
  const { elapsedMs, asked, outcomes } = await read(Array(7).fill(honest))
  assert.is(elapsedMs, OPEN_MS + STRIPES * CHUNK_MS)
  assert.equal(asked, [0, 1, 2])
  assert.equal([...outcomes.values()], ['finished', 'finished', 'finished'])
})

test('a source within twice the pace of the others is waited for', async () => {
  const slower: Conduct = (timer, of) => opened(timer, paced(timer, of, 2 * CHUNK_MS))
  const { asked, elapsedMs } = await read([slower, honest, honest, ...Array<Conduct>(4).fill(honest)])
  assert.equal(asked, [0, 1, 2])
  assert.is(elapsedMs, OPEN_MS + STRIPES * 2 * CHUNK_MS)
})

/**
 * The stated bound: a read takes at most twice what it takes from honest custodians, and, for each liar, the time until another is
 * asked (FIRST_MS while nothing was delivered yet, LAG_MS later) and until that one is open. Never more than one stream is opened for
 * each that lies.
 */
for (const [name, { conduct, code }] of Object.entries(LIES)) {
  test(`${name}: up to f liars cost what is stated and no more, and are named`, async () => {
    const clean = (await read(Array(7).fill(honest))).elapsedMs
    for (const liars of [[0], [1], [0, 1], [0, 2], [1, 3]]) {
      const conducts = Array.from({ length: 7 }, (_, i) => (liars.includes(i) ? conduct : honest))
      const { elapsedMs, asked, outcomes } = await read(conducts)
      const bound = 2 * clean + liars.length * (Math.max(FIRST_MS, LAG_MS) + OPEN_MS)
      assert.ok(elapsedMs <= bound, `${liars}: ${elapsedMs} ms, more than ${bound} ms`)
      assert.ok(asked.length <= SHAPE.k + liars.length, `${liars}: asked ${asked}`)
      for (const liar of liars.filter(index => asked.includes(index))) assert.is(outcomes.get(liar), code, `${liars}: ${liar}`)
      for (const index of asked.filter(each => !liars.includes(each))) {
        assert.ok(['finished', 'unneeded', 'outpaced'].includes(outcomes.get(index) as string), `${index}: ${outcomes.get(index)}`)
      }
    }
  })
}

test('after a hiccup the read goes back to k streams', async () => {
  let chunks = 0
  const counted: Conduct = (timer, of) =>
    opened(
      timer,
      paced(timer, of, CHUNK_MS, chunk => {
        chunks++
        return chunk
      }),
    )
  const hiccup: Conduct = (timer, of) => {
    const made = paced(timer, of, CHUNK_MS, chunk => {
      chunks++
      return chunk
    })
    return opened(timer, {
      ...made,
      async *open(first) {
        let i = first
        for await (const chunk of made.open(first)) {
          if (i++ === 4) await timer.sleep(LAG_MS + 3 * CHUNK_MS)
          yield chunk
        }
      },
    })
  }
  const { asked, outcomes } = await read([hiccup, counted, counted, ...Array<Conduct>(4).fill(counted)])
  assert.equal(asked, [0, 1, 2, 3])
  assert.equal([...outcomes.values()].sort(), ['finished', 'finished', 'finished', 'outpaced'])
  assert.ok(chunks <= SHAPE.k * STRIPES + 16, `${chunks} chunks were read`)
})

test('with all spares used up, slow ones are read to the end', async () => {
  const slow: Conduct = (timer, of) => opened(timer, paced(timer, of, 2_000))
  const { asked, outcomes } = await read(Array(7).fill(slow))
  assert.ok(asked.length >= 3)
  assert.ok([...outcomes.values()].filter(outcome => outcome === 'finished').length >= 3)
})

test('patience is spent by waiting, earned by work, and never more than its capacity', () => {
  const patience = new Patience(100, 300)
  assert.is(patience.leftMs, 300)
  patience.note(1_000, 0)
  assert.is(patience.leftMs, 100)
  patience.note(20, 70)
  assert.is(patience.leftMs, 30)
  patience.note(0, 50)
  assert.is(patience.leftMs, 0)
  patience.note(10, 0)
  assert.is(patience.leftMs, 0)
  patience.refill()
  assert.is(patience.leftMs, 100)
})

test.run()
