/** The main job over real processes, and a search for what must not be anywhere afterwards. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { openKeystore } from '../../src/crypto/keystore.ts'
import { folderSealingSeed } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { homePaths } from '../../src/node/home.ts'
import { Narrator } from '../../testnet/demo/narrator.ts'
import { tellStory } from '../../testnet/demo/story.ts'
import { createTestnet, type Testnet } from '../../testnet/launcher/testnet.ts'
import { generatePatient } from '../../testnet/population/patient.ts'
import { runCli } from '../cli/run-cli.ts'
import { readExposition, sampleOf } from '../gateway/exposition.ts'
import { type Needle, needle, Search } from '../needles.ts'
import { openTestChain } from '../node/ledger-fixture.ts'
import { succeed } from './setting.ts'

const SEED = 11
const test = suite('the main job')
let dir = ''
let net: Testnet | undefined
const told: string[] = []
/** Records that the command line refuses, and with which code. */
const REFUSED = [
  ['cut off', 'not-json'],
  ['not FHIR', 'not-fhir'],
  ['of no folder', 'folder-unknown'],
]
const refused: { file: string; code: string; said: string }[] = []
/** Seeds of the wallet and of the clinicians. */
const seeds = new Map<string, Uint8Array>()
/** What the nodes' metrics said before they were stopped. */
const metrics: string[] = []

test.before(() => {
  dir = mkdtempSync(join(tmpdir(), 'epione-story-'))
})

test.after(async () => {
  await net?.stop()
  rmSync(dir, { recursive: true, force: true })
})

test('four hospitals keep, share and close a history, and every look at it is known', async () => {
  net = await createTestnet({ dir, validators: 4, seed: SEED, logLevel: 'debug', config: { operations: '127.0.0.1:0' } })
  const narrator = new Narrator(line => told.push(line))
  const secret = (name: string): Uint8Array => {
    const bytes = randomBytes(32)
    seeds.set(name, bytes)
    return bytes
  }
  await tellStory(net, narrator, { seed: SEED, signal: AbortSignal.timeout(120_000), secret })
  for (const { home } of net.nodes) metrics.push(await scrape(home))
  // One was killed by the story, and has no metrics.
  await refuseRecords(net.nodes[metrics.findIndex(text => text !== '')] as Testnet['nodes'][number])
  await net.stop()
  const held = told.filter(line => line.includes('✔')).length
  assert.is(held, 12, `claims that held:\n${told.join('\n')}`)
})

/** Has the command line of a running node refuse the patient's history: cut off, no longer FHIR, and for a folder that is not there. */
async function refuseRecords({ home, account, addresses }: Testnet['nodes'][number]): Promise<void> {
  const own = mkdtempSync(join(tmpdir(), 'epione-story-wallet-'))
  const at = (name: string): string => join(own, name)
  writeFileSync(at('passphrase'), 'a patient of the command line\n', { mode: 0o600 })
  const patient = ['--home', at('home'), '--wallet', at('wallet'), '--passphrase-file', at('passphrase'), '--peer', addresses[0] as string]
  await succeed('wallet', 'create', ...patient)
  await succeed('enroll', 'offer', '--organisation', toHex(account), '--out', at('offer'), ...patient)
  const { folders } = (await succeed('enroll', 'accept', at('offer'), '--home', home)) as { folders: { folder: string }[] }
  rmSync(own, { recursive: true, force: true })
  const folder = folders[0]?.folder as string
  const { bytes, bundle } = generatePatient({ seed: SEED, country: 'KE' })
  const wrong = structuredClone(bundle) as { entry: { resource: Record<string, unknown> }[] }
  for (const { resource } of wrong.entry) Object.assign(resource, { [`not-${String(resource.id)}`]: 1, birthDate: 'never' })
  const contents = [Buffer.from(bytes).subarray(0, bytes.length / 2), Buffer.from(JSON.stringify(wrong)), Buffer.from(bytes)]
  for (const [i, content] of contents.entries()) {
    const path = join(dir, 'record.json')
    writeFileSync(path, content)
    const { stdout, stderr } = await runCli([
      'record',
      'put',
      path,
      '--folder',
      i === 2 ? '00'.repeat(32) : folder,
      '--home',
      home,
      '--json',
    ])
    rmSync(path)
    const { error } = JSON.parse(stderr.trim().split('\n').at(-1) as string) as { error: { code: string } }
    refused.push({ file: REFUSED[i]?.[0] as string, code: error.code, said: stdout + stderr })
  }
}

