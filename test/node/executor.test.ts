import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { transactionsRoot } from '../../src/ledger/block.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import { MAX_BLOCK_TRANSACTIONS } from '../../src/ledger/limits.ts'
import { buildCandidate, type Candidate, checkCandidate } from '../../src/node/executor.ts'
import { property } from '../encoding/seeded.ts'
import { genesisOf, nodeKeys, seedOf } from './cluster.ts'
import { createFolder, nextCandidate, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('executor')

test('a block that is executed again has the same header, state, receipts and log', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  const candidate = nextCandidate(chain, [createFolder(chain, 'a'), createFolder(chain, 'b')])
  assert.equal(
    candidate.receipts.map(({ code }) => code),
    ['ok', 'ok'],
  )
  const again = checkCandidate(chain.tip, candidate.header, candidate.transactions, chain.seen) as Candidate
  assert.equal(toHex(headerHash(again.header)), toHex(headerHash(candidate.header)))
  assert.equal(again.changes, candidate.changes)
  assert.equal(again.encodedReceipts, candidate.encodedReceipts)
  assert.equal(again.tree.root, candidate.tree.root)
  assert.equal(candidate.tree.root, candidate.header.stateRoot)
})

test(
  'a header with any field changed is refused',
  property(async random => {
    using place = temporary()
    await using opened = await openTestChain(place.dir, genesisOf())
    const { chain } = opened
    const { header, transactions } = nextCandidate(chain, [createFolder(chain, 'a')])
    for (const name of Object.keys(header) as (keyof Header)[]) {
      // Who proposed and when is for consensus to judge; the execution takes both from the header.
      const value = header[name]
      let changed: unknown
      if (typeof value === 'number') changed = name === 'time' ? chain.tip.header.time : value + 1
      else {
        const bytes = Uint8Array.from(value)
        const at = random.below(bytes.length)
        bytes[at] = (bytes[at] as number) ^ (1 + random.below(255))
        changed = bytes
      }
      if (name === 'proposer') continue
      assert.is(checkCandidate(chain.tip, { ...header, [name]: changed } as Header, transactions, chain.seen), undefined, name)
    }
    assert.is(checkCandidate(chain.tip, header, [], chain.seen), undefined, 'other transactions')
    assert.is(checkCandidate(chain.tip, header, [...transactions, ...transactions], chain.seen), undefined, 'more transactions')
  }),
)

test('a transaction of an earlier block is a replay, which is a receipt and no reason to refuse the block', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  const first = createFolder(chain, 'a')
  chain.seen.add(chain.tip.header.time, [first.id])
  const candidate = nextCandidate(chain, [first])
  assert.is(candidate.receipts[0]?.code, 'seen')
  assert.ok(checkCandidate(chain.tip, candidate.header, candidate.transactions, chain.seen))
})

test('a block above the bounds is refused, whatever its header says: it could be decided and never stored', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  const [transaction] = [createFolder(chain, 'a')]
  const many = Array.from({ length: MAX_BLOCK_TRANSACTIONS + 1 }, () => transaction)
  const header = {
    ...nextCandidate(chain).header,
    proposer: nodeKeys(1).consensus.publicKey,
    transactionsRoot: transactionsRoot(many.map(({ bytes }) => bytes)),
    stateRoot: seedOf('state'),
  }
  assert.is(checkCandidate(chain.tip, header, many, chain.seen), undefined)
  const honest = buildCandidate(chain.tip, { time: header.time, proposer: header.proposer, transactions: many }, chain.seen)
  assert.is(checkCandidate(chain.tip, honest.header, many, chain.seen), undefined, 'even with the right header')
})

test.run()
