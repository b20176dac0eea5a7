/** One decision over several folders, by the command line over real processes: what the preview says is what the grantee then sees. */
import { writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Testnet } from '../../testnet/launcher/testnet.ts'
import { runCli } from '../cli/run-cli.ts'
import { failure, json, Setting, succeed } from './setting.ts'

const SEED = 23
const test = suite('sharing over the command line')
let setting: Setting
/** Options by which a command acts as the clinician, at the third hospital. */
let clinician: string[]
/** Folders by label, and the homes of those whose author is not the first hospital. */
const folders = new Map<string, string>()
const homes = new Map<string, string>()
type Node = Testnet['nodes'][number]

test.before(async () => {
  setting = await Setting.create('sharing', SEED)
  const [first, , third, fourth] = setting.net.nodes as [Node, Node, Node, Node]
  folders.set('normal', setting.folder)
  homes.set('restricted', fourth.home)
  for (const [label, { account, home }] of [['mental-health', first] as const, ['restricted', fourth] as const]) {
    const offer = ['enroll', 'offer', '--organisation', toHex(account), '--label', label, '--out', setting.at(label)]
    await succeed(...offer, ...setting.patient)
    const accepted = await succeed('enroll', 'accept', setting.at(label), '--home', home)
    folders.set(label, (accepted.folders as { folder: string }[])[0]?.folder as string)
  }
  writeFileSync(setting.at('clinician-pass'), 'a clinician\n', { mode: 0o600 })
  const chain = (await succeed('status', ...setting.author)).chainId as string
  const keys = ['--home', setting.at('clinician'), '--identity', setting.at('identity'), '--passphrase-file', setting.at('clinician-pass')]
  const about = ['--name', 'Dr Amina', '--role', 'physician', '--organisation', toHex(third.account), '--chain', chain]
  const made = await succeed('keys', 'create', ...about, ...keys)
  writeFileSync(setting.at('card'), made.card as string)
  await succeed('staff', 'add', setting.at('card'), '--home', third.home)
  clinician = [...keys, '--peer', third.addresses[0] as string]
})

test.after(async () => {
  await setting?.stop()
})

async function put(label: string, name: string, ...options: string[]): Promise<void> {
  const home = homes.get(label)
  const author = home === undefined ? setting.author : ['--home', home]
  await succeed('record', 'put', setting.at(name), ...options, '--folder', folders.get(label) as string, ...author)
}

const observation = (category: string): object => ({
  resourceType: 'Observation',
  status: 'final',
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: category }] }],
  code: { text: category },
})

/** Records by class, as a list of records or a preview gives them. */
function counts(rows: readonly { class: string; records?: number }[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { class: name, records } of rows) sums[name] = (sums[name] ?? 0) + (records ?? 1)
  return Object.fromEntries(Object.entries(sums).sort())
}

