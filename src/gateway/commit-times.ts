/** How long the newest commits took, from a block's time to its commit. */
const KEPT = 100

export class CommitTimes {
  readonly #times: number[] = []

  add(ms: number): void {
    this.#times.push(ms)
    if (this.#times.length > KEPT) this.#times.shift()
  }

  percentiles(): { commitP50Ms: number | null; commitP95Ms: number | null } {
    const sorted = this.#times.toSorted((a, b) => a - b)
    const at = (share: number): number | null => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null
    return { commitP50Ms: at(0.5), commitP95Ms: at(0.95) }
  }
}
