import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { initialState, type MachineInput, type MachineOutput, type MachineState, transition } from '../../src/consensus/machine.ts'

const test = suite('round state machine')

interface Row {
  /** Lines of arXiv:1807.04938 Algorithm 1, and what is shown. */
  name: string
  from: Partial<MachineState>
  input: MachineInput
  /** Fields that change; none where the guard refuses. */
  to?: Partial<MachineState>
  outputs?: MachineOutput[]
}

const base: MachineState = { ...initialState, round: 2 }
const vote = (kind: 'prevote' | 'precommit', value: string | null, round = 2): MachineOutput => ({ type: 'vote', kind, round, value })
const timer = (kind: 'propose' | 'prevote' | 'precommit', round = 2): MachineOutput => ({ type: 'schedule', kind, round })
const proposal = (valid: boolean, value = 'v'): MachineInput => ({ type: 'proposal', round: 2, value, valid })
const again = (validRound: number, valid = true, value = 'v'): MachineInput => ({
  type: 'proposal-with-polka',
  round: 2,
  value,
  validRound,
  valid,
})
const polka: MachineInput = { type: 'polka', round: 2, value: 'v' }
const lockedOn = (value: string, round: number): Partial<MachineState> => ({
  lockedValue: value,
  lockedRound: round,
  validValue: value,
  validRound: round,
})

