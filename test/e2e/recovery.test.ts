/** The phone is stolen: guardians give the recovery phrase back, the thief objects once, and no record is lost. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Testnet } from '../../testnet/launcher/testnet.ts'
import { runCli } from '../cli/run-cli.ts'
import { failure, json, Setting, succeed } from './setting.ts'

const SEED = 17
const WAIT_MS = 10_000

const test = suite('recovery over real processes')
let setting: Setting
let record = ''
/** Options by which a command acts as the patient with a new phone. */
let renewed: string[] = []
/** Options by which a command acts as whoever has the old one. */
let thief: readonly string[] = []

test.before(async () => {
  setting = await Setting.create('recovery', SEED, { recoveryWaits: { firstMs: WAIT_MS, secondMs: WAIT_MS } })
  thief = setting.patient
  renewed = setting.patient.map(option => (option === setting.at('wallet') ? setting.at('new-wallet') : option))
})

test.after(async () => {
  await setting?.stop()
})

interface Steps {
  folders: { folder: string; status: string; endsMs: number | null; final: boolean; code: string | null }[]
}

async function start(): Promise<Steps & { sheet: string | null }> {
  return (await succeed('recovery', 'start', '--phrase-file', setting.at('phrase'), '--now', ...renewed)) as unknown as Steps & {
    sheet: string | null
  }
}

test('the recovery phrase is shared among guardians, and a false share is named', async () => {
  writeFileSync(setting.at('history.txt'), 'what was written before')
  const put = await setting.put(setting.at('history.txt'), '--type', 'text/plain')
  assert.is(put.code, 0, put.stderr)
  record = (json(put) as { versions: { record: string }[] }).versions[0]?.record as string
  writeFileSync(setting.at('written-down'), `${setting.created.recoveryPhrase}\n`, { mode: 0o600 })
  const names = ['--guardian', 'Bela', '--guardian', 'Cora']
  const shared = (await succeed(
    ...['recovery', 'shares', '--threshold', '2', '--guardians', '3', ...names, '--out', setting.at('shares')],
    ...['--phrase-file', setting.at('written-down'), ...setting.patient],
  )) as { shares: { file: string; sheet: string; guardian: string }[] }
  assert.equal(
    shared.shares.map(({ guardian }) => guardian),
    ['Bela', 'Cora', ''],
  )
  const [first, second, third] = shared.shares.map(({ file }) => file) as [string, string, string]
  for (const { file, sheet } of shared.shares) for (const made of [file, sheet]) assert.is(statSync(made).mode & 0o777, 0o600)
  const alone = await runCli(['recovery', 'combine', first, '--out', setting.at('none'), '--json'])
  assert.equal([alone.code, failure(alone).code], [6, 'too-few-shares'])
  // A guardian who gives another wallet's share instead of their own.
  await succeed('wallet', 'create', '--wallet', setting.at('liar'), '--passphrase-file', setting.at('passphrase')).then(made =>
    writeFileSync(setting.at('liar-phrase'), `${made.recoveryPhrase}\n`, { mode: 0o600 }),
  )
  const forged = (await succeed(
    ...['recovery', 'shares', '--threshold', '2', '--guardians', '3', '--guardian', 'Bela', '--out', setting.at('forged')],
    ...['--phrase-file', setting.at('liar-phrase'), '--wallet', setting.at('liar'), '--passphrase-file', setting.at('passphrase')],
  )) as typeof shared
  const false1 = forged.shares[0]?.file as string
  const combined = await succeed('recovery', 'combine', false1, second, third, '--out', setting.at('phrase'))
  assert.equal(combined.rejected, [{ file: false1, number: 1, guardian: 'Bela' }])
  assert.is(statSync(setting.at('phrase')).mode & 0o777, 0o600)
  assert.is(readFileSync(setting.at('phrase'), 'utf8').split('\n')[0], setting.created.recoveryPhrase)
})

test('a thief with the phone objects once, and cannot the second time', async () => {
  const started = await start()
  assert.equal(
    started.folders.map(({ folder, status, final }) => [folder, status, final]),
    [[setting.folder, 'pending', false]],
  )
  assert.is(statSync(started.sheet as string).mode & 0o777, 0o600)
  const warned = await runCli(['recovery', 'status', ...thief, '--json'])
  const { threatened } = json(warned) as { threatened: { folder: string; pending: { vetoable: boolean } }[] }
  assert.equal([warned.code, threatened[0]?.folder, threatened[0]?.pending.vetoable], [5, setting.folder, true])
  const organisation = ['--organisation', toHex((setting.net.nodes[0] as Testnet['nodes'][number]).account)]
  const grant = await runCli(['consent', 'grant', '--folder', setting.folder, ...organisation, '--yes', ...thief, '--json'])
  assert.equal([grant.code, failure(grant).code], [1, 'recovery-pending'], 'nothing is granted meanwhile')
  await succeed('recovery', 'veto', '--folder', setting.folder, '--yes', ...thief)

  const again = await start()
  assert.equal([again.sheet, again.folders[0]?.status, again.folders[0]?.final], [null, 'pending', true])
  assert.equal((await start()).folders, again.folders, 'a start that broke off goes on')
  const vetoed = await runCli(['recovery', 'veto', '--folder', setting.folder, '--yes', ...thief, '--json'])
  assert.equal([vetoed.code, failure(vetoed).code], [1, 'veto-used'])
})

test('after the wait the folder is the new wallet’s: what was written before and after is readable, to the thief nothing', async () => {
  const until = Date.now() + 60_000
  for (;;) {
    const run = await runCli(['recovery', 'finish', '--now', ...renewed, '--json'])
    assert.ok(Date.now() < until, run.stderr + run.stdout)
    if (run.code === 0) {
      const { keys } = json(run) as { keys: { folder: string; epoch: { epoch: number } | null }[] }
      assert.equal(
        keys.map(({ folder, epoch }) => [folder, epoch?.epoch]),
        [[setting.folder, 1]],
      )
      break
    }
    assert.equal(
      (json(run) as unknown as Steps).folders.map(({ status }) => status),
      ['pending'],
    )
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  const listed = (await succeed('enroll', 'list', ...renewed)) as { folders: { folder: string; label: string }[] }
  assert.equal(
    listed.folders.map(({ folder, label }) => [folder, label]),
    [[setting.folder, 'normal']],
  )
  const later = setting.at('later.txt')
  writeFileSync(later, 'what was written after')
  const put = await setting.put(later, '--type', 'text/plain')
  assert.is(put.code, 0, put.stderr)
  const newer = (json(put) as { versions: { record: string }[] }).versions[0]?.record as string
  for (const [id, file] of [
    [record, 'history.txt'],
    [newer, 'later.txt'],
  ] as const) {
    const out = setting.at(`read-${file}`)
    const read = await runCli(['record', 'get', id, '--folder', setting.folder, '--out', out, ...renewed])
    assert.is(read.code, 0, read.stderr)
    assert.equal(readFileSync(out), readFileSync(setting.at(file)))
    const stolen = await runCli(['record', 'get', id, '--folder', setting.folder, ...thief, '--json'])
    assert.equal([stolen.code, failure(stolen).code], [1, 'not-found'])
  }
  const status = await succeed('recovery', 'status', ...renewed)
  assert.equal(status.threatened, [])
})

test.run()
