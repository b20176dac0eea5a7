/** The simulator finds what is planted for it: else what it does not find would say nothing. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hunt, MUTANTS, mutated, pathOf } from '../../testnet/simulator/mutants.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** Schedules in which a mutant must be found; those of the same seeds pass on the true sources. */
const SCHEDULES = 2_000

const test = suite('planted defects')

test('there are at least twelve, each changes the source as it is today, and no two are the same', () => {
  assert.ok(MUTANTS.length >= 12)
  assert.is(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
  for (const mutant of MUTANTS) {
    const source = readFileSync(join(ROOT, pathOf(mutant)), 'utf8')
    assert.is.not(mutated(mutant, source), source, mutant.name)
  }
})

test('every one of them is found', async () => {
  const queue = [...MUTANTS]
  const alive: string[] = []
  const kinds = new Map<string, number>()
  let schedules = 0
  const work = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const found = await hunt(mutant, { root: ROOT, schedules: SCHEDULES })
      schedules += found.schedules
      const kind = found.killed?.violations[0]?.kind
      if (kind === undefined) alive.push(mutant.name)
      else kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  assert.equal(alive, [], 'these live')
  const summary = [...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')
  console.log(`\n» ${MUTANTS.length} planted defects, all found within ${schedules} schedules: ${summary}`)
})

test.run()
