/** The main job over real processes, and a search for what must not be anywhere afterwards. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { Narrator } from '../../testnet/demo/narrator.ts'
import { tellStory } from '../../testnet/demo/story.ts'
import { createTestnet, type Testnet } from '../../testnet/launcher/testnet.ts'
import { generatePatient } from '../../testnet/population/patient.ts'
import { readExposition, sampleOf } from '../gateway/exposition.ts'

const SEED = 11
const test = suite('the main job')
let dir = ''
let net: Testnet | undefined
const told: string[] = []
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
  await tellStory(net, narrator, { seed: SEED, signal: AbortSignal.timeout(120_000) })
  for (const { home } of net.nodes) metrics.push(await scrape(home))
  await net.stop()
  const held = told.filter(line => line.includes('✔')).length
  assert.is(held, 11, `claims that held:\n${told.join('\n')}`)
})

/** Metrics of a node, from where its log says that they are; nothing where it was killed. */
async function scrape(home: string): Promise<string> {
  const [, url] = /^operations +(http:\S+)\/metrics/m.exec(readFileSync(join(home, 'node.log'), 'utf8')) ?? []
  assert.ok(url !== undefined, `the log in ${home} says where its metrics are`)
  const response = await fetch(`${url}/metrics`).catch(() => undefined)
  return (await response?.text()) ?? ''
}

/** Pieces of the patient's data that would betray the patient, or the content of the record. */
function secrets(): string[] {
  const { name, identifiers, bundle } = generatePatient({ seed: SEED, country: 'KE' })
  const entries = (bundle as { entry: { resource: Record<string, unknown> }[] }).entry.map(entry => entry.resource)
  const patient = entries.find(resource => resource.resourceType === 'Patient') as {
    id: string
    birthDate: string
    name: { family: string }[]
  }
  const conditions = entries.filter(resource => resource.resourceType === 'Condition') as {
    code: { text?: string; coding: { display: string }[] }
  }[]
  const displays = conditions.map(({ code }) => code.text ?? code.coding[0]?.display ?? '').filter(text => text.length > 8)
  return [name, patient.name[0]?.family ?? '', patient.id, ...identifiers, ...displays.slice(0, 5), '"resourceType"']
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
}

/** Where any of the needles occurs: as text, hex or base64. */
function occurrences(haystack: Buffer, needles: readonly string[]): string[] {
  return needles.filter(needle => {
    const bytes = Buffer.from(needle)
    return (
      haystack.includes(bytes) ||
      haystack.includes(bytes.toString('hex')) ||
      haystack.includes(bytes.toString('base64').replace(/=+$/, '').slice(0, -1))
    )
  })
}

test('the search finds what is there', () => {
  const [name] = secrets() as [string]
  assert.equal(occurrences(Buffer.from(`x ${name} y`), [name]), [name])
  assert.equal(occurrences(Buffer.from(Buffer.from(name).toString('hex')), [name]), [name])
  assert.equal(occurrences(Buffer.from('nothing'), [name]), [])
})

test('nothing of the patient is in a log, a metric, a block, a fragment or a file name', async () => {
  const needles = secrets()
  const scraped = metrics.filter(text => text !== '').map(readExposition)
  assert.is(scraped.length, 3, 'all but the node that was killed')
  const released = scraped.map(read => sampleOf(read, 'epione_releases_total', { outcome: 'released' }) ?? 0)
  assert.ok(Math.max(...released) > 0, 'what is searched has seen the reads')
  assert.equal(occurrences(Buffer.from(metrics.join('\n')), needles), [])
  assert.ok(
    needles.every(needle => needle.length >= 4),
    'each needle is long enough to mean something',
  )
  const files = filesUnder(dir)
  assert.ok(files.some(path => path.endsWith('.log')) && files.length > 40, `there are logs and stores to search: ${files.length} files`)
  for (const path of files) {
    assert.equal(occurrences(readFileSync(path), needles), [], path)
    assert.equal(occurrences(Buffer.from(path), needles), [], path)
  }
  // The stores compress their files: what they hold is searched once more as it was written.
  let values = 0
  for (const node of net?.nodes ?? []) {
    for (const part of ['chain', 'custody']) {
      const store = await openLevelStore(join(node.home, 'data', part))
      for await (const [key, value] of store.iterator()) {
        values++
        assert.equal(occurrences(Buffer.concat([key, value]), needles), [], `${node.name}, ${part}`)
      }
      await store.close()
    }
  }
  assert.ok(values > 1000, `${values} values were searched`)
})

test('no secret key of a node is in its logs or its settings', () => {
  for (const node of net?.nodes ?? []) {
    const passphrase = readFileSync(net?.passphraseFile as string, 'utf8').trim()
    for (const path of filesUnder(node.home).filter(file => /\.(log|json|yaml)$/.test(file))) {
      assert.not.ok(readFileSync(path, 'utf8').includes(passphrase), `${path} holds the passphrase`)
    }
  }
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