/** Metrics of a node, from where its log says that they are; nothing where it was killed. */
async function scrape(home: string): Promise<string> {
  const [, url] = /^operations +(http:\S+)\/metrics/m.exec(readFileSync(join(home, 'node.log'), 'utf8')) ?? []
  assert.ok(url !== undefined, `the log in ${home} says where its metrics are`)
  const response = await fetch(`${url}/metrics`).catch(() => undefined)
  return (await response?.text()) ?? ''
}

/** Everything under a key, in a FHIR resource and below it. */
function valuesOf(value: unknown, key: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name === key && typeof inner === 'string' ? [inner] : []),
    ...valuesOf(inner, key),
  ])
}

/** What would betray the patient, the content of the record, or a key: found nowhere but where it belongs. */
async function secrets(): Promise<Needle[]> {
  const { name, identifiers, bundle } = generatePatient({ seed: SEED, country: 'KE' })
  const entries = (bundle as { entry: { resource: Record<string, unknown> }[] }).entry.map(entry => entry.resource)
  const some = (key: string, from: readonly unknown[], count: number): string[] =>
    [...new Set(from.flatMap(resource => valuesOf(resource, key)))].filter(text => text.length >= 8).slice(0, count)
  const patient = entries.filter(({ resourceType }) => resourceType === 'Patient')
  const conditions = entries.filter(({ resourceType }) => resourceType === 'Condition')
  const texts = [
    ...[name, ...identifiers, '"resourceType"', '"birthDate"'],
    ...some('id', patient, 1),
    ...some('id', entries.slice(10), 5),
    ...[...some('text', conditions, 5), ...some('display', conditions, 5)],
    ...[...some('data', entries, 2), ...some('div', entries, 2)].map(text => text.slice(0, 60)),
  ]
  assert.ok(texts.length > 15, `pieces of the record: ${texts.length}`)
  const wallet = seeds.get('wallet') as Uint8Array
  const keys = [...seeds, ...[0, 1].map(epoch => [`folder's key of epoch ${epoch}`, folderSealingSeed(wallet, 0, epoch)] as const)]
  const passphrase = readFileSync(net?.passphraseFile as string, 'utf8').trim()
  const ofNodes = await Promise.all(
    (net?.nodes ?? []).map(async ({ name: node, home }) =>
      Object.entries(await openKeystore(homePaths(home).keystore, passphrase)).map(([key, seed]) => [`${node}, ${key}`, seed] as const),
    ),
  )
  const secretOfNodes = ofNodes.flat().filter(([key]) => !key.endsWith(' account'))
  return [
    ...texts.map((text, i) => needle(`piece ${i} of the record`, text)),
    ...[...keys, ...secretOfNodes].map(([key, seed]) => needle(key, seed)),
    needle('the passphrase of the nodes', passphrase),
  ]
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
}

/** All places on the nodes' disks, and what their stores hold as it was written: files may be compressed. */
async function* places(): AsyncGenerator<[string, Uint8Array | string]> {
  for (const path of filesUnder(dir)) {
    // What opens the testnet's keystores lies beside them, for testers.
    if (path === net?.passphraseFile) continue
    yield [path, readFileSync(path)]
    yield [`the name of ${path}`, path]
  }
  for (const { name, home } of net?.nodes ?? []) {
    const paths = homePaths(home)
    const custody = await openLevelStore(paths.custody)
    for await (const [key, value] of custody.iterator()) yield [`${name}, custody`, Buffer.concat([key, value])]
    await custody.close()
    const { chain, ...ledger } = await openTestChain(paths.chain, net?.genesis as Genesis)
    for await (const [key, value] of ledger.store.iterator()) yield [`${name}, ledger`, Buffer.concat([key, value])]
    for (const [key, value] of chain.tip.tree.entries(new Uint8Array(0))) yield [`${name}, state`, Buffer.concat([key, value])]
    for (let height = 1; height <= chain.tip.header.height; height++) {
      const block = await chain.store.block(height)
      for (const bytes of block?.transactions ?? []) yield [`${name}, a transaction of block ${height}`, bytes]
      for (const bytes of await chain.store.receipts(height)) yield [`${name}, a receipt of block ${height}`, bytes]
    }
    await ledger.store.close()
  }
}

