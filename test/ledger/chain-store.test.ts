import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, toHex, u32, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { blockCodec } from '../../src/ledger/block.ts'
import type { Certificate } from '../../src/ledger/certificate.ts'
import { chainKey } from '../../src/ledger/chain-keys.ts'
import { bodyCodec, encodePlace, headCodec, outcomeCodec, sealRecord, tipCodec } from '../../src/ledger/chain-records.ts'
import { type ChainStore, openChainStore } from '../../src/ledger/chain-store.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { PROVABLE_ROOTS } from '../../src/ledger/limits.ts'
import type { KeyValueStore, StoreOperation } from '../../src/ledger/store.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { bytesOf, genesis, genesisChanges, genesisHeader, idOf, nextBlock, receiptOf, STREAM } from './chain-fixture.ts'

interface Context {
  dir: string
  store: KeyValueStore
  chain: ChainStore
}
const chains = suite<Context>('chain store')

chains.before.each(async context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-chain-'))
  context.store = await openLevelStore(context.dir)
  context.chain = await openChainStore(context.store, genesis)
})
chains.after.each(async context => {
  await context.chain.close()
  rmSync(context.dir, { recursive: true })
})

async function reopen(context: Context, options = genesis): Promise<ChainStore> {
  await context.chain.close()
  context.store = await openLevelStore(context.dir)
  try {
    context.chain = await openChainStore(context.store, options)
  } finally {
    if (context.chain === undefined) await context.store.close()
  }
  return context.chain
}

async function grow(chain: ChainStore, blocks: number): Promise<void> {
  for (let i = 0; i < blocks; i++) await chain.commit(nextBlock(chain))
}

async function collect(items: AsyncIterable<Uint8Array>): Promise<string[]> {
  const out: string[] = []
  for await (const item of items) out.push(toHex(item))
  return out
}

chains('begins with genesis', async ({ chain }) => {
  const { header, hash, tree, certificate } = chain.tip()
  assert.equal(header, genesisHeader)
  assert.equal(hash, headerHash(genesisHeader))
  assert.equal(tree.root, genesisHeader.stateRoot)
  assert.is(certificate, null)
  assert.equal(await chain.block(0), { header: genesisHeader, transactions: [], certificate: null })
  assert.is(await chain.block(1), undefined)
  assert.equal(await chain.receipts(0), [])
})

chains('what was committed is there, before and after reopening', async context => {
  const input = nextBlock(context.chain)
  await context.chain.commit(input)
  await grow(context.chain, 4)
  for (const again of [false, true]) {
    const chain = again ? await reopen(context) : context.chain
    const { header, tree, certificate } = chain.tip()
    assert.is(header.height, 5)
    assert.equal(tree.root, header.stateRoot)
    assert.equal(tree.get(utf8('counter')), u32(5))
    assert.is(certificate?.height, 5)
    assert.equal(await chain.block(1), input.block)
    assert.equal(blockCodec.decode(blockCodec.encode((await chain.block(3)) as typeof input.block)), await chain.block(3))
    assert.equal(await chain.header(1), { header: input.block.header, certificate: input.block.certificate })
    assert.equal(await chain.receipts(1), input.receipts)
    assert.equal(await chain.receipt(idOf('3b')), { height: 3, index: 1, receipt: receiptOf('3b') })
    assert.is(await chain.receipt(idOf('none')), undefined)
    for (const height of [-1, 6, 1.5, Number.NaN]) {
      assert.is(await chain.block(height), undefined)
      assert.is(await chain.header(height), undefined)
      assert.equal(await chain.receipts(height), [])
    }
  }
})

chains('the last roots stay provable, and after a restart the tip alone', async context => {
  await grow(context.chain, PROVABLE_ROOTS + 2)
  const tip = PROVABLE_ROOTS + 2
  assert.is(context.chain.treeAt(tip - PROVABLE_ROOTS), undefined)
  for (let height = tip - PROVABLE_ROOTS + 1; height <= tip; height++) {
    const stored = await context.chain.header(height)
    assert.equal(context.chain.treeAt(height)?.root, stored?.header.stateRoot)
  }
  const chain = await reopen(context)
  assert.is(chain.treeAt(tip - 1), undefined)
  assert.equal(chain.treeAt(tip)?.root, chain.tip().header.stateRoot)
})

