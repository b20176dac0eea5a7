import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ANCHOR_GRACE_MS } from '../../src/contracts/custodian-set.ts'
import { decodeEventData } from '../../src/contracts/events.ts'
import { PROPOSAL_LIFETIME_MS } from '../../src/contracts/governance.ts'
import {
  accountCodec,
  counterCodec,
  custodiansCodec,
  type Organisation,
  type Proposal,
  proposalHash,
  proposalStateCodec,
  type Validators,
  type VoteBody,
  validatorsCodec,
  voteBodyCodec,
} from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { ValidatorSet } from '../../src/ledger/header.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { account, accountKey, act, genesisOf, keyOf, organisation, plainOrganisation, World } from './world.ts'

const test = suite('votes on members')

const MEMBERS = ['nairobi', 'berlin', 'recife', 'pune'] as const
let series = 0

const admit = (value: Organisation): VoteBody => ({ series: series++, proposal: { type: 'admit', value } })
const remove = (name: string): VoteBody => ({ series: series++, proposal: { type: 'remove', value: { account: account(name) } } })
const amend = (name: string, value: Organisation): VoteBody => {
  const proposal: Proposal = { type: 'amend', value: { account: account(name), organisation: value } }
  return { series: series++, proposal }
}

/** Votes of several members, each in a block of its own; the codes of their receipts. */
function votes(world: World, body: VoteBody, voters: readonly string[]): string[] {
  return voters.map(voter => world.run(world.vote(voter, body)).code)
}

/** All of a set's voters in one block. */
function decide(world: World, body: VoteBody, voters: readonly string[] = MEMBERS): void {
  const { receipts } = world.block(voters.map(voter => world.vote(voter, body)))
  for (const { code } of receipts) assert.is(code, 'ok')
}

const status = (world: World, body: VoteBody) => world.read(proposalStateCodec, stateKey.proposal(proposalHash(body)))?.status
const isMember = (world: World, name: string) => world.read(accountCodec, accountKey(name))?.status === 'active'
const sets = (world: World) => world.read(validatorsCodec, stateKey.validators())!
const has = (set: ValidatorSet, name: string) =>
  set.validators.some(({ publicKey }) => toHex(publicKey) === toHex(keyOf(`${name} consensus`).publicKey))

test('a proposal passes with more than two thirds of the weight', () => {
  const world = new World()
  const body = admit(plainOrganisation('lab'))
  assert.equal(votes(world, body, ['nairobi', 'berlin']), ['ok', 'ok'])
  assert.equal([status(world, body), isMember(world, 'lab')], ['open', false])
  const receipt = world.run(world.vote('recife', body))
  assert.equal(
    receipt.events.map(({ name, index }) => [name, index]),
    [
      ['members.voted', 0],
      ['members.admitted', 0],
    ],
  )
  assert.equal(
    receipt.events.map(({ subject }) => subject),
    [account('recife'), account('lab')],
  )
  assert.equal(decodeEventData('members.admitted', receipt.events[1]!.data), { proposal: proposalHash(body), account: account('lab') })
  assert.equal([status(world, body), isMember(world, 'lab')], ['applied', true])
  assert.is(world.read(accountCodec, accountKey('lab'))?.since, 3)
  assert.equal(world.run(world.create('lab', 'amina')).code, 'ok', 'the new member acts')
})

test('exactly two thirds is not enough', () => {
  const world = new World(
    genesisOf({
      organisations: genesisOf().organisations.map((o, i) => (i === 0 ? { ...o, power: 20 } : i === 3 ? { ...o, power: 20 } : o)),
    }),
  )
  const body = admit(plainOrganisation('lab'))
  assert.equal(votes(world, body, ['nairobi', 'pune']), ['ok', 'ok'])
  assert.is(status(world, body), 'open', '40 of 60')
  assert.equal(votes(world, body, ['berlin']), ['ok'])
  assert.is(status(world, body), 'applied')
})

test('a vote counts once, and one after the decision changes nothing', () => {
  const world = new World()
  const body = admit(plainOrganisation('lab'))
  assert.equal(votes(world, body, ['nairobi', 'nairobi', 'nairobi', 'berlin']), ['ok', 'ok', 'ok', 'ok'])
  assert.is(status(world, body), 'open')
  assert.equal(world.run(world.vote('berlin', body)).events, [])
  assert.equal(votes(world, body, ['recife']), ['ok'])
  const before = world.state.root
  assert.equal(world.run(world.vote('pune', body)).events, [])
  assert.is(world.read(proposalStateCodec, stateKey.proposal(proposalHash(body)))?.votes.length, 3)
  assert.not.equal(world.state.root, before, 'it draws on the quota all the same')
})

test('only validators vote', () => {
  const world = new World()
  const body = admit(plainOrganisation('lab'))
  assert.equal(votes(world, body, ['payer', 'stranger']), ['not-validator', 'unknown-author'])
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  assert.is(world.run(world.byFolder('amina', act('members.vote', voteBodyCodec, body), { sponsor: 'nairobi' })).code, 'not-allowed')
  assert.is(status(world, body), undefined)
})

