/** What a link does to the bytes that pass: how long they take, and how often one piece of them is lost on the way. */
import type { SeededRandom } from '../population/random.ts'

export interface Weather {
  /** What every piece takes, in ms, one way. */
  delayMs: number
  /** By how much that differs from piece to piece, in ms: uniformly up to as much more. */
  jitterMs: number
  /** Share of the pieces that are lost, from 0 to below 1. */
  loss: number
}

export const FAIR: Weather = { delayMs: 0, jitterMs: 0, loss: 0 }

/** After how long TCP sends again what was lost, in ms; twice as long each further time, and at most so often here. */
const RESEND_MS = 200
const MAX_RESENDS = 6

/**
 * How long the next piece takes, in ms. A proxy cannot lose bytes of a TCP connection, which would end it: what a loss does to its
 * users is that the piece comes when TCP sends it once more.
 */
export function travelMs({ delayMs, jitterMs, loss }: Weather, random: SeededRandom): number {
  let ms = delayMs + (jitterMs > 0 ? jitterMs * random.next() : 0)
  for (let again = 0; again < MAX_RESENDS && loss > 0 && random.chance(loss); again++) ms += RESEND_MS * 2 ** again
  return ms
}
