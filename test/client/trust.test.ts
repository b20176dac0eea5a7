import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CLOCK_DRIFT_MS, TRUSTING_PERIOD_MS, TrustedHeaders, type Witness } from '../../src/client/trust.ts'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import type { Commit } from '../../src/network/light-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, seedOf } from '../node/cluster.ts'
import { certify } from '../node/ledger-fixture.ts'
import { keysOf, MadeChain, setOf, type Validators } from './made-chain.ts'

const test = suite('trust in headers')
const START = 1_700_000_000_000
const genesis = genesisOf({ time: START })
const steady = (): Validators => ({ keys: keysOf(0, 1, 2, 3), since: 1 })

interface Trust {
  trust: TrustedHeaders
  clock: { now: number }
  /** Heights that verification asked for. */
  fetched: number[]
  verify: (commit: Commit) => Promise<number>
}

function trusting(chain: MadeChain, fetch = (height: number): Commit => chain.commit(height)): Trust {
  const clock = { now: START + 1_000_000 }
  const trust = new TrustedHeaders({ genesis: chain.genesis, now: () => clock.now })
  const fetched: number[] = []
  const verify = async (commit: Commit): Promise<number> => {
    const header = await trust.verify(commit, async height => {
      fetched.push(height)
      return fetch(height)
    })
    return header.height
  }
  return { trust, clock, fetched, verify }
}

/** One of the four validators leaves for a new one every `span` heights. */
const rotating =
  (span: number) =>
  (height: number): Validators => {
    const turn = Math.floor((height - 1) / span)
    return { keys: keysOf(turn, turn + 1, turn + 2, turn + 3), since: turn * span + 1 }
  }

/** The certificate of a commit with other signatures. */
function signed(
  commit: Commit,
  change: (signatures: NonNullable<Commit['certificate']>['signatures']) => NonNullable<Commit['certificate']>['signatures'],
): Commit {
  const { certificate } = commit
  if (certificate === null) throw new Error('no certificate')
  return { ...commit, certificate: { ...certificate, signatures: change(certificate.signatures) } }
}

test('genesis is trusted, and headers one after another', async () => {
  const chain = new MadeChain(genesis, rotating(2))
  const { trust, fetched, verify } = trusting(chain)
  assert.is(trust.newest.height, 0)
  assert.equal(trust.chainId, chain.header(0).chainId)
  for (let height = 0; height <= 12; height++) assert.is(await verify(chain.commit(height)), height)
  assert.is(trust.newest.height, 12)
  assert.equal(fetched, [], 'every header stands on the one before')
})

test('with the same validators any height is trusted at once', async () => {
  const chain = new MadeChain(genesis, steady)
  const { trust, fetched, verify } = trusting(chain)
  assert.is(await verify(chain.commit(500)), 500)
  assert.equal(fetched, [])
  assert.is(trust.newest.height, 500)
})

test('across changes of validators, headers between are asked for, few of them', async () => {
  const chain = new MadeChain(genesis, rotating(10))
  const { fetched, verify } = trusting(chain)
  assert.is(await verify(chain.commit(200)), 200)
  assert.ok(fetched.length > 0 && fetched.length < 40, `${fetched.length} headers`)
  // What lies on the way is remembered.
  fetched.length = 0
  assert.is(await verify(chain.commit(201)), 201)
  assert.equal(fetched, [])
})

/** Three validators at first; from height 2 on, `keep` of them and others. */
function kept(keep: readonly number[]): MadeChain {
  const three: Genesis = genesisOf({
    time: START,
    organisations: genesis.organisations.map((organisation, i) =>
      i < 3 ? organisation : { ...organisation, consensusKey: null, power: 0 },
    ),
  })
  return new MadeChain(three, height =>
    height < 2 ? { keys: keysOf(0, 1, 2), since: 1 } : { keys: keysOf(...keep, 10, 11, 12), since: 2 },
  )
}

