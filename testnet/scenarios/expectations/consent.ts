/** Expectations of consents: that they let read, that their end ends it, and that no break-glass stays unknown. */

import { readAccessLog } from '../../../src/client/access-log.ts'
import { revokeConsent } from '../../../src/client/consents.ts'
import { openSession } from '../../../src/client/session.ts'
import { toHex } from '../../../src/encoding/bytes.ts'
import { grantTo } from '../../load/world.ts'
import { openChart, readAll } from '../chart.ts'
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Expectations } from './schema.ts'

/** Longest wait for the blocks that give a revocation time, in ms: heartbeats make them where nothing else does. */
const BLOCKS_MS = 60_000

export async function reads(scene: Scene, { from, within }: Expectations['reads']): Promise<string> {
  const nodes = scene.indices(from)
  const author = await scene.anyPeer()
  const { folder, reader } = await openChart(scene, author)
  const { share } = await grantTo(author, folder, reader)
  const times: number[] = []
  for (const index of nodes) {
    const began = performance.now()
    const signal = AbortSignal.any([scene.signal, AbortSignal.timeout(within)])
    try {
      const peer = await scene.peer(index)
      const session = await openSession(peer, reader, share, { signal })
      if ((await readAll(peer, session)) === 0)
        throw new ScenarioFailure(`A reader at ${scene.id(index)} sees nothing under a consent in force.`)
    } catch (error) {
      if (error instanceof ScenarioFailure) throw error
      scene.signal.throwIfAborted()
      throw new ScenarioFailure(
        `A reader at ${scene.id(index)} did not get the record within ${within / 1000} s: ${(error as Error).message}`,
        { cause: error },
      )
    }
    times.push(performance.now() - began)
  }
  return `read at ${scene.ids(nodes)}, the slowest in ${Math.round(Math.max(...times))} ms`
}

/** The DHT gives hints alone: false holders among them are asked in vain, and cost time; true ones must be among them. */
export async function located(scene: Scene, { within }: Expectations['located']): Promise<string> {
  const peer = await scene.anyPeer()
  const { written, folder } = await openChart(scene, peer)
  const wanted = written.custodians.filter(({ stored }) => stored).map(({ id }) => toHex(id))
  const found = await scene.until(
    async () => {
      const holders = await peer.locate(folder.owned.id, written.submissionRoot)
      const names = holders.map(({ id }) => toHex(id))
      return wanted.every(id => names.includes(id)) ? names : null
    },
    { within, late: () => `The DHT does not name all ${wanted.length} custodians of a fresh record after ${within / 1000} s.` },
  )
  return `${found.length} named, among them all ${wanted.length} that hold it`
}

export async function revocation(scene: Scene, { blocks, by }: Expectations['revocation']): Promise<string> {
  const author = await scene.anyPeer()
  const patient = by === undefined ? author : await scene.peer(scene.index(by))
  const { folder, reader } = await openChart(scene, author)
  const { share, consent } = await grantTo(patient, folder, reader)
  const session = await openSession(author, reader, share)
  if ((await readAll(author, session)) === 0) throw new ScenarioFailure('A consent in force lets nobody read.')
  const { height } = await revokeConsent(patient, folder.wallet, folder.owned, consent)
  const all = scene.indices('all')
  // Nodes that can be reached must have the bound's block; one that cannot serves nobody either.
  await scene.until(
    async () => {
      const heights = (await scene.heights(all)).filter(each => each > 0)
      return heights.length > 0 && heights.every(each => each >= height + blocks)
    },
    { within: BLOCKS_MS, late: async () => `Height ${height + blocks} was not reached: ${(await scene.heights(all)).join(', ')}.` },
  )
  const bytes = await readAll(author, session).catch(() => 0)
  if (bytes === 0) return `revoked at height ${height}; ${blocks} blocks later nothing is given`
  const [release] = (await readAccessLog(author, folder.wallet, folder.owned)).entries.flatMap(entry => entry.releases)
  const who = release === undefined ? 'custodians' : release.custodian.organisation.name
  throw new ScenarioFailure(
    `A revoked consent was honoured: ${bytes} bytes came ${blocks} blocks after the revocation at height ${height}, from ${who} among others.`,
  )
}

export async function breakGlassTold(scene: Scene, { within }: Expectations['break_glass_told']): Promise<string> {
  const peer = await scene.anyPeer()
  const { listEmergencies } = await import('../../../src/client/emergency-watch.ts')
  const charts = new Map(scene.brokenGlass.map(each => [toHex(each.folder.owned.id), each.folder]))
  if (charts.size === 0) throw new ScenarioFailure('Nobody broke the glass before this step.')
  let told = 0
  for (const [id, folder] of charts) {
    const wanted = scene.brokenGlass.filter(each => toHex(each.folder.owned.id) === id).map(({ entry }) => toHex(entry))
    await scene.until(
      async () => {
        const { emergencies } = await listEmergencies(peer, folder.owned.id)
        return wanted.every(entry => emergencies.some(each => toHex(each.entry) === entry))
      },
      { within, late: () => `Not every break-glass of ${wanted.length} is on the ledger for the patient to see.` },
    )
    const log = await readAccessLog(peer, folder.wallet, folder.owned)
    for (const entry of wanted) {
      const line = log.entries.find(each => toHex(each.id) === entry)
      if (line === undefined) throw new ScenarioFailure(`The break-glass ${entry.slice(0, 8)} is not in the patient's access log.`)
      if (line.reason === null)
        throw new ScenarioFailure(
          `The break-glass ${entry.slice(0, 8)} is in the patient's access log without who and why: no custodian kept its opening.`,
        )
    }
    if (log.uncovered.length > 0) throw new ScenarioFailure(`${log.uncovered.length} releases have no line in the patient's access log.`)
    told += wanted.length
  }
  return `${told} break-glasses, each with who, why and when in the patient's log`
}
