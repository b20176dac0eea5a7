/**
 * Bugs that were found in real BFT engines, each as a test that this engine does not have it: those of the protocol itself, over the
 * public entry. Those of logs, networks and decoders are in field-bugs-engine.test.ts; the README of this folder lists them all.
 */
import type { ConsensusInput, PlainMessage } from 'epione/consensus'
import { initialState, roundTimeouts, startConsensus, stepConsensus, transition } from 'epione/consensus'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seeded } from './network.ts'
import { PlainCluster, votesIn } from './plain-cluster.ts'
import { FOUR, precommits, prevotes, proposal, timeout } from './tables/table.ts'

const test = suite('bugs of real engines: protocol')
const TIMEOUTS = { proposeMs: 1000, voteMs: 500, growthMs: 250 }

/** The whole of a round, from the proposal's timer to the precommits'. */
function roundMs(round: number): number {
  const { proposeMs, voteMs } = roundTimeouts(TIMEOUTS, round)
  return proposeMs + 2 * voteMs
}

test('IBFT 1.0: a minority locked on one value and a majority locked on another come together once the network is good', () => {
  const cluster = new PlainCluster()
  let healed = false
  // Round 0: d misses the proposal and nobody hears b, who alone sees the polka. Round 1: nobody hears b, its proposer. Round 2: a, c and
  // d lock c's value, b sees nothing of it. No precommit for a value arrives.
  cluster.carry = (message, from, to) => {
    if (healed) return message
    if (message.type === 'proposal') {
      return (message.round === 0 && to === 'd') || (message.round === 1 && from === 'b') ? undefined : message
    }
    const lost = votesIn(message).some(
      ({ kind, round, value }) =>
        (kind === 'precommit' && value !== null) ||
        (kind === 'prevote' && round === 0 && value !== null && from === 'b') ||
        (kind === 'prevote' && round === 2 && to === 'b'),
    )
    return lost ? undefined : message
  }
  cluster.start()
  const locks = (): string => cluster.nodes.map(node => cluster.view(node).lockedValue ?? 'none').join(' ')
  assert.ok(
    cluster.until(() => locks() === 'v@2 v@0 v@2 v@2', 60_000),
    locks(),
  )
  healed = true
  assert.ok(
    cluster.until(() => cluster.decided(), 4 * roundMs(4)),
    'decided',
  )
  assert.equal(cluster.values(), ['v@2'])
})

test('QBFT specification (commit 2b42535): a repeated proposal of an honest node is always accepted', () => {
  // An honest node repeats its valid value, whose round is at or above the lock of every honest node that has seen what it has seen.
  for (let round = 1; round <= 5; round++) {
    for (let validRound = 0; validRound < round; validRound++) {
      for (let lockedRound = -1; lockedRound < round; lockedRound++) {
        for (const lockedValue of ['v', 'w']) {
          const lock = lockedRound < 0 ? {} : { lockedRound, lockedValue, validRound: lockedRound, validValue: lockedValue }
          const state = { ...initialState, round, ...lock }
          const { outputs } = transition(state, { type: 'proposal-with-polka', round, value: 'v', validRound, valid: true })
          const accepted = lockedRound <= validRound || lockedValue === 'v'
          assert.equal(outputs, [{ type: 'vote', kind: 'prevote', round, value: accepted ? 'v' : null }])
        }
      }
    }
  }
})

test('Besu 7875: a value of k rounds ago is accepted when it is proposed again, for every k', () => {
  for (let k = 1; k <= 12; k++) {
    let state = startConsensus(FOUR)
    const give = (...inputs: ConsensusInput[]) =>
      inputs.flatMap(input => {
        const stepped = stepConsensus(state, input)
        state = stepped.state
        return stepped.outputs
      })
    give({ type: 'start' }, ...prevotes(0, 'v', 'abc'))
    give(...precommits(k, null, 'ab'))
    const outputs = k % 4 === 3 ? give(timeout('propose', k)) : give(proposal('v', k, { validRound: 0 }))
    const prevote = outputs.find(output => output.type === 'vote')
    // In a round in which the node itself proposes, it repeats nothing: it has no proposal of the value, so no valid value.
    assert.equal(prevote && 'value' in prevote && prevote.value, k % 4 === 3 ? null : 'v', `k = ${k}`)
  }
})

test('Besu 2095: the timer of a round starts with the height, not before, however long the chain was idle', () => {
  const cluster = new PlainCluster()
  assert.not(
    cluster.until(() => cluster.outputs.length > 0, 3_600_000),
    'idle: no timer runs',
  )
  cluster.start()
  assert.ok(cluster.until(() => cluster.decided(), 1000))
  assert.ok([...cluster.decisions.values()].every(({ round }) => round === 0))
})

/** A round of `node` in which everything is nil, by the votes of others. */
function passRound(cluster: PlainCluster, node: string, round: number, others: string): void {
  cluster.give(node, timeout('propose', round))
  for (const input of [...prevotes(round, null, others), ...precommits(round, null, others)]) cluster.give(node, input)
  cluster.give(node, timeout('precommit', round))
}

