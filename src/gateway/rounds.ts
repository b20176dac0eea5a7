/** Who voted what, by height and round, as far as this node has seen it. Bounded, whatever validators send. */
import type { ConsensusSight } from '../node/consensus-sight.ts'
import type { RoundView } from './network-view.ts'
import { MAX_ROUNDS_OF_HEIGHT } from './view-state.ts'

/** Heights whose rounds can change still: the one that is decided, and the one before, whose last votes come late. */
const OPEN_HEIGHTS = 3

export interface Place {
  /** Height and round that are being decided. */
  height: number
  round: number
}

export class Rounds {
  readonly #validators: () => readonly string[]
  readonly #rounds = new Map<string, RoundView>()

  /** @param validators accounts of those who vote now */
  constructor(validators: () => readonly string[]) {
    this.#validators = validators
  }

  /** Takes a sight in. @returns the round as it is now; undefined where nothing changed or the sight is out of bounds */
  see(sight: ConsensusSight, at: Place, nowMs: number): RoundView | undefined {
    const { height, round } = sight
    // What is far from what is decided here is not shown: who makes up rounds fills nothing.
    if (
      height > at.height ||
      height <= at.height - OPEN_HEIGHTS + 1 ||
      round > (height === at.height ? at.round + 1 : MAX_ROUNDS_OF_HEIGHT)
    )
      return undefined
    const view = this.#round(height, round)
    if (sight.type === 'proposal') {
      if (view.proposalMs !== null) return undefined
      view.proposer = sight.validator
      view.proposalMs = nowMs
      return snapshot(view)
    }
    const row = view.votes.find(({ validator }) => validator === sight.validator)
    const vote = sight.forBlock ? 'block' : 'nil'
    if (row === undefined || row[sight.kind] === vote) return undefined
    row[sight.kind] = vote
    return snapshot(view)
  }

  /** The round in which a height was decided, with those whose precommits are in the certificate. */
  decided(height: number, round: number, proposer: string, signers: readonly string[]): RoundView {
    const view = this.#round(height, round)
    view.decided = true
    if (view.proposer === '') view.proposer = proposer
    for (const row of view.votes) if (signers.includes(row.validator)) row.precommit = 'block'
    return snapshot(view)
  }

  #round(height: number, round: number): RoundView {
    const key = `${height}/${round}`
    const known = this.#rounds.get(key)
    if (known !== undefined) return known
    const votes = this.#validators().map(validator => ({ validator, prevote: 'none' as const, precommit: 'none' as const }))
    const made: RoundView = { height, round, proposer: '', proposalMs: null, votes, decided: false }
    this.#rounds.set(key, made)
    if (this.#rounds.size > OPEN_HEIGHTS * MAX_ROUNDS_OF_HEIGHT) this.#rounds.delete(this.#rounds.keys().next().value as string)
    return made
  }
}

function snapshot(view: RoundView): RoundView {
  return { ...view, votes: view.votes.map(vote => ({ ...vote })) }
}
