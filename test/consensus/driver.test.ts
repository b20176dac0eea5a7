import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Driver } from '../../src/consensus/driver.ts'
import type { Effect } from '../../src/consensus/effects.ts'
import { MAX_FUTURE_HEIGHTS } from '../../src/consensus/future.ts'
import { type DriverInput, walEntryCodec } from '../../src/consensus/inputs.ts'
import { candidateId, type Proposal, type Vote, type VoteKind } from '../../src/consensus/messages.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import { genesis, headerOn, TIMEOUTS, testKeys, validatorSet } from './network.ts'

const test = suite('driver')
const keys = testKeys(4)
const set = validatorSet(keys)
const tip = genesis(set)
const TIME = tip.header.time + 10
const nobody = new Uint8Array(64)
/** Index of the proposer of a round of height 1. */
const proposerOf = (round: number): number => round % 4

/** A driver for validator `self`; what it is asked to sign comes back to it at once, as an engine does it. */
class Bench {
  readonly driver: Driver
  readonly self: number
  readonly effects: Effect[] = []
  readonly inputs: DriverInput[] = []
  autoValidate = true

  constructor(self = 3) {
    this.self = self
    this.driver = new Driver({ self: keys[self]!.publicKey, timeouts: TIMEOUTS }, tip)
  }

  give(input: DriverInput, from = keys[0]!.publicKey): Effect[] {
    if (this.driver.relevance(input) === 'apply') this.inputs.push(input)
    const seen = this.effects.length
    for (const effect of this.driver.handle(input, from)) {
      this.effects.push(effect)
      if (effect.type === 'sign-vote') this.give({ type: 'votes', value: [{ ...effect.vote, signature: nobody }] })
      if (effect.type === 'sign-proposal') {
        this.give({ type: 'proposal', value: { proposal: { ...effect.proposal, signature: nobody }, timely: true } })
      }
      if (effect.type === 'validate' && this.autoValidate) this.verdict(effect.header, true, effect.batches)
    }
    return this.effects.slice(seen)
  }

  start(): void {
    this.give({ type: 'start', value: { height: 1 } })
  }

  timeout(kind: 'propose' | 'prevote' | 'precommit' | 'rebroadcast', round: number): Effect[] {
    return this.give({ type: 'timeout', value: { kind, height: 1, round } })
  }

  propose(header: Header, round: number, options: Partial<Proposal> & { timely?: boolean } = {}): Effect[] {
    const { timely = true, ...change } = options
    const validator = keys[proposerOf(round)]!.publicKey
    const proposal: Proposal = { height: 1, round, validRound: null, header, batches: [], validator, signature: nobody, ...change }
    return this.give({ type: 'proposal', value: { proposal, timely } })
  }

  votes(kind: VoteKind, round: number, block: Uint8Array | null, voters: readonly number[]): Effect[] {
    const seen = this.effects.length
    for (const i of voters) this.give({ type: 'votes', value: [vote(kind, round, block, i)] })
    return this.effects.slice(seen)
  }

  verdict(header: Header, valid: boolean | null, batches: Uint8Array[] = []): Effect[] {
    return this.give({ type: 'verdict', value: { height: 1, candidate: candidateId(header, batches), valid } })
  }

  /** What this validator was asked to vote for, as `kind round block`. */
  said(): string[] {
    return this.effects.flatMap(effect =>
      effect.type === 'sign-vote' ? [`${effect.vote.kind} ${effect.vote.round} ${name(effect.vote.block)}`] : [],
    )
  }

  of<T extends Effect['type']>(type: T): Extract<Effect, { type: T }>[] {
    return this.effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type)
  }
}

function vote(kind: VoteKind, round: number, block: Uint8Array | null, voter: number, height = 1): Vote {
  return { kind, height, round, block, validator: keys[voter]!.publicKey, signature: nobody }
}

