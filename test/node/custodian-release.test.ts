/** A release that goes on for long ends with the right to it. */
import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readRequestBytes, readRequestCodec, releaseReceiptCodec } from '../../src/fragments/formats.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { releaseFrameCodec, releaseRequestCodec, uploadFrameCodec, uploadReplyCodec } from '../../src/network/fragment-messages.ts'
import { ReleaseReceipts } from '../../src/node/custodian/receipts.ts'
import { ReleaseService } from '../../src/node/custodian/release.ts'
import { eventually, seedOf } from './cluster.ts'
import { uploadsOf } from './custodian-uploads.ts'
import { CUSTODIAN, CustodianWorld, type Held, INDEX, type ReadSession, reader, SlowChannel } from './custodian-world.ts'

const test = suite('releases of a custodian')
const PEER = seedOf('peer')
const MINUTE = 60_000
/** A fragment of so many chunks here, where k = 2. */
const sizeOf = (chunks: number): number => 2 * chunks * CHUNK_BYTES

const nobody = async (): Promise<void> => undefined

function service(world: CustodianWorld, onCorrupt: (root: Uint8Array, leaf: number) => Promise<void> = nobody): ReleaseService {
  const { chain, fragments, submissions, desk, logger, clock } = world
  const identity = { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing }
  return new ReleaseService(identity, { chain, fragments, submissions, onCorrupt, desk, logger, now: () => clock.now })
}

interface Reading {
  /** The type of the next frame, an error's code in its place; undefined once it is over. */
  next(): Promise<string | undefined>
  /** All that is left. */
  rest(): Promise<string[]>
}

function read(world: CustodianWorld, session: ReadSession, { root }: Held, leaves: number[] | null, custodian = service(world)): Reading {
  const request = {
    chainId: world.chain.chainId,
    entry: session.entryId,
    folder: world.folder,
    custodian: CUSTODIAN.account,
    peer: PEER,
    time: world.clock.now,
    submissionRoot: root,
    leaves,
    firstChunk: 0,
  }
  const frame = releaseRequestCodec.encode({
    request: readRequestCodec.encode(request),
    signature: reader.signing.sign(readRequestBytes(request)),
    accessOpening: session.access,
    consentOpening: session.consentOpening,
    reason: null,
  })
  const channel = new SlowChannel(PEER, [frame])
  const served = custodian.serve(channel)
  void served.finally(() => channel.end())
  const next = async (): Promise<string | undefined> => {
    const bytes = await channel.take()
    if (bytes === undefined) {
      await served
      return undefined
    }
    const { type, value } = releaseFrameCodec.decode(bytes)
    return type === 'error' ? new TextDecoder().decode(value.code) : type
  }
  const rest = async (): Promise<string[]> => {
    const all: string[] = []
    for (let type = await next(); type !== undefined; type = await next()) all.push(type)
    return all
  }
  return { next, rest }
}

/** The first frames of a release of one version: up to and with `chunks` of its chunks. */
async function begin(reading: Reading, chunks: number): Promise<void> {
  const expected = ['start', 'versions', 'fragment', ...Array<string>(chunks).fill('chunk')]
  for (const type of expected) assert.is(await reading.next(), type)
}

/** Whether it ends in this error, with at most the one chunk more that was on its way. */
function endsEarly(rest: readonly string[], code: string): void {
  assert.ok(rest.length <= 2, rest.join())
  assert.is(rest.at(-1), code)
  assert.not.ok(rest.includes('end'))
}

const CHUNKS = 32

test('with the right to it, all of a version comes', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [sizeOf(CHUNKS)])
  await world.anchor(held)
  const session = await world.session()
  const reading = read(world, session, held, [0])
  await begin(reading, 3)
  // Other blocks change nothing.
  await world.passTime(MINUTE)
  assert.equal(await reading.rest(), [...Array<string>(CHUNKS - 3).fill('chunk'), 'end'])
})

test('a fragment that turns out to be lost while it is read is said to be so', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100, 200])
  await world.anchor(held)
  const session = await world.session()
  await world.fragments.delete({ dispersalRoot: held.metas[1]?.leaf.dispersalRoot as Uint8Array, index: INDEX })
  const found: unknown[] = []
  const custodian = service(world, async (root, leaf) => void found.push([root, leaf]))
  assert.is((await read(world, session, held, [0, 1], custodian).rest()).at(-1), 'fragment-not-found')
  assert.equal(found, [[held.root, 1]])
})

