/** Large records whose way in or out breaks off and goes on, and the receipts that an author keeps. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ListedVersion, listVersions, type ReadVersion, type Resumable, readVersions } from '../../src/client/get.ts'
import type { Person } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { type PutResult, putRecords } from '../../src/client/put.ts'
import { checkReceiptsOffline, checkReceiptsOnline, decodeReceipts, encodeReceipts } from '../../src/client/receipt-set.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { openOwnSession, type Session } from '../../src/client/session.ts'
import type { JournalStore } from '../../src/client/upload-journal.ts'
import { concat, equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { storageReceiptCodec } from '../../src/fragments/formats.ts'
import { seededRandom } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, genesisOf, openFolder, type TestFolder } from './cluster.ts'

const SIZE = 8_000_000

interface World {
  cluster: Cluster
  author: Person
  folder: TestFolder
  content: Uint8Array
  /** The first write, that of the whole content. */
  written?: PutResult
}

const test = suite<World>('what breaks off goes on')

test.before(async context => {
  const cluster = await Cluster.start()
  Object.assign(context, { cluster })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const folder = await openFolder(await cluster.peer([0]), author, 'patient')
  Object.assign(context, { author, folder, content: seededRandom(7).bytes(SIZE) })
})

test.after(async ({ cluster }) => await cluster?.stop())

class MemoryJournal implements JournalStore {
  kept: Uint8Array | null = null
  load = async (): Promise<Uint8Array | null> => this.kept
  save = async (sealed: Uint8Array): Promise<void> => {
    this.kept = sealed
  }
  clear = async (): Promise<void> => {
    this.kept = null
  }
}

/** Puts the content through a peer of its own, and stops as soon as `until` says so. */
async function put(
  { cluster, author, folder, content }: World,
  journal: JournalStore,
  until: (phase: string, bytes: number) => boolean = () => false,
): Promise<PutResult> {
  const peer = await cluster.peer([0])
  const stop = new AbortController()
  try {
    return await putRecords(
      peer,
      author,
      folder.address,
      [{ mediaType: 'application/dicom', class: 'imaging', content: contentOf(content) }],
      {
        journal,
        signal: stop.signal,
        onProgress: ({ phase, bytes }) => {
          if (until(phase, bytes)) stop.abort()
        },
      },
    )
  } finally {
    await peer.stop()
  }
}

async function reading(world: World, peer: LightPeer): Promise<{ session: Session; version: ListedVersion }> {
  const session = await openOwnSession(peer, world.folder.wallet, world.folder.owned)
  const { versions } = await listVersions(peer, session)
  return { session, version: versions[0] as ListedVersion }
}

async function readAll(version: ReadVersion): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of version.content) parts.push(part.slice())
  return concat(...parts)
}

test('a write that was stopped in the middle sends only what is missing, under the same keys', async world => {
  const journal = new MemoryJournal()
  const half = await put(world, journal, (phase, bytes) => phase === 'uploading' && bytes > SIZE / 2).then(
    () => 'done',
    () => 'stopped',
  )
  assert.is(half, 'stopped')
  assert.ok(journal.kept !== null, 'it is remembered')
  assert.not.ok(includes(journal.kept ?? new Uint8Array(0), world.folder.address.id), 'and encrypted')

  // All fragments are there when it is stopped again, right before the anchor.
  let sending = 0
  const again = await put(world, journal, phase => {
    if (phase === 'uploading') sending++
    return phase === 'anchoring'
  }).then(
    () => 'done',
    () => 'stopped',
  )
  assert.is(again, 'stopped')
  assert.ok(sending > 0)

  const result = await put(world, journal)
  assert.ok(result.resumed)
  assert.is(result.status, 'written')
  assert.is(result.sentBytes, 0, 'every custodian had all of it')
  assert.is(journal.kept, null, 'nothing is left to remember')
  world.written = result

  const peer = await world.cluster.peer([1])
  const { session, version } = await reading(world, peer)
  for await (const read of readVersions(peer, session, [version])) assert.ok(equalBytes(await readAll(read), world.content))
})

test('a resumed write sends less, and another content is no resumption', async world => {
  const journal = new MemoryJournal()
  const all = (world.written?.custodians ?? []).reduce((sum, { bytes }) => sum + bytes, 0)
  await put(world, journal, (phase, bytes) => phase === 'uploading' && bytes > SIZE / 2).catch(() => undefined)
  const kept = journal.kept
  const resumed = await put(world, journal)
  assert.ok(resumed.resumed)
  assert.ok(resumed.sentBytes < 0.75 * all, `${resumed.sentBytes} of ${all}`)
  journal.kept = kept
  const other = await put({ ...world, content: world.content.subarray(0, 5_000_000) }, journal)
  assert.not.ok(other.resumed)
  journal.kept = utf8('no journal')
  assert.not.ok((await put({ ...world, content: world.content.subarray(0, 5_000_000) }, journal)).resumed)
})

