/** One validator sends everything that it can sign: what is held stays under the stated bounds, and the chain goes on. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_FUTURE_HEIGHTS } from '../../src/consensus/future.ts'
import { type ConsensusMessage, consensusMessageCodec, signProposal, signVote, type VoteKind } from '../../src/consensus/messages.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { MAX_FUTURE_ROUNDS, PAST_ROUNDS, VoteKeeper } from '../../src/consensus/votes.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { chainId, genesis, headerOn, TestNetwork, testKeys, validatorSet } from './network.ts'

const test = suite('bounds of consensus')
const SEED = Number(process.env.TEST_SEED ?? 7)
const N = 4
/** Rounds that may be held at once: the present one, the window behind it, and those ahead of each sender. */
const ROUNDS = 1 + PAST_ROUNDS + N * MAX_FUTURE_ROUNDS

interface Flood {
  network: TestNetwork
  liar: number
  frames: Uint8Array[]
}

/** Everything that one validator can sign for the heights from 1 on: all rounds, values and heights, each vote twice and more. */
function everything(network: TestNetwork, liar: number, count: number): Uint8Array[] {
  const key = network.keys[liar]!
  const tip = genesis(network.set)
  const below = (bound: number): number => Math.floor(network.random() * bound)
  const roundOf = (i: number): number => [below(4), below(20), below(200), 1_000_000 - below(50), i][below(5)]!
  const heightOf = (): number => [1, 1, 1, 2 + below(3), 2 + below(40)][below(5)]!
  return Array.from({ length: count }, (_, i) => {
    const [height, round] = [heightOf(), roundOf(i)]
    const block = below(3) === 0 ? null : sha256(Uint8Array.of(below(256)))
    const vote = (kind: VoteKind) => signVote(chainId, { kind, height, round, block, validator: key.publicKey }, key)
    let message: ConsensusMessage
    const kind = below(10)
    if (kind < 4) message = { type: 'vote', value: vote(below(2) === 0 ? 'prevote' : 'precommit') }
    else if (kind < 6) message = { type: 'votes', value: [vote('prevote'), vote('precommit')] }
    else {
      const batches = Array.from({ length: below(4) }, () => sha256(Uint8Array.of(below(256), 1)))
      const header = { ...headerOn(tip, key.publicKey, network.clock.now() + below(1000), batches), height }
      // The rounds of its own turn, which alone are taken from it.
      let turn = round
      while (turn > 0 && !equalBytes(proposerAt(network.set, height, turn).publicKey, key.publicKey)) turn--
      const validRound = turn > 0 && below(2) === 0 ? below(turn) : null
      const proposal = { height, round: turn, validRound, header, batches, validator: key.publicKey }
      message = { type: 'proposal', value: signProposal(chainId, proposal, key) }
    }
    return consensusMessageCodec.encode(message)
  })
}

function checkSizes({ network, liar }: Flood, where: string): void {
  for (const [i, engine] of network.engines.entries()) {
    if (i === liar || engine === undefined) continue
    const { buffers } = engine.status()
    const said = `seed ${SEED}, ${where}, node ${i}: ${JSON.stringify(buffers)}`
    assert.ok(buffers.rounds <= ROUNDS, said)
    // Two kinds of each sender in each round, and as many again in certificates.
    assert.ok(buffers.votes <= 4 * N * ROUNDS, said)
    assert.ok(buffers.accused <= 2 * N * ROUNDS, said)
    assert.ok(buffers.proposals <= ROUNDS, said)
    assert.ok(buffers.candidates <= ROUNDS + 2, said)
    assert.ok(buffers.certificates <= 1, said)
    assert.ok(buffers.futureHeights <= MAX_FUTURE_HEIGHTS, said)
    assert.ok(buffers.futureInputs <= MAX_FUTURE_HEIGHTS * 512, said)
    assert.ok(buffers.futureWeight <= MAX_FUTURE_HEIGHTS * (512 + 3 * 512), said)
    assert.ok(buffers.frames <= 2048, said)
  }
}

