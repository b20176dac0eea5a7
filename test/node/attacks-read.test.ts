/** Who tries to read without the right, and custodians whose disks lie. */
import { createCipheriv } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent, revokeConsent } from '../../src/client/consents.ts'
import { type ListedVersion, listVersions, readVersions } from '../../src/client/get.ts'
import type { Person } from '../../src/client/identity.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { ReleaseStream } from '../../src/client/release-stream.ts'
import { openSession, type Session } from '../../src/client/session.ts'
import { accessOpeningCodec, consentOpeningCodec } from '../../src/contracts/consent-terms.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { readRequestBytes, readRequestCodec } from '../../src/fragments/formats.ts'
import { releaseFrameCodec, releaseRequestCodec } from '../../src/network/fragment-messages.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../../src/network/protocols.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, openFolder, permitTo, seedOf, type TestFolder, textRecords } from './cluster.ts'

interface World {
  cluster: Cluster
  author: Person
  reader: Person
  authorPeer: LightPeer
  readerPeer: LightPeer
  patientPeer: LightPeer
  members: MemberInfo[]
  folder: TestFolder
  /** Root of a submission with a laboratory result (leaf 0) and a medication (leaf 1). */
  root: Uint8Array
}

const test = suite<{ world: World }>('attacks on reading')

test.before(async context => {
  const cluster = await Cluster.start()
  context.world = { cluster } as World
  const [author, reader] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  const authorPeer = await cluster.peer([0])
  const readerPeer = await cluster.peer([1])
  const patientPeer = await cluster.peer([2])
  const folder = await openFolder(authorPeer, author, 'patient')
  const records = [...textRecords(['glucose 5.1']), ...textRecords(['metformin'], 'medication')]
  const { submissionRoot } = await putRecords(authorPeer, author, folder.address, records)
  const members = await authorPeer.members()
  context.world = { cluster, author, reader, authorPeer, readerPeer, patientPeer, members, folder, root: submissionRoot }
})

test.after(async ({ world }) => await world.cluster.stop())

interface Refusal {
  code: string
  message: string
}

/** What each custodian answers to this session's question. */
async function answers(peer: LightPeer, session: Session, members: readonly MemberInfo[], root: Uint8Array, leaves: number[] | null = [0]) {
  return await Promise.all(
    members.map(async (member): Promise<Refusal> => {
      try {
        const stream = await ReleaseStream.open(peer, session, member, { submissionRoot: root, leaves })
        stream.abort()
        return { code: 'released', message: '' }
      } catch (error) {
        return { code: errorCode(error), message: (error as Error).message }
      }
    }),
  )
}

const all = (code: string): string[] => Array.from({ length: 4 }, () => code)
const codes = (refusals: readonly Refusal[]): string[] => refusals.map(({ code }) => code)

/** What every custodian says of a folder that does not exist, to a reader with a session of their own. */
async function nothing(world: World, session: Session): Promise<Refusal> {
  const said = await answers(world.readerPeer, { ...session, folder: seedOf('no folder') }, world.members, seedOf('no submission'))
  assert.equal(
    said,
    Array.from({ length: 4 }, () => said[0]),
  )
  return said[0] as Refusal
}

/** A folder of which the reader has been granted something. */
async function granted({ patientPeer, readerPeer, reader, folder }: World, changes = {}, options = {}) {
  const input = { sealingKey: reader.sealing.publicKey, provision: permitTo(reader, changes) }
  const grant = await grantConsent(patientPeer, folder.wallet, folder.owned, input)
  return { grant, session: await openSession(readerPeer, reader, grant.share, options) }
}

test('(a) a made-up access entry gets the same from a folder that exists and one that does not', async ({ world }) => {
  const { readerPeer, reader, members, folder, root } = world
  const made: Session = {
    folder: folder.address.id,
    entryId: seedOf('made up'),
    entry: undefined as never,
    reader: reader.signing,
    accessOpening: accessOpeningCodec.encode({
      salt: seedOf('salt'),
      folder: folder.address.id,
      reader: reader.signing.publicKey,
      role: 'physician',
      purpose: 'TREAT',
      records: null,
    }),
    consentOpening: null,
    keyOf: () => undefined,
    committed: undefined as never,
  }
  const [real, none] = await Promise.all([
    answers(readerPeer, made, members, root),
    answers(readerPeer, { ...made, folder: seedOf('no folder') }, members, seedOf('no submission')),
  ])
  assert.equal(real, none)
  assert.not.ok(codes(real).includes('released'))
  assert.is(new Set(real.map(({ message }) => message)).size, 1)
})