test('exactly a third of the trusted weight is not enough to skip; more is', async () => {
  const third = kept([0])
  const one = trusting(third)
  assert.is(await one.verify(third.commit(9)), 9)
  assert.ok(one.fetched.length > 0)
  assert.is(one.fetched[0], 5)
  const more = kept([0, 1])
  const two = trusting(more)
  assert.is(await two.verify(more.commit(9)), 9)
  assert.equal(two.fetched, [])
  // They count by their signatures, not by their names in the set: without one of the two it is a third again.
  const without = trusting(more)
  assert.is(await without.verify(more.commit(9, { signers: keysOf(0, 10, 11, 12) })), 9)
  assert.ok(without.fetched.length > 0)
})

test('strangers who sign a chain of their own are found out at the first height', async () => {
  const theirs = new MadeChain(genesis, height => ({ keys: height < 1 ? keysOf(0, 1, 2, 3) : keysOf(20, 21, 22, 23), since: 1 }))
  const { trust, verify, fetched } = trusting(theirs)
  await rejectsCode(verify(theirs.commit(100)), 'untrusted-validators')
  assert.is(fetched.at(-1), 1)
  assert.is(trust.newest.height, 0)
})

test('the next header is signed by those whom the chain appointed, and by nobody else', async () => {
  const chain = new MadeChain(genesis, steady)
  const { verify } = trusting(chain)
  await verify(chain.commit(1))
  // Three of the four and a stranger: more than a third, but not the appointed set.
  const keys = keysOf(0, 1, 2, 20)
  const set = setOf(keys, 1)
  const other = new MadeChain(genesis, height => (height < 2 ? steady() : { keys, since: 1 }))
  const header = { ...other.header(2), parent: chain.header(2).parent }
  await rejectsCode(verify({ header, certificate: certify(header, keys), validators: set }), 'untrusted-validators')
})

test('a header that was changed does not fit its certificate', async () => {
  const chain = new MadeChain(genesis, steady)
  const good = chain.commit(7)
  for (const change of [
    { stateRoot: seedOf('state') },
    { receiptsRoot: seedOf('receipts') },
    { time: good.header.time + 1 },
    { height: 8 },
    { proposer: seedOf('proposer') },
    { nextValidatorsHash: seedOf('validators') },
  ]) {
    const { trust, verify } = trusting(chain)
    await rejectsCode(verify({ ...good, header: { ...good.header, ...change } }), 'invalid-certificate')
    assert.is(trust.newest.height, 0)
  }
})

test('the validators shown must be those that the header names', async () => {
  const chain = new MadeChain(genesis, steady)
  const good = chain.commit(7)
  for (const validators of [
    setOf(keysOf(0, 1, 2), 1),
    setOf(keysOf(0, 1, 2, 3, 4), 1),
    setOf(keysOf(0, 1, 2, 3), 2),
    { validators: [], since: 1 },
  ]) {
    await rejectsCode(trusting(chain).verify({ ...good, validators }), 'invalid-header')
  }
})

test('a certificate needs more than two thirds, of known signers, each once and rightly', async () => {
  const chain = new MadeChain(genesis, steady)
  const good = chain.commit(7)
  const stranger = nodeKeys(20).consensus
  const bad: Commit[] = [
    { ...good, certificate: certify(good.header, keysOf(0, 1)) },
    { ...good, certificate: certify(good.header, [...keysOf(0, 1, 2), stranger]) },
    { ...good, certificate: certify(chain.header(6), keysOf(0, 1, 2, 3)) },
    signed(good, () => []),
    signed(good, ([first, second]) => (first && second ? [first, first, second] : [])),
    signed(good, ([first, second]) => (first && second ? [first, second, second, second] : [])),
    signed(good, signatures => [...signatures].reverse()),
    signed(good, ([first, second, ...rest]) => (first && second ? [{ ...first, signature: second.signature }, second, ...rest] : [])),
  ]
  for (const commit of bad) await rejectsCode(trusting(chain).verify(commit), 'invalid-certificate')
  await rejectsCode(trusting(chain).verify({ ...good, certificate: null }), 'invalid-header')
  assert.is(await trusting(chain).verify({ ...good, certificate: certify(good.header, keysOf(0, 1, 2)) }), 7)
})

