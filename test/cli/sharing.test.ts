import { rmSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import { at, env, folder, home, makeKeys, refused } from './records-home.ts'
import { runCli } from './run-cli.ts'

const test = suite('cli sharing')
test.before(async () => {
  await makeKeys()
  writeFileSync(at('note.txt'), 'plain text')
})
test.after(() => rmSync(home, { recursive: true, force: true }))

test('sharing decisions: what is refused, and what needs the network', async () => {
  const owner = ['--folder', folder]
  const card = at('card')
  writeFileSync(card, (await runCli(['keys', 'card'], { env })).stdout)
  await Promise.all([
    refused(['consent', 'grant', ...owner, '--to', card, '--label', 'normal', '--yes'], 2, 'conflicting-option'),
    refused(['consent', 'grant', '--to', card, '--label', 'normal', '--except-label', 'genetic', '--yes'], 2, 'conflicting-option'),
    refused(['consent', 'grant', '--to', card, '--purpose', 'ANYTHING', '--yes'], 2, 'invalid-argument'),
    refused(['consent', 'preview', '--to', card, '--purpose', 'ERTREAT'], 4, 'unreachable'),
    refused(['consent', 'preview', '--except-label', 'genetic'], 2, 'missing-option'),
    refused(['sharing', 'revoke', 'x'], 2, 'invalid-argument'),
    refused(['sharing', 'revoke', 'ab'.repeat(16)], 4, 'unreachable'),
    refused(['sharing', 'list'], 4, 'unreachable'),
    refused(['consent', 'export', 'ab'.repeat(16)], 4, 'unreachable'),
    refused(['consent', 'export', 'ab'.repeat(16), '--out', at('none/x')], 1, 'file-unwritable'),
    refused(['consent', 'import', at('no.json'), '--yes'], 1, 'file-missing'),
    refused(['consent', 'import', at('note.txt')], 2, 'missing-option'),
    refused(['consent', 'import', at('note.txt'), '--yes'], 1, 'not-json'),
  ])
})

test.run()
