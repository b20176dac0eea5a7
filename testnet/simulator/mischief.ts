/** What Byzantine validators do with their key beside, or instead of, what the protocol asks of them. */
import {
  type ConsensusMessage,
  consensusMessageCodec,
  messageHeight,
  type Proposal,
  signProposal,
  signVote,
  type Vote,
} from '../../src/consensus/messages.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { headerHash } from '../../src/ledger/header.ts'
import type { SeededRandom } from '../population/random.ts'
import { execute, type Rules, type SimulatedBlock } from './application.ts'
import type { MischiefKind } from './plan.ts'

export interface MischiefOptions {
  chainId: Uint8Array
  key: SigningKey
  kinds: readonly MischiefKind[]
  /** Number of nodes, and which of them this is. */
  nodes: number
  self: number
  /** Until when it does as it should, in ms of virtual time. */
  fromMs: number
}

export interface MischiefDependencies {
  random: SeededRandom
  rules: Rules
  tip: () => SimulatedBlock
  /** Virtual time, and the node's clock. */
  trueMs: () => number
  nowMs: () => number
  /** A batch that nobody ever gets to see, or one that makes a block invalid. */
  withheldBatch: () => Uint8Array
  badBatch: () => Uint8Array
  /** Sends bytes to one node. */
  send: (to: number, bytes: Uint8Array) => void
}

/** Values and messages that are kept to lie with. */
const MAX_KEPT = 64

export class Mischief {
  readonly #options: MischiefOptions
  readonly #deps: MischiefDependencies
  readonly #confidants: ReadonlySet<number>
  /** Hashes of blocks that were spoken of at the present height. */
  #values: Uint8Array[] = []
  #heard: Uint8Array[] = []
  #height = 0
  #told: Proposal | null = null
  /** Proposals of this height by value, and who prevoted what in which round: what a stale proposal is made of. */
  readonly #proposed = new Map<string, Proposal>()
  readonly #prevoted = new Map<string, { round: number; value: string; voters: Set<string> }>()
  /** What was said without regard for locks at this height: once is enough, and liars must not answer each other for ever. */
  readonly #forgotten = new Set<string>()

