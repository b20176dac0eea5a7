/** Holds background work to a rate: who takes bytes waits until they are due. */

/** Bytes that may be taken ahead of the rate, in seconds of it. */
const BURST_S = 0.25

export class Pace {
  readonly #bytesPerMs: number
  #dueAt = 0

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000
  }

  /** Resolves when `bytes` more may be moved; rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const now = performance.now()
    this.#dueAt = Math.max(this.#dueAt, now - BURST_S * 1000) + bytes / this.#bytesPerMs
    const wait = this.#dueAt - now
    if (wait > 1) await pause(wait, signal)
  }
}

/** Resolves after a time, or rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
