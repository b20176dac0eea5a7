/**
 * Fragments that were found bad on disk, until they are repaired. They stay where they are meanwhile: should the others be lost, all
 * but the bad chunks may still help.
 */
import { concat, toHex, u32 } from '../../encoding/bytes.ts'
import { errorCode } from '../../encoding/errors.ts'
import type { KeyValueStore } from '../../ledger/store.ts'

/** Most that are noted; those beyond are found again by the next reading through. */
const MAX_DAMAGES = 65_536
const PRESENT = Uint8Array.of(1)

const LOSSES: ReadonlySet<string> = new Set(['fragment-not-found', 'corrupt-fragment', 'storage-failed'])

/** Whether reading a fragment that ought to be here failed in a way that only a repair mends. */
export function isLoss(error: unknown): boolean {
  return LOSSES.has(errorCode(error))
}

export class Damages {
  readonly #store: KeyValueStore
  readonly #known = new Set<string>()

  /** @param store a part of its own */
  constructor(store: KeyValueStore) {
    this.#store = store
  }

  async start(): Promise<void> {
    this.#known.clear()
    for await (const [key] of this.#store.iterator({ limit: MAX_DAMAGES })) this.#known.add(toHex(key))
  }

  /** Whether the fragment of a version is known to be bad, by the submission's root and the version's place in it. */
  has(root: Uint8Array, leaf: number): boolean {
    return this.#known.size > 0 && this.#known.has(toHex(concat(root, u32(leaf))))
  }

  async add(root: Uint8Array, leaf: number): Promise<void> {
    const key = concat(root, u32(leaf))
    if (this.#known.size >= MAX_DAMAGES) return
    this.#known.add(toHex(key))
    await this.#store.batch([{ type: 'put', key, value: PRESENT }])
  }

  /** Forgets the damages of what need not be here any more. */
  async clear(isGone: (root: Uint8Array, leaf: number) => Promise<boolean>): Promise<void> {
    for await (const [key] of this.#store.iterator({ limit: MAX_DAMAGES })) {
      const [root, leaf] = [key.slice(0, 32), new DataView(key.buffer, key.byteOffset).getUint32(32)]
      if (await isGone(root, leaf)) await this.mended(root, [leaf])
    }
  }

  async mended(root: Uint8Array, leaves: readonly number[]): Promise<void> {
    const keys = leaves.filter(leaf => this.has(root, leaf)).map(leaf => concat(root, u32(leaf)))
    if (keys.length === 0) return
    for (const key of keys) this.#known.delete(toHex(key))
    await this.#store.batch(keys.map(key => ({ type: 'del' as const, key })))
  }
}