async function flooded(stuck: boolean, count: number): Promise<void> {
  const network = new TestNetwork({ seed: SEED })
  try {
    const liar = 3
    const honest = [0, 1, 2]
    await network.start(...honest)
    if (stuck) network.lose = () => true
    const flood: Flood = { network, liar, frames: everything(network, liar, count) }
    network.addWork(1, ...honest)
    await network.settle()
    for (let i = 0; i < flood.frames.length; i += 250) {
      for (const frame of flood.frames.slice(i, i + 250)) {
        for (const node of honest) network.engines[node]!.receive(frame, network.keys[liar]!.publicKey)
      }
      await network.settle()
      checkSizes(flood, `after ${i + 250} frames`)
      if (!stuck) network.clock.advance()
    }
    // Everything once more: replayed messages change nothing.
    const before = network.engines.map(engine => engine?.status().buffers)
    if (stuck) {
      for (const frame of flood.frames) network.engines[0]!.receive(frame, network.keys[liar]!.publicKey)
      await network.settle()
      assert.equal(network.engines[0]!.status().buffers.rounds, before[0]!.rounds)
      assert.ok(network.engines[0]!.status().drops.known > 0)
    }
    network.lose = () => false
    for (let name = 2; name <= 4; name++) network.addWork(name, ...honest)
    const done = (): boolean => honest.every(i => network.applications[i]!.work.size === 0)
    assert.ok(await network.until(done, 3_600_000), 'the chain goes on')
    checkSizes(flood, 'at the end')
    assert.equal(network.failures, [])
    assert.equal(network.conflicts(), [])
    assert.ok(network.agree())
    const { drops } = network.engines[0]!.status()
    assert.ok(drops.known > 0 && drops.future > 0, JSON.stringify(drops))
    for (const { validator } of network.misbehaviour) assert.equal(validator, network.keys[liar]!.publicKey, 'nobody else is blamed')
    assert.ok(network.misbehaviour.some(({ code }) => code === 'double-sign'))
  } finally {
    await network.close()
  }
}

test('a validator that floods a height that stands still is held within bounds', () => flooded(true, 4000))

test('a validator that floods while heights go by is held within bounds, and costs rounds alone', () => flooded(false, 3000))

test('a proposer that climbs through the rounds of its turn, each with another value, is held to the newest few', async () => {
  const network = new TestNetwork({ seed: SEED })
  try {
    await network.start(0)
    const key = network.keys[1]!
    for (let round = 1; round < 3000; round += 4) {
      const header = headerOn(genesis(network.set), key.publicKey, network.clock.now() + round, [])
      const proposal = { height: 1, round, validRound: null, header, batches: [], validator: key.publicKey }
      network.engines[0]!.receive(
        consensusMessageCodec.encode({ type: 'proposal', value: signProposal(chainId, proposal, key) }),
        key.publicKey,
      )
    }
    await network.settle()
    const { buffers } = network.engines[0]!.status()
    // And the node's own value for round 0.
    assert.is(buffers.proposals, MAX_FUTURE_ROUNDS + 1)
    assert.is(buffers.candidates, MAX_FUTURE_ROUNDS + 1)
  } finally {
    await network.close()
  }
})

test('who votes twice in every round is told of in every round, and what that takes is forgotten with the rounds', () => {
  const keys = testKeys(4)
  const keeper = new VoteKeeper(validatorSet(keys))
  let conflicts = 0
  for (let round = 0; round < 1000; round++) {
    keeper.enterRound(round, [])
    for (const block of [null, sha256(Uint8Array.of(1)), sha256(Uint8Array.of(2))]) {
      const vote = { kind: 'prevote' as const, height: 1, round, block, validator: keys[3]!.publicKey, signature: new Uint8Array(64) }
      if (keeper.add(vote).status === 'conflict') conflicts++
    }
  }
  assert.is(conflicts, 1000)
  assert.ok(keeper.sizes().accused <= PAST_ROUNDS + 1)
})

test.run()
