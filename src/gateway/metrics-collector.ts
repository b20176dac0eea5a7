/** Writes a node's metrics as Prometheus reads them. Nothing is kept between two scrapes: each asks the node anew. */
import { Counter, Gauge, Registry } from 'prom-client'
import type { Metric, Snapshot } from './metric.ts'
import { CUSTODY } from './metrics-custody.ts'
import { LEDGER_METRICS } from './metrics-ledger.ts'
import { PROCESS_METRICS } from './metrics-process.ts'

/** All metrics of a node; README.md documents each of them. */
export const METRICS: readonly Metric[] = [...LEDGER_METRICS, ...CUSTODY, ...PROCESS_METRICS]

export class MetricsCollector {
  readonly #registry = new Registry()
  readonly #snapshot: () => Snapshot
  readonly #fills: readonly ((snapshot: Snapshot) => void)[]
  #running: Promise<string> | undefined

  constructor(snapshot: () => Snapshot) {
    this.#snapshot = snapshot
    this.#fills = METRICS.map(metric => fill(metric, this.#registry))
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The metrics now. Who asks while they are being written gets the same. */
  async text(): Promise<string> {
    this.#running ??= this.#write().finally(() => {
      this.#running = undefined
    })
    return await this.#running
  }

  async #write(): Promise<string> {
    const snapshot = this.#snapshot()
    for (const fillFrom of this.#fills) fillFrom(snapshot)
    return await this.#registry.metrics()
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
