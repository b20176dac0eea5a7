/**
 * The driver: heights one after the other, what is kept for later heights, and effects as data. It has no clock, no randomness
 * and does no I/O, so that a simulator drives it as the engine does: give it verified inputs, carry out its effects, give their
 * results back as inputs.
 */
import type { BufferSizes, Timeouts, Tip } from './application.ts'
import type { Effect } from './effects.ts'
import { FutureBuffer } from './future.ts'
import { HeightState, roundTimeouts } from './height.ts'
import { type DriverInput, inputHeight } from './inputs.ts'
import type { MachineState } from './machine.ts'
import type { ConsensusMessage, Vote } from './messages.ts'

export interface DriverOptions {
  /** This node's consensus key, or null for a follower that only verifies decisions. */
  self: Uint8Array | null
  timeouts: Timeouts
}

/** What to do with an input: apply it now, keep it for its height, or drop it, and why. */
export type Relevance = 'apply' | 'future' | 'old' | ReturnType<HeightState['relevance']>

/** Consensus of one height after another with headers, keys and signatures as they are on the wire; pure: inputs come in, effects go out. */
export class Driver {
  readonly #options: DriverOptions
  readonly #future = new FutureBuffer()
  #tip: Tip
  #state: HeightState

  constructor(options: DriverOptions, tip: Tip) {
    this.#options = options
    this.#tip = tip
    this.#state = new HeightState(tip, options.self, options.timeouts)
  }

  /** Height that is being decided. */
  get height(): number {
    return this.#state.height
  }

  get tip(): Tip {
    return this.#tip
  }

  /** State of the round machine; round -1 while the height is idle. */
  get machine(): MachineState {
    return this.#state.machine
  }

  get started(): boolean {
    return this.#state.started
  }

  get decided(): boolean {
    return this.#state.decided
  }

  isMember(publicKey: Uint8Array): boolean {
    return this.#state.votes.isMember(publicKey)
  }

  /** Whether this node is among the validators of the present height. */
  get isValidator(): boolean {
    return this.#state.isValidator
  }

  relevance(input: DriverInput): Relevance {
    const height = inputHeight(input)
    if (height !== this.height) return height > this.height ? 'future' : 'old'
    return this.#state.relevance(input)
  }

  /** Moves to the height above `tip`; nothing of the height that is left behind remains, late results included. */
  enter(tip: Tip): Effect[] {
    if (tip.header.height < this.height) return []
    this.#tip = tip
    this.#state = new HeightState(tip, this.#options.self, this.#options.timeouts)
    const inputs = this.#future.take(this.height)
    return inputs.length === 0 ? [] : [{ type: 'redeliver', inputs }]
  }

  /** Applies an input. One of a later height is kept, within bounds, on the account of `from`. */
  handle(input: DriverInput, from?: Uint8Array): Effect[] {
    const height = inputHeight(input)
    if (height === this.height) return this.#state.apply(input)
    if (height > this.height && from !== undefined) this.keep(input, from)
    return []
  }

  /** Of votes of the present height, those that would change anything. */
  useful(votes: readonly Vote[]): Vote[] {
    return this.#state.decided ? [] : this.#state.votes.useful(votes)
  }

  /** Whether {@link keep} would keep a message of a later height, or has it. */
  admits(input: DriverInput, from: Uint8Array): 'known' | 'room' | 'full' {
    return this.#future.admits(this.height, inputHeight(input), input, from)
  }

  /** Keeps a message of a later height, on the account of its sender; false where the bounds refuse it. */
  keep(input: DriverInput, from: Uint8Array): boolean {
    return this.#future.add(this.height, inputHeight(input), input, from)
  }

  /** For status and tests: how much is held of the present height and of later ones. */
  sizes(): BufferSizes {
    const { heights, inputs, weight } = this.#future.sizes()
    return { ...this.#state.sizes(), futureHeights: heights, futureInputs: inputs, futureWeight: weight }
  }

  /** What a peer that just connected may have missed of this height. */
  resend(): ConsensusMessage[] {
    return this.#state.decided ? [] : this.#state.resend()
  }

  /** For status: proposer, times and who voted in the present round (round 0 while idle). */
  view(): {
    proposer: Uint8Array
    timeouts: { proposeMs: number; voteMs: number; rebroadcastMs: number }
    votes: { validator: Uint8Array; power: number; prevote: boolean; precommit: boolean }[]
  } {
    const round = Math.max(0, this.machine.round)
    const { votes } = this.#state
    const said = (kind: 'prevote' | 'precommit'): Set<string> => new Set(votes.votesOf(kind, round).map(vote => vote.validator.join()))
    const [prevotes, precommits] = [said('prevote'), said('precommit')]
    return {
      proposer: this.#state.proposer(round),
      timeouts: roundTimeouts(this.#options.timeouts, round),
      votes: this.#tip.validators.validators.map(({ publicKey, power }) => ({
        validator: publicKey,
        power,
        prevote: prevotes.has(publicKey.join()),
        precommit: precommits.has(publicKey.join()),
      })),
    }
  }
}
