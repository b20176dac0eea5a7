/** A file far larger than a node may take of memory goes in and comes out. */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Testnet } from '../../testnet/launcher/testnet.ts'
import { generateBytes } from '../../testnet/population/random.ts'
import { json, Setting } from './setting.ts'

const SEED = 6
const FILE_BYTES = 200_000_000
/** Most memory that a node may take meanwhile, in bytes. */
const MEMORY_LIMIT = 400e6

const test = suite('a large file')
let setting: Setting

test.before(async () => {
  setting = await Setting.create('large', SEED)
})

test.after(async () => {
  await setting?.stop()
})

/** Asks the nodes for their resident memory, again and again. */
function watchMemory(net: Testnet): { stop(): Promise<{ peak: number; samples: number }> } {
  let peak = 0
  let samples = 0
  let stopped = false
  const watching = (async () => {
    while (!stopped) {
      for (const i of net.nodes.keys()) peak = Math.max(peak, (await net.status(i))?.memory.rssBytes ?? 0)
      samples++
      await sleep(200)
    }
  })()
  return {
    stop: async () => {
      stopped = true
      await watching
      return { peak, samples }
    },
  }
}

test('200 MB in through one node and out of another, with flat memory', async () => {
  const parts: Uint8Array[] = []
  for await (const part of generateBytes(SEED, 4_000_000)) parts.push(part)
  const piece = Buffer.concat(parts)
  writeFileSync(setting.at('in'), Buffer.concat(Array.from({ length: FILE_BYTES / piece.length }, () => piece)))
  const memory = watchMemory(setting.net)
  const put = await setting.put(setting.at('in'), '--type', 'application/octet-stream')
  assert.is(put.code, 0, put.stderr)
  const { versions } = json(put) as { versions: { record: string }[] }
  const get = await setting.get('out', versions[0]?.record as string)
  const { peak, samples } = await memory.stop()
  assert.is(get.code, 0, get.stderr)
  assert.ok(readFileSync(setting.at('out')).equals(readFileSync(setting.at('in'))), 'the same bytes')
  assert.ok(samples > 3 && peak > 50e6, `memory was watched: ${samples} samples`)
  assert.ok(peak < MEMORY_LIMIT, `a node's memory peaked at ${Math.round(peak / 1e6)} MB`)
})

test.run()
