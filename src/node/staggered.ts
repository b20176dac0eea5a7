/** Asks several for one thing: the next one as soon as the one before has failed, or takes long. */

/** @typeParam T what is asked for */
export interface Attempt<T> {
  /** Asks. The signal aborts when another was faster, or the caller gave up. */
  ask(signal: AbortSignal): Promise<T>
  /** Told when the answer is late; it may still come, and counts then. */
  late?(): void
}

/**
 * The first answer. A peer that is silent costs `afterMs`, not its whole time limit.
 * @param options.afterMs how long one is waited for before the next is asked, too
 * @throws the last failure where all failed; the signal's reason where it aborts
 */
export async function staggered<T>(attempts: readonly Attempt<T>[], options: { afterMs: number; signal: AbortSignal }): Promise<T> {
  const { afterMs, signal } = options
  signal.throwIfAborted()
  const over = new AbortController()
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  let timer: NodeJS.Timeout | undefined
  let begun = 0
  let failed = 0
  const next = (): void => {
    clearTimeout(timer)
    const attempt = attempts[begun]
    if (attempt === undefined || over.signal.aborted) return
    begun++
    let settled = false
    timer = setTimeout(() => {
      if (!settled) attempt.late?.()
      next()
    }, afterMs)
    attempt.ask(over.signal).then(
      value => {
        settled = true
        resolve(value)
      },
      (error: unknown) => {
        settled = true
        failed++
        if (failed === attempts.length) reject(error)
        else if (failed === begun) next()
      },
    )
  }
  if (attempts.length === 0) reject(new RangeError('there is nobody to ask'))
  next()
  try {
    return await promise
  } finally {
    over.abort(new Error('another was faster'))
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
