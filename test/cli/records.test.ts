import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addFolders } from '../../cli/folder-book.ts'
import { at, env, folder, home, makeKeys, record, refused } from './records-home.ts'
import { runCli } from './run-cli.ts'

const test = suite('cli records')
test.before(async () => {
  await addFolders(home, [{ id: new Uint8Array(32).fill(0xab), label: 'normal', labelSalt: new Uint8Array(32) }])
  await makeKeys()
  writeFileSync(at('resource.json'), '{"resourceType":"Basic","code":{"text":"x"}}')
  writeFileSync(
    at('bundle.json'),
    '{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Basic","code":{"text":"x"}}}]}',
  )
  writeFileSync(at('broken.json'), '{"resourceType":"Basic",\n  oops }')
  writeFileSync(at('wrong.json'), '{"resourceType":"Patient","gender":"secret value"}')
  writeFileSync(at('note.txt'), 'plain text')
  mkdirSync(at('sub'))
  for (const [name, bytes] of [
    ['long.json', 64 * 1024 * 1024 + 1],
    ['huge.bin', 2 ** 41],
  ] as const) {
    writeFileSync(at(name), '')
    truncateSync(at(name), bytes)
  }
})
test.after(() => rmSync(home, { recursive: true, force: true }))

const put = (...args: string[]): string[] => ['record', 'put', ...args, '--folder', folder]

test('record put: what cannot be stored is refused before anybody is asked', async () => {
  const [broken, wrong, long] = await Promise.all([
    refused(put(at('broken.json')), 1, 'not-json'),
    refused(put(at('wrong.json')), 1, 'not-fhir'),
    refused(put(at('long.json')), 1, 'too-large'),
    refused(put(at('huge.bin'), '--type', 'application/octet-stream'), 1, 'too-large'),
    refused(put('-'), 1, 'not-json', 'no json'),
    refused(put(at('nothing')), 1, 'file-missing'),
    refused(put(at('sub')), 1, 'file-unreadable'),
    refused(['record', 'put', at('note.txt'), '--folder', record], 1, 'folder-unknown'),
    refused(put(at('note.txt'), '--label', 'genetic'), 1, 'label-differs'),
    refused(put(at('resource.json'), '--record', record), 1, 'version-unknown'),
    refused(put(at('bundle.json'), '--record', record), 2, 'conflicting-option'),
    refused(put(at('resource.json'), '--class', 'imaging'), 2, 'conflicting-option'),
    refused(put(at('resource.json'), '--record-version', '2'), 2, 'conflicting-option'),
    refused(put(at('note.txt'), '--type', 'text'), 2, 'invalid-argument'),
  ])
  assert.match(broken?.message ?? '', /line 2, column 3.*--type/)
  assert.match(wrong?.message ?? '', /Patient\.gender .*--type/)
  assert.not.match(wrong?.stderr ?? '', 'secret value')
  assert.match(long?.message ?? '', '67108864')
})

test('record put: what is good goes to the network, with the right passphrase', async () => {
  await Promise.all([
    refused(put(at('resource.json')), 4, 'unreachable'),
    refused(put(at('note.txt'), '--type', 'text/plain', '--class', 'document'), 4, 'unreachable'),
    refused(put('-', '--type', 'text/plain'), 4, 'unreachable', 'from a pipe'),
    refused(put(at('resource.json'), '--record', record, '--record-version', '2'), 4, 'unreachable'),
    (async () => {
      const run = await runCli(put(at('note.txt'), '--type', 'text/plain'), { env: { ...env, EPIONE_PASSPHRASE: 'another' } })
      assert.is(run.code, 6)
      assert.match(run.stderr, '(wrong-passphrase)')
    })(),
  ])
})

test.run()
