/** One line that says how far a transfer is: a bar, bytes, and how quick it goes. */
import { formatBytes, formatSpan } from './format.ts'

const BAR = 24
/** Time over which the rate is taken, in ms. */
const WINDOW_MS = 3_000

export class TransferLine {
  #label = ''
  /** Times and bytes of the last few seconds. */
  #samples: { at: number; bytes: number }[] = []

  line(label: string, bytes: number, total: number, now: number = performance.now()): string {
    const last = this.#samples.at(-1)
    if (label !== this.#label || (last !== undefined && bytes < last.bytes)) this.#samples = []
    this.#label = label
    this.#samples.push({ at: now, bytes })
    while (this.#samples.length > 2 && (this.#samples[0] as { at: number }).at < now - WINDOW_MS) this.#samples.shift()
    const share = total === 0 ? 1 : Math.min(1, bytes / total)
    const filled = Math.floor(share * BAR)
    const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}]`
    const parts = [`${Math.floor(100 * share)} %`, `${formatBytes(bytes)} of ${formatBytes(total)}`]
    const first = this.#samples[0] as { at: number; bytes: number }
    const perMs = now > first.at ? (bytes - first.bytes) / (now - first.at) : 0
    if (perMs > 0) parts.push(`${formatBytes(Math.round(1000 * perMs))}/s`, `${formatSpan((total - bytes) / perMs)} left`)
    return `${label} ${bar} ${parts.join(', ')}`
  }
}
