/** Expectations of the chain: that it goes on, stands, and is one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Chains } from '../chains.ts'
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Expectations } from './schema.ts'

/** What was all but decided when a quorum was lost may still come in. */
const SETTLE_MS = 2_000

export async function blocks(scene: Scene, { more, on, within }: Expectations['blocks']): Promise<string> {
  const nodes = scene.indices(on)
  const began = performance.now()
  const goal = Math.max(...(await scene.heights(nodes))) + more
  await scene.until(
    async () => {
      const states = await Promise.all(nodes.map(async index => (await scene.net.status(index))?.consensus?.height ?? 0))
      const heights = await scene.heights(nodes)
      return nodes.every((index, i) => (scene.net.nodes[index]?.validator ? (states[i] ?? 0) > goal : (heights[i] ?? 0) >= goal))
    },
    {
      within,
      late: async () => {
        const told = await Promise.all(
          nodes.map(async index => {
            const status = await scene.net.status(index)
            return status === null ? `${scene.id(index)} does not answer` : `${scene.id(index)} is at ${status.height} (${status.summary})`
          }),
        )
        return `Height ${goal} was not reached within ${within / 1000} s: ${told.join('; ')}.`
      },
    },
  )
  return `height ${goal} on ${scene.ids(nodes)} after ${((performance.now() - began) / 1000).toFixed(1)} s`
}

export async function noBlocks(scene: Scene, { for: ms, on }: Expectations['no_blocks']): Promise<string> {
  const nodes = scene.indices(on)
  await sleep(Math.min(SETTLE_MS, ms / 2), undefined, { signal: scene.signal })
  const before = Math.max(...(await scene.heights(nodes)))
  await sleep(ms, undefined, { signal: scene.signal })
  const after = Math.max(...(await scene.heights(nodes)))
  if (after === before) return `height ${before} for ${ms / 1000} s`
  throw new ScenarioFailure(`Blocks were made without a quorum: height ${before} became ${after} on ${scene.ids(nodes)}.`)
}

export async function agreement(scene: Scene, { on, within }: Expectations['agreement']): Promise<string> {
  const nodes = scene.indices(on)
  const goal = Math.max(...(await scene.heights(nodes)))
  await scene.until(async () => (await scene.heights(nodes)).every(height => height >= goal), {
    within,
    late: async () => {
      const heights = await scene.heights(nodes)
      return `Not all nodes came to height ${goal} within ${within / 1000} s: ${nodes.map((index, i) => `${scene.id(index)} ${heights[i]}`).join(', ')}.`
    },
  })
  const chains = await Chains.open(scene.net)
  try {
    for (const index of nodes) {
      const [problem] = await chains.compare(index, goal)
      if (problem !== undefined) throw new ScenarioFailure(`The nodes do not agree: ${problem}.`)
    }
  } finally {
    await chains.stop()
  }
  return `one chain of ${goal} blocks on ${scene.ids(nodes)}`
}
