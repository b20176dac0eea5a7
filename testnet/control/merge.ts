/** Makes one view of what every node of a testnet tells of its network. Pure: what is told goes in, events come out. */
import {
  type BlockView,
  type LinkView,
  type LogLine,
  type NodeView,
  type RecordView,
  type RoundView,
  VIEW_BOUNDS,
  type ViewEvent,
} from '../../src/gateway/network-view.ts'

/** A node that has said nothing for so long is not known to be well. */
const SILENT_MS = 5_000
/** Span of time over which transactions are counted, in ms. */
const RATE_MS = 5_000

export interface MergedNode {
  id: string
  name: string
  jurisdiction: string
  validator: boolean
  /** Hexadecimal. */
  account: string
}

/** What is known of a node's process. */
export interface NodeFacts {
  runs: boolean
  paused: boolean
  faults: string[]
  rssBytes: number | null
  cpuShare: number | null
}

/** What nodes tell of one submission, each of itself. Null where none knows it. */
export function mergeRecords(told: readonly RecordView[]): RecordView | null {
  const [first] = told
  if (first === undefined) return null
  const known = (index: number): RecordView['fragments'][number] | undefined =>
    told.map(({ fragments }) => fragments[index]).find(fragment => fragment !== undefined && fragment.holds !== 'unknown')
  return { ...first, fragments: first.fragments.map(fragment => known(fragment.index) ?? fragment) }
}

interface Told {
  atMs: number
  own: NodeView | null
  lights: number
  dht: Extract<ViewEvent, { type: 'dht' }>['dht'][number] | null
  rtts: ReadonlyMap<string, number | null>
  lastLogMs: number
}

interface KnownBlock {
  block: BlockView
  /** Nodes by the block that they have. */
  hashes: Map<string, string[]>
}

export class ViewMerge {
  readonly #nodes: readonly MergedNode[]
  readonly #byAccount: ReadonlyMap<string, string>
  readonly #told: ReadonlyMap<string, Told>
  readonly #blocks = new Map<number, KnownBlock>()
  readonly #rounds = new Map<string, RoundView>()

  constructor(nodes: readonly MergedNode[]) {
    this.#nodes = nodes
    this.#byAccount = new Map(nodes.map(({ id, account }) => [account, id]))
    this.#told = new Map(nodes.map(({ id }) => [id, { atMs: 0, own: null, lights: 0, dht: null, rtts: new Map(), lastLogMs: 0 }]))
  }

