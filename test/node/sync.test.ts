/** Catching up from peers of whom some lie. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { blockCodec } from '../../src/ledger/block.ts'
import type { Network } from '../../src/network/network.ts'
import { syncRequestCodec, syncResponseCodec } from '../../src/network/validator-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import type { PeerStatus } from '../../src/node/peer-status.ts'
import { SyncService } from '../../src/node/sync.ts'
import { eventually, genesisOf, nodeKeys } from './cluster.ts'
import { certify, consensusKeys, createFolder, nextBlock, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('sync')
const genesis = genesisOf()
const HEIGHT = 40

/** A peer: what it claims, and what it answers to a range. */
interface FakePeer {
  height: number
  base?: number
  answer: (from: number, limit: number, signal: AbortSignal) => Uint8Array[] | Promise<Uint8Array[]>
}

interface World {
  own: Chain
  blocks: Uint8Array[]
  sync: SyncService
  reports: string[]
  asked: Record<string, number>
  synced: number[]
}

/** A node without a past among peers; those without a name of their own answer honestly. */
async function world(make: (blocks: Uint8Array[]) => Record<string, FakePeer>, run: (world: World) => Promise<void>): Promise<void> {
  using behind = temporary()
  using ahead = temporary()
  await using own = await openTestChain(behind.dir, genesis)
  await using theirs = await openTestChain(ahead.dir, genesis)
  const blocks: Uint8Array[] = []
  for (let height = 1; height <= HEIGHT; height++) {
    const block = nextBlock(theirs.chain, height % 10 === 0 ? [createFolder(theirs.chain, `${height}`)] : [])
    await theirs.chain.accept(block)
    blocks.push(blockCodec.encode(block))
  }
  const peers = Object.entries(make(blocks)).map(([name, peer], index) => ({ name, ...peer, key: nodeKeys(index).network.publicKey }))
  const nameOf = (key: Uint8Array) => peers.find(peer => equalBytes(peer.key, key)) as (typeof peers)[number]
  const reports: string[] = []
  const asked: Record<string, number> = {}
  const synced: number[] = []
  const network = {
    handle: async () => undefined,
    subscribe: () => undefined,
    onPeer: () => () => undefined,
    peers: () => peers.map(({ key }) => ({ networkKey: key, member: true, connected: true })),
    report: (peer: Uint8Array, offence: string) => reports.push(`${nameOf(peer).name}: ${offence}`),
    request: async (key: Uint8Array, _protocol: string, request: Uint8Array, { signal }: { signal: AbortSignal }) => {
      const peer = nameOf(key)
      asked[peer.name] = (asked[peer.name] ?? 0) + 1
      // Gives the event loop back, so that an endless exchange ends this test and not the machine.
      await new Promise(resolve => setImmediate(resolve))
      const { from, limit } = syncRequestCodec.decode(request)
      return syncResponseCodec.encode({ blocks: await peer.answer(from, limit, signal) })
    },
  } as unknown as Network
  const statusOf = ({ key, height, base = 1 }: (typeof peers)[number]): PeerStatus => ({
    networkKey: key,
    height,
    tip: key,
    base,
    silentThrough: -1,
    ageMs: 0,
    rttMs: 1,
    clock: null,
  })
  const silent = () => undefined
  const sync = new SyncService(
    { plan: { rangeBlocks: 8, slowMs: 100 } },
    {
      chain: own.chain,
      network,
      logger: { debug: silent, info: silent, warn: silent, error: silent },
      peerStatus: { all: () => peers.map(statusOf), ask: async key => statusOf(nameOf(key)), onStatus: () => () => undefined },
      nodeOf: key => [0, 1, 2, 3].map(nodeKeys).find(({ consensus }) => equalBytes(consensus.publicKey, key))?.network.publicKey,
      onSynced: async tip => {
        synced.push(tip.header.height)
      },
    },
  )
  await sync.start()
  try {
    await run({ own: own.chain, blocks, sync, reports, asked, synced })
  } finally {
    await sync.stop()
  }
}

const honest = (blocks: Uint8Array[]): FakePeer => ({
  height: HEIGHT,
  answer: (from, limit) => blocks.slice(from - 1, from - 1 + limit),
})