chains('ids of the transactions since a time come in the order of the chain', async context => {
  await grow(context.chain, 4)
  const since = genesisHeader.time + 3000
  for (const again of [false, true]) {
    const chain = again ? await reopen(context) : context.chain
    assert.equal(
      await collect(chain.recentTransactionIds(since)),
      ['3a', '3b', '4a', '4b'].map(name => toHex(idOf(name))),
    )
    assert.is((await collect(chain.recentTransactionIds(0))).length, 8)
    assert.is((await collect(chain.recentTransactionIds(since + 10_000))).length, 0)
  }
})

chains('logs are read by position and by id, each for itself', async context => {
  await grow(context.chain, 3)
  const other = STREAM.map(byte => byte ^ 1)
  const longer = Uint8Array.from([...STREAM, 0])
  await context.chain.commit(
    nextBlock(context.chain, {
      logItems: [
        { stream: other, index: 0, id: idOf('x'), body: utf8('x') },
        { stream: longer, index: 0, id: idOf('y'), body: utf8('y') },
        { stream: STREAM, index: 4, id: idOf('z'), body: new Uint8Array(0) },
      ],
    }),
  )
  const chain = await reopen(context)
  assert.equal(await chain.logItems(STREAM, 0, 10), [utf8('item 1'), utf8('item 2'), utf8('item 3'), new Uint8Array(0)])
  assert.equal(await chain.logItems(STREAM, 2, 1), [utf8('item 2')])
  assert.equal(await chain.logItems(STREAM, 5, 1), [])
  assert.equal(await chain.logItems(STREAM, 0, 0), [])
  assert.equal(await chain.logItems(other, 0, 10), [utf8('x')])
  assert.equal(await chain.logItems(longer, 0, 10), [utf8('y')])
  assert.equal(await chain.logItems(new Uint8Array(0), 0, 10), [])
  assert.equal(await chain.logItemById(idOf('log 2')), utf8('item 2'))
  assert.is(await chain.logItemById(idOf('nothing')), undefined)
})

chains('a refused repetition does not hide what became of a transaction, but success shows', async ({ chain }) => {
  await chain.commit(nextBlock(chain, { names: ['once'] }))
  await chain.commit(nextBlock(chain, { names: ['once', 'late', 'late'], code: 'seen' }))
  assert.equal(await chain.receipt(idOf('once')), { height: 1, index: 0, receipt: receiptOf('once') })
  assert.equal(await chain.receipt(idOf('late')), { height: 2, index: 1, receipt: receiptOf('late', 'seen') })
  await chain.commit(nextBlock(chain, { names: ['late'] }))
  assert.equal(await chain.receipt(idOf('late')), { height: 3, index: 0, receipt: receiptOf('late') })
})

chains('refuses what is not the next block, and stays where it was', async ({ chain }) => {
  const input = nextBlock(chain)
  const { block } = input
  const { header, certificate } = block
  assert.ok(certificate)
  const wrong = [
    { ...input, block: { ...block, certificate: null } },
    { ...input, block: { ...block, certificate: { ...certificate, block: header.parent } } },
    { ...input, receipts: input.receipts.slice(1) },
    { ...input, transactionIds: input.transactionIds.slice(1) },
    { ...input, tree: chain.tip().tree },
    { ...input, logItems: [{ stream: new Uint8Array(0), index: 0, id: idOf('x'), body: utf8('x') }] },
    ...[{ height: 2 }, { parent: idOf('elsewhere') }].map(fields => {
      const changed = { ...header, ...fields }
      return {
        ...input,
        block: { ...block, header: changed, certificate: { ...certificate, height: changed.height, block: headerHash(changed) } },
      }
    }),
  ]
  for (const commit of wrong) await rejectsCode(chain.commit(commit), 'wrong-block')
  assert.is(chain.tip().header.height, 0)
  await chain.commit(input)
  await rejectsCode(chain.commit(input), 'wrong-block')
  assert.is(chain.tip().header.height, 1)
})

