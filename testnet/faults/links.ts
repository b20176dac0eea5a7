/**
 * The links of a testnet: one for each ordered pair of nodes, from who dials to who listens. They live in the process that made
 * them, so that a testnet with links ends with it.
 */
import { extname, join } from 'node:path'
import type { NodePorts } from '../launcher/ports.ts'
import { Link, type LinkState } from './link.ts'
import { LINKS_VARIABLE } from './variables.ts'
import { FAIR, type Weather } from './weather.ts'

const REDIRECT = join(import.meta.dirname, `redirect${extname(import.meta.filename)}`)

/** For each node: port of another one, and port of the link that leads there. */
export type LinkPorts = readonly (readonly (readonly [number, number])[])[]

/** Ports by which nodes reach each other. */
export type LinkedPorts = Pick<NodePorts, 'tcp' | 'ws'>

/** What a node's process is started with so that it keeps to its links. */
export interface LinkedStart {
  execArgv: string[]
  env: Record<string, string>
}

/** A link of one node, to a port of another. */
interface LinkTo {
  readonly to: number
  readonly port: number
  readonly link: Link
  /** The weather that is usual on it. */
  climate: Weather
}

export class Links {
  readonly #nodes: number
  /** Links by who dials, then by port that is dialled. */
  readonly #links: readonly (readonly LinkTo[])[]

  private constructor(links: readonly (readonly LinkTo[])[]) {
    this.#links = links
    this.#nodes = links.length
  }

  /**
   * Opens a link from each node to every port of every other one.
   * @param options.at where they listened before: where nodes run that were started for these. Null where one of the ports is taken
   * @param options.seed of the weather's chances
   */
  static async open(nodes: readonly LinkedPorts[], options?: { at?: undefined; seed?: number }): Promise<Links>
  static async open(nodes: readonly LinkedPorts[], options: { at?: LinkPorts | undefined; seed?: number }): Promise<Links | null>
  static async open(nodes: readonly LinkedPorts[], options: { at?: LinkPorts | undefined; seed?: number } = {}): Promise<Links | null> {
    const { at, seed = 1 } = options
    const links: LinkTo[][] = nodes.map(() => [])
    let count = 0
    for (const [from, row] of links.entries()) {
      for (const [to, { tcp, ws }] of nodes.entries()) {
        if (to === from) continue
        for (const port of [tcp, ws]) {
          const link = await Link.open(port, { at: at?.[from]?.find(([target]) => target === port)?.[1], seed: seed + count++ })
          if (link === null) {
            await new Links(links).stop()
            return null
          }
          row.push({ to, port, link, climate: FAIR })
        }
      }
    }
    return new Links(links)
  }

  /** Where the links listen, for {@link Links.open} of a later process. */
  ports(): LinkPorts {
    return this.#links.map(row => row.map(({ port, link }) => [port, link.port]))
  }

  /** For the start of a node. */
  start(node: number): LinkedStart {
    return { execArgv: ['--import', REDIRECT], env: { [LINKS_VARIABLE]: JSON.stringify(this.ports()[node] ?? []) } }
  }

  /** Sets the link by which one node dials another. A connection that the other one dialled is not touched. */
  set(from: number, to: number, state: LinkState): void {
    for (const each of this.#row(from)) if (each.to === to) each.link.set(state)
  }

  /** Cuts the nodes of a group off from all others; among themselves they stay connected. */
  cut(group: readonly number[], state: Exclude<LinkState, 'open'> = 'cut'): void {
    for (let from = 0; from < this.#nodes; from++) {
      for (let to = 0; to < this.#nodes; to++) if (group.includes(from) !== group.includes(to)) this.set(from, to, state)
    }
  }

  /** Parts the nodes: those of one group reach each other and nobody else. Nodes that no group names are one more group. */
  part(groups: readonly (readonly number[])[], state: Exclude<LinkState, 'open'> = 'cut'): void {
    const groupOf = (node: number): number => groups.findIndex(group => group.includes(node))
    for (let from = 0; from < this.#nodes; from++) {
      for (let to = 0; to < this.#nodes; to++) this.set(from, to, groupOf(from) === groupOf(to) ? 'open' : state)
    }
  }

  /** The weather of the links between nodes of different groups, or of all where there are none, both ways. */
  setWeather(weather: Partial<Weather>, groups: readonly (readonly number[])[] = []): void {
    const groupOf = (node: number): number => groups.findIndex(group => group.includes(node))
    for (const [from, row] of this.#links.entries()) {
      for (const { to, link } of row) {
        const [here, there] = [groupOf(from), groupOf(to)]
        if (groups.length === 0 || (here !== there && here >= 0 && there >= 0)) link.setWeather({ ...link.weather, ...weather })
      }
    }
  }

  /** What messages take between two nodes when nothing is wrong, in ms, one way: where the nodes are far from each other. */
  setClimate(delayMs: (from: number, to: number) => number): void {
    for (const [from, row] of this.#links.entries()) {
      for (const each of row) {
        each.climate = { ...FAIR, delayMs: delayMs(from, each.to) }
        each.link.setWeather(each.climate)
      }
    }
  }

  /** Opens every link, in the weather that is usual on it. */
  heal(): void {
    for (const row of this.#links) {
      for (const { link, climate } of row) {
        link.set('open')
        link.setWeather(climate)
      }
    }
  }

  /** How each link is: who dials, whom, and what it does. */
  list(): { from: number; to: number; state: LinkState; weather: Weather }[] {
    // Both ports of a node have the same.
    return this.#links.flatMap((row, from) =>
      row.filter((_, i) => i % 2 === 0).map(({ to, link }) => ({ from, to, state: link.state, weather: link.weather })),
    )
  }

  /** Connections that stand on the links from one node to another. */
  connections(from: number, to: number): number {
    return this.#row(from).reduce((sum, each) => sum + (each.to === to ? each.link.connections : 0), 0)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#links.flatMap(row => row.map(async ({ link }) => await link.stop())))
  }

  #row(node: number): readonly LinkTo[] {
    const row = this.#links[node]
    if (row === undefined) throw new RangeError(`there are ${this.#nodes} nodes, and none at ${node}`)
    return row
  }
}
