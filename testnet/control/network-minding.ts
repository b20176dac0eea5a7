/** Watches a testnet as a whole: taps every node, looks at every process, and feeds one view to the page and the terminal. */
import { NetworkFeed } from '../../src/gateway/network-feed.ts'
import type { NetworkView, RecordView, ViewEvent } from '../../src/gateway/network-view.ts'
import { emptyView } from '../../src/gateway/view-state.ts'
import type { NodeFaults } from '../faults/node-faults.ts'
import { portsOf } from '../launcher/ports.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { mergeRecords, type NodeFacts, ViewMerge } from './merge.ts'
import { Observations } from './observations.ts'
import { processFacts } from './process-facts.ts'
import type { Done } from './server.ts'
import { tapNetwork } from './tap.ts'

const TICK_MS = 1_000
const RECORD_MS = 3_000

export class NetworkMinding {
  readonly feed: NetworkFeed
  readonly #net: Testnet
  readonly #paused: ReadonlySet<number>
  readonly #merge: ViewMerge
  readonly #observations: Observations
  readonly #stopped = new AbortController()
  readonly #cpu = new Map<number, { pid: number; atMs: number; seconds: number }>()
  #taps: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #ticking: Promise<void> = Promise.resolve()

  constructor(net: Testnet, paused: ReadonlySet<number>) {
    this.#net = net
    this.#paused = paused
    const { network, chainId, nodes } = net.manifest
    this.feed = new NetworkFeed(emptyView({ source: 'testnet', network, chainId, canAct: true }))
    this.#merge = new ViewMerge(nodes)
    this.#observations = new Observations(net.dir)
  }

  start(): void {
    const { signal } = this.#stopped
    this.#taps = Promise.all(
      this.#net.nodes.map(async ({ id }, index) => {
        const url = this.#operationsOf(index)
        const onEvent = (event: ViewEvent): void => this.#publish(this.#merge.take(id, event, Date.now()))
        await tapNetwork(() => ({ url }), { onEvent, onView: view => eventsOf(view).forEach(onEvent) }, { signal })
      }),
    )
    this.#timer = setInterval(() => {
      this.#ticking = this.#ticking.then(async () => await this.#tick())
    }, TICK_MS)
  }

  /** Who keeps which fragment of a submission, asked of every node that answers. */
  async record(root: string): Promise<RecordView | null> {
    const told = this.#net.nodes.map(async (_, index): Promise<RecordView[]> => {
      try {
        const answer = await fetch(`${this.#operationsOf(index)}/v1/network/records/${root}`, { signal: AbortSignal.timeout(RECORD_MS) })
        return answer.ok ? [(await answer.json()) as RecordView] : []
      } catch {
        return []
      }
    })
    return mergeRecords((await Promise.all(told)).flat())
  }

  #operationsOf(index: number): string {
    return `http://127.0.0.1:${portsOf(this.#net.manifest.basePort, index + 1).operations}`
  }

  /** An act was done, or tried. */
  done(act: Done): void {
    this.#publish([{ type: 'act', act }])
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopped.abort()
    this.feed.close()
    await Promise.all([this.#taps, this.#ticking])
    this.#observations.flush()
  }

  #publish(events: readonly ViewEvent[]): void {
    for (const event of events) {
      this.feed.publish(event)
      this.#observations.add(event, Date.now())
    }
  }

  async #tick(): Promise<void> {
    const net = this.#net
    const facts = await Promise.all(net.nodes.map(async ({ id }, index) => [id, await this.#facts(index)] as const))
    const name = (index: number): string => net.nodes[index]?.id ?? ''
    const links = (net.links?.list() ?? []).map(({ from, to, state, weather: { delayMs, loss } }) => ({
      ...{ from: name(from), to: name(to), state, delayMs, loss },
    }))
    this.#publish(this.#merge.tick(new Map(facts), links, Date.now()))
    this.#observations.flush()
  }

  async #facts(index: number): Promise<NodeFacts> {
    const pid = await this.#net.runningPid(index)
    const faults = faultWords(this.#net.faults(index))
    if (pid === null) return { runs: false, paused: false, faults, rssBytes: null, cpuShare: null }
    const { rssBytes, cpuSeconds } = await processFacts(pid)
    const before = this.#cpu.get(index)
    const atMs = performance.now()
    if (cpuSeconds !== null) this.#cpu.set(index, { pid, atMs, seconds: cpuSeconds })
    const cpuShare =
      cpuSeconds === null || before?.pid !== pid || atMs <= before.atMs
        ? null
        : (cpuSeconds - before.seconds) / ((atMs - before.atMs) / 1_000)
    return { runs: true, paused: this.#paused.has(index), faults, rssBytes, cpuShare }
  }
}

/** A node's view, as events. */
function eventsOf({ nodes, blocks, rounds, log, links, lights, dht }: NetworkView): ViewEvent[] {
  return [
    { type: 'nodes', nodes },
    ...blocks.map(block => ({ type: 'block', block }) as const),
    ...rounds.map(round => ({ type: 'round', round }) as const),
    ...log.map(line => ({ type: 'log', line }) as const),
    { type: 'links', links },
    { type: 'lights', lights },
    { type: 'dht', dht },
  ]
}

function faultWords({ clockMs, diskFull, syncMs, lie }: NodeFaults): string[] {
  return [
    ...(clockMs === 0 ? [] : [`clock ${clockMs > 0 ? '+' : '-'}${Math.abs(clockMs)} ms`]),
    ...(diskFull ? ['disk full'] : []),
    ...(syncMs === 0 ? [] : [`disk slower by ${syncMs} ms`]),
    ...(lie === null ? [] : [`byzantine: ${lie}`]),
  ]
}