test('(a) an entry that is right for one folder opens no other', async ({ world }) => {
  const { cluster, author, authorPeer, readerPeer, members } = world
  const { session } = await granted(world)
  assert.equal(codes(await answers(readerPeer, session, members, world.root)), all('released'))
  const other = await openFolder(authorPeer, author, 'another patient')
  const { submissionRoot } = await putRecords(authorPeer, author, other.address, textRecords(['secret']))
  await cluster.agree()
  const expected = await nothing(world, session)
  assert.is(expected.code, 'not-found')
  const tries: [Session, Uint8Array][] = [
    [{ ...session, folder: other.address.id }, submissionRoot],
    [session, submissionRoot],
    [{ ...session, folder: other.address.id }, world.root],
  ]
  for (const [asked, root] of tries) {
    for (const leaves of [[0], null]) assert.equal(await answers(readerPeer, asked, members, root, leaves), Array(4).fill(expected))
  }
})

test('(b) altered openings open nothing', async ({ world }) => {
  const { readerPeer, reader, members, root } = world
  const { session } = await granted(world, { classes: ['laboratory'] })
  const expected = await nothing(world, session)
  const access = accessOpeningCodec.decode(session.accessOpening)
  const consent = consentOpeningCodec.decode(session.consentOpening as Uint8Array)
  const altered: Partial<Session>[] = [
    { consentOpening: consentOpeningCodec.encode({ ...consent, provision: { ...consent.provision, classes: [] } }) },
    { consentOpening: consentOpeningCodec.encode({ ...consent, provision: permitTo(reader, { purposes: [] }) }) },
    { consentOpening: consentOpeningCodec.encode({ ...consent, salt: seedOf('another salt') }) },
    { consentOpening: null },
    { accessOpening: accessOpeningCodec.encode({ ...access, purpose: 'BTG' }) },
    { accessOpening: accessOpeningCodec.encode({ ...access, role: 'owner' }) },
    { accessOpening: accessOpeningCodec.encode({ ...access, records: [] }) },
  ]
  for (const change of altered) {
    for (const leaves of [[0], [1], null]) {
      assert.equal(await answers(readerPeer, { ...session, ...change }, members, root, leaves), Array(4).fill(expected))
    }
  }
  // And a colleague who knows all of it, but is another person.
  const colleague = world.cluster.person(1, 'physician', 1)
  const taken = { ...session, reader: colleague.signing }
  assert.equal(await answers(readerPeer, taken, members, root), Array(4).fill(expected))
})

test('(b) another purpose than the consent permits reads nothing', async ({ world }) => {
  const { readerPeer, members, root } = world
  const { session } = await granted(world, {}, { purpose: 'HRESCH' })
  const expected = await nothing(world, session)
  for (const leaves of [[0], null]) assert.equal(await answers(readerPeer, session, members, root, leaves), Array(4).fill(expected))
  assert.equal((await listVersions(readerPeer, session)).versions, [])
})

test('(b) another class than the consent permits is neither listed nor released, and is not counted', async ({ world }) => {
  const { readerPeer, members, root } = world
  const { session } = await granted(world, { classes: ['laboratory'] })
  const expected = await nothing(world, session)
  const { versions } = await listVersions(readerPeer, session, { submission: root })
  assert.equal(
    versions.map(version => version.class),
    ['laboratory'],
  )
  assert.equal(codes(await answers(readerPeer, session, members, root, [0])), all('released'))
  assert.equal(await answers(readerPeer, session, members, root, [1]), Array(4).fill(expected))
  assert.equal(await answers(readerPeer, session, members, root, [0, 1]), Array(4).fill(expected))
})

