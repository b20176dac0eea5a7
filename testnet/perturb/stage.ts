/** A testnet under load and under watch, on which perturbations are carried out: what all of them need. */
import { errorCode } from '../../src/encoding/errors.ts'
import type { Links } from '../faults/links.ts'
import type { Witness } from '../faults/witness.ts'
import { witnessOf } from '../faults/witness-of.ts'
import { createTestnet, type Testnet } from '../launcher/testnet.ts'
import { waitFor } from '../launcher/wait.ts'
import { Load } from '../load/load.ts'
import { compareChains } from '../scenarios/chains.ts'
import { forbiddenLines } from '../scenarios/forbidden.ts'

/** Longest time from the end of a perturbation to the next block on every node that can be reached. */
export const LIMIT_MS = 10_000
/** How long a late block is waited for, to tell a slow chain from one that stands. */
const GIVE_UP_MS = 60_000
/** Heartbeat of the networks that are perturbed: they are never idle for long. */
const HEARTBEAT_MS = 2_000

export interface StageOptions {
  dir: string
  seed: number
  /** Transactions per second, over all nodes together. */
  perSecond: number
  signal?: AbortSignal
}

/** How long a block took, in ms; null where none came. */
export type Took = number | null

export class Stage {
  readonly net: Testnet
  readonly links: Links
  readonly witness: Witness
  readonly load: Load

  private constructor(net: Testnet, witness: Witness, load: Load) {
    this.net = net
    this.links = net.links as Links
    this.witness = witness
    this.load = load
  }

  static async create(options: StageOptions): Promise<Stage> {
    const { dir, seed, perSecond, signal } = options
    const net = await createTestnet({ dir, validators: 4, seed, links: true, heartbeatMs: HEARTBEAT_MS, signal })
    try {
      const witness = witnessOf(net)
      const load = await Load.start(net, { seed, mix: { anchors: 1 }, loop: { perSecond } })
      witness.start()
      return new Stage(net, witness, load)
    } catch (error) {
      await net.stop()
      throw error
    }
  }

  /** Every node, but those that are left out. */
  all(except: readonly number[] = []): number[] {
    return [...this.net.nodes.keys()].filter(index => !except.includes(index))
  }

  /** Heights of nodes; 0 for one that does not answer. */
  async heights(nodes: readonly number[]): Promise<number[]> {
    return await Promise.all(nodes.map(async index => (await this.net.status(index))?.height ?? 0))
  }

  /**
   * Waits until each of these nodes has a number of blocks above the highest of them at present.
   * @param options.blocks 2 where one may be all but decided at the moment, 1 where the chain stands
   * @returns time since `sinceMs` (of `performance.now()`)
   */
  async nextBlock(nodes: readonly number[], options: { blocks: number; sinceMs: number }): Promise<Took> {
    const goal = Math.max(...(await this.heights(nodes))) + options.blocks
    return await this.reach(nodes, goal, options.sinceMs)
  }

  /** Waits until each of these nodes has stored the block of a height, and its consensus has gone on to the next one. */
  async reach(nodes: readonly number[], height: number, sinceMs: number): Promise<Took> {
    const arrived = async (index: number): Promise<boolean> => ((await this.net.status(index))?.consensus?.height ?? 0) > height
    try {
      await Promise.all(nodes.map(async index => waitFor(async () => await arrived(index), { timeoutMs: GIVE_UP_MS, everyMs: 50 })))
    } catch (error) {
      if (errorCode(error) !== 'timeout') throw error
      return null
    }
    return performance.now() - sinceMs
  }

  /** Kills nodes at the same moment, and reads what they had signed before anybody writes there again. */
  async kill(nodes: readonly number[]): Promise<void> {
    await Promise.all(nodes.map(async index => await this.net.kill(index)))
    for (const index of nodes) await this.witness.look(index, { atRest: true })
  }

  /**
   * What must hold when everything is over: no acknowledged transaction is lost anywhere, all nodes have the same chain, nobody
   * signed twice, and the logs hold nothing that no perturbation excuses.
   */
  async verify(): Promise<string[]> {
    await this.load.finish()
    const tips = await this.heights(this.all())
    const problems: string[] = []
    if ((await this.reach(this.all(), Math.max(...tips), performance.now())) === null)
      problems.push('a node does not come to the height of the others')
    const lost = await this.load.missing()
    if (lost.length > 0) problems.push(`${lost.length} acknowledged transactions are missing: ${JSON.stringify(lost.slice(0, 3))}`)
    if (this.load.acknowledged.length === 0) problems.push('no transaction was acknowledged at all')
    problems.push(...(await compareChains(this.net, Math.max(...tips), this.witness)))
    await this.witness.stop()
    for (const index of this.all()) await this.witness.look(index)
    problems.push(...this.witness.findings, ...(await forbiddenLines(this.net)))
    return problems
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    await this.witness.stop()
    await Promise.all([this.load.stop(), this.net.stop()])
  }
}
