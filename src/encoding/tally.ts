/** Counts by stable code, such as how calls ended, since the start. Bounded, and safe to show: no code from a peer goes through as it is. */

/** Codes that are counted apart; further ones are counted as `other`. */
const MAX_CODES = 32
/** What a code looks like. Whatever else a peer sends in its place is counted as `other`. */
const CODE = /^[a-z][a-z0-9-]{0,47}$/

export class Tally {
  readonly #counts = new Map<string, number>()

  add(code: string, count = 1): void {
    const isApart = this.#counts.has(code) || (this.#counts.size < MAX_CODES - 1 && CODE.test(code))
    const name = isApart ? code : 'other'
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
  }

  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}
