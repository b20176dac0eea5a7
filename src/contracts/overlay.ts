import type { StateChange, StateReader } from '../ledger/state-tree.ts'

/** Binary ids as map keys, one character per byte: such texts sort as their bytes do. Keys have at most 127 bytes. */
export function keyText(key: Uint8Array): string {
  return String.fromCharCode(...key)
}

/** Writes on top of a state that stays as it is until somebody applies them. */
export class Overlay implements StateReader {
  readonly #base: StateReader
  readonly #writes = new Map<string, StateChange>()

  constructor(base: StateReader) {
    this.#base = base
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const written = this.#writes.get(keyText(key))
    return written === undefined ? this.#base.get(key) : (written.value ?? undefined)
  }

  /** Sets a value, or with null removes it. The last write of a key counts. */
  write(key: Uint8Array, value: Uint8Array | null): void {
    this.#writes.set(keyText(key), { key, value })
  }

  /** Moves these writes onto another overlay. */
  mergeInto(target: Overlay): void {
    for (const { key, value } of this.#writes.values()) target.write(key, value)
  }

  /** What differs from the base, ascending by key; the removal of a key that the base does not hold is nothing. */
  changes(): StateChange[] {
    const sorted = [...this.#writes.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
    return sorted.map(([, change]) => change).filter(({ key, value }) => value !== null || this.#base.get(key) !== undefined)
  }
}
