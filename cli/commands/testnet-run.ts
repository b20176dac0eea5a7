/** `epione testnet run` */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { ScenarioManifest } from '../../testnet/scenarios/manifest.ts'
import type { StepReport } from '../../testnet/scenarios/play-steps.ts'
import type { ScenarioReport } from '../../testnet/scenarios/run.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { formatSpan } from '../format.ts'
import { table } from '../output.ts'

export interface TestnetRunOptions {
  dir?: string
  seed: number
  times: number
  basePort?: number
  all?: boolean
  random?: boolean
  print?: boolean
  keep?: boolean
}

/** Plays scenarios, each `times` times from seeds that follow one another; the first that does not hold ends it. */
export async function testnetRun(context: Context, options: TestnetRunOptions, names: readonly string[]): Promise<ExitCode> {
  const [{ readScenario, scenarioNames }, { randomScenario, scenarioText }, { runScenario }] = await Promise.all([
    import('../../testnet/scenarios/catalogue.ts'),
    import('../../testnet/scenarios/random.ts'),
    import('../../testnet/scenarios/run.ts'),
  ])
  const wanted = options.all === true ? scenarioNames() : names
  if ((wanted.length === 0) === (options.random !== true))
    throw new EpioneError('invalid-argument', 'Name scenarios or files, or say --all, or --random; the names: epione testnet scenarios.')
  const known = wanted.map(name => ({ name, manifest: readScenario(name) }))
  const manifestsOf = (seed: number): { name: string; manifest: ScenarioManifest }[] =>
    options.random === true ? [{ name: '--random', manifest: randomScenario(seed) }] : known
  if (options.print === true) {
    for (const { manifest } of manifestsOf(options.seed)) await context.output.bytes(Buffer.from(await scenarioText(manifest)))
    return EXIT.ok
  }
  if (options.dir !== undefined && manifestsOf(options.seed).length * options.times !== 1)
    throw new EpioneError('invalid-argument', '--dir is for one scenario that is run once.')
  const reports: { report: ScenarioReport; dir: string | null }[] = []
  const began = performance.now()
  let failed: string | null = null
  for (let time = 0; time < options.times && failed === null; time++) {
    const seed = options.seed + time
    for (const { name, manifest } of manifestsOf(seed)) {
      const dir = options.dir === undefined ? await mkdtemp(join(tmpdir(), `epione-${manifest.id}-`)) : resolve(options.dir)
      context.output.note(`\n${manifest.id}, seed ${seed}: ${manifest.title}`)
      const report = await runScenario(manifest, {
        dir,
        seed,
        basePort: options.basePort,
        keep: options.keep === true,
        signal: context.signal,
        progress: text => context.output.note(`        ${text}`),
        onStep: step => context.output.note(stepLine(step)),
      })
      const stays = options.keep === true || options.dir !== undefined || !report.held
      if (options.keep === true) await goOn(dir, context.signal)
      if (!stays) await rm(dir, { recursive: true, force: true })
      reports.push({ report, dir: stays ? dir : null })
      if (report.held) context.output.note(`        held, in ${formatSpan(report.tookMs)}`)
      else {
        const again = `epione testnet run ${name} --seed ${seed} --keep`
        failed = `${manifest.id}: ${report.cause ?? 'it did not hold.'} The logs are in ${dir}. To repeat it: ${again}`
        break
      }
    }
  }
  const tookMs = Math.round(performance.now() - began)
  context.output.result({ held: failed === null, tookMs, runs: reports }, () => [
    '',
    ...table([
      ['scenario', 'seed', 'held', 'took', 'folder'],
      ...reports.map(({ report, dir }) => [
        report.id,
        String(report.seed),
        report.held ? 'yes' : 'NO',
        formatSpan(report.tookMs),
        dir ?? '-',
      ]),
    ]),
    '',
    `${reports.length} runs in ${formatSpan(tookMs)}`,
    ...(options.keep === true
      ? reports.map(
          ({ dir }) => `It goes on; look with epione testnet status --dir ${dir}, end it with epione testnet down --clean --dir ${dir}`,
        )
      : []),
  ])
  if (failed === null) return EXIT.ok
  throw new EpioneError('scenario-failed', failed)
}

/** The network's minder takes over from this process. */
async function goOn(dir: string, signal: AbortSignal): Promise<void> {
  const { startControl } = await import('../../testnet/control/remote.ts')
  await startControl(dir, { signal })
}

function stepLine({ atMs, tookMs, kind, what, held, note }: StepReport): string {
  return `${`${(atMs / 1000).toFixed(1)} s`.padStart(7)} ${held ? '✔' : '✘'} ${kind} ${what}, ${formatSpan(tookMs)}${note === '' ? '' : `: ${note}`}`
}
