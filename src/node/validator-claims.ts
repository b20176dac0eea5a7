/**
 * What follows from the claims of validators, each of which may be a lie: figures that less than a third of the weight cannot move.
 * Pure.
 */
import { isMoreThanThird } from '../ledger/header.ts'

/** A validator's weight and what it claims; null where it has said nothing. */
export interface Claim {
  power: number
  value: number | null
}

/** How far a clock is ahead of another (negative: behind), and the error of that at most. Both in ms. */
export interface ClockOffset {
  offsetMs: number
  uncertaintyMs: number
}

/**
 * The highest height that validators with more than a third of the weight claim to have reached: an honest one is among them, so
 * that liars cannot push it up. 0 where there is none.
 */
export function heightOfMoreThanThird(claims: readonly Claim[]): number {
  const total = claims.reduce((sum, { power }) => sum + power, 0)
  const heard = claims.flatMap(({ power, value }) => (value === null ? [] : [{ power, value }])).sort((a, b) => b.value - a.value)
  let power = 0
  for (const claim of heard) {
    power += claim.power
    if (isMoreThanThird(power, total)) return claim.value
  }
  return 0
}

/**
 * Weighted median: the lowest value that, with those below it, has at least half of the weight that was heard. Null unless validators
 * with more than two thirds of the weight were heard, so that liars are fewer than half of those heard.
 */
export function weightedMedian(claims: readonly Claim[]): number | null {
  const total = claims.reduce((sum, { power }) => sum + power, 0)
  const heard = claims.flatMap(({ power, value }) => (value === null ? [] : [{ power, value }])).sort((a, b) => a.value - b.value)
  const weight = heard.reduce((sum, { power }) => sum + power, 0)
  if (3 * weight <= 2 * total) return null
  let power = 0
  for (const claim of heard) {
    power += claim.power
    if (2 * power >= weight) return claim.value
  }
  return null
}

/**
 * How far this node's clock is ahead of the validators' weighted median, in ms (negative: behind); null while too few were heard.
 * @param offsets how far each validator's clock is ahead of this node's; this node's own, if it is a validator, as 0
 */
export function ownClockOffset(offsets: readonly Claim[]): number | null {
  const median = weightedMedian(offsets)
  // Not -0.
  return median === null ? null : 0 - median
}
