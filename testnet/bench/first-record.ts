/** Time from a cold start, of a process or of a page, to the first record that was read and verified. */
import { execFile } from 'node:child_process'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { encodeShare, personFromSeeds } from '../../src/client/identity.ts'
import { createLightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { genesisCodec } from '../../src/contracts/members-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { bundle, clientFiles, openPage } from '../browser/chromium.ts'
import { createTestnet } from '../launcher/testnet.ts'
import { grantTo } from '../load/world.ts'
import { generateBytes } from '../population/random.ts'
import type { FirstRecord } from './first-record-read.ts'
import { openBenchFolder } from './folder.ts'
import { percentile, type Row } from './table.ts'

const TIMES = 9
const SIZE = 100_000

const run = promisify(execFile)

interface Sample {
  headMs: number
  recordMs: number
}

export async function measureFirstRecord(dir: string, options: { seed: number; progress: (text: string) => void }): Promise<Row[]> {
  const { seed, progress } = options
  progress('starting four validators')
  await using net = await createTestnet({ dir, validators: 4, seed })
  const input = await (async (): Promise<Omit<FirstRecord, 'nodes'>> => {
    await using peer = await createLightPeer({ nodes: net.nodes[0]?.addresses.slice(0, 1) ?? [], genesis: net.genesis })
    const folder = await openBenchFolder(net, peer, seed)
    const content = { size: SIZE, open: () => generateBytes(seed, SIZE) }
    await putRecords(peer, folder.person, folder.address, [{ mediaType: 'application/octet-stream', class: 'other', content }])
    const seeds = net.registrar(1)
    const { share } = await grantTo(peer, folder, personFromSeeds(seeds))
    const { organisation, role, signingSeed, sealingSeed } = seeds
    const hex = { organisation: toHex(organisation), signingSeed: toHex(signingSeed), sealingSeed: toHex(sealingSeed) }
    return { ...hex, role, genesis: toHex(genesisCodec.encode(net.genesis)), share: encodeShare(share), size: SIZE }
  })()
  const addresses = (which: number): string[] => net.nodes.flatMap(node => node.addresses.slice(which, which + 1))

  progress('processes')
  const script = join(import.meta.dirname, `first-record-node${extname(import.meta.filename)}`)
  const processes: Sample[] = []
  const memory: number[] = []
  for (let i = 0; i < TIMES; i++) {
    const { stdout } = await run(process.execPath, [script, JSON.stringify({ ...input, nodes: addresses(0) })])
    const sample = JSON.parse(stdout) as Sample & { rssBytes: number }
    processes.push(sample)
    memory.push(sample.rssBytes)
  }
  const rows = rowsOf('a process', processes, `memory of the process then ${Math.round(percentile(memory, 0.5) / 1e6)} MB`)

  progress('pages')
  const files = new Map(await clientFiles())
  files.set('input.json', 'null')
  const page = await bundle(join(import.meta.dirname, `first-record-page${extname(import.meta.filename)}`))
  const opened = await openPage(page.script, files)
  if ('reason' in opened) {
    progress(`no browser starts here: ${opened.reason}`)
    return rows
  }
  await using browser = opened
  files.set('input.json', JSON.stringify({ ...input, nodes: addresses(1) }))
  const pages: Sample[] = []
  for (let i = 0; i < TIMES; i++) {
    // A context of its own has an empty cache.
    const context = await browser.page.context().browser()!.newContext()
    const tab = await context.newPage()
    await tab.goto(browser.page.url())
    await tab.waitForFunction(() => document.title.startsWith('{'), undefined, { timeout: 30_000 })
    pages.push(JSON.parse(await tab.title()) as Sample)
    await context.close()
  }
  return [...rows, ...rowsOf('a page', pages, 'headless Chromium, empty cache')]
}

function rowsOf(what: string, samples: readonly Sample[], note: string): Row[] {
  const row = (until: string, values: readonly number[], conditions: string): Row => ({
    what: `start of ${what} to ${until}`,
    result: `${percentile(values, 0.5).toFixed(0)} ms`,
    conditions: `p50 of ${values.length}, p90 ${percentile(values, 0.9).toFixed(0)} ms; ${conditions}`,
  })
  return [
    row(
      'a verified header',
      samples.map(({ headMs }) => headMs),
      'from genesis',
    ),
    row(
      'the first record',
      samples.map(({ recordMs }) => recordMs),
      `${SIZE / 1000} kB, with its access entry, list, fragments, all verified; ${note}`,
    ),
  ]
}
