/** The vote keeper of one height, driven by plain data: votes and bundles in, thresholds that they reach out. */

import { toHex } from '../../encoding/bytes.ts'
import type { Vote, VoteKind } from '../messages.ts'
import { type BufferedVotes, VoteKeeper } from '../votes.ts'
import { badInput, bytesOf, checkOneOf, checkRound, nameOf, type PlainValidator, setOf } from './names.ts'
import { type Recording, recorder, type Stepped } from './recording.ts'

export interface VotesSetup {
  readonly validators: readonly PlainValidator[]
}

/** A vote; `value` null is nil. */
export interface PlainVote {
  readonly kind: VoteKind
  readonly round: number
  readonly value: string | null
  /** Name of the voter. Somebody who is no validator may be named: what becomes of it is part of the rules. */
  readonly from: string
}

export type VotesInput =
  /** One verified vote. */
  | ({ readonly type: 'vote' } & PlainVote)
  /** Verified votes that came as one message: each counts by itself, and those that are a quorum together count as a certificate. */
  | { readonly type: 'votes'; readonly votes: readonly PlainVote[] }
  /** Some other message (a proposal) of a round: it counts for the round skip. */
  | { readonly type: 'message'; readonly round: number; readonly from: string }
  /** The present round moves; rounds in `keep` (of lock and valid value) are not forgotten. */
  | { readonly type: 'round'; readonly round: number; readonly keep?: readonly number[] }

export type VotesOutput =
  /** What became of a vote: counted, said before, or refused (a stranger, or beyond what is kept of one sender). */
  | ({ readonly type: 'added' | 'known' | 'refused' } & PlainVote)
  /** A message of a stranger, or beyond what is kept of one sender. */
  | { readonly type: 'message-refused'; readonly round: number; readonly from: string }
  /** The voter has voted for another value at this place: evidence, once per place. The first vote stays the one that counts. */
  | {
      readonly type: 'conflict'
      readonly kind: VoteKind
      readonly round: number
      readonly from: string
      readonly values: (string | null)[]
    }
  /** A quorum for one value (null: nil) is there now. */
  | { readonly type: 'quorum'; readonly kind: VoteKind; readonly round: number; readonly value: string | null }
  /** A quorum of votes for whatever is there now. */
  | { readonly type: 'quorum-any'; readonly kind: VoteKind; readonly round: number }
  /** More than a third of the weight is in this round, which is above the present one: line 55. */
  | { readonly type: 'skip'; readonly round: number }

export type VotesState = Recording<VotesSetup, VotesInput>

interface Live {
  readonly keeper: VoteKeeper
  readonly told: Set<string>
  round: number
}

const votes = recorder<VotesSetup, VotesInput, VotesOutput, Live>(
  setup => ({ keeper: new VoteKeeper(setOf(setup.validators, 0)), told: new Set(), round: 0 }),
  applyInput,
)

/** The vote keeper of a height, with no vote yet. @throws EpioneError `consensus-setup` */
export function startVotes(setup: VotesSetup): VotesState {
  return votes.start(setup)
}

/**
 * Applies one input. Thresholds are told once, by the input that reaches them.
 * @throws EpioneError `consensus-input` for an input that is not one; the state is as it was
 */
export function stepVotes(state: VotesState, input: VotesInput): Stepped<VotesSetup, VotesInput, VotesOutput> {
  return votes.step(state, input)
}

/** How much is held. */
export function viewVotes(state: VotesState): BufferedVotes {
  return votes.live(state).keeper.sizes()
}

/** A vote of a table as the layers know it; signatures are of no account there. */
export function voteOf(plain: PlainVote, height: number, block: (name: string) => Uint8Array): Vote {
  const kind = checkOneOf(plain.kind, 'kind', ['prevote', 'precommit'])
  const round = checkRound(plain.round)
  return {
    kind,
    height,
    round,
    block: plain.value === null ? null : block(plain.value),
    validator: bytesOf(plain.from, 'from'),
    signature: new Uint8Array(64),
  }
}

function applyInput(live: Live, input: VotesInput): VotesOutput[] {
  const { keeper } = live
  const outputs: VotesOutput[] = []
  switch (input.type) {
    case 'vote':
    case 'votes': {
      const list = input.type === 'vote' ? [input] : input.votes
      if (!Array.isArray(list)) return badInput('votes must be a list.')
      const bundle = list.map(plain => voteOf(plain, 0, name => bytesOf(name, 'value')))
      for (const vote of bundle) {
        const result = keeper.add(vote)
        if (result.status === 'conflict') {
          const { first, second } = result.evidence.value as { first: Vote; second: Vote }
          outputs.push({ type: 'conflict', ...placeOf(vote), values: [first, second].map(({ block }) => block && nameOf(block)) })
        } else outputs.push({ type: result.status, ...placeOf(vote), value: vote.block && nameOf(vote.block) })
      }
      if (input.type === 'votes') keeper.addCertificates(bundle)
      for (const vote of bundle) {
        const { kind, round, block } = vote
        if (keeper.quorumAny(kind, round)) tell(live, outputs, { type: 'quorum-any', kind, round })
        const value = block && nameOf(block)
        if (keeper.quorum(kind, round, block && toHex(block))) tell(live, outputs, { type: 'quorum', kind, round, value })
      }
      break
    }
    case 'message': {
      const from = bytesOf(input.from, 'from')
      if (!keeper.note(from, checkRound(input.round))) {
        outputs.push({ type: 'message-refused', round: input.round, from: input.from })
      }
      break
    }
    case 'round':
      live.round = checkRound(input.round)
      keeper.enterRound(input.round, input.keep ?? [])
      break
    default:
      return badInput(`There is no input "${String((input as { type: unknown }).type)}" of the vote keeper.`)
  }
  const skip = keeper.skipRound(live.round)
  if (skip !== undefined) tell(live, outputs, { type: 'skip', round: skip })
  return outputs
}

function placeOf({ kind, round, validator }: Vote): { kind: VoteKind; round: number; from: string } {
  return { kind, round, from: nameOf(validator) }
}

function tell(live: Live, outputs: VotesOutput[], output: VotesOutput): void {
  const key = JSON.stringify(output)
  if (live.told.has(key)) return
  live.told.add(key)
  outputs.push(output)
}
