/**
 * The round state machine of Tendermint, arXiv:1807.04938 Algorithm 1, for one height: `(state, input) -> (state, outputs)`.
 *
 * One input per `upon` clause. The driver gives an input when the clause's messages and verdicts are there; everything that the
 * clause says about the machine's own state (step, lock, "for the first time") is checked here. An input whose guard does not
 * hold changes nothing and returns the very same state. -1 is the paper's -1: no round.
 */
import type { ValueId } from './votes.ts'

export type Step = 'propose' | 'prevote' | 'precommit' | 'decided'
export type TimeoutKind = 'propose' | 'prevote' | 'precommit'

export interface MachineState {
  readonly round: number
  readonly step: Step
  readonly lockedValue: ValueId | null
  readonly lockedRound: number
  readonly validValue: ValueId | null
  readonly validRound: number
  /** Whether this node proposes in this round and still waits for its own fresh value. */
  readonly awaitingValue: boolean
  /** "For the first time" of lines 34, 36 and 47, per round. */
  readonly prevoteTimeoutScheduled: boolean
  readonly polkaApplied: boolean
  readonly precommitTimeoutScheduled: boolean
}

export type MachineInput =
  /** StartRound(round), line 11; `proposer`: whether it is us. */
  | { readonly type: 'start-round'; readonly round: number; readonly proposer: boolean }
  /** getValue() of line 18 has its answer. */
  | { readonly type: 'value'; readonly round: number; readonly value: ValueId }
  /** Line 22: the round's proposal with validRound -1, and the verdict on it. */
  | { readonly type: 'proposal'; readonly round: number; readonly value: ValueId; readonly valid: boolean }
  /** Line 28: the round's proposal with validRound >= 0 and a quorum of prevotes for it in that round. */
  | {
      readonly type: 'proposal-with-polka'
      readonly round: number
      readonly value: ValueId
      readonly validRound: number
      readonly valid: boolean
    }
  /** Line 34: a quorum of any prevotes. */
  | { readonly type: 'prevotes-any'; readonly round: number }
  /** Line 36: the round's proposal, valid, and a quorum of prevotes for it. */
  | { readonly type: 'polka'; readonly round: number; readonly value: ValueId }
  /** Line 44: a quorum of prevotes for nil. */
  | { readonly type: 'polka-nil'; readonly round: number }
  /** Line 47: a quorum of any precommits. */
  | { readonly type: 'precommits-any'; readonly round: number }
  /** Line 49: a valid proposal of any round and a quorum of precommits for it in that round. */
  | { readonly type: 'decision'; readonly round: number; readonly value: ValueId }
  /** Line 55: f + 1 senders in a higher round. */
  | { readonly type: 'skip'; readonly round: number }
  /** Lines 57, 61 and 65. */
  | { readonly type: 'timeout'; readonly kind: TimeoutKind; readonly round: number }

export type MachineOutput =
  | { readonly type: 'get-value'; readonly round: number }
  | { readonly type: 'propose'; readonly round: number; readonly value: ValueId; readonly validRound: number }
  | { readonly type: 'vote'; readonly kind: 'prevote' | 'precommit'; readonly round: number; readonly value: ValueId | null }
  | { readonly type: 'schedule'; readonly kind: TimeoutKind; readonly round: number }
  /** The driver answers with `start-round`, for it knows the proposer. */
  | { readonly type: 'new-round'; readonly round: number }
  | { readonly type: 'decide'; readonly round: number; readonly value: ValueId }

export interface Transition {
  readonly state: MachineState
  readonly outputs: readonly MachineOutput[]
}

/** State before StartRound(0): lines 1 to 9. */
export const initialState: MachineState = {
  round: -1,
  step: 'propose',
  lockedValue: null,
  lockedRound: -1,
  validValue: null,
  validRound: -1,
  awaitingValue: false,
  prevoteTimeoutScheduled: false,
  polkaApplied: false,
  precommitTimeoutScheduled: false,
}

