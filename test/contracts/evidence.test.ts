import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nextLogHead } from '../../src/contracts/access-formats.ts'
import { decodeEventData } from '../../src/contracts/events.ts'
import { MIN_VALIDATORS_LEFT } from '../../src/contracts/evidence.ts'
import {
  convictionCodec,
  evidenceBodyCodec,
  evidenceEntryCodec,
  evidenceEntryId,
  hasSeat,
  MAX_OFFENCES,
} from '../../src/contracts/evidence-formats.ts'
import { consensusKeyHash } from '../../src/contracts/member-keys.ts'
import {
  accountCodec,
  logHeadCodec,
  type Organisation,
  type Validators,
  type VoteBody,
  validatorsCodec,
} from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { compareBytes } from '../../src/encoding/bytes.ts'
import {
  type Evidence,
  proposalContentSigningBytes,
  type SignedProposal,
  signedProposalCodec,
  type Vote,
  voteCodec,
  voteMessageSigningBytes,
} from '../../src/ledger/evidence.ts'
import type { Receipt } from '../../src/ledger/receipt.ts'
import { account, accountKey, act, genesisOf, HOUR, hashOf, keyOf, organisation, plainOrganisation, World } from './world.ts'

const test = suite('evidence of double signing')

const FOUR = ['nairobi', 'berlin', 'recife', 'pune'] as const
const FIVE = [...FOUR, 'lima'] as const

const consensusKey = (name: string): SigningKey => keyOf(`${name} consensus`)

interface Place {
  kind?: Vote['kind']
  height?: number
  round?: number
}

function vote(world: World, key: SigningKey, block: Uint8Array | null, { kind = 'precommit', height = 1, round = 0 }: Place): Vote {
  const unsigned = { kind, height, round, block, validator: key.publicKey }
  return { ...unsigned, signature: key.sign(voteMessageSigningBytes(world.chainId, unsigned)) }
}

/** Two votes that conflict, by a validator of this name. */
function conflictingVotes(world: World, name: string, place: Place = {}): Evidence {
  const key = consensusKey(name)
  const pair = [vote(world, key, hashOf('one'), place), vote(world, key, null, place)]
  const [first, second] = pair.sort((a, b) => compareBytes(voteCodec.encode(a), voteCodec.encode(b))) as [Vote, Vote]
  return { type: 'votes', value: { first, second } }
}

function conflictingProposals(world: World, name: string, height = 1): Evidence {
  const key = consensusKey(name)
  const signed = (header: string): SignedProposal => {
    const content = { height, round: 0, validRound: null, header: hashOf(header), batches: hashOf('batches') }
    return { ...content, validator: key.publicKey, signature: key.sign(proposalContentSigningBytes(world.chainId, content)) }
  }
  const pair = [signed('one'), signed('two')].sort((a, b) => compareBytes(signedProposalCodec.encode(a), signedProposalCodec.encode(b)))
  return { type: 'proposals', value: { first: pair[0]!, second: pair[1]! } }
}

function worldOf(names: readonly string[], quota = 1000): World {
  return new World(
    genesisOf({ organisations: [...names.map(name => organisation(name)), plainOrganisation('payer')] }, { sponsorQuota: quota }),
  )
}

function report(world: World, evidence: Evidence, reporter = 'berlin'): Receipt {
  return world.run(world.byMember(reporter, act('members.report', evidenceBodyCodec, { evidence })))
}

const sets = (world: World): Validators => world.read(validatorsCodec, stateKey.validators())!
const conviction = (world: World, name: string) =>
  world.read(convictionCodec, stateKey.conviction(consensusKeyHash(consensusKey(name).publicKey)))
const names = ({ events }: Receipt) => events.map(event => event.name)
/** In which of the sets a member has its seat. */
function seats(world: World, name: string): boolean[] {
  const { current, next, decided } = sets(world)
  return [current, next, decided].map(set => hasSeat(set, consensusKey(name).publicKey))
}

