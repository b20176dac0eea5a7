import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { at, env, folder, home, makeKeys, record, refused, share } from './records-home.ts'
import { runCli } from './run-cli.ts'

const test = suite('cli records reading')
test.before(async () => {
  await makeKeys()
  writeFileSync(at('note.txt'), 'plain text')
  mkdirSync(at('sub'))
})
test.after(() => rmSync(home, { recursive: true, force: true }))

test('reading: one way to say what, one way to say as whom', async () => {
  const owner = ['--folder', folder]
  await Promise.all([
    refused(['record', 'get', ...owner], 2, 'missing-argument'),
    refused(['record', 'get', record, '--all', ...owner], 2, 'conflicting-option'),
    refused(['record', 'get', '--submission', record, '--all', ...owner], 2, 'conflicting-option'),
    refused(['record', 'get', record, '--share', share, ...owner], 2, 'conflicting-option'),
    refused(['record', 'get', record], 2, 'missing-option'),
    refused(['record', 'get', 'xyz', ...owner], 2, 'invalid-argument'),
    refused(['record', 'get', record, '--share', 'epione-share:nonsense'], 2, 'bad-share'),
    refused(['record', 'get', record, '--share', '-'], 2, 'bad-share', 'nonsense'),
    refused(['record', 'get', record, '--out', at('sub'), ...owner], 1, 'file-unwritable'),
    refused(['record', 'get', record, '--out', at('none/x'), ...owner], 1, 'file-unwritable'),
    refused(['record', 'get', record, ...owner], 4, 'unreachable'),
    refused(['record', 'list', '--share', '-'], 4, 'unreachable', share),
    refused(['record', 'history', record, ...owner], 4, 'unreachable'),
  ])
  assert.equal(
    readdirSync(home).filter(name => name.endsWith('.tmp')),
    [],
  )
})

test('consents and the access log', async () => {
  const owner = ['--folder', folder]
  const card = at('card')
  const made = await runCli(['keys', 'card'], { env })
  writeFileSync(card, made.stdout)
  await Promise.all([
    refused(['consent', 'grant', ...owner], 2, 'missing-option'),
    refused(['consent', 'grant', ...owner, '--to', 'nonsense', '--yes'], 2, 'invalid-argument'),
    refused(['consent', 'grant', ...owner, '--to', at('note.txt'), '--yes'], 2, 'bad-card'),
    refused(['consent', 'grant', ...owner, '--to', card, '--until', 'soon'], 2, 'invalid-argument'),
    refused(['consent', 'grant', ...owner, '--to', card, '--role', 'nurse'], 2, 'conflicting-option'),
    refused(['consent', 'grant', ...owner, '--to', card, '--note', 'x'.repeat(1025), '--yes'], 2, 'invalid-argument'),
    refused(['consent', 'grant', ...owner, '--to', card, '--until', '30d'], 2, 'missing-option'),
    refused(['consent', 'grant', ...owner, '--to', card, '--until', '30d', '--yes'], 4, 'unreachable'),
    refused(['consent', 'revoke', 'x', ...owner], 2, 'invalid-argument'),
    refused(['consent', 'revoke', record, ...owner], 4, 'unreachable'),
    refused(['consent', 'list', ...owner], 4, 'unreachable'),
    refused(['access', 'log', ...owner, '--verify'], 4, 'unreachable'),
    refused(['access', 'watch', '--from-event', '1'], 2, 'missing-option'),
    refused(['access', 'verify', at('nothing')], 1, 'file-missing'),
  ])
})

test('corrections, taking along, erasing all', async () => {
  const owner = ['--folder', folder]
  await Promise.all([
    refused(['dispute', 'open', record, ...owner, '--statement', at('note.txt')], 2, 'missing-option'),
    refused(['dispute', 'open', record, ...owner, '--statement', at('nothing'), '--yes'], 1, 'file-missing'),
    refused(['dispute', 'open', record, '--statement', at('note.txt'), '--yes'], 2, 'missing-option'),
    refused(['dispute', 'withdraw', record, ...owner], 2, 'missing-option'),
    refused(['dispute', 'withdraw', record, ...owner, '--as-delegate', at('note.txt'), '--yes'], 2, 'conflicting-option'),
    refused(['dispute', 'answer', record, ...owner, '--yes', '--accept', record, '--refuse', at('note.txt')], 2, 'conflicting-option'),
    refused(['export', 'verify', at('sub')], 2, 'bad-export'),
    refused(['erase-all'], 2, 'missing-option'),
  ])
})

test('enrolment', async () => {
  await Promise.all([
    refused(['enroll', 'offer', '--organisation', record], 4, 'unreachable'),
    refused(['enroll', 'offer', '--organisation', record, '--out', at('none/x')], 1, 'file-unwritable'),
    refused(['enroll', 'offer', '--organisation', record, '--label', ...Array.from({ length: 17 }, () => 'normal')], 2, 'invalid-argument'),
    refused(['enroll', 'list'], 4, 'unreachable'),
    refused(['enroll', 'accept', at('note.txt')], 2, 'bad-enrolment'),
    refused(['enroll', 'accept', '-'], 2, 'bad-enrolment', 'epione-enrolment:xx'),
  ])
})

test('without a node in the home and without an address the way out is named', async () => {
  const { EPIONE_PEER: _, ...alone } = env
  const run = await runCli(['consent', 'list', '--folder', folder], { env: alone })
  assert.is(run.code, 4)
  assert.match(run.stderr, /--peer.*\(not-running\)/)
})

test.run()
