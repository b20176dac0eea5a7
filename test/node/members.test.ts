/** Members come, go, change their weight and sign twice: what that does to the nodes and to the chain. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consensusMessageCodec, signVote } from '../../src/consensus/messages.ts'
import { hasSeat } from '../../src/contracts/evidence-formats.ts'
import { type Organisation, type Proposal, type VoteBody, voteBodyCodec } from '../../src/contracts/members-formats.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { validatorSetHash } from '../../src/ledger/header.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { createTransaction, type TransactionContent } from '../../src/ledger/transaction.ts'
import { PROTOCOL } from '../../src/network/protocols.ts'
import type { Node } from '../../src/node/node.ts'
import { Cluster, eventually, nodeKeys, organisationOf, seedOf } from './cluster.ts'
import { takenOver } from './taken-over.ts'

const test = suite('members of a running network')

let nonce = 0

/** Hands in an act of a node's organisation at that node, and waits for its receipt there: its code and height. */
async function act(
  cluster: Cluster,
  index: number,
  body: Pick<TransactionContent, 'contract' | 'action' | 'body'>,
): Promise<{ code: string; height: number }> {
  const node = cluster.node(index)
  const { account, signing } = nodeKeys(index)
  const content: TransactionContent = {
    chainId: node.chain.chainId,
    from: { kind: 'account', id: account },
    validUntil: Date.now() + 600_000,
    nonce: seedOf('nonce', nonce++).slice(0, 16),
    sponsor: null,
    ...body,
  }
  const transaction = createTransaction(content, signing)
  await node.transactions.submit(transaction.bytes)
  const found = await eventually(async () => await node.chain.store.receipt(transaction.id), `the act of node ${index} is in a block`)
  return { code: receiptCodec.decode(found.receipt).code, height: found.height }
}

/** Votes for a proposal one after the other; gives the height at which the last vote was counted. */
async function decide(cluster: Cluster, proposal: Proposal, voters: readonly number[]): Promise<number> {
  const body: VoteBody = { series: 0, proposal }
  let height = 0
  for (const voter of voters) {
    const receipt = await act(cluster, voter, { contract: 'members', action: 'vote', body: voteBodyCodec.encode(body) })
    assert.is(receipt.code, 'ok', `the vote of node ${voter}`)
    height = receipt.height
  }
  return height
}

const account = (index: number): Uint8Array => nodeKeys(index).account
const remove = (index: number): Proposal => ({ type: 'remove', value: { account: account(index) } })
const reweigh = (index: number, power: number): Proposal => {
  const organisation: Organisation = { ...organisationOf(index), power }
  return { type: 'amend', value: { account: account(index), organisation } }
}

/** Any block more. */
async function oneMore(cluster: Cluster, index = 0): Promise<number> {
  // A vote on a proposal that never passes.
  const body: VoteBody = { series: 1_000 + nonce, proposal: { type: 'admit', value: organisationOf(5) } }
  const { code, height } = await act(cluster, index, { contract: 'members', action: 'vote', body: voteBodyCodec.encode(body) })
  assert.is(code, 'ok')
  return height
}

/** A validator that was taken over signs for a block and for none at the height that is decided next, and tells everybody of both. */
async function signTwice(cluster: Cluster, index: number, others: number): Promise<number> {
  await using member = await takenOver(cluster, index)
  const { network } = member
  const channel = network.openChannel(PROTOCOL.consensus, () => undefined, { maxFrame: 1024 * 1024 })
  await network.start()
  await eventually(() => channel.open().length === others, 'streams to the others')
  const { chain } = cluster.node(0)
  const height = chain.tip.header.height + 1
  const key = nodeKeys(index).consensus
  for (const block of [null, seedOf('a block that nobody proposed')]) {
    const vote = signVote(chain.chainId, { kind: 'prevote', height, round: 0, block, validator: key.publicKey }, key)
    channel.broadcast(consensusMessageCodec.encode({ type: 'vote', value: vote }))
  }
  await eventually(() => cluster.running().every(node => node.status().offences.length > 0), 'the offence is on the ledger of all')
  return height
}

/** Whether a node's key signed the block at a height, as another node has it. */
async function signed(node: Node, height: number, index: number): Promise<boolean> {
  const certificate = (await node.chain.store.header(height))?.certificate
  assert.ok(certificate, `block ${height}`)
  return certificate.signatures.some(({ validator }) => equalBytes(validator, nodeKeys(index).consensus.publicKey))
}

