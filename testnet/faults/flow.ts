/** One direction of a connection through a link: bytes leave in order, each piece when the weather lets it arrive. */
import type { Socket } from 'node:net'

/** Bytes under way above which no more are taken from who sends: about what a long fast line holds. */
const MAX_UNDER_WAY = 4 << 20

interface Piece {
  /** Null for the end of what is sent. */
  bytes: Buffer | null
  /** When it arrives, by `performance.now()`. */
  dueMs: number
}

export class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #travelMs: () => number
  readonly #queue: Piece[] = []
  #underWay = 0
  #isHeld = true
  /** Whether the receiving side is full. */
  #isFull = false
  #hasEnded = false
  /** Whether who sends is gone, so that nobody hears what is said back. */
  #isOver = false
  #timer: NodeJS.Timeout | undefined

  /** A flow that is held: nothing passes before {@link release}. @param travelMs how long the next piece takes, in ms */
  constructor(from: Socket, to: Socket, travelMs: () => number) {
    this.#from = from
    this.#to = to
    this.#travelMs = travelMs
    from.pause()
    from.on('data', bytes => this.#take(bytes))
    from.on('end', () => this.#take(null))
    to.on('drain', () => {
      this.#isFull = false
      this.#deliver()
    })
  }

  /** Lets nothing pass, neither in nor out. */
  hold(): void {
    this.#isHeld = true
    clearTimeout(this.#timer)
    this.#from.pause()
  }

  release(): void {
    this.#isHeld = false
    this.#deliver()
  }

  /** Who sends has closed its side: what is under way still arrives, and then the connection is over. */
  finish(): void {
    this.#isOver = true
    if (this.#hasEnded && this.#queue.length === 0) this.#to.destroySoon()
    else if (!this.#hasEnded) this.#take(null)
  }

  stop(): void {
    this.hold()
    this.#queue.length = 0
  }

  #take(bytes: Buffer | null): void {
    if (this.#hasEnded) return
    this.#hasEnded = bytes === null
    const last = this.#queue.at(-1)?.dueMs ?? 0
    this.#queue.push({ bytes, dueMs: Math.max(last, performance.now() + this.#travelMs()) })
    this.#underWay += bytes?.length ?? 0
    this.#deliver()
  }

  #deliver(): void {
    clearTimeout(this.#timer)
    if (this.#isHeld) return
    while (!this.#isFull) {
      const [next] = this.#queue
      if (next === undefined) break
      const waitMs = next.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#deliver(), Math.ceil(waitMs))
        break
      }
      this.#queue.shift()
      this.#underWay -= next.bytes?.length ?? 0
      if (next.bytes === null) {
        if (this.#isOver) this.#to.destroySoon()
        else this.#to.end()
      } else if (!this.#to.destroyed) this.#isFull = !this.#to.write(next.bytes)
    }
    if (this.#underWay > MAX_UNDER_WAY || this.#isFull) this.#from.pause()
    else this.#from.resume()
  }
}
