/** Changing keys by the command line over real processes: nobody who may read misses anything, and who may not sees nothing new. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Testnet } from '../../testnet/launcher/testnet.ts'
import { runCli } from '../cli/run-cli.ts'
import { failure, Setting, succeed } from './setting.ts'

const test = suite('keys over the command line')
let setting: Setting

test.before(async () => {
  setting = await Setting.create('keys', 11)
})

test.after(async () => {
  await setting?.stop()
})

const home = (index: number): string => (setting.net.nodes[index] as Testnet['nodes'][number]).home

/** A grant to the registrar of another hospital, by their card: its id and share code. */
async function grantTo(index: number): Promise<{ consent: string; share: string }> {
  const { card } = await succeed('keys', 'card', '--home', home(index), '--passphrase-file', setting.at('net/passphrase'))
  return (await succeed('consent', 'grant', '--folder', setting.folder, '--to', card as string, '--yes', ...setting.patient)) as {
    consent: string
    share: string
  }
}

async function write(name: string): Promise<string> {
  writeFileSync(setting.at(name), `content of ${name}`)
  const put = await succeed('record', 'put', setting.at(name), '--type', 'text/plain', '--folder', setting.folder, '--home', home(0))
  return (put.versions as { record: string }[])[0]?.record as string
}

async function reads(record: string, name: string, ...as: string[]): Promise<void> {
  const out = setting.at('out')
  const run = await runCli(['record', 'get', record, '--out', out, ...as, '--json'])
  assert.is(run.code, 0, run.stderr)
  assert.is(readFileSync(out, 'utf8'), `content of ${name}`)
  rmSync(out)
}

test('revoking gives the folder a new key; suites and owner keys change; the others read on', async () => {
  const first = await write('first')
  const [kept, gone] = [await grantTo(1), await grantTo(2)]
  const asKept = ['--share', kept.share, '--home', home(1)]
  const asGone = ['--share', gone.share, '--home', home(2)]
  await reads(first, 'first', ...asGone)

  const revoked = await succeed('consent', 'revoke', gone.consent, '--folder', setting.folder, ...setting.patient)
  assert.equal([revoked.key, revoked.keyError], [{ epoch: 1, rewrapped: 1, left: [], stored: 4, emergency: null }, null])
  const second = await write('second')
  await reads(second, 'second', ...asKept)
  const refused = await runCli(['record', 'get', second, '--out', setting.at('out'), ...asGone, '--json'])
  assert.is(refused.code, 1, refused.stderr)
  assert.is(failure(refused).code, 'not-found')

  const rotated = await succeed('folder', 'rotate-key', '--folder', setting.folder, '--suite', 'ml-kem-1024', ...setting.patient)
  assert.equal([rotated.epoch, rotated.rewrapped], [2, 1])
  const owner = await succeed('folder', 'rotate-owner', '--folder', setting.folder, ...setting.patient)
  assert.is(owner.index, 1)
  const third = await write('third')
  await reads(first, 'first', ...asKept)
  await reads(third, 'third', ...asKept)
  await reads(second, 'second', '--folder', setting.folder, ...setting.patient)
  const { consents } = await succeed('consent', 'list', '--folder', setting.folder, '--all', ...setting.patient)
  assert.equal((consents as { status: string; grantee: object | null }[]).map(({ status, grantee }) => [status, grantee !== null]).sort(), [
    ['active', true],
    ['revoked', true],
  ])
})

test('a hospital takes new keys and goes on: its registrar reads under a grant to a role that was wrapped to the key of before', async () => {
  const { organisation, role } = await succeed('keys', 'card', '--home', home(1), '--passphrase-file', setting.at('net/passphrase'))
  const grantee = ['--organisation', organisation as string, '--role', role as string]
  const { share } = await succeed('consent', 'grant', '--folder', setting.folder, ...grantee, '--yes', ...setting.patient)
  const record = await write('for a role')
  const before = await succeed('keys', 'show', '--home', home(1))
  const rotated = await succeed('members', 'rotate-keys', '--key', 'signing', 'sealing', '--home', home(1))
  assert.equal(rotated.rotated, ['signing', 'sealing'])
  assert.is(rotated.account, before.account)
  assert.is.not(rotated.signingKey, before.signingKey)
  await setting.net.kill(1, 'SIGTERM')
  await setting.net.restart(1)
  await reads(record, 'for a role', '--share', share as string, '--home', home(1))
})

test.run()
