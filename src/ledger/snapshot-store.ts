/** Snapshots that this node made and hands to others, in a store of their own. */
import { concat, equalBytes, u32, u64 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { chunkHash, MAX_CHUNKS, manifestCodec, type SnapshotItem, type SnapshotManifest, snapshotChunks } from './snapshot.ts'
import type { StateTree } from './state-tree.ts'
import type { KeyValueStore, StoreOperation } from './store.ts'

const MANIFEST = 0x00
const CHUNK = 0x01
/** Deletions of one batch. */
const DELETED_AT_ONCE = 1_000

const manifestKey = (height: number): Uint8Array => concat(Uint8Array.of(MANIFEST), u64(height))
const chunkKey = (height: number, index: number): Uint8Array => concat(Uint8Array.of(CHUNK), u64(height), u32(index))

export interface SnapshotSource {
  readonly height: number
  /** Hash of the header of that height. */
  readonly block: Uint8Array
  readonly tree: StateTree
  /** All items that the logs had at that height. */
  readonly logItems: AsyncIterable<SnapshotItem>
}

export class SnapshotStore {
  readonly #store: KeyValueStore
  readonly #manifests = new Map<number, SnapshotManifest>()

  private constructor(store: KeyValueStore) {
    this.#store = store
  }

  static async open(store: KeyValueStore): Promise<SnapshotStore> {
    const snapshots = new SnapshotStore(store)
    for await (const [key, value] of store.iterator({ gte: Uint8Array.of(MANIFEST), lt: Uint8Array.of(MANIFEST + 1) })) {
      const manifest = manifestCodec.decode(value)
      if (key.length === 9) snapshots.#manifests.set(manifest.height, manifest)
    }
    return snapshots
  }

  /** Heights of the snapshots, ascending. */
  heights(): number[] {
    return [...this.#manifests.keys()].sort((a, b) => a - b)
  }

  manifest(height: number): SnapshotManifest | undefined {
    return this.#manifests.get(height)
  }

  /** An encoded chunk; undefined where it is not held, or is damaged: others have it, too. */
  async chunk(height: number, index: number): Promise<Uint8Array | undefined> {
    const hash = this.#manifests.get(height)?.chunks[index]
    const chunk = hash === undefined ? undefined : await this.#store.get(chunkKey(height, index))
    return chunk !== undefined && hash !== undefined && equalBytes(chunkHash(chunk), hash) ? chunk : undefined
  }

  /**
   * Writes a snapshot, chunk by chunk; its manifest, and with it the snapshot, is there once all chunks are on disk. `signal` gives
   * it up between two chunks; what is left of an unfinished one goes with the next {@link drop}.
   * @throws EpioneError `too-large` where the state takes more chunks than a snapshot may have
   */
  async write(source: SnapshotSource, options: { signal: AbortSignal }): Promise<SnapshotManifest> {
    const { height, block, tree, logItems } = source
    const chunks: Uint8Array[] = []
    for await (const chunk of snapshotChunks(tree, logItems)) {
      options.signal.throwIfAborted()
      if (chunks.length === MAX_CHUNKS) throw new EpioneError('too-large', 'The state is larger than a snapshot may be.')
      await this.#store.batch([{ type: 'put', key: chunkKey(height, chunks.length), value: chunk }])
      chunks.push(chunkHash(chunk))
    }
    const manifest = { height, block, chunks }
    await this.#store.batch([{ type: 'put', key: manifestKey(height), value: manifestCodec.encode(manifest) }], { sync: true })
    this.#manifests.set(height, manifest)
    return manifest
  }

  /** Forgets all snapshots below a height, unfinished ones included, and gives the disk back. */
  async drop(below: number): Promise<void> {
    for (const height of this.heights()) if (height < below) this.#manifests.delete(height)
    for (const kind of [MANIFEST, CHUNK]) {
      const range = { gte: Uint8Array.of(kind), lt: concat(Uint8Array.of(kind), u64(below)) }
      let operations: StoreOperation[] = []
      let dropped = false
      for await (const [key] of this.#store.iterator(range)) {
        operations.push({ type: 'del', key })
        dropped = true
        if (operations.length < DELETED_AT_ONCE) continue
        await this.#store.batch(operations)
        operations = []
      }
      await this.#store.batch(operations)
      if (dropped) await this.#store.compact(range)
    }
  }
}
