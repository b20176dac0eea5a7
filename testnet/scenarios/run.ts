/** Runs a scenario on a network of its own, and says whether everything held, and why not. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { Mind } from '../control/mind.ts'
import { createTestnet, type Testnet, type TestnetOptions } from '../launcher/testnet.ts'
import { Load, type LoadReport } from '../load/load.ts'
import { seededRandom } from '../population/random.ts'
import { type City, oneWayMs } from '../simulator/cities.ts'
import { type InvariantReport, Invariants } from './invariants.ts'
import type { ScenarioManifest } from './manifest.ts'
import { chooseNodes, playSteps, type StepReport } from './play-steps.ts'
import { ScenarioFailure, Scene } from './scene.ts'

export interface RunOptions {
  /** Folder of the network; it is made. */
  dir: string
  /** Fixes keys, content, whom faults hit, and when the load comes. */
  seed: number
  basePort?: number
  /** Whether the network goes on afterwards. @default false */
  keep?: boolean
  signal?: AbortSignal
  /** Told of each step when it is over. */
  onStep?: (report: StepReport) => void
  progress?: (text: string) => void
}

export interface ScenarioReport {
  schemaVersion: 1
  id: string
  title: string
  seed: number
  /** Whether every expectation and every invariant held. */
  held: boolean
  /** Why not; null where they did. */
  cause: string | null
  /** When it began, in ms since the epoch, and how long it took, in ms. */
  startedMs: number
  tookMs: number
  /** Whom the seed chose. */
  chosen: Readonly<Record<string, string>>
  manifest: ScenarioManifest
  steps: StepReport[]
  invariants: InvariantReport[]
  load: LoadReport | null
}

const PORT_TRIES = 3

/** File in the network's folder with the report. */
export const REPORT_FILE = 'scenario.json'

/**
 * Runs it to its end or to the first thing that does not hold. What does not hold is in the report and no error.
 * @throws EpioneError `port-in-use`, `testnet-exists`, `node-failed`, and the signal's reason where it aborts
 */
export async function runScenario(manifest: ScenarioManifest, options: RunOptions): Promise<ScenarioReport> {
  const { dir, seed, basePort, progress = () => undefined } = options
  const startedMs = Date.now()
  const began = performance.now()
  const { validators, full_nodes: full, heartbeat, audit_window, fragments, cities } = manifest.network
  progress(`starting ${validators + full} nodes in ${dir}`)
  const net = await onFreePorts(dir, basePort, {
    dir,
    seed,
    validators,
    full,
    heartbeatMs: heartbeat,
    auditWindowMs: audit_window,
    ...(fragments === undefined ? {} : { fragments: { n: fragments.of, k: fragments.enough } }),
    minded: true,
    timeoutMs: 30_000 + 5_000 * (validators + full),
    signal: options.signal,
  })
  const report: ScenarioReport = {
    schemaVersion: 1,
    id: manifest.id,
    title: manifest.title,
    seed,
    held: false,
    cause: null,
    startedMs,
    tookMs: 0,
    chosen: {},
    manifest,
    steps: [],
    invariants: [],
    load: null,
  }
  try {
    if (cities !== undefined) {
      const cityOf = (index: number): City => cities[index % cities.length] as City
      net.links?.setClimate((from, to) => oneWayMs(cityOf(from), cityOf(to)))
    }
    await play(net, manifest, report, options)
    return report
  } finally {
    report.tookMs = Math.round(performance.now() - began)
    writeFileSync(join(net.dir, REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 })
    if (options.keep === true) {
      await net.leave()
      await net.links?.stop()
    } else await net.stop()
  }
}

/** Other programs may take a port between the look for a free range and the start: then another range is looked for. */
async function onFreePorts(dir: string, basePort: number | undefined, options: TestnetOptions): Promise<Testnet> {
  for (let tries = 1; ; tries++) {
    try {
      return await createTestnet({ ...options, ...(basePort === undefined ? {} : { basePort }) })
    } catch (error) {
      if (errorCode(error) !== 'port-in-use' || basePort !== undefined || tries === PORT_TRIES) throw error
      for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true, force: true })
    }
  }
}

async function play(net: Testnet, manifest: ScenarioManifest, report: ScenarioReport, options: RunOptions): Promise<void> {
  const { seed, onStep, progress = () => undefined } = options
  const ended = new AbortController()
  const end = (cause: string): void => ended.abort(new ScenarioFailure(cause))
  const limit = setTimeout(() => end(`The scenario was not over after ${manifest.timeout / 1000} s.`), manifest.timeout)
  const signal = options.signal === undefined ? ended.signal : AbortSignal.any([ended.signal, options.signal])
  const mind = new Mind(net)
  let load: Load | null = null
  let invariants: Invariants | undefined
  let scene: Scene | undefined
  try {
    await mind.serve()
    if (manifest.load !== null) {
      const { rate, arrivals, mix } = manifest.load
      progress('preparing the load')
      load = await Load.start(net, { seed, mix, loop: { perSecond: rate, arrivals } })
    }
    scene = new Scene({ net, mind, load, seed, signal, progress, random: seededRandom(seed) })
    chooseNodes(scene, manifest.choose)
    report.chosen = scene.chosen
    scene.liars = manifest.liars.map(name => (scene as Scene).id((scene as Scene).index(name)))
    invariants = await Invariants.watch(scene, { onBroken: end })
    await playSteps(scene, manifest.steps, step => {
      report.steps.push(step)
      onStep?.(step)
    })
    if (load !== null) await load.finish()
    report.invariants = await invariants.finish()
    invariants = undefined
    const broken = report.invariants.find(({ held }) => !held)
    report.held = broken === undefined
    report.cause = broken?.note ?? null
  } catch (error) {
    options.signal?.throwIfAborted()
    const cause = ended.signal.aborted ? (ended.signal.reason as unknown) : error
    if (!(cause instanceof EpioneError)) throw cause
    report.cause = cause.message
  } finally {
    clearTimeout(limit)
    report.load = load?.report() ?? null
    await invariants?.stop()
    await load?.stop()
    await scene?.stop()
    await mind.stop()
  }
}