  constructor(options: MischiefOptions, dependencies: MischiefDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#confidants = new Set(
      Array.from({ length: options.nodes }, (_, i) => i).filter(node => node !== options.self && dependencies.random.chance(0.5)),
    )
  }

  #is(kind: MischiefKind): boolean {
    return this.#deps.trueMs() >= this.#options.fromMs && this.#options.kinds.includes(kind)
  }

  /** What becomes of something that this node's engine wants to send to all, or to `only` one. */
  outgoing(bytes: Uint8Array, only?: number): void {
    const message = consensusMessageCodec.decode(bytes)
    for (let to = 0; to < this.#options.nodes; to++) {
      if (to === this.#options.self || (only !== undefined && to !== only)) continue
      if (this.#is('silent') || (this.#is('selective') && !this.#confidants.has(to))) continue
      for (const one of this.#versions(message, to)) this.#send(to, one)
    }
  }

  /** Something arrived: a cue for what nobody asked for. */
  incoming(message: ConsensusMessage, bytes: Uint8Array): void {
    const { random } = this.#deps
    this.#remember(message, bytes)
    if (this.#is('silent')) return
    if (this.#is('amnesia')) this.#forget(message)
    if (this.#is('forge') && random.chance(0.08)) this.#forge(message)
    if (this.#is('propose') && message.type === 'proposal' && random.chance(0.2)) this.#impostor(message.value)
  }

  /** The engine's message as this receiver gets it. */
  #versions(message: ConsensusMessage, to: number): ConsensusMessage[] {
    const { key, chainId } = this.#options
    if (
      message.type === 'vote' &&
      equalBytes(message.value.validator, key.publicKey) &&
      this.#is('equivocate') &&
      !this.#confidants.has(to)
    ) {
      const other = this.#otherThan(message.value.block)
      return [{ type: 'vote', value: signVote(chainId, { ...message.value, block: other }, key) }]
    }
    if (message.type === 'votes' && this.#is('equivocate') && !this.#confidants.has(to)) {
      return [{ type: 'votes', value: message.value.filter(vote => !equalBytes(vote.validator, key.publicKey)) }].filter(
        one => one.value.length > 0,
      ) as ConsensusMessage[]
    }
    if (message.type === 'proposal' && equalBytes(message.value.validator, key.publicKey)) {
      if (this.#is('propose')) return [{ type: 'proposal', value: this.#sameBadProposal(message.value) }]
      if (this.#is('equivocate') && !this.#confidants.has(to)) return [{ type: 'proposal', value: this.#laterTwin(message.value) }]
    }
    return [message]
  }

  #remember(message: ConsensusMessage, bytes: Uint8Array): void {
    const height = messageHeight(message)
    if (height > this.#height) {
      this.#height = height
      this.#values = []
      this.#forgotten.clear()
      this.#proposed.clear()
      this.#prevoted.clear()
    }
    if (message.type === 'proposal' && this.#proposed.size < MAX_KEPT)
      this.#proposed.set(toHex(headerHash(message.value.header)), message.value)
    for (const { kind, round, block, validator } of votesOf(message)) {
      if (kind !== 'prevote' || block === null || this.#prevoted.size >= MAX_KEPT) continue
      const value = toHex(block)
      const known = this.#prevoted.get(`${round} ${value}`) ?? { round, value, voters: new Set<string>() }
      this.#prevoted.set(`${round} ${value}`, known)
      known.voters.add(toHex(validator))
    }
    const spoken =
      message.type === 'proposal'
        ? [headerHash(message.value.header)]
        : votesOf(message).flatMap(({ block }) => (block === null ? [] : [block]))
    for (const value of spoken) {
      if (this.#values.length < MAX_KEPT && !this.#values.some(known => equalBytes(known, value))) this.#values.push(value)
    }
    if (this.#heard.length < MAX_KEPT) this.#heard.push(bytes)
    else this.#heard[this.#deps.random.int(0, MAX_KEPT - 1)] = bytes
  }

  #otherThan(block: Uint8Array | null): Uint8Array | null {
    const others = [...this.#values.filter(value => block === null || !equalBytes(value, block)), ...(block === null ? [] : [null])]
    return others.length === 0 ? this.#deps.random.bytes(32) : this.#deps.random.pick(others)
  }

  /** Votes for whatever is proposed and for whatever others vote for, locked or not. */
  #forget(message: ConsensusMessage): void {
    const { random } = this.#deps
    if (message.type === 'proposal') {
      const { height, round } = message.value
      const block = headerHash(message.value.header)
      this.#sayOnce('prevote', height, round, block)
      if (random.chance(0.5)) this.#sayOnce('precommit', height, round, block)
      return
    }
    const vote = random.pick(votesOf(message).length > 0 ? votesOf(message) : [null])
    if (vote !== null && random.chance(0.3)) this.#sayOnce(vote.kind, vote.height, vote.round, vote.block)
  }

  #sayOnce(kind: Vote['kind'], height: number, round: number, block: Uint8Array | null): void {
    const name = `${kind} ${height} ${round} ${block === null ? 'nil' : toHex(block)}`
    if (height < this.#height || this.#forgotten.has(name)) return
    this.#forgotten.add(name)
    this.#tellAll(this.#vote(kind, height, round, block))
  }

  #forge(message: ConsensusMessage): void {
    const { random } = this.#deps
    const { key, chainId } = this.#options
    const height = messageHeight(message)
    const self = key.publicKey
    const vote = votesOf(message)[0]
    switch (random.int(0, 8)) {
      case 0:
        this.#deps.send(this.#somebody(), random.bytes(random.int(0, 200)))
        break
      case 1:
        // In another's name.
        if (vote !== undefined) this.#tellAll({ type: 'vote', value: { ...vote, block: this.#otherThan(vote.block) } })
        break
      case 2:
        // One vote, many times over, as if it were a quorum.
        if (vote !== undefined) {
          const own = signVote(chainId, { ...vote, validator: self }, key)
          this.#tellAll({ type: 'votes', value: Array.from({ length: this.#options.nodes }, () => own) })
        }
        break
      case 3:
        this.#tellAll(this.#vote(random.pick(['prevote', 'precommit'] as const), height, random.int(1, 300), null))
        break
      case 4:
        this.#tellAll(this.#vote('precommit', height + random.int(1, 100), random.int(0, 3), random.bytes(32)))
        break
      case 5:
        for (const bytes of this.#heard.slice(0, 8)) this.#deps.send(this.#somebody(), bytes)
        break
      case 6:
        // A certificate with too little under it.
        if (message.type === 'proposal') {
          const { header, round } = message.value
          const block = headerHash(header)
          const { signature } = signVote(chainId, { kind: 'precommit', height, round, block, validator: self }, key)
          this.#tellAll({
            type: 'certificate',
            value: { header, certificate: { height, round, block, signatures: [{ validator: self, signature }] } },
          })
        }
        break
      case 7:
        // A true certificate under another header.
        if (message.type === 'certificate') {
          const { header, certificate } = message.value
          this.#tellAll({ type: 'certificate', value: { header: { ...header, time: header.time + 1 }, certificate } })
        }
        break
      default:
        // Prevotes of others as precommits.
        if (vote !== undefined)
          this.#tellAll({ type: 'votes', value: votesOf(message).map(one => ({ ...one, kind: 'precommit' as const })) })
    }
  }

  /** A proposal out of turn, under the own key, or under the true proposer's name without its signature. */
  #impostor(proposal: Proposal): void {
    const { chainId, key } = this.#options
    const changed = this.#withTime(proposal, proposal.header.time + 1)
    const round = proposal.round + this.#deps.random.int(0, 1)
    if (this.#deps.random.chance(0.5)) {
      this.#tellAll({ type: 'proposal', value: signProposal(chainId, { ...changed, round, validator: key.publicKey }, key) })
    } else {
      this.#tellAll({ type: 'proposal', value: { ...changed, round } })
    }
  }

  /** Mostly all are told the same: else nobody would ever believe it. */
  #sameBadProposal(proposal: Proposal): Proposal {
    const { height, round } = proposal
    const told = this.#told
    if (told !== null && told.height === height && told.round === round && this.#deps.random.chance(0.9)) return told
    this.#told = this.#badProposal(proposal)
    return this.#told
  }

  #badProposal(proposal: Proposal): Proposal {
    const { random, nowMs, tip } = this.#deps
    const { key, chainId } = this.#options
    const sign = (changed: Proposal): Proposal => signProposal(chainId, changed, key)
    const stale = this.#staleProposal(proposal)
    if (stale !== undefined && random.chance(0.5)) return sign(stale)
    switch (random.int(0, 6)) {
      case 0:
        return sign(this.#withBatches(proposal, [...proposal.batches, this.#deps.badBatch()]))
      case 1:
        return sign(this.#withBatches(proposal, [...proposal.batches, this.#deps.withheldBatch()]))
      case 2:
        return sign(this.#withTime(proposal, nowMs() + random.int(2_000, 60_000)))
      case 3:
        return sign(this.#withTime(proposal, tip().header.time - random.int(0, 500)))
      case 4: {
        const others = tip().validators.next.validators.filter(({ publicKey }) => !equalBytes(publicKey, key.publicKey))
        const other = others.length === 0 ? key.publicKey : random.pick(others).publicKey
        return sign(this.#remade(proposal, { proposer: other }))
      }
      case 5:
        // A polka that never was.
        return sign({ ...proposal, validRound: proposal.round === 0 ? null : random.int(0, proposal.round - 1) })
      default:
        return sign({ ...proposal, header: { ...proposal.header, stateRoot: random.bytes(32) } })
    }
  }

  /** What had a polka once, with that polka, although something else may have had a later one. */
  #staleProposal(proposal: Proposal): Proposal | undefined {
    const polkas = [...this.#prevoted.values()].filter(
      ({ round, value, voters }) => round < proposal.round && 3 * voters.size > 2 * this.#options.nodes && this.#proposed.has(value),
    )
    if (polkas.length === 0) return undefined
    const { round, value } = polkas.reduce((a, b) => (a.round <= b.round ? a : b))
    const { header, batches } = this.#proposed.get(value) as Proposal
    return { ...proposal, header, batches, validRound: round }
  }

  /** As valid as the first, and another. */
  #laterTwin(proposal: Proposal): Proposal {
    if (proposal.validRound !== null) return proposal
    return signProposal(this.#options.chainId, this.#withTime(proposal, proposal.header.time + 1), this.#options.key)
  }

  #withTime(proposal: Proposal, timeMs: number): Proposal {
    return this.#remade(proposal, { timeMs: Math.max(0, timeMs) })
  }

  #withBatches(proposal: Proposal, batches: Uint8Array[]): Proposal {
    return this.#remade(proposal, { batches })
  }

  /** The proposal with a header that executing it would give, where the tip is the one that it stands on. */
  #remade(proposal: Proposal, changes: { timeMs?: number; proposer?: Uint8Array; batches?: Uint8Array[] }): Proposal {
    const tip = this.#deps.tip()
    const { timeMs = proposal.header.time, proposer = proposal.header.proposer, batches = proposal.batches } = changes
    if (!equalBytes(proposal.header.parent, tip.hash)) return { ...proposal, header: { ...proposal.header, time: timeMs, proposer } }
    return { ...proposal, batches, header: execute(this.#deps.rules, tip, { proposer, timeMs, batches }).header }
  }

  #vote(kind: Vote['kind'], height: number, round: number, block: Uint8Array | null): ConsensusMessage {
    const { key, chainId } = this.#options
    return { type: 'vote', value: signVote(chainId, { kind, height, round, block, validator: key.publicKey }, key) }
  }

  #somebody(): number {
    const { nodes, self } = this.#options
    return (self + this.#deps.random.int(1, nodes - 1)) % nodes
  }

  #tellAll(message: ConsensusMessage): void {
    for (let to = 0; to < this.#options.nodes; to++) {
      if (to !== this.#options.self && !(this.#is('selective') && !this.#confidants.has(to))) this.#send(to, message)
    }
  }

  #send(to: number, message: ConsensusMessage): void {
    let bytes: Uint8Array
    try {
      bytes = consensusMessageCodec.encode(message)
    } catch {
      // A lie that cannot even be written down.
      return
    }
    this.#deps.send(to, bytes)
  }
}

function votesOf(message: ConsensusMessage): readonly Vote[] {
  return message.type === 'vote' ? [message.value] : message.type === 'votes' ? message.value : []
}
