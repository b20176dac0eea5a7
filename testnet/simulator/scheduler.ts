/** Virtual time: what happens when, and nothing else decides it. */

interface Event {
  readonly atMs: number
  /** Events of one time happen in the order in which they were set. */
  readonly order: number
  run: (() => void) | null
}

/** Virtual time at which every simulation begins, in ms since the epoch. */
export const START_MS = 1_700_000_000_000

export class Scheduler {
  #nowMs = START_MS
  #order = 0
  /** Binary heap by time, then order. */
  readonly #heap: Event[] = []

  get nowMs(): number {
    return this.#nowMs
  }

  /** Runs `fn` once after `delayMs` (whole ms, 0 or more); the result cancels it. */
  after(delayMs: number, fn: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + Math.max(0, Math.ceil(delayMs)), order: this.#order++, run: fn }
    this.#push(event)
    return () => {
      event.run = null
    }
  }

  /**
   * Moves to the next time at which something is due and runs all of it; false where nothing is left. What these runs set for
   * the very same time has its turn at the next call.
   */
  advance(): boolean {
    let first = this.#heap[0]
    while (first !== undefined && first.run === null) {
      this.#pop()
      first = this.#heap[0]
    }
    if (first === undefined) return false
    this.#nowMs = first.atMs
    const last = this.#order
    const due: Event[] = []
    for (let next = this.#heap[0]; next !== undefined && next.atMs === this.#nowMs && next.order < last; next = this.#heap[0]) {
      due.push(this.#pop() as Event)
    }
    for (const event of due) {
      const { run } = event
      event.run = null
      run?.()
    }
    return true
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(event, heap[parent] as Event)) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
    return top
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
