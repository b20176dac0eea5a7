/** A mother acts for her child: by the command line, over real processes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCli } from '../cli/run-cli.ts'
import { failure, Setting, succeed } from './setting.ts'

const test = suite('delegation over real processes')
let setting: Setting
let mother: string[] = []

test.before(async () => {
  setting = await Setting.create('delegation', 23)
  mother = setting.patient.map(option => (option === setting.at('wallet') ? setting.at('mother') : option))
  await succeed('wallet', 'create', ...mother)
})

test.after(async () => {
  await setting?.stop()
})

test('she reads, grants and disputes on the child’s behalf, the log says so, and it ends', async () => {
  writeFileSync(setting.at('letter.txt'), 'a letter')
  const put = await setting.put(setting.at('letter.txt'), '--type', 'text/plain')
  assert.is(put.code, 0, put.stderr)
  const { record } = (JSON.parse(put.stdout) as { versions: { record: string }[] }).versions[0] as { record: string }
  const folder = ['--folder', setting.folder]
  await succeed('delegate', 'offer', '--name', 'Wanjiru', '--out', setting.at('offer'), ...mother)
  const rights = ['--right', 'read', '--right', 'grant', '--right', 'dispute']
  const granted = await succeed(
    ...['delegate', 'grant', ...folder, '--to', setting.at('offer'), '--ground', 'parent', ...rights, '--until', '60d', '--yes'],
    ...setting.patient,
  )
  writeFileSync(setting.at('share'), `${granted.share}\n`)
  const as = ['--share', setting.at('share'), '--as-delegate', ...mother]
  const read = await runCli(['record', 'get', record, ...as, '--out', setting.at('read')])
  assert.is(read.code, 0, read.stderr)
  assert.is(readFileSync(setting.at('read'), 'utf8'), 'a letter')

  const card = await succeed('keys', 'card', ...setting.author, '--passphrase-file', setting.net.passphraseFile)
  writeFileSync(setting.at('card'), `${card.card}\n`)
  const consent = await succeed(
    'consent',
    'grant',
    '--as-delegate',
    setting.at('share'),
    '--to',
    setting.at('card'),
    '--for',
    '5d',
    '--yes',
    ...mother,
  )
  writeFileSync(setting.at('doctor'), `${consent.share}\n`)
  const doctor = ['record', 'get', record, '--share', setting.at('doctor'), '--out', setting.at('doctors'), ...setting.author, '--json']
  const first = await runCli(doctor)
  assert.is(first.code, 0, first.stderr)

  const { entries } = (await succeed('access', 'log', ...folder, ...setting.patient)) as {
    entries: { reader: { name: string; role: string } | null; organisation: unknown; consent: string | null }[]
  }
  const hers = entries.find(({ consent: under }) => under === granted.delegation)
  assert.equal([hers?.organisation, hers?.reader?.name, hers?.reader?.role], [null, 'Wanjiru, on your behalf', 'delegate'])
  const listed = (await succeed('delegate', 'list', ...folder, ...setting.patient)) as { delegations: Record<string, unknown>[] }
  const [line] = listed.delegations
  assert.equal([line?.delegate, line?.ground, line?.rights, line?.status], ['Wanjiru', 'parent', ['read', 'grant', 'dispute'], 'active'])

  writeFileSync(setting.at('why'), 'not his letter\n')
  const disputing = ['dispute', 'open', record, '--as-delegate', setting.at('share'), '--statement', setting.at('why'), '--yes', ...mother]
  const opened = await succeed(...disputing)
  const disputes = async () =>
    (await succeed('dispute', 'list', ...folder, ...setting.patient)).disputes as {
      dispute: string
      status: string
      statement: string
      delegation: string
    }[]
  const [said] = await disputes()
  assert.equal([said?.dispute, said?.status, said?.statement], [opened.dispute, 'open', 'not his letter'])
  assert.is(said?.delegation, granted.delegation, 'on whose behalf is on record')
  await succeed('dispute', 'withdraw', opened.dispute as string, '--as-delegate', setting.at('share'), '--yes', ...mother)
  assert.is((await disputes())[0]?.status, 'withdrawn')

  await succeed('delegate', 'revoke', granted.delegation as string, ...folder, ...setting.patient)
  const after = await runCli(['record', 'get', record, ...as, '--json'])
  assert.equal([after.code, failure(after).code], [1, 'not-found'])
  const disputedAfter = await runCli([...disputing, '--json'])
  assert.equal([disputedAfter.code, failure(disputedAfter).code], [1, 'not-found'])
  const doctorAfter = await runCli(doctor)
  assert.equal([doctorAfter.code, failure(doctorAfter).code], [1, 'not-found'])
})

test.run()
