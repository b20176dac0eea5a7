/**
 * Which of a node's chains counts. A snapshot is installed beside the chain that a node has, in many steps; one mark, written at
 * the end, makes it the node's chain. A crash before leaves the old chain as it was, and what was fetched so far; a crash after
 * leaves the new one, and the old one to be cleared away.
 */
import { u32 } from '../encoding/bytes.ts'
import { openRecord, sealRecord } from './chain-records.ts'
import type { KeyValueStore, StoreOperation } from './store.ts'

const MARK = Uint8Array.of(0)
/** Every key of a chain begins below this. */
const ALL = { gte: Uint8Array.of(0), lt: Uint8Array.of(0xff) }
const DELETED_AT_ONCE = 5_000

export class ChainGenerations {
  readonly #root: KeyValueStore
  #number: number

  private constructor(root: KeyValueStore, number: number) {
    this.#root = root
    this.#number = number
  }

  /** @throws MalformedError where the mark is damaged */
  static async open(root: KeyValueStore): Promise<ChainGenerations> {
    const record = await root.sublevel('generation').get(MARK)
    if (record === undefined) return new ChainGenerations(root, 0)
    const mark = openRecord(MARK, record)
    return new ChainGenerations(root, new DataView(mark.buffer, mark.byteOffset).getUint32(0))
  }

  #store(number: number): KeyValueStore {
    return this.#root.sublevel(number === 0 ? 'chain' : `chain-${number}`)
  }

  /** The chain that counts. */
  get current(): KeyValueStore {
    return this.#store(this.#number)
  }

  /** Where the next one is made; what an earlier attempt left is still there. */
  get candidate(): KeyValueStore {
    return this.#store(this.#number + 1)
  }

  /** Makes the candidate the chain that counts. */
  async switchToCandidate(): Promise<void> {
    const mark = sealRecord(MARK, u32(this.#number + 1))
    await this.#root.sublevel('generation').batch([{ type: 'put', key: MARK, value: mark }], { sync: true })
    this.#number++
  }

  async clearCandidate(): Promise<void> {
    await clear(this.candidate)
  }

  /** Clears away the chain that counted before, and gives its disk back. */
  async clearFormer(): Promise<void> {
    if (this.#number > 0) await clear(this.#store(this.#number - 1))
  }
}

/** Deletes everything in a part of a store. */
async function clear(store: KeyValueStore): Promise<void> {
  let operations: StoreOperation[] = []
  let any = false
  for await (const [key] of store.iterator()) {
    any = true
    operations.push({ type: 'del', key })
    if (operations.length < DELETED_AT_ONCE) continue
    await store.batch(operations)
    operations = []
  }
  if (!any) return
  await store.batch(operations)
  await store.compact(ALL)
}
