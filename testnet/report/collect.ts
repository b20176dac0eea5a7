/** What a report on a testnet is made of, from the files in its folder: nothing has to run for it. */
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { controlPaths } from '../control/note.ts'
import type { Done } from '../control/server.ts'
import { type Manifest, requireManifest } from '../launcher/manifest.ts'
import { Histogram } from '../load/histogram.ts'
import type { Operation } from '../load/mix.ts'
import { REPORT_FILE, type ScenarioReport } from '../scenarios/run.ts'
import { memoryOf } from './memory.ts'

/** Longest file of acts that is read, in bytes: some 40,000 acts. */
const MAX_ACTS_BYTES = 8 * 1024 * 1024
const MAX_REPORT_BYTES = 32 * 1024 * 1024

export interface OperationFigures {
  operation: Operation
  done: number
  failed: Record<string, number>
  /** In ms; null where none was done. */
  p50: number | null
  p95: number | null
  p99: number | null
  max: number | null
}

export interface TestnetReport {
  schemaVersion: 1
  /** When it was made, in ms since the epoch. */
  atMs: number
  environment: { cores: number; processor: string; memoryBytes: number; node: string; platform: string }
  network: Pick<Manifest, 'network' | 'chainId' | 'seed' | 'validators' | 'full' | 'basePort'>
  /** Memory of those that run, in bytes; null for others, and where the system does not tell. */
  nodes: {
    id: string
    name: string
    jurisdiction: string
    role: 'validator' | 'full node'
    rssBytes: number | null
    cpuMs: number | null
  }[]
  acts: Done[]
  /** The scenario that was played here, where one was. */
  scenario: ScenarioReport | null
  operations: OperationFigures[]
}

/** @throws EpioneError `testnet-missing`, `config-invalid` */
export function collectReport(dir: string): TestnetReport {
  const manifest = requireManifest(dir)
  const { network, chainId, seed, validators, full, basePort } = manifest
  const scenario = readJson<ScenarioReport>(join(dir, REPORT_FILE))
  return {
    schemaVersion: 1,
    atMs: Date.now(),
    environment: {
      cores: cpus().length,
      processor: cpus()[0]?.model ?? 'unknown',
      memoryBytes: totalmem(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
    network: { network, chainId, seed, validators, full, basePort },
    nodes: manifest.nodes.map(({ id, name, jurisdiction, validator, process: started }) => ({
      ...{ id, name, jurisdiction, role: validator ? ('validator' as const) : ('full node' as const) },
      ...memoryOf(started),
    })),
    acts: readActs(controlPaths(dir).history),
    scenario,
    operations: operationsOf(scenario),
  }
}

function operationsOf(scenario: ScenarioReport | null): OperationFigures[] {
  return Object.entries(scenario?.load?.operations ?? {}).map(([operation, { done, failed, latency }]) => {
    const histogram = Histogram.from(latency)
    const at = (share: number): number | null => (histogram.count === 0 ? null : Math.round(histogram.percentile(share)))
    return { operation: operation as Operation, done, failed, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
  })
}

function readText(path: string, limit: number): string | null {
  try {
    const text = readFileSync(path, 'utf8')
    return text.length > limit ? text.slice(-limit) : text
  } catch {
    return null
  }
}

function readJson<T>(path: string): T | null {
  const text = readText(path, MAX_REPORT_BYTES)
  try {
    return text === null ? null : (JSON.parse(text) as T)
  } catch {
    return null
  }
}

/** A last line that was not written whole, as after a crash, is left out. */
function readActs(path: string): Done[] {
  return (readText(path, MAX_ACTS_BYTES) ?? '').split('\n').flatMap(line => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Done]
    } catch {
      return []
    }
  })
}