  /** Takes in what a node tells. @returns what that changes in the view of all */
  take(id: string, event: ViewEvent, nowMs: number): ViewEvent[] {
    const told = this.#told.get(id)
    if (told === undefined) return []
    told.atMs = nowMs
    switch (event.type) {
      case 'block':
        return this.#block(id, event.block)
      case 'round':
        return this.#round(event.round)
      case 'log':
        return this.#log(id, told, event.line)
      case 'nodes':
        told.own = event.nodes.find(({ account }) => this.#byAccount.get(account) === id) ?? told.own
        return []
      case 'lights':
        told.lights = event.lights[0]?.count ?? 0
        return []
      case 'dht':
        told.dht = event.dht[0] ?? null
        return []
      case 'links':
        told.rtts = new Map(event.links.map(({ to, rttMs }) => [this.#byAccount.get(to) ?? to, rttMs]))
        return []
      default:
        return []
    }
  }

  /** What is so every second: nodes, links and a sample. */
  tick(facts: ReadonlyMap<string, NodeFacts>, links: readonly Omit<LinkView, 'rttMs'>[], nowMs: number): ViewEvent[] {
    const top = Math.max(0, ...[...this.#told.values()].map(({ own }) => own?.height ?? 0))
    const nodes = this.#nodes.map(node => this.#node(node, facts.get(node.id), top, nowMs))
    const told = (id: string): Told | undefined => this.#told.get(id)
    return [
      { type: 'nodes', nodes },
      { type: 'links', links: links.map(link => ({ ...link, rttMs: told(link.from)?.rtts.get(link.to) ?? null })) },
      { type: 'lights', lights: this.#nodes.map(({ id }) => ({ node: id, count: told(id)?.lights ?? 0 })) },
      {
        type: 'dht',
        dht: this.#nodes.flatMap(({ id }) => {
          const dht = told(id)?.dht
          return dht == null ? [] : [{ ...dht, node: id }]
        }),
      },
      { type: 'sample', sample: this.#sample(nodes, top, nowMs) },
    ]
  }

  #sample(nodes: readonly NodeView[], height: number, nowMs: number): Extract<ViewEvent, { type: 'sample' }>['sample'] {
    const blocks = [...this.#blocks.values()].map(({ block }) => block)
    const recent = blocks.filter(({ seenMs }) => seenMs > nowMs - RATE_MS)
    const times = blocks.flatMap(({ commitMs }) => (commitMs === null ? [] : [commitMs])).sort((a, b) => a - b)
    const at = (share: number): number | null => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? null
    return {
      atMs: nowMs,
      height,
      transactionsPerSecond: recent.reduce((sum, { transactions }) => sum + transactions, 0) / (RATE_MS / 1_000),
      commitP50Ms: at(0.5),
      commitP95Ms: at(0.95),
      perNode: nodes.map(({ id, height: own, rssBytes, cpuShare }) => ({ id, height: own, rssBytes, cpuShare })),
    }
  }

  #node({ id, name, jurisdiction, validator, account }: MergedNode, facts: NodeFacts | undefined, top: number, nowMs: number): NodeView {
    const { own = null, atMs = 0 } = this.#told.get(id) ?? {}
    const runs = facts?.runs ?? false
    const speaks = runs && nowMs - atMs <= SILENT_MS
    const height = own?.height ?? 0
    return {
      ...{ id, name, jurisdiction, account, role: validator ? 'validator' : 'full' },
      state: !runs ? 'stopped' : facts?.paused === true ? 'paused' : speaks ? (own?.state ?? 'unknown') : 'unknown',
      height,
      behind: Math.max(0, top - height),
      reachable: speaks,
      rssBytes: facts?.rssBytes ?? null,
      cpuShare: facts?.cpuShare ?? null,
      faults: facts?.faults ?? [],
      findings: speaks ? (own?.findings ?? []) : [],
    }
  }

  #block(id: string, block: BlockView): ViewEvent[] {
    const known = this.#blocks.get(block.height)
    if (known === undefined) {
      if (block.height <= Math.max(0, ...this.#blocks.keys()) - VIEW_BOUNDS.blocks) return []
      const made: KnownBlock = { block, hashes: new Map([[block.hash, [id]]]) }
      this.#blocks.set(block.height, made)
      if (this.#blocks.size > VIEW_BOUNDS.blocks) this.#blocks.delete(Math.min(...this.#blocks.keys()))
      return [{ type: 'block', block: shown(made) }]
    }
    const holders = known.hashes.get(block.hash)
    if (holders?.includes(id) === true) return []
    if (holders === undefined) known.hashes.set(block.hash, [id])
    else holders.push(id)
    // One that saw the block as it came tells how long it took better than one that caught up.
    if (known.block.commitMs === null && block.hash === known.block.hash) known.block = { ...known.block, commitMs: block.commitMs }
    return [{ type: 'block', block: shown(known) }]
  }

  /** Votes of all whom any node heard. */
  #round(round: RoundView): ViewEvent[] {
    const key = `${round.height}/${round.round}`
    const known = this.#rounds.get(key)
    const merged = known === undefined ? round : mergeRounds(known, round)
    if (known !== undefined && JSON.stringify(known) === JSON.stringify(merged)) return []
    this.#rounds.set(key, merged)
    if (this.#rounds.size > 2 * VIEW_BOUNDS.rounds) this.#rounds.delete(this.#rounds.keys().next().value as string)
    return [{ type: 'round', round: merged }]
  }

  #log(id: string, told: Told, line: LogLine): ViewEvent[] {
    // A view that is read again tells the same lines again.
    if (line.atMs < told.lastLogMs) return []
    told.lastLogMs = line.atMs
    return [{ type: 'log', line: { ...line, node: id } }]
  }
}

function shown({ block, hashes }: KnownBlock): BlockView {
  return { ...block, conflict: hashes.size > 1, hashes: Object.fromEntries([...hashes].map(([hash, ids]) => [hash, [...ids].sort()])) }
}

function mergeRounds(a: RoundView, b: RoundView): RoundView {
  const times = [a.proposalMs, b.proposalMs].filter(time => time !== null)
  const told = new Map(b.votes.map(vote => [vote.validator, vote]))
  return {
    ...a,
    proposer: a.proposer || b.proposer,
    proposalMs: times.length === 0 ? null : Math.min(...times),
    decided: a.decided || b.decided,
    votes: a.votes.map(vote => {
      const other = told.get(vote.validator)
      if (other === undefined) return vote
      return {
        validator: vote.validator,
        prevote: vote.prevote === 'none' ? other.prevote : vote.prevote,
        precommit: vote.precommit === 'none' ? other.precommit : vote.precommit,
      }
    }),
  }
}