test('a header of another chain is refused', async () => {
  const chain = new MadeChain(genesis, steady)
  const other = new MadeChain(genesisOf({ time: START, network: 'another' }), steady)
  const { trust, verify } = trusting(chain)
  await rejectsCode(verify(other.commit(3)), 'invalid-header')
  await rejectsCode(verify(other.commit(0)), 'invalid-header')
  assert.is(trust.newest.height, 0)
})

test('a header may be ahead of the own clock by the drift of clocks, and no more', async () => {
  const chain = new MadeChain(genesis, steady)
  const { clock, verify } = trusting(chain)
  clock.now = chain.header(7).time - CLOCK_DRIFT_MS - 1
  await rejectsCode(verify(chain.commit(7)), 'future-header')
  clock.now++
  assert.is(await verify(chain.commit(7)), 7)
})

test('what was trusted more than 30 days ago anchors nothing any more', async () => {
  const chain = new MadeChain(genesis, steady)
  const { clock, verify } = trusting(chain)
  await verify(chain.commit(5))
  clock.now = chain.header(5).time + TRUSTING_PERIOD_MS
  assert.is(await verify(chain.commit(6)), 6)
  clock.now = chain.header(6).time + TRUSTING_PERIOD_MS + 1
  await rejectsCode(verify(chain.commit(7)), 'unanchored')
})

test('older heights are verified from below, and as strictly', async () => {
  const chain = new MadeChain(genesis, rotating(10))
  const { trust, verify } = trusting(chain)
  await verify(chain.commit(100))
  for (const height of [1, 44, 99]) assert.is(await verify(chain.commit(height)), height)
  assert.is(trust.newest.height, 100)
  const forged = { ...chain.header(57), stateRoot: seedOf('state') }
  await rejectsCode(verify({ ...chain.commit(57), header: forged }), 'invalid-certificate')
})

test('two headers of one height are never both trusted, whoever signed them', async () => {
  const chain = new MadeChain(genesis, steady)
  const { verify } = trusting(chain)
  await verify(chain.commit(5))
  await rejectsCode(verify(chain.commit(5, { header: { stateRoot: seedOf('another') } })), 'invalid-header')
  assert.is(await verify(chain.commit(5)), 5)
})

test('time goes on from header to header', async () => {
  const chain = new MadeChain(genesis, steady)
  const { verify } = trusting(chain)
  await verify(chain.commit(5))
  await rejectsCode(verify(chain.commit(6, { header: { time: chain.header(5).time } })), 'invalid-header')
})

test('a node that answers with another height than it was asked for is caught', async () => {
  const chain = new MadeChain(genesis, rotating(10))
  const { trust, verify } = trusting(chain, height => chain.commit(height + 1))
  await rejectsCode(verify(chain.commit(100)), 'invalid-header')
  assert.is(trust.newest.height, 0)
})

test('hundreds of headers can be followed; the oldest are forgotten and trusted again from genesis', async () => {
  const chain = new MadeChain(genesis, steady)
  const { trust, verify } = trusting(chain)
  for (let height = 1; height <= 200; height++) await verify(chain.commit(height))
  assert.is(trust.newest.height, 200)
  assert.is(await verify(chain.commit(3)), 3)
  await rejectsCode(verify({ ...chain.commit(4), header: { ...chain.header(4), stateRoot: seedOf('x') } }), 'invalid-certificate')
})

const DAY = 24 * 60 * 60 * 1000
const witness = (node: number, header: Header): Witness => ({
  networkKey: nodeKeys(node).network.publicKey,
  headerHash: headerHash(header),
})

/** A peer that begins with a genesis of 100 days ago, on a chain of one header a day; `asked` are the heights of which witnesses are asked. */
function late(chain: MadeChain, show: (height: number) => readonly Witness[]): Trust & { asked: number[] } {
  const clock = { now: START + 100 * DAY + 1 }
  const asked: number[] = []
  const witnesses = async (height: number): Promise<readonly Witness[]> => {
    asked.push(height)
    return show(height)
  }
  const trust = new TrustedHeaders({ genesis: chain.genesis, now: () => clock.now, witnesses })
  const fetched: number[] = []
  const verify = async (commit: Commit): Promise<number> => {
    const header = await trust.verify(commit, async height => {
      fetched.push(height)
      return chain.commit(height)
    })
    return header.height
  }
  return { trust, clock, fetched, verify, asked }
}

