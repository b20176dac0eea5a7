/** The example page in a real browser, used as people use it: a patient in one tab, a physician of another hospital in a second, and a node killed under both. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeCard, genesisCodec, toHex } from 'epione/client'
import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isText } from '../../docs/examples/patient-page/texts.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { openPage } from '../../testnet/browser/chromium.ts'
import { createTestnet, type Testnet } from '../../testnet/launcher/testnet.ts'
import { buildPage, filesOf } from '../../testnet/package/pages.ts'

const test = suite('the patient’s page')
const WAIT_MS = 25_000
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const PHONE = { width: 320, height: 640 }
const dir = mkdtempSync(join(tmpdir(), 'epione-patient-page-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

const sums = await buildPage(join(dir, 'page'))
const files = new Map<string, Uint8Array | string>()
for (const path of filesOf(join(dir, 'page'))) files.set(path, readFileSync(join(dir, 'page', path)))
files.set('network.json', '{"nodes":[],"genesis":""}')
const opened = await openPage('', files)
const reason = 'reason' in opened ? opened.reason : undefined
if (reason !== undefined) process.stdout.write(`» skipped, for no browser starts here: ${reason.replaceAll('\n', ' / ')}\n`)

test('each text of the page is one that is translated', () => {
  const named = [...String(files.get('index.html')).matchAll(/data-text="([^"]+)"/g)].map(([, name]) => name ?? '')
  assert.ok(named.length > 20)
  for (const name of named) assert.ok(isText(name), name)
})

test('built again elsewhere it is the same, byte for byte, and each file is in the list of hashes', async () => {
  assert.is(await buildPage(join(dir, 'some', 'where', 'else')), sums)
  const listed = String(files.get('SHA256SUMS'))
    .trim()
    .split('\n')
    .map(line => line.split('  ') as [string, string])
  assert.equal(
    listed.map(([, path]) => path).toSorted(),
    [...files.keys()].filter(path => path !== 'SHA256SUMS' && path !== 'network.json').toSorted(),
  )
  for (const [hash, path] of listed) assert.is(toHex(sha256(files.get(path) as Uint8Array)), hash, path)
  const html = String(files.get('index.html'))
  assert.is(html.match(/ integrity="sha384-/g)?.length, html.match(/<script|<link/g)?.length)
  assert.not.match(html, /<script(?![^>]* src=)/)
})

/** What axe finds against WCAG 2.2 AA, once the page shows what it is there for. */
async function violations(tab: Page): Promise<string[]> {
  if (!(await tab.evaluate(() => 'axe' in globalThis))) await tab.evaluate(AXE)
  const found = await tab.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
    }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    return (await axe.run({ runOnly: { type: 'tag', values: tags } })).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
  })
  return found
}

/** Presses a button by its name and waits until it is done. */
async function press(tab: Page, name: string): Promise<void> {
  const button = tab.getByRole('button', { name })
  await button.click()
  await tab.waitForFunction(
    text => [...document.querySelectorAll('button')].every(found => found.textContent !== text || !found.disabled),
    name,
    {
      timeout: WAIT_MS,
    },
  )
}

const problemOf = async (tab: Page): Promise<string> => (await tab.getByRole('alert').textContent()) ?? ''

async function pressWell(tab: Page, name: string): Promise<void> {
  await press(tab, name)
  assert.is(await problemOf(tab), '', name)
}

/** A wallet in this tab, and an organisation that answers for its holder. */
async function joinAs(tab: Page, net: Testnet, node: number, role: string): Promise<string> {
  await tab.getByText(/^Checked from the first block on: block [1-9].* 4 organisations/).waitFor({ timeout: WAIT_MS })
  // With the keyboard alone, as somebody does who uses no mouse.
  await tab.getByRole('button', { name: 'Make a new wallet' }).focus()
  await tab.keyboard.press('Enter')
  await tab.getByLabel('Organisation that answers for me').selectOption(toHex(net.nodes[node]!.account))
  await tab.getByLabel('I am').selectOption(role)
  const card = await tab.getByLabel(/^My card/).inputValue()
  const { signingKey, organisation } = decodeCard(card)
  assert.equal(organisation, net.nodes[node]!.account)
  await net.addStaff(node, { key: toHex(signingKey), role })
  return card
}

