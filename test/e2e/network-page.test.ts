/** The page of a network on a testnet that runs: a node is cut off by a button, the page shows it, and it is mended. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { openBenchFolder } from '../../testnet/bench/folder.ts'
import { openPage } from '../../testnet/browser/chromium.ts'
import { Mind } from '../../testnet/control/mind.ts'
import { readControlNote } from '../../testnet/control/note.ts'
import { createTestnet } from '../../testnet/launcher/testnet.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'
import { buildNetworkPage } from '../../testnet/package/network-page.ts'

const test = suite('the page of a network')
/** Bytes of scripts and style after gzip. */
const BUDGET = 60_000
const WAIT_MS = 30_000
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const dir = mkdtempSync(join(tmpdir(), 'epione-network-page-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

const built = join(dir, 'page')
await buildNetworkPage(built)
const opened = await openPage('')
const reason = 'reason' in opened ? opened.reason : undefined
if (reason !== undefined) process.stdout.write(`» skipped, for no browser starts here: ${reason.replaceAll('\n', ' / ')}\n`)

test('it is small, and has nothing inline', () => {
  const files = readdirSync(join(built, 'assets')).map(name => readFileSync(join(built, 'assets', name)))
  const bytes = files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0)
  process.stdout.write(`» page of a network ${bytes} bytes after gzip\n`)
  assert.ok(bytes > 10_000 && bytes <= BUDGET, `${bytes} bytes, and ${BUDGET} are the budget`)
  const html = readFileSync(join(built, 'index.html'), 'utf8')
  assert.not.match(html, /<script(?![^>]* src=)|<style| style="/)
})

async function violations(tab: Page): Promise<string[]> {
  if (!(await tab.evaluate(() => 'axe' in globalThis))) await tab.evaluate(AXE)
  return await tab.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
    }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    const { violations: found } = await axe.run({ runOnly: { type: 'tag', values: tags } })
    return found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
  })
}

const inBrowser = 'reason' in opened ? test.skip : test
inBrowser('a partition by a button is seen, drawn, and mended', async () => {
  if ('reason' in opened) return
  const { page, errors } = opened
  const net = await createTestnet({ dir: join(dir, 'net'), validators: 4, heartbeatMs: 2_000, minded: true })
  const mind = new Mind(net)
  try {
    await mind.serve()
    const { url, token } = readControlNote(net.dir) as NonNullable<ReturnType<typeof readControlNote>>
    await page.goto(`${url}/network/`)
    await page.getByText('This page needs the token of the network').waitFor({ timeout: WAIT_MS })
    errors.splice(0)
    await page.goto('about:blank')
    await page.goto(`${url}/network/#token=${token}`)
    await page.getByRole('status').getByText('live', { exact: true }).waitFor({ timeout: WAIT_MS })
    assert.not.match(page.url(), token, 'the token stays in no address')

    // Content first: what is there is what the network is.
    for (const { name, jurisdiction } of net.nodes)
      await page.getByRole('cell', { name: `${name} (${jurisdiction})` }).waitFor({ timeout: WAIT_MS })
    await page.locator('#blocks ~ section tbody tr').nth(1).waitFor({ timeout: WAIT_MS })
    await page.locator('#votes ~ section').getByText('●●').nth(3).waitFor({ timeout: WAIT_MS })
    await page.locator('#dht ~ section').getByRole('cell', { name: 'node4' }).waitFor({ timeout: WAIT_MS })
    assert.is(await page.locator('.topology line.cut').count(), 0)

    // Where the fragments of a record are, by the root that its writer has.
    await using peer = await createLightPeer({ nodes: net.nodes.map(({ addresses }) => addresses[0] as string), genesis: net.genesis })
    const folder = await openBenchFolder(net, peer, 1)
    const content = contentOf(new Uint8Array(2_000).fill(7))
    const { submissionRoot } = await putRecords(peer, folder.person, folder.address, [{ mediaType: 'text/plain', class: 'other', content }])
    const map = page.locator('#fragments ~ section tbody tr')
    await waitFor(
      async () => {
        await page.getByLabel('Submission root').fill(toHex(submissionRoot))
        await page.getByRole('button', { name: 'Show', exact: true }).click()
        await page.waitForTimeout(200)
        return (await map.filter({ hasText: 'yes' }).count()) === 4
      },
      { what: 'four custodians that hold their fragments', timeoutMs: WAIT_MS },
    )
    assert.equal(
      (await map.allTextContents()).map(text => net.nodes.some(({ name, jurisdiction }) => text.includes(`${name}${jurisdiction}yes`))),
      [true, true, true, true],
    )
    await page.getByLabel('Submission root').fill('00'.repeat(32))
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    await page.getByText('Nothing is known here of a submission with this root.').waitFor({ timeout: WAIT_MS })
    // A browser complains by itself of what is not there.
    assert.equal(
      errors.filter(text => !/404/.test(text)),
      [],
    )
    errors.splice(0)

    // By keyboard alone, as somebody does who uses no mouse.
    await page.getByRole('button', { name: net.nodes[2]?.name }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('checkbox', { name: 'node3', checked: true }).waitFor({ timeout: WAIT_MS })
    await page.getByRole('button', { name: 'Cut off from the others' }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('Done: Cut off from the others').waitFor({ timeout: WAIT_MS })
    await page.locator('.topology line.cut').nth(2).waitFor({ state: 'attached', timeout: WAIT_MS })
    await page.locator('figure[data-marks="1"]').nth(1).waitFor({ timeout: WAIT_MS })
    await page.locator('#events ~ ol').getByText('partition node3').waitFor({ timeout: WAIT_MS })
    await page.locator('#events ~ ol').getByText('quorum-missing').first().waitFor({ timeout: WAIT_MS })
    const artifacts = process.env.EPIONE_ARTIFACTS ?? tmpdir()
    await page.setViewportSize({ width: 1280, height: 900 })
    await page.screenshot({ path: join(artifacts, 'epione-network.png'), fullPage: true })

    for (const [width, scheme, language] of [
      [1280, 'light', 'en'],
      [1280, 'dark', 'ar'],
      [320, 'light', 'ar'],
      [320, 'dark', 'en'],
    ] as const) {
      await page.setViewportSize({ width, height: 800 })
      await page.emulateMedia({ colorScheme: scheme })
      await page.locator('header select').selectOption(language)
      await page.waitForFunction(dir => document.documentElement.dir === dir, language === 'ar' ? 'rtl' : 'ltr', { timeout: WAIT_MS })
      const isWider = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
      assert.equal([width, scheme, language, isWider, await violations(page)], [width, scheme, language, false, []])
    }
    await page.locator('button.mend').click()
    await page.locator('.topology line.cut').first().waitFor({ state: 'detached', timeout: WAIT_MS })
    assert.equal(errors, [])
  } finally {
    await mind.stop()
    await net.stop()
  }
})

test.after(async () => {
  if (!('reason' in opened)) await opened[Symbol.asyncDispose]()
})

test.run()