chains('one commit at a time', async ({ chain }) => {
  const input = nextBlock(chain)
  const first = chain.commit(input)
  await rejectsCode(chain.commit(input), 'commit-pending')
  await first
  await grow(chain, 1)
  assert.is(chain.tip().header.height, 2)
})

chains('a commit that the disk refuses leaves the chain where it was', async context => {
  await grow(context.chain, 2)
  let full = true
  const failing: KeyValueStore = {
    get: key => context.store.get(key),
    getSync: key => context.store.getSync(key),
    iterator: range => context.store.iterator(range),
    compact: range => context.store.compact(range),
    sublevel: name => context.store.sublevel(name),
    close: () => context.store.close(),
    batch: async (operations, options) => {
      if (full) throw new EpioneError('store-unavailable', 'The disk is full.')
      await context.store.batch(operations, options)
    },
  }
  const chain = await openChainStore(failing, genesis)
  await rejectsCode(chain.commit(nextBlock(chain)), 'store-unavailable')
  assert.is(chain.tip().header.height, 2)
  assert.is(chain.treeAt(3), undefined)
  full = false
  await grow(chain, 1)
  assert.is(chain.tip().header.height, 3)
})

chains('all of a block goes to disk in one synced batch', async context => {
  const batches: { operations: readonly StoreOperation[]; sync: boolean | undefined }[] = []
  const watched: KeyValueStore = {
    get: key => context.store.get(key),
    getSync: key => context.store.getSync(key),
    iterator: range => context.store.iterator(range),
    compact: range => context.store.compact(range),
    sublevel: name => context.store.sublevel(name),
    close: () => context.store.close(),
    batch: async (operations, options) => {
      batches.push({ operations, sync: options?.sync })
      await context.store.batch(operations, options)
    },
  }
  const chain = await openChainStore(watched, genesis)
  await grow(chain, 1)
  assert.is(batches.length, 1)
  assert.is(batches[0]?.sync, true)
})

chains('a store of another chain is refused', async context => {
  await grow(context.chain, 2)
  const other = { genesisHeader: { ...genesisHeader, time: 5 }, genesisChanges }
  await rejectsCode(openChainStore(context.store, other), 'other-chain')
})

chains('a genesis header that does not state its state is refused', async context => {
  const fresh = context.store.sublevel('fresh')
  const wrong = { genesisHeader, genesisChanges: genesisChanges.slice(1) }
  await rejectsCode(openChainStore(fresh, wrong), 'genesis-state')
  await rejectsCode(openChainStore(fresh, { ...genesis, genesisHeader: { ...genesisHeader, height: 1 } }), 'genesis-state')
  assert.is((await openChainStore(fresh, genesis)).tip().header.height, 0)
})

/** All records of the chain with this first byte. */
async function recordsOf(store: KeyValueStore, kind: number): Promise<[Uint8Array, Uint8Array][]> {
  const out: [Uint8Array, Uint8Array][] = []
  for await (const [key, value] of store.iterator({ gte: Uint8Array.of(kind), lt: Uint8Array.of(kind + 1) })) out.push([key, value])
  return out
}

const HEIGHT_OF = { tip: 0, head: 1, body: 2, outcome: 3, leaf: 5 }

for (const [name, kind] of Object.entries(HEIGHT_OF)) {
  chains(`one flipped bit or one lost record among the stored: ${name}`, async ({ chain, store }) => {
    await grow(chain, 6)
    const records = await recordsOf(store, kind)
    assert.ok(records.length > 0)
    for (const [key, value] of records) {
      const places = [0, value.length >> 1, value.length - 1]
      for (const place of places) {
        const damaged = Uint8Array.from(value)
        damaged[place] = (damaged[place] as number) ^ 0x10
        await store.batch([{ type: 'put', key, value: damaged }])
        const error = await rejectsCode(openChainStore(store, genesis), 'store-corrupt')
        const expected = name === 'leaf' ? 6 : name === 'tip' ? 0 : new DataView(key.buffer, key.byteOffset).getUint32(5)
        assert.is((error as EpioneError).metadata.height, expected, error.message)
      }
      await store.batch([{ type: 'del', key }])
      await rejectsCode(openChainStore(store, genesis), 'store-corrupt')
      await store.batch([{ type: 'put', key, value }])
    }
    assert.is((await openChainStore(store, genesis)).tip().header.height, 6)
  })
}

