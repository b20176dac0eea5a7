/** A member gone mad: its keys are right, and it sends what it likes. The others go on without it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../src/encoding/bytes.ts'
import { batchCodec } from '../../src/ledger/block.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { MAX_BATCH_RESPONSE, MAX_FRAGMENT_FRAME, PROTOCOL } from '../../src/network/protocols.ts'
import { property } from '../encoding/seeded.ts'
import { Cluster, eventually, lives, nodeKeys, seedOf } from './cluster.ts'
import { createFolder } from './ledger-fixture.ts'
import { takenOver } from './taken-over.ts'

const test = suite('attacks by a member')
const INPUTS = 200

test('(l) a batch in another name or with a wrong signature is refused, and consensus never waits for it', async () => {
  await using cluster = await Cluster.start({ start: [0, 1, 2] })
  await using member = await takenOver(cluster, 3)
  const { network } = member
  const channel = network.openChannel(PROTOCOL.batches, () => undefined, { maxFrame: MAX_BATCH_RESPONSE })
  await network.start()
  await eventually(() => channel.open().length === 3, 'streams to the three others')
  const { chain } = cluster.node(0)
  const own = nodeKeys(3).consensus.publicKey
  const batch = (author: Uint8Array, transaction: Transaction | Uint8Array): Uint8Array =>
    batchCodec.encode({ author, transactions: [transaction instanceof Uint8Array ? transaction : transaction.bytes] })

  // What is right is taken, from a member gone mad, too.
  const right = createFolder(chain, 'right')
  channel.broadcast(batch(own, right))
  await eventually(async () => (await chain.store.receipt(right.id)) !== undefined, 'the right batch is in a block')

  const named = createFolder(chain, 'in another name')
  channel.broadcast(batch(nodeKeys(0).consensus.publicKey, named))
  const unsigned = createFolder(chain, 'with a wrong signature')
  unsigned.bytes[unsigned.bytes.length - 1] = (unsigned.bytes[unsigned.bytes.length - 1] as number) ^ 1
  channel.broadcast(batch(own, unsigned))
  const foreign = createFolder(chain, 'of another network', { chainId: seedOf('another') })
  channel.broadcast(batch(own, foreign))
  const refused = (): number => cluster.log.filter(({ message }) => message === 'refused a batch').length
  await eventually(() => refused() === 9, 'three batches were refused by three nodes')
  for (const node of cluster.running()) assert.is(node.status().pool.batches, 0)
  await lives(cluster, 'after the batches')
  for (const transaction of [named, unsigned, foreign]) assert.is(await chain.store.receipt(transaction.id), undefined)

  // One more, and the member is turned away for a while; the others go on without it.
  channel.broadcast(batch(own, utf8('no transaction')))
  await eventually(() => cluster.running().every(node => node.status().peers.members === 2), 'it is turned away')
  await member.stop()
  await lives(cluster, 'after the member')
  assert.equal(cluster.errors(), [])
})

test('(k) noise from a member on the consensus protocol is noticed and stops nobody', async () => {
  await using cluster = await Cluster.start({ start: [0, 1, 2] })
  await using member = await takenOver(cluster, 3)
  const { network } = member
  const channel = network.openChannel(PROTOCOL.consensus, () => undefined, { maxFrame: MAX_FRAGMENT_FRAME })
  await network.start()
  await eventually(() => channel.open().length === 3, 'streams to the three others')
  await property(random => {
    for (let i = 0; i < INPUTS; i++) channel.broadcast(random.bytes(1 + random.below(300)))
  })()
  for (const node of [0, 1, 2]) {
    const noticed = (): boolean => cluster.log.some(line => line.node === node && line.message === 'a validator misbehaved')
    await eventually(noticed, `node ${node} noticed`)
  }
  await lives(cluster, 'during the noise')
  await member.stop()
  await lives(cluster, 'after the noise')
  assert.equal(cluster.errors(), [])
})

test.run()
