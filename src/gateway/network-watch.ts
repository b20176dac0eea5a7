/** Watches a network from one of its nodes: its chain, what validators vote, whom it reaches, what it finds wrong. Nothing about patients. */
import { parseHex, toHex } from '../encoding/bytes.ts'
import type { NodeActivity } from '../node/activity.ts'
import type { CommittedBlock } from '../node/chain.ts'
import type { Node } from '../node/node.ts'
import type { NodeStatus } from '../node/status.ts'
import { CommitTimes } from './commit-times.ts'
import { NetworkFeed } from './network-feed.ts'
import type { BlockView, DhtView, LinkView, NodeView, RecordView, RoundView } from './network-view.ts'
import { Rounds } from './rounds.ts'
import { emptyView } from './view-state.ts'

/** How often the node is looked at, in ms; and while nobody has asked for a minute. */
const TICK_MS = 1_000
const IDLE_TICKS = 15
const IDLE_MS = 60_000
/** Votes come in bursts: rounds that changed are told together. */
const ROUNDS_MS = 100
/** A block that is older was caught up on: its age says nothing of how long commits take. */
const FRESH_MS = 10_000

/** What of a node is watched. */
export type WatchedNode = Pick<Node, 'status' | 'activity' | 'peers' | 'watchConsensus' | 'chain' | 'directory' | 'fragmentMap'> & {
  readonly network: { readonly locate: Pick<Node['network']['locate'], 'report'> }
}

export class NetworkWatch {
  readonly #node: WatchedNode
  readonly #now: () => number
  readonly #feed: NetworkFeed
  readonly #own: string
  readonly #rounds: Rounds
  readonly #times = new CommitTimes()
  readonly #changed = new Map<string, RoundView>()
  readonly #stops: (() => void)[] = []
  #at = { height: 0, round: 0 }
  #findings = new Map<string, string>()
  #state = ''
  #cpu: { atMs: number; seconds: number } | null = null
  #transactions = 0
  #ticks = 0
  #askedMs = 0

  constructor(node: WatchedNode, options: { now?: () => number } = {}) {
    const { network, chainId, account } = node.status()
    this.#node = node
    this.#now = options.now ?? Date.now
    this.#own = account
    this.#feed = new NetworkFeed(emptyView({ source: 'node', network, chainId, canAct: false }))
    this.#rounds = new Rounds(() => node.chain.tip.validators.next.validators.map(({ publicKey }) => this.#accountOf(publicKey)))
  }

  /** The feed; that somebody asks makes the watch look more often. */
  get feed(): NetworkFeed {
    const wasIdle = this.#isIdle()
    this.#askedMs = this.#now()
    if (wasIdle) this.tick()
    return this.#feed
  }

