/** Expectations of what nodes say of themselves and of each other. */
import { toHex } from '../../../src/encoding/bytes.ts'
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Expectations } from './schema.ts'

export async function evidence(scene: Scene, { against, within }: Expectations['evidence']): Promise<string> {
  const index = scene.index(against)
  const account = toHex(scene.net.nodes[index]?.account ?? new Uint8Array())
  const others = scene.indices({ but: against })
  const found = await scene.until(
    async () => {
      const reports = await Promise.all(others.map(async other => (await scene.net.status(other))?.offences ?? []))
      return reports.flat().find(offence => offence.account === account) ?? null
    },
    { within, late: () => `No double signing of ${scene.id(index)} came onto the ledger within ${within / 1000} s.` },
  )
  const seat = found.evictedAt === null ? 'it keeps its seat' : `it lost its seat at height ${found.evictedAt}`
  return `two ${found.kind}s at height ${found.height}, round ${found.round}, on the ledger at ${found.reportedAt}; ${seat}`
}

export async function finding(scene: Scene, { on, code, within, absent }: Expectations['finding']): Promise<string> {
  const index = scene.index(on)
  const began = performance.now()
  await scene.until(
    async () => {
      const status = await scene.net.status(index)
      if (status === null) return false
      return (status.state === code || status.findings.some(each => each.code === code)) !== absent
    },
    {
      within,
      late: async () => {
        const status = await scene.net.status(index)
        const told =
          status === null
            ? 'it does not answer'
            : `it says ${status.state}: ${status.findings.map(each => each.code).join(', ') || 'no finding'}`
        return `${scene.id(index)} ${absent ? 'still says' : 'does not say'} ${code} after ${within / 1000} s; ${told}.`
      },
    },
  )
  return `${scene.id(index)} ${absent ? 'says no more' : 'says'} ${code}, after ${((performance.now() - began) / 1000).toFixed(1)} s`
}

export async function proposerTime(scene: Scene, { off_by }: Expectations['proposer_time']): Promise<string> {
  const peer = await scene.anyPeer()
  const { header } = await peer.head()
  const off = Math.round(header.time - Date.now())
  if (off > off_by)
    throw new ScenarioFailure(
      `Block ${header.height} has a time ${off} ms in the future, more than ${off_by} ms: a clock that is wrong was believed.`,
    )
  return `block ${header.height} is of ${-off} ms ago`
}

export async function memory(scene: Scene, { of, at_most_mb }: Expectations['memory']): Promise<string> {
  const nodes = scene.indices(of)
  const used = await Promise.all(nodes.map(async index => ((await scene.net.status(index))?.memory.rssBytes ?? 0) / 1e6))
  const most = Math.max(...used)
  const who = scene.id(nodes[used.indexOf(most)] as number)
  if (most > at_most_mb) throw new ScenarioFailure(`${who} has ${Math.round(most)} MB of memory, more than ${at_most_mb} MB.`)
  const median = used.toSorted((a, b) => a - b)[Math.floor(used.length / 2)] as number
  return `${Math.round(median)} MB in the middle, ${Math.round(most)} MB at most (${who})`
}