chains('records that are whole but in the wrong place are found, too', async ({ chain, store }) => {
  await grow(chain, 6)
  for (const kind of [HEIGHT_OF.head, HEIGHT_OF.body, HEIGHT_OF.outcome]) {
    const records = await recordsOf(store, kind)
    const [[key, value], [, other]] = records.slice(-2) as [[Uint8Array, Uint8Array], [Uint8Array, Uint8Array]]
    await store.batch([{ type: 'put', key, value: other }])
    await rejectsCode(openChainStore(store, genesis), 'store-corrupt')
    await store.batch([{ type: 'put', key, value }])
  }
  const extra = Uint8Array.of(HEIGHT_OF.leaf, 0x10, 0x20)
  await store.batch([{ type: 'put', key: extra, value: Uint8Array.of(1) }])
  await rejectsCode(openChainStore(store, genesis), 'store-corrupt')
  await store.batch([{ type: 'put', key: extra, value: new Uint8Array(0) }])
  await rejectsCode(openChainStore(store, genesis), 'store-corrupt')
})

chains('what hangs together in itself but not with its neighbours is found', async ({ chain, store }) => {
  await grow(chain, 6)
  /** Replaces a record by a well-formed one and demands that the height is named. */
  const replaced = async (key: Uint8Array, value: Uint8Array, height: number, reason: RegExp): Promise<void> => {
    const old = (await store.get(key)) as Uint8Array
    await store.batch([{ type: 'put', key, value: sealRecord(key, value) }])
    const error = await rejectsCode(openChainStore(store, genesis), 'store-corrupt')
    assert.is((error as EpioneError).metadata.height, height)
    assert.match(error.message, reason)
    await store.batch([{ type: 'put', key, value: old }])
  }
  const { header, certificate } = (await chain.header(3)) as { header: Header; certificate: Certificate }
  const later = { ...header, time: header.time + 1 }
  const forLater = { ...certificate, block: headerHash(later) }
  await replaced(chainKey.head(3), headCodec.encode({ header: later, certificate: forLater }), 4, /does not stand on/)
  await replaced(chainKey.head(3), headCodec.encode({ header, certificate: forLater }), 3, /certificate is not for it/)
  await replaced(chainKey.head(3), headCodec.encode({ header, certificate: null }), 3, /certificate is not for it/)
  const higher = { ...header, height: 4 }
  const forHigher = { ...certificate, height: 4, block: headerHash(higher) }
  await replaced(chainKey.head(3), headCodec.encode({ header: higher, certificate: forHigher }), 3, /another height/)
  const tip = { version: 1, height: 6 }
  await replaced(chainKey.tip(), tipCodec.encode({ ...tip, hash: header.parent }), 6, /not the one that was marked/)
  await replaced(chainKey.tip(), tipCodec.encode({ version: 1, height: 5, hash: headerHash(chain.tip().header) }), 6, /above the newest/)
  await replaced(chainKey.tip(), tipCodec.encode({ version: 1, height: 7, hash: headerHash(chain.tip().header) }), 7, /header is missing/)
  await replaced(chainKey.body(3), bodyCodec.encode({ transactions: [bytesOf('3a'), bytesOf('x')] }), 3, /transactions are not/)
  const [transactionIds, receipts] = [
    [idOf('3a'), idOf('3b')],
    [receiptOf('3a'), receiptOf('3b')],
  ]
  await replaced(chainKey.outcome(3), outcomeCodec.encode({ transactionIds: [idOf('3a')], receipts }), 3, /lack ids/)
  await replaced(chainKey.outcome(3), outcomeCodec.encode({ transactionIds, receipts: [...receipts].reverse() }), 3, /receipts are not/)
})

chains('a transaction that is not where it is said to be is found on reading', async ({ chain, store }) => {
  await grow(chain, 2)
  const key = chainKey.transaction(idOf('1a'))
  for (const place of [encodePlace(2, 0), encodePlace(1, 1), encodePlace(1, 2), encodePlace(9, 0)]) {
    await store.batch([{ type: 'put', key, value: place }])
    await rejectsCode(chain.receipt(idOf('1a')), 'store-corrupt')
  }
  await store.batch([{ type: 'put', key, value: encodePlace(1, 0).subarray(1) }])
  await rejectsCode(chain.receipt(idOf('1a')), 'store-corrupt')
})

