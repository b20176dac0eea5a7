/** A scenario that runs: its network, what minds it, its load, and what its steps have in common. */
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import type { BenchFolder } from '../bench/folder.ts'
import type { Mind } from '../control/mind.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { waitFor } from '../launcher/wait.ts'
import type { Load } from '../load/load.ts'
import type { SeededRandom } from '../population/random.ts'
import type { NodesInput } from './values.ts'

/** What did not hold: the sentence names the cause. */
export class ScenarioFailure extends EpioneError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('scenario-failed', message, options)
    this.name = 'ScenarioFailure'
  }
}

/** A break-glass that a play did. */
export interface BrokenGlass {
  folder: BenchFolder
  /** Its access entry. */
  entry: Uint8Array
}

export interface SceneParts {
  net: Testnet
  mind: Mind
  load: Load | null
  random: SeededRandom
  seed: number
  signal: AbortSignal
  progress: (text: string) => void
}

export class Scene {
  readonly net: Testnet
  readonly mind: Mind
  readonly load: Load | null
  readonly random: SeededRandom
  readonly seed: number
  /** Aborts where the scenario is over: its time is up, an invariant is broken, or somebody interrupts. */
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
  /** Nodes that lie: nobody begins with them. */
  liars: readonly string[] = []
  /** Break-glass of the plays so far. */
  readonly brokenGlass: BrokenGlass[] = []
  readonly #chosen: Map<string, number>
  readonly #peers = new Map<number, Promise<LightPeer>>()
  #count = 0

  constructor(parts: SceneParts, chosen: ReadonlyMap<string, number> = new Map()) {
    this.net = parts.net
    this.mind = parts.mind
    this.load = parts.load
    this.random = parts.random
    this.seed = parts.seed
    this.signal = parts.signal
    this.progress = parts.progress
    this.#chosen = new Map(chosen)
  }

  /** A number for keys and content that no other act of this scenario has. */
  next(): number {
    return this.seed * 10_000 + this.#count++
  }

  /** Names a node for the steps that follow. */
  choose(name: string, index: number): void {
    this.#chosen.set(name, index)
  }

  get chosen(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#chosen].map(([name, index]) => [name, this.id(index)]))
  }

  id(index: number): string {
    return this.net.nodes[index]?.id ?? ''
  }

  ids(indices: readonly number[]): string {
    return indices.map(index => this.id(index)).join(', ')
  }

  /** @throws ScenarioFailure where there is no such node */
  index(name: string): number {
    const found = name.startsWith('$') ? this.#chosen.get(name.slice(1)) : this.net.nodes.findIndex(({ id }) => id === name)
    if (found === undefined || found < 0) throw new ScenarioFailure(`The scenario names ${name}, which is no node of it.`)
    return found
  }

  indices(which: NodesInput): number[] {
    const all = [...this.net.nodes.keys()]
    if (which === 'all') return all
    if (which === 'validators' || which === 'full')
      return all.filter(i => (this.net.nodes[i]?.validator === true) === (which === 'validators'))
    if (typeof which === 'string') return [this.index(which)]
    if (Array.isArray(which)) return which.map(name => this.index(name))
    const but = [which.but].flat().map(name => this.index(name))
    return all.filter(i => !but.includes(i))
  }

  /** A light peer that begins at a node and turns to others where it does not answer. */
  async peer(index: number): Promise<LightPeer> {
    const known = this.#peers.get(index)
    if (known !== undefined) return await known
    const { nodes } = this.net
    const order = [...nodes.slice(index), ...nodes.slice(0, index)].map(({ addresses }) => addresses[0] as string)
    const made = createLightPeer({ nodes: order, genesis: this.net.genesis, signal: this.signal })
    this.#peers.set(index, made)
    made.catch(() => this.#peers.delete(index))
    return await made
  }

  /** Nodes that answer, but those that lie. */
  async answering(): Promise<number[]> {
    const all = [...this.net.nodes.keys()].filter(index => !this.liars.includes(this.id(index)))
    const heights = await this.heights(all)
    return all.filter((_, i) => (heights[i] ?? 0) > 0)
  }

  /** A light peer of a node that answers: the first of them. */
  async anyPeer(): Promise<LightPeer> {
    const [index] = await this.answering()
    if (index === undefined) throw new ScenarioFailure('No node answers.')
    return await this.peer(index)
  }

  /** Heights of nodes; 0 for one that does not answer. */
  async heights(nodes: readonly number[]): Promise<number[]> {
    return await Promise.all(nodes.map(async index => (await this.net.status(index))?.height ?? 0))
  }

  /** Waits for something to hold. @throws ScenarioFailure with what `late` says */
  async until<T>(
    condition: () => Promise<T | false | null>,
    options: { within: number; late: () => string | Promise<string> },
  ): Promise<T> {
    try {
      return await waitFor(condition, { timeoutMs: options.within, everyMs: 100, signal: this.signal })
    } catch (error) {
      if (errorCode(error) !== 'timeout') throw error
      throw new ScenarioFailure(await options.late(), { cause: error })
    }
  }

  async stop(): Promise<void> {
    const peers = await Promise.allSettled(this.#peers.values())
    await Promise.all(peers.map(async each => (each.status === 'fulfilled' ? await each.value.stop() : undefined)))
  }
}
