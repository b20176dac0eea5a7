import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../testnet/population/random.ts'
import { property } from '../encoding/seeded.ts'
import { CrashWorld } from './crash-world.ts'
import type { Doom } from './validator.ts'

const test = suite('crash and restart')

/** Lives in all, and lives after which a new chain begins: opening checks the whole chain, so that a long one takes longer each time. */
const CYCLES = 1_000
const CYCLES_OF_A_CHAIN = 25

/** Every step between a decision and the next height's first vote at which the power can go, and those of an opening. */
const KINDS = [
  'running log write',
  'running log sync before',
  'running log sync after',
  'running guard write',
  'running guard sync before',
  'running guard sync after',
  'running chain before',
  'running chain after',
  'running validator-sets before',
  'running validator-sets after',
  'running log truncate',
  'opening validator-sets before',
  'opening validator-sets after',
  'opening guard open',
  'opening log open',
] as const

test(
  `after ${CYCLES} crashes at any step, every start ends in a consistent height and nothing acknowledged is lost`,
  property(async source => {
    const deaths = new Map<string, number>()
    let [starts, wentOn, acknowledged, height] = [0, 0, 0, 0]
    const began = performance.now()
    for (let chain = 0; chain * CYCLES_OF_A_CHAIN < CYCLES; chain++) {
      const world = new CrashWorld(seededRandom(source.below(2 ** 32)), { validators: chain % 2 === 0 ? 1 : 2, cycles: CYCLES_OF_A_CHAIN })
      await world.run((random): Doom | null => {
        const afterBlock = random.chance(0.3)
        if (random.chance(0.1)) return null
        if (random.chance(0.5)) return { kind: null, steps: random.int(1, 90), afterBlock }
        const kind = random.pick(KINDS)
        const isOpening = kind.startsWith('opening')
        const steps = random.int(1, kind === 'opening log open' ? 2 : isOpening ? 1 : kind.includes('validator-sets') ? 1 : 6)
        return { kind, steps, afterBlock: afterBlock && !isOpening }
      })
      for (const [kind, count] of world.deaths) deaths.set(kind, (deaths.get(kind) ?? 0) + count)
      starts += world.starts
      wentOn += world.wentOn
      acknowledged += world.acknowledged
      height += world.height
    }
    const ended = [...deaths.values()].reduce((sum, count) => sum + count, 0)
    console.log(
      `${ended} lives ended, ${starts} starts were checked, ${wentOn} lives stored blocks, ${height} blocks and ${acknowledged} transactions stored, ${Math.round(performance.now() - began)} ms`,
    )
    console.log([...deaths].map(([kind, count]) => `${count} ${kind}`).join(', '))
    assert.ok(ended >= CYCLES)
    for (const kind of KINDS) assert.ok((deaths.get(kind) ?? 0) >= 3, `the power went at "${kind}"`)
    assert.ok(starts >= CYCLES / 2 && wentOn >= CYCLES / 3 && height >= CYCLES / 2 && acknowledged >= CYCLES / 2)
  }),
)

test.run()