test('genesis too anchors nothing after 30 days without witnesses; two founding organisations are enough', async () => {
  const chain = new MadeChain(genesis, steady, DAY)
  const alone = trusting(chain)
  alone.clock.now = START + TRUSTING_PERIOD_MS
  assert.is(await alone.verify(chain.commit(29)), 29)
  const old = trusting(chain)
  old.clock.now = START + TRUSTING_PERIOD_MS + 1
  await rejectsCode(old.verify(chain.commit(29)), 'unanchored')
  assert.is(old.trust.newest.height, 0)

  const { trust, verify, asked } = late(chain, height => [witness(1, chain.header(height)), witness(3, chain.header(height))])
  assert.is(await verify(chain.commit(100)), 100)
  assert.equal(asked, [100])
  assert.is(trust.newest.height, 100)
  assert.is(await verify(chain.commit(100)), 100)
  assert.equal(asked, [100], 'what is trusted needs nobody')
})

test('whoever is no founding organisation, or is counted already, is no witness', async () => {
  const chain = new MadeChain(genesis, steady, DAY)
  const good = chain.commit(100)
  const other = { ...good.header, stateRoot: seedOf('another') }
  const third = { ...good.header, stateRoot: seedOf('a third') }
  const [w, x] = [(node: number) => witness(node, good.header), (node: number) => witness(node, other)]
  for (const shown of [
    [],
    [w(0)],
    [w(0), w(0), w(0)],
    [w(0), w(4), w(20)],
    [w(20), w(21), w(22)],
    [x(0), x(1)],
    [x(0), x(1), w(2), w(3)],
    [w(0), w(1), x(2), x(3)],
    [x(0), w(0), w(1)],
  ]) {
    const { trust, verify } = late(chain, () => shown)
    await rejectsCode(verify(good), 'unanchored')
    assert.is(trust.newest.height, 0)
  }
  // One who shows something else takes nothing from two who agree.
  for (const shown of [
    [w(0), w(1)],
    [x(0), w(1), w(2)],
    [x(0), witness(3, third), w(1), w(2)],
  ]) {
    assert.is(await late(chain, () => shown).verify(good), 100)
  }
})

test('the keys of two of four founders, long after, make nobody believe a header of their own', async () => {
  const chain = new MadeChain(genesis, steady, DAY)
  const forged = new MadeChain(genesis, height => (height < 2 ? steady() : { keys: keysOf(0, 1, 20), since: 2 }), DAY)
  const { trust, verify, asked } = late(chain, height => [0, 1, 2, 3].map(node => witness(node, chain.header(height))))
  await rejectsCode(verify(forged.commit(100)), 'unanchored')
  assert.equal(asked, [100], 'the signatures alone are enough of the old weight')
  assert.is(trust.newest.height, 0)
  assert.is(await verify(chain.commit(100)), 100)
})

test('witnesses are no substitute for signatures, and are asked once for many answers', async () => {
  const chain = new MadeChain(genesis, steady, DAY)
  const all = (height: number): Witness[] => [0, 1, 2, 3].map(node => witness(node, chain.header(height)))
  const { trust, verify, asked } = late(chain, all)
  const good = chain.commit(100)
  await rejectsCode(verify({ ...good, certificate: certify(good.header, keysOf(0, 1)) }), 'invalid-certificate')
  assert.equal(asked, [])
  assert.equal(await Promise.all([verify(good), verify(good), verify(good)]), [100, 100, 100])
  assert.equal(asked, [100])
  assert.is(trust.newest.height, 100)
})

