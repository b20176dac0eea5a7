import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { FragmentWriter } from '../../src/fragments/fragment-writer.ts'
import { type PartialUpload, PartialUploads } from '../../src/node/custodian/partial-uploads.ts'
import { seedOf } from './cluster.ts'

const test = suite('uploads that broke off')
const HOUR = 3_600_000

/** An upload of which so many bytes have come, and what became of it. */
function partial(
  bytes = 2_000_000,
  versions = 1,
  folder = 'folder',
): { upload: PartialUpload; fate: { released: number; aborted: number } } {
  const fate = { released: 0, aborted: 0 }
  const writer = { abort: async () => void fate.aborted++ } as unknown as FragmentWriter
  const upload: PartialUpload = {
    folder: seedOf(folder),
    submissionRoot: seedOf('root'),
    index: 1,
    release: () => void fate.released++,
    version: 0,
    chunk: 3,
    writer,
    bytes,
    writers: Array(versions).fill(writer),
    items: [],
    versions: [],
  }
  return { upload, fate }
}

test('only who has the token goes on, with the same fragment, and once', () => {
  const uploads = new PartialUploads(() => 0)
  const { upload, fate } = partial()
  assert.ok(uploads.park(seedOf('token'), upload))
  assert.is(uploads.take(seedOf('another'), seedOf('root'), 1), undefined)
  assert.is(uploads.take(seedOf('token'), seedOf('other root'), 1), undefined)
  assert.is(uploads.take(seedOf('token'), seedOf('root'), 2), undefined)
  assert.is(uploads.take(seedOf('token'), seedOf('root'), 1), upload)
  assert.is(uploads.take(seedOf('token'), seedOf('root'), 1), undefined)
  assert.equal(fate, { released: 0, aborted: 0 }, 'it goes on')
})

test('what is not worth it is not kept, nor too many, nor for long', async () => {
  let now = 0
  const uploads = new PartialUploads(() => now)
  assert.not.ok(uploads.park(seedOf('small'), partial(1000).upload))
  assert.not.ok(uploads.park(seedOf('many'), partial(2_000_000, 65).upload))
  const all = Array.from({ length: 20 }, () => partial())
  for (const [i, { upload }] of all.entries()) assert.ok(uploads.park(seedOf('token', i), upload))
  await Promise.resolve()
  assert.equal(
    all.map(({ fate }) => fate.released),
    [1, 1, 1, 1, ...Array(16).fill(0)],
    'the first give way',
  )
  now = HOUR - 1
  await uploads.dropExpired()
  assert.is(all.filter(({ fate }) => fate.aborted > 0).length, 4)
  now = HOUR
  await uploads.dropExpired()
  assert.ok(all.every(({ fate }) => fate.released === 1 && fate.aborted === 1))
  const last = partial()
  uploads.park(seedOf('last'), last.upload)
  await uploads.dropAll()
  assert.equal(last.fate, { released: 1, aborted: 1 })
})

test('what is of a folder of which something is erased is dropped, and nothing else', async () => {
  const uploads = new PartialUploads(() => 0)
  const [here, elsewhere] = [partial(), partial(2_000_000, 1, 'another folder')]
  uploads.park(seedOf('here'), here.upload)
  uploads.park(seedOf('elsewhere'), elsewhere.upload)
  await uploads.dropFolder(seedOf('folder'))
  assert.equal(
    [here.fate, elsewhere.fate],
    [
      { released: 1, aborted: 1 },
      { released: 0, aborted: 0 },
    ],
  )
  assert.is(uploads.take(seedOf('here'), seedOf('root'), 1), undefined)
  assert.is(uploads.take(seedOf('elsewhere'), seedOf('root'), 1), elsewhere.upload)
})

test('an uploader that comes back breaks off its old connection', async () => {
  const uploads = new PartialUploads(() => 0)
  const { upload } = partial()
  let broken = 0
  const end = await uploads.begin(seedOf('token'), () => {
    broken++
    // The stream ends, and what has come is kept.
    uploads.park(seedOf('token'), upload)
    end()
  })
  const endAgain = await uploads.begin(seedOf('token'), () => broken++)
  assert.is(broken, 1)
  assert.is(uploads.take(seedOf('token'), seedOf('root'), 1), upload)
  endAgain()
  const endOther = await uploads.begin(seedOf('token'), () => broken++)
  assert.is(broken, 1)
  endOther()
})

test.run()