test('a revocation in the middle of a version ends the stream', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [sizeOf(CHUNKS)])
  await world.anchor(held)
  const session = await world.session()
  const reading = read(world, session, held, [0])
  await begin(reading, 3)
  await world.revoke(session)
  endsEarly(await reading.rest(), 'not-found')
})

test('an erasure ends the stream of that version, and of no other', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [sizeOf(4), sizeOf(CHUNKS)])
  await world.anchor(held)
  const session = await world.session()
  const [first, second] = [read(world, session, held, [0]), read(world, session, held, [1])]
  const both = read(world, session, held, [0, 1])
  await begin(first, 1)
  await begin(second, 1)
  await begin(both, 1)
  await world.erase(held.metas[1] as Held['metas'][number])
  assert.equal(await first.rest(), ['chunk', 'chunk', 'chunk', 'end'])
  endsEarly(await second.rest(), 'not-found')
  // The first version was taken whole before the second was looked at again.
  assert.equal(await both.rest(), ['chunk', 'chunk', 'chunk', 'not-found'])
})

test('the end of the session ends the stream', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [sizeOf(CHUNKS)])
  await world.anchor(held)
  const reading = read(world, await world.session(5 * MINUTE), held, [0])
  await begin(reading, 3)
  await world.passTime(4 * MINUTE)
  assert.is(await reading.next(), 'chunk')
  await world.passTime(MINUTE)
  endsEarly(await reading.rest(), 'not-found')
})

test('a custodian that is cut off in the middle ends the stream', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [sizeOf(CHUNKS)])
  await world.anchor(held)
  const reading = read(world, await world.session(), held, [0])
  await begin(reading, 3)
  world.clock.now += 2 * world.chain.parameters.heartbeatMs + MINUTE
  endsEarly(await reading.rest(), 'stale')
})

test('a stream does not last for ever', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [sizeOf(CHUNKS)])
  await world.anchor(held)
  const reading = read(world, await world.session(), held, [0])
  await begin(reading, 3)
  await world.passTime(14 * MINUTE)
  assert.is(await reading.next(), 'chunk')
  await world.passTime(MINUTE)
  endsEarly(await reading.rest(), 'timeout')
})

test('the pages of a list stop with a revocation too', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold(
    'a',
    Array.from({ length: 200 }, () => 100),
  )
  await world.anchor(held)
  const session = await world.session()
  assert.equal(await read(world, session, held, null).rest(), ['start', 'versions', 'versions', 'versions', 'versions', 'end'])
  const reading = read(world, session, held, null)
  assert.is(await reading.next(), 'start')
  await world.revoke(session)
  endsEarly(await reading.rest(), 'not-found')
})

test('each version is decrypted once for a request', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100, 100, 100, 100])
  await world.anchor(held)
  const session = await world.session()
  const { submissions } = world
  const version = submissions.version.bind(submissions)
  const read_: number[] = []
  submissions.version = async (root, leaf) => {
    read_.push(leaf)
    return await version(root, leaf)
  }
  await read(world, session, held, null).rest()
  assert.equal(read_.splice(0).sort(), [0, 1, 2, 3])
  await read(world, session, held, [2]).rest()
  assert.equal(read_.sort(), [0, 1, 2, 3])
})

test('the same release leaves one receipt, the newest; a reader who combines versions without end is stopped', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold(
    'a',
    Array.from({ length: 9 }, () => 100),
  )
  const other = await world.hold('b', [100])
  await world.anchor(held)
  await world.anchor(other)
  const session = await world.session()
  const receipts = new ReleaseReceipts(world.custody.sublevel('folders'))
  const kept = async () => {
    const { receipts: page, more } = await receipts.page(world.folder, 0, 1000)
    assert.is(more, false)
    return page.map(({ receipt }) => releaseReceiptCodec.decode(receipt))
  }
  for (const leaves of [[0], null, [0], [1], null, [1]]) {
    world.clock.now++
    assert.is((await read(world, session, held, leaves).rest()).at(-1), 'end')
  }
  assert.equal(
    (await kept()).map(({ leaves, listed }) => (listed ? null : leaves)),
    [[0], null, [1]],
  )
  const times = (await kept()).map(({ time }) => world.clock.now - time)
  assert.equal(times, [3, 1, 0])

  let busy = 0
  for (let set = 1; set < 512 && busy === 0; set++) {
    const leaves = Array.from({ length: 9 }, (_, leaf) => leaf).filter(leaf => (set >> leaf) & 1)
    if ((await read(world, session, held, leaves).rest()).at(-1) === 'busy') busy = set
  }
  // [0] is the first of its kind and does not count.
  assert.is(busy, 258)
  assert.is((await read(world, session, held, [0]).rest()).at(-1), 'end')
  assert.is((await read(world, session, other, [0]).rest()).at(-1), 'end')
  assert.is((await kept()).length, 256 + 3)
})

