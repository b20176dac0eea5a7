/** `npm run bench -- --consent`: grants and revocations to their effect, and what a new key of a folder costs by grants and by records. */
import { grantConsent, revokeConsent } from '../../src/client/consents.ts'
import { revokeAndAdvance } from '../../src/client/epochs.ts'
import { findOwnedFolder } from '../../src/client/folders.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { type Person, personFromSeeds, type ShareCode } from '../../src/client/identity.ts'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { openSession } from '../../src/client/session.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { generateBytes } from '../population/random.ts'
import { type BenchFolder, openBenchFolder } from './folder.ts'
import { percentile, type Row } from './table.ts'

/** Grants and revocations that are timed: a folder may do 16 acts an hour by itself. */
const ROUNDS = 15
/** Reads of each kind, and the length of what is read, in bytes. */
const READS = 30
const READ_BYTES = 10_000
/** Other grants of the folder whose key changes. */
const GRANTS = [1, 10, 100] as const
/** Records of the folders whose key changes. */
const RECORDS = [10, 10_000] as const
/** Versions of one submission. */
const VERSIONS = 2_500

export async function measureConsent(net: Testnet, options: { seed: number; progress: (text: string) => void }): Promise<Row[]> {
  const { seed, progress } = options
  const author = await peerOf(net, 0)
  const patient = await peerOf(net, 1)
  const readerPeer = await peerOf(net, 2)
  const reader = personFromSeeds(net.registrar(2))
  try {
    progress('granting and revoking')
    const folder = await openBenchFolder(net, author, seed)
    await write(author, folder, 10)
    const rows = await toEffect(patient, readerPeer, folder, reader)
    progress('reading with and without an open chart session')
    const chart = await openBenchFolder(net, author, seed)
    await writeOne(author, chart, seed)
    const { share } = await grant(patient, chart, reader)
    rows.push(...(await reads(readerPeer, reader, share)))
    for (const records of RECORDS) {
      progress(`a folder of ${records} records`)
      const big = await openBenchFolder(net, author, seed)
      await write(author, big, records)
      let granted = 0
      for (const grants of GRANTS) {
        while (granted < grants) {
          await grant(patient, big, reader)
          granted++
        }
        rows.push(await newKey(patient, big, reader, { records, grants }))
      }
    }
    return rows
  } finally {
    await Promise.all([author.stop(), patient.stop(), readerPeer.stop()])
  }
}

async function peerOf(net: Testnet, index: number): Promise<LightPeer> {
  return await createLightPeer({ nodes: net.nodes[index]?.addresses ?? [], genesis: net.genesis })
}

async function write(peer: LightPeer, { person, address }: BenchFolder, records: number): Promise<void> {
  for (let from = 0; from < records; from += VERSIONS) {
    const texts = Array.from({ length: Math.min(VERSIONS, records - from) }, (_, i) => utf8(`record ${from + i}`))
    const inputs = texts.map(bytes => ({ mediaType: 'text/plain', class: 'laboratory' as const, content: contentOf(bytes) }))
    await putRecords(peer, person, address, inputs)
  }
}

async function writeOne(peer: LightPeer, { person, address }: BenchFolder, seed: number): Promise<void> {
  const content = { size: READ_BYTES, open: () => generateBytes(seed, READ_BYTES) }
  await putRecords(peer, person, address, [{ mediaType: 'application/octet-stream', class: 'other', content }])
}

async function grant(peer: LightPeer, { wallet, owned }: BenchFolder, reader: Person) {
  const provision: Provision = {
    decision: 'permit',
    grantee: { type: 'person', value: { organisation: reader.organisation, key: reader.signing.publicKey } },
    purposes: ['TREAT'],
    classes: [],
    dataPeriod: null,
    authors: [],
    validity: { start: 0, end: peer.now() + 30 * 86_400_000 },
    exceptions: [],
  }
  const present = await findOwnedFolder(peer, wallet, owned.id)
  return await grantConsent(peer, wallet, present, { provision, sealingKey: reader.sealing.publicKey })
}

