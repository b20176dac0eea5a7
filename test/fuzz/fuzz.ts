/** Feeds decoders with seeded bytes and says what broke: a throw that is no refusal, a value with two encodings, a pause, memory. */
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError, MalformedError } from '../../src/encoding/errors.ts'
import type { Codec } from '../../src/encoding/schema.ts'
import { loadCodecs } from './codecs.ts'
import { mutated } from './mutate.ts'
import { type Random, randomOf } from './random.ts'
import { sampleOf } from './sample.ts'
import { TARGETS, type Target } from './targets.ts'

const SAMPLES = 24
/** Longest that one input may take, and most memory that reading may add, in ms and bytes. */
const MAX_MS = 1000
const MAX_GROWTH = 512 * 1024 * 1024

export interface FuzzOptions {
  seed: number
  /** Inputs in all, shared out evenly. */
  inputs: number
  /** Rooms that are fuzzed; all without. */
  rooms?: readonly string[]
  /** @default every decoder */
  targets?: readonly Target[]
  /** Longest that one input may take. */
  maxMs?: number
}

export interface FuzzReport {
  targets: number
  inputs: number
  /** Inputs that were accepted, so that the accepting side is known to be tried, too. */
  accepted: number
  slowest: { ms: number; target: string }
  failures: { target: string; seed: number; input: string; reason: string }[]
}

function codecTarget(room: string, name: string, codec: Codec<unknown>, random: Random): Target {
  const samples: Uint8Array[] = []
  for (let tried = 0; samples.length < SAMPLES && tried < SAMPLES + 3; tried++) {
    const sample = sampleOf(codec, random)
    if (sample !== undefined) samples.push(sample)
  }
  return {
    room,
    name,
    samples,
    read: bytes => {
      const value = codec.decode(bytes)
      if (bytes.length > codec.maxBytes) throw new Error('longer than its bound')
      if (!equalBytes(codec.encode(value), bytes)) throw new Error('another encoding of the same value was accepted')
    },
  }
}

/** Every target: the codecs, with samples made for them, and the decoders that are more than a codec. */
export async function allTargets(seed: number): Promise<Target[]> {
  const random = randomOf(seed)
  const codecs = (await loadCodecs()).map(({ room, name, codec }) => codecTarget(room, name, codec, random))
  return [...codecs, ...TARGETS]
}

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, inputs, rooms, maxMs = MAX_MS } = options
  const all = options.targets ?? (await allTargets(seed))
  const targets = all.filter(({ room }) => rooms === undefined || rooms.includes(room))
  const report: FuzzReport = { targets: targets.length, inputs: 0, accepted: 0, slowest: { ms: 0, target: '' }, failures: [] }
  const shares = targets.reduce((sum, { share = 100 }) => sum + share, 0)
  // Bytes that are right in one place are tried in all others.
  const foreign = targets.flatMap(({ samples }) => samples.slice(0, 2))
  targets.forEach((target, index) => {
    const random = randomOf(seed + 7919 * index)
    const name = `${target.room}/${target.name}`
    const samples = target.samples.length > 0 ? target.samples : foreign
    const count = Math.ceil((inputs * (target.share ?? 100)) / shares)
    let before = memory()
    for (let i = 0; i < count; i++) {
      const bytes = mutated(random.oneIn(40) ? foreign : samples, random)
      const startedMs = performance.now()
      const reason = readOne(target, bytes, report)
      const tookMs = performance.now() - startedMs
      if (tookMs > report.slowest.ms) report.slowest = { ms: tookMs, target: name }
      const grown = i % 500 === 499 ? memory() - before : 0
      // A machine that is busy pauses at times: what is slow is slow again.
      const slow = tookMs > maxMs && fastest(target, bytes) > maxMs
      const tooMuch = grown > MAX_GROWTH ? `took ${grown} bytes of memory` : undefined
      const fault = reason ?? (slow ? `took ${tookMs.toFixed(0)} ms` : tooMuch)
      if (fault !== undefined && report.failures.length < 20) {
        report.failures.push({ target: name, seed, input: toHex(bytes.subarray(0, 400)), reason: fault })
      }
      if (i % 500 === 499) before = Math.min(before, memory())
    }
    report.inputs += count
  })
  return report
}

/** The shortest of three readings, in ms. */
function fastest(target: Target, bytes: Uint8Array): number {
  const times = [0, 1, 2].map(() => {
    const startedMs = performance.now()
    try {
      target.read(bytes)
    } catch {
      // Told already.
    }
    return performance.now() - startedMs
  })
  return Math.min(...times)
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** What went wrong, or undefined. */
function readOne(target: Target, bytes: Uint8Array, report: FuzzReport): string | undefined {
  try {
    target.read(bytes)
    report.accepted++
    return undefined
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    if (error instanceof EpioneError && target.codes?.includes(error.code) === true) return undefined
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
}

export function describe(report: FuzzReport): string {
  const { targets, inputs, accepted, slowest, failures } = report
  const lines = failures.map(({ target, seed, input, reason }) => `${target}: ${reason}\n  seed ${seed}, input ${input}`)
  return [
    `${inputs} inputs to ${targets} decoders, ${accepted} accepted, slowest ${slowest.ms.toFixed(1)} ms in ${slowest.target}`,
    ...lines,
  ].join('\n')
}
