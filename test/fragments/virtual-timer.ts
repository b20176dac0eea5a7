/** A clock that stands still while anything is being computed, and then jumps to the next moment at which something is due. */
import type { Timer } from '../../src/fragments/pace.ts'

/** Turns of the event loop after which nothing more is expected to happen by itself. */
const IDLE_TURNS = 6

export class VirtualTimer implements Timer {
  #now = 0
  readonly #due = new Set<{ at: number; act: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, act: () => void): () => void {
    const entry = { at: this.#now + ms, act }
    this.#due.add(entry)
    return () => void this.#due.delete(entry)
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.after(ms, resolve))
  }

  /** Lets time pass until the promise is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    promise.then(
      () => {
        settled = true
      },
      () => {
        settled = true
      },
    )
    for (;;) {
      for (let turn = 0; turn < IDLE_TURNS; turn++) await new Promise(resolve => setImmediate(resolve))
      if (settled) return await promise
      const next = [...this.#due].sort((a, b) => a.at - b.at)[0]
      if (next === undefined) throw new Error('nothing is due, and the promise is not settled')
      this.#due.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.act()
    }
  }
}
