/** A view of a network and its events, for many readers: all read one bounded list, so that a slow one costs nothing. */
import type { NetworkView, ViewEvent } from './network-view.ts'
import { applyEvent } from './view-state.ts'

/** Events that are kept for readers that lag or come back. */
const MAX_EVENTS = 2_048
const MAX_READERS = 16

export interface FeedOptions {
  /** Most readers at a time. @default 16 */
  readers?: number
  /** Events that are kept. @default 2048 */
  events?: number
  /** Tells one run of this program from another in the ids of events. @default the time of now */
  run?: string
  now?: () => number
}

export interface FeedItem {
  id: string
  event: ViewEvent
}

export class NetworkFeed {
  readonly #options: Required<FeedOptions>
  #view: NetworkView
  /** The newest events; the first has the number `#first`. */
  readonly #events: ViewEvent[] = []
  #first = 1
  readonly #readers = new Set<FeedReader>()
  #isClosed = false

  constructor(view: NetworkView, options: FeedOptions = {}) {
    const now = options.now ?? Date.now
    this.#options = { readers: MAX_READERS, events: MAX_EVENTS, run: now().toString(36), now, ...options }
    this.#view = view
  }

  /** Everything that is known now. */
  view(): NetworkView {
    return { ...this.#view, nowMs: this.#options.now() }
  }

  publish(event: ViewEvent): void {
    if (this.#isClosed) return
    this.#view = applyEvent(this.#view, event)
    this.#events.push(event)
    if (this.#events.length > this.#options.events) {
      this.#events.shift()
      this.#first++
    }
    for (const reader of this.#readers) reader.wake()
  }

  /**
   * Events from now on, or after the one with an id that was read before; one that is not kept any more, or of another run, makes a gap.
   * @returns null where there are too many readers
   */
  read(after?: string): FeedReader | null {
    if (this.#isClosed || this.#readers.size >= this.#options.readers) return null
    const next = this.#first + this.#events.length
    const { run } = this.#options
    const [, of, number] = after === undefined ? [] : (/^([0-9a-z]{1,16})-(\d{1,15})$/.exec(after) ?? ['', '', '0'])
    const from = of === undefined ? next : of === run && Number(number) < next ? Number(number) + 1 : 0
    const reader: FeedReader = new FeedReader(from, {
      take: position => this.#take(position),
      close: () => this.#readers.delete(reader),
    })
    this.#readers.add(reader)
    return reader
  }

  /** Ends every reader. */
  close(): void {
    this.#isClosed = true
    for (const reader of [...this.#readers]) reader.close()
  }

  /** The event at a position, or the gap before the next one. */
  #take(position: number): (FeedItem & { next: number }) | undefined {
    const end = this.#first + this.#events.length
    const id = (number: number): string => `${this.#options.run}-${number}`
    if (position < this.#first) return { id: id(end - 1), event: { type: 'gap' }, next: end }
    const event = this.#events[position - this.#first]
    return event === undefined ? undefined : { id: id(position), event, next: position + 1 }
  }
}

interface FeedSource {
  take(position: number): (FeedItem & { next: number }) | undefined
  close(): void
}

/** One who reads a feed, at a pace of its own. */
export class FeedReader {
  #position: number
  readonly #source: FeedSource
  #isClosed = false
  #wake: (() => void) | undefined

  /** Use {@link NetworkFeed.read}. */
  constructor(position: number, source: FeedSource) {
    this.#position = position
    this.#source = source
  }

  /** The next event; null where none comes within the time, undefined at the end. */
  async next(timeoutMs: number): Promise<FeedItem | null | undefined> {
    if (this.#isClosed) return undefined
    const ready = this.#take()
    if (ready !== undefined) return ready
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
    return this.#isClosed ? undefined : (this.#take() ?? null)
  }

  wake(): void {
    this.#wake?.()
  }

  close(): void {
    this.#isClosed = true
    this.#source.close()
    this.wake()
  }

  #take(): FeedItem | undefined {
    const taken = this.#source.take(this.#position)
    if (taken === undefined) return undefined
    this.#position = taken.next
    return { id: taken.id, event: taken.event }
  }
}