const inBrowser = 'reason' in opened ? test.skip : test
inBrowser('a patient writes, shares, sees who looked, and takes it back, while a node is gone', async () => {
  if ('reason' in opened) return
  const { page: patient, errors } = opened
  errors.splice(0)
  await using net = await createTestnet({ dir: join(dir, 'net'), validators: 4 })
  const nodes = net.nodes.map(({ addresses }) => addresses[1])
  files.set('network.json', JSON.stringify({ nodes, genesis: toHex(genesisCodec.encode(net.genesis)) }))
  const physician = await patient.context().browser()!.newPage({ viewport: PHONE, colorScheme: 'dark' })
  physician.on('pageerror', error => errors.push(error.message))
  await Promise.all([patient.reload(), physician.goto(patient.url())])

  await joinAs(patient, net, 0, 'patient')
  const card = await joinAs(physician, net, 1, 'physician')
  await pressWell(patient, 'Open my folder')
  await patient.getByText('Your folder is open.').waitFor()

  const attachment = Buffer.from(randomBytes(5_000_000))
  await patient.getByLabel('Note').fill('slept well')
  await patient.getByLabel('Attachment').setInputFiles({ name: 'scan.dcm', mimeType: 'application/dicom', buffer: attachment })
  await pressWell(patient, 'Write into my folder')
  await patient.getByText('Written: 4 of 4 custodians keep it.').waitFor()

  await patient.getByLabel('Card of whom I share with').fill(card)
  await pressWell(patient, 'Let them read for a month')
  const code = await patient.getByLabel('Give them this code:').inputValue()
  // A node goes that neither of them belongs to; all that follows goes on with three.
  await net.kill(3)
  await physician.getByLabel('Code that I was given').fill(code)
  await pressWell(physician, 'Open what was shared with me')
  const lines = physician.locator('#records li')
  assert.is(await lines.count(), 2)
  const text = (await lines.allTextContents()).join('\n')
  assert.ok(text.includes(toHex(sha256(attachment))), 'what she reads is what was written, byte for byte')
  const isWider = (): boolean => document.documentElement.scrollWidth > document.documentElement.clientWidth
  assert.not(await physician.evaluate(isWider), 'nothing is wider than a phone')

  await patient.getByText(`${net.nodes[1]?.name} opened your folder.`).waitFor({ timeout: WAIT_MS })
  await patient.getByRole('button', { name: /^Take back from/ }).click()
  await patient.getByText('Taken back. New records have a new key.').waitFor({ timeout: WAIT_MS })
  await patient.getByText('You took a permission back.').waitFor({ timeout: WAIT_MS })
  await press(physician, 'Open what was shared with me')
  assert.is(await problemOf(physician), 'There is nothing here that you may read. (not-found)')
  assert.is(await lines.count(), 0)

  for (const scheme of ['light', 'dark'] as const) {
    await patient.emulateMedia({ colorScheme: scheme })
    assert.equal([scheme, await violations(patient)], [scheme, []])
  }
  assert.equal(await violations(physician), [])
  for (const tab of [patient, physician]) {
    const unnamed = await tab.evaluate(() =>
      [...document.querySelectorAll('input, textarea, select')]
        .filter(input => ((input as HTMLInputElement).labels?.length ?? 0) === 0)
        .map(({ id }) => id),
    )
    assert.equal(unnamed, [], 'every field has a label')
  }
  // Her wallet is in the words alone: another tab opens it with them.
  await patient.locator('summary').click()
  const words = await patient.getByLabel('Words of the wallet').inputValue()
  await patient.getByLabel('Language').selectOption('de')
  assert.equal([await patient.title(), await patient.evaluate(() => document.documentElement.lang)], ['Meine Befunde', 'de'])
  const artifacts = process.env.EPIONE_ARTIFACTS ?? tmpdir()
  const shots = ['patient', 'physician'].map(name => join(artifacts, `epione-page-${name}.png`))
  await patient.locator('summary').click()
  await patient.screenshot({ path: shots[0] as string, fullPage: true })
  await physician.screenshot({ path: shots[1] as string, fullPage: true })
  await physician.reload()
  await physician.getByLabel('24 words of a wallet that I have').fill(words)
  await physician.getByRole('button', { name: 'Open this wallet' }).click()
  await pressWell(physician, 'Open my own records')
  assert.is(await lines.count(), 2)

  const gone = /WebSocket connection to .* failed/
  assert.equal(
    errors.filter(error => !gone.test(error)),
    [],
  )
  process.stdout.write(`» screenshots ${shots.join(' and ')}\n`)
})

test.after(async () => {
  if (!('reason' in opened)) await opened[Symbol.asyncDispose]()
})

test.run()
