/** Nodes that stop and start again: alone, all together, and with the home of another chain. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, genesisOf, openFolder } from './cluster.ts'

const test = suite('restart')

test('a node that was away catches up; a whole network comes back from disk; another chain is refused', async () => {
  await using cluster = await Cluster.start()
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0, 1])
  await openFolder(peer, author, 'a')
  await cluster.agree()

  await cluster.stopNode(3)
  for (const name of ['b', 'c', 'd']) await openFolder(peer, author, name)
  const height = cluster.node(0).chain.tip.header.height
  const back = await cluster.startNode(3)
  await eventually(() => back.chain.tip.header.height >= height, 'the node has caught up')
  await cluster.agree()
  const tip = cluster.node(0).chain.tip

  await Promise.all([0, 1, 2, 3].map(async index => await cluster.stopNode(index)))
  await Promise.all([0, 1, 2, 3].map(async index => await cluster.startNode(index)))
  for (const node of cluster.running()) {
    const header = await node.chain.store.header(tip.header.height)
    assert.ok(header, 'the height is kept')
    assert.is(toHex(headerHash(header.header)), toHex(tip.hash))
  }
  await cluster.connected()
  await openFolder(peer, author, 'e')
  await cluster.agree()
  assert.ok(cluster.node(2).chain.tip.header.height > tip.header.height)
  assert.is(cluster.log.filter(({ message }) => message === 'a validator misbehaved').length, 0, 'nobody signed twice')
  assert.equal(cluster.errors(), [])

  await cluster.stopNode(3)
  await rejectsCode(cluster.startNode(3, genesisOf({ network: 'another' })), 'other-chain')
  // The failed start let go of everything: the right genesis starts there again.
  const again = await cluster.startNode(3)
  assert.ok(again.chain.tip.header.height >= tip.header.height)
})

test.run()
