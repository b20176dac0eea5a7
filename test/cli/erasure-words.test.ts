/** What `epione record erase` says before, what it remembers, and what it says afterwards. */
import { rmSync } from 'node:fs'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { preview } from '../../cli/commands/record-erase.ts'
import { type ErasedEntry, noteErasures, readErasures } from '../../cli/erasure-book.ts'
import { erasureReport, reportLines } from '../../cli/erasure-report.ts'
import type { ErasureStatus } from '../../src/client/erase.ts'
import type { ListedVersion } from '../../src/client/get.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { folder, home, makeKeys, record, refused } from './records-home.ts'

const test = suite('cli erasure words')
test.after(() => rmSync(home, { recursive: true, force: true }))
const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

const version = (record: number, number: number): ListedVersion =>
  ({
    recordId: id(record),
    version: number,
    class: 'laboratory',
    dataTime: Date.UTC(2031, 4, 1),
    submission: { root: id(9), anchor: { height: 3 } },
    meta: { size: 700 },
  }) as unknown as ListedVersion

test('the preview counts versions and records, names them, and says what it does not reach', () => {
  const text = preview([version(1, 1), version(1, 2), version(2, 1)], 1, () => 'HbA1c').join('\n')
  assert.match(text, 'This destroys 3 versions of 2 records, 2.1 kB, at every custodian, for good:')
  assert.match(text, /0101010101010101 {2}2 +laboratory {2}2031-05-01 {2}700 B {3}HbA1c/)
  assert.match(text, 'With it 1 document can no longer be given back as a whole')
  assert.match(text, 'Nobody can undo it')
  assert.match(text, 'the copy that its author keeps')
  const many = preview(
    Array.from({ length: 25 }, (_, i) => version(i, 1)),
    0,
    () => '',
  )
  assert.ok(many.includes('and 5 more'))
  assert.not.match(many.join(), 'document')
})

test('the book gives back what was noted, a torn line aside', async () => {
  const book = await mkdtemp(join(tmpdir(), 'epione-book-'))
  try {
    assert.equal(await readErasures(book, id(1)), [])
    const entry = (n: number): ErasedEntry => ({ recordId: id(n), version: n, submission: id(n + 1), mark: id(n + 2) })
    await noteErasures(book, id(1), [entry(1), entry(2)])
    await appendFile(join(book, 'erasures', `${toHex(id(1))}.jsonl`), '\n[["ab')
    await noteErasures(book, id(1), [entry(3)])
    assert.equal(await readErasures(book, id(1)), [entry(1), entry(2), entry(3)])
    assert.equal(await readErasures(book, id(2)), [])
  } finally {
    await rm(book, { recursive: true, force: true })
  }
})

test('who is late is named, with the reason', () => {
  const custodian = (byte: number, name: string) => ({ id: id(byte), organisation: { name } })
  const status = {
    status: 'pending',
    marks: [{ mark: id(7), height: 3 }],
    receipts: [{ custodian: custodian(1, 'Clinic A') }],
    laggards: [
      { custodian: custodian(2, 'Clinic B'), missing: 1, code: 'pending' },
      { custodian: custodian(3, 'Clinic C\u001b[2J'), missing: 1, code: 'unreachable' },
    ],
    asOf: null,
  } as unknown as ErasureStatus
  const report = erasureReport(status)
  assert.equal([report.status, report.custodians, report.laggards.length], ['pending', 3, 2])
  const text = reportLines(report).join('\n')
  assert.match(text, '1 of 3 custodians signed')
  assert.match(text, /Clinic B +1 +answers, and is not through yet/)
  assert.match(text, /Clinic C \[2J +1 +it does not answer \(unreachable\)/)
  assert.equal(reportLines(erasureReport({ ...status, laggards: [] })), [
    'receipts     1 of 1 custodian signed that nothing of it is left with them',
  ])
})

test('one way to say what, and a question that is answered before anything is done', async () => {
  await makeKeys()
  const owner = ['--folder', folder]
  const [unasked] = await Promise.all([
    refused(['record', 'erase', record, ...owner], 2, 'missing-option'),
    refused(['record', 'erase', ...owner, '--yes'], 2, 'missing-argument'),
    refused(['record', 'erase', record, '--all', ...owner, '--yes'], 2, 'conflicting-option'),
    refused(['record', 'erase', record, ...owner, '--yes'], 4, 'unreachable'),
  ])
  assert.match(unasked?.message ?? '', '--yes')
})

test.run()