test('of five validators one that signs twice loses its seat; its node then follows, and hands its acts on', async () => {
  await using cluster = await Cluster.start({ founders: 5, start: [0, 1, 2, 3] })
  const height = await signTwice(cluster, 4, 4)
  const { chain } = cluster.node(0)
  await eventually(() => cluster.running().every(node => node.status().validators.length === 4), 'four validators')
  await oneMore(cluster)
  await cluster.agree()
  for (const node of cluster.running()) {
    const { offences, seat } = node.status()
    assert.is(offences.length, 1, 'four nodes caught it, and it is one offence')
    const { name, account: id, kind, round, evictedAt, reportedAt, seated } = offences[0]!
    assert.equal([name, id, kind, round], [organisationOf(4).name, toHex(account(4)), 'prevote', 0])
    assert.is(offences[0]!.height, height)
    assert.equal([evictedAt, seated, seat.state], [reportedAt, false, 'held'])
  }
  const evictedAt = chain.tip.header.height
  assert.ok(evictedAt >= 3)

  // The same organisation comes back with a node that behaves.
  const back = await cluster.startNode(4)
  await eventually(() => back.chain.tip.header.height >= evictedAt, 'it has caught up')
  await cluster.connected()
  const { seat, consensus, validator } = back.status()
  assert.equal([seat.state, consensus?.notVotingBecause, validator], ['evicted', 'not-a-validator', false])
  assert.match(back.status().summary, /^Evidence of double signing cost it its seat in block \d+/)
  const refused = await act(cluster, 4, {
    contract: 'members',
    action: 'vote',
    body: voteBodyCodec.encode({ series: 0, proposal: remove(0) }),
  })
  assert.is(refused.code, 'not-validator', 'its act came into a block by way of a validator')
  await cluster.agree()
  assert.is(await signed(cluster.node(0), refused.height, 4), false)
  assert.equal(cluster.errors(), [])
})

test('of four validators one that signs twice keeps its seat, and is shown; a fifth is admitted, catches up and votes; a weight changes', async () => {
  await using cluster = await Cluster.start({ start: [0, 1, 2], newcomers: 1 })
  await signTwice(cluster, 3, 3)
  for (const node of cluster.running()) {
    const { offences, validators } = node.status()
    assert.equal([offences.length, offences[0]?.evictedAt, offences[0]?.seated, validators.length], [1, null, true, 4])
  }
  await cluster.startNode(3)
  await cluster.connected()

  await decide(cluster, { type: 'admit', value: organisationOf(4) }, [0, 1, 2])
  await eventually(() => cluster.node(0).status().validators.length === 5, 'five validators')
  const { chain } = cluster.node(0)
  const setAt = async (height: number): Promise<string> => {
    const header = (await chain.store.header(height))?.header
    assert.ok(header)
    return toHex(header.validatorsHash)
  }
  const newcomer = await cluster.startNode(4)
  await eventually(() => newcomer.status().seat.state === 'held', 'it caught up with its own admission')
  await cluster.connected()
  // Its disk tells nothing of what its key has signed, as after a loss: it keeps silent first, and the others bring it over that.
  await eventually(() => newcomer.status().consensus?.notVotingBecause === null, 'it votes')
  // Four of the five are a quorum: without the newcomer there would be none.
  await cluster.stopNode(2)
  const together = await oneMore(cluster)
  assert.is(await signed(cluster.node(0), together, 4), true)
  await cluster.startNode(2)
  await cluster.connected()

  const weighed = await decide(cluster, reweigh(1, 2), [0, 1, 2, 4])
  await eventually(() => chain.tip.header.height >= weighed + 2, 'the change comes into force on an idle chain')
  await oneMore(cluster)
  assert.equal(await setAt(weighed), await setAt(weighed + 1))
  assert.is.not(await setAt(weighed + 1), await setAt(weighed + 2))
  const { current } = chain.tip.validators
  assert.is(await setAt(weighed + 2), toHex(validatorSetHash(current)))
  assert.equal(
    [current.since, current.validators.find(({ publicKey }) => equalBytes(publicKey, nodeKeys(1).consensus.publicKey))?.power],
    [weighed + 2, 2],
  )
  await cluster.agree()
  assert.equal(cluster.errors(), [])
})

test('a removed validator signs up to the block after its removal, even where that needs it, and never again', async () => {
  await using cluster = await Cluster.start({ founders: 5, start: [0, 1, 2, 3] })
  // One of five is down, so that every block needs all of the other four, the one that leaves included.
  const removed = await decide(cluster, remove(3), [0, 1, 2, 3])
  const others = [0, 1, 2].map(index => cluster.node(index))
  await eventually(() => others.every(node => node.chain.tip.header.height >= removed + 2), 'the change comes into force')
  const leaver = cluster.node(3)
  assert.is(await signed(others[0]!, removed + 1, 3), true, 'without it there was no quorum')
  const later = await oneMore(cluster)
  assert.is(await signed(others[0]!, later, 3), false)
  assert.not.ok(hasSeat(others[0]!.chain.tip.validators.current, nodeKeys(3).consensus.publicKey))

  await eventually(() => leaver.status().seat.state === 'removed', 'it knows')
  const { seat, consensus, summary } = leaver.status()
  assert.equal([seat.since, consensus?.notVotingBecause], [removed, 'not-a-validator'])
  assert.match(summary, /^The members removed this organisation in block \d+: it holds no seat/)
  // It is served nothing any more, and still hears what is announced to everybody.
  await eventually(() => leaver.chain.tip.header.height >= later, 'it follows what is announced')
  for (const node of others)
    assert.is(
      node.status().validators.some(({ name }) => name === organisationOf(3).name),
      false,
    )
  assert.equal(cluster.errors(), [])
})

test.run()