chains('a log item in the place of another is found on reading', async ({ chain, store }) => {
  await grow(chain, 2)
  const other = (await store.get(chainKey.logItem(STREAM, 2))) as Uint8Array
  await store.batch([{ type: 'put', key: chainKey.logItem(STREAM, 1), value: other }])
  await rejectsCode(chain.logItems(STREAM, 1, 1), 'store-corrupt')
  await rejectsCode(chain.logItemById(idOf('log 1')), 'store-corrupt')
  assert.equal(await chain.logItemById(idOf('log 2')), utf8('item 2'))
})

chains('a hole of whole batches is found, as a flipped bit in the log of LevelDB leaves it', async ({ chain, store }) => {
  await grow(chain, 2)
  const before = new Map<string, Uint8Array>()
  for await (const [key, value] of store.iterator()) before.set(toHex(key), value)
  await grow(chain, 2)
  const lost: StoreOperation[] = []
  for await (const [key, value] of store.iterator()) {
    const old = before.get(toHex(key))
    if (old === undefined) lost.push({ type: 'del', key })
    else if (!equalBytes(old, value)) lost.push({ type: 'put', key, value: old })
  }
  const input = nextBlock(chain)
  await store.batch(lost)
  // Blocks 3 and 4 are gone, and 5 is written as if they were there.
  await chain.commit(input)
  const error = await rejectsCode(openChainStore(store, genesis), 'store-corrupt')
  assert.is((error as EpioneError).metadata.height, 3)
})

chains('damage that is not read on opening is found on reading', async ({ chain, store }) => {
  await grow(chain, 6)
  const damage = async (kind: number): Promise<void> => {
    for (const [key, value] of await recordsOf(store, kind)) {
      const damaged = Uint8Array.from(value)
      damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1
      await store.batch([{ type: 'put', key, value: damaged }])
    }
  }
  for (const kind of [2, 3]) await damage(kind)
  await store.batch([{ type: 'put', key: (await recordsOf(store, 1)).at(-1)?.[0] as Uint8Array, value: new Uint8Array(3) }])
  await rejectsCode(chain.block(3), 'store-corrupt')
  await rejectsCode(chain.receipt(idOf('3a')), 'store-corrupt')
  await rejectsCode(chain.receipts(3), 'store-corrupt')
  await rejectsCode(chain.header(6), 'store-corrupt')
  await rejectsCode(collect(chain.recentTransactionIds(0)), 'store-corrupt')
  for (const kind of [4, 6, 7]) await damage(kind)
  await rejectsCode(chain.receipt(idOf('3a')), 'store-corrupt')
  await rejectsCode(chain.logItems(STREAM, 0, 10), 'store-corrupt')
  await rejectsCode(chain.logItemById(idOf('log 2')), 'store-corrupt')
})

chains('old blocks are checked by their headers alone where so asked', async ({ chain, store }) => {
  await grow(chain, 6)
  const bodies = await recordsOf(store, HEIGHT_OF.body)
  const damage = async (height: number): Promise<void> => {
    const [key, value] = bodies[height] as [Uint8Array, Uint8Array]
    await store.batch([{ type: 'put', key, value: value.subarray(0, -1) }])
  }
  await damage(4)
  assert.is((await openChainStore(store, { ...genesis, verifyBlocks: 2 })).tip().header.height, 6)
  await rejectsCode(openChainStore(store, { ...genesis, verifyBlocks: 3 }), 'store-corrupt')
})

chains('transactions come back byte by byte', async ({ chain }) => {
  await chain.commit(nextBlock(chain, { names: ['α', 'β'] }))
  assert.equal((await chain.block(1))?.transactions, [bytesOf('α'), bytesOf('β')])
})

chains('a block may bring nothing at all', async context => {
  await context.chain.commit(nextBlock(context.chain, { names: [], changes: [], logItems: [] }))
  assert.is((await reopen(context)).tip().header.height, 1)
})

chains.run()
