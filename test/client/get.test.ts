import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AnchoredSubmission, type Listing, listVersions, readVersions } from '../../src/client/get.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import { formatMetrics } from '../../src/client/metrics.ts'
import { contentOf, objectPlaintext, objectPlaintextLength, prepareContent } from '../../src/client/record-object.ts'
import type { Session } from '../../src/client/session.ts'
import { type CustodianOutcome, Standings } from '../../src/client/standings.ts'
import { folderCodec } from '../../src/contracts/folders-formats.ts'
import { anchorCodec } from '../../src/contracts/records-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { commitmentSalt, encryptObject, objectLength } from '../../src/crypto/object-stream.ts'
import { seal, sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { concat, equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { merkleProof } from '../../src/encoding/merkle.ts'
import { type DispersedBytes, disperseBytes, fragmentRootProof } from '../../src/fragments/dispersal.ts'
import {
  classCommitment,
  type ObjectHeader,
  objectHeaderCodec,
  provenanceBytes,
  provenancePlace,
  readRequestCodec,
  recordCommitment,
  sealedKeyHash,
  sealingContext,
  submissionRoot,
  type VersionMeta,
  versionLeafHash,
} from '../../src/fragments/formats.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { place } from '../../src/fragments/placement.ts'
import { type ReleaseFrame, releaseFrameCodec, releaseRequestCodec } from '../../src/network/fragment-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { VirtualTimer } from '../fragments/virtual-timer.ts'
import { readExposition } from '../gateway/exposition.ts'
import { genesisOf, seedOf } from '../node/cluster.ts'

const test = suite('lists and reads')
const FOLDER = seedOf('folder')
const CHAIN = seedOf('chain')
const AUTHOR = seedOf('author')
const MEMBERS = 7
const folderKey = sealingKeyFromSeed(seedOf('folder key'))
const clinician = signingKeyFromSeed(seedOf('clinician'))
const allIds = Array.from({ length: MEMBERS }, (_, index) => seedOf('member', index)).sort((a, b) => (toHex(a) < toHex(b) ? -1 : 1))

interface Written {
  content: Uint8Array
  dispersed: DispersedBytes
  meta: VersionMeta
}

type Author = Omit<ObjectHeader['author'], 'signature'>
const trueAuthor: Author = { organisation: AUTHOR, key: clinician.publicKey, role: 'physician' }

/** A version as an author writes it; `shown` is the author that its header names, where that is not the one who was signed for. */
async function write(index: number, code: { n: number; k: number }, author: Author = trueAuthor, shown: Author = author): Promise<Written> {
  const content = utf8(`content ${index}`)
  const prepared = await prepareContent(contentOf(content))
  const recordId = seedOf('record', index)
  const unsigned = {
    version: 1,
    mediaType: 'text/plain',
    kind: 'record' as const,
    encoding: prepared.encoding,
    dictionary: null,
    size: prepared.size,
    storedSize: prepared.stored.size,
    contentHash: prepared.contentHash,
    resourceType: '',
    time: 1_700_000_000_000,
  }
  const place = provenancePlace(commitmentSalt(seedOf('dek', index)), FOLDER)
  const signature = clinician.sign(provenanceBytes(place, recordId, 1, { ...unsigned, author }))
  const header = objectHeaderCodec.encode({ ...unsigned, author: { ...shown, signature } })
  const dek = seedOf('dek', index)
  const length = objectPlaintextLength(header, prepared.stored.size)
  const parts: Uint8Array[] = []
  for await (const part of encryptObject(dek, seedOf('salt', index), objectPlaintext(header, prepared.stored), length)) parts.push(part)
  const dispersed = disperseBytes(concat(...parts), code)
  const sealedKey = seal(folderKey.publicKey, dek, sealingContext.versionKey(CHAIN, FOLDER, 0, recordId, 1))
  const salt = seedOf('class', index)
  const leaf = {
    recordId,
    version: 1,
    dispersalRoot: dispersed.root,
    commitment: recordCommitment(commitmentSalt(dek), header),
    sealedKeyHash: sealedKeyHash(sealedKey),
    classCommitment: classCommitment(salt, 'laboratory', null),
  }
  return { content, dispersed, meta: { leaf, sealedKey, salt, class: 'laboratory', dataTime: null, size: objectLength(length) } }
}

/** What a custodian does: shows these leaves, refuses as one without a copy does, cannot be reached, or is not up to date. */
type Conduct = readonly number[] | 'not-found' | 'unreachable' | 'behind'

type Lie = 'wrong bytes' | 'never answers' | 'not found' | 'closes in the middle' | 'wrong proofs' | 'wrong versions'

class World {
  readonly written: readonly Written[]
  readonly submission: AnchoredSubmission
  readonly peer: LightPeer
  readonly session: Session
  /** The custodians in the order of their fragments, and who of them was asked. */
  readonly members: readonly MemberInfo[]
  readonly asked: number[] = []
  conducts: readonly Conduct[] = []
  /** Custodians that lie when fragments are asked of them, by index. */
  readonly lies = new Map<number, Lie>()

  constructor(written: readonly Written[], code: { n: number; k: number }) {
    this.written = written
    const root = submissionRoot(written.map(({ meta }) => meta.leaf))
    const anchor = { author: AUTHOR, epoch: 0, sizeBucket: 10, ...code, memberHeight: 3, height: 9 }
    this.submission = { root, anchor }
    const custodians = allIds.map(id => ({ id, jurisdiction: 'KE', capacity: 1 }))
    const organisation = genesisOf().organisations[0] as MemberInfo['organisation']
    const placed = place({ key: root, custodians, ...code, policy: null }).custodians
    this.members = placed.map(({ id }) => ({ id, status: 'active', organisation: { ...organisation, networkKey: id }, former: [] }))
    const folder = folderCodec.encode({
      author: AUTHOR,
      ownerKeyHash: seedOf('owner'),
      recoveryKeyHash: seedOf('recovery'),
      epoch: 0,
      sealingKey: folderKey.publicKey,
      previousKeyHash: null,
      labelCommitment: seedOf('label'),
      policy: 0,
      status: 'open',
    })
    const parameters = genesisOf({}, code).parameters
    this.peer = {
      chainId: CHAIN,
      parameters,
      now: () => 1_700_000_000_000,
      standings: new Standings(() => 1_700_000_000_000),
      list: async () => ({ entries: [[concat(stateKey.submissions(FOLDER), root), anchorCodec.encode(anchor)]] }),
      readOne: async () => folder,
      custodians: async () => ({ height: 0, custodians }),
      custodiansAt: async () => custodians,
      members: async () => this.members,
      locate: async () => [],
      nodes: { network: { networkKey: seedOf('own key') }, openStream: async (key: Uint8Array) => this.#open(key) },
    } as unknown as LightPeer
    this.session = {
      folder: FOLDER,
      entryId: seedOf('entry'),
      reader: signingKeyFromSeed(seedOf('reader')),
      accessOpening: new Uint8Array(1),
      consentOpening: null,
      keyOf: () => folderKey,
    } as unknown as Session
  }

  #open(key: Uint8Array): unknown {
    const index = this.members.findIndex(({ id }) => equalBytes(id, key))
    this.asked.push(index)
    const conduct = this.conducts[index] as Conduct
    if (conduct === 'unreachable') throw new EpioneError('unreachable', 'Nobody is there.')
    let frames: ReleaseFrame[] = []
    let hangs = false
    return {
      send: async (bytes: Uint8Array) => {
        const { leaves } = readRequestCodec.decode(releaseRequestCodec.decode(bytes).request)
        frames = typeof conduct === 'string' ? [failure(conduct)] : this.#release(index, leaves ?? conduct, leaves !== null)
        const lie = this.lies.get(index)
        if (leaves !== null && lie !== undefined) frames = lying(frames, lie)
        hangs = leaves !== null && lie === 'never answers'
      },
      frames: async function* () {
        for (const frame of frames) yield releaseFrameCodec.encode(frame)
        if (hangs) await new Promise(() => undefined)
      },
      close: async () => undefined,
      abort: () => undefined,
    }
  }

  #release(index: number, leaves: readonly number[], withFragments: boolean): ReleaseFrame[] {
    const hashes = this.written.map(({ meta }) => versionLeafHash(meta.leaf))
    const shown = leaves.map(leaf => ({ leaf, ...(this.written[leaf] as Written) }))
    const start = { total: this.written.length, count: leaves.length, proof: merkleProof(hashes, leaves), index, disputes: 0 }
    const frames: ReleaseFrame[] = [{ type: 'start', value: start }]
    if (shown.length > 0) frames.push({ type: 'versions', value: shown.map(({ leaf, meta }) => ({ leaf, meta })) })
    for (const { leaf, dispersed } of withFragments ? shown : []) {
      const fragment = dispersed.fragments[index] as Uint8Array
      const root = dispersed.fragmentRoots[index] as Uint8Array
      const proof = fragmentRootProof(dispersed.fragmentRoots, index)
      frames.push({ type: 'fragment', value: { leaf, root, proof, chunkLeaves: dispersed.chunkLeaves[index] as Uint8Array[] } })
      for (let at = 0; at < fragment.length; at += CHUNK_BYTES)
        frames.push({ type: 'chunk', value: fragment.subarray(at, at + CHUNK_BYTES) })
    }
    return frames
  }

  async list(...conducts: readonly Conduct[]): Promise<{ leaves: number[]; incomplete: number; asked: number }> {
    this.conducts = conducts
    this.asked.length = 0
    const { versions, incomplete }: Listing = await listVersions(this.peer, this.session)
    return { leaves: versions.map(({ leaf }) => leaf), incomplete: incomplete.length, asked: this.asked.length }
  }
}

const failure = (code: string): ReleaseFrame => ({ type: 'error', value: { code: utf8(code), message: utf8(code) } })

/** The frames of an honest release, as a liar sends them. */
function lying(frames: readonly ReleaseFrame[], lie: Lie): ReleaseFrame[] {
  const middle = frames.findIndex(({ type }) => type === 'fragment')
  switch (lie) {
    case 'wrong bytes':
      return frames.map(frame => (frame.type === 'chunk' ? { ...frame, value: frame.value.map(byte => byte ^ 1) } : frame))
    case 'wrong proofs':
      return frames.map(frame => (frame.type === 'fragment' ? { ...frame, value: { ...frame.value, proof: [] } } : frame))
    case 'wrong versions':
      return frames.map(frame => (frame.type === 'start' ? { ...frame, value: { ...frame.value, proof: [seedOf('no proof')] } } : frame))
    case 'closes in the middle':
      return frames.slice(0, middle + 1)
    case 'not found':
      return [failure('not-found')]
    case 'never answers':
      return []
  }
}

const four = { n: 4, k: 2 }
const seven = { n: 7, k: 3 }
const versionsOf = async (code: { n: number; k: number }): Promise<Written[]> => [await write(0, code), await write(1, code)]

test('k custodians that show are asked, and no more', async () => {
  const world = new World(await versionsOf(four), four)
  const both = [0, 1]
  assert.equal(await world.list(both, both, both, both), { leaves: [0, 1], incomplete: 0, asked: 2 })
  assert.equal(await world.list(both, [1], both, both), { leaves: [0, 1], incomplete: 0, asked: 2 }, 'one leaves something out')
})

test('a custodian without a copy and a liar do not hide a submission', async () => {
  const world = new World(await versionsOf(four), four)
  const both = [0, 1]
  const no = 'not-found'
  for (const conducts of [
    [no, no, both, both],
    [both, no, no, both],
    [no, both, no, both],
    [no, [0], both, 'unreachable'],
    [[], [], both, both],
  ] as Conduct[][]) {
    const { leaves, incomplete } = await world.list(...conducts)
    assert.equal({ leaves, incomplete }, { leaves: both, incomplete: 0 }, String(conducts))
  }
  const larger = new World(await versionsOf(seven), seven)
  assert.equal(await larger.list(no, no, no, no, both, both, both), { leaves: both, incomplete: 0, asked: 7 })
})

test('more than n - k refusals say that nothing may be read, and end the asking', async () => {
  const world = new World(await versionsOf(four), four)
  const no = 'not-found'
  const none = { leaves: [], incomplete: 0 }
  for (const conducts of [
    [no, no, no, no],
    [no, no, no, 'unreachable'],
    ['behind', no, no, no],
    [no, [], [], 'unreachable'],
  ] as Conduct[][]) {
    const { leaves, incomplete } = await world.list(...conducts)
    assert.equal({ leaves, incomplete }, none, String(conducts))
  }
  const larger = new World(await versionsOf(seven), seven)
  const { leaves, incomplete, asked } = await larger.list(no, no, no, no, no, no, no)
  assert.equal({ leaves, incomplete }, none)
  assert.ok(asked >= 5 && asked <= 7, `${asked}`)
})

test('what too few show, and what too few refuse, is called incomplete', async () => {
  const world = new World(await versionsOf(four), four)
  const both = [0, 1]
  const no = 'not-found'
  for (const [leaves, ...conducts] of [
    [both, both, 'unreachable', 'unreachable', 'unreachable'],
    [both, 'behind', both, no, no],
    [both, no, both, 'unreachable', no],
    [both, both, no, no, no],
    [[], no, no, 'unreachable', 'unreachable'],
    [[], 'behind', 'behind', 'behind', 'behind'],
    [[], 'unreachable', 'unreachable', 'unreachable', 'unreachable'],
  ] as [number[], ...Conduct[]][]) {
    const listed = await world.list(...conducts)
    assert.equal({ leaves: listed.leaves, incomplete: listed.incomplete }, { leaves, incomplete: 1 }, String(conducts))
  }
})

async function readAll(world: World): Promise<string[]> {
  const { versions } = await listVersions(world.peer, world.session)
  const read: string[] = []
  for await (const { content } of readVersions(world.peer, world.session, versions)) {
    const parts: Uint8Array[] = []
    for await (const part of content) parts.push(part)
    read.push(new TextDecoder().decode(concat(...parts)))
  }
  return read
}

test('a record is read whose author is the one who anchored it', async () => {
  const world = new World(await versionsOf(four), four)
  world.conducts = Array(4).fill([0, 1])
  assert.equal(await readAll(world), ['content 0', 'content 1'])
})

test('the signature covers organisation, key and role of the author', async () => {
  const stranger = signingKeyFromSeed(seedOf('stranger'))
  for (const [signed, shown] of [
    [{ ...trueAuthor, organisation: seedOf('other') }, trueAuthor],
    [trueAuthor, { ...trueAuthor, role: 'chief' }],
    [trueAuthor, { ...trueAuthor, key: stranger.publicKey }],
    [{ ...trueAuthor, key: stranger.publicKey }, trueAuthor],
  ] as [Author, Author][]) {
    const world = new World([await write(0, four, signed, shown)], four)
    world.conducts = Array(4).fill([0])
    await rejectsCode(readAll(world), 'malformed-object')
  }
})

test('a record that names another organisation than the one that anchored it is not read, well signed as it is', async () => {
  const world = new World([await write(0, four, { ...trueAuthor, organisation: seedOf('other') })], four)
  world.conducts = Array(4).fill([0])
  await rejectsCode(readAll(world), 'malformed-object')
})

/** Reads the first version; gives what it cost, and who is named. */
async function readOne(world: World): Promise<{ asked: number[]; failures: [number, string][]; from: number }> {
  const timer = new VirtualTimer()
  return await timer.run(
    (async () => {
      const { versions } = await listVersions(world.peer, world.session, { timer })
      world.asked.length = 0
      for await (const read of readVersions(world.peer, world.session, versions.slice(0, 1), { timer })) {
        const parts: Uint8Array[] = []
        for await (const part of read.content) parts.push(part)
        assert.is(new TextDecoder().decode(concat(...parts)), 'content 0')
        const failures = read.failures.map(({ custodian, code }): [number, string] => [
          world.members.findIndex(({ id }) => equalBytes(id, custodian)),
          code,
        ])
        return { asked: [...world.asked], failures, from: read.from.length }
      }
      throw new Error('nothing was read')
    })(),
  )
}

const CODES: Record<Lie, string> = {
  'wrong bytes': 'corrupt-fragment',
  'never answers': 'too-slow',
  'not found': 'not-found',
  'closes in the middle': 'connection-lost',
  'wrong proofs': 'corrupt-fragment',
  'wrong versions': 'invalid-proof',
}

/** What the liar is counted under in metrics. */
const OUTCOMES: Record<Lie, CustodianOutcome> = {
  'wrong bytes': 'wrong',
  'never answers': 'late',
  'not found': 'not-found',
  'closes in the middle': 'unreachable',
  'wrong proofs': 'wrong',
  'wrong versions': 'wrong',
}

for (const [lie, code] of Object.entries(CODES) as [Lie, string][]) {
  test(`${lie}: a liar costs one stream more, is named, in metrics too, and is not asked first again`, async () => {
    const world = new World(await versionsOf(four), four)
    world.conducts = Array(4).fill([0, 1])
    assert.equal(await readOne(world), { asked: [0, 1], failures: [], from: 2 }, 'without a liar')
    world.lies.set(1, lie)
    const first = await readOne(world)
    assert.equal(first, { asked: [0, 1, 2], failures: [[1, code]], from: 2 })
    const standing = world.peer.standings.list().find(({ custodian }) => equalBytes(custodian, world.members[1]?.id as Uint8Array))
    assert.equal(standing?.failures, { [code]: 1 })
    const metrics = readExposition(formatMetrics(world.peer.standings.list()))
    const outcomes = metrics.samples.filter(({ name, value }) => name === 'epione_reader_outcomes_total' && value > 0)
    assert.equal(
      outcomes
        .map(({ labels: { custodian, outcome }, value }) => [world.members.findIndex(({ id }) => toHex(id) === custodian), outcome, value])
        .sort(),
      [
        [0, 'served', 2],
        [1, 'served', 1],
        [1, OUTCOMES[lie], 1],
        [2, 'served', 1],
      ].sort(),
    )
    const { asked, failures } = await readOne(world)
    assert.not.ok(asked.includes(1), `${asked}`)
    assert.equal(failures, [])
  })
}

test('with f liars among the first k a record of seven custodians is still read, at one more stream each', async () => {
  const world = new World(await versionsOf(seven), seven)
  world.conducts = Array(7).fill([0, 1])
  world.lies.set(0, 'never answers')
  world.lies.set(2, 'wrong bytes')
  const { asked, failures } = await readOne(world)
  assert.is(asked.length, 5)
  assert.equal(new Map(failures), new Map([[0, 'too-slow'] as const, [2, 'corrupt-fragment'] as const]))
})

test.run()