test('receipts are paged from where the last page ended, and rightly from anywhere', async () => {
  await using world = await CustodianWorld.open()
  const level = world.custody.sublevel('folders')
  let seen = 0
  const counting = {
    ...level,
    get: level.get.bind(level),
    batch: level.batch.bind(level),
    iterator: async function* (range?: Parameters<typeof level.iterator>[0]) {
      for await (const entry of level.iterator(range)) {
        seen++
        yield entry
      }
    },
  } as typeof level
  const receipts = new ReleaseReceipts(counting)
  const signature = new Uint8Array(64)
  for (let i = 0; i < 100; i++) await receipts.keep(world.folder, 1000 + i, { receipt: Uint8Array.of(i), signature })
  const all: number[] = []
  for (let more = true; more; ) {
    const page = await receipts.page(world.folder, all.length, 10)
    all.push(...page.receipts.map(({ receipt }) => receipt[0] as number))
    more = page.more
  }
  assert.equal(
    all,
    Array.from({ length: 100 }, (_, i) => i),
  )
  assert.ok(seen <= 110, `${seen} entries were read`)
  for (const from of [5, 93, 40, 41, 100, 1000]) {
    const page = await receipts.page(world.folder, from, 3)
    assert.equal(
      page.receipts.map(({ receipt }) => receipt[0]),
      all.slice(from, from + 3),
    )
    assert.is(page.more, from + 3 < 100)
  }
})

test('whoever opens a stream and says nothing loses it after five seconds', async () => {
  await using world = await CustodianWorld.open()
  const uploads = uploadsOf(world)
  for (const server of [service(world), uploads]) {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const channel = new SlowChannel(PEER, [], { until: new Promise(() => undefined) })
      const served = server.serve(channel)
      mock.timers.tick(4_999)
      assert.is(channel.aborted, undefined)
      mock.timers.tick(1)
      await served
      assert.ok(channel.aborted)
    } finally {
      mock.timers.reset()
    }
  }
})

test('uploads at the same time do not share the room that is left', async () => {
  await using world = await CustodianWorld.open()
  const { submissions } = world
  const uploads = uploadsOf(world, { stagedQuotaBytes: 1000 })
  /** Begins an upload of which 600 bytes belong here; it waits for the versions until it is let go. */
  const start = (name: string) => {
    const { ticket, signature, index } = world.ticket(seedOf(name), 1200)
    const frame = uploadFrameCodec.encode({ type: 'start', value: { ticket, signature, index, token: seedOf(`token ${name}`) } })
    const held = Promise.withResolvers<void>()
    const channel = new SlowChannel(PEER, [frame], { until: held.promise })
    const served = uploads.serve(channel)
    void served.finally(() => channel.end())
    return { channel, served, leave: held.resolve }
  }
  const { sponsor } = world
  const first = start('first')
  await eventually(() => submissions.usageOf(sponsor).stagedBytes === 600, 'the first upload has its room')
  const second = start('second')
  const refusal = uploadReplyCodec.decode((await second.channel.take()) as Uint8Array)
  assert.is(refusal.type === 'error' ? new TextDecoder().decode(refusal.value.code) : refusal.type, 'quota-exceeded')
  await second.served
  assert.is(submissions.usageOf(sponsor).stagedBytes, 600)
  first.leave()
  await first.served
  assert.is(submissions.usageOf(sponsor).stagedBytes, 0)
  const third = start('third')
  await eventually(() => submissions.usageOf(sponsor).stagedBytes === 600, 'the third upload has its room')
  third.leave()
  await third.served
})

test.run()
