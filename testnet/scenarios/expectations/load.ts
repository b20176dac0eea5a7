/** Expectations of the load: how long it took, how much of it failed, and that what was acknowledged is kept. */
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Expectations } from './schema.ts'

const SHOWN = 3

function loadOf(scene: Scene): NonNullable<Scene['load']> {
  if (scene.load === null) throw new ScenarioFailure('The scenario has no load to expect something of.')
  return scene.load
}

export async function latency(scene: Scene, { of, ...bounds }: Expectations['latency']): Promise<string> {
  const seen = loadOf(scene).latency(of)
  if (seen.count === 0) throw new ScenarioFailure(`None of the load's ${of} was done.`)
  const told: string[] = []
  for (const [name, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
  ] as const) {
    const bound = bounds[name]
    if (bound === undefined) continue
    const ms = Math.round(seen.percentile(share))
    told.push(`${name} ${ms} ms`)
    if (ms > bound) throw new ScenarioFailure(`${of} took ${ms} ms (${name} of ${seen.count}), more than ${bound} ms.`)
  }
  return `${of}: ${told.join(', ')} of ${seen.count}`
}

export async function failures(scene: Scene, { at_most }: Expectations['failures']): Promise<string> {
  const load = loadOf(scene)
  const failed = [...load.failures.values()].reduce((sum, n) => sum + n, 0)
  const share = load.begun === 0 ? 1 : failed / load.begun
  const codes = [...load.failures].map(([code, n]) => `${n} ${code}`).join(', ')
  if (share <= at_most) return `${failed} of ${load.begun} operations failed${codes === '' ? '' : `: ${codes}`}`
  throw new ScenarioFailure(`${failed} of ${load.begun} operations failed (${codes}), more than ${at_most * 100} %.`)
}

export async function acknowledgedKept(scene: Scene, { at_least }: Expectations['acknowledged_kept']): Promise<string> {
  const load = loadOf(scene)
  await load.finish()
  const { acknowledged, written } = load
  if (acknowledged.length + written.length < at_least)
    throw new ScenarioFailure(
      `Only ${acknowledged.length + written.length} writes were acknowledged, ${at_least} are wanted: too few to say anything.`,
    )
  const tip = Math.max(0, ...acknowledged.map(({ height }) => height), ...written.map(({ height }) => height))
  const all = scene.indices('all')
  await scene.until(async () => (await scene.heights(all)).every(height => height >= tip), {
    within: 30_000,
    late: async () => `Not every node came to the height of what was acknowledged, ${tip}: ${(await scene.heights(all)).join(', ')}.`,
  })
  const missing = await load.missing()
  if (missing.length > 0) {
    const told = missing.slice(0, SHOWN).map(({ node, transaction, height }) => `${transaction.slice(0, 8)} of height ${height} on ${node}`)
    throw new ScenarioFailure(`${missing.length} acknowledged transactions are not there: ${told.join(', ')}.`)
  }
  const unreadable = await load.unreadable()
  if (unreadable.length > 0)
    throw new ScenarioFailure(`${unreadable.length} acknowledged records do not read: ${unreadable.slice(0, SHOWN).join('; ')}.`)
  return `${acknowledged.length} transactions on every node, ${written.length} records read`
}
