/** Old blocks go, the disk comes back, and what stays is a chain. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { u32, utf8 } from '../../src/encoding/bytes.ts'
import { receiptsRoot, transactionsRoot } from '../../src/ledger/block.ts'
import { chainKey, KIND, rangeOf } from '../../src/ledger/chain-keys.ts'
import { baseCodec, sealRecord } from '../../src/ledger/chain-records.ts'
import { type ChainStore, openChainStore } from '../../src/ledger/chain-store.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { seededRandom } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesis, idOf, nextBlock, STREAM } from './chain-fixture.ts'

const prune = suite<{ dir: string }>('pruning')

prune.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-prune-'))
})
prune.after.each(context => {
  rmSync(context.dir, { recursive: true })
})

async function withChain<T>(dir: string, use: (chain: ChainStore, store: KeyValueStore) => Promise<T>): Promise<T> {
  const store = await openLevelStore(dir)
  try {
    return await use(await openChainStore(store, genesis), store)
  } finally {
    await store.close()
  }
}

const sizeOf = (dir: string): number => readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)

async function pruneTo(chain: ChainStore, below: number): Promise<void> {
  for (;;) {
    const { from, to } = await chain.prune(below)
    if (to === from) return
    await chain.compactBlocks(from, to)
  }
}

prune('old blocks, receipts and places go; headers, state and logs stay, over a restart, too', async ({ dir }) => {
  await withChain(dir, async chain => {
    for (let height = 1; height <= 200; height++) await chain.commit(nextBlock(chain))
    assert.is(chain.base, 1)
    await pruneTo(chain, 150)
  })
  await withChain(dir, async chain => {
    assert.is(chain.base, 150)
    assert.is(chain.tip().header.height, 200)
    await rejectsCode(chain.block(149), 'pruned')
    await rejectsCode(chain.receipts(1), 'pruned')
    assert.is((await chain.block(150))?.transactions.length, 2)
    assert.is((await chain.block(0))?.transactions.length, 0)
    assert.is((await chain.header(77))?.header.height, 77)
    assert.is(await chain.receipt(idOf('149a')), undefined)
    assert.is((await chain.receipt(idOf('150a')))?.height, 150)
    assert.equal(chain.tip().tree.get(utf8('counter')), u32(200))
    assert.is((await chain.logItems(STREAM, 0, 1000)).length, 200)
    await chain.commit(nextBlock(chain))
    // The newest block stays whatever is asked.
    await pruneTo(chain, 10_000)
    assert.is(chain.base, 201)
    assert.is((await chain.block(201))?.header.height, 201)
  })
  await withChain(dir, async chain => assert.is(chain.base, 201))
})

prune('an id that came again keeps its later place', async ({ dir }) => {
  await withChain(dir, async chain => {
    await chain.commit(nextBlock(chain, { names: ['x'], code: 'expired' }))
    await chain.commit(nextBlock(chain, { names: ['x'] }))
    await chain.commit(nextBlock(chain))
    await chain.prune(2)
    assert.is((await chain.receipt(idOf('x')))?.height, 2)
    await chain.prune(3)
    assert.is(await chain.receipt(idOf('x')), undefined)
  })
})

prune('the disk gets back what pruned blocks took', async ({ dir }) => {
  const random = seededRandom(7)
  const before = await withChain(dir, async chain => {
    for (let height = 1; height <= 240; height++) {
      // Bytes that do not compress, as signatures and ciphertexts are.
      const input = nextBlock(chain, { names: [`${height}`], logItems: [] })
      const transactions = [random.bytes(60_000)]
      const header = { ...input.block.header, transactionsRoot: transactionsRoot(transactions), receiptsRoot: receiptsRoot(input.receipts) }
      const certificate = { height, round: 0, block: headerHash(header), signatures: [] }
      await chain.commit({ ...input, block: { header, transactions, certificate } })
    }
    return sizeOf(dir)
  })
  assert.ok(before > 12e6, `${before} bytes before`)
  const after = await withChain(dir, async chain => {
    await pruneTo(chain, 221)
    await chain.compactPlaces(async () => undefined)
    return sizeOf(dir)
  })
  console.log(`disk before pruning ${before} bytes, after ${after}`)
  assert.ok(after < before / 4, `${after} bytes of ${before} are left`)
})

prune('a mark above the tip, or a missing block above the mark, is damage', async ({ dir }) => {
  const key = chainKey.base()
  await withChain(dir, async (chain, store) => {
    for (let height = 1; height <= 5; height++) await chain.commit(nextBlock(chain))
    await chain.prune(3)
    await store.batch([{ type: 'put', key, value: sealRecord(key, baseCodec.encode({ height: 2 })) }])
  })
  await rejectsCode(
    withChain(dir, async () => undefined),
    'store-corrupt',
  )
  const store = await openLevelStore(dir)
  await store.batch([{ type: 'put', key, value: sealRecord(key, baseCodec.encode({ height: 6 })) }])
  await store.close()
  await rejectsCode(
    withChain(dir, async () => undefined),
    'store-corrupt',
  )
})

prune('the events of a subject are found by their numbers, as long as their blocks are kept', async ({ dir }) => {
  const subject = idOf('subject')
  await withChain(dir, async chain => {
    let number = 0
    for (let height = 1; height <= 100; height++) {
      const input = nextBlock(chain)
      // Every other block brings three events of the subject, and one of another.
      const event = (of: Uint8Array, index: number) => ({ name: 'records.anchored', subject: of, index, data: new Uint8Array(0) })
      const events = height % 2 === 0 ? [] : [event(subject, ++number), event(subject, ++number), event(idOf('other'), height)]
      const outcomes = input.transactionIds.map((transaction, i) => ({
        transaction,
        code: 'ok',
        events: i === 0 ? events : height % 2 === 0 ? [] : [event(subject, ++number)],
      }))
      const receipts = outcomes.map(receipt => receiptCodec.encode(receipt))
      const header = { ...input.block.header, receiptsRoot: receiptsRoot(receipts) }
      const certificate = { ...input.block.certificate, block: headerHash(header) } as typeof input.block.certificate
      await chain.commit({ ...input, receipts, outcomes, block: { ...input.block, header, certificate } })
    }
    assert.is(number, 150)
    assert.equal(await chain.eventHeights(subject, 1, 3), [1, 3, 5])
    assert.equal(await chain.eventHeights(subject, 3, 1), [1])
    assert.equal(await chain.eventHeights(subject, 4, 1), [3])
    assert.equal(await chain.eventHeights(subject, 150, 10), [99])
    assert.equal(await chain.eventHeights(subject, 151, 10), [])
    assert.equal(await chain.eventHeights(idOf('nobody'), 1, 10), [])
    await pruneTo(chain, 50)
    assert.equal(await chain.eventHeights(subject, 1, 2), [51, 53])
  })
  await withChain(dir, async (chain, store) => {
    assert.equal(await chain.eventHeights(subject, 100, 2), [67, 69])
    let kept = 0
    for await (const _ of store.iterator(rangeOf(KIND.event))) kept++
    assert.is(kept, 50, 'two subjects in every other block that is kept')
  })
})

prune.run()
