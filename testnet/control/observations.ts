/** `observations.jsonl`: what was seen of a testnet, for reports after it. Two files at most, of a bounded size. */
import { appendFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ViewEvent } from '../../src/gateway/network-view.ts'

const MAX_BYTES = 32 * 1024 * 1024
/** What a report is made of; the rest is the state of the moment. */
const KEPT: ReadonlySet<ViewEvent['type']> = new Set(['block', 'sample', 'act', 'log'])

export function observationPaths(dir: string): { current: string; before: string } {
  return { current: join(dir, 'observations.jsonl'), before: join(dir, 'observations.before.jsonl') }
}

export class Observations {
  readonly #paths: { current: string; before: string }
  readonly #maxBytes: number
  #bytes: number
  #lines: string[] = []

  constructor(dir: string, options: { maxBytes?: number } = {}) {
    this.#paths = observationPaths(dir)
    this.#maxBytes = options.maxBytes ?? MAX_BYTES
    this.#bytes = statSync(this.#paths.current, { throwIfNoEntry: false })?.size ?? 0
  }

  add(event: ViewEvent, atMs: number): void {
    if (KEPT.has(event.type)) this.#lines.push(JSON.stringify({ atMs, ...event }))
  }

  /** Writes what was added since. */
  flush(): void {
    if (this.#lines.length === 0) return
    const text = `${this.#lines.join('\n')}\n`
    this.#lines = []
    if (this.#bytes + text.length > this.#maxBytes / 2) {
      renameOver(this.#paths)
      this.#bytes = 0
    }
    appendFileSync(this.#paths.current, text, { mode: 0o600 })
    this.#bytes += text.length
  }
}

function renameOver({ current, before }: { current: string; before: string }): void {
  if (statSync(current, { throwIfNoEntry: false }) !== undefined) renameSync(current, before)
}

export function removeObservations(dir: string): void {
  for (const path of Object.values(observationPaths(dir))) rmSync(path, { force: true })
}
