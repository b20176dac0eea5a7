/** Expectations that a lie is noticed by those who are lied to, and costs them nothing but time. */

import { listVersions, readVersions } from '../../../src/client/get.ts'
import { createLightPeer } from '../../../src/client/light-peer.ts'
import { openSession } from '../../../src/client/session.ts'
import { equalBytes } from '../../../src/encoding/bytes.ts'
import { errorCode } from '../../../src/encoding/errors.ts'
import { grantTo } from '../../load/world.ts'
import { openChart } from '../chart.ts'
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Expectations } from './schema.ts'

export async function lieNoticed(scene: Scene, { of, about, within }: Expectations['lie_noticed']): Promise<string> {
  const liar = scene.index(of)
  const notice = { fragments: wrongFragments, headers: forgedHeaders, age: oldState }[about]
  const code = await scene.until(async () => await notice(scene, liar), {
    within,
    late: () => `Nobody noticed within ${within / 1000} s what ${scene.id(liar)} lies about: ${about}.`,
  })
  return `${scene.id(liar)} was caught: ${code}`
}

/** A reader that asks the liar gets the record all the same, and says who sent wrong bytes. */
async function wrongFragments(scene: Scene, liar: number): Promise<string | null> {
  const author = await scene.anyPeer()
  const { folder, reader } = await openChart(scene, author)
  const { share } = await grantTo(author, folder, reader)
  const addresses = scene.net.nodes.map(each => each.addresses[0] as string)
  // One that knows nothing yet of who is quick and who lies.
  await using peer = await createLightPeer({ nodes: addresses, genesis: scene.net.genesis, signal: scene.signal })
  const session = await openSession(peer, reader, share)
  const { versions } = await listVersions(peer, session)
  let code: string | null = null
  const account = scene.net.nodes[liar]?.account as Uint8Array
  const onFailure = (member: { id: Uint8Array }, failed: string): void => {
    if (equalBytes(member.id, account)) code = failed
  }
  for await (const { content } of readVersions(peer, session, versions, { onFailure })) for await (const _ of content);
  return code
}

/** A light peer that knows the liar alone believes nothing of it. */
async function forgedHeaders(scene: Scene, liar: number): Promise<string | null> {
  const { addresses } = scene.net.nodes[liar] as (typeof scene.net.nodes)[number]
  try {
    await using peer = await createLightPeer({ nodes: [addresses[0] as string], genesis: scene.net.genesis, signal: scene.signal })
    const { header } = await peer.head()
    throw new ScenarioFailure(`A light peer believed a header of height ${header.height} that ${scene.id(liar)} forged.`)
  } catch (error) {
    scene.signal.throwIfAborted()
    if (error instanceof ScenarioFailure) throw error
    return errorCode(error)
  }
}

/** A light peer that knows the liar alone is told that what it sees is old. */
async function oldState(scene: Scene, liar: number): Promise<string | null> {
  const { addresses } = scene.net.nodes[liar] as (typeof scene.net.nodes)[number]
  await using peer = await createLightPeer({ nodes: [addresses[0] as string], genesis: scene.net.genesis, signal: scene.signal })
  const { asOf } = await peer.head()
  return asOf.stale ? `stale, ${Math.round(asOf.ageMs / 1000)} s old` : null
}
