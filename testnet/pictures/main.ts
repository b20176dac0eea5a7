/** `npm run pictures`: the README's pictures, taken from the page of a network while a country is cut off. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPage } from '../browser/chromium.ts'
import { Mind } from '../control/mind.ts'
import { readControlNote } from '../control/note.ts'
import { createTestnet } from '../launcher/testnet.ts'
import { Load } from '../load/load.ts'

const OUT = join(import.meta.dirname, '..', '..', 'docs', 'images')
const SEED = 7
/** How long there is load before and after the cut, in ms: what the charts show. */
const BEFORE_MS = 40_000
const AFTER_MS = 12_000

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'epione-pictures-'))
  const net = await createTestnet({ dir, validators: 7, seed: SEED, heartbeatMs: 2_000, minded: true, timeoutMs: 60_000 })
  const mind = new Mind(net)
  const opened = await openPage('')
  try {
    if ('reason' in opened) throw new Error(`no browser starts here: ${opened.reason}`)
    await mind.serve()
    const { page } = opened
    const { url, token } = readControlNote(dir) as NonNullable<ReturnType<typeof readControlNote>>
    await page.setViewportSize({ width: 1280, height: 860 })
    await page.goto(`${url}/network/#token=${token}`)
    const load = await Load.start(net, { seed: SEED, mix: { anchors: 4, reads: 1 }, loop: { perSecond: 8, arrivals: 'poisson' } })
    await page.waitForTimeout(BEFORE_MS)
    await page.getByRole('checkbox', { name: 'node3', exact: true }).check()
    await page.getByRole('button', { name: 'Cut off from the others' }).click()
    await page.waitForTimeout(AFTER_MS)
    await page.screenshot({ path: join(OUT, 'network.png') })
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.locator('#votes').scrollIntoViewIfNeeded()
    await page.screenshot({ path: join(OUT, 'network-dark.png') })
    await load.stop()
  } finally {
    if (!('reason' in opened)) await opened[Symbol.asyncDispose]()
    await mind.stop()
    await net.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

await main()
process.exit(0)