test('a decision over three folders: preview, grant, read, revoke', async () => {
  const resources = [
    observation('laboratory'),
    observation('laboratory'),
    observation('social-history'),
    {
      resourceType: 'Composition',
      status: 'final',
      type: { text: 'letter' },
      date: '2025-01-01',
      author: [{ display: 'A' }],
      title: 'Letter',
    },
  ]
  const bundle = { resourceType: 'Bundle', type: 'collection', entry: resources.map(resource => ({ resource })) }
  writeFileSync(setting.at('bundle.json'), JSON.stringify(bundle))
  writeFileSync(setting.at('restricted.txt'), 'a result of the restricted folder')
  writeFileSync(setting.at('mental.txt'), 'a letter of the folder that nobody is to know of')
  await put('normal', 'bundle.json')
  await put('restricted', 'restricted.txt', '--type', 'text/plain', '--class', 'laboratory')
  await put('mental-health', 'mental.txt', '--type', 'text/plain')
  const terms = ['--to', setting.at('card'), '--except-label', 'mental-health', '--except-class', 'social-history', '--for', '7d']

  const preview = await succeed('consent', 'preview', ...terms, ...setting.patient)
  const [words] = preview.words as string[]
  assert.match(
    words as string,
    /^Dr Amina at .+ will see, to treat \(TREAT\): 3 laboratory results, 1 letter and 1 administrative entry; not: mental health, 1 note on living circumstances \(excepted\)$/,
  )
  const foreseen = (preview.purposes as { sees: { class: string; records: number }[] }[])[0]?.sees ?? []
  assert.equal(counts(foreseen), { administrative: 1, document: 1, laboratory: 3 })
  assert.equal((preview.folders as { label: string }[]).map(({ label }) => label).sort(), ['normal', 'restricted'])

  const unasked = await runCli(['consent', 'grant', ...terms, ...setting.patient, '--json'])
  assert.is(unasked.code, 2)
  assert.is(failure(unasked).code, 'missing-option', 'nothing is signed where nobody can be asked')

  // The fourth hospital has to sponsor what is granted on its folder, and is away.
  await setting.net.kill(3)
  const partly = await runCli(['consent', 'grant', ...terms, '--yes', ...setting.patient, '--json'])
  assert.equal([partly.code, failure(partly).code], [5, 'sharing-incomplete'], partly.stderr)
  const begun = json(partly) as { sharing: string; consents: { consent: string; label: string }[] }
  assert.equal(
    begun.consents.map(({ label }) => label),
    ['normal'],
    'what could be granted is granted, and said',
  )
  await setting.net.restart(3)
  const granted = await succeed('consent', 'grant', ...terms, '--yes', '--resume', begun.sharing, ...setting.patient)
  const consents = granted.consents as { consent: string; label: string }[]
  assert.equal(consents.map(({ label }) => label).sort(), ['normal', 'restricted'])
  assert.is(granted.sharing, begun.sharing)
  assert.is(consents.find(({ label }) => label === 'normal')?.consent, begun.consents[0]?.consent, 'nothing is granted twice')
  const share = granted.share as string
  assert.not.ok(share.includes(folders.get('mental-health') as string))

  const seen = await succeed('record', 'list', '--share', share, ...clinician)
  assert.equal(counts(seen.records as { class: string }[]), counts(foreseen), 'what the preview said')
  assert.is((seen.accessEntries as string[]).length, 2, 'a line in the log of each folder')
  const listed = (await succeed('sharing', 'list', ...setting.patient)).sharings as { sharing: string; status: string; words: string }[]
  assert.equal(
    listed.map(({ sharing, status }) => [sharing, status]),
    [[granted.sharing, 'active']],
  )
  assert.match(listed[0]?.words as string, /^Dr Amina at .+ordinary records and restricted records in 2 folders/)
  const hidden = await succeed('consent', 'list', '--folder', folders.get('mental-health') as string, '--all', ...setting.patient)
  assert.equal(hidden.consents, [], 'no trace in the folder that was left out')

  await succeed('consent', 'export', granted.sharing as string, '--out', setting.at('consent.json'), ...setting.patient)

  const revoked = await succeed('sharing', 'revoke', granted.sharing as string, ...setting.patient)
  assert.is((revoked.revoked as unknown[]).length, 2)
  const refused = await runCli(['record', 'list', '--share', share, ...clinician, '--json'])
  assert.is(failure(refused).code, 'not-found')
  const ended = (await succeed('sharing', 'list', '--all', ...setting.patient)).sharings as { status: string }[]
  assert.equal(
    ended.map(({ status }) => status),
    ['revoked'],
  )

  const imported = await succeed('consent', 'import', setting.at('consent.json'), '--to', setting.at('card'), '--yes', ...setting.patient)
  assert.equal([imported.grantee, imported.validity], [granted.grantee, granted.validity], 'what was exported is granted again')
  const anew = await succeed('record', 'list', '--share', imported.share as string, ...clinician)
  assert.equal(counts(anew.records as { class: string }[]), counts(foreseen))
})

test.run()
