/**
 * A file far larger than a process may take of memory goes in and comes out, though the client is killed on both ways and begins
 * again. `npm run large` does the same with a gigabyte, and prints what every process took.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { generateBytes } from '../../testnet/population/random.ts'
import { type CliRun, runCli } from '../cli/run-cli.ts'
import { json, Setting, succeed } from './setting.ts'

const SEED = 6
const FILE_BYTES = Number(process.env.EPIONE_LARGE_BYTES ?? 100_000_000)
/** Most memory that any process may take meanwhile, in bytes. */
const MEMORY_LIMIT = 500e6

const test = suite('a large file')
let setting: Setting
/** Most memory that the commands took, by what they did, in bytes. */
const peaks = new Map<string, number>()

test.before(async () => {
  setting = await Setting.create('large', SEED)
  const parts: Uint8Array[] = []
  for await (const part of generateBytes(SEED, 4_000_000)) parts.push(part)
  const piece = Buffer.concat(parts)
  const pieces = function* (): Generator<Buffer> {
    for (let left = FILE_BYTES; left > 0; left -= piece.length) yield piece.subarray(0, left)
  }
  await pipeline(Readable.from(pieces()), createWriteStream(setting.at('in')))
})

test.after(async () => {
  await setting?.stop()
})

/** The most memory that a process has taken so far, as the system counts it. */
function peakOf(pid: number): number {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return found === null ? 0 : Number(found[1]) * 1024
  } catch {
    // It has ended.
    return 0
  }
}

/** Runs a command; kills it as soon as `until` is true. Notes how much memory it took, and says how long. */
async function run(name: string, args: string[], until?: () => Promise<boolean>): Promise<CliRun> {
  const started = performance.now()
  let watching: Promise<void> = Promise.resolve()
  let over = false
  const done = await runCli(args, {
    onStart: (pid, kill) => {
      watching = (async () => {
        while (!over) {
          peaks.set(name, Math.max(peaks.get(name) ?? 0, peakOf(pid)))
          if (until !== undefined && (await until())) kill('SIGKILL')
          await sleep(50)
        }
      })()
    },
  })
  over = true
  await watching
  if (process.env.EPIONE_LARGE_BYTES !== undefined) console.log(`${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`)
  return done
}

/** Bytes of what is arriving at the first node. */
async function arriving(): Promise<number> {
  const dir = join(setting.net.nodes[0]?.home ?? '', 'data/fragments/incoming')
  let bytes = 0
  for (const name of await readdir(dir).catch(() => [])) bytes += (await stat(join(dir, name)).catch(() => null))?.size ?? 0
  return bytes
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return hash.digest('hex')
}

test('a file goes in and comes out with flat memory, and goes on after the client was killed', async () => {
  const put = setting.putArguments(setting.at('in'), '--type', 'application/octet-stream')
  const killedPut = await run('put, killed', put, async () => (await arriving()) > FILE_BYTES / 10)
  assert.is(killedPut.signal, 'SIGKILL', killedPut.stderr)
  const putAgain = await run('put', put)
  assert.is(putAgain.code, 0, putAgain.stderr)
  const written = json(putAgain) as {
    versions: { record: string }[]
    resumed: boolean
    sentBytes: number
    custodians: { bytes: number; stored: boolean }[]
    receiptFile: string
  }
  assert.ok(written.resumed)
  assert.ok(written.custodians.every(({ stored }) => stored))
  const all = written.custodians.reduce((sum, { bytes }) => sum + bytes, 0)
  assert.ok(written.sentBytes < 0.9 * all, `${written.sentBytes} of ${all} bytes were sent again`)

  const get = setting.getArguments('out', written.versions[0]?.record as string)
  const part = setting.at('out.part')
  const killedGet = await run('get, killed', get, async () => ((await stat(part).catch(() => null))?.size ?? 0) > FILE_BYTES / 3)
  assert.is(killedGet.signal, 'SIGKILL', killedGet.stderr)
  assert.ok(statSync(part).size > FILE_BYTES / 3)
  const getAgain = await run('get', get)
  assert.is(getAgain.code, 0, getAgain.stderr)
  assert.match(getAgain.stderr, /going on after/)
  assert.is(await hashOf(setting.at('out')), await hashOf(setting.at('in')))

  const verified = await succeed('record', 'verify', written.receiptFile, ...setting.author)
  assert.equal(
    [verified.holds, (verified.offline as { holds: boolean }).holds, (verified.ledger as { holds: boolean }).holds],
    [true, true, true],
  )
  const offline = await succeed('record', 'verify', written.receiptFile, '--offline', ...setting.author)
  assert.equal([offline.holds, offline.good], [true, 4])

  for (const [i, node] of setting.net.nodes.entries()) {
    const sampled = (await setting.net.status(i))?.memory.rssBytes ?? 0
    peaks.set(`node ${i}`, Math.max(sampled, node.pid === null ? 0 : peakOf(node.pid)))
  }
  for (const [name, peak] of peaks) {
    if (process.env.EPIONE_LARGE_BYTES !== undefined) console.log(`${name}: at most ${Math.round(peak / 1e6)} MB of memory`)
    assert.ok(peak < MEMORY_LIMIT, `${name}: ${Math.round(peak / 1e6)} MB`)
  }
  assert.ok((peaks.get('put') ?? 0) > 30e6 && (peaks.get('node 0') ?? 0) > 30e6, 'memory was watched')
})

test.run()
