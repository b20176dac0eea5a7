/** What a node takes in and what it refuses at its door, on a running network. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { createFolderCodec, folderId } from '../../src/contracts/folders-formats.ts'
import { type Genesis, quotaCodec, voteBodyCodec } from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { ownerKeyHash } from '../../src/crypto/wallet.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { batchCodec } from '../../src/ledger/block.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { createTransaction, type Transaction, type TransactionContent } from '../../src/ledger/transaction.ts'
import { createNetwork } from '../../src/network/network.ts'
import { MAX_BATCH_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import type { Node } from '../../src/node/node.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, lives, nodeKeys, seedOf } from './cluster.ts'
import { createFolder } from './ledger-fixture.ts'

const test = suite('admission by a node')

type Act = Pick<TransactionContent, 'contract' | 'action' | 'body'>

let nonce = 0
function by(cluster: Cluster, from: TransactionContent['from'], key: SigningKey, act: Act): Transaction {
  const { chain } = cluster.node(0)
  const content = { chainId: chain.chainId, from, validUntil: cluster.now(0) + 600_000, nonce: seedOf('nonce', nonce++).slice(0, 16) }
  const { contract, action, body } = act
  return createTransaction({ ...content, contract, action, body, sponsor: null }, key)
}

const revoke = (name: string): Act => ({
  contract: 'consents',
  action: 'revoke',
  body: revokeBodyCodec.encode({ consent: seedOf(`consent ${name}`) }),
})

async function receiptCode(node: Node, id: Uint8Array): Promise<string> {
  const { receipt } = await eventually(async () => await node.chain.store.receipt(id), 'a receipt')
  return receiptCodec.decode(receipt).code
}

/** A folder on all nodes, with the key of its owner. */
async function folderOf(cluster: Cluster, name: string): Promise<{ from: TransactionContent['from']; owner: SigningKey }> {
  const { chain, transactions } = cluster.node(0)
  const owner = signingKeyFromSeed(seedOf(`owner of ${name}`))
  const template = createFolder(chain, name)
  const body = createFolderCodec.encode({
    ...createFolderCodec.decode(template.content.body),
    ownerKeyHash: ownerKeyHash(owner.publicKey),
  })
  const create = createFolder(chain, name, { body })
  await transactions.submit(create.bytes)
  const id = folderId(chain.chainId, ownerKeyHash(owner.publicKey))
  await eventually(() => cluster.running().every(node => node.chain.tip.tree.get(stateKey.folder(id)) !== undefined), 'the folder')
  return { from: { kind: 'folder', id }, owner }
}

test('what a stranger does is refused at the door, and writes nothing to the chain', async () => {
  await using cluster = await Cluster.start()
  const { from, owner } = await folderOf(cluster, 'amina')
  const stranger = signingKeyFromSeed(seedOf('stranger'))
  const node = cluster.node(1)
  const attacks: [Transaction, string][] = [
    [by(cluster, { kind: 'account', id: seedOf('no member') }, stranger, revoke('a')), 'not-allowed'],
    [by(cluster, { kind: 'account', id: seedOf('no member') }, stranger, createFolder(node.chain, 'b').content), 'unknown-author'],
    [by(cluster, { kind: 'account', id: nodeKeys(0).account }, stranger, createFolder(node.chain, 'c').content), 'wrong-key'],
    [by(cluster, { kind: 'folder', id: seedOf('no folder') }, stranger, revoke('d')), 'not-found'],
    [by(cluster, from, stranger, revoke('e')), 'not-found'],
    [by(cluster, from, owner, { ...revoke('f'), contract: 'none' }), 'unknown-contract'],
    [by(cluster, from, owner, { ...revoke('g'), body: new Uint8Array(3) }), 'malformed'],
  ]
  for (const [transaction, code] of attacks) await rejectsCode(node.transactions.submit(transaction.bytes), code)
  const peer = await cluster.peer([1])
  const bytes = (attacks[4] as [Transaction, string])[0].bytes
  await rejectsCode(peer.submit({ id: seedOf('any'), bytes }), 'not-found')
  assert.equal([node.transactions.pool.waiting, node.transactions.pool.batches], [0, 0])
  await lives(cluster, 'after strangers')
  for (const [transaction] of attacks) assert.is(await node.chain.store.receipt(transaction.id), undefined)
  assert.equal(cluster.errors(), [])
})

