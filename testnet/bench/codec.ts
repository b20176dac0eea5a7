/**
 * `npm run bench:codec`: how fast one core codes, beside plain copying, hashing and encryption on the same machine in the same run.
 * Rounds are interleaved, so that what disturbs the machine disturbs all alike.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { aesGcmSeal } from '../../src/crypto/platform.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { computeDispersal } from '../../src/fragments/dispersal.ts'
import { erasureCode } from '../../src/fragments/erasure.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { percentile, type Row, table } from './table.ts'

const USAGE = `usage: npm run bench:codec -- [--rounds N] [--ms N]

  --rounds N  samples of each figure, of which the median is given (default 7)
  --ms N      core time of one sample (default 200)
`
/** Codes as n, k. */
const CODES = [
  [4, 2],
  [7, 3],
  [12, 8],
  [48, 32],
] as const
/** Bytes that are coded over and over: more than the caches hold. */
const PAYLOAD = 64 * 1024 * 1024
const SEALED_CHUNK = 256 * 1024
const WARM_UP_MS = 100

interface Measure {
  what: string
  conditions: string
  /** Does a piece of work and tells its bytes of payload. */
  work: () => number | Promise<number>
  samples: number[]
}

/** Bytes that do not repeat within a chunk: neither copying nor coding depends on them. */
function payload(): Uint8Array {
  const bytes = new Uint8Array(PAYLOAD)
  const words = new Uint32Array(bytes.buffer)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1)
  return bytes
}

/** Calls `use` with the next piece of the payload, around and around. */
function pieces(bytes: Uint8Array, length: number, use: (piece: Uint8Array) => void): () => number {
  let at = 0
  return () => {
    if (at + length > bytes.length) at = 0
    use(bytes.subarray(at, at + length))
    at += length
    return length
  }
}

function measures(bytes: Uint8Array): Measure[] {
  const all: Measure[] = []
  const add = (what: string, conditions: string, work: Measure['work']): void => void all.push({ what, conditions, work, samples: [] })
  const target = new Uint8Array(CHUNK_BYTES)
  add(
    'memory copy',
    '64 KiB pieces of 64 MiB',
    pieces(bytes, CHUNK_BYTES, piece => target.set(piece)),
  )
  add(
    'SHA-256',
    '64 KiB pieces',
    pieces(bytes, CHUNK_BYTES, piece => void sha256(piece)),
  )
  const key = bytes.slice(0, 32)
  const nonce = bytes.slice(32, 44)
  const none = new Uint8Array(0)
  add(
    'AES-256-GCM',
    '256 KiB pieces, as objects are encrypted',
    pieces(bytes, SEALED_CHUNK, piece => void aesGcmSeal(key, nonce, none, piece)),
  )
  for (const [n, k] of CODES) {
    const code = erasureCode({ n, k })
    const stripe = k * CHUNK_BYTES
    const parity = Array.from({ length: n - k }, () => new Uint8Array(CHUNK_BYTES))
    add(
      `encode ${k} of ${n}`,
      `stripes of ${k} x 64 KiB, ${n - k} parity shards, copied in and out`,
      pieces(bytes, stripe, piece => void code.encodeStripe(piece, parity)),
    )
    const lost = Math.min(k, n - k)
    const shards = code.encodeStripe(bytes.subarray(0, stripe)).map((shard, i) => (i < lost ? undefined : shard.slice()))
    add(`decode ${k} of ${n}`, `the first ${lost} data shards lost, the worst case`, () => code.decodeStripe(shards, CHUNK_BYTES).length)
    // What a writer does: all fragments and the hashes of their chunks.
    const whole = bytes.subarray(0, Math.floor((8 * 1024 * 1024) / stripe) * stripe)
    add(`disperse ${k} of ${n}`, `encode and hash all ${n} fragments, ${(n / k).toFixed(2)} bytes hashed per byte`, async () => {
      await computeDispersal(once(whole, stripe), whole.length, { n, k })
      return whole.length
    })
  }
  return all
}

async function* once(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
}

/** Time that this thread has had a core, in ms: what else runs on the machine takes none of it, save by the caches. */
function coreMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** MB of payload for each second of a core, over at least `ms` of it. */
async function sample({ work }: Measure, ms: number): Promise<number> {
  let bytes = 0
  const start = coreMs()
  let elapsed = 0
  while (elapsed < ms) {
    const done = work()
    bytes += typeof done === 'number' ? done : await done
    elapsed = coreMs() - start
  }
  return bytes / 1e6 / (elapsed / 1000)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '7' }, ms: { type: 'string', default: '200' }, help: { type: 'boolean' } },
  })
  const rounds = Number(values.rounds)
  const ms = Number(values.ms)
  if (values.help === true || !Number.isSafeInteger(rounds) || !Number.isSafeInteger(ms) || rounds < 1 || ms < 1) {
    ;(values.help === true ? process.stdout : process.stderr).write(USAGE)
    return values.help === true ? 0 : 2
  }
  const all = measures(payload())
  for (const measure of all) await sample(measure, WARM_UP_MS)
  for (let round = 0; round < rounds; round++) for (const measure of all) measure.samples.push(await sample(measure, ms))
  const copy = percentile(all[0]?.samples ?? [], 0.5)
  const rows = all.map(({ what, conditions, samples }): Row => {
    const rate = percentile(samples, 0.5)
    const spread = `${percentile(samples, 0).toFixed(0)} to ${Math.max(...samples).toFixed(0)}`
    return {
      what,
      result: `${rate.toFixed(0)} MB/s`,
      conditions: `${((100 * rate) / copy).toFixed(0)} % of a copy; ${spread}; ${conditions}`,
    }
  })
  const cpu = cpus()
  process.stdout.write(
    `MB of payload for each second of a core (${cpu[0]?.model ?? 'unknown'}, ${cpu.length} cores), Node ${process.version}; median of ${rounds} samples of ${ms} ms, interleaved\n\n${table(rows)}\n`,
  )
  return 0
}

process.exit(await main())
