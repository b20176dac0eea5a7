/** Tables over the public entry alone: a scenario is a setup and steps, each an input and what must come out. */
import type { ConsensusInput, ConsensusOutput, ConsensusSetup, ConsensusView } from 'epione/consensus'

/** Fields that an output or the view must have. */
export type Expected<T> = T extends unknown ? Partial<T> : never

export interface StepRow {
  /** One input, or several whose outputs are looked at together. */
  in: ConsensusInput | readonly ConsensusInput[]
  /** Outputs in order; `log`, `broadcast` and the rebroadcast timer are passed over where `show` does not name them. */
  out?: readonly Expected<ConsensusOutput>[]
  view?: Partial<Omit<ConsensusView, 'sizes' | 'voted'>>
}

export interface Scenario {
  name: string
  setup?: Partial<ConsensusSetup>
  show?: readonly ('log' | 'broadcast' | 'rebroadcast')[]
  steps: readonly StepRow[]
}

/** Four validators of equal weight; a proposes in rounds 0, 4, ..., b in 1, c in 2, and the node, d, in 3. */
export const FOUR: ConsensusSetup = { validators: [{ name: 'a' }, { name: 'b' }, { name: 'c' }, { name: 'd' }], self: 'd' }

export const start: ConsensusInput = { type: 'start' }

export function proposal(value: string, round: number, more: Partial<Extract<ConsensusInput, { type: 'proposal' }>> = {}): ConsensusInput {
  return { type: 'proposal', round, value, ...more }
}

/** The same vote of several, one message each. */
function votes(kind: 'prevote' | 'precommit', round: number, value: string | null, from: string): ConsensusInput[] {
  return [...from].map(name => ({ type: 'vote', kind, round, value, from: name }))
}
export const prevotes = (round: number, value: string | null, from: string): ConsensusInput[] => votes('prevote', round, value, from)
export const precommits = (round: number, value: string | null, from: string): ConsensusInput[] => votes('precommit', round, value, from)

/** Votes for one value in one message. */
export function bundle(kind: 'prevote' | 'precommit', round: number, value: string | null, from: string): ConsensusInput {
  return { type: 'votes', votes: [...from].map(name => ({ kind, round, value, from: name })) }
}

export function timeout(kind: 'propose' | 'prevote' | 'precommit' | 'rebroadcast', round: number): ConsensusInput {
  return { type: 'timeout', kind, round }
}

export const saysPrevote = (round: number, value: string | null): Expected<ConsensusOutput> => ({
  type: 'vote',
  kind: 'prevote',
  round,
  value,
})
export const saysPrecommit = (round: number, value: string | null): Expected<ConsensusOutput> => ({
  type: 'vote',
  kind: 'precommit',
  round,
  value,
})
export const timer = (kind: 'propose' | 'prevote' | 'precommit', round: number): Expected<ConsensusOutput> => ({
  type: 'schedule',
  kind,
  round,
})
export const decides = (round: number, value: string): Expected<ConsensusOutput> => ({ type: 'decide', round, value })
export const dropped = (because: Extract<ConsensusOutput, { type: 'dropped' }>['because']): Expected<ConsensusOutput> => ({
  type: 'dropped',
  because,
})

export const lockedOn = (value: string, round: number): StepRow['view'] => ({
  lockedValue: value,
  lockedRound: round,
  validValue: value,
  validRound: round,
})

/** Steps by which the node locks `value` in round 0 and goes on to round 1. */
export function lockInRound0(value = 'v'): StepRow[] {
  return [
    { in: proposal(value, 0), out: [timer('propose', 0), saysPrevote(0, value)] },
    { in: prevotes(0, value, 'ab'), out: [saysPrecommit(0, value)], view: { step: 'precommit', ...lockedOn(value, 0) } },
    { in: precommits(0, null, 'ab'), out: [timer('precommit', 0)] },
    { in: timeout('precommit', 0), out: [timer('propose', 1)], view: { round: 1, step: 'propose' } },
  ]
}
