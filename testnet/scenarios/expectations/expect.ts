/** Each expectation by its name. What holds is told in words; what does not is thrown. */
import type { Scene } from '../scene.ts'
import { agreement, blocks, noBlocks } from './chain.ts'
import { breakGlassTold, located, reads, revocation } from './consent.ts'
import { lieNoticed } from './lies.ts'
import { acknowledgedKept, failures, latency } from './load.ts'
import { evidence, finding, memory, proposerTime } from './nodes.ts'
import type { ExpectationName, Expectations } from './schema.ts'

const EXPECTATIONS: { readonly [Name in ExpectationName]: (scene: Scene, options: Expectations[Name]) => Promise<string> } = {
  blocks,
  no_blocks: noBlocks,
  agreement,
  latency,
  failures,
  acknowledged_kept: acknowledgedKept,
  revocation,
  evidence,
  finding,
  break_glass_told: breakGlassTold,
  reads,
  located,
  lie_noticed: lieNoticed,
  proposer_time: proposerTime,
  memory,
}

/** @throws ScenarioFailure with the cause */
export async function expect(scene: Scene, expectation: Partial<Expectations>): Promise<string> {
  const [name, options] = Object.entries(expectation)[0] as [ExpectationName, never]
  return await EXPECTATIONS[name](scene, options)
}
