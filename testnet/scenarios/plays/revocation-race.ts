/** A reader who reads as fast as possible while the patient revokes. */

import { readAccessLog } from '../../../src/client/access-log.ts'
import { revokeConsent } from '../../../src/client/consents.ts'
import { openSession } from '../../../src/client/session.ts'
import { grantTo } from '../../load/world.ts'
import { openChart, readAll } from '../chart.ts'
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Plays } from './schema.ts'

const READERS = 3

/** Custodians sign with each release at which height they decided: none of a later height than the bound may be there. */
export async function revocationRace(scene: Scene, { rounds, blocks }: Plays['revocation_race']): Promise<string> {
  let reads = 0
  let late = 0
  for (let round = 0; round < rounds; round++) {
    const all = [...scene.net.nodes.keys()]
    const patient = await scene.peer(scene.random.pick(all))
    const readerPeer = await scene.peer(scene.random.pick(all))
    const { folder, reader } = await openChart(scene, patient)
    const { share, consent } = await grantTo(patient, folder, reader)
    const session = await openSession(readerPeer, reader, share)
    let over = false
    const read = async (): Promise<void> => {
      while (!over) if ((await readAll(readerPeer, session).catch(() => 0)) > 0) reads++
    }
    const readers = Array.from({ length: READERS }, read)
    const before = reads
    await scene.until(async () => reads > before, { within: 20_000, late: () => 'A consent in force lets nobody read.' })
    const { height } = await revokeConsent(patient, folder.wallet, folder.owned, consent)
    const bound = height + blocks
    await scene.until(async () => (await scene.heights(all)).filter(each => each > 0).every(each => each > bound), {
      within: 60_000,
      late: async () => `Height ${bound + 1} was not reached: ${(await scene.heights(all)).join(', ')}.`,
    })
    over = true
    await Promise.all(readers)
    const log = await readAccessLog(patient, folder.wallet, folder.owned)
    const releases = log.entries.flatMap(each => each.releases).concat(log.uncovered)
    const beyond = releases.find(({ receipt }) => receipt.height > bound)
    if (beyond !== undefined)
      throw new ScenarioFailure(
        `${beyond.custodian.organisation.name} released a record at height ${beyond.receipt.height}, though the consent was revoked at height ${height}.`,
      )
    if ((await readAll(readerPeer, session).catch(() => 0)) > 0)
      throw new ScenarioFailure(
        `A revoked consent was honoured: a record could be read ${blocks} blocks after its revocation at height ${height}.`,
      )
    late += releases.filter(({ receipt }) => receipt.height > height).length
  }
  return `${rounds} revocations under ${reads} reads; ${late} releases between a revocation and its bound of ${blocks} blocks, none after`
}