test("(c) a reader's signed request is worth nothing to another peer, another custodian, or later", async ({ world }) => {
  const { readerPeer, authorPeer, members, root } = world
  const { session } = await granted(world)
  const expected = await nothing(world, session)
  const [first, second] = members as [MemberInfo, MemberInfo]
  const send = async (from: LightPeer, to: MemberInfo, changes: { custodian?: Uint8Array; time?: number } = {}): Promise<Refusal> => {
    const request = {
      chainId: readerPeer.chainId,
      entry: session.entryId,
      folder: session.folder,
      custodian: first.id,
      peer: readerPeer.nodes.network.networkKey,
      time: Date.now(),
      submissionRoot: root,
      leaves: [0],
      firstChunk: 0,
      ...changes,
    }
    const channel = await from.nodes.openStream(to.organisation.networkKey, PROTOCOL.release, { maxFrame: MAX_FRAGMENT_FRAME })
    try {
      const { accessOpening, consentOpening } = session
      const signature = await session.reader.sign(readRequestBytes(request))
      await channel.send(
        releaseRequestCodec.encode({ request: readRequestCodec.encode(request), signature, accessOpening, consentOpening, reason: null }),
      )
      const { value } = await channel.frames()[Symbol.asyncIterator]().next()
      const frame = releaseFrameCodec.decode(value as Uint8Array)
      if (frame.type !== 'error') return { code: frame.type, message: '' }
      const text = new TextDecoder()
      return { code: text.decode(frame.value.code), message: text.decode(frame.value.message) }
    } finally {
      channel.abort(new Error('done'))
    }
  }
  assert.is((await send(readerPeer, first)).code, 'start')
  assert.equal(await send(authorPeer, first), expected)
  assert.equal(await send(readerPeer, second), expected)
  assert.equal(await send(readerPeer, first, { time: Date.now() - 180_000 }), expected)
  assert.equal(await send(readerPeer, first, { time: Date.now() + 180_000 }), expected)
})

test('(d) a session that is open ends with the revocation, at each custodian when it applies that height', async ({ world }) => {
  const { cluster, readerPeer, reader, patientPeer, members, folder, root } = world
  const { grant, session } = await granted(world)
  assert.equal(codes(await answers(readerPeer, session, members, root)), all('released'))
  const { height } = await revokeConsent(patientPeer, folder.wallet, folder.owned, grant.consent)
  await eventually(() => cluster.running().every(node => node.chain.tip.header.height >= height), 'the revocation is everywhere')
  const expected = await nothing(world, session)
  for (const leaves of [[0], null]) assert.equal(await answers(readerPeer, session, members, root, leaves), Array(4).fill(expected))
  assert.equal((await listVersions(readerPeer, session)).versions, [])
  await rejectsCode(openSession(readerPeer, reader, grant.share), 'not-found')
  assert.ok(cluster.node(0).chain.tip.tree.get(stateKey.consent(folder.address.id, grant.consent)))
})

test('(d) a read that is under way ends with the revocation, too', async ({ world }) => {
  const { cluster, author, authorPeer, readerPeer, reader, patientPeer } = world
  const folder = await openFolder(authorPeer, author, 'with many scans')
  const inputs = Array.from({ length: 12 }, (_, i) => ({
    mediaType: 'image/x',
    class: 'imaging' as const,
    content: contentOf(noise(i, 700_000)),
  }))
  await putRecords(authorPeer, author, folder.address, inputs)
  const provision = permitTo(reader)
  const grant = await grantConsent(patientPeer, folder.wallet, folder.owned, { sealingKey: reader.sealing.publicKey, provision })
  const session = await openSession(readerPeer, reader, grant.share)
  const { versions } = await listVersions(readerPeer, session)
  let read = 0
  let code = 'read to the end'
  try {
    for await (const version of readVersions(readerPeer, session, versions)) {
      for await (const _ of version.content);
      // More than the streams hold is still to come when the patient revokes.
      if (++read > 1) continue
      const { height } = await revokeConsent(patientPeer, folder.wallet, folder.owned, grant.consent)
      await eventually(() => cluster.running().every(node => node.chain.tip.header.height >= height), 'the revocation is everywhere')
    }
  } catch (error) {
    code = errorCode(error)
  }
  assert.ok(['not-found', 'too-few-fragments'].includes(code), code)
  assert.ok(read < versions.length, `${read} of ${versions.length}`)
})