test('a folder that fails again and again comes to the end of its bucket, and a revocation of another passes', async () => {
  await using cluster = await Cluster.start({ parameters: { folderQuota: 3 } })
  const { from, owner } = await folderOf(cluster, 'amina')
  const other = await folderOf(cluster, 'bela')
  const node = cluster.node(0)
  const acts = Array.from({ length: 20 }, (_, i) => by(cluster, from, owner, revoke(`${i}`)))
  const outcomes = await Promise.allSettled(acts.map(async ({ bytes }) => await node.transactions.submit(bytes)))
  const taken = acts.filter((_, i) => outcomes[i]?.status === 'fulfilled')
  assert.is(taken.length, 3, 'what is on its way counts')
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'over-folder-quota')
  for (const { id, bytes } of taken) {
    assert.is(await receiptCode(node, id), 'not-found')
    // Whoever sends it again gets its id, and nobody pays.
    assert.equal(await node.transactions.submit(bytes), id)
  }
  const key = stateKey.folderBucket(from.id)
  for (const { chain } of cluster.running()) {
    const bucket = await eventually(() => {
      const value = chain.tip.tree.get(key)
      return value === undefined ? undefined : quotaCodec.decode(value).used
    }, 'the bucket')
    assert.ok(bucket <= 3)
  }
  await cluster.agree()
  assert.is(quotaCodec.decode(node.chain.tip.tree.get(key) as Uint8Array).used, 3)
  for (const { transactions } of cluster.running()) {
    await rejectsCode(transactions.submit(by(cluster, from, owner, revoke('more')).bytes), 'over-folder-quota')
  }
  const revocation = by(cluster, other.from, other.owner, revoke('other'))
  await node.transactions.submit(revocation.bytes)
  assert.is(await receiptCode(node, revocation.id), 'not-found')
  assert.equal(cluster.errors(), [])
})

test('a member that stops to validate hands its transactions on', async () => {
  await using cluster = await Cluster.start()
  const organisation = { ...(cluster.genesis.organisations[3] as Genesis['organisations'][0]), consensusKey: null, power: 0 }
  const proposal = { type: 'amend' as const, value: { account: nodeKeys(3).account, organisation } }
  const vote = { contract: 'members', action: 'vote', body: voteBodyCodec.encode({ series: 0, proposal }) }
  for (const index of [0, 1, 2]) {
    const transaction = by(cluster, { kind: 'account', id: nodeKeys(index).account }, nodeKeys(index).signing, vote)
    await cluster.node(index).transactions.submit(transaction.bytes)
  }
  const former = nodeKeys(3).consensus.publicKey
  const left = ({ chain }: Node): boolean =>
    [chain.tip.validators.current, chain.tip.validators.next, chain.tip.validators.decided].every(
      set => !set.validators.some(({ publicKey }) => equalBytes(publicKey, former)),
    )
  await eventually(() => cluster.running().every(left), 'it validates no more')

  const late = createFolder(cluster.node(3).chain, 'handed on')
  await cluster.node(3).transactions.submit(late.bytes)
  assert.is(await receiptCode(cluster.node(0), late.id), 'ok')
  assert.is(cluster.node(3).transactions.pool.batches, 0)

  assert.equal(cluster.errors(), [])
})

test('a batch in the name of who does not validate is refused, and is no offence of the peer that sent it', async () => {
  await using cluster = await Cluster.start({ start: [0, 1, 2] })
  const network = await createNetwork({
    privateKeySeed: nodeKeys(3).networkSeed,
    listen: [(cluster.addresses[3] as string).replace(/\/p2p\/.*/, '')],
    mode: 'full',
  })
  try {
    network.setMembers(
      cluster.addresses.map((address, i) => ({ networkKey: nodeKeys(i).network.publicKey, validator: true, addresses: [address] })),
    )
    const channel = network.openChannel(PROTOCOL.batches, () => undefined, { maxFrame: MAX_BATCH_RESPONSE })
    await network.start()
    await eventually(() => channel.open().length === 3, 'streams to the three others')
    const { chain } = cluster.node(0)
    const ignored = Array.from({ length: 8 }, (_, i) => createFolder(chain, `in a batch of nobody ${i}`))
    for (const { bytes } of ignored)
      channel.broadcast(batchCodec.encode({ author: nodeKeys(7).consensus.publicKey, transactions: [bytes] }))
    const refused = (): number =>
      cluster.log.filter(({ message, fields }) => message === 'refused a batch' && fields.code === 'unknown-author').length
    await eventually(() => refused() === 24, 'eight batches were refused by three nodes')
    await lives(cluster, 'after the batches')
    for (const node of cluster.running()) assert.is(node.status().peers.members, 3, 'and nobody was turned away for them')
    for (const { id } of ignored) assert.is(await chain.store.receipt(id), undefined)
  } finally {
    await network.stop()
  }
  assert.equal(cluster.errors(), [])
})

test.run()
