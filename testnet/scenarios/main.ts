/** `npm run scenario NAME`: plays a scenario over real processes, prints what was seen, and fails where something did not hold. */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { durability } from './durability.ts'
import type { Scenario } from './scenario.ts'

const SCENARIOS: readonly Scenario[] = [durability]

const USAGE = `usage: npm run scenario NAME -- [--seed N] [--keep]

${SCENARIOS.map(({ name, about }) => `  ${name}\n      ${about}`).join('\n')}

  --seed N  keys, content, and who is hit (default 1)
  --keep    leave the folder with the nodes' homes and logs
`

async function main(): Promise<number> {
  const options = { seed: { type: 'string' }, keep: { type: 'boolean' }, help: { type: 'boolean' } } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const seed = Number(values.seed ?? 1)
  const scenario = SCENARIOS.find(({ name }) => name === positionals[0])
  if (scenario === undefined || positionals.length !== 1 || !Number.isSafeInteger(seed)) {
    process.stderr.write(USAGE)
    return 2
  }
  const began = performance.now()
  const dir = await mkdtemp(join(tmpdir(), `epione-${scenario.name}-`))
  const progress = (text: string): void =>
    void process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)
  progress(`${scenario.name}, seed ${seed}, in ${dir}`)
  let problems: string[]
  try {
    const result = await scenario.run({ dir, seed, progress })
    problems = result.problems
    const minutes = ((performance.now() - began) / 60_000).toFixed(1)
    process.stdout.write(
      `\n${scenario.name}: ${scenario.about}\n${cpus().length} cores, Node ${process.version}, seed ${seed}, ${minutes} minutes\n\n${result.summary}`,
    )
  } catch (error) {
    problems = [error instanceof Error ? (error.stack ?? error.message) : String(error)]
  }
  if (values.keep !== true) await rm(dir, { recursive: true, force: true })
  if (problems.length === 0) return 0
  process.stderr.write(
    `\nDID NOT HOLD:\n${problems.map(problem => `  ${problem}`).join('\n')}\n\nto repeat: npm run scenario ${scenario.name} -- --seed ${seed} --keep\n`,
  )
  return 1
}

process.exit(await main())
