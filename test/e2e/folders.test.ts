/** Folders by the command line, over processes: records are restricted, devices paired, and a folder handed over. */
import { writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { runCli } from '../cli/run-cli.ts'
import { failure, Setting, succeed } from './setting.ts'

const test = suite('folders of a wallet')
let setting: Setting

test.before(async () => {
  setting = await Setting.create('folders', 17)
})

test.after(async () => {
  await setting.stop()
})

async function put(text: string, folder = setting.folder): Promise<string> {
  writeFileSync(setting.at('record.txt'), text)
  const options = ['--type', 'text/plain', '--class', 'document', '--folder', folder, ...setting.author]
  const { versions } = (await succeed('record', 'put', setting.at('record.txt'), ...options)) as { versions: { record: string }[] }
  return versions[0]?.record as string
}

async function listed(folder: string, device: readonly string[]): Promise<string[]> {
  const { records } = (await succeed('record', 'list', '--folder', folder, ...device)) as { records: { record: string }[] }
  return records.map(({ record }) => record).sort()
}

test('two devices of a wallet restrict records at once, and one brings its record back', async () => {
  const { patient, folder } = setting
  const second = ['--home', setting.at('second'), '--wallet', setting.at('second.keystore'), ...patient.slice(4)]
  await succeed('wallet', 'pair', 'request', '--out', setting.at('request'), ...second)
  await succeed('wallet', 'pair', 'answer', setting.at('request'), '--out', setting.at('answer'), '--yes', ...patient)
  await succeed('wallet', 'pair', 'finish', setting.at('answer'), '--yes', ...second)
  const records = [await put('a letter'), await put('a talk'), await put('a gene')] as [string, string, string]
  assert.equal(await listed(folder, second), [...records].sort())

  const unsaid = await runCli(['record', 'restrict', records[1], '--folder', folder, ...patient, '--json'])
  assert.is(failure(unsaid).code, 'missing-option')
  const restrict = (record: string, label: string, device: readonly string[]) =>
    succeed('record', 'restrict', record, '--label', label, '--folder', folder, '--yes', ...device)
  const [talk, gene] = (await Promise.all([restrict(records[1], 'mental-health', patient), restrict(records[2], 'genetic', second)])) as [
    { to: string },
    { to: string },
  ]
  assert.is.not(talk.to, gene.to)
  assert.equal(await listed(folder, patient), [records[0]])
  assert.equal([await listed(talk.to, second), await listed(gene.to, patient)], [[records[1]], [records[2]]])
  await succeed('record', 'unrestrict', records[2], '--folder', gene.to, '--yes', ...second)
  assert.equal(await listed(folder, patient), [records[0], records[2]].sort())
  const { folders } = (await succeed('enroll', 'list', ...second)) as { folders: { label: string }[] }
  assert.equal(folders.map(({ label }) => label).sort(), ['genetic', 'mental-health', 'normal'])
})

test('a hospital hands over a folder that it opened for somebody without a wallet', async () => {
  const { author, patient, net } = setting
  // One passphrase opens the custody of owner keys and the registrar's own.
  const custody = ['--wallet', setting.at('custody.keystore'), '--passphrase-file', setting.at('net/passphrase')]
  await succeed('wallet', 'create', ...custody)
  const { folder } = (await succeed('enroll', 'open', '--for-later', ...custody, ...author)) as { folder: string }
  const record = await put('a birth', folder)
  const account = toHex((net.nodes[0] as (typeof net.nodes)[number]).account)
  await succeed('enroll', 'offer', '--organisation', account, '--out', setting.at('second offer'), ...patient)
  const out = ['--folder', folder, '--out', setting.at('hand-over'), '--yes']
  await succeed('enroll', 'hand-over', setting.at('second offer'), ...out, ...custody, ...author)
  const taken = await succeed('enroll', 'take-over', setting.at('hand-over'), ...patient)
  assert.equal([taken.folder, taken.epoch, taken.resealed], [folder, 1, 1])
  assert.equal(await listed(folder, patient), [record])
  const next = await put('a fever', folder)
  assert.equal(await listed(folder, patient), [record, next].sort())
})

test.run()
