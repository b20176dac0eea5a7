/** Break-glass by the command line over real processes: shares, card, opening, the patient's log, guardians, the review. */
import { readFileSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chainId } from '../../src/contracts/members-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { type CliRun, runCli } from '../cli/run-cli.ts'
import { ease, failure, json, Setting, succeed } from './setting.ts'

const SEED = 21
const ABROAD = 1
const SUMMARY = '{"resourceType":"Observation","status":"final","code":{"text":"Penicillin allergy"},"valueString":"anaphylaxis"}'

const test = suite('break-glass over the command line')
let setting: Setting
let folder = ''

test.before(async () => {
  setting = await Setting.create('emergency', SEED)
})

test.after(async () => {
  await setting?.stop()
})

/** Makes keys for somebody at the second hospital, and lists them as staff there: options by which a command acts for them. */
async function staffOf(name: string, role: string): Promise<string[]> {
  const node = setting.net.nodes[ABROAD]
  const options = ['--identity', setting.at(name), '--passphrase-file', setting.at('passphrase'), '--home', setting.at('abroad')]
  const chain = toHex(chainId(setting.net.genesis))
  const about = ['--name', name, '--role', role, '--organisation', toHex(node?.account as Uint8Array), '--chain', chain]
  const { signingKey } = await succeed('keys', 'create', ...about, ...options)
  await ease(setting.at(name), 'a patient')
  await setting.net.addStaff(ABROAD, { key: signingKey as string, role })
  return [...options, '--peer', node?.addresses[0] as string]
}

async function emergency(...args: string[]): Promise<CliRun> {
  return await runCli(['emergency', ...args, '--json'])
}

interface LoggedEmergency {
  id: string
  organisation: { name: string }
  reader: { role: string } | null
  emergency: { reason: string; review: string; outcome: string | null; comment: string | null } | null
  released: { key: boolean; records: number }
}

async function logged(): Promise<LoggedEmergency[]> {
  const log = await succeed('access', 'log', '--folder', folder, ...setting.patient)
  assert.equal((log.verified as { holds: boolean }).holds, true)
  return (log.entries as LoggedEmergency[]).filter(entry => entry.emergency !== null)
}

test('an emergency summary has its key in shares, and a card that says where it is', async () => {
  const account = toHex(setting.net.nodes[0]?.account as Uint8Array)
  await succeed(
    'enroll',
    'offer',
    '--organisation',
    account,
    '--label',
    'emergency-summary',
    '--out',
    setting.at('summary.offer'),
    ...setting.patient,
  )
  const accepted = await succeed('enroll', 'accept', setting.at('summary.offer'), ...setting.author)
  folder = (accepted.folders as { folder: string }[])[0]?.folder as string
  writeFileSync(setting.at('summary.json'), SUMMARY)
  await succeed('record', 'put', setting.at('summary.json'), '--folder', folder, ...setting.author)

  const status = async (): Promise<CliRun> => await emergency('status', '--folder', folder, ...setting.patient)
  assert.equal([(await status()).code, json(await status()).deposit], [5, null])
  const listed = await succeed('enroll', 'list', ...setting.patient)
  const shared = (listed.folders as { folder: string; shared: string | null }[]).map(each => [each.folder === folder, each.shared])
  assert.equal(shared, [
    [false, null],
    [true, 'deposited'],
  ])
  const after = await status()
  assert.equal([after.code, json(after).held, json(after).needed], [0, 4, 2])

  // A new key takes the shares along, and what was written before stays open to whoever gathers them.
  const rotated = await succeed('folder', 'rotate-key', '--folder', folder, ...setting.patient)
  assert.equal([rotated.epoch, rotated.emergency], [1, 'deposited'])
  assert.is(json(await status()).held, 4)

  // The patient, and the organisation that treats them, print the same card.
  const card = await succeed('emergency', 'card', '--folder', folder, '--out', setting.at('card'), ...setting.patient)
  assert.equal([card.folder, card.deposited], [folder, true])
  const other = await succeed('emergency', 'card', '--folder', folder, ...setting.author)
  assert.equal([other.folder, other.chainId], [card.folder, card.chainId])
  const wrong = await emergency('card', '--folder', setting.folder, ...setting.patient)
  assert.is(failure(wrong).code, 'not-emergency-summary')
})

