/** Waiting for a condition, never for a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { EpioneError } from '../../src/encoding/errors.ts'

export interface WaitOptions {
  /** What is waited for, for the error: `node2 at height 5`. */
  what?: string
  /** Longest wait, in ms. @default 30 000 */
  timeoutMs?: number
  /** Pause between two looks, in ms. @default 100 */
  everyMs?: number
  signal?: AbortSignal
}

/**
 * Looks until the condition gives something other than false, null or undefined, and returns that. What it throws ends the wait.
 * @throws EpioneError `timeout`
 */
export async function waitFor<T>(
  condition: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  options: WaitOptions = {},
): Promise<T> {
  const { what = 'what was waited for', timeoutMs = 30_000, everyMs = 100, signal } = options
  const until = performance.now() + timeoutMs
  for (;;) {
    signal?.throwIfAborted()
    const found = await condition()
    if (found !== false && found !== null && found !== undefined) return found
    if (performance.now() > until) throw new EpioneError('timeout', `${what} did not come about within ${timeoutMs / 1000} s`)
    await sleep(everyMs, undefined, { signal })
  }
}
