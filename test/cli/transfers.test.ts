/** What the command line keeps of transfers that are under way, and how it shows them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { noteCustodians, recallCustodians } from '../../cli/custodian-book.ts'
import { namedFailures } from '../../cli/custodian-failures.ts'
import { PartialDownload } from '../../cli/partial-download.ts'
import { TransferLine } from '../../cli/transfer-line.ts'
import { uploadFile } from '../../cli/upload-file.ts'
import type { ListedVersion } from '../../src/client/get.ts'
import { Standings } from '../../src/client/standings.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { seedOf } from '../node/cluster.ts'

const test = suite<{ dir: string }>('transfers')

test.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-transfers-'))
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }))

test('a line says how far, how quick, and how long it will take', () => {
  const transfer = new TransferLine()
  assert.is(transfer.line('reading', 0, 10_000_000, 0), 'reading [........................] 0 %, 0 B of 10.0 MB')
  assert.is(
    transfer.line('reading', 5_000_000, 10_000_000, 1000),
    'reading [############............] 50 %, 5.0 MB of 10.0 MB, 5.0 MB/s, 1.0 s left',
  )
  // After a stall of seconds the rate is that of the last few of them.
  assert.match(transfer.line('reading', 5_100_000, 10_000_000, 11_000), / 10\.0 kB\/s,/)
  // Another phase begins anew.
  assert.is(transfer.line('uploading', 1, 4, 12_000), 'uploading [######..................] 25 %, 1 B of 4 B')
})

test('a journal is for its owner alone, and is forgotten after a day', async ({ dir }) => {
  const file = uploadFile(dir, ['folder', '/scan.dcm', 'application/dicom'])
  assert.is(await file.load(), null)
  await file.save(Uint8Array.of(1, 2, 3))
  assert.equal(await file.load(), Uint8Array.of(1, 2, 3))
  assert.is(await uploadFile(dir, ['folder', '/other.dcm', 'application/dicom']).load(), null)
  const [name] = readdirSync(join(dir, 'uploads')) as [string]
  assert.not.match(name, /scan/)
  const path = join(dir, 'uploads', name)
  assert.is(statSync(path).mode & 0o777, 0o600)
  const old = (Date.now() - 25 * 3_600_000) / 1000
  utimesSync(path, old, old)
  assert.is(await file.exists(), false)
  assert.is(await file.load(), null)
  await uploadFile(dir, ['another']).save(Uint8Array.of(4))
  assert.is(readdirSync(join(dir, 'uploads')).length, 1, 'the old one is gone')
  await uploadFile(dir, ['another']).clear()
  assert.equal(readdirSync(join(dir, 'uploads')), [])
})

interface Member {
  id: Uint8Array
  organisation: { name: string }
}

const listed = (leaf: number): ListedVersion =>
  ({ submission: { root: seedOf('root') }, leaf, recordId: seedOf('record'), version: 1 }) as unknown as ListedVersion
const beginning = { header: Uint8Array.of(1, 2), objectSalt: seedOf('salt') }

async function* pieces(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

async function* broken(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
  throw new Error('the connection broke')
}

test('a download goes on after what is there, of the same version alone', async ({ dir }) => {
  const out = join(dir, 'out')
  const first = await PartialDownload.open(out, listed(0))
  assert.is(first.known, undefined)
  await first.write(out, beginning, broken('hello ')).then(
    () => assert.unreachable('it broke'),
    () => undefined,
  )
  assert.is(await first.size(), 6)
  assert.is(statSync(`${out}.part`).mode & 0o777, 0o600)
  assert.is((await PartialDownload.open(out, listed(1))).known, undefined, 'another version')

  const again = await PartialDownload.open(out, listed(0))
  assert.is(again.bytes, 6)
  assert.equal(again.known?.header, beginning.header)
  let known = ''
  for await (const piece of again.known?.content() ?? []) known += String(piece)
  assert.is(known, 'hello ')
  await again.write(out, beginning, pieces('hel', 'lo wo', 'rld'))
  assert.is(readFileSync(out, 'utf8'), 'hello world')
  assert.equal(readdirSync(dir), ['out'])
})

test('what is damaged beside a download is as good as nothing', async ({ dir }) => {
  const out = join(dir, 'out')
  writeFileSync(`${out}.part`, 'abc')
  for (const text of ['', '{', '[]', '{"of":1}', '{"of":"x","header":"zz","objectSalt":"00"}']) {
    writeFileSync(`${out}.part.json`, text)
    assert.is((await PartialDownload.open(out, listed(0))).known, undefined, text)
  }
  const partial = await PartialDownload.open(out, listed(0))
  await partial.discard()
  assert.equal(readdirSync(dir), [])
})

test('what custodians were like is known to the next run', async ({ dir }) => {
  const [good, bad] = ['good', 'bad'].map(name => ({ id: seedOf(name), organisation: { name } })) as [Member, Member]
  const first = new Standings(() => 1000)
  first.answered(good, 20)
  first.failed(bad, 'corrupt-fragment')
  first.asked(bad)
  first.served(good, 1000, 1)
  first.delivered(good)
  await noteCustodians(dir, first)
  const second = new Standings(() => 2000)
  await recallCustodians(dir, second)
  assert.equal(second.rank([bad, good]), [good, bad])
  const known = (name: string) => second.list().find(standing => standing.name === name)
  assert.equal([known('good')?.servedBytes, known('good')?.outcomes.served], [1000, 1], 'counts go on')
  assert.equal([known('bad')?.asked, known('bad')?.outcomes.wrong, known('bad')?.failures], [1, 1, {}], 'codes are of one run')
  const old = { custodian: toHex(good.id), name: 'good', firstByteMs: 1, msPerByte: null, cost: 0, at: 1 }
  writeFileSync(join(dir, 'custodians.json'), JSON.stringify([old]))
  const older = new Standings(() => 2000)
  await recallCustodians(dir, older)
  assert.equal([older.list()[0]?.asked, older.list()[0]?.outcomes.served], [0, 0], 'a file from before there were counts')
  writeFileSync(join(dir, 'custodians.json'), '[{"custodian":"zz"}]')
  const third = new Standings(() => 2000)
  await recallCustodians(dir, third)
  assert.equal(third.list(), [])
})

test('who failed is named once, with all that they did', () => {
  const failures = [
    { name: 'Coast\u001b[31m', code: 'too-slow' },
    { name: 'Lake', code: 'corrupt-fragment' },
    { name: 'Lake', code: 'not-found' },
    { name: 'Lake', code: 'not-found' },
  ]
  const text = namedFailures(failures)
  assert.match(text, /Lake \(corrupt-fragment, not-found\)$/)
  assert.not.ok(text.includes('\u001b'))
})

test.run()
