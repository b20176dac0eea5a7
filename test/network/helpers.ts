/** Networks over loopback TCP for tests. */
import type { Datastore } from 'interface-datastore'
import { createNetwork, type Network, type NetworkOptions } from '../../src/network/network.ts'

export function seed(i: number): Uint8Array {
  return new Uint8Array(32).fill(i)
}

/** Waits for a condition; only a condition that never comes true ends by time. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 40_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Collects the networks of a test and stops those that still run. */
export class Testbed {
  readonly #running: Network[] = []

  async full(i: number, options: Partial<NetworkOptions> = {}, datastore?: Datastore): Promise<Network> {
    return await this.#add({ privateKeySeed: seed(i), listen: ['/ip4/127.0.0.1/tcp/0'], mode: 'full', ...options }, datastore)
  }

  async light(i: number): Promise<Network> {
    return await this.#add({ privateKeySeed: seed(i), listen: [], mode: 'light' })
  }

  async #add(options: NetworkOptions, datastore?: Datastore): Promise<Network> {
    const network = await createNetwork(options, datastore === undefined ? {} : { datastore })
    this.#running.push(network)
    return network
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map(network => network.stop()))
  }
}

export interface TestMember {
  networkKey: Uint8Array
  validator: boolean
  addresses: string[]
}

export function memberOf(network: Network, validator = true): TestMember {
  return { networkKey: network.networkKey, validator, addresses: network.addresses() }
}

/** Makes all of them members of each other and waits until they are connected. */
export async function mesh(networks: readonly Network[]): Promise<void> {
  const members = networks.map(network => memberOf(network))
  for (const network of networks) network.setMembers(members)
  await until(
    () => networks.every(network => network.peers().filter(peer => peer.connected && peer.member).length >= networks.length - 1),
    'mesh',
  )
}

export function addressOf(network: Network): string {
  const [address] = network.addresses()
  if (address === undefined) throw new Error('the network has no address')
  return address
}

/** The error that a promise rejects with; `undefined` where it resolves. */
export async function failure(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; metadata: Readonly<Record<string, unknown>> } | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return error as { code: string; message: string; metadata: Readonly<Record<string, unknown>> }
  }
}

/** Deterministic pseudo-random numbers (mulberry32). */
export function random(state: number): () => number {
  let a = state >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = a
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