/** The value that the proposer of `round` made afresh. */
function value(round: number, timeMs = TIME): Header {
  return headerOn(tip, keys[proposerOf(round)]!.publicKey, timeMs, [])
}

const names = new Map<string, string>()
function name(block: Uint8Array | null): string {
  return block === null ? 'nil' : (names.get(toHex(block)) ?? 'other')
}
const [v, w] = [value(0), value(0, TIME + 1)]
const [idV, idW] = [headerHash(v), headerHash(w)]
names.set(toHex(idV), 'v').set(toHex(idW), 'w')

test('the bench knows the rotation', () => {
  for (const round of [0, 1, 5]) assert.equal(proposerAt(set, 1, round).publicKey, keys[proposerOf(round)]!.publicKey)
})

test('an idle height runs no timer; start, a proposal or a vote starts round 0', () => {
  assert.equal(new Bench().effects, [])
  for (const wake of [
    (bench: Bench) => bench.start(),
    (bench: Bench) => bench.propose(v, 0),
    (bench: Bench) => bench.votes('prevote', 0, null, [1]),
  ]) {
    const bench = new Bench()
    wake(bench)
    assert.ok(bench.of('schedule').some(({ timeout }) => timeout.kind === 'propose' && timeout.round === 0))
  }
})

test('the way through a height: prevote, precommit, decide with the votes that were counted', () => {
  const bench = new Bench()
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 1])
  bench.votes('precommit', 0, idV, [0, 1])
  assert.equal(bench.said(), ['prevote 0 v', 'precommit 0 v'])
  const [decision] = bench.of('decide')
  assert.equal(decision!.certificate.signatures.length, 3)
  assert.equal(decision!.certificate.block, idV)
  assert.ok(bench.driver.decided)
})

test('the proposer asks for a value, proposes it and votes for it', () => {
  const bench = new Bench(0)
  bench.start()
  assert.equal(bench.of('get-value').length, 1)
  bench.give({ type: 'value', value: { height: 1, round: 0, header: v, batches: [] } })
  assert.equal(bench.of('sign-proposal')[0]!.proposal.validRound, null)
  assert.equal(bench.said(), ['prevote 0 v'])
  assert.equal(bench.of('validate'), [], 'its own value is executed already')
  assert.ok(bench.of('broadcast').some(({ message }) => message.type === 'proposal'))
})

test('votes before the proposal are kept and count when it comes', () => {
  const bench = new Bench()
  bench.votes('prevote', 0, idV, [0, 1, 2])
  assert.equal(bench.said(), [])
  bench.propose(v, 0)
  assert.equal(bench.said(), ['prevote 0 v', 'precommit 0 v'])
})

test('nothing is voted for before the verdict is there; the timer runs meanwhile', () => {
  const bench = new Bench()
  bench.autoValidate = false
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 1, 2])
  assert.equal(bench.said(), [])
  bench.timeout('propose', 0)
  assert.equal(bench.said(), ['prevote 0 nil'])
  bench.verdict(v, true)
  assert.equal(bench.said(), ['prevote 0 nil', 'precommit 0 v'], 'line 36 holds once the verdict comes')
})

test('an invalid value gets nil at once', () => {
  const bench = new Bench()
  bench.autoValidate = false
  bench.propose(v, 0)
  bench.verdict(v, false)
  assert.equal(bench.said(), ['prevote 0 nil'])
})

test('a fresh value that is untimely, of a foreign proposer or not on the tip gets nil', () => {
  const foreign = headerOn(tip, keys[2]!.publicKey, TIME, [])
  const elsewhere = { ...v, parent: sha256(Uint8Array.of(1)) }
  const late = { ...v, time: tip.header.time }
  for (const [header, timely] of [
    [v, false],
    [foreign, true],
    [elsewhere, true],
    [late, true],
  ] as const) {
    const bench = new Bench()
    bench.propose(header, 0, { timely })
    assert.equal(bench.said(), ['prevote 0 nil'])
  }
})

