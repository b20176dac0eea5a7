/** Joining by a snapshot from peers of whom some lie. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nextLogHead } from '../../src/contracts/access-formats.ts'
import { logHeads, logItemId } from '../../src/contracts/log-rules.ts'
import { genesisChanges, genesisHeader } from '../../src/contracts/members.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { ChainGenerations } from '../../src/ledger/chain-generations.ts'
import { openChainStore } from '../../src/ledger/chain-store.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { chunkCodec } from '../../src/ledger/snapshot.ts'
import { SnapshotStore } from '../../src/ledger/snapshot-store.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import type { Network } from '../../src/network/network.ts'
import {
  headsCodec,
  type SnapshotRequest,
  snapshotChunkCodec,
  snapshotListCodec,
  snapshotRequestCodec,
} from '../../src/network/validator-messages.ts'
import { Chain } from '../../src/node/chain.ts'
import { SnapshotJoin } from '../../src/node/snapshot-join.ts'
import { SnapshotService } from '../../src/node/snapshot-service.ts'
import { genesisOf, nodeKeys } from './cluster.ts'
import { certify, consensusKeys, createFolder, nextBlock, openTestChain, type TestChain, temporary } from './ledger-fixture.ts'

const test = suite('snapshot join')
const shared = temporary()
let from: Source
test.before(async () => {
  from = await source(shared.dir)
})
test.after(async () => {
  await from[Symbol.asyncDispose]()
  shared[Symbol.dispose]()
})
const genesis = genesisOf()
const HEIGHT = 12
const HOUR_MS = 60 * 60 * 1000
const changes = genesisChanges(genesis)
const founding = { genesisHeader: genesisHeader(genesis, StateTree.empty().apply(changes).root), genesisChanges: changes }
const logRules = { itemId: logItemId, nextHead: nextLogHead, heads: logHeads }
const signal = new AbortController().signal

type Answer = (request: SnapshotRequest) => Promise<Uint8Array>

/** Answers as an honest node with this chain and these snapshots does. */
async function honestAnswer(chain: Chain, snapshots: SnapshotStore): Promise<Answer> {
  let answer: ((bytes: Uint8Array, context: { peer: Uint8Array }) => Promise<Uint8Array>) | undefined
  const network = {
    handle: async (_protocol: string, _policy: string, handler: typeof answer) => {
      answer = handler
    },
    report: () => undefined,
  } as unknown as Network
  await new SnapshotService({ chain, network, snapshots }).start()
  return async request => (await answer?.(snapshotRequestCodec.encode(request), { peer: new Uint8Array(32) })) as Uint8Array
}

interface Source extends AsyncDisposable {
  chain: Chain
  honest: Answer
  snapshots: SnapshotStore
  last: Transaction
}

/** A chain of some chunks of state, with a pause of two hours in the middle, and the snapshot of its tip. */
async function source(dir: string): Promise<Source> {
  const opened: TestChain = await openTestChain(`${dir}/source`, genesis)
  const { chain } = opened
  let last = createFolder(chain, 'first')
  for (let height = 1; height <= HEIGHT; height++) {
    const pause = height === 7 ? 2 * HOUR_MS : 1000
    last = createFolder(chain, `last ${height}`, { validUntil: chain.tip.header.time + pause + 30 * 60_000 })
    const others = height === 7 ? [] : Array.from({ length: 150 }, (_, i) => createFolder(chain, `${height} ${i}`))
    await chain.accept(nextBlock(chain, [...others, last], pause))
  }
  const store = await openLevelStore(`${dir}/snapshots`)
  const snapshots = await SnapshotStore.open(store)
  await snapshots.write(chain.snapshotSource(), { signal })
  return {
    chain,
    snapshots,
    last,
    honest: await honestAnswer(chain, snapshots),
    [Symbol.asyncDispose]: async () => {
      await store.close()
      await opened[Symbol.asyncDispose]()
    },
  }
}

interface Joiner extends AsyncDisposable {
  chain: Chain
  generations: ChainGenerations
  reports: string[]
  /** Requests by kind and peer. */
  asked: string[]
  run(peers: Record<string, Answer>, weights?: Record<string, number>): Promise<boolean>
}

