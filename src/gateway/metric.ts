/** What a metric of a node is: its name, its labels, and how it follows from what the node says of itself. */
import type { NodeActivity } from '../node/activity.ts'
import type { NodeStatus } from '../node/status.ts'
import type { ProcessReport } from './process-watch.ts'

/** Everything that metrics are made of, at one moment. */
export interface Snapshot {
  version: string
  ready: boolean
  status: NodeStatus
  activity: NodeActivity
  process: ProcessReport
}

/** One value of a metric. What is null is not known, and is left out. */
export interface Sample {
  value: number | boolean | null
  labels?: Readonly<Record<string, string>>
}

export interface Metric {
  /** Begins with `epione_` and ends with its unit; counters with `_total`. */
  name: string
  type: 'gauge' | 'counter'
  /** One sentence, without a full stop. */
  help: string
  /**
   * Names of its labels. Values come from small fixed sets, or name members, whose number the ledger bounds: never folders, records,
   * submissions, consents, people or light peers.
   */
  labels: readonly string[]
  read(snapshot: Snapshot): readonly Sample[]
}

/** A metric of one value. */
export function single(type: Metric['type'], name: string, help: string, read: (snapshot: Snapshot) => Sample['value']): Metric {
  return { type, name, help, labels: [], read: snapshot => [{ value: read(snapshot) }] }
}

/** A metric of one value for each code, kind or outcome. */
export function byLabel(
  type: Metric['type'],
  name: string,
  help: string,
  label: string,
  read: (snapshot: Snapshot) => Readonly<Record<string, number | boolean | null>>,
): Metric {
  return {
    type,
    name,
    help,
    labels: [label],
    read: snapshot => Object.entries(read(snapshot)).map(([key, value]) => ({ value, labels: { [label]: key } })),
  }
}
