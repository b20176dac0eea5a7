/** Runs the tables of test/consensus/tables over `epione/consensus` alone. */
import { type ConsensusOutput, type ConsensusState, startConsensus, stepConsensus, viewConsensus } from 'epione/consensus'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { algorithm } from './tables/algorithm.ts'
import { heights } from './tables/heights.ts'
import { locks } from './tables/locks.ts'
import { FOUR, type Scenario } from './tables/table.ts'

const test = suite('tables over the public entry')

const scenarios: readonly Scenario[] = [...algorithm, ...locks, ...heights]

function shown(scenario: Scenario, outputs: readonly ConsensusOutput[]): ConsensusOutput[] {
  const show: readonly string[] = scenario.show ?? []
  return outputs.filter(output => {
    const kind = output.type === 'schedule' && output.kind === 'rebroadcast' ? 'rebroadcast' : output.type
    return show.includes(kind) || !['log', 'broadcast', 'rebroadcast'].includes(kind)
  })
}

/** The fields of `actual` that `expected` has. */
function picked(actual: object | undefined, expected: object): unknown {
  return actual && Object.fromEntries(Object.keys(expected).map(key => [key, (actual as Record<string, unknown>)[key]]))
}

for (const scenario of scenarios) {
  test(scenario.name, () => {
    let state: ConsensusState = startConsensus({ ...FOUR, ...scenario.setup })
    scenario.steps.forEach(({ in: inputs, out, view }, i) => {
      const outputs: ConsensusOutput[] = []
      for (const input of Array.isArray(inputs) ? inputs : [inputs]) {
        const stepped = stepConsensus(state, input)
        state = stepped.state
        outputs.push(...stepped.outputs)
      }
      const actual = shown(scenario, outputs)
      const message = `step ${i + 1}: ${JSON.stringify(actual)}`
      if (out !== undefined) {
        assert.equal(
          actual.map((output, j) => (out[j] === undefined ? output : picked(output, out[j]))),
          out,
          message,
        )
      }
      if (view !== undefined) assert.equal(picked(viewConsensus(state), view), view, message)
    })
    // What was recorded is JSON, and replays to the same state.
    const again = JSON.parse(JSON.stringify(state)) as ConsensusState
    assert.equal(viewConsensus(again), viewConsensus(state))
  })
}

test('there are enough of them, each with a name of its own', () => {
  assert.ok(scenarios.length >= 40, `${scenarios.length}`)
  assert.is(new Set(scenarios.map(({ name }) => name)).size, scenarios.length)
})

test.run()