/** Lets the node catch up among these peers, and gives who was reported. */
async function catchesUp(
  make: (blocks: Uint8Array[]) => Record<string, FakePeer>,
): Promise<{ reports: string[]; asked: Record<string, number> }> {
  let result: { reports: string[]; asked: Record<string, number> } | undefined
  await world(make, async ({ own, sync, reports, asked, synced }) => {
    sync.catchUp()
    await eventually(() => own.tip.header.height === HEIGHT, 'the node has caught up')
    await eventually(() => synced.at(-1) === HEIGHT, 'consensus was told')
    result = { reports, asked }
  })
  return result as NonNullable<typeof result>
}

test('blocks come from several peers at once', async () => {
  const { reports, asked } = await catchesUp(blocks => ({ a: honest(blocks), b: honest(blocks), c: honest(blocks) }))
  assert.equal(reports, [])
  assert.ok((asked.a ?? 0) > 0 && (asked.b ?? 0) > 0 && (asked.c ?? 0) > 0)
})

test('a peer that claims a height and repeats an old block is reported, and an honest one is asked', async () => {
  const { reports, asked } = await catchesUp(blocks => ({
    liar: { height: 1_000_000, answer: () => blocks.slice(0, 1) },
    honest: honest(blocks),
  }))
  // Its first range may have begun with just that block; what it is asked for next shows it.
  assert.equal([...new Set(reports)], ['liar: lie'])
  assert.ok((asked.liar ?? 0) <= 3, `the liar was asked ${asked.liar} times`)
})

test('a peer that answers with nothing loses its ranges', async () => {
  const { asked } = await catchesUp(blocks => ({ empty: { height: 500, answer: () => [] }, honest: honest(blocks) }))
  assert.ok((asked.empty ?? 0) <= 2)
})

test('a peer that never answers does not hold up the others', async () => {
  const { reports } = await catchesUp(blocks => ({
    silent: {
      height: HEIGHT,
      answer: async (_from, _limit, signal) =>
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new EpioneError('aborted', 'stopped')))),
    },
    honest: honest(blocks),
  }))
  assert.equal(reports, [])
})

test('a block with a true certificate and other transactions is a lie, not a difference in execution', async () => {
  const { reports } = await catchesUp(blocks => ({
    liar: {
      height: HEIGHT,
      answer: (from, limit) =>
        blocks
          .slice(from - 1, from - 1 + limit)
          .map(bytes => blockCodec.encode({ ...blockCodec.decode(bytes), transactions: [Uint8Array.of(1)] })),
    },
    honest: honest(blocks),
  }))
  assert.equal([...new Set(reports)], ['liar: lie'])
})

test('a block whose certificate lacks a quorum, or is none, is a lie', async () => {
  for (const certificate of [true, false]) {
    const { reports } = await catchesUp(blocks => ({
      liar: {
        height: HEIGHT,
        answer: (from, limit) =>
          blocks.slice(from - 1, from - 1 + limit).map(bytes => {
            const block = blockCodec.decode(bytes)
            return blockCodec.encode({ ...block, certificate: certificate ? certify(block.header, consensusKeys(2)) : null })
          }),
      },
      honest: honest(blocks),
    }))
    assert.equal([...new Set(reports)], ['liar: lie'])
  }
})

test('what a liar claims neither counts as the height of the network nor keeps the node syncing', async () => {
  await world(
    blocks => ({
      liar: { height: 2 ** 40, answer: () => [] },
      a: honest(blocks),
      b: honest(blocks),
    }),
    async ({ own, sync }) => {
      assert.is(sync.peerHeight, HEIGHT)
      sync.catchUp()
      await eventually(() => own.tip.header.height === HEIGHT && !sync.syncing, 'it caught up and is done')
      assert.is(sync.peerHeight, HEIGHT)
      const liar = sync.progress().find(({ claimed }) => claimed === 2 ** 40)
      assert.is(liar?.lastFault, 'empty')
      assert.ok(liar?.asideUntilMs !== null)
    },
  )
})

test('a block that consensus stores while it is on its way by synchronisation is stored once', async () => {
  await world(
    blocks => ({ a: honest(blocks) }),
    async ({ own, blocks, sync }) => {
      const heights: number[] = []
      own.onCommit(({ header }) => heights.push(header.height))
      sync.catchUp()
      for (const bytes of blocks) await own.accept(blockCodec.decode(bytes)).catch(() => undefined)
      await eventually(() => own.tip.header.height === HEIGHT, 'the node has caught up')
      assert.equal(
        heights,
        Array.from({ length: HEIGHT }, (_, i) => i + 1),
      )
    },
  )
})

test.run()
