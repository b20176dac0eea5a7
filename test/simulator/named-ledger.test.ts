import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { batchCodec, batchDigest } from '../../src/ledger/block.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { buildCandidate, type Candidate, checkCandidate } from '../../src/node/executor.ts'
import { blockTransactions, Mempool, type PooledBatch } from '../../src/node/mempool.ts'
import { genesisOf } from '../node/cluster.ts'
import { certify, consensusKeys, createFolder, openTestChain, temporary } from '../node/ledger-fixture.ts'

const test = suite('the ledger in the simulator')

/** The batch that a validator cuts of what its clients handed in. */
function batchOf(author: SigningKey, transactions: readonly Transaction[]): PooledBatch {
  const bytes = batchCodec.encode({ author: author.publicKey, transactions: transactions.map(transaction => transaction.bytes) })
  return { digest: batchDigest(bytes), bytes, author: author.publicKey, transactions }
}

test('the same transaction in two batches', async () => {
  using places = temporary()
  const genesis = genesisOf()
  await using first = await openTestChain(`${places.dir}/first`, genesis)
  await using second = await openTestChain(`${places.dir}/second`, genesis)
  const keys = consensusKeys()
  const [one, two] = keys as [SigningKey, SigningKey]
  // A client that heard nothing from the one validator went to the other.
  const [shared, left, right] = ['shared', 'left', 'right'].map(name => createFolder(first.chain, name)) as [
    Transaction,
    Transaction,
    Transaction,
  ]
  const batches = [batchOf(one, [left, shared]), batchOf(two, [shared, right])]
  const pools = [new Mempool(), new Mempool()]
  // They reach the two in another order each.
  for (const batch of batches) pools[0]?.addBatch(batch)
  for (const batch of [...batches].reverse()) pools[1]?.addBatch(batch)

  const named = (pools[0] as Mempool).proposable()
  const time = first.chain.tip.header.time + 1_000
  const proposed = buildCandidate(
    first.chain.tip,
    { time, proposer: one.publicKey, transactions: blockTransactions(named) },
    first.chain.seen,
  )
  assert.equal(
    proposed.transactions.map(({ id }) => toHex(id)),
    [left, shared, right].map(({ id }) => toHex(id)),
    'each once, where it came first',
  )
  assert.equal(
    proposed.receipts.map(({ code }) => code),
    ['ok', 'ok', 'ok'],
  )

  // The other finds the batches of the proposal in its own pool.
  const gathered = named.map(({ digest }) => (pools[1] as Mempool).batch(digest) as PooledBatch)
  const checked = checkCandidate(second.chain.tip, proposed.header, blockTransactions(gathered), second.chain.seen) as Candidate
  assert.is(toHex(headerHash(checked.header)), toHex(headerHash(proposed.header)))
  const certificate = certify(proposed.header, keys)
  await first.chain.commit(proposed, certificate)
  await second.chain.commit(checked, certificate)
  for (const [index, { chain }] of [first, second].entries()) {
    const receipts = (await chain.store.receipts(1)).map(bytes => receiptCodec.decode(bytes))
    assert.is(receipts.filter(({ transaction }) => toHex(transaction) === toHex(shared.id)).length, 1)
    const pool = pools[index] as Mempool
    pool.settle(proposed.transactions)
    assert.is(pool.batches, 0, 'both batches are settled, though the block holds one copy')
  }

  // A third validator that had not heard of the block cut it into a batch of its own, and its proposal names that.
  const late = batchOf(keys[2] as SigningKey, [shared])
  const again = buildCandidate(
    second.chain.tip,
    { time: time + 1_000, proposer: two.publicKey, transactions: blockTransactions([late]) },
    second.chain.seen,
  )
  assert.equal(
    again.receipts.map(({ code }) => code),
    ['seen'],
  )
  assert.is(toHex(again.tree.root), toHex(second.chain.tip.tree.root), 'a replay changes nothing')
  const valid = checkCandidate(first.chain.tip, again.header, blockTransactions([late]), first.chain.seen)
  assert.ok(valid, 'a replay is no reason to refuse a block')
  const finality = certify(again.header, keys)
  for (const { chain } of [first, second]) {
    const tip = await chain.commit(chain === first.chain ? valid : again, finality)
    assert.is(toHex(tip.hash), toHex(headerHash(again.header)))
    const place = await chain.store.receipt(shared.id)
    assert.is(place?.height, 1, 'what became of it first is what is told')
    assert.is(receiptCodec.decode(place?.receipt as Uint8Array).code, 'ok')
  }
})

test.run()
