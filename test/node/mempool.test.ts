import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_TRANSACTIONS } from '../../src/ledger/block.ts'
import { MAX_BLOCK_BYTES } from '../../src/ledger/limits.ts'
import { createTransaction, decodeTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import { blockTransactions, Mempool, type PooledBatch } from '../../src/node/mempool.ts'
import { throwsCode } from '../encoding/throws.ts'
import { nodeKeys, seedOf } from './cluster.ts'

const test = suite('mempool')
const author = nodeKeys(0).consensus.publicKey
const other = nodeKeys(1).consensus.publicKey
const never = (): boolean => false

function transaction(name: string, size = 10, signer = nodeKeys(0).signing): Transaction {
  const content = {
    chainId: seedOf('chain'),
    from: { kind: 'account' as const, id: nodeKeys(0).account },
    validUntil: 1_000_000,
    nonce: seedOf(name).slice(0, 16),
    contract: 'folders',
    action: 'create',
    body: new Uint8Array(size),
    sponsor: null,
  }
  return createTransaction(content, signer)
}

/** A batch as another validator would have cut it. */
function batchOf(by: Uint8Array, ...transactions: Transaction[]): PooledBatch {
  const pool = new Mempool()
  for (const item of transactions) pool.add(item)
  return pool.cutBatch(by, never) as PooledBatch
}

const names = (batch: PooledBatch | undefined): string[] => (batch?.transactions ?? []).map(({ id }) => toHex(id))

test('a full pool refuses with `busy`, and takes more once a batch is cut', () => {
  const pool = new Mempool({ maxWaiting: 2 })
  pool.add(transaction('a'))
  pool.add(transaction('b'))
  throwsCode(() => pool.add(transaction('c')), 'busy')
  pool.cutBatch(author, never)
  pool.add(transaction('c'))
  assert.is(pool.waiting, 1)
  assert.is(pool.batches, 1)
})

test('what waits is bounded in bytes, too', () => {
  const size = transaction('a', 1000).bytes.length
  const pool = new Mempool({ maxWaitingBytes: 2 * size })
  pool.add(transaction('a', 1000), { priority: true })
  throwsCode(() => pool.add(transaction('b', 2000), { priority: true }), 'busy')
  pool.add(transaction('b', 1000), { priority: true })
  throwsCode(() => pool.add(transaction('c', 0), { priority: true }), 'busy')
  pool.add(transaction('a', 1000), { priority: true })
  pool.settle([transaction('a', 1000)])
  pool.add(transaction('c', 1000), { priority: true })
  pool.takeWaiting()
  for (const name of ['d', 'e']) pool.add(transaction(name, 1000), { priority: true })
  throwsCode(() => pool.add(transaction('f', 0), { priority: true }), 'busy')
})

test('an eighth of the room, in number and in bytes, is for those with priority alone', () => {
  const size = transaction('a', 1000).bytes.length
  for (const options of [{ maxWaiting: 16 }, { maxWaitingBytes: 16 * size }]) {
    const pool = new Mempool(options)
    for (let i = 0; i < 14; i++) pool.add(transaction(`${i}`, 1000))
    throwsCode(() => pool.add(transaction('ordinary', 1000)), 'busy')
    for (let i = 0; i < 2; i++) pool.add(transaction(`first ${i}`, 1000), { priority: true })
    throwsCode(() => pool.add(transaction('one more', 1000), { priority: true }), 'busy')
    pool.settle([transaction('first 0', 1000)])
    throwsCode(() => pool.add(transaction('ordinary', 1000)), 'busy')
    pool.settle([transaction('3', 1000)])
    pool.add(transaction('ordinary', 1000))
  }
})

test('acts on their way are counted by whose quota they draw on, until a block settles them', () => {
  const pool = new Mempool()
  const [a, b, foreign] = [transaction('a'), transaction('b'), transaction('c')]
  assert.is(pool.pending(a.content), 0)
  pool.add(a)
  pool.cutBatch(author, never)
  pool.add(a)
  assert.equal([pool.waiting, pool.has(a), pool.has(b)], [0, true, false], 'what is in a batch is not taken again')
  pool.add(b)
  pool.addBatch(batchOf(other, foreign))
  assert.equal([pool.pending(a.content), pool.has(foreign)], [2, false])
  const bySponsor = { ...a.content, from: { kind: 'folder' as const, id: seedOf('folder') }, sponsor: nodeKeys(0).account }
  assert.is(pool.pending(bySponsor), 2, 'who sponsors is charged')
  assert.is(pool.pending({ ...bySponsor, sponsor: null }), 0)
  pool.settle([a, foreign])
  assert.is(pool.pending(a.content), 1)
  pool.takeWaiting()
  assert.is(pool.pending(a.content), 0)
})

test('batches of who is no author any more are given back', () => {
  const pool = new Mempool()
  const [own, foreign] = [transaction('own'), transaction('foreign')]
  pool.add(own)
  pool.cutBatch(author, never)
  pool.addBatch(batchOf(other, foreign))
  assert.equal(
    pool.dropAuthors(() => true),
    [],
  )
  assert.equal(
    pool.dropAuthors(key => toHex(key) === toHex(other)).map(batch => names(batch)),
    [[toHex(own.id)]],
  )
  assert.equal([pool.batches, pool.has(own), pool.pending(own.content)], [1, false, 0])
  pool.add(own)
  assert.is(pool.waiting, 1)
})

test('the same bytes wait once', () => {
  const pool = new Mempool()
  pool.add(transaction('a'))
  pool.add(decodeTransaction(transaction('a').bytes))
  assert.is(pool.waiting, 1)
})

test('one act under two keys is two transactions: a copy under a foreign key pushes nothing out', () => {
  const pool = new Mempool()
  const [right, copy] = [transaction('a'), transaction('a', 10, nodeKeys(1).signing)]
  assert.equal(right.id, copy.id)
  pool.add(copy)
  pool.add(right)
  assert.is(pool.waiting, 2)
  const batch = pool.cutBatch(author, never)
  assert.is(blockTransactions([batch as PooledBatch]).length, 2)
  pool.settle([copy])
  assert.is(pool.batches, 1, 'the right one is still to come')
  pool.settle([copy, right])
  assert.is(pool.batches, 0)
})

test('priority goes first, and the order of the rest tells nothing of who came after whom', () => {
  const items = Array.from({ length: 12 }, (_, i) => transaction(`n${i}`))
  const cut = (arrivals: typeof items): readonly string[] => {
    const pool = new Mempool()
    for (const item of arrivals) pool.add(item)
    return names(pool.cutBatch(author, item => item === items[7]))
  }
  const order = cut(items)
  assert.is(order[0], toHex((items[7] as Transaction).id))
  assert.equal(cut(items.toReversed()), order)
  assert.equal(order.toSorted(), items.map(({ id }) => toHex(id)).toSorted())
  assert.not.equal(
    order.slice(1),
    items.filter(item => item !== items[7]).map(({ id }) => toHex(id)),
  )
})

test('a batch is bounded in number and in bytes, and loses nothing', () => {
  const pool = new Mempool()
  for (let i = 0; i < MAX_BATCH_TRANSACTIONS + 5; i++) pool.add(transaction(`n${i}`))
  assert.is(pool.cutBatch(author, never)?.transactions.length, MAX_BATCH_TRANSACTIONS)
  assert.is(pool.cutBatch(author, never)?.transactions.length, 5)
  const large = Array.from({ length: 20 }, (_, i) => transaction(`large ${i}`, 60_000))
  for (const item of large) pool.add(item)
  let cut = 0
  for (let batch = pool.cutBatch(author, never); batch !== undefined; batch = pool.cutBatch(author, never)) {
    assert.ok(batch.transactions.reduce((sum, { bytes }) => sum + bytes.length, 0) <= MAX_BATCH_BYTES)
    cut += batch.transactions.length
  }
  assert.is(cut, large.length)
  assert.is(pool.waiting, 0)
})

test('each author has a bounded number of batches, and one author takes nothing from another', () => {
  const pool = new Mempool({ maxBatchesPerAuthor: 2 })
  assert.is(pool.addBatch(batchOf(other, transaction('1'))), true)
  assert.is(pool.addBatch(batchOf(other, transaction('2'))), true)
  assert.is(pool.addBatch(batchOf(other, transaction('3'))), false)
  assert.is(pool.addBatch(batchOf(other, transaction('1'))), true, 'one that is held is held')
  pool.add(transaction('own'))
  assert.ok(pool.cutBatch(author, never))
  assert.is(pool.batches, 3)
  pool.settle([transaction('1')])
  assert.is(pool.addBatch(batchOf(other, transaction('3'))), true)
  // At its own bound a node cuts no more, and keeps what waits.
  pool.add(transaction('second'))
  assert.ok(pool.cutBatch(author, never))
  pool.add(transaction('third'))
  assert.is(pool.cutBatch(author, never), undefined)
  assert.is(pool.waiting, 1)
})

test('a proposal names the oldest batches, as many as a block holds', () => {
  const pool = new Mempool({ maxBatchesPerAuthor: 100 })
  const batches: PooledBatch[] = []
  for (let i = 0; i < 12; i++) {
    const batch = batchOf(other, ...Array.from({ length: 15 }, (_, j) => transaction(`${i} ${j}`, 60_000)))
    batches.push(batch)
    pool.addBatch(batch)
  }
  const named = pool.proposable()
  assert.equal(
    named.map(({ digest }) => toHex(digest)),
    batches.slice(0, named.length).map(({ digest }) => toHex(digest)),
  )
  const bytes = blockTransactions(named).reduce((sum, item) => sum + item.bytes.length, 0)
  assert.ok(bytes <= MAX_BLOCK_BYTES && named.length < batches.length && named.length > 0)
})

test('settling forgets what a block took in: waiting transactions, and batches that it took whole', () => {
  const pool = new Mempool()
  const [a, b, c] = [transaction('a'), transaction('b'), transaction('c')]
  pool.addBatch(batchOf(other, a, b))
  pool.add(a)
  pool.add(c)
  pool.settle([a])
  assert.is(pool.waiting, 1)
  assert.is(pool.batches, 1)
  pool.settle([a, b])
  assert.is(pool.batches, 0)
  assert.is(pool.waiting, 1)
})

test('a block holds what its batches hold, first occurrence first', () => {
  const [a, b, c] = [transaction('a'), transaction('b'), transaction('c')]
  const batches = [batchOf(author, b, a), batchOf(other, a, c, b)]
  const [first, second] = batches.map(({ transactions }) => transactions.map(({ id }) => toHex(id))) as [string[], string[]]
  assert.equal(
    blockTransactions(batches).map(({ id }) => toHex(id)),
    [...first, ...second.filter(id => !first.includes(id))],
  )
})

test.run()
