import { setMaxListeners } from '@libp2p/interface'
import { abortedError, timeoutError } from './errors.ts'

export interface Deadline {
  /** Aborts with an EpioneError: `timeout` when the time is up, `aborted` when the caller gave up. */
  readonly signal: AbortSignal
  abort(reason: Error): void
  /** Must be called when the operation is over: it removes the timer and the listener from the caller's signal. */
  clear(): void
}

/**
 * One signal for one operation. Unlike AbortSignal.any over AbortSignal.timeout nothing of it outlives the operation, neither
 * a timer nor a listener on a signal that lives as long as the process.
 */
export function startDeadline(options: { timeoutMs?: number; signal?: AbortSignal }): Deadline {
  const controller = new AbortController()
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal)
  const { signal, timeoutMs } = options
  const onAbort = (): void => controller.abort(abortedError(signal?.reason))
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => controller.abort(timeoutError()), timeoutMs)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    abort: reason => controller.abort(reason),
    clear: () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}

/** The promise, or the signal's reason if that comes first. What the promise does afterwards is no longer looked at. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
