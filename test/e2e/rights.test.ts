/** A patient's rights by the command line over real processes: who looked, with evidence; correction; taking everything along; erasure. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeEvidence, encodeEvidence } from '../../src/client/access-evidence.ts'
import { runCli } from '../cli/run-cli.ts'
import { failure, json, Setting, succeed } from './setting.ts'

const test = suite("a patient's rights over the command line")
let setting: Setting
let reader: string[] = []
let share = ''
let record = ''

test.before(async () => {
  setting = await Setting.create('rights', 17)
  reader = ['--home', setting.net.nodes[2]?.home as string, '--passphrase-file', setting.net.passphraseFile]
})

test.after(async () => {
  await setting?.stop()
})

const ofPatient = (): string[] => ['--folder', setting.folder, ...setting.patient]

test('every look is told, and its evidence is checked by an auditor without a network', async () => {
  const resource = '{"resourceType":"Observation","status":"final","code":{"text":"Smokes 20 a day"}}'
  writeFileSync(
    setting.at('bundle.json'),
    `{"resourceType":"Bundle","type":"collection","entry":[{"resource":${resource}},{"resource":{"resourceType":"Observation","status":"final","code":{"text":"Blood group A"}}}]}`,
  )
  const put = await setting.put(setting.at('bundle.json'))
  assert.is(put.code, 0, put.stderr)
  record = (json(put) as { versions: { record: string }[] }).versions[0]?.record as string
  writeFileSync(setting.at('card'), String((await succeed('keys', 'card', ...reader)).card))
  share = String((await succeed('consent', 'grant', '--to', setting.at('card'), '--yes', ...ofPatient())).share)
  const watching = runCli(['access', 'watch', '--from-event', '1', '--count', '4', ...ofPatient(), '--json'])
  const read = await runCli(['record', 'get', record, '--share', share, '--out', setting.at('read.json'), ...reader])
  assert.is(read.code, 0, read.stderr)
  assert.is(readFileSync(setting.at('read.json'), 'utf8'), resource)

  const watched = await watching
  assert.is(watched.code, 0, watched.stderr)
  const items = watched.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { type: string; number?: number; name?: string; reader?: { role: string } })
  assert.equal(
    items.filter(({ type }) => type === 'event').map(({ number, name }) => [number, name]),
    [
      [1, 'folders.created'],
      [2, 'records.anchored'],
      [3, 'consents.granted'],
      [4, 'access.opened'],
    ],
  )
  assert.is(items.find(({ type }) => type === 'reader')?.reader?.role, 'registrar')

  const evidence = setting.at('access.evidence')
  const log = await succeed('access', 'log', '--verify', '--records', '--out', evidence, ...ofPatient())
  const { findings, entries } = log as {
    findings: { holds: boolean; receipts: number; doubts: object; silent: unknown[]; cannotShow: string[] }
    entries: { reader: { role: string } | null; released: { records: number; versions: { title: string | null }[] } }[]
  }
  assert.equal([findings.holds, findings.doubts, findings.silent, findings.cannotShow.length], [true, {}, [], 3])
  assert.ok(findings.receipts >= 4)
  assert.is(entries[0]?.released.records, 1)
  assert.match(entries[0]?.released.versions[0]?.title ?? '', /Smokes/)

  const genesis = ['--genesis', setting.net.genesisPath]
  const verified = await succeed('access', 'verify', evidence, ...genesis)
  assert.equal([verified.holds, verified.entries], [true, entries.length])
  // A line that is left out.
  const whole = decodeEvidence(new Uint8Array(readFileSync(evidence)))
  writeFileSync(setting.at('tampered'), encodeEvidence({ ...whole, entries: whole.entries.slice(1) }))
  const tampered = await runCli(['access', 'verify', setting.at('tampered'), ...genesis, '--json'])
  assert.equal([tampered.code, failure(tampered).code], [7, 'invalid-proof'])
})

test('a version is disputed, corrected, and who read it signs that they know', async () => {
  const statement = 'I have never smoked'
  writeFileSync(setting.at('why.txt'), `${statement}\n`)
  const opened = await succeed('dispute', 'open', record, '--statement', setting.at('why.txt'), '--yes', ...ofPatient())
  const dispute = opened.dispute as string
  const listed = await runCli(['record', 'list', '--share', share, ...reader])
  assert.match(listed.stderr, statement)

  const asAuthor = ['--folder', setting.folder, ...setting.author]
  const [asked] = (await succeed('dispute', 'list', '--as-author', ...asAuthor)).disputes as {
    dispute: string
    statement: string
    record: string
  }[]
  assert.equal(asked?.statement, statement)
  writeFileSync(setting.at('right.txt'), 'Never smoked')
  const corrected = await setting.put(setting.at('right.txt'), '--type', 'text/plain', '--record', record)
  assert.is(corrected.code, 0, corrected.stderr)
  const submission = (json(corrected) as { submission: string }).submission
  const answered = await succeed('dispute', 'answer', dispute, '--accept', submission, '--yes', ...asAuthor)
  assert.is(answered.status, 'accepted')

  const told = await runCli(['dispute', 'notify', dispute, ...ofPatient(), '--json'])
  assert.is(told.code, 5, told.stderr)
  const [noticed] = (json(told) as { readers: { noticedMs: number | null; seenMs: number | null }[] }).readers
  assert.ok(noticed !== undefined && noticed.noticedMs !== null && noticed.seenMs === null)
  const waiting = (await succeed('notices', 'acknowledge', ...reader)).notices as { record: string; status: string; submission: string }[]
  assert.equal(
    waiting.map(one => [one.record, one.status, one.submission]),
    [[record, 'accepted', submission]],
  )
  const status = await succeed('dispute', 'status', dispute, ...ofPatient())
  assert.ok((status.readers as { seenMs: number | null }[]).every(({ seenMs }) => seenMs !== null))
})

test('everything is taken along with its proofs, goes on where it broke off, and what is changed is found', async () => {
  const out = setting.at('export')
  const first = await succeed('export', '--out', out, ...setting.patient)
  assert.equal([first.complete, (first.folders as { versions: number }[])[0]?.versions], [true, 4])
  const page = readFileSync(join(out, 'index.html'), 'utf8')
  for (const word of ['text/plain', 'I have never smoked', 'Blood group A', 'registrar']) assert.match(page, word)
  const dir = join(out, 'folders', setting.folder.slice(0, 32))
  const lines = readFileSync(join(dir, 'versions.jsonl'), 'utf8').trim().split('\n')
  const version = JSON.parse(lines.find(line => line.includes('Smokes 20')) as string) as { path: string }
  const verify = async () => await runCli(['export', 'verify', out, '--genesis', setting.net.genesisPath, '--json'])
  // A changed record is found by the manifest; where the manifest is changed with it, by the author's commitment.
  appendFileSync(join(dir, version.path), ' ')
  const changed = await verify()
  assert.equal([changed.code, failure(changed).code], [7, 'export-changed'])

  // What broke off goes on: the changed file is read again, the others are not.
  rmSync(join(out, 'manifest.json'))
  const again = await succeed('export', '--out', out, ...setting.patient)
  assert.is(again.complete, true)
  const checked = await verify()
  assert.is(checked.code, 0, checked.stderr)
  const [folder] = (json(checked) as { folders: { versions: number; submissions: number; partial: number; accessFlaws: number }[] }).folders
  assert.equal([folder?.versions, folder?.submissions, folder?.partial, folder?.accessFlaws], [4, 2, 0, 0])
  assert.match(readFileSync(join(dir, 'access.fhir.json'), 'utf8'), /IHE\.BasicAudit\.PatientRead/)
})

test('one command has everything erased in all folders', async () => {
  const erased = await succeed('erase-all', '--yes', ...setting.patient)
  const [folder] = erased.folders as { versions: number; custodians: number; laggards: unknown[] }[]
  assert.equal([erased.status, folder?.versions, folder?.custodians, folder?.laggards], ['erased', 4, 4, []])
})

test.run()
