/** `epione testnet scenarios` */
import type { Context } from '../context.ts'
import { table } from '../output.ts'

export async function testnetScenarios(context: Context): Promise<void> {
  const { readScenario, scenarioNames } = await import('../../testnet/scenarios/catalogue.ts')
  const scenarios = scenarioNames().map(name => {
    const { id, title, tags, timeout, network } = readScenario(name)
    return { id, title, tags, timeoutMs: timeout, validators: network.validators, full: network.full_nodes }
  })
  context.output.result({ scenarios }, () => table(scenarios.map(({ id, title }) => [id, title])))
}
