/** What an application does first: it connects, verifies, and reads a record that was shared with its user. In Node and in a page. */
import { listVersions, readVersions } from '../../src/client/get.ts'
import { decodeShare, personFromSeeds } from '../../src/client/identity.ts'
import { createLightPeer } from '../../src/client/light-peer.ts'
import { openSession } from '../../src/client/session.ts'
import { genesisCodec } from '../../src/contracts/members-formats.ts'
import { parseHex } from '../../src/encoding/bytes.ts'

/** All that it is given; bytes are in hex. */
export interface FirstRecord {
  nodes: string[]
  genesis: string
  organisation: string
  role: string
  signingSeed: string
  sealingSeed: string
  share: string
  /** Length that the record must have. */
  size: number
}

const bytes = (hex: string): Uint8Array => parseHex(hex) as Uint8Array

/** @returns by `performance.now()`, when there was a verified header, and when the whole record was read and verified */
export async function readFirstRecord(input: FirstRecord): Promise<{ headMs: number; recordMs: number }> {
  await using peer = await createLightPeer({ nodes: input.nodes, genesis: genesisCodec.decode(bytes(input.genesis)) })
  await peer.head()
  const headMs = performance.now()
  const reader = personFromSeeds({
    organisation: bytes(input.organisation),
    role: input.role,
    signingSeed: bytes(input.signingSeed),
    sealingSeed: bytes(input.sealingSeed),
  })
  const session = await openSession(peer, reader, decodeShare(input.share))
  const { versions } = await listVersions(peer, session)
  let size = 0
  for await (const { content } of readVersions(peer, session, versions)) for await (const part of content) size += part.length
  if (size !== input.size) throw new Error(`the record has ${size} bytes and not ${input.size}`)
  return { headMs, recordMs: performance.now() }
}