test('a re-proposal is judged by its value alone: neither the proposer in the header nor the time matters again', () => {
  const bench = new Bench()
  bench.propose(v, 0, { timely: false })
  bench.votes('prevote', 0, idV, [0, 1, 2])
  bench.timeout('prevote', 0)
  bench.votes('precommit', 0, null, [0, 1])
  bench.timeout('precommit', 0)
  bench.propose(v, 1, { validRound: 0, timely: false })
  assert.equal(bench.said().at(-1), 'prevote 1 v')
})

test('a re-proposal from three rounds ago is accepted', () => {
  const bench = new Bench()
  bench.start()
  bench.votes('prevote', 0, idV, [0, 1, 2])
  bench.votes('prevote', 4, null, [0, 1])
  assert.is(bench.driver.machine.round, 4)
  bench.propose(v, 4, { validRound: 0 })
  assert.equal(bench.said(), ['prevote 4 v'])
})

test('a re-proposal whose polka is missing is waited for with the timer running, and accepted when the polka comes', () => {
  const bench = new Bench()
  bench.start()
  bench.votes('precommit', 2, null, [0, 1])
  assert.is(bench.driver.machine.round, 2)
  bench.propose(v, 2, { validRound: 1 })
  assert.is(bench.driver.machine.step, 'propose')
  bench.give({ type: 'votes', value: [0, 1, 2].map(i => vote('prevote', 1, idV, i)) })
  assert.equal(bench.said(), ['prevote 2 v'])
})

test('a whole polka counts although its equivocating signer told this node something else first', () => {
  const bench = new Bench()
  bench.propose(v, 0)
  bench.votes('prevote', 0, idW, [2])
  bench.votes('prevote', 0, idV, [0])
  assert.equal(bench.said(), ['prevote 0 v'])
  bench.give({ type: 'votes', value: [0, 2, 3].map(i => vote('prevote', 0, idV, i)) })
  assert.is(bench.of('evidence').length, 1)
  assert.equal(bench.said(), ['prevote 0 v', 'precommit 0 v'])
})

test('the polka of the valid value is kept however many rounds go by', () => {
  const bench = new Bench(1)
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 2])
  bench.votes('precommit', 201, null, [0, 2])
  const [again] = bench.of('sign-proposal')
  assert.is(again!.proposal.round, 201)
  assert.is(again!.proposal.validRound, 0)
  assert.equal(bench.said().at(-1), 'prevote 201 v')
})

test('the proposer of a later round proposes its valid value again and sends the polka along', () => {
  const bench = new Bench(1)
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 2])
  bench.votes('precommit', 0, null, [0, 2])
  bench.timeout('precommit', 0)
  const [again] = bench.of('sign-proposal')
  assert.equal(again!.proposal.header, v)
  assert.is(again!.proposal.validRound, 0)
  assert.equal(bench.of('get-value'), [])
  const polka = bench.of('broadcast').find(({ message }) => message.type === 'votes')!
  assert.ok(polka.message.type === 'votes' && polka.message.value.length === 3)
  assert.equal(bench.said().at(-1), 'prevote 1 v')
})

test('a polka whose round ends without a decision is shared while the round lasts, with its proposal; one that decides is not', () => {
  const shared = (bench: Bench): string[] =>
    bench
      .of('broadcast')
      .flatMap(({ message }) =>
        message.type === 'votes' ? [`${message.value.length} votes`] : message.type === 'proposal' ? ['proposal'] : [],
      )
  const bench = new Bench()
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 1])
  assert.equal(shared(bench), [], 'nobody knows yet that anybody lacks it')
  bench.votes('precommit', 0, null, [0, 1])
  assert.equal(shared(bench), ['proposal', '3 votes'])
  const happy = new Bench()
  happy.propose(v, 0)
  happy.votes('prevote', 0, idV, [0, 1])
  happy.votes('precommit', 0, idV, [0, 1])
  assert.equal(shared(happy), [])
})