test('content that changes while it is sent ends the attempt: nothing is remembered of its keys', async world => {
  const { cluster, author, folder } = world
  const size = 17 * 1024 * 1024
  const bytes = new Uint8Array(size)
  const journal = new MemoryJournal()
  let isRemembered = false
  const content = {
    size,
    async *open() {
      for (let at = 0; at < size; at += 1024 * 1024) {
        const piece = bytes.slice(at, at + 1024 * 1024)
        if (sending && at > size / 2) piece[0] = 1
        yield piece
      }
    },
  }
  let sending = false
  const peer = await cluster.peer([0])
  const onProgress = ({ phase }: { phase: string }): void => {
    if (phase !== 'uploading') return
    sending = true
    isRemembered ||= journal.kept !== null
  }
  const input = { mediaType: 'application/dicom', class: 'imaging' as const, content }
  await rejectsCode(putRecords(peer, author, folder.address, [input], { journal, onProgress }), 'content-changed')
  await peer.stop()
  assert.equal([isRemembered, journal.kept], [true, null])
})

test('a read goes on from what was kept, which is checked, and asks only for the rest', async world => {
  const peer = await world.cluster.peer([2])
  const { session, version } = await reading(world, peer)
  let beginning: ReadVersion['beginning'] | undefined
  let kept: Uint8Array = new Uint8Array(0)
  for await (const read of readVersions(peer, session, [version])) {
    beginning = read.beginning
    for await (const part of read.content) {
      kept = concat(kept, part)
      if (kept.length > 0.6 * SIZE) break
    }
    break
  }
  const known = (bytes: Uint8Array): Resumable => ({
    ...(beginning as ReadVersion['beginning']),
    async *content() {
      yield bytes
    },
  })
  const served = (of: LightPeer): number => of.standings.list().reduce((sum, { servedBytes }) => sum + servedBytes, 0)
  const fresh = await world.cluster.peer([2])
  for await (const read of readVersions(fresh, session, [version], { known: known(kept) })) {
    assert.ok(equalBytes(await readAll(read), world.content))
  }
  assert.ok(served(fresh) < 0.5 * version.meta.size, `${served(fresh)} bytes were asked for`)

  const damaged = kept.slice()
  damaged[1_000_000] = (damaged[1_000_000] as number) ^ 1
  const resumed = (async () => {
    for await (const read of readVersions(peer, session, [version], { known: known(damaged) })) await readAll(read)
  })()
  await rejectsCode(resumed, 'resume-mismatch')
})

test('the receipts of a write can be checked by anybody, offline and by the ledger', async world => {
  const { cluster, written } = world
  const set = decodeReceipts(encodeReceipts((written as PutResult).receipts))
  assert.ok(set.evidence !== null)
  const now = Date.now
  const offline = await checkReceiptsOffline(set, cluster.genesis, now)
  assert.ok(offline.holds)
  assert.is(offline.good, 4)
  assert.is(offline.anchorHeight, written?.anchored.height)
  const peer = await cluster.peer([3])
  assert.ok((await checkReceiptsOnline(peer, set)).holds)

  // A receipt fewer than n - f, whatever is wrong with it, and it does not hold.
  const [first, second, third, fourth] = set.receipts as [(typeof set.receipts)[0], ...(typeof set.receipts)[0][]]
  const wrong = storageReceiptCodec.encode({ ...storageReceiptCodec.decode(first.receipt), bytes: 1 })
  for (const [receipts, good] of [
    [[first, second, third], 3],
    [[first, second, second, second], 2],
    [[first, { ...second, signature: first.signature }, third], 2],
    [[{ ...first, receipt: wrong }, second, fourth], 2],
  ] as [typeof set.receipts, number][]) {
    const checked = await checkReceiptsOnline(peer, { ...set, receipts })
    assert.equal([checked.good, checked.holds], [good, good >= 3])
  }
  const forged = set.receipts.map((signed, i) => (i < 2 ? { ...signed, signature: (third as typeof first).signature } : signed))
  const checked = await checkReceiptsOffline({ ...set, receipts: forged }, cluster.genesis, now)
  assert.equal([checked.good, checked.holds, checked.receipts[0]?.flaw], [2, false, 'bad-signature'])

  await rejectsCode(checkReceiptsOffline(set, genesisOf({}, { heartbeatMs: 1234 }), now), 'other-chain')
  await rejectsCode(checkReceiptsOffline({ ...set, evidence: null }, cluster.genesis, now), 'no-evidence')
  await rejectsCode(
    checkReceiptsOffline(set, cluster.genesis, () => now() + 40 * 86_400_000),
    'unanchored',
  )
  const flipped = (set.evidence ?? new Uint8Array(0)).slice()
  const middle = flipped.length - 40
  flipped[middle] = (flipped[middle] as number) ^ 1
  await checkReceiptsOffline({ ...set, evidence: flipped }, cluster.genesis, now).then(
    () => assert.unreachable('a changed proof was believed'),
    error => assert.ok(['invalid-proof', 'malformed'].includes(error.code), error.code),
  )
})

test('no node logged an error', ({ cluster }) => {
  assert.equal(cluster.errors(), [])
})

function includes(bytes: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(bytes).includes(Buffer.from(part))
}

test.run()