test('a clinician opens it without the patient, and patient and guardian hear of it at once', async () => {
  const doctor = await staffOf('doctor', 'emergency-physician')
  const other = await staffOf('other', 'physician')
  const refused = await emergency('open', setting.at('card'), '--reason', 'unconscious', '--yes', ...other)
  assert.equal([refused.code, failure(refused).code], [6, 'not-staff'])
  const unasked = await emergency('open', setting.at('card'), '--reason', 'unconscious', ...doctor)
  assert.equal([unasked.code, failure(unasked).code], [2, 'missing-option'])
  assert.equal(await logged(), [], 'neither left a line')

  const guardian = ['--home', setting.at('guardian'), '--peer', setting.net.nodes[2]?.addresses[0] as string]
  const watching = runCli(['emergency', 'watch', '--card', setting.at('card'), '--json', ...guardian], {
    onOutput: (_text, kill) => kill('SIGINT'),
  })
  const opened = await emergency(
    'open',
    setting.at('card'),
    '--reason',
    'unconscious',
    '--yes',
    '--out',
    setting.at('read.json'),
    ...doctor,
  )
  assert.is(opened.code, 0, opened.stderr)
  assert.match(readFileSync(setting.at('read.json'), 'utf8'), /Penicillin/)
  const told = JSON.parse((await watching).stdout) as { entry: string; review: string; organisation: string }
  assert.equal([told.entry, told.review], [json(opened).accessEntry, 'open'])
  assert.is(told.organisation, toHex(setting.net.nodes[ABROAD]?.account as Uint8Array))

  const [line, ...more] = await logged()
  assert.equal(more, [])
  assert.equal(line?.reader?.role, 'emergency-physician')
  assert.is(line?.organisation.name, setting.net.nodes[ABROAD]?.name)
  assert.equal(line?.emergency, { ...line?.emergency, reason: 'unconscious', review: 'open', outcome: null })
  assert.equal(line?.released, { ...line?.released, key: true, records: 1 })
})

test('the review is closed by another person, and the patient reads how', async () => {
  const doctor = ['--identity', setting.at('doctor'), '--passphrase-file', setting.at('passphrase'), '--home', setting.at('abroad')]
  const node = setting.net.nodes[ABROAD]
  const at = ['--peer', node?.addresses[0] as string]
  const listed = await succeed('emergency', 'list', '--organisation', toHex(node?.account as Uint8Array), ...at)
  const [clinician] = listed.clinicians as [{ openedToday: number; reviewsClosed: number; waiting: { entry: string }[] }]
  assert.equal([clinician.openedToday, clinician.reviewsClosed, clinician.waiting.length], [1, 0, 1])
  const [{ entry }] = clinician.waiting as [{ entry: string }]
  const review = ['review', entry, '--outcome', 'justified']

  // Not by the doctor, whose role does not close reviews.
  assert.is(failure(await emergency(...review, '--folder', folder, ...doctor, ...at)).code, 'not-staff')
  assert.is(failure(await emergency('cases', ...doctor, ...at)).code, 'not-staff')

  const director = await staffOf('director', 'medical-director')
  const cases = json(await emergency('cases', ...director)).cases as { entry: string; folder: string; role: string; reason: string }[]
  assert.equal(
    cases.map(each => [each.entry, each.folder, each.role, each.reason]),
    [[entry, folder, 'emergency-physician', 'unconscious']],
  )
  writeFileSync(setting.at('comment.txt'), 'Found without consciousness.\n')
  const closed = await emergency(...review, '--comment-file', setting.at('comment.txt'), ...director)
  assert.is(closed.code, 0, closed.stderr)
  assert.equal(json(await emergency('cases', ...director)).cases, [])
  const [line] = await logged()
  assert.equal([line?.emergency?.outcome, line?.emergency?.comment], ['justified', 'Found without consciousness.'])
})

test('what the patient takes back opens no more', async () => {
  await succeed('emergency', 'withdraw', '--folder', folder, '--yes', ...setting.patient)
  const director = ['--identity', setting.at('director'), '--passphrase-file', setting.at('passphrase'), '--home', setting.at('abroad')]
  const at = ['--peer', setting.net.nodes[ABROAD]?.addresses[0] as string]
  const run = await emergency('open', setting.at('card'), '--reason', 'unconscious', '--yes', ...director, ...at)
  assert.is(failure(run).code, 'no-deposit')
  const listed = await succeed('enroll', 'list', ...setting.patient)
  assert.is((listed.folders as { shared: string | null }[])[1]?.shared, null, 'the wallet does not leave it again by itself')
})

test.run()
