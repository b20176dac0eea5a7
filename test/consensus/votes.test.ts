import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Vote, VoteKind } from '../../src/consensus/messages.ts'
import { MAX_FUTURE_MESSAGES, MAX_FUTURE_ROUNDS, PAST_ROUNDS, VoteKeeper } from '../../src/consensus/votes.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { seeded, testKeys, validatorSet } from './network.ts'

const test = suite('vote keeper')
const keys = testKeys(7)
const [v, w] = [sha256(Uint8Array.of(1)), sha256(Uint8Array.of(2))]

function vote(voter: number, block: Uint8Array | null, round = 0, kind: VoteKind = 'prevote'): Vote {
  return { kind, height: 1, round, block, validator: keys[voter]!.publicKey, signature: new Uint8Array(64) }
}

const keeper = (n = 4, powers: number[] = []): VoteKeeper => new VoteKeeper(validatorSet(keys.slice(0, n), powers))

test('a quorum is strictly more than two thirds, for one value', () => {
  const votes = keeper(3)
  votes.add(vote(0, v))
  votes.add(vote(1, v))
  assert.not(votes.quorum('prevote', 0, toHex(v)), 'exactly two thirds')
  votes.add(vote(2, w))
  assert.not(votes.quorum('prevote', 0, toHex(v)))
  assert.ok(votes.quorumAny('prevote', 0))
  assert.not(votes.quorumAny('precommit', 0))
})

test('weights count, not heads', () => {
  const votes = keeper(4, [10, 1, 1, 1])
  votes.add(vote(1, v))
  votes.add(vote(2, v))
  votes.add(vote(3, v))
  assert.not(votes.quorumAny('prevote', 0))
  votes.add(vote(0, v))
  assert.ok(votes.quorum('prevote', 0, toHex(v)))
})

test('of a bundle only what is new is of use, each vote once; all of a group that completes a certificate is', () => {
  const votes = keeper()
  votes.add(vote(0, v))
  const stuffed = [vote(0, v), ...Array.from({ length: 500 }, () => vote(1, v)), vote(5, v)]
  assert.equal(votes.useful(stuffed), [vote(1, v)], 'known, repeated and foreign votes are not')
  votes.add(vote(3, w))
  assert.equal(
    votes.useful([vote(0, v), vote(1, v), vote(3, v)]),
    [vote(0, v), vote(1, v), vote(3, v)],
    'a whole polka, even against a first vote',
  )
  for (const i of [1, 2]) votes.add(vote(i, v))
  assert.equal(votes.useful([vote(0, v), vote(1, v), vote(2, v)]), [], 'which is there already')
  assert.equal(votes.useful([vote(1, w), vote(1, w)]), [vote(1, w)], 'evidence is of use, once')
})

test('nil is a value of its own', () => {
  const votes = keeper()
  for (const i of [0, 1, 2]) votes.add(vote(i, null))
  assert.ok(votes.quorum('prevote', 0, null))
  assert.equal(votes.quorums('prevote'), [], 'quorums names blocks alone')
})

test('the first vote counts, the second and different one is evidence, once', () => {
  const votes = keeper()
  assert.is(votes.add(vote(0, v)).status, 'added')
  assert.is(votes.add(vote(0, v)).status, 'known')
  const second = votes.add(vote(0, w))
  assert.is(second.status, 'conflict')
  assert.is(votes.add(vote(0, null)).status, 'known', 'told once')
  assert.not(votes.wants(vote(0, null)))
  assert.equal(votes.votesFor('prevote', 0, toHex(w)), [])
  assert.is(votes.add(vote(0, w, 1)).status, 'added', 'another round is another vote')
  assert.is(votes.add(vote(0, w, 0, 'precommit')).status, 'added', 'another kind is another vote')
})

test('a vote of a stranger is refused', () => {
  assert.is(keeper(4).add(vote(5, v)).status, 'refused')
})