let series = 0
function decide(world: World, proposal: VoteBody['proposal'], voters: readonly string[]): string[] {
  const body = { series: series++, proposal }
  return world.block(voters.map(voter => world.vote(voter, body))).receipts.map(({ code }) => code)
}
const amend = (name: string, value: Organisation): VoteBody['proposal'] => ({
  type: 'amend',
  value: { account: account(name), organisation: value },
})

test('with five validators evidence costs the seat at once, from two blocks later on', () => {
  const world = worldOf(FIVE)
  const evidence = conflictingVotes(world, 'lima', { height: 7, round: 2 })
  const receipt = report(world, evidence, 'payer')
  assert.is(receipt.code, 'ok', 'any member reports')
  assert.equal(names(receipt), ['members.accused', 'members.evicted'])
  for (const { subject, index } of receipt.events) assert.equal([subject, index], [account('lima'), 0])
  const validator = consensusKey('lima').publicKey
  assert.equal(decodeEventData('members.accused', receipt.events[0]!.data), { validator, kind: 'precommit', height: 7, round: 2, entry: 0 })
  assert.equal(decodeEventData('members.evicted', receipt.events[1]!.data), { validator, effective: world.height + 2 })

  const kept = world.read(accountCodec, accountKey('lima'))
  assert.equal([kept?.status, kept?.organisation.power, kept?.organisation.consensusKey], ['active', 0, null])
  assert.equal(seats(world, 'lima'), [true, true, false])
  world.block([])
  assert.equal(seats(world, 'lima'), [true, false, false])
  world.block([])
  assert.equal(seats(world, 'lima'), [false, false, false])
  assert.is(sets(world).current.since, world.height)
  assert.is(sets(world).current.validators.length, MIN_VALIDATORS_LEFT)
  assert.is(world.run(world.create('lima', 'amina')).code, 'ok', 'it stays a member that acts')
  assert.equal(decide(world, { type: 'remove', value: { account: account('payer') } }, ['lima']), ['not-validator'])
})

test('with four it is recorded, and the members decide', () => {
  const world = worldOf(FOUR)
  const before = sets(world)
  assert.equal(names(report(world, conflictingVotes(world, 'pune'))), ['members.accused'])
  assert.equal(sets(world), before)
  assert.equal([conviction(world, 'pune')?.evicted, conviction(world, 'pune')?.account], [null, account('pune')])
  // Its weight may go down, or stay with another name, but never up; another key clears it.
  assert.equal(decide(world, amend('pune', organisation('pune', { power: 20 })), ['nairobi']), ['key-convicted'])
  assert.equal(decide(world, amend('pune', organisation('pune', { name: 'Pune' })), FOUR), ['ok', 'ok', 'ok', 'ok'])
  assert.equal(decide(world, amend('pune', organisation('pune', { power: 3 })), FOUR), ['ok', 'ok', 'ok', 'ok'])
  assert.equal(decide(world, amend('pune', organisation('pune')), ['nairobi']), ['key-convicted'])
  const other = organisation('pune', { consensusKey: consensusKey('pune two').publicKey })
  assert.equal(decide(world, amend('pune', other), FOUR), ['ok', 'ok', 'ok', 'ok'])
  assert.equal(seats(world, 'pune two'), [false, false, true])
  assert.equal(decide(world, amend('pune', organisation('pune', { power: 1 })), ['nairobi']), ['key-convicted'])
})

test('a convicted key is never given a seat again, under no member', () => {
  const world = worldOf(FIVE)
  report(world, conflictingVotes(world, 'lima'))
  assert.equal(decide(world, amend('lima', organisation('lima')), ['nairobi']), ['key-convicted'])
  const thief = organisation('oslo', { consensusKey: consensusKey('lima').publicKey })
  assert.equal(decide(world, { type: 'admit', value: thief }, ['nairobi']), ['key-taken'])
  world.block([])
  world.block([])
  const again = organisation('lima', { consensusKey: consensusKey('lima two').publicKey })
  assert.equal(decide(world, amend('lima', again), FOUR), ['ok', 'ok', 'ok', 'ok'], 'with another key it may come back')
  world.block([])
  assert.equal(seats(world, 'lima two'), [false, true, true])
  // What the old key signed cannot be held against the new one.
  assert.is(report(world, conflictingVotes(world, 'lima')).code, 'no-seat')
  assert.is(report(world, conflictingVotes(world, 'lima', { height: 9 })).code, 'no-seat')
})

