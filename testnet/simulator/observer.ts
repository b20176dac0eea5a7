/**
 * Sees all that is sent and all that is stored, and checks after each step what must hold, by counts of its own. What it finds is a
 * violation: a defect of the code under test, or of the simulation.
 */

import type { Verifier } from '../../src/consensus/application.ts'
import {
  type ConsensusMessage,
  messageHeight,
  type Proposal,
  proposalSigningBytes,
  type Vote,
  voteMessageSigningBytes,
} from '../../src/consensus/messages.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { voteSigningBytes } from '../../src/ledger/certificate.ts'
import { headerHash, type ValidatorSet } from '../../src/ledger/header.ts'
import type { SimulatedBlock } from './application.ts'
import { HeightSeen } from './votes-seen.ts'

export type ViolationKind =
  | 'agreement'
  | 'validity'
  | 'double-sign'
  | 'lock'
  | 'unjustified'
  | 'accountability'
  | 'liveness'
  | 'halted'
  | 'replay'

export interface Violation {
  readonly kind: ViolationKind
  readonly what: string
  /** Virtual time since the start, in ms. */
  readonly atMs: number
}

/** Who says something, as the observer knows it. */
export interface Speaker {
  /** Name for reports. */
  readonly name: string
  readonly key: string
  readonly honest: boolean
  /** The latest time that its clock has shown: clocks are set back, too. */
  latestMs(): number
  /** Whether it holds a batch. */
  holds(batch: Uint8Array): boolean
  /**
   * Whether it was restarted at this height: then what it said last may stand in its guard alone, while what led to it was lost
   * with the unsynced tail of its log.
   */
  restartedAt(height: number): boolean
}

export interface ObserverOptions {
  chainId: Uint8Array
  genesis: SimulatedBlock
  precisionMs: number
  /** Whether more lie than the protocol bears. */
  beyond: boolean
  /** Keys of those who lie. */
  liars: ReadonlySet<string>
}

export class Observer {
  readonly violations: Violation[] = []
  readonly #options: ObserverOptions
  readonly #verifier: Verifier
  readonly #isBad: (batch: Uint8Array) => boolean
  readonly #sinceMs: () => number
  readonly #heights = new Map<number, HeightSeen>()
  readonly #sets = new Map<number, ValidatorSet>()
  readonly #blocks = new Map<number, SimulatedBlock>()
  /** What was said at heights whose validators are not known yet. */
  readonly #early = new Map<number, { speaker: Speaker; message: ConsensusMessage }[]>()
  /** Batches of each value that was ever proposed. */
  readonly #contents = new Map<string, Set<string>>()
  /** For those who want to be told all of it. */
  onSent: ((speaker: Speaker, message: ConsensusMessage) => void) | null = null
  onStored: ((speaker: Speaker, block: SimulatedBlock) => void) | null = null
  /** Forks, which beyond the bound may be. */
  forks = 0
  highestRound = 0

  constructor(
    options: ObserverOptions,
    dependencies: { verifier: Verifier; isBad: (batch: Uint8Array) => boolean; sinceMs: () => number },
  ) {
    this.#options = options
    this.#verifier = dependencies.verifier
    this.#isBad = dependencies.isBad
    this.#sinceMs = dependencies.sinceMs
    this.#sets.set(1, options.genesis.validators.next)
    this.#blocks.set(0, options.genesis)
  }

