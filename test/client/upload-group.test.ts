/** Writes beside custodians that lag, in virtual time. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SealedVersion } from '../../src/client/sealed-version.ts'
import { type CustodianUpload, UPLOAD_LAG_MS, UploadGroup } from '../../src/client/upload-group.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { VirtualTimer } from '../fragments/virtual-timer.ts'

const test = suite('uploads side by side')
const CODE = { n: 4, k: 2 }
const NEEDED = 3
const STRIPES = 50
const STEP_MS = 10

/** How long each step of one custodian takes, in ms; for ever where it is undefined. */
type Pace = (step: 'begin' | 'finish' | number) => number | undefined

class FakeUpload implements CustodianUpload {
  readonly member: CustodianUpload['member']
  readonly index: number
  error: unknown
  receipt: CustodianUpload['receipt']
  chunks = 0
  readonly #timer: VirtualTimer
  readonly #pace: Pace

  constructor(index: number, timer: VirtualTimer, pace: Pace) {
    this.index = index
    this.member = { organisation: { name: `Hospital ${index}` } }
    this.#timer = timer
    this.#pace = pace
  }

  async #step(step: 'begin' | 'finish' | number): Promise<void> {
    if (this.error !== undefined) return
    const ms = this.#pace(step)
    await (ms === undefined ? new Promise(() => undefined) : this.#timer.sleep(ms))
  }

  begin = async (): Promise<void> => await this.#step('begin')

  async send(_version: number, _sealed: SealedVersion, chunk: number): Promise<void> {
    await this.#step(chunk)
    if (this.error === undefined) this.chunks++
  }

  async finish(): Promise<void> {
    await this.#step('finish')
    if (this.error === undefined) this.receipt = { receipt: new Uint8Array(1), signature: new Uint8Array(64) }
  }

  giveUp(): void {
    this.error = new EpioneError('too-slow', 'too slow')
  }

  cancel(): void {}
}

const steady: Pace = () => STEP_MS

async function write(paces: readonly Pace[]): Promise<{ uploads: FakeUpload[]; elapsedMs: number; failure: unknown }> {
  const timer = new VirtualTimer()
  const uploads = paces.map((pace, index) => new FakeUpload(index, timer, pace))
  const group = new UploadGroup(uploads, NEEDED, timer)
  const size = STRIPES * CODE.k * CHUNK_BYTES
  const ciphertext = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < STRIPES * CODE.k; i++) yield new Uint8Array(CHUNK_BYTES)
  }
  const sealed = { meta: { size }, fragmentRoots: [], ciphertext } as unknown as SealedVersion
  let sent = 0
  const failure = await timer.run(
    group.run([sealed], CODE, { onSent: (_, bytes) => (sent += bytes) }).then(
      () => undefined,
      error => error,
    ),
  )
  if (failure === undefined) assert.is(sent, size)
  return { uploads, elapsedMs: timer.now(), failure }
}

const CLEAN_MS = (STRIPES + 2) * STEP_MS

test('all that keep up are waited for', async () => {
  const { uploads, elapsedMs } = await write([steady, steady, steady, () => 2 * STEP_MS])
  assert.is(elapsedMs, 2 * CLEAN_MS)
  assert.is(uploads.filter(({ receipt }) => receipt !== undefined).length, 4)
})

for (const [name, pace] of Object.entries<Pace>({
  'never begins': () => undefined,
  'stops in the middle': step => (step === STRIPES / 2 ? undefined : STEP_MS),
  'never signs': step => (step === 'finish' ? undefined : STEP_MS),
  drips: () => 1_000,
  'drips for long': () => 19_000,
})) {
  test(`a custodian that ${name} holds a write up for a bounded time, and n - f receipts are enough`, async () => {
    const { uploads, elapsedMs, failure } = await write([steady, pace, steady, steady])
    assert.is(failure, undefined)
    assert.ok(elapsedMs <= 2 * CLEAN_MS + UPLOAD_LAG_MS, `${elapsedMs} ms`)
    assert.equal(
      uploads.map(({ receipt, error }) => (receipt !== undefined ? 'receipt' : errorCode(error))),
      ['receipt', 'too-slow', 'receipt', 'receipt'],
    )
    assert.ok(uploads.every(({ index, chunks }) => index === 1 || chunks === STRIPES))
  })
}

test('where fewer than n - f go on, those who lag are waited for', async () => {
  const slow: Pace = () => 1_000
  const { uploads, failure } = await write([slow, slow, steady, steady])
  assert.is(failure, undefined, 'two slow ones: one of them is needed')
  assert.ok(uploads.filter(({ receipt }) => receipt !== undefined).length >= NEEDED)
})

test.run()
