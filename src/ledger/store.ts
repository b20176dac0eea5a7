/** The key-value store that everything persistent on a node stands on. */

export type StoreOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

export interface StoreRange {
  /** First key, included. */
  gte?: Uint8Array
  /** Last key, excluded. */
  lt?: Uint8Array
  /** Most entries to give. */
  limit?: number
  reverse?: boolean
}

/** An ordered store of byte strings. One batch is atomic: after a crash all of it is there or none. */
export interface KeyValueStore {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  getSync(key: Uint8Array): Uint8Array | undefined
  /** Writes atomically; with `sync`, the promise settles only once the disk has it. */
  batch(operations: readonly StoreOperation[], options?: { sync?: boolean }): Promise<void>
  iterator(range?: StoreRange): AsyncIterable<readonly [Uint8Array, Uint8Array]>
  /**
   * Gives the disk back what was deleted or overwritten in a range of keys. It takes as long as the range is large, and writes may have
   * to wait for it: who gives much back does so in small ranges.
   */
  compact(range: { gte: Uint8Array; lt: Uint8Array }): Promise<void>
  /** A part of the store under its own prefix, closed with the whole. */
  sublevel(name: string): KeyValueStore
  close(): Promise<void>
}
