import { MAX_VALIDITY_MS } from '../ledger/limits.ts'

/** Binary ids as map keys: one character per byte is the densest text that V8 hashes. */
function text(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')
}

/**
 * The transactions of the last hour's blocks, by which replays are told. It is a function of the chain alone: whether an id
 * counts as seen depends on the time of the block that asks, never on when this node pruned.
 */
export class SeenTransactions {
  readonly #times = new Map<string, number>()
  #blocks: { time: number; ids: string[] }[] = []

  /** Adds a committed block's transactions and forgets blocks that can no longer matter. Blocks come in order of time. */
  add(timeMs: number, ids: readonly Uint8Array[]): void {
    const keys = ids.map(text)
    for (const key of keys) this.#times.set(key, timeMs)
    this.#blocks.push({ time: timeMs, ids: keys })
    const old = this.#blocks.findIndex(block => block.time >= timeMs - MAX_VALIDITY_MS) // the block just added is one
    for (const block of this.#blocks.splice(0, old)) {
      for (const id of block.ids) if (this.#times.get(id) === block.time) this.#times.delete(id)
    }
  }

  /** Whether a block at `timeMs` must take the transaction for a replay. */
  has(id: Uint8Array, timeMs: number): boolean {
    const time = this.#times.get(text(id))
    return time !== undefined && time >= timeMs - MAX_VALIDITY_MS
  }
}
