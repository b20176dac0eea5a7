/** A key-value store that can lose power: a batch is there whole or not at all, and what was not synced goes from the end. */

import { concat, utf8 } from '../../src/encoding/bytes.ts'
import type { KeyValueStore, StoreOperation, StoreRange } from '../../src/ledger/store.ts'
import type { SeededRandom } from '../population/random.ts'

/** Called before a batch is handed over, and after it is done, before its writer hears of it. It throws once that life is over. */
export type StoreStep = (part: string, moment: 'before' | 'after') => void

export interface PowerStoreDependencies {
  /** The disk takes its time with a synced batch. */
  wait: () => Promise<void>
}

/** The store of one node through all its lives. */
export class PowerStore {
  readonly #deps: PowerStoreDependencies
  /** On disk for sure, by the key's bytes as characters: their order is that of the bytes. */
  readonly #durable = new Map<string, Uint8Array>()
  /** As programs see it. */
  #visible = new Map<string, Uint8Array>()
  #sorted: string[] | null = null
  /** Batches that are not durable, in order. */
  #pending: (readonly StoreOperation[])[] = []
  /** Lives so far: what one of them left under way has no effect on the next. */
  #lives = 0

  constructor(dependencies: PowerStoreDependencies) {
    this.#deps = dependencies
  }

  /** The store as one life of the node has it. */
  mount(step: StoreStep, alive: () => void): KeyValueStore {
    return this.#part('', new Uint8Array(0), step, alive)
  }

  /** The power goes: of what was not synced a prefix is there. */
  crash(random: SeededRandom): void {
    for (const batch of this.#pending.slice(0, random.int(0, this.#pending.length))) apply(this.#durable, batch)
    this.#pending = []
    this.#visible = new Map(this.#durable)
    this.#sorted = null
    this.#lives++
  }

  #part(name: string, prefix: Uint8Array, step: StoreStep, alive: () => void): KeyValueStore {
    const inside = (key: Uint8Array): string => text(prefix) + text(key)
    const getSync = (key: Uint8Array): Uint8Array | undefined => {
      alive()
      return this.#visible.get(inside(key))
    }
    return {
      getSync,
      get: async key => getSync(key),
      batch: async (operations, { sync = false } = {}) => {
        step(name, 'before')
        await this.#write(
          operations.map(operation => ({ ...operation, key: concat(prefix, operation.key) })),
          sync,
        )
        step(name, 'after')
      },
      iterator: range => this.#iterate(text(prefix), range, alive),
      compact: async () => alive(),
      sublevel: part => this.#part(part, concat(prefix, utf8(`!${part}!`)), step, alive),
      close: async () => undefined,
    }
  }

  async #write(batch: readonly StoreOperation[], sync: boolean): Promise<void> {
    const life = this.#lives
    this.#pending.push(batch)
    if (sync) await this.#deps.wait()
    if (life !== this.#lives) return
    apply(this.#visible, batch)
    this.#sorted = null
    if (!sync) return
    // One log holds all of it: what was written before is on disk, too.
    for (const settled of this.#pending.splice(0, this.#pending.indexOf(batch) + 1)) apply(this.#durable, settled)
  }

  async *#iterate(prefix: string, range: StoreRange = {}, alive: () => void): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    const { gte, lt, limit = Number.POSITIVE_INFINITY, reverse = false } = range
    const from = prefix + (gte === undefined ? '' : text(gte))
    const to = lt === undefined ? undefined : prefix + text(lt)
    this.#sorted ??= [...this.#visible.keys()].sort()
    const found = this.#sorted.filter(key => key >= from && key.startsWith(prefix) && (to === undefined || key < to))
    // As they are now: what is written meanwhile is not seen.
    const entries = (reverse ? found.reverse() : found).slice(0, limit).map(key => [key, this.#visible.get(key) as Uint8Array] as const)
    for (const [key, value] of entries) {
      alive()
      yield [Uint8Array.from(Buffer.from(key.slice(prefix.length), 'latin1')), value]
    }
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function apply(map: Map<string, Uint8Array>, batch: readonly StoreOperation[]): void {
  for (const operation of batch) {
    if (operation.type === 'del') map.delete(text(operation.key))
    else map.set(text(operation.key), operation.value.slice())
  }
}
