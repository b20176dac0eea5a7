/** `npm run perturb`: four validator processes under load are killed, paused and cut off, and must go on each time. */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { table } from '../bench/table.ts'
import { type SeededRandom, seededRandom } from '../population/random.ts'
import { disconnectOne, killAll, killOne, killTwo, type Measured, pauseOne, rollingRestart, splitInHalf } from './catalogue.ts'
import { LIMIT_MS, Stage } from './stage.ts'

const USAGE = `usage: npm run perturb -- [--seed N] [--minutes N] [--rate N] [--keep]

  --seed N      keys, order, targets and moments (default 1)
  --minutes N   go on until then, the whole catalogue at least once, some ten minutes (default 10)
  --rate N      transactions per second (default 12)
  --keep        leave the folder with the logs
`

type Perturbation = (stage: Stage, random: SeededRandom) => Promise<Measured[]>

function someone(stage: Stage, random: SeededRandom): number {
  return random.pick(stage.all())
}

function pair(stage: Stage, random: SeededRandom): [number, number] {
  const first = someone(stage, random)
  return [first, random.pick(stage.all([first]))]
}

const CATALOGUE: readonly Perturbation[] = [
  ...[0, 1, 2, 3].map(
    (index): Perturbation =>
      (stage, random) =>
        killOne(stage, index, random.int(0, 5_000)),
  ),
  (stage, random) => pauseOne(stage, someone(stage, random), 10_000),
  (stage, random) => pauseOne(stage, someone(stage, random), 10_000),
  (stage, random) => disconnectOne(stage, someone(stage, random), { ms: 10_000, state: 'cut' }),
  (stage, random) => disconnectOne(stage, someone(stage, random), { ms: 10_000, state: 'silent' }),
  (stage, random) => disconnectOne(stage, someone(stage, random), { ms: 60_000, state: 'silent' }),
  (stage, random) => splitInHalf(stage, pair(stage, random), { ms: 30_000, state: random.pick(['cut', 'silent'] as const) }),
  (stage, random) => killTwo(stage, pair(stage, random), 120_000),
  (stage, random) => killTwo(stage, pair(stage, random), random.int(0, 10_000)),
  stage => killAll(stage),
  (stage, random) => rollingRestart(stage, shuffled(stage.all(), random)),
]

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const rest = [...items]
  return items.map(() => rest.splice(random.int(0, rest.length - 1), 1)[0] as T)
}

async function main(): Promise<number> {
  const options = { seed: { type: 'string' }, minutes: { type: 'string' }, rate: { type: 'string' } } as const
  const { values } = parseArgs({ options: { ...options, keep: { type: 'boolean' }, help: { type: 'boolean' } } })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const [seed, minutes, perSecond] = [Number(values.seed ?? 1), Number(values.minutes ?? 10), Number(values.rate ?? 12)]
  if (!Number.isSafeInteger(seed) || !(minutes > 0) || !(perSecond > 0 && perSecond <= 500)) {
    process.stderr.write(USAGE)
    return 2
  }
  const progress = (text: string): void => void process.stderr.write(`${text}\n`)
  const random = seededRandom(seed)
  const dir = await mkdtemp(join(tmpdir(), 'epione-perturb-'))
  progress(`four validators in ${dir}, seed ${seed}`)
  const startedMs = performance.now()
  const stage = await Stage.create({ dir, seed, perSecond })
  const all: Measured[] = []
  const problems: string[] = []
  let verified = 'what was acknowledged, and whether there is one chain, was not verified'
  try {
    do {
      for (const perturbation of shuffled(CATALOGUE, random)) {
        await sleep(random.int(200, 2_000))
        for (const each of await perturbation(stage, random)) {
          all.push(each)
          progress(`${each.good ? '✔' : '✘'} ${each.what}: ${seconds(each)} ${each.note}`)
        }
        if (all.at(-1)?.tookMs === null) break
      }
    } while (performance.now() - startedMs < minutes * 60_000 && all.every(({ good }) => good))
    progress('verifying')
    const broken = await stage.verify()
    if (broken.length === 0)
      verified = 'each acknowledged one is on every node; one chain on all four; nothing in their logs that must not be there'
    problems.push(...broken)
  } catch (error) {
    problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await stage.stop()
  }
  const late = all.filter(({ good }) => !good)
  problems.unshift(...late.map(each => `${each.what}: ${seconds(each)}, the limit is ${LIMIT_MS / 1000} s; ${each.note}`))
  const { statements, looks } = stage.witness.counts
  const failed = [...stage.load.failures].map(([code, count]) => `${count} ${code}`).join(', ') || 'none'
  const rows = all.map(each => ({
    what: each.what,
    result: seconds(each),
    conditions: `${each.good ? 'ok' : 'NOT OK'}  ${each.note}`.trimEnd(),
  }))
  process.stdout.write(
    [
      '',
      `4 validators in 4 processes, 3 a quorum; ${cpus().length} cores, Node ${process.version}, seed ${seed}, ${((performance.now() - startedMs) / 60_000).toFixed(1)} minutes`,
      `time until the next block on every node that can be reached; limit ${LIMIT_MS / 1000} s`,
      '',
      table(rows),
      '',
      `${stage.load.begun} transactions submitted (${perSecond} /s), ${stage.load.acknowledged.length} acknowledged; not acknowledged, so not promised: ${failed}`,
      verified,
      `${statements} signed statements seen in ${looks} looks at logs and guards, and in every certificate: ${stage.witness.findings.length} conflicts`,
      '',
    ].join('\n'),
  )
  if (problems.length === 0 || values.keep !== true) await rm(dir, { recursive: true, force: true })
  if (problems.length === 0) return 0
  process.stdout.write(
    `\nNOT OK:\n${problems.map(problem => `  ${problem}\n`).join('')}\nto repeat: npm run perturb -- --seed ${seed} --minutes ${minutes} --rate ${perSecond} --keep\n`,
  )
  return 1
}

function seconds({ tookMs }: Measured): string {
  return tookMs === null ? 'never' : `${(tookMs / 1000).toFixed(1)} s`
}

// At its exit the testnet ends its nodes, a paused one too, which would not see by itself that this process is gone.
for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) process.once(signal, () => process.exit(code))
process.exit(await main())