test('the same offence again is fine and changes nothing; another one is recorded', () => {
  const world = worldOf(FOUR)
  report(world, conflictingVotes(world, 'pune', { kind: 'prevote', height: 3 }))
  const before = conviction(world, 'pune')
  for (const reporter of ['nairobi', 'pune', 'payer']) {
    const again = report(world, conflictingVotes(world, 'pune', { kind: 'prevote', height: 3 }), reporter)
    assert.equal([again.code, again.events], ['ok', []])
  }
  // Other messages about the same place are the same offence.
  const key = consensusKey('pune')
  const pair = ['x', 'y'].map(name => vote(world, key, hashOf(name), { kind: 'prevote', height: 3 }))
  const [first, second] = pair.sort((a, b) => compareBytes(voteCodec.encode(a), voteCodec.encode(b))) as [Vote, Vote]
  assert.equal(report(world, { type: 'votes', value: { first, second } }).events, [])
  assert.equal(conviction(world, 'pune'), before)
  const others = [
    conflictingVotes(world, 'pune', { kind: 'precommit', height: 3 }),
    conflictingVotes(world, 'pune', { kind: 'prevote', height: 3, round: 1 }),
    conflictingProposals(world, 'pune', 3),
  ]
  for (const evidence of others) assert.equal(names(report(world, evidence)), ['members.accused'])
  assert.equal(
    conviction(world, 'pune')?.offences.map(({ kind, height, round, entry }) => [kind, height, round, entry]),
    [
      ['prevote', 3, 0, 0],
      ['precommit', 3, 0, 1],
      ['prevote', 3, 1, 2],
      ['proposal', 3, 0, 3],
    ],
  )
})

test('what is no proof is refused, and costs its author', () => {
  const world = worldOf(FIVE)
  const good = conflictingVotes(world, 'lima')
  assert.ok(good.type === 'votes')
  const { first, second } = good.value
  const otherKind = vote(world, consensusKey('lima'), null, { kind: 'prevote' })
  const otherRound = vote(world, consensusKey('lima'), null, { round: 1 })
  const otherValidator = vote(world, consensusKey('pune'), null, {})
  const forged = { ...second, signature: first.signature }
  const foreign = vote(new World(genesisOf({ network: 'another' })), consensusKey('lima'), first.block === null ? hashOf('a') : null, {})
  const pairs: (readonly [Vote, Vote])[] = [
    [second, first],
    [first, first],
    [first, otherKind],
    [first, otherRound],
    [first, otherValidator],
    [first, forged],
    [forged, first],
    [first, foreign],
    [foreign, first],
  ]
  for (const [index, [a, b]] of pairs.entries()) {
    const before = world.state.root
    const receipt = report(world, { type: 'votes', value: { first: a, second: b } })
    assert.equal([receipt.code, receipt.events], ['bad-evidence', []], `pair ${index}`)
    assert.not.equal(world.state.root, before, 'the quota is drawn on')
  }
  assert.is(report(world, conflictingVotes(world, 'stranger')).code, 'no-seat')
  assert.is(report(world, conflictingVotes(world, 'payer')).code, 'no-seat')
  assert.is(conviction(world, 'lima'), undefined)
  assert.is(world.read(logHeadCodec, stateKey.evidence()), undefined)
})