test('Besu 7642: nodes in rounds 6, 9 and 10 with the fourth down come together within two timeouts of the highest round', () => {
  const cluster = new PlainCluster({ running: 'abc' })
  let apart = true
  cluster.carry = message => (apart ? undefined : message)
  cluster.start()
  // d spoke to some and then fell silent for good; what a, b and c say to each other is as in a run in which the rest was lost.
  for (let round = 0; round < 6; round++) passRound(cluster, 'a', round, 'bc')
  for (let round = 0; round < 9; round++) passRound(cluster, 'b', round, 'cd')
  for (let round = 0; round < 10; round++) passRound(cluster, 'c', round, 'bd')
  assert.equal(
    cluster.nodes.map(node => cluster.view(node).round),
    [6, 9, 10],
  )
  apart = false
  const limit = 2 * roundTimeouts(TIMEOUTS, 12).rebroadcastMs
  assert.ok(
    cluster.until(() => cluster.decided(), limit),
    JSON.stringify(cluster.nodes.map(node => cluster.view(node).round)),
  )
  assert.is(cluster.values().length, 1)
})

test('Celo 706: two slow nodes catch up with the one that is two rounds ahead, with a fourth down', () => {
  const cluster = new PlainCluster({ running: 'abc' })
  let apart = true
  cluster.carry = message => (apart ? undefined : message)
  cluster.start()
  passRound(cluster, 'c', 0, 'ad')
  passRound(cluster, 'c', 1, 'ad')
  passRound(cluster, 'a', 0, 'cd')
  assert.equal(
    cluster.nodes.map(node => cluster.view(node).round),
    [1, 0, 2],
  )
  apart = false
  assert.ok(cluster.until(() => cluster.decided(), 2 * roundTimeouts(TIMEOUTS, 4).rebroadcastMs))
})

for (const [name, rounds] of [
  ['Tendermint 3003: twenty rounds of nil polkas leave nobody stuck', 20],
  ['Quorum 1664: a hundred rounds without a decision grow no storm, and the next good round decides', 100],
] as const) {
  test(name, () => {
    const cluster = new PlainCluster()
    let lost = true
    cluster.carry = message => (lost && message.type === 'proposal' ? undefined : message)
    cluster.start()
    const reached = (round: number) => () => cluster.nodes.every(node => cluster.view(node).round >= round)
    let total = 0
    for (let round = 1; round <= rounds; round++) {
      const before = cluster.sent.length
      assert.ok(cluster.until(reached(round), 2 * roundMs(round)), `round ${round}`)
      total += cluster.sent.length - before
    }
    // A node says two votes in a round, resends at the pace of the round, and its own proposals: bounded, whatever the round.
    assert.ok(total <= rounds * 4 * 8, `${total} messages in ${rounds} rounds`)
    lost = false
    assert.ok(cluster.until(() => cluster.decided(), 3 * roundMs(rounds + 2)))
    assert.is(cluster.values().length, 1)
  })
}

test('Malachite 850: who lacks the polka of a repeated value gets it by the resend, and votes', () => {
  const cluster = new PlainCluster()
  let withheld = 0
  // Only b sees the polka of round 0; the copy that goes with its proposal in round 1 is lost, the resend arrives.
  cluster.carry = (message, from, to) => {
    const prevotesOf0 = votesIn(message).some(({ kind, round }) => kind === 'prevote' && round === 0)
    if (!prevotesOf0 || to === 'b') return message
    if (from === 'b' && message.type === 'votes' && message.votes.length >= 3 && ++withheld > 3) return message
    return undefined
  }
  cluster.start()
  assert.ok(cluster.until(() => cluster.decided(), 10 * roundMs(5)))
  assert.ok(withheld > 3, 'the polka was lost once for each peer')
  assert.ok(cluster.view('b').lockedRound >= 0)
  assert.equal(cluster.values(), ['v@0'], 'the value with the polka is the one that is decided')
})

test('ByzzFuzz: a validator whose messages are altered, dropped and sent to some alone stops nobody and splits nobody', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed)
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
    const alterVote = <T extends { round: number; value: string | null }>(vote: T): T => ({
      ...vote,
      round: Math.max(0, vote.round + pick([0, 0, 1, -1, 3])),
      value: pick([vote.value, vote.value, null, 'v@0', 'v@1', 'evil@3']),
    })
    const alter = (message: PlainMessage): PlainMessage | undefined => {
      if (random() < 0.25) return undefined
      if (random() < 0.4) return message
      if (message.type === 'vote') return alterVote(message)
      // d speaks in its own name alone: it has nobody else's key.
      if (message.type === 'votes') return { ...message, votes: message.votes.map(vote => (vote.from === 'd' ? alterVote(vote) : vote)) }
      if (message.type !== 'proposal' || message.from !== 'd') return message
      return { ...message, value: pick([message.value, 'evil@3']), validRound: pick([-1, 0, Math.max(-1, message.round - 1)]) }
    }
    const cluster = new PlainCluster({
      carry: (message, from) => (from === 'd' ? alter(message) : message),
      delayMs: () => 5 + Math.floor(random() * 40),
    })
    cluster.start()
    const honest = ['a', 'b', 'c']
    assert.ok(
      cluster.until(() => honest.every(node => cluster.decisions.has(node)), 20 * roundMs(8)),
      `seed ${seed}: decided`,
    )
    assert.is(new Set(honest.map(node => cluster.decisions.get(node)!.value)).size, 1, `seed ${seed}: agreement`)
  }
})

test.run()
