import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { headerHash, validatorSetHash } from '../../src/ledger/header.ts'
import { buildCandidate } from '../../src/node/executor.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, seedOf } from './cluster.ts'
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

test.run()
