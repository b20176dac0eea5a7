/** A network in one process: nodes on loopback, their stores in a temporary folder, keys from a seed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Person, personFromSeeds } from '../client/identity.ts'
import { createLightPeer, type LightPeer } from '../client/light-peer.ts'
import { EMERGENCY_DEFAULTS } from '../contracts/emergency-formats.ts'
import type { Genesis } from '../contracts/members-formats.ts'
import { equalBytes, toHex, u32, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { taggedHash } from '../encoding/hash.ts'
import { DEFAULT_DICTIONARIES } from '../fragments/dictionary/dictionary.ts'
import { peerIdOf } from '../network/peer.ts'
import { homePaths } from '../node/home.ts'
import { type NodeKeys, newNodeSecrets, nodeKeysFrom } from '../node/keys.ts'
import { type Node, startNode } from '../node/node.ts'
import { writeStaff } from '../node/staff.ts'
import { freePorts } from './ports.ts'

/** Organisations as `createTestNetwork` makes them, in this order. */
const ORGANISATIONS = [
  ['Kisumu Lakeside Hospital', 'KE'],
  ['Klinikum Spreebogen', 'DE'],
  ['Hospital Rio das Flores', 'BR'],
  ['Pune Riverside Hospital', 'IN'],
  ['Minato Hospital', 'JP'],
  ['Tema Harbour Clinic', 'GH'],
  ['Hôpital du Vieux Pont', 'FR'],
] as const
const LEAST_ORGANISATIONS = 4
const READY_MS = 30_000
const LOOK_MS = 10
const QUOTA_BYTES = 2 ** 30

export interface TestNetworkOptions {
  /** Hospitals, each a validator and a custodian: 4 to 7. @default 4 */
  organisations?: number
  /** Keys of everybody follow from it. @default 1 */
  seed?: number
  signal?: AbortSignal
}

export interface TestOrganisation {
  /** Account in the ledger. */
  readonly id: Uint8Array
  readonly name: string
  /** ISO 3166-1 alpha-2. */
  readonly jurisdiction: string
  /** TCP, then WebSockets. */
  readonly addresses: readonly string[]
}

/** A network that runs in this process. */
export interface TestNetwork extends AsyncDisposable {
  readonly genesis: Genesis
  readonly organisations: readonly TestOrganisation[]
  /** A light peer that knows all nodes, or these alone; it ends with the network. */
  connect(organisations?: readonly number[]): Promise<LightPeer>
  /** Somebody whom an organisation answers for, under a name that stands for their keys. @default organisation 0, role `physician` */
  person(name: string, options?: { organisation?: number; role?: string }): Promise<Person>
  /** Has the organisation of a person answer for their signing key: for keys that come from elsewhere. */
  vouch(person: Person): Promise<void>
  /** Ends an organisation's node, as a power cut would not: its store stays, and {@link TestNetwork.startNode} goes on with it. */
  stopNode(organisation: number): Promise<void>
  startNode(organisation: number): Promise<void>
  /** Waits until the nodes that run are connected to each other. */
  ready(options?: { signal?: AbortSignal }): Promise<void>
  /** Ends everything and removes it; fine to call more than once. */
  stop(): Promise<void>
}

/** Starts a network in this process. @throws EpioneError `invalid-argument`, `not-ready` */
export async function createTestNetwork(options: TestNetworkOptions = {}): Promise<TestNetwork> {
  const { organisations: count = LEAST_ORGANISATIONS, seed = 1, signal } = options
  if (!Number.isInteger(count) || count < LEAST_ORGANISATIONS || count > ORGANISATIONS.length) {
    throw new EpioneError(
      'invalid-argument',
      `A test network has ${LEAST_ORGANISATIONS} to ${ORGANISATIONS.length} organisations, not ${count}.`,
    )
  }
  const dir = await mkdtemp(join(tmpdir(), 'epione-testing-'))
  const net = new RealNetwork(dir, seed, await freePorts(2 * count))
  try {
    await Promise.all(net.organisations.map(async (_, index) => await net.startNode(index)))
    await net.ready({ signal })
    return net
  } catch (error) {
    await net.stop()
    throw error
  }
}

class RealNetwork implements TestNetwork {
  readonly genesis: Genesis
  readonly organisations: TestOrganisation[]
  readonly #dir: string
  readonly #seed: number
  readonly #keys: NodeKeys[]
  readonly #nodes = new Map<number, Node>()
  readonly #peers: LightPeer[] = []
  readonly #staff = new Map<number, { key: string; role: string }[]>()