test('a locked node refuses another value and keeps its lock over nil polkas', () => {
  const bench = new Bench()
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 1])
  for (let round = 0; round < 20; round++) {
    if (round > 0) bench.timeout('propose', round)
    if (round > 0) bench.votes('prevote', round, null, [0, 1])
    bench.votes('precommit', round, null, [0, 1])
    bench.timeout('precommit', round)
  }
  assert.is(bench.driver.machine.lockedRound, 0)
  bench.propose(headerOn(tip, keys[0]!.publicKey, TIME + 9, []), 20)
  assert.equal(bench.said().at(-1), 'prevote 20 nil')
  assert.is(bench.driver.machine.lockedRound, 0)
})

test('a decision in an older round than the present one', () => {
  const bench = new Bench()
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 1])
  bench.votes('precommit', 0, null, [2])
  bench.votes('precommit', 0, idV, [0])
  bench.timeout('precommit', 0)
  assert.is(bench.driver.machine.round, 1)
  bench.votes('precommit', 0, idV, [1])
  assert.is(bench.of('decide')[0]!.certificate.round, 0)
})

test('round skip goes straight to the round, with its own proposer', () => {
  const bench = new Bench()
  bench.start()
  bench.votes('prevote', 7, null, [0])
  bench.votes('precommit', 7, null, [0])
  assert.is(bench.driver.machine.round, 0, 'one sender is not enough')
  bench.votes('prevote', 7, null, [1])
  assert.is(bench.driver.machine.round, 7)
  assert.equal(
    bench.of('get-value').map(({ round }) => round),
    [7],
    'this validator proposes in round 7',
  )
})

test('decision and round skip in one tick: the decision wins', () => {
  const bench = new Bench()
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 1])
  bench.votes('precommit', 0, idV, [0])
  bench.give({ type: 'votes', value: [vote('precommit', 0, idV, 1), vote('prevote', 3, null, 0), vote('prevote', 3, null, 1)] })
  assert.equal(bench.of('decide').length, 1)
  assert.is(bench.driver.machine.round, 0)
})

test('a header with a wrong list of batches does not spoil the same header with the right one', () => {
  const bench = new Bench()
  bench.autoValidate = false
  const wrong = [sha256(Uint8Array.of(9))]
  bench.propose(v, 0, { batches: wrong })
  bench.verdict(v, false, wrong)
  assert.equal(bench.said(), ['prevote 0 nil'])
  bench.votes('prevote', 0, idV, [0, 1, 2])
  bench.votes('precommit', 1, null, [0, 1])
  bench.propose(v, 1, { validRound: 0 })
  bench.verdict(v, true)
  assert.equal(bench.said().at(-1), 'prevote 1 v')
})

test('a certificate decides once the value is there, and asks for it while it is not', () => {
  const bench = new Bench()
  const signatures = [0, 1, 2].map(i => ({ validator: keys[i]!.publicKey, signature: nobody }))
  bench.give({ type: 'certificate', value: { header: v, certificate: { height: 1, round: 3, block: idV, signatures } } })
  assert.equal(bench.of('behind').length, 1)
  bench.propose(v, 0)
  assert.is(bench.of('decide')[0]!.certificate.round, 3)
  assert.equal(
    bench.said().filter(text => text.startsWith('precommit')),
    [],
  )
})

test('a quorum for a value that was found invalid makes this node look again', () => {
  const bench = new Bench()
  bench.autoValidate = false
  bench.propose(v, 0)
  bench.verdict(v, false)
  bench.votes('precommit', 0, idV, [0, 1, 2])
  assert.ok(bench.of('log').some(({ event }) => event === 'verdict-against-quorum'))
  const asked = bench.of('validate').length
  bench.timeout('rebroadcast', 0)
  assert.is(bench.of('validate').length, asked + 1)
  bench.verdict(v, true)
  assert.equal(bench.of('decide').length, 1)
})

