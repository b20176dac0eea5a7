/**
 * When refusals leave. To whoever has no access, what is kept from them and what does not exist give one answer; how long that takes may
 * tell them apart, for one is found on the disk and the other is not. So no refusal leaves before a span is over that no look takes.
 */
import { setTimeout } from 'node:timers/promises'
import { errorCode } from '../encoding/errors.ts'

/** Least time from a question to its refusal, in ms; refusals that took longer leave at the next multiple of it. */
export const REFUSAL_MS = 50

/** The moment at which a refusal of what came at `startedMs` leaves, in ms of the same clock. */
export function refusalTime(startedMs: number, nowMs: number, spanMs = REFUSAL_MS): number {
  const spans = Math.max(1, Math.ceil((nowMs - startedMs) / spanMs))
  return startedMs + spans * spanMs
}

/**
 * Runs what answers a question; where it ends in `not-found`, that leaves when refusals do.
 * @param spanMs a longer span, where others are asked on the way
 */
export async function evenly<T>(answer: () => Promise<T>, spanMs = REFUSAL_MS): Promise<T> {
  const started = performance.now()
  try {
    return await answer()
  } catch (error) {
    if (errorCode(error) === 'not-found') {
      const now = performance.now()
      await setTimeout(refusalTime(started, now, spanMs) - now)
    }
    throw error
  }
}
