/**
 * A network of real processes on loopback: for the command `epione testnet`, the demo, and tests.
 *
 *     await using net = await createTestnet({ dir, validators: 4 })
 *     const peer = await createLightPeer({ nodes: net.nodes[0].addresses, genesis: net.genesis })
 */
import type { ChildProcess } from 'node:child_process'
import { extname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { parseHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readGenesis } from '../../src/node/genesis-file.ts'
import { homePaths } from '../../src/node/home.ts'
import type { LogLevel, NodeConfig } from '../../src/node/settings.ts'
import { type Person, readStaff, writeStaff } from '../../src/node/staff.ts'
import type { NodeStatus } from '../../src/node/status.ts'
import { readLinkPorts, writeLinkPorts } from '../faults/link-ports.ts'
import { Links } from '../faults/links.ts'
import { type NodeFaults, readNodeFaults, writeNodeFaults } from '../faults/node-faults.ts'
import { FAULTS_VARIABLE } from '../faults/variables.ts'
import { writeHomes } from './homes.ts'
import { tailOf } from './logs.ts'
import { type Manifest, type ManifestNode, readManifest, writeManifest } from './manifest.ts'
import { HEARTBEAT_MS, planTestnet, type StaffSeeds } from './plan.ts'
import { assertFreePorts, findBasePort, portsOf } from './ports.ts'
import { createProbe, type Probe } from './probe.ts'
import { isRunning, signalProcess, startProcess, stopProcess } from './processes.ts'
import { waitFor } from './wait.ts'

export const DEFAULT_SEED = 7
const DEFAULT_VALIDATORS = 4
const READY_MS = 30_000
/** Nodes look at their faults ten times a second, see faults/inject.ts. */
const FAULTS_SEEN_MS = 200
/** In a node's home: what is wrong within it. */
const FAULTS_FILE = 'faults.json'
const INJECT = join(import.meta.dirname, '..', 'faults', `inject${extname(import.meta.filename)}`)

export interface TestnetOptions {
  /** Folder of the testnet. One that holds a testnet already is started again as it is. */
  dir: string
  /** @default 4 */
  validators?: number
  /** Nodes that follow and store without voting. @default 0 */
  full?: number
  /** Fixes all keys. @default 7 */
  seed?: number
  /** Node i listens at `basePort + 10 i` (TCP) and the port after (WebSockets). @default a free range */
  basePort?: number
  /** Whether the nodes outlive this process. @default false */
  detached?: boolean
  /**
   * Whether the nodes reach each other through links that can be cut (see {@link Testnet.links}). They live in this process: not
   * with `detached`. @default false
   */
  links?: boolean
  /**
   * For the process that minds a detached testnet and lives as long as it does: its nodes have links, which begin again at the same
   * ports where nodes run that know them, and can be given faults (see {@link Testnet.setFaults}). @default false
   */
  minded?: boolean
  /** Longest silence between two blocks, in ms. @default 30 000 */
  heartbeatMs?: number
  /** Span of time in which audits count together, in ms: each validator asks every custodian about four times. @default 10 000 */
  auditWindowMs?: number
  /** Fragments of a version, and how many of them are needed; read when the testnet is made. @default as many as the nodes allow */
  fragments?: { n: number; k: number }
  /** Waits of recoveries, in ms; three days and two weeks, if left out. */
  recoveryWaits?: { firstMs: number; secondMs: number }
  /** @default 'info' */
  logLevel?: LogLevel
  /** Settings of every node; read when the testnet is made. */
  config?: Partial<NodeConfig>
  /** Longest wait for the network to agree on its first block, in ms. @default 30 000 */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface TestnetNode {
  /** `node1` and so on. */
  readonly id: string
  /** Name of the organisation. */
  readonly name: string
  /** ISO 3166-1 alpha-2. */
  readonly jurisdiction: string
  readonly validator: boolean
  readonly home: string
  /** TCP, then WebSockets; each with the peer's id. */
  readonly addresses: readonly string[]
  /** Account of the organisation. */
  readonly account: Uint8Array
  /** Its process, or null while it has none. */
  readonly pid: number | null
}

export class Testnet {
  readonly nodes: readonly TestnetNode[]
  readonly genesis: Genesis
  readonly genesisPath: string
  readonly chainId: Uint8Array
  readonly dir: string
  readonly passphraseFile: string
  readonly manifest: Manifest
  /** What the nodes reach each other by; null where the testnet was made without. Light peers connect past it. */
  readonly links: Links | null
  readonly #detached: boolean
  readonly #minded: boolean
  readonly #registrars: readonly StaffSeeds[]
  readonly #children = new Map<number, ChildProcess>()
  readonly #onExit = (): void => {
    for (const child of this.#children.values()) child.kill('SIGKILL')
  }
  /** Nodes that this object started, not found running. */
  readonly #started = new Set<ManifestNode>()
  #probe: Promise<Probe> | undefined

  /** Use {@link createTestnet}. */
  constructor(
    manifest: Manifest,
    genesis: Genesis,
    registrars: readonly StaffSeeds[],
    { detached, links, minded }: { detached: boolean; links: Links | null; minded: boolean },
  ) {
    this.#minded = minded
    this.manifest = manifest
    this.links = links
    this.genesis = genesis
    this.genesisPath = manifest.genesis
    this.chainId = hexBytes(manifest.chainId)
    this.dir = manifest.directory
    this.passphraseFile = manifest.passphraseFile
    this.#registrars = registrars
    this.#detached = detached
    this.nodes = manifest.nodes.map(node => ({
      id: node.id,
      name: node.name,
      jurisdiction: node.jurisdiction,
      validator: node.validator,
      home: node.home,
      addresses: node.addresses,
      account: hexBytes(node.account),
      get pid() {
        return node.process?.pid ?? null
      },
    }))
    if (!detached) process.once('exit', this.#onExit)
  }

  /** Starts the nodes that do not run; each that does is left alone. @throws EpioneError `port-in-use`, `node-failed` */
  async start(): Promise<void> {
    const stopped: ManifestNode[] = []
    for (const node of this.manifest.nodes) if (!(await isRunning(node))) stopped.push(node)
    const numbers = stopped.map(node => Number(node.id.slice('node'.length)))
    await assertFreePorts(this.manifest.basePort, numbers)
    for (const node of stopped) await this.#spawn(node)
  }

  /**
   * Waits until every node is connected to every validator, agrees with them, has at least one block, and votes where it is a validator.
   * @throws EpioneError `node-failed` where one ended, with the end of its log; `timeout` with what each node says
   */
  async ready(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<NodeStatus[]> {
    const { timeoutMs = READY_MS, signal } = options
    let seen: (NodeStatus | null)[] = []
    try {
      return await waitFor(
        async () => {
          await this.#assertRunning()
          seen = await Promise.all(this.nodes.map(async (_, index) => await this.status(index)))
          const ready = seen.filter(status => status !== null && isReady(status))
          return ready.length === seen.length ? (ready as NodeStatus[]) : null
        },
        { timeoutMs, signal, what: 'a network in agreement' },
      )
    } catch (error) {
      if (!(error instanceof EpioneError) || error.code !== 'timeout') throw error
      const states = this.nodes.map(({ id }, index) => `${id}: ${seen[index]?.summary ?? 'no answer'}`)
      throw new EpioneError('timeout', `${error.message}. ${states.join(' ')} The logs are in ${this.dir}.`, { cause: error })
    }
  }

  /** What a node says of itself, or null where it does not answer. */
  async status(index: number): Promise<NodeStatus | null> {
    const node = this.#node(index)
    this.#probe ??= createProbe()
    return await (await this.#probe).status(node.addresses[0]!)
  }

  /** Sends a signal to a node; one that ends it is waited for. @param signal SIGSTOP pauses, SIGCONT resumes */
  async kill(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const node = this.#node(index)
    if (node.process === null || !(await isRunning(node))) return
    signalProcess(node.process.pid, signal)
    if (signal !== 'SIGKILL' && signal !== 'SIGTERM' && signal !== 'SIGINT') return
    await waitFor(async () => !(await isRunning(node)), { what: `the end of ${node.id}`, everyMs: 25, timeoutMs: 15_000 })
    this.#forget(index)
  }

  /** Starts a node that was ended, or ends and starts it, and waits until it answers. @throws EpioneError `node-failed`, `timeout` */
  async restart(index: number, options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<NodeStatus> {
    const node = this.#node(index)
    await stopProcess(node)
    this.#forget(index)
    await this.#spawn(node)
    return await waitFor(
      async () => {
        await this.#assertRunning([node])
        return await this.status(index)
      },
      { ...options, what: `an answer of ${node.id}` },
    )
  }

  /** Id of a node's process; null where none runs. */
  async runningPid(index: number): Promise<number | null> {
    const node = this.#node(index)
    return (await isRunning(node)) ? (node.process?.pid ?? null) : null
  }

  /** Starts a node that does not run, and does not wait for it; one that runs is left alone. */
  async launch(index: number): Promise<void> {
    const node = this.#node(index)
    if (await isRunning(node)) return
    await assertFreePorts(this.manifest.basePort, [index + 1])
    await this.#spawn(node)
  }

  /** Asks a node to end, and sees to it. @returns whether it did by itself; null where it did not run */
  async end(index: number): Promise<boolean | null> {
    const node = this.#node(index)
    if (!(await isRunning(node))) return null
    const byItself = await stopProcess(node)
    this.#forget(index)
    return byItself
  }

  /** What is wrong within a node. Of a minded testnet. */
  faults(index: number): NodeFaults {
    return readNodeFaults(this.#faultsPath(index))
  }

  /** Makes something wrong within a node, or right again. A node that runs has seen it when this is over; it holds at a later start too. */
  async setFaults(index: number, faults: Partial<NodeFaults>): Promise<void> {
    if (!this.#minded) throw new EpioneError('invalid-argument', 'only the nodes of a minded testnet can be given faults')
    writeNodeFaults(this.#faultsPath(index), { ...this.faults(index), ...faults })
    await sleep(FAULTS_SEEN_MS)
  }

  #faultsPath(index: number): string {
    return join(this.#node(index).home, FAULTS_FILE)
  }

  /** Keys of a member of staff whom the node's organisation vouches for, as `personFromSeeds` takes them. */
  registrar(index: number): StaffSeeds {
    this.#node(index)
    return this.#registrars[index]!
  }

  /** Has a node's organisation answer for one more person; the node reads the change at once. */
  async addStaff(index: number, person: Person): Promise<void> {
    const path = homePaths(this.#node(index).home).staff
    const others = (await readStaff(path)).filter(({ key }) => key !== person.key)
    await writeStaff(path, [...others, person])
  }

  /**
   * Ends every node, or those alone that this object started; fine to call more than once. Nothing is removed.
   */
  async stop(options: { onlyStarted?: boolean } = {}): Promise<void> {
    await this.leave()
    const nodes = this.manifest.nodes.filter(node => options.onlyStarted !== true || this.#started.has(node))
    await Promise.all(nodes.map(async node => await stopProcess(node)))
    for (const node of nodes) this.#forget(this.manifest.nodes.indexOf(node))
    await this.links?.stop()
    process.removeListener('exit', this.#onExit)
  }

  /** Ends what this object holds open, and leaves the nodes alone. */
  async leave(): Promise<void> {
    const probe = this.#probe
    this.#probe = undefined
    await (await probe)?.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #node(index: number): ManifestNode {
    const node = this.manifest.nodes[index]
    if (node === undefined) throw new RangeError(`the testnet has ${this.manifest.nodes.length} nodes, and none at ${index}`)
    return node
  }

  async #spawn(node: ManifestNode): Promise<void> {
    const index = this.manifest.nodes.indexOf(node)
    const { execArgv = [], env = {} } = this.links?.start(index) ?? {}
    const faults = this.#minded ? { execArgv: ['--import', INJECT], env: { [FAULTS_VARIABLE]: this.#faultsPath(index) } } : null
    const { child, process: started } = await startProcess(node, {
      detached: this.#detached,
      execArgv: [...execArgv, ...(faults?.execArgv ?? [])],
      env: { ...env, ...faults?.env },
    })
    if (!this.#detached) this.#children.set(started.pid, child)
    this.#started.add(node)
    node.process = started
    writeManifest(this.manifest)
  }

  #forget(index: number): void {
    const node = this.#node(index)
    if (node.process === null) return
    this.#children.delete(node.process.pid)
    node.process = null
    writeManifest(this.manifest)
  }

  async #assertRunning(nodes: readonly ManifestNode[] = this.manifest.nodes): Promise<void> {
    for (const node of nodes) {
      if (await isRunning(node)) continue
      throw new EpioneError('node-failed', `${node.id} ended by itself. The end of ${node.log}:\n${(await tailOf(node.log, 5)).join('\n')}`)
    }
  }
}

function isReady({ state, height, validator, validators, consensus }: NodeStatus): boolean {
  // One that starts after the first block keeps silent for a few more; before it votes, the network does not bear a loss.
  const votes = !validator || consensus?.notVotingBecause === null
  return state === 'ok' && height >= 1 && votes && validators.every(({ connected }) => connected)
}

function hexBytes(text: string): Uint8Array {
  const bytes = parseHex(text)
  if (bytes === undefined) throw new EpioneError('config-invalid', 'net.json holds an id that is not hexadecimal')
  return bytes
}

/** Refuses options under which a testnet that is there already was not made. */
function checkSame(manifest: Manifest, options: TestnetOptions): void {
  for (const name of ['validators', 'full', 'seed', 'basePort'] as const) {
    if (options[name] === undefined || options[name] === manifest[name]) continue
    throw new EpioneError(
      'testnet-exists',
      `${manifest.directory} holds a testnet with another ${name} (${manifest[name]}); remove it with: epione testnet down --clean --dir ${manifest.directory}`,
    )
  }
}

/** Makes a testnet's folder, or opens it where it is there. Starts nothing. */
export async function openTestnet(options: TestnetOptions): Promise<Testnet> {
  const dir = resolve(options.dir)
  const minded = options.minded ?? false
  const detached = options.detached ?? minded
  if (detached && options.links === true) {
    throw new EpioneError('invalid-argument', 'links live in the process that makes them: a testnet with links cannot be detached')
  }
  const found = readManifest(dir)
  if (found !== null) {
    checkSame(found, options)
    const { validators, full, seed, basePort } = found
    const plan = planTestnet({ dir, validators, full, seed, basePort })
    return new Testnet(
      found,
      await readGenesis(found.genesis),
      plan.nodes.map(node => node.registrar),
      { detached, minded, links: await openLinks(found, options) },
    )
  }
  const validators = options.validators ?? DEFAULT_VALIDATORS
  const full = options.full ?? 0
  const basePort = options.basePort ?? (await findBasePort(validators + full))
  const { fragments, recoveryWaits, seed = DEFAULT_SEED } = options
  const plan = planTestnet({ dir, validators, full, seed, basePort, fragments, recoveryWaits })
  await assertFreePorts(
    basePort,
    plan.nodes.map(node => node.number),
  )
  const { logLevel = 'info', heartbeatMs = HEARTBEAT_MS, auditWindowMs, config = {} } = options
  // The first block is due at once: whoever waits for it sees at once that the network works.
  const { manifest, genesis } = await writeHomes(plan, {
    logLevel,
    heartbeatMs,
    auditWindowMs,
    operations: detached,
    config,
    genesisTimeMs: Date.now() - heartbeatMs,
  })
  writeManifest(manifest)
  return new Testnet(
    manifest,
    genesis,
    plan.nodes.map(node => node.registrar),
    { detached, minded, links: await openLinks(manifest, options) },
  )
}

async function openLinks({ basePort, nodes, directory, seed }: Manifest, options: TestnetOptions): Promise<Links | null> {
  if (options.links !== true && options.minded !== true) return null
  const ports = nodes.map((_, index) => portsOf(basePort, index + 1))
  if (options.minded !== true) return await Links.open(ports, { seed })
  const running = await Promise.all(nodes.map(async node => await isRunning(node)))
  if (running.includes(true)) {
    const links = await Links.open(ports, { at: readLinkPorts(directory), seed })
    if (links !== null) return links
    const message = `Nodes of ${directory} run whose links cannot be opened again: stop them with: epione testnet down --dir ${directory}`
    throw new EpioneError('port-in-use', message)
  }
  const links = await Links.open(ports, { seed })
  writeLinkPorts(directory, links.ports())
  return links
}

/**
 * A testnet that runs and agrees: its nodes are processes that end with this one, or outlive it where `detached`.
 * @throws EpioneError `invalid-argument`, `port-in-use`, `testnet-exists`, `node-failed`, `timeout`
 */
export async function createTestnet(options: TestnetOptions): Promise<Testnet> {
  const net = await openTestnet(options)
  try {
    await net.start()
    await net.ready({ timeoutMs: options.timeoutMs, signal: options.signal })
    return net
  } catch (error) {
    await net.stop({ onlyStarted: true })
    throw error
  }
}
