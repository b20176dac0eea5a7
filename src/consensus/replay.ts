/** What an earlier life of this node left undone, as its log shows. */
import type { Effect } from './effects.ts'
import type { DriverInput } from './inputs.ts'

/**
 * Follows a replay and keeps the effects that no later input has answered: those are to be carried out now. What was broadcast is
 * left to the resend, what was logged or reported has been.
 */
export class Outstanding {
  readonly #effects = new Map<string, Effect>()

  /** An input of the log is about to be handled. */
  answered(input: DriverInput): void {
    for (const key of answers(input)) this.#effects.delete(key)
  }

  /** Effects that the input had. */
  add(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'abandon') this.#effects.delete(`verdict ${effect.candidate.join()}`)
      const key = question(effect)
      if (key !== undefined) this.#effects.set(key, effect)
    }
  }

  /** What is left to do, in order; of timers and values only those of `round`, the present one. */
  effects(round: number): Effect[] {
    return [...this.#effects.values()].filter(effect => {
      if (effect.type === 'schedule') return effect.timeout.round === round
      return effect.type !== 'get-value' || effect.round === round
    })
  }
}

function question(effect: Effect): string | undefined {
  switch (effect.type) {
    case 'sign-vote':
      return `${effect.vote.kind} ${effect.vote.round} ${effect.vote.validator.join()}`
    case 'sign-proposal':
      return `proposal ${effect.proposal.round}`
    case 'get-value':
      return `value ${effect.round}`
    case 'validate':
      return `verdict ${effect.candidate.join()}`
    case 'schedule':
      return `timeout ${effect.timeout.kind} ${effect.timeout.round}`
    case 'decide':
    case 'behind':
      return effect.type
    default:
      return undefined
  }
}

function answers(input: DriverInput): string[] {
  switch (input.type) {
    case 'votes':
      return input.value.map(({ kind, round, validator }) => `${kind} ${round} ${validator.join()}`)
    case 'proposal':
      return [`proposal ${input.value.proposal.round}`]
    case 'value':
      return [`value ${input.value.round}`]
    case 'verdict':
      return [`verdict ${input.value.candidate.join()}`]
    case 'timeout':
      return [`timeout ${input.value.kind} ${input.value.round}`]
    default:
      return []
  }
}