/** One step of the round state machine: the state after an input, and what is to be said and done. */
export function transition(state: MachineState, input: MachineInput): Transition {
  const unchanged: Transition = { state, outputs: [] }
  if (state.step === 'decided') return unchanged
  if (input.type === 'start-round') return input.round > state.round ? startRound(state, input.round, input.proposer) : unchanged
  if (input.type === 'decision') {
    // Lines 49 to 51, for the proposal of any round.
    return { state: { ...state, step: 'decided' }, outputs: [{ type: 'decide', round: input.round, value: input.value }] }
  }
  // Lines 55 and 56.
  if (input.type === 'skip') return input.round > state.round ? newRound(state, input.round) : unchanged
  if (input.round !== state.round) return unchanged
  switch (input.type) {
    case 'value':
      // Lines 18 and 19.
      if (state.step !== 'propose' || !state.awaitingValue) return unchanged
      return {
        state: { ...state, awaitingValue: false },
        outputs: [{ type: 'propose', round: state.round, value: input.value, validRound: -1 }],
      }
    case 'proposal': {
      // Lines 22 to 27.
      if (state.step !== 'propose') return unchanged
      const accept = input.valid && (state.lockedRound === -1 || state.lockedValue === input.value)
      return prevote(state, accept ? input.value : null)
    }
    case 'proposal-with-polka': {
      // Lines 28 to 33.
      if (state.step !== 'propose' || input.validRound < 0 || input.validRound >= state.round) return unchanged
      const accept = input.valid && (state.lockedRound <= input.validRound || state.lockedValue === input.value)
      return prevote(state, accept ? input.value : null)
    }
    case 'prevotes-any':
      // Lines 34 and 35.
      if (state.step !== 'prevote' || state.prevoteTimeoutScheduled) return unchanged
      return {
        state: { ...state, prevoteTimeoutScheduled: true },
        outputs: [{ type: 'schedule', kind: 'prevote', round: state.round }],
      }
    case 'polka':
      return polka(state, input.value)
    case 'polka-nil':
      // Lines 44 to 46. The lock stays.
      return state.step === 'prevote' ? precommit(state, null) : unchanged
    case 'precommits-any':
      // Lines 47 and 48.
      if (state.precommitTimeoutScheduled) return unchanged
      return {
        state: { ...state, precommitTimeoutScheduled: true },
        outputs: [{ type: 'schedule', kind: 'precommit', round: state.round }],
      }
    case 'timeout':
      // Lines 57 to 60, 61 to 64, 65 to 67.
      if (input.kind === 'propose') return state.step === 'propose' ? prevote(state, null) : unchanged
      if (input.kind === 'prevote') return state.step === 'prevote' ? precommit(state, null) : unchanged
      return newRound(state, state.round + 1)
  }
}

/** Lines 11 to 21. */
function startRound(state: MachineState, round: number, proposer: boolean): Transition {
  const started: MachineState = {
    ...state,
    round,
    step: 'propose',
    awaitingValue: proposer && state.validValue === null,
    prevoteTimeoutScheduled: false,
    polkaApplied: false,
    precommitTimeoutScheduled: false,
  }
  // Line 21; the paper's proposer has its value at once, ours waits for it, so that wait is bounded by the same timer.
  const timer: MachineOutput = { type: 'schedule', kind: 'propose', round }
  if (!proposer) return { state: started, outputs: [timer] }
  // Lines 15 and 16: the valid value is proposed again as it is.
  if (state.validValue !== null) {
    return { state: started, outputs: [{ type: 'propose', round, value: state.validValue, validRound: state.validRound }, timer] }
  }
  return { state: started, outputs: [{ type: 'get-value', round }, timer] }
}

/** Lines 36 to 43. */
function polka(state: MachineState, value: ValueId): Transition {
  if (state.step === 'propose' || state.polkaApplied) return { state, outputs: [] }
  const applied: MachineState = { ...state, polkaApplied: true, validValue: value, validRound: state.round }
  if (state.step !== 'prevote') return { state: applied, outputs: [] }
  return precommit({ ...applied, lockedValue: value, lockedRound: state.round }, value)
}

function prevote(state: MachineState, value: ValueId | null): Transition {
  return { state: { ...state, step: 'prevote' }, outputs: [{ type: 'vote', kind: 'prevote', round: state.round, value }] }
}

function precommit(state: MachineState, value: ValueId | null): Transition {
  return { state: { ...state, step: 'precommit' }, outputs: [{ type: 'vote', kind: 'precommit', round: state.round, value }] }
}

function newRound(state: MachineState, round: number): Transition {
  return { state, outputs: [{ type: 'new-round', round }] }
}
