/** Heavy work in a worker: the same results, in bounds, and on this thread where there is no worker or it fails. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compress, decompress, sealAside, stripeWorker, useWorker, type WorkerLike, workerReport } from '../../src/client/heavy.ts'
import { JOBS, type JobMessage } from '../../src/client/heavy-jobs.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { computeDispersal, disperseBytes } from '../../src/fragments/dispersal.ts'
import { assemble } from '../../src/fragments/gather.ts'
import { seededRandom } from '../../testnet/population/random.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { source } from '../fragments/dispersed.ts'

const test = suite('heavy work')
test.after.each(() => useWorker(null))

const random = seededRandom(3)
const BYTES = random.bytes(300_000)
const TEXT = utf8('{"resourceType":"Observation","status":"final"}'.repeat(2_000))

/** A worker in the same process: what is said to it and what it says is copied, as between threads. */
class TestWorker implements WorkerLike {
  static made: TestWorker[] = []
  readonly #listeners = new Map<string, (event: unknown) => void>()
  terminated = false
  most = 0
  #underWay = 0

  constructor() {
    TestWorker.made.push(this)
  }

  addEventListener(type: 'message' | 'error', listener: (event: unknown) => void): void {
    this.#listeners.set(type, listener)
  }

  say(type: 'message' | 'error', event: unknown): void {
    this.#listeners.get(type)?.(event)
  }

  postMessage(message: unknown): void {
    const { id, name, args } = structuredClone(message) as JobMessage
    this.most = Math.max(this.most, ++this.#underWay)
    const job = JOBS[name] as (...args: readonly unknown[]) => unknown
    void Promise.resolve()
      .then(() => job(...args))
      .then(
        result => ({ id, result }),
        (error: unknown) => ({ id, error: { code: errorCode(error), message: (error as Error).message } }),
      )
      .then(answer => {
        this.#underWay--
        if (!this.terminated) this.say('message', { data: structuredClone(answer) })
      })
  }

  terminate(): void {
    this.terminated = true
  }
}

test('nothing is started before there is work, and what comes out is the same', async () => {
  TestWorker.made = []
  useWorker(() => new TestWorker())
  assert.is(TestWorker.made.length, 0)
  assert.equal(await compress(utf8('small')), await JOBS.zstd(utf8('small'), undefined))
  assert.is(TestWorker.made.length, 0)
  const packed = await compress(TEXT)
  assert.equal(packed, await JOBS.zstd(TEXT, undefined))
  assert.equal(await decompress(packed, TEXT.length), TEXT)
  assert.is(TestWorker.made.length, 1)
  const key = sealingKeyFromSeed(new Uint8Array(32).fill(1))
  const context = { info: utf8('test'), aad: utf8('of a test') }
  // A view alone goes over, not all that it is a view of.
  assert.equal(key.open(await sealAside(key.publicKey, BYTES.subarray(5, 37), context), context), BYTES.slice(5, 37))
  assert.ok(workerReport().offloaded >= 3)
  assert.ok(workerReport().running)
})

test('what is written and read by way of the worker is what this thread writes and reads', async () => {
  TestWorker.made = []
  useWorker(() => new TestWorker())
  const code = { n: 7, k: 3 }
  const own = disperseBytes(BYTES, code)
  const before = workerReport().offloaded
  const { root } = await computeDispersal(pieces(), BYTES.length, code, { worker: stripeWorker() })
  assert.equal(root, own.root)
  const parts: Uint8Array[] = []
  const sources = [1, 4, 6].map(index => source(own, index))
  for await (const part of assemble({ ...code, size: BYTES.length, dispersalRoot: own.root, sources, worker: stripeWorker() }))
    parts.push(part.slice())
  assert.equal(Buffer.concat(parts), Buffer.from(BYTES))
  assert.ok(workerReport().offloaded - before >= 4)
})

test('an error of the work is the error of the call', async () => {
  useWorker(() => new TestWorker())
  await rejectsCode(
    stripeWorker()?.complete({ n: 4, k: 2 }, [new Uint8Array(10), undefined], [], 10) as Promise<unknown>,
    'too-few-fragments',
  )
  assert.is(workerReport().waiting, 0)
})

test('more than a bounded number of jobs wait for their turn', async () => {
  TestWorker.made = []
  useWorker(() => new TestWorker())
  const all = Array.from({ length: 60 }, async () => await compress(TEXT))
  assert.ok(workerReport().waiting >= 40)
  await Promise.all(all)
  assert.ok((TestWorker.made[0]?.most ?? 99) <= 16)
  assert.is(workerReport().waiting, 0)
})

test('where it cannot be made, fails, or is taken away, this thread does the work', async () => {
  const packed = await JOBS.zstd(TEXT, undefined)
  useWorker(() => {
    throw new Error('refused by the Content-Security-Policy')
  })
  assert.equal(await compress(TEXT), packed)
  class Broken extends TestWorker {
    override postMessage(): void {
      setTimeout(() => this.say('error', new Error('its script is not there')), 1)
    }
  }
  const broken = new Broken()
  useWorker(() => broken)
  assert.equal(await Promise.all([compress(TEXT), compress(TEXT)]), [packed, packed])
  assert.ok(broken.terminated)
  assert.is(stripeWorker(), undefined)
  class Mute extends TestWorker {
    override postMessage(): void {}
  }
  useWorker(() => new Mute())
  const job = compress(TEXT)
  useWorker(null)
  assert.equal(await job, packed)
})

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < BYTES.length; at += 10_000) yield BYTES.subarray(at, at + 10_000)
}

test.run()
