/** Coming back to nodes that were busy, when they said that it is worth while. */
import { EpioneError } from '../encoding/errors.ts'
import { sleep } from './sleep.ts'

/** How often it is tried in all. */
const ATTEMPTS = 4
/** Longest time that is waited for a place, in ms: a node that names a longer one is taken at its word, that it is busy. */
const MAX_RETRY_MS = 5_000
/** Part of the time that is added at random, so that those who were refused together do not come back together. */
const SPREAD = 0.5

/** After how many ms to come back, where a node refused as `busy` and said so, and it is not too long. */
export function retryAfterOf(error: unknown): number | undefined {
  if (!(error instanceof EpioneError) || error.code !== 'busy') return undefined
  const { retryAfterMs } = error.metadata
  return typeof retryAfterMs === 'number' && retryAfterMs <= MAX_RETRY_MS ? retryAfterMs : undefined
}

/** Does it, again where it was refused as `busy` with a time to come back: such a refusal comes before anything is done. @throws as `act` */
export async function whenFree<T>(act: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act()
    } catch (error) {
      const afterMs = retryAfterOf(error)
      if (afterMs === undefined || attempt === ATTEMPTS) throw error
      await sleep(afterMs * (1 + SPREAD * Math.random()), signal)
    }
  }
}
