/**
 * Vote keeper: what was received for one height, and which quorums that makes (rule 6 of the implementation rules: integers,
 * distinct senders, the first vote of a sender counts, a second and different one is evidence, certificates count as a whole).
 */
import { compareBytes, equalBytes, toHex } from '../encoding/bytes.ts'
import type { Evidence } from '../ledger/evidence.ts'
import { isMoreThanThird, isQuorum, totalPower, type Validator, type ValidatorSet } from '../ledger/header.ts'
import { voteEvidence } from './evidence.ts'
import type { Vote, VoteKind } from './messages.ts'

/** Name of a block inside consensus: hex of its header's hash. `null` stands for nil. */
export type ValueId = string

/** Rounds above the present one that are kept of one sender; its lowest one gives way to a new one. */
export const MAX_FUTURE_ROUNDS = 8
/** Messages for rounds above the present one that are accepted of one sender at one height. */
export const MAX_FUTURE_MESSAGES = 1000
/** Rounds below the present one that are kept beside those of lock, valid value and certificates. */
export const PAST_ROUNDS = 64

/** Votes of one kind in one round. */
interface Tally {
  /** First vote of each sender. */
  readonly first: Map<string, Vote>
  readonly weight: Map<ValueId | null, number>
  total: number
  /** Values for which a whole certificate arrived, with its votes. */
  readonly certified: Map<ValueId | null, Vote[]>
}

interface RoundVotes {
  readonly prevote: Tally
  readonly precommit: Tally
  /** Everybody who sent any message of this round, proposals included. */
  readonly senders: Set<string>
}

export type AddResult = { readonly status: 'added' | 'known' | 'refused' } | { readonly status: 'conflict'; readonly evidence: Evidence }

/** How much a vote keeper holds. */
export interface BufferedVotes {
  /** Rounds of which anything is held. */
  rounds: number
  /** Votes, those of whole certificates counted again. */
  votes: number
  /** Senders and places for which a second vote was seen. */
  accused: number
}

/** Votes of one height: who voted for what in which round, and which quorums stand. */
export class VoteKeeper {
  readonly #total: number
  readonly #members = new Map<string, Validator>()
  readonly #rounds = new Map<number, RoundVotes>()
  readonly #future = new Map<string, { rounds: Set<number>; messages: number }>()
  /** Places for which evidence was given already, with their rounds. */
  readonly #accused = new Map<string, number>()
  #round = 0

  constructor(set: ValidatorSet) {
    this.#total = totalPower(set)
    for (const validator of set.validators) this.#members.set(toHex(validator.publicKey), validator)
  }

  isMember(publicKey: Uint8Array): boolean {
    return this.#members.has(toHex(publicKey))
  }