async function toEffect(patient: LightPeer, readerPeer: LightPeer, folder: BenchFolder, reader: Person): Promise<Row[]> {
  const times = { granted: [] as number[], readable: [] as number[], revoked: [] as number[], refused: [] as number[] }
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now()
    const { share, consent } = await grant(patient, folder, reader)
    times.granted.push(performance.now() - start)
    const session = await openSession(readerPeer, reader, share)
    const { versions } = await listVersions(readerPeer, session)
    if (versions.length === 0) throw new Error('a grant without effect')
    times.readable.push(performance.now() - start)
    const end = performance.now()
    await revokeConsent(patient, folder.wallet, folder.owned, consent)
    times.revoked.push(performance.now() - end)
    // An open session shows nothing any more once every custodian that is asked has the block.
    while ((await listVersions(readerPeer, session)).versions.length > 0);
    times.refused.push(performance.now() - end)
  }
  const row = (what: string, samples: readonly number[], conditions: string): Row => ({
    what,
    result: `${percentile(samples, 0.5).toFixed(0)} ms`,
    conditions: `p50 of ${ROUNDS}, p95 ${percentile(samples, 0.95).toFixed(0)} ms; ${conditions}`,
  })
  return [
    row('grant, committed', times.granted, 'wrap at four custodians, countersigned by the author organisation'),
    row('grant to effect', times.readable, 'until the reader, in a fresh session, has the list'),
    row('revocation, committed', times.revoked, 'alone, without a new key'),
    row('revocation to effect', times.refused, 'until an open session is refused by all custodians'),
  ]
}

/** Reads of one record, each in a fresh session, and each in one that is open: what a chart session spares. */
async function reads(peer: LightPeer, reader: Person, share: ShareCode): Promise<Row[]> {
  const open = await openSession(peer, reader, share)
  const times = { fresh: { first: [] as number[], whole: [] as number[] }, open: { first: [] as number[], whole: [] as number[] } }
  for (let i = 0; i < READS; i++) {
    for (const [kind, session] of [
      ['fresh', undefined],
      ['open', open],
    ] as const) {
      const start = performance.now()
      const used = session ?? (await openSession(peer, reader, share))
      const { versions } = await listVersions(peer, used)
      let first = 0
      for await (const version of readVersions(peer, used, versions)) {
        for await (const _ of version.content) first ||= performance.now() - start
      }
      times[kind].first.push(first)
      times[kind].whole.push(performance.now() - start)
    }
  }
  const row = (what: string, { first, whole }: { first: number[]; whole: number[] }, conditions: string): Row => ({
    what,
    result: `${percentile(whole, 0.5).toFixed(0)} ms`,
    conditions: `p50 of ${READS}, p95 ${percentile(whole, 0.95).toFixed(0)} ms, first byte after ${percentile(first, 0.5).toFixed(0)} ms, p95 ${percentile(first, 0.95).toFixed(0)} ms; ${conditions}`,
  })
  return [
    row('read, 10 kB, without an open session', times.fresh, 'access entry committed, list, fragments, all verified'),
    row('read, 10 kB, in an open session', times.open, 'list, fragments, all verified'),
  ]
}

async function newKey(
  peer: LightPeer,
  folder: BenchFolder,
  reader: Person,
  { records, grants }: { records: number; grants: number },
): Promise<Row> {
  const { consent } = await grant(peer, folder, reader)
  const start = performance.now()
  const { epoch, error } = await revokeAndAdvance(peer, folder.wallet, folder.owned, consent)
  const took = performance.now() - start
  if (epoch === undefined || epoch.rewrapped !== grants) throw error ?? new Error(`${epoch?.rewrapped} of ${grants} grants went on`)
  const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`
  return {
    what: `revocation with a new key, ${records} records, ${grants} other grants`,
    result: `${took.toFixed(0)} ms`,
    conditions: `${kB(epoch.bytes.ledger)} in the ledger, ${kB(epoch.bytes.custodian)} to each custodian; epoch ${epoch.epoch}`,
  }
}
