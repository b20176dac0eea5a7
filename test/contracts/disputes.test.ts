import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ANSWER_MS,
  type AnswerDispute,
  answerDisputeCodec,
  disputeCodec,
  disputeCommitment,
  disputeId,
  MAX_OPEN_DISPUTES,
  openDisputeCodec,
  reasonHash,
  statementHash,
  withdrawDisputeCodec,
} from '../../src/contracts/disputes-formats.ts'
import { decodeEventData } from '../../src/contracts/events.ts'
import { counterCodec } from '../../src/contracts/members-formats.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { act, DAY, genesisOf, hashOf, World } from './world.ts'

const test = suite('disputes')

function withFolder(): World {
  const world = new World(genesisOf({}, { folderQuota: 1000 }))
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  return world
}

const open = (world: World, name: string) => world.byFolder('amina', act('disputes.open', openDisputeCodec, { commitment: hashOf(name) }))
const idOf = (world: World, name: string): Uint8Array => disputeId(world.folder('amina'), hashOf(name))
const withdraw = (world: World, name: string) =>
  world.byFolder('amina', act('disputes.withdraw', withdrawDisputeCodec, { dispute: idOf(world, name) }))
const lineOf = (world: World, name: string) => world.read(disputeCodec, stateKey.dispute(world.folder('amina'), idOf(world, name)))
const waiting = (world: World) => world.read(counterCodec, stateKey.openDisputes(world.folder('amina'))) ?? 0
const answer = (world: World, name: string, given: AnswerDispute['answer'], member = 'nairobi') =>
  world.byMember(
    member,
    act('disputes.answer', answerDisputeCodec, { folder: world.folder('amina'), dispute: idOf(world, name), answer: given }),
  )
const refusal = (name: string): AnswerDispute['answer'] => ({ type: 'refused', value: { reasonHash: hashOf(name) } })
const acceptance = (submissionRoot: Uint8Array): AnswerDispute['answer'] => ({ type: 'accepted', value: { submissionRoot } })

function anchored(world: World, name: string): Uint8Array {
  const body = world.anchorBody('amina', name)
  assert.is(world.run(world.byMember('nairobi', body)).code, 'ok')
  return anchorBodyCodec.decode(body.body).submissionRoot
}

test('a dispute is opened once, and its day is a whole one, thirty days ahead at least', () => {
  const world = withFolder()
  const receipt = world.run(open(world, 'd'))
  assert.equal([receipt.code, receipt.events.map(({ name, index }) => [name, index])], ['ok', [['disputes.opened', 2]]])
  const line = lineOf(world, 'd')
  assert.equal([line?.status, line?.height, line?.answer, line?.answered], ['open', world.height, null, 0])
  const due = line?.due as number
  assert.is(due % DAY, 0)
  assert.ok(due >= world.timeMs + ANSWER_MS && due < world.timeMs + ANSWER_MS + DAY)
  assert.equal(decodeEventData('disputes.opened', receipt.events[0]?.data as Uint8Array).due, due)
  assert.equal(world.run(open(world, 'd')).events, [])
  assert.is(waiting(world), 1)
})

test('only the folder opens, only its author organisation answers', () => {
  const world = withFolder()
  assert.is(
    world.run(world.byFolder('amina', act('disputes.open', openDisputeCodec, { commitment: hashOf('d') }), { signer: 'bela' })).code,
    'unknown-owner',
  )
  assert.is(world.run(world.byMember('nairobi', act('disputes.open', openDisputeCodec, { commitment: hashOf('d') }))).code, 'not-allowed')
  world.run(open(world, 'd'))
  assert.is(world.run(answer(world, 'd', refusal('r'), 'berlin')).code, 'not-found')
  assert.is(world.run(answer(world, 'unknown', refusal('r'))).code, 'not-found')
  assert.is(lineOf(world, 'd')?.status, 'open')
})

test('refused with a reason, refused anew, and accepted in the end; an acceptance stays', () => {
  const world = withFolder()
  world.run(open(world, 'd'))
  assert.equal(
    world.run(answer(world, 'd', refusal('r'))).events.map(({ name }) => name),
    ['disputes.answered'],
  )
  assert.equal([lineOf(world, 'd')?.status, waiting(world)], ['refused', 0])
  assert.equal(world.run(answer(world, 'd', refusal('r'))).events, [], 'the same again')
  assert.is(world.run(answer(world, 'd', refusal('another'))).code, 'ok')
  assert.ok(equalBytes(lineOf(world, 'd')?.answer as Uint8Array, hashOf('another')))
  const root = anchored(world, 'new')
  const accepted = world.run(answer(world, 'd', acceptance(root)))
  assert.equal(decodeEventData('disputes.answered', accepted.events[0]?.data as Uint8Array), {
    dispute: idOf(world, 'd'),
    status: 'accepted',
    submissionRoot: root,
  })
  assert.equal([lineOf(world, 'd')?.status, lineOf(world, 'd')?.answered, waiting(world)], ['accepted', world.height, 0])
  assert.is(world.run(answer(world, 'd', refusal('r'))).code, 'exists')
  assert.is(world.run(answer(world, 'd', acceptance(anchored(world, 'newer')))).code, 'exists')
})

