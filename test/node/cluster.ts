/** A network of full nodes in one process, over loopback, with seeded keys: real disks, real cryptography, real consensus. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createEnrolment,
  type FolderAddress,
  findOwnedFolder,
  type OwnedFolder,
  openFolders,
  type Wallet,
} from '../../src/client/folders.ts'
import { type Person, personFromSeeds, type SeededPerson } from '../../src/client/identity.ts'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { contentOf } from '../../src/client/record-object.ts'
import type { Provision, RecordClass } from '../../src/contracts/consent-terms.ts'
import { EMERGENCY_DEFAULTS } from '../../src/contracts/emergency-formats.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import type { Genesis, Organisation } from '../../src/contracts/members-formats.ts'
import { toHex, u32, utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { DEFAULT_DICTIONARIES } from '../../src/fragments/dictionary/dictionary.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { homePaths } from '../../src/node/home.ts'
import { type NodeKeys, newNodeSecrets, nodeKeysFrom } from '../../src/node/keys.ts'
import type { Logger } from '../../src/node/logger.ts'
import { type Node, type NodeOptions, startNode } from '../../src/node/node.ts'
import { type Person as StaffMember, writeStaff } from '../../src/node/staff.ts'

const MEMBERS = [
  ['Lakeside Hospital', 'KE'],
  ['Spree Clinic', 'DE'],
  ['Serra Hospital', 'BR'],
  ['Coast Hospital', 'IN'],
  ['Minato Hospital', 'JP'],
  ['Harbour Clinic', 'GH'],
] as const
/** Founding members of a test network, unless a test asks for more. */
const FOUNDERS = 4

/** Operating systems hand out ports from 32768 on by themselves. */
const PORTS = { from: 13_000, to: 32_700 }
const LIMIT_MS = 40_000

/** 32 bytes that a name stands for. */
export function seedOf(name: string, index = 0): Uint8Array {
  return taggedHash('test', utf8(name), u32(index))
}

const made = new Map<number, NodeKeys>()

/** The keys of node `index` of every test network. */
export function nodeKeys(index: number): NodeKeys {
  const keys = made.get(index) ?? nodeKeysFrom(newNodeSecrets(name => seedOf(`node ${name}`, index)))
  made.set(index, keys)
  return keys
}

/** The organisation of node `index`, a validator of weight 1. */
export function organisationOf(index: number): Organisation {
  const [name, jurisdiction] = MEMBERS[index] as (typeof MEMBERS)[number]
  const keys = nodeKeys(index)
  return {
    name,
    jurisdiction,
    kind: 'provider',
    signingKey: keys.signing.publicKey,
    sealingKey: keys.sealing.publicKey,
    networkKey: keys.network.publicKey,
    consensusKey: keys.consensus.publicKey,
    power: 1,
    capacity: 1,
  }
}

/** A network of four hospitals, with the usual parameters. */
export function genesisOf(changes: Partial<Genesis> = {}, parameters: Partial<Genesis['parameters']> = {}): Genesis {
  return {
    version: 1,
    network: 'test',
    time: Date.now() - 1000,
    parameters: {
      n: 4,
      k: 2,
      heartbeatMs: 30_000,
      proposeTimeoutMs: 1_000,
      voteTimeoutMs: 500,
      timeoutGrowthMs: 500,
      sponsorQuota: 1_000_000,
      folderQuota: 16,
      auditWindowMs: 300_000,
      emergency: EMERGENCY_DEFAULTS,
      recoveryWaitMs: 72 * 3_600_000,
      recoverySecondWaitMs: 14 * 24 * 3_600_000,
      policies: [{ name: 'any', jurisdictions: null }],
      dictionaries: [...DEFAULT_DICTIONARIES],
      ...parameters,
    },
    organisations: Array.from({ length: FOUNDERS }, (_, index) => organisationOf(index)),
    ...changes,
  }
}