async function joiner(dir: string): Promise<Joiner> {
  const root = await openLevelStore(dir)
  const generations = await ChainGenerations.open(root)
  const chain = await Chain.open(genesis, await openChainStore(generations.current, founding), root.sublevel('validator-sets'))
  const reports: string[] = []
  const asked: string[] = []
  const silent = () => undefined
  return {
    chain,
    generations,
    reports,
    asked,
    run: async (peers, weights = {}) => {
      const named = Object.entries(peers).map(([name, answer], index) => ({ name, answer, key: nodeKeys(index).network.publicKey }))
      const nameOf = (key: Uint8Array) => named.find(peer => equalBytes(peer.key, key)) as (typeof named)[number]
      const network = {
        peers: () => named.map(({ key }) => ({ networkKey: key, member: true, connected: true })),
        report: (peer: Uint8Array, offence: string) => reports.push(`${nameOf(peer).name}: ${offence}`),
        request: async (key: Uint8Array, _protocol: string, bytes: Uint8Array) => {
          const request = snapshotRequestCodec.decode(bytes)
          asked.push(`${nameOf(key).name} ${request.type}`)
          await new Promise(resolve => setImmediate(resolve))
          return await nameOf(key).answer(request)
        },
      } as unknown as Network
      const logger = { debug: silent, info: silent, warn: silent, error: silent }
      const join = new SnapshotJoin({ chain, network, generations, genesis: founding, logRules, logger })
      const tip = await join.run({ minGain: 1, weightOf: key => weights[nameOf(key).name] ?? 1, signal })
      return tip !== undefined
    },
    [Symbol.asyncDispose]: async () => await root.close(),
  }
}

/** An honest peer but for some answers. */
const but = (
  honest: Answer,
  changed: (request: SnapshotRequest, answer: () => Promise<Uint8Array>) => Promise<Uint8Array> | undefined,
): Answer => {
  return async request => await (changed(request, async () => await honest(request)) ?? honest(request))
}

/** A peer with a snapshot of its own making: another value in one leaf. */
async function forger({ chain }: Source, dir: string): Promise<{ answer: Answer } & AsyncDisposable> {
  const store = await openLevelStore(dir)
  const snapshots = await SnapshotStore.open(store)
  const real = chain.snapshotSource()
  const tree = real.tree.apply([{ key: Uint8Array.of(0xff), value: Uint8Array.of(2) }])
  await snapshots.write({ ...real, tree }, { signal })
  return { answer: await honestAnswer(chain, snapshots), [Symbol.asyncDispose]: async () => await store.close() }
}

test('a newcomer has the state, the headers and the last hour, and judges replays like everybody', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  assert.ok((from.snapshots.manifest(HEIGHT)?.chunks.length ?? 0) >= 2)
  assert.is(await to.run({ a: from.honest, b: from.honest }), true)
  assert.equal(to.reports, [])
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
  assert.is(to.chain.store.base, 7)
  const time = from.chain.tip.header.time + 1
  assert.is(to.chain.seen.has(from.last.id, time), true)
  assert.is(to.chain.seen.has(createFolder(from.chain, 'never seen').id, time), false)
  // Both peers gave chunks.
  assert.ok(to.asked.includes('a chunk') && to.asked.includes('b chunk'))
  // It goes on from there, and hands on all that it has.
  const next = nextBlock(from.chain, [createFolder(from.chain, 'next')])
  await to.chain.accept(next)
  assert.is(to.chain.tip.header.height, HEIGHT + 1)
  assert.equal((await to.chain.store.header(3))?.header, (await from.chain.store.header(3))?.header)
})

test('nobody offers anything: nothing happens', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const empty = but(from.honest, request =>
    request.type === 'list' ? Promise.resolve(snapshotListCodec.encode({ snapshots: [] })) : undefined,
  )
  assert.is(await to.run({ empty }), false)
  assert.is(to.chain.tip.header.height, 0)
})

test('a peer that gives a wrong chunk is reported, and others give it', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const liar = but(from.honest, (request, answer) =>
    request.type === 'chunk'
      ? answer().then(bytes => {
          const { chunk } = snapshotChunkCodec.decode(bytes)
          chunk[100] = (chunk[100] as number) ^ 1
          return snapshotChunkCodec.encode({ chunk })
        })
      : undefined,
  )
  assert.is(await to.run({ liar, honest: from.honest }), true)
  assert.ok(to.reports.length >= 1 && to.reports.every(report => report === 'liar: lie'), to.reports.join())
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
})