test('proposals that cannot be are refused at the first vote', () => {
  const world = new World()
  const refused = (body: VoteBody, code: string) => assert.equal(votes(world, body, ['nairobi']), [code])
  refused(admit(organisation('berlin')), 'exists')
  refused(admit(plainOrganisation('lab', { networkKey: keyOf('berlin network').publicKey })), 'key-taken')
  refused(admit(organisation('lab', { consensusKey: keyOf('berlin consensus').publicKey })), 'key-taken')
  refused(admit(organisation('lab', { power: 0 })), 'bad-organisation')
  refused(admit(organisation('lab', { consensusKey: null })), 'bad-organisation')
  refused(admit(plainOrganisation('lab', { signingKey: new Uint8Array(32) })), 'bad-organisation')
  refused(remove('lab'), 'unknown-account')
  refused(amend('lab', plainOrganisation('lab')), 'unknown-account')
  refused(amend('payer', plainOrganisation('payer', { signingKey: keyOf('berlin').publicKey })), 'key-taken')
  refused(remove('berlin'), 'too-few-custodians')
  refused(amend('berlin', organisation('berlin', { capacity: 0 })), 'too-few-custodians')
})

test('the weight that a proposal brings or takes has no say in it', () => {
  const world = new World()
  const heavy = admit(organisation('lima', { power: 1000 }))
  decide(world, heavy)
  assert.is(status(world, heavy), 'applied')
  const three = new World()
  const leave = remove('pune')
  decide(three, admit(plainOrganisation('depot', { capacity: 1 })))
  assert.equal(votes(three, leave, ['nairobi', 'berlin']), ['ok', 'ok'])
  assert.is(status(three, leave), 'open', 'two of four, though two of the three that would stay')
})

test('the last validator stays', () => {
  const stores = ['a', 'b', 'c', 'd'].map(name => plainOrganisation(name, { capacity: 1 }))
  const world = new World(genesisOf({ organisations: [...stores, organisation('only', { capacity: 0 })] }))
  assert.equal(votes(world, remove('only'), ['only']), ['too-few-validators'])
  assert.equal(votes(world, amend('only', plainOrganisation('only')), ['only']), ['too-few-validators'])
  decide(world, amend('a', organisation('a')), ['only'])
  decide(world, remove('only'), ['only', 'a'])
  assert.not.ok(isMember(world, 'only'))
})

test('a change decided in block H is next in H + 1 and signs from H + 2', () => {
  const world = new World()
  const before = sets(world).current
  decide(world, admit(organisation('lima')))
  const decidedAt = world.height
  const inBlock: Validators = sets(world)
  assert.equal([has(inBlock.current, 'lima'), has(inBlock.next, 'lima'), has(inBlock.decided, 'lima')], [false, false, true])
  assert.is(inBlock.decided.since, decidedAt + 2)
  const one = world.block([]).validators
  assert.equal([has(one.current, 'lima'), has(one.next, 'lima')], [false, true])
  assert.equal(one.current, before)
  const two = world.block([]).validators
  assert.equal([has(two.current, 'lima'), two.current.since], [true, world.height])
  assert.equal(world.preview([]).changes, [], 'and then the sets rest')
})

test('changes in consecutive blocks follow each other without a gap', () => {
  const world = new World()
  const seen: string[][] = []
  const names = ['lima', 'quito', 'oslo']
  const step = (result: Validators) => seen.push(names.filter(name => has(result.current, name)))
  for (const name of names) {
    const voters = [...MEMBERS, ...names.slice(0, names.indexOf(name))]
    const body = admit(organisation(name))
    step(world.block(voters.map(voter => world.vote(voter, body))).validators)
    assert.is(status(world, body), 'applied', 'a member that is decided votes at once')
  }
  for (let i = 0; i < 3; i++) step(world.block([]).validators)
  assert.equal(seen, [[], [], ['lima'], ['lima', 'quito'], ['lima', 'quito', 'oslo'], ['lima', 'quito', 'oslo']])
})

test('two changes in one block make one set', () => {
  const world = new World()
  const [one, two] = [admit(organisation('lima')), admit(organisation('quito'))]
  const voted = [...MEMBERS.map(voter => world.vote(voter, one)), ...MEMBERS.map(voter => world.vote(voter, two)), world.vote('lima', two)]
  const { receipts, validators } = world.block(voted)
  assert.ok(receipts.every(({ code }) => code === 'ok'))
  assert.equal([has(validators.decided, 'lima'), has(validators.decided, 'quito')], [true, true])
  assert.is(validators.decided.since, world.height + 2)
  assert.not.ok(has(validators.next, 'lima'))
})

test('a new name leaves the rotation of proposers alone, a new weight does not', () => {
  const world = new World()
  decide(world, amend('berlin', organisation('berlin', { name: 'berlin mitte' })))
  assert.is(sets(world).decided.since, 1)
  assert.is(world.read(accountCodec, accountKey('berlin'))?.organisation.name, 'berlin mitte')
  assert.is(world.read(accountCodec, accountKey('berlin'))?.since, 0)
  decide(world, amend('berlin', organisation('berlin', { power: 30 })))
  assert.is(sets(world).decided.since, world.height + 2)
  assert.is(sets(world).decided.validators.length, 4)
})