  start(): void {
    const { chain } = this.#node
    this.#stops.push(chain.onCommit(block => this.#commit(block)))
    this.#stops.push(
      this.#node.watchConsensus(sight => {
        const tip = chain.tip.header.height
        // Its own votes are the first that a node sees of a round.
        if (sight.validator === this.#own && sight.height === tip + 1)
          this.#at = { height: tip + 1, round: Math.max(sight.round, this.#round(tip + 1)) }
        const round = this.#rounds.see(sight, { height: tip + 1, round: this.#round(tip + 1) }, this.#now())
        if (round !== undefined) this.#changed.set(`${round.height}/${round.round}`, round)
      }),
    )
    this.#every(TICK_MS, () => {
      if (!this.#isIdle() || this.#ticks++ % IDLE_TICKS === 0) this.tick()
    })
    this.#every(ROUNDS_MS, () => this.#tellRounds())
    this.tick()
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#feed.close()
  }

  /** Who keeps which fragment of a submission, by its root in hexadecimal; null where that is not known here. */
  async record(root: string): Promise<RecordView | null> {
    const fragments = await this.#node.fragmentMap(parseHex(root) as Uint8Array)
    return fragments === null ? null : { root, fragments }
  }

  /** Looks at the node once. */
  tick(): void {
    const status = this.#node.status()
    const nowMs = this.#now()
    if (status.consensus !== null) this.#at = { height: status.consensus.height, round: status.consensus.round }
    const cpuShare = this.#cpuShare(nowMs)
    const activity = this.#node.activity()
    const nodes = this.#nodes(status, cpuShare)
    this.#feed.publish({ type: 'nodes', nodes })
    this.#feed.publish({ type: 'links', links: this.#links(nodes) })
    this.#feed.publish({ type: 'lights', lights: [{ node: this.#own, count: Math.max(0, status.peers.connected - status.peers.members) }] })
    this.#feed.publish({ type: 'dht', dht: this.#dht(status, activity) })
    this.#sample(status, activity, { nowMs, cpuShare })
    this.#tellFindings(status, nowMs)
  }

  #sample(status: NodeStatus, { transactions }: NodeActivity, { nowMs, cpuShare }: { nowMs: number; cpuShare: number | null }): void {
    const last = this.#feed.view().samples.at(-1)
    const seconds = last === undefined ? 0 : (nowMs - last.atMs) / 1_000
    const transactionsPerSecond = seconds > 0 ? (transactions - this.#transactions) / seconds : 0
    this.#transactions = transactions
    const perNode = [{ id: this.#own, height: status.height, rssBytes: status.memory.rssBytes, cpuShare }]
    this.#feed.publish({
      type: 'sample',
      sample: { atMs: nowMs, height: status.height, transactionsPerSecond, ...this.#times.percentiles(), perNode },
    })
  }

  #commit({ header, certificate, candidate }: CommittedBlock): void {
    const { chain } = this.#node
    const nowMs = this.#now()
    const ageMs = nowMs - header.time
    const commitMs = ageMs >= 0 && ageMs < FRESH_MS ? ageMs : null
    if (commitMs !== null) this.#times.add(commitMs)
    const kinds: Record<string, number> = {}
    for (const { content } of candidate.transactions) {
      const kind = `${content.contract}.${content.action}`
      kinds[kind] = (kinds[kind] ?? 0) + 1
    }
    const proposer = this.#accountOf(header.proposer)
    const block: BlockView = {
      height: header.height,
      hash: toHex(chain.tip.hash),
      timeMs: header.time,
      seenMs: nowMs,
      proposer,
      round: certificate.round,
      transactions: candidate.transactions.length,
      bytes: candidate.transactions.reduce((sum, { bytes }) => sum + bytes.length, 0),
      commitMs,
      kinds,
      conflict: false,
    }
    this.#feed.publish({ type: 'block', block })
    const signers = certificate.signatures.map(({ validator }) => this.#accountOf(validator))
    const round = this.#rounds.decided(header.height, certificate.round, proposer, signers)
    this.#changed.set(`${round.height}/${round.round}`, round)
  }

  #nodes(status: NodeStatus, cpuShare: number | null): NodeView[] {
    const reached = new Map(this.#node.peers().peers.map(({ networkKey, connected }) => [networkKey, connected]))
    const claims = new Map(status.validators.map(({ name, height }) => [name, height]))
    const top = Math.max(status.height, status.peerHeight)
    return this.#node.directory.active().map(({ id, organisation }): NodeView => {
      const account = toHex(id)
      const own = account === this.#own
      const height = own ? status.height : (claims.get(organisation.name) ?? 0)
      return {
        id: account,
        name: organisation.name,
        jurisdiction: organisation.jurisdiction,
        role: organisation.consensusKey === null ? 'full' : 'validator',
        account,
        state: own ? status.state : 'unknown',
        height,
        behind: height === 0 ? 0 : Math.max(0, top - height),
        reachable: own ? true : (reached.get(toHex(organisation.networkKey)) ?? null),
        rssBytes: own ? status.memory.rssBytes : null,
        cpuShare: own ? cpuShare : null,
        faults: [],
        findings: own ? status.findings.map(({ code }) => code) : [],
      }
    })
  }

  #links(nodes: readonly NodeView[]): LinkView[] {
    const peers = this.#node.peers().peers
    return nodes.flatMap(({ id, name }) => {
      const peer = id === this.#own ? undefined : peers.find(other => other.name === name)
      if (peer === undefined) return []
      return [{ from: this.#own, to: id, state: peer.connected ? 'open' : 'unknown', delayMs: 0, loss: 0, rttMs: peer.rttMs }]
    })
  }

  /** What came up and what is over, by its code: sentences of this program, in which no peer has a word. */
  #tellFindings({ state, findings }: NodeStatus, atMs: number): void {
    const say = (level: 'info' | 'warn' | 'error', code: string, text: string): void =>
      this.#feed.publish({ type: 'log', line: { atMs, node: this.#own, level, code, text } })
    if (state !== this.#state && this.#state !== '') say('info', 'state', `state ${this.#state} -> ${state}`)
    this.#state = state
    const now = new Map(findings.map(({ code, severity }) => [code as string, severity as string]))
    for (const [code, severity] of now) if (!this.#findings.has(code)) say(severity === 'error' ? 'error' : 'warn', code, `found: ${code}`)
    for (const code of this.#findings.keys()) if (!now.has(code)) say('info', code, `over: ${code}`)
    this.#findings = now
  }

  /** Every member that is connected serves the DHT. */
  #dht({ peers }: NodeStatus, { announcements }: NodeActivity): DhtView[] {
    const report = this.#node.network.locate.report?.()
    return report === undefined ? [] : [{ node: this.#own, servers: peers.members, provided: announcements.made, ...report }]
  }

  #tellRounds(): void {
    for (const round of this.#changed.values()) this.#feed.publish({ type: 'round', round })
    this.#changed.clear()
  }

  #cpuShare(nowMs: number): number | null {
    const { user, system } = process.cpuUsage()
    const seconds = (user + system) / 1e6
    const before = this.#cpu
    this.#cpu = { atMs: nowMs, seconds }
    return before === null || nowMs <= before.atMs ? null : (seconds - before.seconds) / ((nowMs - before.atMs) / 1_000)
  }

  #round(height: number): number {
    return this.#at.height === height ? this.#at.round : 0
  }

  #accountOf(consensusKey: Uint8Array): string {
    const member = this.#node.directory.byConsensusKey(consensusKey)
    return member === undefined ? '' : toHex(member.id)
  }

  #isIdle(): boolean {
    return this.#now() - this.#askedMs > IDLE_MS
  }

  #every(ms: number, act: () => void): void {
    const timer = setInterval(act, ms)
    timer.unref()
    this.#stops.push(() => clearInterval(timer))
  }
}
