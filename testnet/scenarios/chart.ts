/** A patient's folder with a record in it, and somebody who is to read it. */
import { listVersions, readVersions } from '../../src/client/get.ts'
import { type Person, personFromSeeds } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { type PutResult, putRecords } from '../../src/client/put.ts'
import type { Session } from '../../src/client/session.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { type BenchFolder, openBenchFolder } from '../bench/folder.ts'
import { generateBytes } from '../population/random.ts'
import type { Scene } from './scene.ts'

const RECORD_BYTES = 4_000

export interface Chart {
  folder: BenchFolder
  written: PutResult
  /** Of another organisation than the author's. */
  reader: Person
}

/** Opens a folder at the first hospital whose node answers, and writes a record into it; the reader is of the next one. */
export async function openChart(scene: Scene, peer: LightPeer, label: Label = 'normal'): Promise<Chart> {
  const number = scene.next()
  const [author = 0, other = author] = await scene.answering()
  const folder = await openBenchFolder(scene.net, peer, number, { label, author })
  const content = { size: RECORD_BYTES, open: () => generateBytes(number, RECORD_BYTES) }
  const written = await putRecords(peer, folder.person, folder.address, [
    { mediaType: 'application/octet-stream', class: 'other', content },
  ])
  return { folder, written, reader: personFromSeeds(scene.net.registrar(other)) }
}

/** Reads all that a session shows; the number of bytes, and 0 where it shows nothing. */
export async function readAll(peer: LightPeer, session: Session): Promise<number> {
  const { versions } = await listVersions(peer, session)
  let bytes = 0
  for await (const { content } of readVersions(peer, session, versions)) for await (const chunk of content) bytes += chunk.length
  return bytes
}