test('a snapshot of another state is found out whoever vouches for it, and the next one is taken', async () => {
  using place = temporary()
  await using lying = await forger(from, `${place.dir}/forged`)
  await using to = await joiner(`${place.dir}/joiner`)
  assert.is(await to.run({ liar: lying.answer, honest: from.honest }, { liar: 10 }), true)
  assert.equal(to.reports, ['liar: lie'])
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
  assert.equal(to.chain.tip.tree.root, from.chain.tip.header.stateRoot)
})

test('headers without a quorum and blocks that are not those of their headers are lies', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const liar = but(from.honest, (request, answer) => {
    if (request.type === 'heads') {
      return answer().then(bytes => {
        const { heads, sets } = headsCodec.decode(bytes)
        return headsCodec.encode({ heads: heads.map(({ header }) => ({ header, certificate: certify(header, consensusKeys(2)) })), sets })
      })
    }
    // The blocks of other heights than were asked for.
    return request.type === 'blocks' ? from.honest({ type: 'blocks', value: { from: 1, limit: 3 } }) : undefined
  })
  assert.is(await to.run({ liar, honest: from.honest }), true)
  assert.ok(to.reports.length === 2 && to.reports.every(report => report === 'liar: lie'), to.reports.join())
})

test('what was gathered stays: the next attempt asks for the rest alone', async () => {
  using place = temporary()
  const failing = but(from.honest, request =>
    request.type === 'chunk' && request.value.index > 0 ? Promise.reject(new EpioneError('unreachable', 'gone')) : undefined,
  )
  {
    await using first = await joiner(`${place.dir}/joiner`)
    assert.is(await first.run({ failing }), false)
    assert.is(first.chain.tip.header.height, 0)
  }
  await using second = await joiner(`${place.dir}/joiner`)
  assert.is(second.chain.tip.header.height, 0, 'nothing shows before all is there')
  assert.is(await second.run({ honest: from.honest }), true)
  const chunks = (from.snapshots.manifest(HEIGHT)?.chunks.length ?? 0) - 1
  assert.is(second.asked.filter(line => line === 'honest chunk').length, chunks)
  assert.is(second.asked.filter(line => line === 'honest heads').length, 0)
})

test('a stop before the last mark leaves the old chain, and the next attempt needs no peer for the rest', async () => {
  using place = temporary()
  {
    await using first = await joiner(`${place.dir}/joiner`)
    first.generations.switchToCandidate = async () => {
      throw new EpioneError('store-unavailable', 'The power fails here.')
    }
    assert.is(await first.run({ honest: from.honest }), false)
    assert.is(first.chain.tip.header.height, 0)
  }
  {
    await using second = await joiner(`${place.dir}/joiner`)
    assert.is(second.chain.tip.header.height, 0)
    assert.is(await second.run({ honest: from.honest }), true)
    assert.equal(second.asked, ['honest list'])
    assert.is(second.chain.tip.header.height, HEIGHT)
    await second.generations.clearFormer()
  }
  await using third = await joiner(`${place.dir}/joiner`)
  assert.is(third.chain.tip.header.height, HEIGHT)
  assert.is(third.chain.seen.has(from.last.id, from.chain.tip.header.time + 1), true)
})

test('a node with a chain of its own keeps its headers and takes the rest from others', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  for (let height = 1; height <= 3; height++) {
    const block = await from.chain.store.block(height)
    if (block !== undefined) await to.chain.accept(block)
  }
  assert.is(await to.run({ a: from.honest }), true)
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
  assert.equal((await to.chain.store.header(2))?.certificate, (await from.chain.store.header(2))?.certificate)
})

test('the chunks of a snapshot hold leaves in order, and decode as they were', async () => {
  let leaves = 0
  for (let index = 0; index < (from.snapshots.manifest(HEIGHT)?.chunks.length ?? 0); index++) {
    leaves += chunkCodec.decode((await from.snapshots.chunk(HEIGHT, index)) as Uint8Array).leaves.length
  }
  assert.is(leaves, from.chain.tip.tree.size)
})

test.run()