  constructor(dir: string, seed: number, ports: readonly number[]) {
    this.#dir = dir
    this.#seed = seed
    const members = ORGANISATIONS.slice(0, ports.length / 2)
    this.#keys = members.map((_, index) => nodeKeysFrom(newNodeSecrets(name => this.#secret(`node ${index} ${name}`))))
    this.organisations = members.map(([name, jurisdiction], index) => {
      const peerId = peerIdOf(this.#key(index).network.publicKey)
      const [tcp, ws] = ports.slice(2 * index, 2 * index + 2)
      const addresses = [`/ip4/127.0.0.1/tcp/${tcp}/p2p/${peerId}`, `/ip4/127.0.0.1/tcp/${ws}/ws/p2p/${peerId}`]
      return { id: this.#key(index).account, name, jurisdiction, addresses }
    })
    const faults = Math.floor((members.length - 1) / 3)
    this.genesis = {
      version: 1,
      network: 'epione-testing',
      // The first block is due at once.
      time: Date.now() - 30_000,
      parameters: {
        n: 3 * faults + 1,
        k: faults + 1,
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
        policies: [{ name: 'anywhere', jurisdictions: null }],
        dictionaries: [...DEFAULT_DICTIONARIES],
      },
      organisations: this.organisations.map(({ name, jurisdiction }, index) => {
        const keys = this.#key(index)
        return {
          ...{ name, jurisdiction, kind: 'provider', power: 10, capacity: 100 },
          signingKey: keys.signing.publicKey,
          sealingKey: keys.sealing.publicKey,
          networkKey: keys.network.publicKey,
          consensusKey: keys.consensus.publicKey,
        }
      }),
    }
  }

  async connect(organisations: readonly number[] = [...this.organisations.keys()]): Promise<LightPeer> {
    const nodes = organisations.map(index => this.#organisation(index).addresses[0] as string)
    const peer = await createLightPeer({ nodes, genesis: this.genesis })
    this.#peers.push(peer)
    return peer
  }

  async person(name: string, options: { organisation?: number; role?: string } = {}): Promise<Person> {
    const { organisation = 0, role = 'physician' } = options
    const person = personFromSeeds({
      organisation: this.#organisation(organisation).id,
      role,
      signingSeed: this.#secret(`signing of ${name}`),
      sealingSeed: this.#secret(`sealing of ${name}`),
    })
    await this.vouch(person)
    return person
  }

  async vouch({ organisation: id, role, signing }: Person): Promise<void> {
    const organisation = this.organisations.findIndex(other => equalBytes(other.id, id))
    this.#organisation(organisation)
    const key = toHex(signing.publicKey)
    const staff = [...(this.#staff.get(organisation) ?? []).filter(other => other.key !== key), { key, role }]
    this.#staff.set(organisation, staff)
    await writeStaff(homePaths(this.#home(organisation)).staff, staff)
  }

  async startNode(organisation: number): Promise<void> {
    if (this.#nodes.has(organisation)) return
    const { addresses } = this.#organisation(organisation)
    const node = await startNode(
      {
        paths: homePaths(this.#home(organisation)),
        genesis: this.genesis,
        keys: this.#key(organisation),
        listen: addresses.map(address => address.slice(0, address.indexOf('/p2p/'))),
        bootstrap: this.organisations.filter((_, other) => other !== organisation).map(other => other.addresses[0] as string),
        quotaBytes: QUOTA_BYTES,
      },
      { logger: SILENT },
    )
    this.#nodes.set(organisation, node)
  }

  async stopNode(organisation: number): Promise<void> {
    const node = this.#nodes.get(organisation)
    this.#nodes.delete(organisation)
    await node?.stop()
  }

  async ready({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const until = Date.now() + READY_MS
    const nodes = [...this.#nodes.values()]
    const isReady = (): boolean => nodes.every(node => node.status().peers.members >= nodes.length - 1 && node.chain.tip.header.height > 0)
    while (!isReady()) {
      signal?.throwIfAborted()
      if (Date.now() > until) throw new EpioneError('not-ready', `The test network made no block within ${READY_MS / 1000} s.`)
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#peers.splice(0).map(async peer => await peer.stop()))
    await Promise.all([...this.#nodes.keys()].map(async index => await this.stopNode(index)))
    await rm(this.#dir, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #home(organisation: number): string {
    return join(this.#dir, `node${organisation + 1}`)
  }

  #organisation(index: number): TestOrganisation {
    const found = this.organisations[index]
    if (found === undefined)
      throw new EpioneError('invalid-argument', `There are ${this.organisations.length} organisations, and none at ${index}.`)
    return found
  }

  #key(index: number): NodeKeys {
    return this.#keys[index] as NodeKeys
  }

  /** Good for repeating a run, worthless as a secret. */
  #secret(name: string): Uint8Array {
    return taggedHash('testing-secret', u32(this.#seed), utf8(name))
  }
}

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