test('a whole certificate counts even against first votes', () => {
  const votes = keeper()
  votes.add(vote(0, v))
  votes.add(vote(1, v))
  votes.add(vote(3, w))
  assert.not(votes.quorum('prevote', 0, toHex(v)))
  const bundle = [vote(0, v), vote(1, v), vote(3, v)]
  assert.ok(votes.completes(bundle))
  assert.is(votes.add(vote(3, v)).status, 'conflict')
  assert.ok(votes.addCertificates(bundle))
  assert.ok(votes.quorum('prevote', 0, toHex(v)))
  assert.is(votes.votesFor('prevote', 0, toHex(v)).length, 3)
  assert.not(votes.completes(bundle), 'nothing new the second time')
})

test('a bundle with one voter many times is no certificate', () => {
  const votes = keeper()
  assert.not(votes.addCertificates([vote(0, v), vote(0, v), vote(0, v)]))
  assert.not(votes.quorum('prevote', 0, toHex(v)))
})

test('line 55 (mutant: messages are counted instead of senders): f + 1 distinct senders of any message', () => {
  const votes = keeper()
  votes.add(vote(0, v, 3))
  votes.add(vote(0, v, 3, 'precommit'))
  votes.note(keys[0]!.publicKey, 3)
  assert.is(votes.skipRound(0), undefined, 'three messages of one sender')
  votes.note(keys[1]!.publicKey, 3)
  assert.is(votes.skipRound(0), 3, 'a vote of one and a proposal of another')
  assert.is(votes.skipRound(3), undefined, 'only above the present round')
})

test('line 55: strictly more than one third', () => {
  const votes = keeper(3)
  votes.add(vote(0, v, 1))
  assert.is(votes.skipRound(0), undefined, 'exactly one third')
})

test('the highest round that qualifies is skipped to', () => {
  const votes = keeper()
  for (const round of [2, 5]) for (const i of [0, 1]) votes.add(vote(i, v, round))
  assert.is(votes.skipRound(0), 5)
})

test('future rounds of one sender are bounded, the newest are kept', () => {
  const votes = keeper()
  for (let round = 1; round <= 3 * MAX_FUTURE_ROUNDS; round++) votes.add(vote(0, v, round))
  assert.is(votes.votesOf('prevote', 1).length, 0)
  assert.is(votes.votesOf('prevote', 3 * MAX_FUTURE_ROUNDS).length, 1)
  assert.not(votes.wants(vote(0, v, 2)))
  for (let round = 100; round < 100 + 2 * MAX_FUTURE_MESSAGES; round++) votes.add(vote(0, v, round))
  assert.not(votes.wants(vote(0, v, 1_000_000)), 'its allowance is used up')
  assert.ok(votes.wants(vote(1, v, 1_000_000)), 'not that of others')
  votes.enterRound(1_000_000, [])
  assert.ok(votes.wants(vote(0, v, 1_000_000)), 'nor for the present round')
})

test('old rounds are forgotten but for lock, valid value and certificates', () => {
  const votes = keeper()
  for (let round = 0; round <= 4; round++) {
    votes.enterRound(round, [])
    for (const i of [0, 1, 2]) votes.add(vote(i, v, round))
  }
  votes.enterRound(5 + PAST_ROUNDS, [2])
  assert.not(votes.quorum('prevote', 0, toHex(v)))
  assert.ok(votes.quorum('prevote', 2, toHex(v)))
  assert.not(votes.wants(vote(3, v, 0)))
})

test('counting agrees with a naive count over random votes', () => {
  const seed = 99
  const random = seeded(seed)
  for (let run = 0; run < 50; run++) {
    const powers = Array.from({ length: 7 }, () => 1 + Math.floor(random() * 5))
    const total = powers.reduce((a, b) => a + b)
    const votes = keeper(7, powers)
    const first = new Map<number, Uint8Array | null>()
    for (let i = 0; i < 12; i++) {
      const voter = Math.floor(random() * 7)
      const block = [v, w, null][Math.floor(random() * 3)]!
      votes.add(vote(voter, block))
      if (!first.has(voter)) first.set(voter, block)
      for (const value of [v, w, null]) {
        const weight = [...first].reduce((sum, [voter, block]) => sum + (block === value ? powers[voter]! : 0), 0)
        assert.is(votes.quorum('prevote', 0, value && toHex(value)), 3 * weight > 2 * total, `seed ${seed} run ${run}`)
      }
    }
  }
})

test.run()
