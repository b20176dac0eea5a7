/** What runs beside the engine's loop for the present height: one timer of each kind, and calls of the application. */
import type { Clock } from './application.ts'

/** Longest timer that platforms keep, in ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

export class Timers {
  readonly #clock: Clock
  readonly #cancels = new Map<string, () => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Sets the one timer of its kind: a later round's takes the place of an earlier one's, which could do nothing any more. */
  set(kind: string, ms: number, fn: () => void): void {
    this.#cancels.get(kind)?.()
    const cancel = this.#clock.setTimer(Math.min(Math.max(0, ms), MAX_TIMER_MS), () => {
      this.#cancels.delete(kind)
      fn()
    })
    this.#cancels.set(kind, cancel)
  }

  clear(): void {
    for (const cancel of this.#cancels.values()) cancel()
    this.#cancels.clear()
  }
}

export class Tasks {
  readonly #controllers = new Map<string, AbortController>()
  readonly #onIdle: () => void
  #pending = 0

  constructor(onIdle: () => void) {
    this.#onIdle = onIdle
  }

  /** Calls under way, aborted ones included until they return. */
  get pending(): number {
    return this.#pending
  }

  /** Starts a call; its answer counts only while nobody has aborted it, and a second call of the same name aborts the first. */
  run<T>(name: string, call: (signal: AbortSignal) => Promise<T>, done: (answer: T) => void, failed: (error: unknown) => void): void {
    this.abort(name)
    const controller = new AbortController()
    this.#controllers.set(name, controller)
    this.#pending++
    call(controller.signal)
      .then(answer => {
        if (controller.signal.aborted) return
        this.#controllers.delete(name)
        done(answer)
      })
      .catch(failed)
      .finally(() => {
        this.#pending--
        this.#onIdle()
      })
  }

  abort(name: string): void {
    this.#controllers.get(name)?.abort()
    this.#controllers.delete(name)
  }

  clear(): void {
    for (const name of [...this.#controllers.keys()]) this.abort(name)
  }
}