/** Asks until `check` gives something true; only what never comes true ends by time. */
export async function eventually<T>(check: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
  const deadline = Date.now() + LIMIT_MS
  for (;;) {
    const value = await check()
    if (value) return value as NonNullable<T>
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Free ports, from a place that follows from the process's id: test files run side by side. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  const span = PORTS.to - PORTS.from
  for (let i = 0; ports.length < count && i < span; i++) {
    const port = PORTS.from + ((process.pid * 53 + i) % span)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

export interface LogLine {
  node: number
  level: keyof Logger
  message: string
  fields: Record<string, unknown>
}

export interface ClusterOptions {
  /** Nodes that are started at once; all, if left out. */
  start?: readonly number[]
  parameters?: Partial<Genesis['parameters']>
  /** Founding members, all of them validators. @default 4 */
  founders?: number
  /** Nodes after those of the founders whose organisations are no members yet. @default 0 */
  newcomers?: number
  /** Other options of the nodes. */
  node?: Partial<NodeOptions>
}

/** Most log lines that are kept. */
const MAX_LOG = 20_000

export class Cluster {
  readonly dir: string
  readonly genesis: Genesis
  readonly keys: NodeKeys[]
  /** Addresses with peer ids. */
  readonly addresses: string[]
  /** What each node's clock is ahead of the machine's, in ms. */
  readonly clockOffsets: number[]
  readonly log: LogLine[] = []
  readonly #running = new Map<number, Node>()
  readonly #peers: LightPeer[] = []
  readonly #nodeOptions: Partial<NodeOptions>

  private constructor(dir: string, genesis: Genesis, ports: readonly number[], nodeOptions: Partial<NodeOptions>) {
    this.#nodeOptions = nodeOptions
    this.dir = dir
    this.genesis = genesis
    this.keys = ports.map((_, index) => nodeKeys(index))
    this.addresses = ports.map((port, index) => `/ip4/127.0.0.1/tcp/${port}/p2p/${peerIdOf(this.#key(index).network.publicKey)}`)
    this.clockOffsets = ports.map(() => 0)
  }

  /** Starts the nodes and waits until they are connected to each other. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const { founders = FOUNDERS, newcomers = 0 } = options
    const organisations = Array.from({ length: founders }, (_, index) => organisationOf(index))
    const genesis = genesisOf({ organisations }, options.parameters)
    const dir = await mkdtemp(join(tmpdir(), 'epione-cluster-'))
    const cluster = new Cluster(dir, genesis, await freePorts(founders + newcomers), options.node ?? {})
    try {
      await Promise.all((options.start ?? organisations.map((_, index) => index)).map(async index => await cluster.startNode(index)))
      await cluster.connected()
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  #key(index: number): NodeKeys {
    const keys = this.keys[index]
    if (keys === undefined) throw new Error(`there is no node ${index}`)
    return keys
  }

  /** Room on the nodes' disks, as they see it. */
  disk = { freeBytes: 2 ** 40, totalBytes: 2 ** 41 }

  home(index: number): string {
    return join(this.dir, `node-${index}`)
  }

  now(index: number): number {
    return Date.now() + (this.clockOffsets[index] ?? 0)
  }

  async startNode(index: number, genesis = this.genesis): Promise<Node> {
    const line =
      (level: keyof Logger) =>
      (fields: object, message: string): void => {
        if (this.log.length < MAX_LOG) this.log.push({ node: index, level, message, fields: { ...fields } })
        if (process.env.EPIONE_TEST_LOG !== undefined && level !== 'debug') console.log(index, level, message, JSON.stringify(fields))
      }
    const address = this.addresses[index] as string
    const node = await startNode(
      {
        paths: homePaths(this.home(index)),
        genesis,
        keys: this.#key(index),
        listen: [address.slice(0, address.indexOf('/p2p/'))],
        bootstrap: this.addresses.filter((_, other) => other !== index),
        quotaBytes: 2 ** 30,
        ...this.#nodeOptions,
      },
      {
        logger: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
        now: () => this.now(index),
        statDisk: async () => this.disk,
      },
    )
    this.#running.set(index, node)
    return node
  }

  async stopNode(index: number): Promise<void> {
    const node = this.node(index)
    this.#running.delete(index)
    await node.stop()
  }

  /** A node that runs. */
  node(index: number): Node {
    const node = this.#running.get(index)
    if (node === undefined) throw new Error(`node ${index} does not run`)
    return node
  }

  running(): Node[] {
    return [...this.#running.values()]
  }

  /** Waits until every running node is connected to all the others. */
  async connected(): Promise<void> {
    const nodes = this.running()
    await eventually(() => nodes.every(node => node.status().peers.members >= nodes.length - 1), 'the nodes are connected')
  }

  /** Waits until every running node has a block above `height`, the highest that any of them has by default. */
  async commits(height = Math.max(...this.running().map(node => node.chain.tip.header.height))): Promise<void> {
    await eventually(() => this.running().every(node => node.chain.tip.header.height > height), `blocks above ${height}`)
  }

  /** Waits until all running nodes have the same tip. */
  async agree(): Promise<void> {
    await eventually(() => new Set(this.running().map(node => toHex(node.chain.tip.hash))).size === 1, 'one tip')
  }

  /** Lines of the log that are errors: what no test expects. */
  errors(): string[] {
    return this.log
      .filter(({ level }) => level === 'error')
      .map(({ node, message, fields }) => `${node}: ${message} ${JSON.stringify(fields)}`)
  }

  person(organisation: number, role = 'physician', index = 0): SeededPerson {
    return personFromSeeds({
      organisation: this.#key(organisation).account,
      role,
      signingSeed: seedOf(`signing ${organisation} ${role}`, index),
      sealingSeed: seedOf(`sealing ${organisation} ${role}`, index),
    })
  }

  /** Makes people staff of their organisation, instead of those who were. */
  async staff(organisation: number, people: readonly Person[]): Promise<void> {
    const members: StaffMember[] = people.map(person => ({ key: toHex(person.signing.publicKey), role: person.role }))
    await writeStaff(homePaths(this.home(organisation)).staff, members)
  }

  /** A light peer that starts from the genesis document and knows these nodes; all, if left out. */
  async peer(nodes: readonly (number | string)[] = this.addresses, now?: () => number): Promise<LightPeer> {
    const addresses = nodes.map(node => (typeof node === 'number' ? (this.addresses[node] as string) : node))
    const peer = await createLightPeer({ nodes: addresses, genesis: this.genesis, now })
    this.#peers.push(peer)
    return peer
  }

  async stop(): Promise<void> {
    await Promise.all(this.#peers.splice(0).map(async peer => await peer.stop()))
    await Promise.all([...this.#running.keys()].map(async index => await this.stopNode(index)))
    await rm(this.dir, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

export function walletOf(name: string): Wallet {
  return {
    seed: seedOf(`wallet ${name}`),
    recoveryKeyHashes: Array.from({ length: 8 }, (_, index) => seedOf(`recovery of ${name}`, index)),
  }
}

export interface TestFolder {
  wallet: Wallet
  address: FolderAddress
  owned: OwnedFolder
}

/** A patient's new folder, opened by a person of its author organisation. */
export async function openFolder(peer: LightPeer, author: Person, name: string, label: Label = 'normal'): Promise<TestFolder> {
  const wallet = walletOf(name)
  const enrolment = createEnrolment(wallet, { chainId: peer.chainId, organisation: author.organisation, firstIndex: 0, labels: [label] })
  const { folders } = await openFolders(peer, author, enrolment)
  const address = folders[0] as FolderAddress
  return { wallet, address, owned: await findOwnedFolder(peer, wallet, address.id) }
}

/** Records of a few bytes each. */
export function textRecords(texts: readonly string[], recordClass: RecordClass = 'laboratory') {
  return texts.map(content => ({ mediaType: 'text/plain', class: recordClass, content: contentOf(utf8(content)) }))
}

/** A permit for one person, for a month. */
export function permitTo(person: Person, changes: Partial<Provision> = {}): Provision {
  return {
    decision: 'permit',
    grantee: { type: 'person', value: { organisation: person.organisation, key: person.signing.publicKey } },
    purposes: ['TREAT'],
    classes: [],
    dataPeriod: null,
    authors: [],
    validity: { start: Date.now() - 60_000, end: Date.now() + 30 * 86_400_000 },
    exceptions: [],
    ...changes,
  }
}

/** The network takes acts and decides blocks on all nodes. */
export async function lives(cluster: Cluster, name: string): Promise<void> {
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const height = Math.max(...cluster.running().map(node => node.chain.tip.header.height))
  await openFolder(peer, author, name)
  await cluster.commits(height)
  await peer.stop()
}
