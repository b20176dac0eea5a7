/** Clinicians who break the glass, some of them at the same moment. */

import { openEmergency } from '../../../src/client/emergency.ts'
import { depositShares } from '../../../src/client/emergency-deposit.ts'
import { type Person, personFromSeeds } from '../../../src/client/identity.ts'
import { toHex, u64 } from '../../../src/encoding/bytes.ts'
import { taggedHash } from '../../../src/encoding/hash.ts'
import { openChart, readAll } from '../chart.ts'
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Plays } from './schema.ts'

export async function breakGlass(scene: Scene, { times, at_once }: Plays['break_glass']): Promise<string> {
  const author = await scene.anyPeer()
  const { folder } = await openChart(scene, author, 'emergency-summary')
  await depositShares(author, folder.wallet, folder.owned)
  const took: number[] = []
  const nodes = await scene.answering()
  const clinicians: { where: number; person: Person }[] = []
  for (let i = 0; i < times; i++) clinicians.push(await employ(scene, nodes[i % nodes.length] as number))
  const work = async (): Promise<void> => {
    for (let next = clinicians.pop(); next !== undefined; next = clinicians.pop()) {
      const { where, person } = next
      const began = performance.now()
      const peer = await scene.peer(where)
      const session = await openEmergency(peer, person, folder.owned.id, { reason: 'unconscious', signal: scene.signal })
      scene.brokenGlass.push({ folder, entry: session.entryId })
      if ((await readAll(peer, session)) === 0)
        throw new ScenarioFailure(`${scene.id(where)}'s clinician broke the glass and sees nothing.`)
      took.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: Math.min(at_once, times) }, work))
  return `${times} break-glasses, ${at_once} at once, the slowest read after ${Math.round(Math.max(...took))} ms`
}

/** Somebody whom a node's organisation answers for, in a role that may break the glass. */
async function employ(scene: Scene, where: number): Promise<{ where: number; person: Person }> {
  const number = scene.next()
  const seed = (name: string): Uint8Array => taggedHash(`scenario-doctor-${name}`, u64(number))
  const organisation = scene.net.nodes[where]?.account as Uint8Array
  const person = personFromSeeds({ organisation, role: 'emergency-physician', signingSeed: seed('signing'), sealingSeed: seed('sealing') })
  await scene.net.addStaff(where, { key: toHex(person.signing.publicKey), role: person.role })
  return { where, person }
}