const rows: Row[] = [
  {
    name: '11-21: not the proposer: wait for the proposal',
    from: { round: 1, step: 'precommit', prevoteTimeoutScheduled: true, polkaApplied: true, precommitTimeoutScheduled: true },
    input: { type: 'start-round', round: 2, proposer: false },
    to: { round: 2, step: 'propose', prevoteTimeoutScheduled: false, polkaApplied: false, precommitTimeoutScheduled: false },
    outputs: [timer('propose')],
  },
  {
    name: '14-19: the proposer without a valid value asks for a fresh one',
    from: { round: 1 },
    input: { type: 'start-round', round: 2, proposer: true },
    to: { round: 2, awaitingValue: true },
    outputs: [{ type: 'get-value', round: 2 }, timer('propose')],
  },
  {
    name: '15-16: the proposer proposes its valid value again, with its round',
    from: { round: 1, validValue: 'v', validRound: 0 },
    input: { type: 'start-round', round: 2, proposer: true },
    to: { round: 2 },
    outputs: [{ type: 'propose', round: 2, value: 'v', validRound: 0 }, timer('propose')],
  },
  { name: '11: a round that is over does not start', from: {}, input: { type: 'start-round', round: 2, proposer: false } },
  {
    name: '18-19: the fresh value is proposed with validRound -1',
    from: { awaitingValue: true },
    input: { type: 'value', round: 2, value: 'v' },
    to: { awaitingValue: false },
    outputs: [{ type: 'propose', round: 2, value: 'v', validRound: -1 }],
  },
  { name: '18: a value that nobody asked for is not proposed', from: {}, input: { type: 'value', round: 2, value: 'v' } },
  {
    name: '18: a value that comes after timeoutPropose is not proposed',
    from: { awaitingValue: true, step: 'prevote' },
    input: { type: 'value', round: 2, value: 'v' },
  },
  { name: '18: a value of another round is not proposed', from: { awaitingValue: true }, input: { type: 'value', round: 1, value: 'v' } },

  {
    name: '22-24: valid and no lock: prevote it',
    from: {},
    input: proposal(true),
    to: { step: 'prevote' },
    outputs: [vote('prevote', 'v')],
  },
  {
    name: '25-26: invalid: prevote nil',
    from: {},
    input: proposal(false),
    to: { step: 'prevote' },
    outputs: [vote('prevote', null)],
  },
  {
    name: '23 (mutant: the lock is ignored): locked on another value: prevote nil',
    from: lockedOn('w', 1),
    input: proposal(true),
    to: { step: 'prevote' },
    outputs: [vote('prevote', null)],
  },
  {
    name: '23: locked on this value: prevote it',
    from: lockedOn('v', 1),
    input: proposal(true),
    to: { step: 'prevote' },
    outputs: [vote('prevote', 'v')],
  },
  { name: '22: only in step propose', from: { step: 'prevote' }, input: proposal(true) },
  { name: '22: an invalid value has the same step guard', from: { step: 'precommit' }, input: proposal(false) },
  { name: '22: only in the present round', from: {}, input: { type: 'proposal', round: 1, value: 'v', valid: true } },

  {
    name: '28-30: no lock: prevote it',
    from: {},
    input: again(0),
    to: { step: 'prevote' },
    outputs: [vote('prevote', 'v')],
  },
  {
    name: '29: locked in an older round on another value: the later polka wins',
    from: lockedOn('w', 0),
    input: again(1),
    to: { step: 'prevote' },
    outputs: [vote('prevote', 'v')],
  },
  {
    name: '29 (mutant: < for <=): locked in the very round of the polka',
    from: lockedOn('w', 1),
    input: again(1),
    to: { step: 'prevote' },
    outputs: [vote('prevote', 'v')],
  },
  {
    name: '31-32: locked in a later round on another value: prevote nil',
    from: lockedOn('w', 1),
    input: again(0),
    to: { step: 'prevote' },
    outputs: [vote('prevote', null)],
  },
  {
    name: '29: locked in a later round on this value: prevote it',
    from: lockedOn('v', 1),
    input: again(0),
    to: { step: 'prevote' },
    outputs: [vote('prevote', 'v')],
  },
  {
    name: '29: invalid: prevote nil, whatever the polka says',
    from: {},
    input: again(1, false),
    to: { step: 'prevote' },
    outputs: [vote('prevote', null)],
  },
  { name: '28: only in step propose', from: { step: 'prevote' }, input: again(1) },
  { name: '28: validRound below the round', from: {}, input: again(2) },
  { name: '28: validRound from 0 on', from: {}, input: again(-1) },

  {
    name: '34-35: a quorum of any prevotes starts timeoutPrevote',
    from: { step: 'prevote' },
    input: { type: 'prevotes-any', round: 2 },
    to: { prevoteTimeoutScheduled: true },
    outputs: [timer('prevote')],
  },
  {
    name: '34: for the first time only',
    from: { step: 'prevote', prevoteTimeoutScheduled: true },
    input: { type: 'prevotes-any', round: 2 },
  },
  { name: '34: only in step prevote', from: { step: 'propose' }, input: { type: 'prevotes-any', round: 2 } },

  {
    name: '36-43 in step prevote: lock, precommit, valid value',
    from: { step: 'prevote' },
    input: polka,
    to: { step: 'precommit', polkaApplied: true, ...lockedOn('v', 2) },
    outputs: [vote('precommit', 'v')],
  },
  {
    name: '37-41: a new lock replaces the old one',
    from: { step: 'prevote', ...lockedOn('w', 0) },
    input: polka,
    to: { step: 'precommit', polkaApplied: true, ...lockedOn('v', 2) },
    outputs: [vote('precommit', 'v')],
  },
  {
    name: '42-43 (mutant: skipped in step precommit): valid value without a lock',
    from: { step: 'precommit', ...lockedOn('w', 0) },
    input: polka,
    to: { polkaApplied: true, validValue: 'v', validRound: 2 },
  },
  { name: '36: for the first time only', from: { step: 'precommit', polkaApplied: true }, input: polka },
  { name: '36: not in step propose', from: { step: 'propose' }, input: polka },
  { name: '36: only in the present round', from: { step: 'prevote' }, input: { type: 'polka', round: 1, value: 'v' } },

  {
    name: '44-46: precommit nil',
    from: { step: 'prevote' },
    input: { type: 'polka-nil', round: 2 },
    to: { step: 'precommit' },
    outputs: [vote('precommit', null)],
  },
  {
    name: '44-46 (mutant: a nil polka unlocks): the lock stays',
    from: { step: 'prevote', ...lockedOn('w', 1) },
    input: { type: 'polka-nil', round: 2 },
    to: { step: 'precommit' },
    outputs: [vote('precommit', null)],
  },
  { name: '44: only in step prevote', from: { step: 'precommit' }, input: { type: 'polka-nil', round: 2 } },

  {
    name: '47-48: a quorum of any precommits starts timeoutPrecommit, in any step',
    from: { step: 'propose' },
    input: { type: 'precommits-any', round: 2 },
    to: { precommitTimeoutScheduled: true },
    outputs: [timer('precommit')],
  },
  { name: '47: for the first time only', from: { precommitTimeoutScheduled: true }, input: { type: 'precommits-any', round: 2 } },

  {
    name: '49-54: decide',
    from: { step: 'precommit' },
    input: { type: 'decision', round: 2, value: 'v' },
    to: { step: 'decided' },
    outputs: [{ type: 'decide', round: 2, value: 'v' }],
  },
  {
    name: '49 (mutant: the present round only): decide in an older round',
    from: { step: 'propose', ...lockedOn('w', 1) },
    input: { type: 'decision', round: 0, value: 'v' },
    to: { step: 'decided' },
    outputs: [{ type: 'decide', round: 0, value: 'v' }],
  },
  {
    name: '49: decide in a later round',
    from: { step: 'propose' },
    input: { type: 'decision', round: 9, value: 'v' },
    to: { step: 'decided' },
    outputs: [{ type: 'decide', round: 9, value: 'v' }],
  },
  { name: '50: one decision only', from: { step: 'decided' }, input: { type: 'decision', round: 3, value: 'w' } },

  {
    name: '55-56: straight to the higher round',
    from: { step: 'prevote' },
    input: { type: 'skip', round: 7 },
    to: {},
    outputs: [{ type: 'new-round', round: 7 }],
  },
  { name: '55: never back', from: {}, input: { type: 'skip', round: 2 } },

  {
    name: '57-60: timeoutPropose: prevote nil',
    from: {},
    input: { type: 'timeout', kind: 'propose', round: 2 },
    to: { step: 'prevote' },
    outputs: [vote('prevote', null)],
  },
  { name: '57: only in step propose', from: { step: 'prevote' }, input: { type: 'timeout', kind: 'propose', round: 2 } },
  { name: '57: only in its round', from: {}, input: { type: 'timeout', kind: 'propose', round: 1 } },
  {
    name: '61-64: timeoutPrevote: precommit nil, the lock stays',
    from: { step: 'prevote', ...lockedOn('w', 1) },
    input: { type: 'timeout', kind: 'prevote', round: 2 },
    to: { step: 'precommit' },
    outputs: [vote('precommit', null)],
  },
  { name: '61: only in step prevote', from: { step: 'precommit' }, input: { type: 'timeout', kind: 'prevote', round: 2 } },
  {
    name: '65-67: timeoutPrecommit: the next round, from any step',
    from: { step: 'propose' },
    input: { type: 'timeout', kind: 'precommit', round: 2 },
    to: {},
    outputs: [{ type: 'new-round', round: 3 }],
  },
  { name: '65: only in its round', from: {}, input: { type: 'timeout', kind: 'precommit', round: 1 } },
  { name: 'nothing after the decision', from: { step: 'decided' }, input: { type: 'timeout', kind: 'precommit', round: 2 } },
]

