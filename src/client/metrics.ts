/**
 * What a reader knows of custodians, as Prometheus reads it: for an application that serves metrics, or for a file that node_exporter
 * picks up. Custodians are named; nothing of what was read is in it.
 */
import { toHex } from '../encoding/bytes.ts'
import type { CustodianStanding } from './standings.ts'

type Labels = Readonly<Record<string, string>>

interface ReaderMetric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  /** One sentence, without a full stop. */
  readonly help: string
  /** Values with the labels beside those of the custodian; what is null is not known, and is left out. */
  read(standing: CustodianStanding): readonly (readonly [value: number | null, labels?: Labels])[]
}

/** All of them; README.md documents each. Labels are the custodian's account and name, and what is said here. */
export const READER_METRICS: readonly ReaderMetric[] = [
  {
    name: 'epione_reader_asked_total',
    type: 'counter',
    help: 'How often a custodian was asked for fragments or lists',
    read: ({ asked }) => [[asked]],
  },
  {
    name: 'epione_reader_outcomes_total',
    type: 'counter',
    help: 'What became of it: fragments served whole, wrong bytes or proofs, late, not-found in spite of its place, unreachable, other',
    read: ({ outcomes }) => Object.entries(outcomes).map(([outcome, value]) => [value, { outcome }]),
  },
  {
    name: 'epione_reader_bytes_total',
    type: 'counter',
    help: 'Bytes of fragments that a custodian delivered and that were right',
    read: ({ servedBytes }) => [[servedBytes]],
  },
  {
    name: 'epione_reader_first_byte_seconds',
    type: 'gauge',
    help: 'Running mean of the time from asking to the first answer',
    read: ({ firstByteMs }) => [[firstByteMs === null ? null : firstByteMs / 1000]],
  },
  {
    name: 'epione_reader_bytes_per_second',
    type: 'gauge',
    help: 'Running mean of the rate at which a custodian delivered',
    read: ({ bytesPerSecond }) => [[bytesPerSecond]],
  },
]

/** The standings in Prometheus's text format; ends with a line feed. */
export function formatMetrics(standings: readonly CustodianStanding[]): string {
  const lines = READER_METRICS.flatMap(({ name, type, help, read }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...standings.flatMap(standing =>
      read(standing).flatMap(([value, labels = {}]) => {
        const all = { custodian: toHex(standing.custodian), name: standing.name, ...labels }
        return value === null ? [] : [`${name}${formatLabels(all)} ${value}`]
      }),
    ),
  ])
  return `${lines.join('\n')}\n`
}

function formatLabels(labels: Labels): string {
  const quoted = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${quoted(value)}"`)
    .join(',')}}`
}
