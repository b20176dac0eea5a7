/** Writes a node's metrics as Prometheus reads them: asked of the node anew, though not more often than once a second. */
import { Counter, Gauge, Registry } from 'prom-client'
import type { Metric, Snapshot } from './metric.ts'
import { CUSTODY } from './metrics-custody.ts'
import { LEDGER_METRICS } from './metrics-ledger.ts'
import { PROCESS_METRICS } from './metrics-process.ts'

/** All metrics of a node; README.md documents each of them. */
export const METRICS: readonly Metric[] = [...LEDGER_METRICS, ...CUSTODY, ...PROCESS_METRICS]

/** Who asks again within this time gets the same, in ms: so no client makes a node that votes write metrics all the time. */
const FRESH_MS = 1_000

export class MetricsCollector {
  readonly #registry = new Registry()
  readonly #snapshot: () => Snapshot
  readonly #fills: readonly ((snapshot: Snapshot) => void)[]
  readonly #now: () => number
  #running: Promise<string> | undefined
  #last: { text: string; atMs: number } | undefined

  /** @param now a clock that only goes forward, in ms */
  constructor(snapshot: () => Snapshot, now: () => number = () => performance.now()) {
    this.#snapshot = snapshot
    this.#now = now
    this.#fills = METRICS.map(metric => fill(metric, this.#registry))
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    if (this.#last !== undefined && this.#now() - this.#last.atMs < FRESH_MS) return this.#last.text
    this.#running ??= this.#write().finally(() => {
      this.#running = undefined
    })
    return await this.#running
  }

  async #write(): Promise<string> {
    const snapshot = this.#snapshot()
    for (const fillFrom of this.#fills) fillFrom(snapshot)
    const text = await this.#registry.metrics()
    this.#last = { text, atMs: this.#now() }
    return text
  }
}

/** Registers a metric; gives what sets all its values anew. */
function fill(metric: Metric, registry: Registry): (snapshot: Snapshot) => void {
  const { type, name, help, labels, read } = metric
  const options = { name, help, labelNames: [...labels], registers: [registry] }
  const registered = type === 'counter' ? new Counter(options) : new Gauge(options)
  return snapshot => {
    registered.reset()
    // Without labels a reset leaves a zero: what is not known is not to be told as that.
    if (labels.length === 0) registered.remove()
    for (const { value, labels: values = {} } of read(snapshot)) if (value !== null) registered.inc({ ...values }, Number(value))
  }
}