for (const { name, from, input, to, outputs } of rows) {
  test(`line ${name}`, () => {
    const state: MachineState = Object.freeze({ ...base, ...from })
    const result = transition(state, input)
    assert.equal(result.state, { ...state, ...to })
    assert.equal(result.outputs, outputs ?? [])
    if (to === undefined) assert.is(result.state, state, 'a refused input gives the very same state')
  })
}

test('a locked minority and a locked majority come together over a later polka', () => {
  // Locked on w in round 0; round 1 re-proposes v, which has a polka of round 0 as well (a faulty majority of an older round).
  let state: MachineState = { ...base, round: 1, step: 'propose', ...lockedOn('w', 0) }
  state = transition(state, { type: 'proposal-with-polka', round: 1, value: 'v', validRound: 0, valid: true }).state
  assert.is(state.step, 'prevote')
  const next = transition(state, { type: 'polka', round: 1, value: 'v' })
  assert.equal(next.outputs, [{ type: 'vote', kind: 'precommit', round: 1, value: 'v' }])
  assert.is(next.state.lockedValue, 'v')
})

test('twenty rounds of nil polkas keep the lock, and the locked value is prevoted at the end', () => {
  let state: MachineState = { ...initialState, ...lockedOn('v', 0), round: 0, step: 'precommit' }
  for (let round = 1; round <= 20; round++) {
    state = transition(state, { type: 'start-round', round, proposer: false }).state
    state = transition(state, { type: 'timeout', kind: 'propose', round }).state
    state = transition(state, { type: 'polka-nil', round }).state
  }
  state = transition(state, { type: 'start-round', round: 21, proposer: false }).state
  const refused = transition(state, { type: 'proposal', round: 21, value: 'w', valid: true })
  assert.equal(refused.outputs, [{ type: 'vote', kind: 'prevote', round: 21, value: null }])
  const accepted = transition(state, { type: 'proposal-with-polka', round: 21, value: 'v', validRound: 0, valid: true })
  assert.equal(accepted.outputs, [{ type: 'vote', kind: 'prevote', round: 21, value: 'v' }])
})

test.run()
