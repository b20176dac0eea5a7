/**
 * Remembers the votes of the newest heights, so that a second and different one is evidence also where it comes when its height is decided:
 * a liar shows one vote to a part of the validators and another to the rest, and whoever sees both sees the second of them late. Beside the
 * state machine, which knows no heights but its own: what is found here changes nothing but who is blamed.
 */
import { toHex } from '../encoding/bytes.ts'
import type { Certificate } from '../ledger/certificate.ts'
import type { Evidence } from '../ledger/evidence.ts'
import { voteEvidence } from './evidence.ts'
import type { Vote } from './messages.ts'

/** Heights below the newest whose votes are remembered. */
export const LATE_HEIGHTS = 2
/** Rounds of a height of which that is so: what would be judged in later ones is judged in earlier ones. */
const LATE_ROUNDS = 16

export class LateVotes {
  /** First vote for each place, by height; a place is validator, round and kind. */
  readonly #heights = new Map<number, Map<string, Vote>>()
  /** Places for which evidence was given. */
  readonly #accused = new Map<number, Set<string>>()
  #newest = -1

  /** Whether a vote of this height is looked at. */
  covers({ height, round }: Pick<Vote, 'height' | 'round'>): boolean {
    return height > this.#newest - 1 - LATE_HEIGHTS && round < LATE_ROUNDS
  }

  /** Whether a vote is looked at, and is not the one that is remembered for its place. */
  isNews(vote: Vote): boolean {
    if (!this.covers(vote)) return false
    const known = this.#heights.get(vote.height)?.get(placeOf(vote))
    return known === undefined || !sameValue(known, vote)
  }

  /**
   * Remembers votes whose signatures were verified, of validators of their height.
   * @returns evidence where one differs from what its validator signed before; once for each place
   */
  see(votes: readonly Vote[]): Evidence[] {
    const found: Evidence[] = []
    for (const vote of votes) {
      if (!this.covers(vote)) continue
      this.#enter(vote.height)
      const place = placeOf(vote)
      const known = this.#heights.get(vote.height)?.get(place)
      if (known === undefined) this.#heights.get(vote.height)?.set(place, vote)
      else if (!sameValue(known, vote) && this.#accused.get(vote.height)?.has(place) !== true) {
        this.#accused.get(vote.height)?.add(place)
        found.push(voteEvidence(known, vote))
      }
    }
    return found
  }

  /** The precommits of a certificate that was verified. */
  seeCertificate({ height, round, block, signatures }: Certificate): Evidence[] {
    return this.see(signatures.map(({ validator, signature }) => ({ kind: 'precommit', height, round, block, validator, signature })))
  }

  #enter(height: number): void {
    if (!this.#heights.has(height)) {
      this.#heights.set(height, new Map())
      this.#accused.set(height, new Set())
    }
    if (height <= this.#newest) return
    this.#newest = height
    for (const old of [...this.#heights.keys()]) {
      if (this.covers({ height: old, round: 0 })) continue
      this.#heights.delete(old)
      this.#accused.delete(old)
    }
  }
}

function placeOf({ validator, round, kind }: Vote): string {
  return `${toHex(validator)} ${round} ${kind}`
}

function sameValue(a: Vote, b: Vote): boolean {
  return a.block === null || b.block === null ? a.block === b.block : toHex(a.block) === toHex(b.block)
}
