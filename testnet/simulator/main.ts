/**
 * `npm run simulate -- [--schedules N] [--seed S] [--jobs J] [--validators N] [--beyond] [--real] [--trace] [--json]`
 *
 * Simulates N schedules from seed S on. Exits with 0 where all held, 1 with the seeds where something did not, 2 where it was
 * asked wrongly.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { describeTally, runSchedulesOver, type Tally } from './batch.ts'
import type { PlanOptions } from './plan.ts'
import { trace } from './trace.ts'

const USAGE = `usage: npm run simulate -- [options]

  --schedules N    how many schedules to simulate (default 1000)
  --seed S         seed of the first one; the others follow (default 1)
  --jobs J         processes at a time (default: one per core)
  --validators N   validators in every schedule, instead of what the seed says
  --beyond         a third of the weight or more lies: forks may happen, and must name their culprits
  --real           Ed25519 in every schedule, instead of simulated signatures
  --trace          tell the first schedule line by line, and run no other
  --json           one JSON object at the end
`

interface Request {
  schedules: number
  seed: number
  jobs: number
  plan: PlanOptions
  trace: boolean
  json: boolean
}

function parse(args: readonly string[]): Request {
  const { values } = parseArgs({
    args: [...args],
    options: {
      schedules: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      validators: { type: 'string' },
      beyond: { type: 'boolean' },
      real: { type: 'boolean' },
      trace: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const number = (name: string, text: string, min: number, max = 2 ** 32): number => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < min || value > max) throw new Error(`--${name} must be an integer from ${min} to ${max}`)
    return value
  }
  const plan: PlanOptions = {}
  if (values.validators !== undefined) plan.validators = number('validators', values.validators, 4, 150)
  if (values.beyond === true) plan.beyond = true
  if (values.real === true) plan.realSignatures = true
  return {
    schedules: number('schedules', values.schedules, 1),
    seed: number('seed', values.seed, 0),
    jobs: number('jobs', values.jobs, 1, 64),
    plan,
    trace: values.trace,
    json: values.json,
  }
}

async function main(): Promise<number> {
  let request: Request
  try {
    request = parse(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    return 2
  }
  const { schedules, seed, jobs, plan, json } = request
  if (request.trace) {
    const { violations } = await trace(seed, plan, line => process.stdout.write(`${line}\n`))
    for (const { kind, what } of violations) process.stdout.write(`${kind}: ${what}\n`)
    return violations.length === 0 ? 0 : 1
  }
  const startedAt = performance.now()
  let shownAt = startedAt
  let told = 0
  const onProgress = (tally: Tally): void => {
    // Not at the end alone: a long run may be broken off before.
    for (const { seed: failed, violations } of tally.failures.slice(told)) {
      if (!json) process.stderr.write(`seed ${failed}: ${violations[0]?.kind}\n`)
    }
    told = tally.failures.length
    if (json || performance.now() - shownAt < 10_000) return
    shownAt = performance.now()
    process.stderr.write(`${tally.schedules} of ${schedules} schedules, ${tally.failures.length} violations\n`)
  }
  const tally = await runSchedulesOver(jobs, seed, schedules, { ...plan, onProgress })
  const minutes = (performance.now() - startedAt) / 60_000
  const perMinute = Math.round(tally.schedules / minutes)
  if (json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, seed, jobs, perMinute, ...tally })}\n`)
  else {
    process.stdout.write(`${describeTally(tally)}\n`)
    const liars = Object.entries(tally.liars).map(([kind, count]) => `${kind} ${count}`)
    process.stdout.write(`schedules with liars: ${liars.join(', ')}; slowest recovery ${tally.slowestMs} ms of virtual time\n`)
    process.stdout.write(`${perMinute} schedules per minute, ${jobs} processes\n`)
    for (const failure of tally.failures) {
      for (const { kind, what, atMs } of failure.violations.slice(0, 3)) {
        process.stdout.write(`\nseed ${failure.seed}, ${kind} after ${atMs} ms: ${what}\n`)
      }
      process.stdout.write(`repeat it: npm run simulate -- --seed ${failure.seed} --trace\n`)
    }
  }
  return tally.failures.length === 0 ? 0 : 1
}

// Who reads no further, as `head` does, has seen enough.
process.stdout.on('error', () => process.exit(1))
process.exitCode = await main()
