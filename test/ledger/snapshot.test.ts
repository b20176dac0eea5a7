/** Snapshots: the same on every node, checked piece by piece, installed whole or not at all. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { concat, equalBytes, toHex, u32, utf8 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { receiptsRoot, transactionsRoot } from '../../src/ledger/block.ts'
import { ChainGenerations } from '../../src/ledger/chain-generations.ts'
import { type ChainStore, openChainStore } from '../../src/ledger/chain-store.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import {
  chunkCodec,
  chunkHash,
  MAX_CHUNK_BYTES,
  manifestCodec,
  manifestId,
  type SnapshotManifest,
  snapshotChunks,
} from '../../src/ledger/snapshot.ts'
import { type LogRules, SnapshotInstaller } from '../../src/ledger/snapshot-install.ts'
import { SnapshotStore } from '../../src/ledger/snapshot-store.ts'
import type { StateTree } from '../../src/ledger/state-tree.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { type SeededRandom, seededRandom } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesis, nextBlock, STREAM } from './chain-fixture.ts'

const snapshots = suite<{ dir: string; open: KeyValueStore[] }>('snapshots')
const signal = new AbortController().signal

snapshots.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-snapshot-'))
  context.open = []
})
snapshots.after.each(async context => {
  for (const store of context.open) await store.close()
  rmSync(context.dir, { recursive: true })
})

/** Made-up logs: an item's id is its hash, and the state holds count and head under the stream. */
const rules: LogRules = {
  itemId: (_stream, body) => sha256(body),
  nextHead: (head, id) => sha256(concat(head, id)),
  heads: function* (tree: StateTree) {
    for (const [stream, value] of tree.entries(Uint8Array.of(0x40))) {
      yield { stream, count: new DataView(value.buffer, value.byteOffset).getUint32(0), head: value.slice(4) }
    }
  },
}

const author = signingKeyFromSeed(sha256(utf8('author')))

/** A chain with real transactions, logs that the state commits to, and a state of several chunks. */
async function grow(chain: ChainStore, blocks: number, random: SeededRandom): Promise<void> {
  for (let i = 0; i < blocks; i++) {
    const height = chain.tip().header.height + 1
    const streams = [STREAM, STREAM.map(byte => byte ^ (byte === 0x40 ? 0 : 1))]
    const changes = [
      { key: utf8('counter'), value: u32(height) },
      { key: concat(Uint8Array.of(0x20), random.bytes(32)), value: random.bytes(200_000) },
    ]
    const logItems = streams.map(stream => {
      const before = chain.tip().tree.get(stream) ?? new Uint8Array(36)
      const body = random.bytes(40)
      const count = new DataView(before.buffer, before.byteOffset).getUint32(0)
      const head = rules.nextHead(before.slice(4), rules.itemId(stream, body))
      changes.push({ key: stream, value: concat(u32(count + 1), head) })
      return { stream, index: count, id: rules.itemId(stream, body), body }
    })
    const transaction = createTransaction(
      {
        chainId: genesis.genesisHeader.chainId,
        from: { kind: 'account', id: sha256(utf8('a')) },
        validUntil: chain.tip().header.time + 1000,
        nonce: random.bytes(16),
        contract: 'folders',
        action: 'create',
        body: new Uint8Array(3),
        sponsor: null,
      },
      author,
    )
    const input = nextBlock(chain, { names: ['x'], changes, logItems })
    const transactions = [transaction.bytes]
    const receipts = [receiptCodec.encode({ transaction: transaction.id, code: 'ok', events: [] })]
    const header = { ...input.block.header, transactionsRoot: transactionsRoot(transactions), receiptsRoot: receiptsRoot(receipts) }
    const certificate = { height, round: 0, block: headerHash(header), signatures: [] }
    await chain.commit({ ...input, block: { header, transactions, certificate }, receipts, transactionIds: [transaction.id] })
  }
}

interface Source {
  chain: ChainStore
  made: SnapshotStore
  manifest: SnapshotManifest
}

async function source({ dir, open }: { dir: string; open: KeyValueStore[] }): Promise<Source> {
  const store = await openLevelStore(join(dir, 'source'))
  const own = await openLevelStore(join(dir, 'made'))
  open.push(store, own)
  const chain = await openChainStore(store, genesis)
  await grow(chain, 20, seededRandom(3))
  const made = await SnapshotStore.open(own)
  const { header, hash, tree } = chain.tip()
  const manifest = await made.write({ height: header.height, block: hash, tree, logItems: chain.allLogItems() }, { signal })
  return { chain, made, manifest }
}