/** Where any of the needles is; each place by what it is, with how many of the kind were searched. */
async function findings(needles: readonly Needle[]): Promise<{ found: string[]; kinds: Map<string, number>; bytes: number }> {
  const search = new Search(needles)
  const found: string[] = []
  const kinds = new Map<string, number>()
  for await (const [place, content] of places()) {
    const [, kind = 'file'] = /, (?:a )?(\w+)/.exec(place) ?? []
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    found.push(...search.in(content).map(name => `${name} in ${place}`))
  }
  return { found, kinds, bytes: search.searched }
}

test('the search finds what is planted in a log, a file name, a fragment and a store', async () => {
  const [piece] = (await secrets()) as [Needle]
  const [home] = (net?.nodes ?? []).map(node => node.home) as [string]
  const bytes = Buffer.from(piece.bytes)
  const log = join(home, 'planted.log')
  const fragment = join(home, 'data/fragments/planted')
  const named = join(home, bytes.toString('hex'))
  writeFileSync(log, `{"msg":"x ${bytes.toString('base64url')}"}\n`)
  writeFileSync(fragment, Buffer.concat([randomBytes(70_001), bytes, randomBytes(10)]))
  writeFileSync(named, '')
  const custody = await openLevelStore(homePaths(home).custody)
  await custody.batch([{ type: 'put', key: Buffer.from('planted'), value: bytes }])
  await custody.close()
  const { found } = await findings([piece])
  for (const path of [log, fragment, named]) rmSync(path)
  const again = await openLevelStore(homePaths(home).custody)
  await again.batch([{ type: 'del', key: Buffer.from('planted') }])
  await again.compact({ gte: Buffer.alloc(0), lt: Buffer.alloc(1, 0xff) })
  await again.close()
  for (const place of ['planted.log', 'fragments/planted', `the name of ${named}`, ', custody']) {
    assert.ok(
      found.some(line => line.includes(place)),
      `${place}: ${found.join()}`,
    )
  }
})

test('nothing of the patient is in a log, a metric, a block, a fragment or a file name', async () => {
  const needles = await secrets()
  const scraped = metrics.filter(text => text !== '').map(readExposition)
  assert.is(scraped.length, 3, 'all but the node that was killed')
  const released = scraped.map(read => sampleOf(read, 'epione_releases_total', { outcome: 'released' }) ?? 0)
  assert.ok(Math.max(...released) > 0, 'what is searched has seen the reads')
  assert.equal(new Search(needles).in(metrics.join('\n')), [])
  const { found, kinds, bytes } = await findings(needles)
  assert.equal(found, [])
  for (const [kind, least] of [
    ['file', 80],
    ['custody', 500],
    ['ledger', 100],
    ['state', 40],
    ['transaction', 20],
    ['receipt', 20],
  ] as const) {
    assert.ok((kinds.get(kind) ?? 0) >= least, `${kind}: ${JSON.stringify([...kinds])}`)
  }
  console.log(`\n» ${needles.length} needles in ${Math.round(bytes / 1e6)} MB: ${JSON.stringify([...kinds])}`)
})

test('what the command line says of a record that it refuses holds nothing of it', async () => {
  const search = new Search(await secrets())
  assert.equal(
    refused.map(({ file, code }) => [file, code]),
    REFUSED,
  )
  for (const { file, said } of refused) assert.equal(search.in(said), [], `${file}: ${said}`)
})

test('the demo ends with a reason where it cannot begin', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { status, stderr } = spawnSync(process.execPath, ['testnet/demo/main.ts', '--base-port', String(port)], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  server.close()
  assert.is(status, 1)
  assert.match(stderr, /The demo failed\. .*port/i)
})

test.run()
