/** `npm run scenarios:broken`: builds that are wrong on purpose, and whether the scenario that is to find each does, and says why. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BROKEN_BUILDS } from '../faults/edits.ts'
import { BROKEN_VARIABLE } from '../faults/variables.ts'
import { readScenario } from './catalogue.ts'
import { runScenario } from './run.ts'

const SEED = 1

async function main(names: readonly string[]): Promise<number> {
  let missed = 0
  for (const { name, about, foundBy } of BROKEN_BUILDS) {
    if (names.length > 0 && !names.includes(name)) continue
    process.env[BROKEN_VARIABLE] = name
    const dir = await mkdtemp(join(tmpdir(), `epione-${name}-`))
    process.stdout.write(`${name}: ${about}\n`)
    const { held, cause, tookMs } = await runScenario(readScenario(foundBy.scenario), { dir, seed: SEED })
    const found = !held && foundBy.says.test(cause ?? '')
    if (found) await rm(dir, { recursive: true, force: true })
    else missed++
    process.stdout.write(
      `  ${found ? '✔ found' : '✘ NOT FOUND'} by ${foundBy.scenario} in ${(tookMs / 1000).toFixed(1)} s: ${cause ?? 'everything held'}${found ? '' : ` (logs in ${dir})`}\n`,
    )
  }
  delete process.env[BROKEN_VARIABLE]
  process.stdout.write(missed === 0 ? 'every one of them was found\n' : `${missed} were not found\n`)
  return missed === 0 ? 0 : 1
}

process.exit(await main(process.argv.slice(2)))
