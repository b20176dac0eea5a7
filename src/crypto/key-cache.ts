/** Imported public keys by their bytes, the least recently used one going first when the cache is full. */
export class KeyCache<T> {
  readonly #limit: number
  // A Map's order of insertion serves as the order of last use.
  readonly #entries = new Map<string, T>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The key of these bytes; made by `make` where it is not at hand. What `make` throws is passed on and not remembered. */
  get(bytes: Uint8Array, make: () => T): T {
    const name = String.fromCharCode(...bytes)
    let value = this.#entries.get(name)
    if (value === undefined) {
      value = make()
      if (this.#entries.size >= this.#limit) {
        const oldest = this.#entries.keys().next()
        if (oldest.done !== true) this.#entries.delete(oldest.value)
      }
    } else {
      this.#entries.delete(name)
    }
    this.#entries.set(name, value)
    return value
  }
}