test('custodians: each change is kept under its height', () => {
  const world = new World()
  const at = (height: number) => world.read(custodiansCodec, stateKey.custodians(height))
  const latest = () => world.read(counterCodec, stateKey.custodiansHeight())
  decide(world, admit(plainOrganisation('lab')))
  assert.equal([latest(), at(1)], [0, undefined], 'a member that stores nothing changes nothing')
  decide(world, amend('lab', plainOrganisation('lab', { capacity: 5, jurisdiction: 'DE' })))
  assert.is(latest(), 2)
  assert.equal(
    at(2)?.find(({ id }) => toHex(id) === toHex(account('lab'))),
    { id: account('lab'), jurisdiction: 'DE', capacity: 5 },
  )
  assert.is(at(0)?.length, 4, 'the old set stays')
  world.block([])
  decide(world, remove('berlin'))
  assert.equal([latest(), at(4)?.length], [4, 4])
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  const anchor = (submission: string, memberHeight: number, timeMs = world.timeMs + 1000): string => {
    const transaction = world.byMember('nairobi', world.anchorBody('amina', submission, { memberHeight }), { validUntil: timeMs })
    return world.run(transaction, { timeMs }).code
  }
  assert.is(anchor('s', 4), 'ok')
  assert.is(anchor('no set', 3), 'stale-members')
  // What was under way when the set changed is not lost; it has an hour.
  const changed = world.genesis.time + 4000
  assert.is(anchor('under way', 2), 'ok')
  assert.is(anchor('at last', 2, changed + ANCHOR_GRACE_MS), 'ok')
  assert.is(anchor('too late', 2, changed + ANCHOR_GRACE_MS + 1), 'stale-members')
  assert.is(anchor('long ago', 0), 'stale-members')
  assert.is(anchor('now', 4), 'ok')
})

test('a removed member loses its voice, its vote and its keys', () => {
  const world = new World()
  decide(world, admit(organisation('lima')))
  const pending = admit(plainOrganisation('lab'))
  assert.equal(votes(world, pending, ['lima', 'nairobi']), ['ok', 'ok'])
  decide(world, remove('lima'))
  assert.equal(votes(world, pending, ['lima', 'berlin']), ['unknown-author', 'ok'])
  assert.is(status(world, pending), 'open', 'two of four: the vote of the removed one is gone')
  assert.equal(votes(world, pending, ['pune']), ['ok'])
  assert.is(status(world, pending), 'applied')
  const { votes: counted } = world.read(proposalStateCodec, stateKey.proposal(proposalHash(pending)))!
  assert.is(counted.length, 3)
  assert.equal(votes(world, admit(organisation('lima')), ['nairobi']), ['exists'])
  const again = organisation('lima', { signingKey: keyOf('lima two').publicKey })
  assert.equal(votes(world, admit(again), ['nairobi']), ['key-taken'])
  assert.not.ok(has(sets(world).decided, 'lima'))
})

test('a key that is amended away acts no longer, and the new one does under the old id', () => {
  const world = new World()
  const next = keyOf('payer two')
  decide(world, amend('payer', plainOrganisation('payer', { signingKey: next.publicKey })))
  const old = world.create('payer', 'amina')
  assert.is(world.run(old).code, 'wrong-key')
  assert.is(world.run(createTransaction(world.create('payer', 'amina').content, next)).code, 'ok')
  const thief = plainOrganisation('thief', { signingKey: next.publicKey })
  assert.equal(votes(world, admit(thief), ['nairobi']), ['key-taken'])
  decide(world, amend('payer', plainOrganisation('payer')))
  assert.is(world.run(world.create('payer', 'bela')).code, 'ok', 'a member may go back to its own key')
})

test('votes add up for thirty days', () => {
  const world = new World()
  const body = admit(plainOrganisation('lab'))
  assert.equal(votes(world, body, ['nairobi', 'berlin']), ['ok', 'ok'])
  const opened = world.read(proposalStateCodec, stateKey.proposal(proposalHash(body)))!.opened
  const at = (timeMs: number) =>
    world.preview([world.byMember('recife', act('members.vote', voteBodyCodec, body), { validUntil: timeMs })], { timeMs }).receipts[0]
      ?.code
  assert.is(at(opened + PROPOSAL_LIFETIME_MS), 'ok')
  assert.is(at(opened + PROPOSAL_LIFETIME_MS + 1), 'proposal-expired')
})

test('a refused last vote leaves the proposal open', () => {
  const world = new World()
  const [one, two] = [amend('berlin', organisation('berlin', { capacity: 7 })), remove('payer')]
  assert.equal(votes(world, two, ['nairobi', 'berlin']), ['ok', 'ok'])
  decide(world, one)
  decide(world, remove('payer'))
  assert.equal(votes(world, two, ['recife']), ['unknown-account'])
  assert.is(status(world, two), 'open')
})

test.run()
