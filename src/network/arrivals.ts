/**
 * Connections that have not said yet who they are. They are worth nothing to anybody, so that there are a few of them only, of each host and of all;
 * where there are too many, the oldest makes room: who opens many and says nothing keeps out nobody who comes to the point.
 */

/** Connections under way of one host, and of all. */
const MAX_OF_HOST = 100
const MAX_ALL = 300

export class Arrivals {
  readonly #ofHost: number
  readonly #all: number
  /** What ends a connection that is under way, by its host; hosts and connections in the order in which they came. */
  readonly #hosts = new Map<string, Set<() => void>>()
  #count = 0
  #displaced = 0

  constructor(limits: { ofHost?: number; all?: number } = {}) {
    this.#ofHost = limits.ofHost ?? MAX_OF_HOST
    this.#all = limits.all ?? MAX_ALL
  }

  /** Connections that are under way. */
  get count(): number {
    return this.#count
  }

  /** How many had to make room so far. */
  get displaced(): number {
    return this.#displaced
  }

  /** Notes a connection; `end` is called when it has to make room. Returns what is to be called once it is through, or gone. */
  add(host: string, end: () => void): () => void {
    if ((this.#hosts.get(host)?.size ?? 0) >= this.#ofHost) this.#displace(host)
    else if (this.#count >= this.#all) this.#displace(this.#largest())
    const own = (): void => end()
    const of = this.#hosts.get(host) ?? new Set()
    of.add(own)
    this.#hosts.set(host, of)
    this.#count++
    return () => this.#remove(host, own)
  }

  /** The host with most connections under way: whoever floods pays for it. */
  #largest(): string {
    let largest = ''
    let size = 0
    for (const [host, of] of this.#hosts) {
      if (of.size <= size) continue
      largest = host
      size = of.size
    }
    return largest
  }

  #displace(host: string): void {
    const [oldest] = this.#hosts.get(host) ?? []
    if (oldest === undefined) return
    this.#remove(host, oldest)
    this.#displaced++
    oldest()
  }

  #remove(host: string, entry: () => void): void {
    const of = this.#hosts.get(host)
    if (of?.delete(entry) !== true) return
    this.#count--
    if (of.size === 0) this.#hosts.delete(host)
  }
}