test('only members report, within their quota, and a body that is none is refused before it costs anything', () => {
  const world = worldOf(FIVE, 3)
  assert.is(report(world, conflictingVotes(world, 'lima'), 'stranger').code, 'unknown-author')
  const body = { contract: 'members', action: 'report', body: new Uint8Array(9) }
  const before = world.state.root
  assert.is(world.run(world.byMember('berlin', body)).code, 'malformed')
  assert.equal(world.state.root, before)
  for (let i = 0; i < 3; i++) assert.is(report(world, conflictingVotes(world, 'stranger')).code, 'no-seat')
  assert.is(report(world, conflictingVotes(world, 'lima')).code, 'over-quota')
  world.block([], { timeMs: world.timeMs + HOUR })
  assert.is(report(world, conflictingVotes(world, 'lima')).code, 'ok')
})

test('a validator that is about to leave is convicted, too; one that left is not', () => {
  const world = worldOf(FIVE)
  const gone = { type: 'remove' as const, value: { account: account('lima') } }
  assert.equal(decide(world, gone, FIVE), ['ok', 'ok', 'ok', 'ok', 'unknown-author'])
  assert.equal(names(report(world, conflictingVotes(world, 'lima'))), ['members.accused'])
  assert.is(conviction(world, 'lima')?.evicted, null)
  world.block([])
  assert.is(report(world, conflictingVotes(world, 'lima', { height: 2 })).code, 'no-seat')
})

test('evidence against two validators at once stops where four are left', () => {
  const world = worldOf([...FIVE, 'quito'])
  const transactions = ['lima', 'quito', 'pune'].map(name =>
    world.byMember('berlin', act('members.report', evidenceBodyCodec, { evidence: conflictingVotes(world, name) })),
  )
  const { receipts, validators } = world.block(transactions)
  assert.equal(receipts.map(names), [['members.accused', 'members.evicted'], ['members.accused', 'members.evicted'], ['members.accused']])
  assert.is(validators.decided.validators.length, 4)
  assert.is(validators.decided.since, world.height + 2)
  assert.equal(seats(world, 'pune'), [true, true, true])
})

test('what is recorded of one key is bounded; a further offence still evicts', () => {
  const world = worldOf(FOUR)
  for (let height = 1; height <= MAX_OFFENCES; height++) {
    assert.is(report(world, conflictingVotes(world, 'pune', { height })).code, 'ok')
  }
  assert.is(report(world, conflictingVotes(world, 'pune', { height: 100 })).code, 'offences-full')
  assert.equal(decide(world, { type: 'admit', value: organisation('lima') }, FOUR), ['ok', 'ok', 'ok', 'ok'])
  // A fifth validator does not make old offences evict: the members left them at that.
  assert.equal(report(world, conflictingVotes(world, 'pune', { height: 1 })).events, [])
  assert.equal(names(report(world, conflictingVotes(world, 'pune', { height: 100 }))), ['members.evicted'])
  assert.equal([conviction(world, 'pune')?.evicted, conviction(world, 'pune')?.offences.length], [world.height, MAX_OFFENCES])
  assert.equal(seats(world, 'pune'), [true, true, false])
})

test('the log holds the evidence, chained in the state', () => {
  const world = worldOf(FOUR)
  let head = new Uint8Array(32)
  const all = [conflictingVotes(world, 'pune'), conflictingProposals(world, 'recife')]
  for (const [index, evidence] of all.entries()) {
    const transaction = world.byMember('nairobi', act('members.report', evidenceBodyCodec, { evidence }))
    const { logItems } = world.block([transaction])
    assert.is(logItems.length, 1)
    const entry = evidenceEntryCodec.decode(logItems[0]!.body)
    assert.equal(entry, { index, reporter: account('nairobi'), height: world.height, time: world.timeMs, evidence })
    assert.equal([logItems[0]!.stream, logItems[0]!.index], [stateKey.evidence(), index])
    head = nextLogHead(head, evidenceEntryId(entry)) as Uint8Array<ArrayBuffer>
    assert.equal(world.read(logHeadCodec, stateKey.evidence()), { count: index + 1, head })
  }
})

test.run()