async function copyHeads(installer: SnapshotInstaller, chain: ChainStore): Promise<void> {
  for (let height = installer.newest.header.height + 1; height <= chain.tip().header.height; height++) {
    const head = await chain.header(height)
    if (head !== undefined) await installer.copyHeads([head])
  }
}

async function copyBlocks(installer: SnapshotInstaller, chain: ChainStore): Promise<void> {
  const { from, to } = await installer.neededBlocks()
  for (let height = from; height <= to; height++) {
    const block = await chain.block(height)
    if (block !== undefined) await installer.putBlock(height, block.transactions, await chain.receipts(height))
  }
}

const chunkOf = async ({ made, manifest }: Source, index: number): Promise<Uint8Array> =>
  (await made.chunk(manifest.height, index)) as Uint8Array

snapshots('the same height gives the same chunks, each within its bound', async context => {
  const { chain, manifest, made } = await source(context)
  assert.ok(manifest.chunks.length >= 4)
  const again: string[] = []
  for await (const chunk of snapshotChunks(chain.tip().tree, chain.allLogItems())) {
    assert.ok(chunk.length <= MAX_CHUNK_BYTES)
    again.push(toHex(chunkHash(chunk)))
  }
  assert.equal(again, manifest.chunks.map(toHex))
  assert.equal(manifestId(manifestCodec.decode(manifestCodec.encode(manifest))), manifestId(manifest))
  await made.drop(20)
  assert.equal(made.heights(), [20])
  await made.drop(21)
  assert.equal(made.heights(), [])
  assert.is(await made.chunk(20, 0), undefined)
})

snapshots('what was gathered stays over a restart; the installed chain is whole, and grows', async context => {
  const from = await source(context)
  const place = join(context.dir, 'joiner')
  const root = await openLevelStore(place)
  const generations = await ChainGenerations.open(root)
  await openChainStore(generations.current, genesis)
  const first = await SnapshotInstaller.open(generations.candidate, genesis, rules)
  await copyHeads(first, from.chain)
  await first.begin(from.manifest)
  await first.putChunk(1, await chunkOf(from, 1))
  await root.close()

  const reopened = await openLevelStore(place)
  context.open.push(reopened)
  const again = await ChainGenerations.open(reopened)
  // Nothing of it shows as long as it is not whole.
  assert.is((await openChainStore(again.current, genesis)).tip().header.height, 0)
  const installer = await SnapshotInstaller.open(again.candidate, genesis, rules)
  assert.is(installer.newest.header.height, 20)
  assert.equal(
    installer.missing(),
    [...from.manifest.chunks.keys()].filter(index => index !== 1),
  )
  await rejectsCode(installer.finish(), 'wrong-snapshot')
  for (const index of installer.missing()) await installer.putChunk(index, await chunkOf(from, index))
  await copyBlocks(installer, from.chain)
  await installer.finish()
  await again.switchToCandidate()
  const joined = await openChainStore(again.current, genesis)
  assert.equal(joined.tip().hash, from.chain.tip().hash)
  assert.is(joined.base, 1)
  assert.equal(await joined.block(7), await from.chain.block(7))
  const id = sha256((await from.chain.logItems(STREAM, 3, 1))[0] as Uint8Array)
  assert.equal(await joined.logItemById(id), (await from.chain.logItems(STREAM, 3, 1))[0])
  await grow(joined, 1, seededRandom(9))
  await again.clearFormer()
  assert.is((await openChainStore((await ChainGenerations.open(reopened)).current, genesis)).tip().header.height, 21)
})

snapshots(
  'a finished chain that was never taken is none any more once headers above it came; crashes change nothing in that',
  async context => {
    const from = await source(context)
    const place = join(context.dir, 'joiner')
    let store = await openLevelStore(place)
    const again = async (): Promise<SnapshotInstaller> => {
      await store.close()
      store = await openLevelStore(place)
      return await SnapshotInstaller.open(store, genesis, rules)
    }
    const install = async (installer: SnapshotInstaller, { manifest, made, chain }: Source): Promise<void> => {
      await installer.begin(manifest)
      for (const index of installer.missing()) await installer.putChunk(index, (await made.chunk(manifest.height, index)) as Uint8Array)
      await copyBlocks(installer, chain)
      await installer.finish()
    }
    const first = await SnapshotInstaller.open(store, genesis, rules)
    await copyHeads(first, from.chain)
    await install(first, from)
    // The first crash, before the chain is taken; and a newer snapshot, of which the second crash leaves the headers alone.
    const second = await again()
    assert.is(second.whole, true)
    await grow(from.chain, 2, seededRandom(4))
    await copyHeads(second, from.chain)
    assert.is(second.whole, false)
    const third = await again()
    assert.is(third.newest.header.height, 22)
    assert.is(third.whole, false)
    const { header, hash, tree } = from.chain.tip()
    const newer = await from.made.write({ height: header.height, block: hash, tree, logItems: from.chain.allLogItems() }, { signal })
    await install(third, { ...from, manifest: newer })
    assert.is((await again()).whole, true)
    assert.equal((await openChainStore(store, genesis)).tip().hash, hash)
    await store.close()
  },
)