test('accepted with a version that is new, and in this folder', () => {
  const world = withFolder()
  const before = anchored(world, 'before')
  world.run(open(world, 'd'))
  assert.is(world.run(answer(world, 'd', acceptance(before))).code, 'no-new-version')
  assert.is(world.run(answer(world, 'd', acceptance(hashOf('nothing')))).code, 'no-new-version')
  assert.is(lineOf(world, 'd')?.status, 'open')
})

test('as many wait as may, and an answer makes room', () => {
  const world = withFolder()
  for (let i = 0; i < MAX_OPEN_DISPUTES; i++) assert.is(world.run(open(world, `d${i}`)).code, 'ok')
  assert.is(world.run(open(world, 'one more')).code, 'disputes-full')
  assert.is(world.run(answer(world, 'd0', refusal('r'))).code, 'ok')
  assert.is(world.run(open(world, 'one more')).code, 'ok')
  assert.is(waiting(world), MAX_OPEN_DISPUTES)
})

test('withdrawn while it is open or refused, and opened again with a new term; an acceptance stays', () => {
  const world = withFolder()
  assert.is(world.run(withdraw(world, 'd')).code, 'not-found')
  world.run(open(world, 'd'))
  const receipt = world.run(withdraw(world, 'd'))
  assert.equal(
    receipt.events.map(({ name, data }) => [name, decodeEventData('disputes.withdrawn', data).dispute]),
    [['disputes.withdrawn', idOf(world, 'd')]],
  )
  assert.equal([lineOf(world, 'd')?.status, lineOf(world, 'd')?.answered, waiting(world)], ['withdrawn', world.height, 0])
  assert.equal([world.run(withdraw(world, 'd')).code, world.run(withdraw(world, 'd')).events], ['ok', []])
  assert.is(world.run(answer(world, 'd', refusal('r'))).code, 'dispute-closed')
  world.timeMs += 5 * DAY
  assert.is(world.run(open(world, 'd')).events.length, 1)
  assert.equal([lineOf(world, 'd')?.status, lineOf(world, 'd')?.height, waiting(world)], ['open', world.height, 1])
  assert.ok((lineOf(world, 'd')?.due as number) >= world.timeMs + ANSWER_MS)
  world.run(answer(world, 'd', refusal('r')))
  assert.is(world.run(withdraw(world, 'd')).code, 'ok')
  assert.equal([lineOf(world, 'd')?.status, lineOf(world, 'd')?.answer, waiting(world)], ['withdrawn', null, 0])
  world.run(open(world, 'd'))
  world.run(answer(world, 'd', acceptance(anchored(world, 'new'))))
  assert.is(world.run(withdraw(world, 'd')).code, 'dispute-closed')
  assert.is(lineOf(world, 'd')?.status, 'accepted')
})

test('only the folder withdraws', () => {
  const world = withFolder()
  world.run(open(world, 'd'))
  const body = act('disputes.withdraw', withdrawDisputeCodec, { dispute: idOf(world, 'd') })
  assert.is(world.run(world.byFolder('amina', body, { signer: 'bela' })).code, 'unknown-owner')
  assert.is(world.run(world.byMember('nairobi', body)).code, 'not-allowed')
  assert.is(lineOf(world, 'd')?.status, 'open')
})

test('the commitment binds the statement, and a reason the sealing', () => {
  const opening = {
    salt: hashOf('salt'),
    folder: hashOf('folder'),
    submissionRoot: hashOf('root'),
    leaf: 0,
    recordId: hashOf('record'),
    version: 1,
    epoch: 0,
    statementHash: statementHash(hashOf('salt'), 'never smoked'),
  }
  const other = { ...opening, statementHash: statementHash(hashOf('salt'), 'never smoked.') }
  assert.not.ok(equalBytes(disputeCommitment(opening), disputeCommitment(other)))
  assert.not.ok(equalBytes(statementHash(hashOf('salt'), 'a'), statementHash(hashOf('other'), 'a')))
  assert.not.ok(equalBytes(reasonHash(Uint8Array.of(1)), reasonHash(Uint8Array.of(2))))
})

test.run()
