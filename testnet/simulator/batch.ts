/** Many schedules: one after the other here, or spread over processes. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Violation } from './observer.ts'
import type { MischiefKind, PlanOptions } from './plan.ts'
import { simulate } from './simulate.ts'

/** What a run of schedules came to. */
export interface Tally {
  schedules: number
  blocks: number
  messages: number
  crashes: number
  /** Highest round that was voted in. */
  rounds: number
  /** Forks in schedules where a third or more lies; each of them named its culprits. */
  forks: number
  /** Schedules with liars of each kind. */
  liars: Partial<Record<MischiefKind, number>>
  /** Schedules with Ed25519 signatures. */
  real: number
  /** Slowest recovery of a good network, in virtual ms. */
  slowestMs: number
  /** Recoveries that took more than a quarter of the bound. */
  slow: number
  /** Honest nodes that lost their log and kept silent for it. */
  silences: number
  failures: Failure[]
}

export interface Failure {
  seed: number
  violations: readonly Violation[]
}

/** Failures that are kept with their reports. */
const MAX_FAILURES = 20

export function emptyTally(): Tally {
  return {
    schedules: 0,
    blocks: 0,
    messages: 0,
    crashes: 0,
    rounds: 0,
    forks: 0,
    liars: {},
    real: 0,
    slowestMs: 0,
    slow: 0,
    silences: 0,
    failures: [],
  }
}

export function addTally(sum: Tally, part: Tally): void {
  sum.schedules += part.schedules
  sum.blocks += part.blocks
  sum.messages += part.messages
  sum.crashes += part.crashes
  sum.forks += part.forks
  sum.real += part.real
  sum.slow += part.slow
  sum.silences += part.silences
  sum.rounds = Math.max(sum.rounds, part.rounds)
  sum.slowestMs = Math.max(sum.slowestMs, part.slowestMs)
  for (const [kind, count] of Object.entries(part.liars) as [MischiefKind, number][]) sum.liars[kind] = (sum.liars[kind] ?? 0) + count
  sum.failures.push(...part.failures.slice(0, MAX_FAILURES - sum.failures.length))
}

/** Runs the schedules of `count` seeds from `first` on in this process. `until` ends the run early. */
export async function runSchedules(
  first: number,
  count: number,
  options: PlanOptions & { until?: (tally: Tally) => boolean } = {},
): Promise<Tally> {
  const tally = emptyTally()
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await simulate(seed, options)
    addTally(tally, {
      schedules: 1,
      blocks: outcome.heights,
      messages: outcome.messages,
      crashes: outcome.crashes,
      rounds: outcome.rounds,
      forks: outcome.forks,
      liars: Object.fromEntries(outcome.plan.byzantine.flatMap(({ kinds }) => kinds.map(kind => [kind, 1]))),
      real: outcome.plan.realSignatures ? 1 : 0,
      slowestMs: outcome.recoveredMs ?? 0,
      slow: 4 * (outcome.recoveredMs ?? 0) > outcome.limitMs ? 1 : 0,
      silences: outcome.silences,
      failures: outcome.violations.length === 0 ? [] : [{ seed, violations: outcome.violations }],
    })
    if (options.until?.(tally) === true) break
  }
  return tally
}

/** Schedules that a process is given at a time. */
const PORTION = 100

/** As {@link runSchedules}, over `jobs` processes. The sum is the same whatever their number. */
export async function runSchedulesOver(
  jobs: number,
  first: number,
  count: number,
  options: PlanOptions & { onProgress?: (tally: Tally) => void; signal?: AbortSignal } = {},
): Promise<Tally> {
  const { onProgress, signal, ...plan } = options
  const sum = emptyTally()
  let next = first
  const work = async (): Promise<void> => {
    const child = fork(join(import.meta.dirname, 'worker.ts'), { execArgv: ['--max-semi-space-size=64'] })
    const stop = (): void => void child.kill('SIGKILL')
    signal?.addEventListener('abort', stop)
    try {
      while (next < first + count && signal?.aborted !== true) {
        const portion = { first: next, count: Math.min(PORTION, first + count - next), plan }
        next += portion.count
        const part = await new Promise<Tally>((resolve, reject) => {
          const onExit = (): void => reject(new Error(`the process that simulated seeds from ${portion.first} on ended`))
          child.once('exit', onExit)
          child.once('message', answer => {
            child.off('exit', onExit)
            resolve(answer as Tally)
          })
          child.send(portion)
        })
        addTally(sum, part)
        onProgress?.(sum)
      }
    } finally {
      signal?.removeEventListener('abort', stop)
      child.kill()
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(jobs, Math.ceil(count / PORTION))) }, work))
  sum.failures.sort((a, b) => a.seed - b.seed)
  return sum
}

/** One line of figures. */
export function describeTally(tally: Tally): string {
  const { schedules, blocks, messages, crashes, forks, rounds, real } = tally
  return (
    `${schedules} schedules (${real} with Ed25519): ${blocks} blocks, ${messages} messages, ${crashes} crashes, ${tally.silences} lost logs, rounds up to ${rounds}; ` +
    `${forks} forks beyond the bound, each with its culprits; ${tally.failures.length} violations`
  )
}