  /** The present round moves to `round`: older ones are forgotten but for a window and those in `keep`. */
  enterRound(round: number, keep: readonly number[]): void {
    this.#round = round
    for (const { rounds } of this.#future.values()) for (const r of rounds) if (r <= round) rounds.delete(r)
    for (const [r, { precommit }] of this.#rounds) {
      if (r >= round - PAST_ROUNDS || keep.includes(r)) continue
      if (![...precommit.certified.keys()].some(id => id !== null)) this.#rounds.delete(r)
    }
    // Without the first vote there is nothing that a later one could contradict.
    for (const [place, r] of this.#accused) if (r < round && !this.#rounds.has(r)) this.#accused.delete(place)
  }

  /** Whether {@link add} would add this vote or find it in conflict with another. */
  wants(vote: Vote): boolean {
    const sender = toHex(vote.validator)
    if (!this.#members.has(sender)) return false
    const known = this.#rounds.get(vote.round)?.[vote.kind].first.get(sender)
    if (known === undefined) return this.admits(vote.validator, vote.round)
    return !sameBlock(known.block, vote.block) && !this.#accused.has(offence(vote))
  }

  /** Whether {@link addCertificates} would find something new. */
  completes(votes: readonly Vote[]): boolean {
    return this.#newCertificates(votes).length > 0
  }

  /**
   * What of a bundle would change anything, each vote once: those that {@link add} would take, and all of a group that completes a
   * certificate. The rest need not be verified, and must not be kept: one new vote would carry hundreds of others along.
   */
  useful(votes: readonly Vote[]): Vote[] {
    const certified = new Set(this.#newCertificates(votes).flatMap(({ group }) => [...group.values()]))
    const taken = new Set<string>()
    return votes.filter(vote => {
      const name = `${offence(vote)} ${valueId(vote.block)}`
      if (taken.has(name) || !(certified.has(vote) || this.wants(vote))) return false
      taken.add(name)
      return true
    })
  }

  /** Adds a vote of a member whose signature was verified. */
  add(vote: Vote): AddResult {
    const sender = toHex(vote.validator)
    const member = this.#members.get(sender)
    if (member === undefined) return { status: 'refused' }
    const known = this.#rounds.get(vote.round)?.[vote.kind].first.get(sender)
    if (known !== undefined) {
      if (sameBlock(known.block, vote.block)) return { status: 'known' }
      if (this.#accused.has(offence(vote))) return { status: 'known' }
      this.#accused.set(offence(vote), vote.round)
      return { status: 'conflict', evidence: voteEvidence(known, vote) }
    }
    if (!this.#admit(vote.validator, vote.round)) return { status: 'refused' }
    const round = this.#roundOf(vote.round)
    const tally = round[vote.kind]
    const id = valueId(vote.block)
    tally.first.set(sender, vote)
    tally.weight.set(id, (tally.weight.get(id) ?? 0) + member.power)
    tally.total += member.power
    round.senders.add(sender)
    return { status: 'added' }
  }

  /**
   * Looks for whole certificates in a bundle of verified votes: groups for one (kind, round, value) that are a quorum by
   * themselves. They count even where a signer's first vote that this node saw was another one, so that an equivocator cannot
   * keep a quorum from a part of the network.
   */
  addCertificates(votes: readonly Vote[]): boolean {
    const groups = this.#newCertificates(votes)
    for (const { vote, group } of groups) {
      const round = this.#roundOf(vote.round)
      round[vote.kind].certified.set(valueId(vote.block), [...group.values()])
      for (const sender of group.keys()) round.senders.add(sender)
    }
    return groups.length > 0
  }

  #newCertificates(votes: readonly Vote[]): { vote: Vote; group: Map<string, Vote> }[] {
    // The common case is a single vote, and few validators are a quorum alone.
    const [single] = votes
    if (votes.length === 1 && single !== undefined && !isQuorum(this.#power([toHex(single.validator)]), this.#total)) return []
    const groups = new Map<string, { vote: Vote; group: Map<string, Vote> }>()
    for (const vote of votes) {
      const sender = toHex(vote.validator)
      if (!this.#members.has(sender)) continue
      const key = `${vote.kind} ${vote.round} ${valueId(vote.block)}`
      const entry = groups.get(key) ?? { vote, group: new Map<string, Vote>() }
      entry.group.set(sender, vote)
      groups.set(key, entry)
    }
    return [...groups.values()].filter(
      ({ vote, group }) => !this.quorum(vote.kind, vote.round, valueId(vote.block)) && isQuorum(this.#power(group.keys()), this.#total),
    )
  }

  /**
   * Notes that `sender` sent some message of `round`. False where its allowance of future messages is used up: the message is
   * to be dropped.
   */
  note(sender: Uint8Array, round: number): boolean {
    const name = toHex(sender)
    if (!this.#members.has(name) || !this.#admit(sender, round)) return false
    this.#roundOf(round).senders.add(name)
    return true
  }

  /** Quorum of votes for one value, or for nil. */
  quorum(kind: VoteKind, round: number, value: ValueId | null): boolean {
    const tally = this.#rounds.get(round)?.[kind]
    if (tally === undefined) return false
    return tally.certified.has(value) || isQuorum(tally.weight.get(value) ?? 0, this.#total)
  }

  /** Quorum of votes, whatever they are for. */
  quorumAny(kind: VoteKind, round: number): boolean {
    const tally = this.#rounds.get(round)?.[kind]
    return tally !== undefined && (tally.certified.size > 0 || isQuorum(tally.total, this.#total))
  }

  /** Rounds and values (never nil) with a quorum of this kind, ascending by round. */
  quorums(kind: VoteKind): { round: number; value: ValueId }[] {
    const found: { round: number; value: ValueId }[] = []
    for (const [round, votes] of this.#rounds) {
      const ids = new Set([...votes[kind].certified.keys(), ...votes[kind].weight.keys()])
      for (const value of ids) if (value !== null && this.quorum(kind, round, value)) found.push({ round, value })
    }
    return found.sort((a, b) => a.round - b.round)
  }

  /** Highest round above `round` in which more than a third of the weight sent something: line 55. */
  skipRound(round: number): number | undefined {
    let best: number | undefined
    for (const [r, { senders }] of this.#rounds) {
      if (r > round && (best === undefined || r > best) && isMoreThanThird(this.#power(senders), this.#total)) best = r
    }
    return best
  }

  /** Whether more than a third of the weight sent something in this round. */
  isSkip(round: number): boolean {
    const senders = this.#rounds.get(round)?.senders
    return senders !== undefined && isMoreThanThird(this.#power(senders), this.#total)
  }

  /** Votes of one kind and round for one value, ascending by validator, each validator once. */
  votesFor(kind: VoteKind, round: number, value: ValueId | null): Vote[] {
    const tally = this.#rounds.get(round)?.[kind]
    if (tally === undefined) return []
    const counted = [...tally.first.values()].filter(vote => valueId(vote.block) === value)
    const certified = tally.certified.get(value)
    const votes = new Map([...(certified ?? []), ...counted].map(vote => [toHex(vote.validator), vote]))
    return [...votes.values()].sort((a, b) => compareBytes(a.validator, b.validator))
  }

  /** Whether a vote of this sender was counted at a place. */
  hasVote(kind: VoteKind, round: number, sender: Uint8Array): boolean {
    return this.#rounds.get(round)?.[kind].first.has(toHex(sender)) ?? false
  }

  /** All first votes of a kind and round. */
  votesOf(kind: VoteKind, round: number): Vote[] {
    return [...(this.#rounds.get(round)?.[kind].first.values() ?? [])]
  }

  sizes(): BufferedVotes {
    let votes = 0
    for (const { prevote, precommit } of this.#rounds.values()) {
      for (const { first, certified } of [prevote, precommit]) {
        votes += first.size
        for (const group of certified.values()) votes += group.length
      }
    }
    return { rounds: this.#rounds.size, votes, accused: this.#accused.size }
  }

  #power(senders: Iterable<string>): number {
    let power = 0
    for (const sender of senders) power += this.#members.get(sender)?.power ?? 0
    return power
  }

  #roundOf(round: number): RoundVotes {
    let votes = this.#rounds.get(round)
    if (votes === undefined) {
      const tally = (): Tally => ({ first: new Map(), weight: new Map(), total: 0, certified: new Map() })
      votes = { prevote: tally(), precommit: tally(), senders: new Set() }
      this.#rounds.set(round, votes)
    }
    return votes
  }

  /** Whether the bounds on what one sender may make this node keep let another message of `round` in. */
  admits(sender: Uint8Array, round: number): boolean {
    if (round <= this.#round) return round >= this.#round - PAST_ROUNDS || this.#rounds.has(round)
    const future = this.#future.get(toHex(sender))
    if (future === undefined) return true
    if (future.messages >= MAX_FUTURE_MESSAGES) return false
    // An honest sender moves up: its newest rounds are the ones that help.
    return future.rounds.has(round) || future.rounds.size < MAX_FUTURE_ROUNDS || round > Math.min(...future.rounds)
  }

  #admit(sender: Uint8Array, round: number): boolean {
    if (!this.admits(sender, round)) return false
    if (round <= this.#round) return true
    const name = toHex(sender)
    const future = this.#future.get(name) ?? { rounds: new Set<number>(), messages: 0 }
    this.#future.set(name, future)
    future.messages++
    if (!future.rounds.has(round) && future.rounds.size >= MAX_FUTURE_ROUNDS) {
      const lowest = Math.min(...future.rounds)
      future.rounds.delete(lowest)
      this.#forget(name, lowest)
    }
    future.rounds.add(round)
    return true
  }

  #forget(sender: string, round: number): void {
    const votes = this.#rounds.get(round)
    const power = this.#members.get(sender)?.power ?? 0
    if (votes === undefined) return
    for (const tally of [votes.prevote, votes.precommit]) {
      const vote = tally.first.get(sender)
      if (vote === undefined) continue
      const id = valueId(vote.block)
      tally.first.delete(sender)
      tally.weight.set(id, (tally.weight.get(id) ?? 0) - power)
      tally.total -= power
    }
    votes.senders.delete(sender)
    if (votes.senders.size === 0) this.#rounds.delete(round)
  }
}

export function valueId(block: Uint8Array | null): ValueId | null {
  return block === null ? null : toHex(block)
}

function offence({ kind, round, validator }: Vote): string {
  return `${kind} ${round} ${toHex(validator)}`
}

function sameBlock(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b)
}