test('(d) a custodian that is cut off releases nothing: it would not hear of a revocation', async ({ world }) => {
  const { cluster, readerPeer, members, root } = world
  const { session } = await granted(world)
  const node = cluster.keys.findIndex(({ account }) => equalBytes(account, (members[0] as MemberInfo).id))
  cluster.clockOffsets[node] = 2 * cluster.genesis.parameters.heartbeatMs + 16_000
  try {
    const [first, ...others] = codes(await answers(readerPeer, session, members, root))
    assert.is(first, 'stale')
    assert.equal(others, ['released', 'released', 'released'])
  } finally {
    cluster.clockOffsets[node] = 0
  }
})

/** Bytes that no compression makes shorter. */
function noise(seed: number, length: number): Uint8Array {
  return new Uint8Array(createCipheriv('aes-256-ctr', seedOf('noise', seed), new Uint8Array(16)).update(new Uint8Array(length)))
}

/** Changes one byte of every fragment file of a node. */
async function flipFragments(cluster: Cluster, index: number): Promise<number> {
  const dir = join(cluster.home(index), 'data/fragments')
  const files = await readdir(dir, { recursive: true, withFileTypes: true })
  let flipped = 0
  for (const file of files.filter(entry => entry.isFile())) {
    const path = join(file.parentPath, file.name)
    const bytes = await readFile(path)
    if (bytes.length < 64 * 1024) continue
    const middle = Math.floor(bytes.length / 2)
    bytes[middle] = (bytes[middle] as number) ^ 1
    await writeFile(path, bytes)
    flipped++
  }
  return flipped
}

test('(g) a fragment that rotted on disk is told from a good one, named, and replaced by others, as long as f + 1 are good', async ({
  world,
}) => {
  const { cluster, author, authorPeer, readerPeer, reader, patientPeer } = world
  const folder = await openFolder(authorPeer, author, 'with a scan')
  // Incompressible, so that fragments are files of their own.
  const scan = noise(0, 600_000)
  const input = { mediaType: 'image/x', class: 'imaging' as const, content: contentOf(scan) }
  const { custodians } = await putRecords(authorPeer, author, folder.address, [input])
  const provision = permitTo(reader)
  const { share } = await grantConsent(patientPeer, folder.wallet, folder.owned, { sealingKey: reader.sealing.publicKey, provision })
  const session = await openSession(readerPeer, reader, share)
  const { versions } = await listVersions(readerPeer, session)
  const nodes = custodians.map(({ id }) => cluster.keys.findIndex(({ account }) => equalBytes(account, id)))

  // The reader goes back to those who served it before: one of them is to rot.
  const before = await readAll(readerPeer, session, versions)
  const rotten = custodians.findIndex(({ name }) => name === before.from[0])
  const [, second, third] = nodes.filter((_, index) => index !== rotten)
  assert.ok((await flipFragments(cluster, nodes[rotten] as number)) > 0)
  const one = await readAll(readerPeer, session, versions)
  assert.equal(one.content, scan)
  assert.equal(one.failed, [custodians[rotten]?.name])
  assert.not.ok(one.from.includes(custodians[rotten]?.name ?? ''))

  // What a read finds bad is repaired by the others; only then is it sure that nothing becomes good again below.
  const mended = (): boolean => {
    const { missing, repaired } = cluster.node(nodes[rotten] as number).status().custody
    return missing === 0 && repaired > 0
  }
  await eventually(mended, 'the rotten fragment is repaired')

  const all = [nodes[rotten] as number, second as number, third as number]
  for (const node of all) assert.ok((await flipFragments(cluster, node)) > 0)
  await rejectsCode(readAll(readerPeer, session, versions), 'too-few-fragments')
})

async function readAll(peer: LightPeer, session: Session, versions: readonly ListedVersion[]) {
  const failed: string[] = []
  const parts: Uint8Array[] = []
  let from: string[] = []
  const onFailure = (member: MemberInfo): void => {
    failed.push(member.organisation.name)
  }
  for await (const version of readVersions(peer, session, versions, { onFailure })) {
    for await (const piece of version.content) parts.push(Uint8Array.from(piece))
    from = version.from.map(({ organisation }) => organisation.name)
  }
  return { content: Uint8Array.from(Buffer.concat(parts)), failed, from }
}

test('no node logged an error, and no refusal was a crash', ({ world }) => {
  assert.equal(world.cluster.errors(), [])
})

test.run()
