/** Everything that was ever said at one height, by whomever and to whomever: the observer's own count, apart from the code under test. */
import { toHex } from '../../src/encoding/bytes.ts'
import type { ValidatorSet } from '../../src/ledger/header.ts'

/** Hex of a block's hash, or `nil`. */
export type Said = string

export interface SeenProposal {
  readonly validator: string
  readonly value: string
  readonly validRound: number | null
  readonly timeMs: number
  /** Key in the header: who is said to have proposed the value first. */
  readonly firstProposer: string
}

export class HeightSeen {
  readonly powers: ReadonlyMap<string, number>
  readonly total: number
  /** By `kind round`, then validator: all that it said. */
  readonly #votes = new Map<string, Map<string, Set<Said>>>()
  readonly proposals = new Map<number, SeenProposal[]>()
  readonly senders = new Map<number, Set<string>>()

  constructor(set: ValidatorSet) {
    this.powers = new Map(set.validators.map(({ publicKey, power }) => [toHex(publicKey), power]))
    this.total = set.validators.reduce((sum, { power }) => sum + power, 0)
  }

  /** Notes a vote; whether it is new. */
  vote(kind: string, round: number, validator: string, said: Said): boolean {
    const place = `${kind} ${round}`
    const votes = this.#votes.get(place) ?? new Map<string, Set<Said>>()
    this.#votes.set(place, votes)
    const all = votes.get(validator) ?? new Set<Said>()
    votes.set(validator, all)
    if (all.has(said)) return false
    all.add(said)
    this.#sender(round, validator)
    return true
  }

  /** Notes a proposal; whether it is new. */
  proposal(round: number, proposal: SeenProposal): boolean {
    const known = this.proposals.get(round) ?? []
    this.proposals.set(round, known)
    if (known.some(other => JSON.stringify(other) === JSON.stringify(proposal))) return false
    known.push(proposal)
    this.#sender(round, proposal.validator)
    return true
  }

  said(kind: string, round: number, validator: string): ReadonlySet<Said> {
    return this.#votes.get(`${kind} ${round}`)?.get(validator) ?? new Set()
  }

  /** Validators that said this, with all who also said something else. */
  sayers(kind: string, round: number, said: Said): string[] {
    return [...(this.#votes.get(`${kind} ${round}`) ?? [])].filter(([, all]) => all.has(said)).map(([validator]) => validator)
  }

  /** More than two thirds said this. */
  quorum(kind: string, round: number, said: Said): boolean {
    return this.#weight(this.sayers(kind, round, said)) * 3 > this.total * 2
  }

  /** More than two thirds said anything. */
  quorumAny(kind: string, round: number): boolean {
    return this.#weight(this.#votes.get(`${kind} ${round}`)?.keys() ?? []) * 3 > this.total * 2
  }

  /** More than a third, without `except`, sent something of this round. */
  skippable(round: number, except: string): boolean {
    const senders = [...(this.senders.get(round) ?? [])].filter(sender => sender !== except)
    return this.#weight(senders) * 3 > this.total
  }

  weightOf(validators: Iterable<string>): number {
    return this.#weight(validators)
  }

  #weight(validators: Iterable<string>): number {
    let weight = 0
    for (const validator of validators) weight += this.powers.get(validator) ?? 0
    return weight
  }

  #sender(round: number, validator: string): void {
    const senders = this.senders.get(round) ?? new Set<string>()
    this.senders.set(round, senders)
    senders.add(validator)
  }
}
