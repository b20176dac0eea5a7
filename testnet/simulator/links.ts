/** The network between simulated nodes: delays, loss, duplication, reordering and partitions, all of it from the seed. */
import type { SeededRandom } from '../population/random.ts'
import { type City, oneWayMs } from './cities.ts'
import type { Scheduler } from './scheduler.ts'

export interface LinksOptions {
  /** Where each node is; null for all in one place. */
  cities: readonly City[] | null
}

export class Links {
  readonly #cities: readonly City[] | null
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  /** Present partitions: each gives every node its group. */
  readonly #partitions = new Set<readonly number[]>()
  loss = 0
  duplication = 0
  slowness = 1
  /** Messages sent and lost so far. */
  sent = 0
  lost = 0

  constructor(options: LinksOptions, dependencies: { scheduler: Scheduler; random: SeededRandom }) {
    this.#cities = options.cities
    this.#scheduler = dependencies.scheduler
    this.#random = dependencies.random
  }

  /** Nodes hear only those of their own group until `heal`, which is returned. */
  partition(groups: readonly number[]): () => void {
    this.#partitions.add(groups)
    return () => {
      this.#partitions.delete(groups)
    }
  }

  joined(from: number, to: number): boolean {
    for (const groups of this.#partitions) if (groups[from] !== groups[to]) return false
    return true
  }

  /** Lets `deliver` run once a message would arrive: never, once or twice. */
  send(from: number, to: number, deliver: () => void): void {
    this.sent++
    if (!this.joined(from, to) || (this.loss > 0 && this.#random.chance(this.loss))) {
      this.lost++
      return
    }
    this.#scheduler.after(this.#delayMs(from, to), deliver)
    if (this.duplication > 0 && this.#random.chance(this.duplication)) this.#scheduler.after(this.#delayMs(from, to), deliver)
  }

  /** Longest one-way delay of a good network, in ms. */
  get worstMs(): number {
    const cities = this.#cities ?? []
    return Math.max(5, ...cities.flatMap(a => cities.map(b => oneWayMs(a, b) * 1.25)))
  }

  /** Each message has a delay of its own, so that they overtake each other. */
  #delayMs(from: number, to: number): number {
    const a = this.#cities?.[from]
    const b = this.#cities?.[to]
    const base = a === undefined || b === undefined ? 1 : oneWayMs(a, b)
    return base * this.slowness * (1 + this.#random.next() * (a === undefined ? 4 : 0.25))
  }
}