snapshots('a chunk of another snapshot, and blocks that are not those of their headers, are refused', async context => {
  const from = await source(context)
  const store = await openLevelStore(join(context.dir, 'joiner'))
  context.open.push(store)
  const installer = await SnapshotInstaller.open(store, genesis, rules)
  await rejectsCode(installer.begin(from.manifest), 'wrong-snapshot')
  await copyHeads(installer, from.chain)
  await rejectsCode(installer.begin({ ...from.manifest, block: sha256(utf8('another')) }), 'wrong-snapshot')
  await installer.begin(from.manifest)
  const good = await chunkOf(from, 0)
  const flipped = Uint8Array.from(good)
  flipped[500] = (flipped[500] as number) ^ 1
  await rejectsCode(installer.putChunk(0, flipped), 'wrong-chunk')
  await rejectsCode(installer.putChunk(1, good), 'wrong-chunk')
  await rejectsCode(installer.putChunk(99_999, good), 'wrong-chunk')
  const block = await from.chain.block(5)
  const receipts = await from.chain.receipts(5)
  await rejectsCode(installer.putBlock(5, [], []), 'wrong-block')
  await rejectsCode(installer.putBlock(6, block?.transactions ?? [], receipts), 'wrong-block')
  await rejectsCode(installer.putBlock(5, block?.transactions ?? [], [new Uint8Array(3)]), 'wrong-block')
})

/** The manifest and chunks of a snapshot of which somebody changed the content. */
function forged(chunks: readonly Uint8Array[], manifest: SnapshotManifest): SnapshotManifest {
  return { ...manifest, chunks: chunks.map(chunkHash) }
}

snapshots('a manifest whose chunks amount to another state, or to other logs, is found out', async context => {
  const from = await source(context)
  const store = await openLevelStore(join(context.dir, 'joiner'))
  context.open.push(store)
  const installer = await SnapshotInstaller.open(store, genesis, rules)
  await copyHeads(installer, from.chain)
  const chunks = await Promise.all([...from.manifest.chunks.keys()].map(async index => await chunkOf(from, index)))
  const decoded = chunks.map(chunk => chunkCodec.decode(chunk))
  const last = decoded.length - 1
  const change = (index: number, by: Partial<(typeof decoded)[number]>): Uint8Array[] =>
    chunks.map((chunk, i) => (i === index ? chunkCodec.encode({ ...(decoded[i] as (typeof decoded)[number]), ...by }) : chunk))
  const items = decoded[last]?.items ?? []
  const lies = {
    'a leaf is missing': change(0, { leaves: decoded[0]?.leaves.slice(1) ?? [] }),
    'a leaf has another value': change(0, {
      leaves: (decoded[0]?.leaves ?? []).map((leaf, i) => (i === 1 ? { ...leaf, value: u32(9) } : leaf)),
    }),
    'an item is missing': change(last, { items: items.slice(0, -1) }),
    'the first item is missing': change(last, { items: items.slice(1) }),
    'an item is another': change(last, { items: items.map((item, i) => (i === 0 ? { ...item, body: u32(1) } : item)) }),
    'an item too many': change(last, { items: [...items, { stream: STREAM, index: 20, body: u32(1) }] }),
    'a log too many': change(last, { items: [...items, { stream: utf8('log'), index: 0, body: u32(1) }] }),
    'no chunk at all': [new Uint8Array(4)],
  }
  for (const [name, lie] of Object.entries(lies)) {
    await installer.begin(forged(lie, from.manifest))
    const install = async (): Promise<void> => {
      for (const [index, chunk] of lie.entries()) await installer.putChunk(index, chunk)
      await installer.finish()
    }
    try {
      await install()
      assert.unreachable(name)
    } catch (error) {
      assert.is((error as { code?: string }).code, 'wrong-snapshot', name)
    }
  }
  // The headers were kept, and the true snapshot is installed after all.
  await installer.begin(from.manifest)
  for (const [index, chunk] of chunks.entries()) await installer.putChunk(index, chunk)
  await copyBlocks(installer, from.chain)
  await installer.finish()
  const { tree } = (await openChainStore(store, genesis)).tip()
  assert.ok(equalBytes(tree.root, from.chain.tip().tree.root))
})

snapshots.run()
