import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { voteBodyCodec } from '../../src/contracts/members-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { headerHash, validatorSetHash } from '../../src/ledger/header.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { Chain } from '../../src/node/chain.ts'
import { buildCandidate } from '../../src/node/executor.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, organisationOf, seedOf } from './cluster.ts'
import { blockOf, certify, consensusKeys, createFolder, nextBlock, nextCandidate, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('chain')
const genesis = genesisOf()

test('takes finished blocks in order; the same one again changes nothing', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesis)
  const { chain } = opened
  const told: number[] = []
  const stop = chain.onCommit(({ header }) => told.push(header.height))
  const block = nextBlock(chain, [createFolder(chain, 'a')])
  const tip = await chain.accept(block)
  assert.is(tip.header.height, 1)
  assert.equal(tip.hash, headerHash(block.header))
  await chain.accept(block)
  await Promise.all([chain.accept(nextBlock(chain)), chain.accept(block)])
  assert.is(chain.tip.header.height, 2)
  assert.equal(told, [1, 2])
  stop()
  await chain.accept(nextBlock(chain))
  assert.equal(told, [1, 2])
})

test('a block that skips a height is a gap', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesis)
  const { chain } = opened
  const first = nextBlock(chain)
  await chain.accept(first)
  const second = nextBlock(chain)
  using elsewhere = temporary()
  await using behind = await openTestChain(elsewhere.dir, genesis)
  await rejectsCode(behind.chain.accept(second), 'gap')
  assert.is(behind.chain.tip.header.height, 0)
})

test('a block whose certificate does not make it final is refused, and nothing moves', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesis)
  const { chain } = opened
  const candidate = nextCandidate(chain)
  const good = certify(candidate.header, consensusKeys(3))
  const stranger = nodeKeys(9).consensus
  const [first, second] = good.signatures
  if (first === undefined || second === undefined) throw new Error('no signatures')
  const wrong = {
    'no quorum': certify(candidate.header, consensusKeys(2)),
    'a stranger among the signers': certify(candidate.header, [...consensusKeys(3), stranger]),
    'a signer twice': { ...good, signatures: [first, first, second] },
    'another height': { ...good, height: 2 },
    'another block': { ...good, block: seedOf('block') },
    'another round than was signed': { ...good, round: 1 },
    'a wrong signature': { ...good, signatures: [{ ...first, signature: second.signature }, ...good.signatures.slice(1)] },
  }
  for (const [name, certificate] of Object.entries(wrong)) {
    await rejectsCode(chain.accept(blockOf(candidate, certificate)), 'invalid-certificate')
    assert.is(chain.tip.header.height, 0, name)
  }
  await rejectsCode(chain.accept({ ...blockOf(candidate, good), certificate: null }), 'invalid-certificate')
  assert.is((await chain.accept(blockOf(candidate, good))).header.height, 1)
})

test('a final block that executes to something else here stops this node, and says where', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesis)
  const { chain } = opened
  const { header } = nextCandidate(chain)
  const forged = { ...header, stateRoot: seedOf('other state') }
  const error = await rejectsCode(
    chain.accept({ header: forged, transactions: [], certificate: certify(forged, consensusKeys()) }),
    'execution-differs',
  )
  assert.is((error as Error & { metadata: { height: number } }).metadata.height, 1)
  // As is one that hides transactions, or brings others than its header names.
  const block = nextBlock(chain, [createFolder(chain, 'a')])
  await rejectsCode(chain.accept({ ...block, transactions: [] }), 'execution-differs')
  assert.is(chain.tip.header.height, 0)
})

test('a candidate that stands on another block than the tip is not stored', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesis)
  const { chain } = opened
  const parent = { ...chain.tip, hash: seedOf('another parent') }
  const input = { time: chain.tip.header.time + 5, proposer: nodeKeys(0).consensus.publicKey, transactions: [] }
  const candidate = buildCandidate(parent, input, chain.seen)
  await rejectsCode(chain.commit(candidate, certify(candidate.header, consensusKeys())), 'gap')
  assert.is(chain.tip.header.height, 0)
})

test('waiting ends with a block above the height, at once where it is there, and by the signal', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesis)
  const { chain } = opened
  const never = new AbortController()
  let done = false
  const waiting = chain.waitAbove(1, { signal: never.signal }).then(() => {
    done = true
  })
  await chain.accept(nextBlock(chain))
  assert.is(done, false, 'height 1 is not above 1')
  await chain.accept(nextBlock(chain))
  await waiting
  assert.is(done, true)
  await chain.waitAbove(1, { signal: never.signal })
  const given = new AbortController()
  const ended = chain.waitAbove(99, { signal: given.signal })
  given.abort()
  await ended
  await chain.waitAbove(99, { signal: given.signal })
})

test('after a restart the same transactions count as seen, and the sets are known by their hashes', async () => {
  using place = temporary()
  const transaction = await (async () => {
    await using opened = await openTestChain(place.dir, genesis)
    const { chain } = opened
    const first = createFolder(chain, 'a')
    await chain.accept(nextBlock(chain, [first]))
    await chain.accept(nextBlock(chain, [first]))
    const outcome = await chain.store.receipt(first.id)
    assert.is(outcome?.height, 1, 'the replay does not hide the first')
    return first
  })()
  await using again = await openTestChain(place.dir, genesis)
  const { chain } = again
  assert.is(chain.tip.header.height, 2)
  assert.is(chain.seen.has(transaction.id, chain.tip.header.time + 1), true)
  assert.is(chain.seen.has(createFolder(chain, 'b').id, chain.tip.header.time + 1), false)
  const set = chain.tip.validators.current
  assert.is(
    toHex(validatorSetHash((await chain.validatorSet(validatorSetHash(set))) ?? { validators: [], since: 0 })),
    toHex(validatorSetHash(set)),
  )
  assert.is(await chain.validatorSet(seedOf('unknown')), undefined)
})

test('a block of a new validator set is stored on the second try where the first write of the set fails', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesis)
  const sets = opened.store.sublevel('validator-sets')
  let isFull = false
  const failing: KeyValueStore = {
    ...sets,
    batch: async (operations, options) => {
      if (isFull) throw new EpioneError('store-unavailable', 'The disk is full.')
      await sets.batch(operations, options)
    },
  }
  const chain = await Chain.open(genesis, opened.chain.store, failing)
  const organisation = { ...organisationOf(0), power: 2 }
  const body = voteBodyCodec.encode({ series: 0, proposal: { type: 'amend', value: { account: nodeKeys(0).account, organisation } } })
  const votes = [0, 1, 2].map(index => {
    const { account: id, signing } = nodeKeys(index)
    const from = { kind: 'account', id } as const
    const validUntil = chain.tip.header.time + 60_000
    const nonce = new Uint8Array(16)
    return createTransaction(
      { chainId: chain.chainId, from, validUntil, nonce, contract: 'members', action: 'vote', body, sponsor: null },
      signing,
    )
  })
  await chain.accept(nextBlock(chain, votes))
  await chain.accept(nextBlock(chain))
  const block = nextBlock(chain)
  isFull = true
  await rejectsCode(chain.accept(block), 'store-unavailable')
  assert.is(chain.tip.header.height, 2)
  isFull = false
  await chain.accept(block)
  assert.is(chain.tip.header.height, 3)
  assert.is(chain.tip.validators.current.since, 3, 'it is the first that the new set signed')
})

test.run()