test('a verdict that could not be given is asked for again at the rebroadcast', () => {
  const bench = new Bench()
  bench.autoValidate = false
  bench.propose(v, 0)
  bench.verdict(v, null)
  assert.equal(bench.of('validate').length, 1)
  bench.timeout('rebroadcast', 0)
  assert.equal(bench.of('validate').length, 2)
})

test('a later round gives back the work for values that nobody needs', () => {
  const bench = new Bench()
  bench.autoValidate = false
  bench.propose(v, 0)
  bench.votes('precommit', 5, null, [0, 1])
  assert.equal(
    bench.of('abandon').map(({ candidate }) => candidate),
    [candidateId(v, [])],
  )
  assert.is(bench.driver.relevance({ type: 'verdict', value: { height: 1, candidate: candidateId(v, []), valid: true } }), 'known')
})

test('a rebroadcast holds the proposal, own votes, the end of the last round and the valid value with its polka', () => {
  const bench = new Bench(2)
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 1])
  bench.votes('precommit', 0, null, [0, 1])
  bench.timeout('precommit', 0)
  bench.propose(value(1), 1)
  const effects = bench.timeout('rebroadcast', 1)
  const messages = effects.flatMap(effect => (effect.type === 'broadcast' ? [effect.message] : []))
  assert.equal(
    messages.map(message => message.type),
    ['proposal', 'votes', 'votes', 'votes'],
  )
  const votes = messages.flatMap(message => (message.type === 'votes' ? message.value : []))
  assert.is(votes.filter(vote => vote.round === 1).length, 1)
  assert.is(votes.filter(vote => vote.kind === 'precommit' && vote.round === 0).length, 3)
  assert.is(votes.filter(vote => vote.kind === 'prevote' && vote.round === 0).length, 3)
  assert.ok(effects.some(effect => effect.type === 'schedule' && effect.timeout.kind === 'rebroadcast'))
})

test('timeouts grow linearly, without a cap', () => {
  const bench = new Bench()
  bench.start()
  bench.votes('prevote', 100_000, null, [0, 1])
  const [, late] = bench.of('schedule').filter(({ timeout }) => timeout.kind === 'propose')
  assert.is(late!.ms, TIMEOUTS.proposeMs + 100_000 * TIMEOUTS.growthMs)
})

test('an untold proposer and a stranger are named as such', () => {
  const { driver } = new Bench()
  const proposal: Proposal = {
    height: 1,
    round: 0,
    validRound: null,
    header: v,
    batches: [],
    validator: keys[1]!.publicKey,
    signature: nobody,
  }
  assert.is(driver.relevance({ type: 'proposal', value: { proposal, timely: true } }), 'wrong-proposer')
  const stranger = { ...vote('prevote', 0, null, 0), validator: sha256(Uint8Array.of(1)) }
  assert.is(driver.relevance({ type: 'votes', value: [stranger] }), 'unknown-validator')
  assert.equal(driver.handle({ type: 'votes', value: [stranger] }), [], 'and applying it does nothing')
})

test('the second proposal of a round is evidence, once, and the first one stays', () => {
  const bench = new Bench()
  bench.propose(v, 0)
  bench.propose(w, 0)
  bench.propose(headerOn(tip, keys[0]!.publicKey, TIME + 5, []), 0)
  assert.is(bench.of('evidence').length, 1)
  assert.equal(bench.said(), ['prevote 0 v'])
})

