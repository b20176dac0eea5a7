/** Metrics of the process. */
import { byLabel, type Metric, single } from './metric.ts'

export const PROCESS_METRICS: readonly Metric[] = [
  byLabel('counter', 'epione_cpu_seconds_total', 'CPU time of the process', 'mode', ({ process }) => ({
    user: process.userSeconds,
    system: process.systemSeconds,
  })),
  single('gauge', 'epione_resident_bytes', 'Memory of the process', ({ process }) => process.residentBytes),
  single('gauge', 'epione_heap_bytes', 'Memory that JavaScript uses of it', ({ process }) => process.heapBytes),
  single('gauge', 'epione_uptime_seconds', 'Time since the process began', ({ process }) => process.uptimeSeconds),
  byLabel(
    'gauge',
    'epione_event_loop_lag_seconds',
    'How late the event loop was since these metrics were last asked for: median, p99, and longest',
    'of',
    ({ process }) => ({
      median: process.lagSeconds?.median ?? null,
      p99: process.lagSeconds?.p99 ?? null,
      longest: process.lagSeconds?.longest ?? null,
    }),
  ),
]
