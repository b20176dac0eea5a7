/**
 * Rotation of proposers: a pure function of (validator set, height of its last change, height, round).
 *
 * Slot `height - since + round` of a weighted round robin that repeats after W = total power (divided by the powers' greatest
 * common divisor) slots. Inside a period, validator i's j-th turn (from 0) is due at (2j + 1) / (2 power_i) of the period, and turns come in
 * the order in which they are due, ties by position in the set. (This is the divisor method of Sainte-Lague.) Every validator has
 * exactly its share in each period, and the turns are spread evenly. Nothing is iterated over heights: a slot costs
 * O(n^2) comparisons at most, n being the number of validators, however long the chain.
 */
import { EpioneError } from '../encoding/errors.ts'
import type { Validator, ValidatorSet } from '../ledger/header.ts'

/**
 * The validator that proposes in `round` of `height`.
 * @throws EpioneError `no-validators` for an empty set, `height-before-set` where the set does not sign that height yet
 */
export function proposerAt(set: ValidatorSet, height: number, round: number): Validator {
  const validators = set.validators
  if (validators.length === 0) throw new EpioneError('no-validators', 'A validator set without validators has no proposer.')
  if (height < set.since) {
    throw new EpioneError('height-before-set', `The validator set signs from height ${set.since} on, not at ${height}.`, {
      metadata: { height, since: set.since },
    })
  }
  const divisor = validators.reduce((a, { power }) => gcd(a, power), 0)
  const total = validators.reduce((sum, { power }) => sum + power / divisor, 0)
  const slot = (height - set.since + round) % total
  if (total === validators.length) return validators[slot] as Validator
  return validators[
    ownerOfSlot(
      validators.map(({ power }) => BigInt(power / divisor)),
      BigInt(total),
      slot,
    )
  ] as Validator
}

/** Index of the validator whose turn is the `slot`-th, from 0, of the period. */
function ownerOfSlot(powers: readonly bigint[], total: bigint, slot: number): number {
  // Up to time x = slot - n/2 at most `slot` turns are due (each validator is ahead of its share by at most 1/2): those are
  // counted at once, and the at most n turns that remain one by one.
  const x = BigInt(Math.max(0, slot - Math.ceil(powers.length / 2)))
  const taken = powers.map(power => {
    // Odd m with m * total < 2 * x * power.
    const product = 2n * x * power
    return product === 0n ? 0n : ceilDivide(product, total) / 2n
  })
  let next = Number(taken.reduce((sum, count) => sum + count, 0n))
  for (;;) {
    let best = 0
    for (let i = 1; i < powers.length; i++) {
      // (2 j_i + 1) / power_i < (2 j_best + 1) / power_best
      if ((2n * taken[i]! + 1n) * powers[best]! < (2n * taken[best]! + 1n) * powers[i]!) best = i
    }
    if (next === slot) return best
    taken[best]! += 1n
    next++
  }
}

function ceilDivide(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b
}

function gcd(a: number, b: number): number {
  let [x, y] = [a, b]
  while (y !== 0) [x, y] = [y, x % y]
  return x
}