test('messages of later heights are kept within bounds and given back at their height', () => {
  const bench = new Bench()
  const ahead = (height: number, round: number, voter: number): DriverInput => ({
    type: 'votes',
    value: [vote('prevote', round, null, voter, height)],
  })
  bench.give(ahead(2, 0, 0), keys[0]!.publicKey)
  bench.give(ahead(2, 0, 0), keys[0]!.publicKey)
  bench.give(ahead(2, 0, 1), keys[1]!.publicKey)
  bench.give(ahead(2 + MAX_FUTURE_HEIGHTS, 0, 1), keys[1]!.publicKey)
  for (let round = 0; round < 2000; round++) bench.give(ahead(3, round, 2), keys[2]!.publicKey)
  const tip1 = { header: v, hash: idV, validators: set }
  const redelivered = bench.driver.enter(tip1).flatMap(effect => (effect.type === 'redeliver' ? effect.inputs : []))
  assert.is(redelivered.length, 2)
  for (const input of redelivered) bench.driver.handle(input)
  assert.ok(bench.driver.started)
  const header2 = headerOn(tip1, keys[0]!.publicKey, TIME + 1, [])
  const third = bench.driver.enter({ header: header2, hash: headerHash(header2), validators: set })
  const kept = third.flatMap(effect => (effect.type === 'redeliver' ? effect.inputs : [])).length
  assert.ok(kept > 0 && kept <= 512, `${kept} kept of one sender`)
})

test('nothing of a height that was left reaches the next one', () => {
  const bench = new Bench()
  bench.autoValidate = false
  bench.propose(v, 0)
  bench.driver.enter({ header: w, hash: idW, validators: set })
  assert.is(bench.driver.relevance({ type: 'verdict', value: { height: 1, candidate: candidateId(v, []), valid: true } }), 'old')
  assert.equal(bench.verdict(v, true), [])
  assert.equal(bench.timeout('propose', 0), [])
  assert.equal(bench.driver.enter(tip), [], 'and it never goes back')
  assert.is(bench.driver.height, 2)
})

test('a node that is no validator decides and never speaks', () => {
  const driver = new Driver({ self: null, timeouts: TIMEOUTS }, tip)
  const effects: Effect[] = []
  const give = (input: DriverInput): void => {
    for (const effect of driver.handle(input)) {
      effects.push(effect)
      if (effect.type === 'validate') give({ type: 'verdict', value: { height: 1, candidate: effect.candidate, valid: true } })
    }
  }
  const proposal: Proposal = {
    height: 1,
    round: 0,
    validRound: null,
    header: v,
    batches: [],
    validator: keys[0]!.publicKey,
    signature: nobody,
  }
  give({ type: 'proposal', value: { proposal, timely: true } })
  for (const kind of ['prevote', 'precommit'] as const) for (const i of [0, 1, 2]) give({ type: 'votes', value: [vote(kind, 0, idV, i)] })
  give({ type: 'timeout', value: { kind: 'rebroadcast', height: 1, round: 0 } })
  assert.ok(effects.some(({ type }) => type === 'decide'))
  assert.not(effects.some(({ type }) => type === 'sign-vote' || type === 'sign-proposal' || type === 'broadcast'))
})

test('a replay of the logged inputs, through their bytes, gives the same effects', () => {
  const bench = new Bench(1)
  bench.propose(v, 0)
  bench.votes('prevote', 0, idV, [0, 2])
  bench.votes('precommit', 0, null, [0, 2])
  bench.timeout('precommit', 0)
  bench.votes('prevote', 1, idV, [0, 3])
  bench.votes('precommit', 1, idV, [0, 3])
  assert.is(bench.of('decide').length, 1)
  const again = new Driver({ self: keys[1]!.publicKey, timeouts: TIMEOUTS }, tip)
  const effects: Effect[] = []
  for (const input of bench.inputs) {
    const entry = walEntryCodec.decode(walEntryCodec.encode({ type: 'input', value: input }))
    if (entry.type === 'input') effects.push(...again.handle(entry.value))
  }
  const plain = (list: readonly Effect[]): string[] => list.map(effect => effect.type).sort()
  assert.equal(plain(effects), plain(bench.effects))
  assert.equal(again.machine, bench.driver.machine)
})

test.run()