test('headers on the way are vouched for as well, and one that another overtook is not trusted twice', async () => {
  const chain = new MadeChain(genesis, rotating(10), DAY)
  const all = (height: number): Witness[] => [0, 1, 2, 3].map(node => witness(node, chain.header(height)))
  const { verify, asked, fetched } = late(chain, all)
  assert.is(await verify(chain.commit(100)), 100)
  assert.ok(fetched.length > 0)
  // Those that stand on a header of the last 30 days need no witnesses.
  const young = fetched.filter(height => !asked.includes(height))
  assert.ok(asked.includes(Math.min(...fetched)) && young.every(height => height > 70), `${asked} of ${fetched}`)

  // Both headers of one height get their two signatures of old keys and their witnesses; only the first is trusted.
  const steadily = new MadeChain(genesis, steady, DAY)
  const second = steadily.commit(100, { header: { stateRoot: seedOf('another') } })
  let turn = 0
  const both = late(steadily, () => {
    const shown = turn++ === 0 ? steadily.header(100) : second.header
    return [witness(0, shown), witness(1, shown)]
  })
  const first = both.verify(steadily.commit(100))
  both.clock.now += 10_000
  await Promise.allSettled([first, rejectsCode(both.verify(second), 'invalid-header')]).then(results =>
    assert.equal(
      results.map(({ status }) => status),
      ['fulfilled', 'fulfilled'],
    ),
  )
  assert.equal(both.asked, [100, 100])
})

test('a checkpoint is a base like any other: for 30 days', async () => {
  const chain = new MadeChain(genesis, rotating(10), DAY)
  const known = trusting(chain)
  known.clock.now = START + 20 * DAY
  assert.equal(known.trust.checkpoint, { height: 0, headerHash: headerHash(chain.header(0)) })
  await known.verify(chain.commit(15))
  assert.equal(known.trust.checkpoint, { height: 15, headerHash: headerHash(chain.header(15)) })

  const checkpoint = { height: 95, headerHash: headerHash(chain.header(95)) }
  const { trust, verify, asked, clock, fetched } = late(chain, () => [])
  await rejectsCode(verify(chain.commit(100)), 'unanchored')
  fetched.length = 0
  asked.length = 0
  assert.is(trust.anchor(chain.commit(95), checkpoint).height, 95)
  assert.is(trust.anchor(chain.commit(95), checkpoint).height, 95)
  assert.equal(trust.checkpoint, checkpoint)
  assert.is(await verify(chain.commit(100)), 100)
  assert.equal([...fetched, ...asked], [])
  // What lies below it stands on genesis still, and what comes much later on nothing.
  await rejectsCode(verify(chain.commit(1)), 'unanchored')
  clock.now = chain.header(100).time + TRUSTING_PERIOD_MS + 1
  await rejectsCode(verify(chain.commit(101)), 'unanchored')
})

test('a checkpoint is the header that it names, of this chain, signed by its validators', async () => {
  const chain = new MadeChain(genesis, steady, DAY)
  const other = new MadeChain(genesisOf({ time: START, network: 'another' }), steady, DAY)
  const good = chain.commit(95)
  const of = (commit: Commit): { height: number; headerHash: Uint8Array } => ({
    height: commit.header.height,
    headerHash: headerHash(commit.header),
  })
  const bad: [Commit, { height: number; headerHash: Uint8Array }, string][] = [
    [good, { height: 95, headerHash: seedOf('hash') }, 'invalid-header'],
    [good, { ...of(good), height: 94 }, 'invalid-header'],
    [chain.commit(94), of(good), 'invalid-header'],
    [other.commit(95), of(other.commit(95)), 'invalid-header'],
    [other.commit(0), of(other.commit(0)), 'invalid-header'],
    [{ ...good, certificate: null }, of(good), 'invalid-header'],
    [{ ...good, validators: setOf(keysOf(0, 1, 2), 1) }, of(good), 'invalid-header'],
    [{ ...good, certificate: certify(good.header, keysOf(0, 1)) }, of(good), 'invalid-certificate'],
    [chain.commit(102), of(chain.commit(102)), 'future-header'],
  ]
  for (const [commit, checkpoint, code] of bad) {
    const { trust } = late(chain, () => [])
    await rejectsCode((async () => trust.anchor(commit, checkpoint))(), code)
    assert.is(trust.newest.height, 0)
  }
  assert.is(late(chain, () => []).trust.anchor(chain.commit(0), of(chain.commit(0))).height, 0)
})

test.run()
