/** The key-value store on disk: LevelDB through classic-level. */
import { ClassicLevel } from 'classic-level'
import { concat, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { KeyValueStore, StoreOperation, StoreRange } from './store.ts'

type Level = ClassicLevel<Uint8Array, Uint8Array>

/**
 * Opens the store in a directory, which is made where it is missing. One process at a time can have it. Keys that begin with
 * `!` belong to the parts that {@link KeyValueStore.sublevel} gives: whoever stores beside them uses other first bytes.
 *
 * LevelDB drops a torn end of its log, which holds only what was never acknowledged, but it does not notice every damage
 * in the middle: who keeps something here checks it when opening (chain-open.ts does).
 * @throws EpioneError `store-locked`, `store-corrupt`, `store-unavailable`; the latter two from every method, too
 */
export async function openLevelStore(dir: string): Promise<KeyValueStore> {
  const level: Level = new ClassicLevel(dir, { keyEncoding: 'view', valueEncoding: 'view' })
  try {
    await level.open()
  } catch (error) {
    throw storeError(error, dir)
  }
  return new LevelStore(level, dir, new Uint8Array(0))
}

/** The whole store, under an empty prefix, or a part of it. */
class LevelStore implements KeyValueStore {
  readonly #level: Level
  readonly #dir: string
  readonly #prefix: Uint8Array

  constructor(level: Level, dir: string, prefix: Uint8Array) {
    this.#level = level
    this.#dir = dir
    this.#prefix = prefix
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return plain(await this.#level.get(this.#inside(key)))
    } catch (error) {
      throw storeError(error, this.#dir)
    }
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    try {
      return plain(this.#level.getSync(this.#inside(key)))
    } catch (error) {
      throw storeError(error, this.#dir)
    }
  }

  async batch(operations: readonly StoreOperation[], options: { sync?: boolean } = {}): Promise<void> {
    try {
      const inside = operations.map(operation => ({ ...operation, key: this.#inside(operation.key) }))
      await this.#level.batch(inside, { sync: options.sync ?? false })
    } catch (error) {
      throw storeError(error, this.#dir)
    }
  }

  async *iterator(range: StoreRange = {}): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
    const skip = this.#prefix.length
    const { gte, lt, ...rest } = range
    const bounds: StoreRange = { ...rest, gte: this.#inside(gte ?? new Uint8Array(0)) }
    if (lt !== undefined) bounds.lt = this.#inside(lt)
    else if (skip > 0) bounds.lt = above(this.#prefix)
    try {
      for await (const [key, value] of this.#level.iterator(bounds)) yield [view(key, skip), view(value)]
    } catch (error) {
      throw storeError(error, this.#dir)
    }
  }

  async compact({ gte, lt }: { gte: Uint8Array; lt: Uint8Array }): Promise<void> {
    try {
      await this.#level.compactRange(this.#inside(gte), this.#inside(lt), { keyEncoding: 'view' })
    } catch (error) {
      throw storeError(error, this.#dir)
    }
  }

  sublevel(name: string): KeyValueStore {
    if (!/^[a-z0-9-]+$/.test(name))
      throw new EpioneError('store-name', 'A part of the store is named by small letters, digits and hyphens.')
    return new LevelStore(this.#level, this.#dir, concat(this.#prefix, utf8(`!${name}!`)))
  }

  async close(): Promise<void> {
    // A part is closed with the whole.
    if (this.#prefix.length === 0) await this.#level.close()
  }

  #inside(key: Uint8Array): Uint8Array {
    return this.#prefix.length === 0 ? key : concat(this.#prefix, key)
  }
}

/** The first key behind all that begin with a prefix, whose last byte is `!`. */
function above(prefix: Uint8Array): Uint8Array {
  const end = Uint8Array.from(prefix)
  end[end.length - 1] = (end.at(-1) as number) + 1
  return end
}

/** The same bytes as a plain Uint8Array: LevelDB gives Buffers, whose methods differ in part. */
function view(bytes: Uint8Array, skip = 0): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + skip, bytes.length - skip)
}

function plain(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : view(bytes)
}

/** LevelDB's own word for what happened, wherever the wrapper put it. */
function levelCode(error: unknown): string {
  let at = error
  let found = ''
  for (let depth = 0; depth < 4 && at instanceof Error; depth++) {
    const { code } = at as Error & { code?: unknown }
    if (typeof code === 'string') found = code
    at = at.cause
  }
  return found
}

function storeError(error: unknown, dir: string): unknown {
  if (error instanceof EpioneError) return error
  const options = { metadata: { directory: dir }, cause: error }
  switch (levelCode(error)) {
    case 'LEVEL_LOCKED':
      return new EpioneError('store-locked', `The store in ${dir} is open in another process. Stop that one first.`, options)
    case 'LEVEL_CORRUPTION':
      return new EpioneError(
        'store-corrupt',
        `The store in ${dir} is damaged. Restore it from a backup or synchronise the node anew.`,
        options,
      )
    case 'LEVEL_DATABASE_NOT_OPEN':
    case 'LEVEL_ITERATOR_NOT_OPEN':
      return new EpioneError('store-unavailable', `The store in ${dir} cannot be used: it is closed or could not be opened.`, options)
    default:
      return new EpioneError(
        'store-unavailable',
        `The store in ${dir} could not be read or written. Check the disk and the rights.`,
        options,
      )
  }
}