  violation(kind: ViolationKind, what: string): void {
    this.violations.push({ kind, what, atMs: this.#sinceMs() })
  }

  /** A message leaves a node, honest or not. */
  sent(speaker: Speaker, message: ConsensusMessage): void {
    this.onSent?.(speaker, message)
    const height = messageHeight(message)
    if (!this.#sets.has(height)) {
      // Liars can be a block ahead of everybody honest; who votes there is known once one of those stores it.
      const early = this.#early.get(height) ?? []
      this.#early.set(height, early)
      early.push({ speaker, message })
      return
    }
    this.#take(speaker, message)
  }

  #take(speaker: Speaker, message: ConsensusMessage): void {
    switch (message.type) {
      case 'proposal':
        this.#proposal(speaker, message.value)
        break
      case 'vote':
        this.#vote(speaker, message.value)
        break
      case 'votes':
        for (const vote of message.value) this.#vote(speaker, vote)
        break
      case 'certificate':
        // Repeats precommits that were sent, or is a lie that receivers must find out.
        break
    }
  }

  /** A node has stored a block. */
  stored(speaker: Speaker, block: SimulatedBlock): void {
    this.onStored?.(speaker, block)
    const { height } = block.header
    const known = this.#blocks.get(height)
    if (known === undefined) {
      this.#blocks.set(height, block)
      this.#sets.set(height + 1, block.validators.next)
      this.#checkBlock(block)
      for (const { speaker: earlier, message } of this.#early.get(height + 1) ?? []) this.#take(earlier, message)
      this.#early.delete(height + 1)
      return
    }
    if (toHex(known.hash) === toHex(block.hash)) return
    if (!this.#options.beyond) {
      this.violation('agreement', `${speaker.name} stored ${short(block.hash)} at height ${height}, another node ${short(known.hash)}`)
      return
    }
    this.forks++
    this.#checkCulprits(known, block)
  }

  get highest(): number {
    return Math.max(...this.#blocks.keys())
  }

  #seen(height: number): HeightSeen | undefined {
    const known = this.#heights.get(height)
    if (known !== undefined) return known
    const set = this.#sets.get(height)
    if (set === undefined) return undefined
    const seen = new HeightSeen(set)
    this.#heights.set(height, seen)
    return seen
  }

  #proposal(speaker: Speaker, proposal: Proposal): void {
    const { height, round, header, validRound, batches } = proposal
    const seen = this.#seen(height)
    if (seen === undefined) return
    const validator = toHex(proposal.validator)
    const value = toHex(headerHash(header))
    // What a liar says in another's name counts for nothing.
    if (
      !speaker.honest &&
      !this.#verifier.verify(proposal.validator, proposalSigningBytes(this.#options.chainId, proposal), proposal.signature)
    )
      return
    const firstProposer = toHex(header.proposer)
    if (!seen.proposal(round, { validator, value, validRound, timeMs: header.time, firstProposer })) return
    const contents = this.#contents.get(value) ?? new Set<string>()
    this.#contents.set(value, contents)
    contents.add(batches.map(toHex).join())
    if (!speaker.honest || validator !== speaker.key) return
    if ((seen.proposals.get(round) ?? []).filter(other => other.validator === validator).length > 1) {
      this.violation('double-sign', `${speaker.name} signed two proposals at ${height}/${round}`)
    }
    this.#checkRound(speaker, seen, height, round)
    const locked = lastPrecommit(seen, validator, round)
    if (locked !== undefined && (validRound === null || validRound < locked.round)) {
      this.violation(
        'lock',
        `${speaker.name} precommitted in round ${locked.round} of ${height} and proposes validRound ${validRound} in ${round}`,
      )
    }
    if (validRound !== null && !seen.quorum('prevote', validRound, value)) {
      this.violation('unjustified', `${speaker.name} proposes at ${height}/${round} a value without a polka in round ${validRound}`)
    }
  }

  #vote(speaker: Speaker, vote: Vote): void {
    const { kind, height, round, block } = vote
    const seen = this.#seen(height)
    if (seen === undefined) return
    const validator = toHex(vote.validator)
    if (!seen.powers.has(validator)) {
      if (speaker.honest && validator === speaker.key) this.violation('unjustified', `${speaker.name} votes at ${height} without a seat`)
      return
    }
    const said = block === null ? 'nil' : toHex(block)
    if (!speaker.honest && !this.#verifier.verify(vote.validator, voteMessageSigningBytes(this.#options.chainId, vote), vote.signature))
      return
    if (!seen.vote(kind, round, validator, said)) return
    if (!speaker.honest || validator !== speaker.key) return
    this.highestRound = Math.max(this.highestRound, round)
    const place = `${height}/${round}`
    if (seen.said(kind, round, validator).size > 1) this.violation('double-sign', `${speaker.name} signed two ${kind}s at ${place}`)
    this.#checkRound(speaker, seen, height, round)
    if (said === 'nil') return
    if (kind === 'precommit') {
      if (!seen.quorum('prevote', round, said)) this.violation('unjustified', `${speaker.name} precommits at ${place} without a polka`)
      return
    }
    this.#checkPrevote(speaker, seen, { height, round, said })
  }

  #checkPrevote(speaker: Speaker, seen: HeightSeen, { height, round, said }: { height: number; round: number; said: string }): void {
    const place = `${height}/${round}`
    const locked = lastPrecommit(seen, speaker.key, round)
    if (locked !== undefined && locked.said !== said) {
      const isUnlocked = rounds(locked.round, round).some(r => seen.quorum('prevote', r, said))
      if (!isUnlocked) this.violation('lock', `${speaker.name} is locked in round ${locked.round} and prevotes another value at ${place}`)
    }
    const set = this.#sets.get(height) as ValidatorSet
    const proposer = toHex(proposerAt(set, height, round).publicKey)
    const proposals = (seen.proposals.get(round) ?? []).filter(({ value, validator }) => value === said && validator === proposer)
    const isJustified = proposals.some(({ validRound, timeMs, firstProposer }) =>
      validRound === null
        ? // A proposer whose clock is behind gives the first time after the parent's, and stands by it.
          (proposer === speaker.key || timeMs - this.#options.precisionMs <= speaker.latestMs()) && firstProposer === proposer
        : seen.quorum('prevote', validRound, said),
    )
    const isOwnLost = proposer === speaker.key && speaker.restartedAt(height)
    if (!isJustified && !isOwnLost)
      this.violation('unjustified', `${speaker.name} prevotes at ${place} for what no proposal of that round justifies`)
    if (speaker.restartedAt(height)) return
    const lists = [...(this.#contents.get(said) ?? [])].map(list => (list === '' ? [] : list.split(',').map(fromHex)))
    if (!lists.some(list => list.every(batch => speaker.holds(batch) && !this.#isBad(batch)))) {
      this.violation('validity', `${speaker.name} prevotes at ${place} for what it cannot have executed`)
    }
  }

  /** Nobody is in a later round without a reason: the round before ended, or enough others are there. */
  #checkRound(speaker: Speaker, seen: HeightSeen, height: number, round: number): void {
    if (round === 0 || seen.quorumAny('precommit', round - 1) || seen.skippable(round, speaker.key)) return
    this.violation('unjustified', `${speaker.name} is in round ${round} of ${height} without a reason`)
  }

  #checkBlock({ header, batches, certificate }: SimulatedBlock): void {
    const { height } = header
    const set = this.#sets.get(height) as ValidatorSet
    const parent = this.#blocks.get(height - 1) as SimulatedBlock
    if (toHex(header.parent) !== toHex(parent.hash)) {
      // It stands on the other side of a fork, of which the validators are not known here.
      if (!this.#options.beyond) this.violation('agreement', `the block at ${height} stands on another parent than the one that was stored`)
      return
    }
    const powers = new Map(set.validators.map(({ publicKey, power }) => [toHex(publicKey), power]))
    let weight = 0
    for (const { validator, signature } of certificate?.signatures ?? []) {
      const { round, block } = certificate as NonNullable<typeof certificate>
      const message = voteSigningBytes({ chainId: this.#options.chainId, kind: 'precommit', height, round, block })
      const power = powers.get(toHex(validator))
      powers.delete(toHex(validator))
      if (power === undefined || !this.#verifier.verify(validator, message, signature)) continue
      weight += power
    }
    const total = set.validators.reduce((sum, { power }) => sum + power, 0)
    if (weight * 3 <= total * 2) this.violation('validity', `the block at ${height} is certified by ${weight} of ${total}`)
    if (header.time <= parent.header.time) this.violation('validity', `the block at ${height} is not later than its parent`)
    if (batches.some(batch => this.#isBad(batch))) this.violation('validity', `the block at ${height} holds what makes it invalid`)
    const proposers = rounds(0, (certificate?.round ?? 0) + 1).map(round => toHex(proposerAt(set, height, round).publicKey))
    if (!proposers.includes(toHex(header.proposer)))
      this.violation('validity', `the block at ${height} names a proposer whose turn it was not`)
  }

  /** Two blocks at one height: whoever signed against the rules must be found, more than a third, and nobody honest among them. */
  #checkCulprits(a: SimulatedBlock, b: SimulatedBlock): void {
    const { height } = a.header
    const seen = this.#heights.get(height)
    if (seen === undefined || toHex(a.header.parent) !== toHex(b.header.parent)) return
    const culprits = new Set<string>()
    for (const [first, second] of [
      [a, b],
      [b, a],
    ] as const) {
      const from = first.certificate?.round ?? 0
      const [one, other] = [toHex(first.hash), toHex(second.hash)]
      for (const validator of seen.sayers('precommit', from, one)) {
        if (seen.said('precommit', from, validator).size > 1) culprits.add(validator)
        // Amnesia: precommitted one, and prevoted the other later although no polka for it had come between.
        for (const round of rounds(from + 1, (second.certificate?.round ?? 0) + 1)) {
          const prevotes = seen.said('prevote', round, validator)
          if (prevotes.size > 1) culprits.add(validator)
          const isFree = rounds(from, round).some(r => seen.quorum('prevote', r, other))
          if (prevotes.has(other) && !isFree) culprits.add(validator)
        }
      }
      for (const round of rounds(0, (second.certificate?.round ?? 0) + 1)) {
        for (const validator of seen.powers.keys()) if (seen.said('prevote', round, validator).size > 1) culprits.add(validator)
      }
    }
    const innocent = [...culprits].filter(validator => !this.#options.liars.has(validator))
    if (innocent.length > 0) this.violation('accountability', `${innocent.length} honest validators are blamed for the fork at ${height}`)
    if (seen.weightOf(culprits) * 3 <= seen.total)
      this.violation('accountability', `the fork at ${height} names ${seen.weightOf(culprits)} of ${seen.total} only`)
  }
}

/** Newest round below `before` in which a validator precommitted a block. */
function lastPrecommit(seen: HeightSeen, validator: string, before: number): { round: number; said: string } | undefined {
  for (let round = before - 1; round >= 0; round--) {
    for (const said of seen.said('precommit', round, validator)) if (said !== 'nil') return { round, said }
  }
  return undefined
}

function rounds(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
}

function short(hash: Uint8Array): string {
  return toHex(hash).slice(0, 8)
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
}
