/** Runs one schedule: real engines in a simulated world, watched after each step. */

import { roundTimeouts } from '../../src/consensus/height.ts'
import { type ConsensusMessage, consensusMessageCodec } from '../../src/consensus/messages.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { DEFAULT_SYNCHRONY } from '../../src/consensus/timeliness.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { equalBytes, toHex, u32 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import type { ValidatorSet } from '../../src/ledger/header.ts'
import { type SeededRandom, seededRandom } from '../population/random.ts'
import { genesisBlock, type Rules, type SimulatedBlock } from './application.ts'
import { Links } from './links.ts'
import { Mischief } from './mischief.ts'
import { SimulatedNode, type Surroundings } from './node.ts'
import { Observer, type Violation } from './observer.ts'
import { type Fault, type MischiefKind, type Plan, type PlanOptions, planOf } from './plan.ts'
import { Scheduler, START_MS } from './scheduler.ts'
import { keysOf } from './signatures.ts'

export interface Outcome {
  readonly plan: Plan
  /** Empty where all held. */
  readonly violations: readonly Violation[]
  /** Highest height that was stored, highest round that was voted in, messages sent, restarts, forks (beyond the bound alone). */
  readonly heights: number
  readonly rounds: number
  readonly messages: number
  readonly crashes: number
  readonly forks: number
  /** From when the network was good until all honest nodes had stored another block, in virtual ms; null where that was not asked. */
  readonly recoveredMs: number | null
  /** The bound that was stated for it. */
  readonly limitMs: number
  /** Honest nodes that lost their log and kept silent. */
  readonly silences: number
}

/** Blocks that every honest node must store once the network is good. */
const BLOCKS_AFTER_GOOD = 1
/** Steps after which a schedule is given up: far more than any that ends takes. */
const MAX_STEPS = 400_000
/** Most blocks of one answer. */
const MAX_PULLED = 32

export async function simulate(seed: number, options: PlanOptions = {}): Promise<Outcome> {
  return await new World(planOf(seed, options)).run()
}

/** Runs a plan that was made by hand. */
export async function simulatePlan(plan: Plan): Promise<Outcome> {
  return await new World(plan).run()
}

export class World implements Surroundings {
  readonly plan: Plan
  readonly scheduler = new Scheduler()
  readonly random: SeededRandom
  readonly rules: Rules
  readonly verifier
  readonly genesis: SimulatedBlock
  readonly links: Links
  readonly nodes: SimulatedNode[] = []
  readonly observer: Observer
  /** For schedules made by hand: which messages get lost, beside those that chance takes. */
  loses: ((from: number, to: number, message: ConsensusMessage) => boolean) | null = null
  /** Batches that stay with the node that has them. */
  readonly withheld = new Set<string>()
  readonly #keys: readonly SigningKey[]
  /** What batches decide: node and weight. */
  readonly #changes = new Map<string, { node: number; power: number }>()
  readonly #bad = new Set<string>()
  readonly #liars: ReadonlySet<string>
  readonly #pulling = new Set<SimulatedNode>()
  /** Whom each node asked for blocks last. */
  readonly #pulledFrom = new Map<SimulatedNode, SimulatedNode>()
  readonly #decoded = new WeakMap<Uint8Array, ConsensusMessage>()
  /** Which validator each node is, or is a twin of. */
  readonly #origins: readonly number[]
  #batches = 0
  #limit = 0
  /** Logs of which a bit rotted. */
  rots = 0

  constructor(plan: Plan) {
    this.plan = plan
    this.random = seededRandom(plan.seed + 2 ** 33)
    const { keys, verifier } = keysOf(plan.powers.length, plan.realSignatures)
    this.#keys = keys
    this.verifier = verifier
    this.#liars = new Set(plan.byzantine.map(({ node }) => toHex((keys[node] as SigningKey).publicKey)))
    const chainId = taggedHash('simulated-chain', u32(plan.seed >>> 0))
    this.rules = {
      chainId,
      isBad: batch => this.#bad.has(toHex(batch)),
      changeOf: (batch, decided) => this.#changeOf(batch, decided),
    }
    const validators = plan.powers.flatMap((power, node) => (power > 0 ? [{ publicKey: (keys[node] as SigningKey).publicKey, power }] : []))
    this.genesis = genesisBlock(chainId, validators)
    // Twins are further nodes with a key that is there already.
    const twins = plan.byzantine.filter(({ kinds }) => kinds.includes('twins')).map(({ node }) => node)
    const origin = [...plan.powers.keys(), ...twins]
    this.#origins = origin
    const cities = plan.cities === null ? null : origin.map(node => plan.cities?.[node] ?? 'Nairobi')
    this.links = new Links({ cities }, { scheduler: this.scheduler, random: this.random })
    this.observer = new Observer(
      { chainId, genesis: this.genesis, precisionMs: DEFAULT_SYNCHRONY.precisionMs, beyond: plan.beyond, liars: this.#liars },
      { verifier, isBad: this.rules.isBad, sinceMs: () => this.scheduler.nowMs - START_MS },
    )
    for (const [index, from] of origin.entries()) {
      const key = keys[from] as SigningKey
      const liar = plan.byzantine.find(({ node }) => node === from)
      const node = new SimulatedNode(
        {
          index,
          name: index === from ? `node ${index}` : `node ${index}, twin of ${from},`,
          key,
          honest: liar === undefined,
          timeouts: plan.timeouts,
          heartbeatMs: plan.heartbeatMs,
          syncMs: plan.syncMs,
          skewMs: plan.skewMs[from] ?? 0,
        },
        this,
      )
      const kinds = liar?.kinds.filter(kind => kind !== 'twins') ?? []
      if (kinds.length > 0) node.mischief = this.#mischief(node, { kinds, fromMs: START_MS + (liar?.fromMs ?? 0) }, origin.length)
      this.nodes.push(node)
    }
  }

  /** Starts the nodes and what the plan has for them. */
  async start(): Promise<void> {
    const { plan, scheduler } = this
    for (const node of this.nodes) node.start()
    for (const fault of plan.faults) scheduler.after(fault.atMs, () => this.#begin(fault))
    for (const { atMs, node, change } of plan.work) scheduler.after(atMs, () => this.offer(node, change))
    await drained()
  }

  /** Lets time pass until `done`, a violation, or `limitMs` from now; whether it is done and all held. */
  async pass(done: () => boolean, limitMs: number): Promise<boolean> {
    const { scheduler, observer } = this
    const until = scheduler.nowMs + limitMs
    while (!done() && scheduler.nowMs < until && observer.violations.length === 0 && scheduler.advance()) await drained()
    return done() && observer.violations.length === 0
  }

  async run(): Promise<Outcome> {
    const { plan, observer } = this
    await this.start()
    await this.pass(() => false, plan.goodAtMs)
    let recoveredMs: number | null = null
    if (observer.violations.length === 0) recoveredMs = await this.#recover()
    return {
      plan,
      violations: observer.violations,
      heights: observer.highest,
      rounds: observer.highestRound,
      messages: this.links.sent,
      crashes: this.nodes.reduce((sum, { crashes }) => sum + crashes, 0),
      forks: observer.forks,
      recoveredMs,
      limitMs: this.#limit,
      silences: this.nodes.filter(node => node.honest && node.events.includes('consensus.log-lost')).length,
    }
  }

  /** The network is good for good: everybody honest goes on, within a stated number of rounds. */
  async #recover(): Promise<number | null> {
    const { plan, scheduler, observer } = this
    this.links.loss = 0
    this.links.duplication = 0
    this.links.slowness = 1
    for (const node of this.nodes) {
      node.resume()
      this.restart(node)
    }
    await drained()
    const goodMs = scheduler.nowMs
    const target = observer.highest + BLOCKS_AFTER_GOOD
    const limitMs = this.#limitMs(target)
    this.#limit = limitMs
    const honest = this.nodes.filter(node => node.honest)
    const work = (): void => {
      this.offer(this.random.pick(honest).options.index, null)
      scheduler.after(300, work)
    }
    work()
    let steps = 0
    while (observer.violations.length === 0) {
      if (!plan.beyond && honest.every(node => node.height >= target)) return scheduler.nowMs - goodMs
      if (plan.beyond && scheduler.nowMs - goodMs > 3_000) return null
      if (scheduler.nowMs - goodMs > limitMs || ++steps > MAX_STEPS || !scheduler.advance()) {
        const where = honest.map(node => {
          const status = node.status()
          return `${node.name} stands at ${node.height}, round ${status?.round} ${status?.step}${status?.notVotingBecause ? ` (${status.notVotingBecause})` : ''}`
        })
        observer.violation('liveness', `no ${BLOCKS_AFTER_GOOD} blocks within ${limitMs} ms of a good network: ${where.join('; ')}`)
        return null
      }
      await drained()
    }
    return null
  }

  /**
   * The bound on recovery: what is left of the present round, a rebroadcast, and as many rounds as it takes until an honest
   * proposer's turn comes, for each of the blocks; plus one poll for nodes that synchronise.
   */
  #limitMs(target: number): number {
    const { plan } = this
    const honest = this.nodes.filter(node => node.honest)
    const round = Math.max(0, ...honest.map(node => node.status()?.round ?? 0))
    // Rounds that are too short for this network come first: each is longer than the one before.
    const tooShort = Math.ceil(Math.max(0, 6 * this.links.worstMs - plan.timeouts.voteMs) / plan.timeouts.growthMs)
    const turns = this.#longestLyingTurns() + 2 + tooShort
    let limit = 6_000 + 4 * this.links.worstMs
    for (let height = target - BLOCKS_AFTER_GOOD; height <= target; height++) {
      // Only the height under way can have gone through rounds already.
      const from = height === target - BLOCKS_AFTER_GOOD ? round : 0
      for (let r = from; r <= from + turns; r++) {
        const { proposeMs, voteMs, rebroadcastMs } = roundTimeouts(plan.timeouts, r)
        limit += proposeMs + 2 * voteMs + (r === from ? rebroadcastMs : 0)
      }
    }
    return limit
  }

  /** Most turns in a row that liars have to propose, in any set that is in force or may come. */
  #longestLyingTurns(): number {
    const { validators } = this.nodes.reduce((a, b) => (a.height >= b.height ? a : b)).store.tip
    let longest = 0
    for (const set of [validators.current, validators.next, validators.decided]) {
      const slots = 2 * set.validators.reduce((sum, { power }) => sum + power, 0)
      let run = 0
      for (let round = 0; round < slots; round++) {
        run = this.#liars.has(toHex(proposerAt(set, set.since, round).publicKey)) ? run + 1 : 0
        longest = Math.max(longest, run)
      }
    }
    return longest
  }

  #begin(fault: Fault): void {
    const { scheduler, links } = this
    const end = (fn: () => void): void => {
      scheduler.after(Math.min(fault.forMs, Math.max(0, this.plan.goodAtMs - fault.atMs)), fn)
    }
    switch (fault.type) {
      case 'partition': {
        // Twins are on different sides: that is what makes them dangerous.
        const twin = (index: number): number => 1 - (fault.groups[this.#origins[index] ?? 0] ?? 0)
        const heal = links.partition(this.nodes.map((_, index) => fault.groups[index] ?? twin(index)))
        end(() => {
          heal()
          this.#greetAll()
        })
        break
      }
      case 'lossy':
        links.loss = fault.loss
        links.duplication = fault.duplication
        end(() => {
          links.loss = 0
          links.duplication = 0
        })
        break
      case 'slow':
        links.slowness = fault.factor
        end(() => {
          links.slowness = 1
        })
        break
      case 'clock': {
        const node = this.nodes[fault.node]
        if (node === undefined) break
        const { skewMs } = node.options
        node.options.skewMs = fault.skewMs
        end(() => {
          node.options.skewMs = skewMs
        })
        break
      }
      case 'pause': {
        const node = this.nodes[fault.node]
        node?.pause()
        end(() => node?.resume())
        break
      }
      case 'blackout':
        for (const [index, node] of this.nodes.entries()) node.crash(fault.steps[index] ?? 0)
        end(() => {
          for (const node of this.nodes) {
            node.crash()
            this.restart(node)
          }
        })
        break
      case 'crash': {
        const node = this.nodes[fault.node]
        node?.crash(fault.steps)
        end(() => {
          if (node === undefined) return
          node.crash()
          if (fault.rot && node.disk.flipBit(`wal-${(node.height + 1) % 2}`, this.random)) this.rots++
          this.restart(node)
        })
      }
    }
  }

  /** A node that is down comes up again, and is connected to the others. */
  restart(node: SimulatedNode): void {
    if (node.alive) return
    node.start()
    for (const other of this.nodes) if (other !== node) this.#greet(node, other)
  }

  #greetAll(): void {
    for (const a of this.nodes) for (const b of this.nodes) if (a.options.index < b.options.index) this.#greet(a, b)
  }

  /** Two nodes are connected again. */
  #greet(a: SimulatedNode, b: SimulatedNode): void {
    if (!this.links.joined(a.options.index, b.options.index)) return
    this.scheduler.after(this.links.worstMs, () => {
      a.sees(b.options.key.publicKey)
      b.sees(a.options.key.publicKey)
    })
  }

  /** A node comes to hold a new batch and tells the others, unless it is withheld. */
  offer(index: number, change: { node: number; power: number } | null, options: { withheld?: boolean } = {}): Uint8Array {
    const batch = this.#newBatch()
    if (change !== null) this.#changes.set(toHex(batch), change)
    if (options.withheld === true) this.withheld.add(toHex(batch))
    const node = this.nodes[index]
    node?.hold(batch)
    for (const other of this.nodes) {
      if (other !== node && !this.withheld.has(toHex(batch))) this.links.send(index, other.options.index, () => other.hold(batch))
    }
    return batch
  }

  #newBatch(): Uint8Array {
    return taggedHash('simulated-batch', u32(this.plan.seed >>> 0), u32(this.#batches++))
  }

  #mischief(node: SimulatedNode, how: { kinds: readonly MischiefKind[]; fromMs: number }, nodes: number): Mischief {
    const bad = this.#newBatch()
    this.#bad.add(toHex(bad))
    return new Mischief(
      { ...how, chainId: this.rules.chainId, key: node.options.key, nodes, self: node.options.index },
      {
        random: this.random,
        rules: this.rules,
        tip: () => node.store.tip,
        trueMs: () => this.scheduler.nowMs,
        nowMs: () => node.nowMs(),
        withheldBatch: () => this.#newBatch(),
        badBatch: () => {
          // Everybody holds it: what is wrong with it is what it says.
          for (const other of this.nodes) other.hold(bad)
          return bad
        },
        send: (to, bytes) => this.#deliver(node, bytes, to),
      },
    )
  }

  /** A change of weights that would give liars a third of the weight, or leave too few, decides nothing. */
  #changeOf(batch: Uint8Array, decided: ValidatorSet) {
    const change = this.#changes.get(toHex(batch))
    const key = change === undefined ? undefined : this.#keys[change.node]?.publicKey
    if (change === undefined || key === undefined) return undefined
    const others = decided.validators.filter(({ publicKey }) => !equalBytes(publicKey, key))
    const after = change.power === 0 ? others : [...others, { publicKey: key, power: change.power }]
    const total = after.reduce((sum, { power }) => sum + power, 0)
    const lying = after.reduce((sum, { publicKey, power }) => sum + (this.#liars.has(toHex(publicKey)) ? power : 0), 0)
    if (after.length < 4 || 3 * lying >= total) return undefined
    return { publicKey: key, power: change.power }
  }

  send(from: SimulatedNode, bytes: Uint8Array, to?: number): void {
    if (from.mischief !== null) from.mischief.outgoing(bytes, to)
    else if (to !== undefined) this.#deliver(from, bytes, to)
    else for (const other of this.nodes) if (other !== from) this.#deliver(from, bytes, other.options.index)
  }

  #deliver(from: SimulatedNode, bytes: Uint8Array, to: number): void {
    this.#observe(from, bytes)
    const other = this.nodes[to]
    const message = this.#decoded.get(bytes)
    if (other === undefined || (message !== undefined && this.loses?.(from.options.index, to, message) === true)) return
    this.links.send(from.options.index, to, () => other.receive(bytes, from.options.key.publicKey))
  }

  #observe(from: SimulatedNode, bytes: Uint8Array): void {
    if (this.#decoded.has(bytes)) return
    let message: ConsensusMessage
    try {
      message = this.decode(bytes)
    } catch {
      // What cannot be read says nothing.
      return
    }
    this.observer.sent(from, message)
  }

  /** Nobody changes a message that it was given, so that all can share it. */
  decode(bytes: Uint8Array): ConsensusMessage {
    const known = this.#decoded.get(bytes)
    if (known !== undefined) return known
    const message = consensusMessageCodec.decode(bytes)
    this.#decoded.set(bytes, message)
    return message
  }

  withKey(key: Uint8Array): number[] {
    return this.nodes.flatMap(node => (equalBytes(node.options.key.publicKey, key) ? [node.options.index] : []))
  }

  fetch(from: SimulatedNode, batch: Uint8Array): void {
    const other = this.random.pick(this.nodes)
    if (other === from) return
    this.links.send(from.options.index, other.options.index, () =>
      other.meet(() => {
        if (!other.holds(batch) || other.mischief !== null || this.withheld.has(toHex(batch))) return
        this.links.send(other.options.index, from.options.index, () => from.hold(batch))
      }),
    )
  }

  pull(node: SimulatedNode, from?: Uint8Array): void {
    if (this.#pulling.has(node)) return
    // Not the same one twice in a row: it may be a liar, who likes to be asked.
    const last = this.#pulledFrom.get(node)
    const others = this.nodes.filter(other => other !== node && other !== last)
    const named = from === undefined ? [] : others.filter(other => equalBytes(other.options.key.publicKey, from))
    const other = this.random.pick(named.length > 0 && this.random.chance(0.5) ? named : others)
    this.#pulledFrom.set(node, other)
    this.#pulling.add(node)
    this.scheduler.after(1_000, () => this.#pulling.delete(node))
    const [here, there] = [node.options.index, other.options.index]
    this.links.send(here, there, () =>
      other.meet(() => {
        const blocks = other.store.blocks.slice(node.height + 1, node.height + 1 + MAX_PULLED)
        if (blocks.length === 0) return
        const answer =
          other.mischief === null ? blocks : blocks.map(block => ({ ...block, header: { ...block.header, time: block.header.time + 1 } }))
        this.links.send(there, here, () => {
          this.#pulling.delete(node)
          node.accept(answer)
        })
      }),
    )
  }

  announce(node: SimulatedNode, block: SimulatedBlock): void {
    for (const other of this.nodes) {
      if (other !== node) this.links.send(node.options.index, other.options.index, () => other.accept([block]))
    }
  }

  stored(node: SimulatedNode, block: SimulatedBlock): void {
    if (node.honest) this.observer.stored(node, block)
  }

  failed(node: SimulatedNode, error: unknown): void {
    // Where a fork is to be expected, so is a node that cannot follow both sides.
    if (node.honest && !this.plan.beyond) {
      this.observer.violation(
        'halted',
        `${node.name} failed: ${errorCode(error)} ${error instanceof Error ? (error.stack ?? error.message) : ''}`,
      )
    }
  }

  crashed(node: SimulatedNode): void {
    // Where no fault brings it back, the good network does.
    const backMs = this.random.int(50, 2_000)
    this.scheduler.after(backMs, () => this.restart(node))
  }
}

/** Lets all that follows from what just happened happen: promises have no place in virtual time. */
function drained(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
