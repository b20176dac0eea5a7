/**
 * The links of a testnet: one for each ordered pair of nodes, from who dials to who listens. They live in the process that made
 * them, so that a testnet with links ends with it.
 */
import { extname, join } from 'node:path'
import type { NodePorts } from '../launcher/ports.ts'
import { Link, type LinkState } from './link.ts'
import { LINKS_VARIABLE } from './variables.ts'

const REDIRECT = join(import.meta.dirname, `redirect${extname(import.meta.filename)}`)

/** What a node's process is started with so that it keeps to its links. */
export interface LinkedStart {
  execArgv: string[]
  env: Record<string, string>
}

export class Links {
  readonly #nodes: number
  /** Links by who dials, then by port that is dialled. */
  readonly #links: readonly (readonly { to: number; port: number; link: Link }[])[]

  private constructor(links: readonly (readonly { to: number; port: number; link: Link }[])[]) {
    this.#links = links
    this.#nodes = links.length
  }

  /** Opens a link from each node to every port of every other one. */
  static async open(nodes: readonly NodePorts[]): Promise<Links> {
    const links: { to: number; port: number; link: Link }[][] = []
    for (const from of nodes.keys()) {
      const row: { to: number; port: number; link: Link }[] = []
      for (const [to, { tcp, ws }] of nodes.entries()) {
        if (to === from) continue
        for (const port of [tcp, ws]) row.push({ to, port, link: await Link.open(port) })
      }
      links.push(row)
    }
    return new Links(links)
  }

  /** For the start of a node. */
  start(node: number): LinkedStart {
    const routes = this.#row(node).map(({ port, link }) => [port, link.port])
    return { execArgv: ['--import', REDIRECT], env: { [LINKS_VARIABLE]: JSON.stringify(routes) } }
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

  /** Opens every link. */
  heal(): void {
    for (const row of this.#links) for (const { link } of row) link.set('open')
  }

  /** Connections that stand on the links from one node to another. */
  connections(from: number, to: number): number {
    return this.#row(from).reduce((sum, each) => sum + (each.to === to ? each.link.connections : 0), 0)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#links.flatMap(row => row.map(async ({ link }) => await link.stop())))
  }

  #row(node: number): readonly { to: number; port: number; link: Link }[] {
    const row = this.#links[node]
    if (row === undefined) throw new RangeError(`there are ${this.#nodes} nodes, and none at ${node}`)
    return row
  }
}
