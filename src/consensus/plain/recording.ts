/**
 * State as a recording: the setup and every input so far, which is all that a deterministic program's state is. It is plain data that can be
 * written down, compared and continued elsewhere; the program behind it is kept beside it, so that going on from the newest state costs
 * one step and going on from an older one costs a replay.
 */
export interface Recording<Setup, Input> {
  readonly setup: Setup
  readonly inputs: readonly Input[]
}

export interface Stepped<Setup, Input, Output> {
  readonly state: Recording<Setup, Input>
  readonly outputs: readonly Output[]
}

export interface Recorder<Setup, Input, Output, Live> {
  start(setup: Setup): Recording<Setup, Input>
  step(state: Recording<Setup, Input>, input: Input): Stepped<Setup, Input, Output>
  /** The program in this state, to be looked at. */
  live(state: Recording<Setup, Input>): Live
}

export function recorder<Setup, Input, Output, Live>(
  open: (setup: Setup) => Live,
  apply: (live: Live, input: Input) => Output[],
): Recorder<Setup, Input, Output, Live> {
  const lives = new WeakMap<Recording<Setup, Input>, Live>()
  const live = (state: Recording<Setup, Input>): Live => {
    let found = lives.get(state)
    if (found === undefined) {
      found = open(state.setup)
      for (const input of state.inputs) apply(found, input)
      lives.set(state, found)
    }
    return found
  }
  return {
    live,
    start: setup => {
      const state = { setup, inputs: [] }
      lives.set(state, open(setup))
      return state
    },
    step: (state, input) => {
      const program = live(state)
      // The program moves on with the new state; where the input is refused half-way, the old state is replayed when it is needed.
      lives.delete(state)
      const outputs = apply(program, input)
      const next = { setup: state.setup, inputs: [...state.inputs, input] }
      lives.set(next, program)
      return { state: next, outputs }
    },
  }
}
