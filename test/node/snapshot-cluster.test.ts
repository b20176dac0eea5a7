/** Nodes that join, or come back, by a snapshot: over loopback, with real disks and real consensus. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openOwnSession } from '../../src/client/session.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { MAX_SYNC_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import { syncRequestCodec } from '../../src/network/validator-messages.ts'
import { buildCandidate } from '../../src/node/executor.ts'
import type { Node } from '../../src/node/node.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, nodeKeys, openFolder } from './cluster.ts'
import { createFolder } from './ledger-fixture.ts'

const test = suite('joining by a snapshot')
const HOURS_2 = 2 * 60 * 60 * 1000
const node = { storage: { snapshotInterval: 4, retainBlocks: 1 }, sync: { joinGain: 4 } }

/** Folders made by the first member, one block each as a rule; gives the last transaction. */
async function folders(cluster: Cluster, name: string, count: number) {
  const { chain, transactions } = cluster.node(0)
  let last = createFolder(chain, `${name} 0`)
  for (let i = 0; i < count; i++) {
    last = createFolder(chain, `${name} ${i}`, { validUntil: cluster.now(0) + 50 * 60_000 })
    const height = chain.tip.header.height
    await transactions.submit(last.bytes)
    await eventually(() => chain.tip.header.height > height, 'the block is there')
  }
  await cluster.agree()
  return last
}

function hoursPass(cluster: Cluster): void {
  for (const index of cluster.clockOffsets.keys()) cluster.clockOffsets[index] = HOURS_2
}

/** Waits until these nodes have forgotten what they may. */
async function prunes(nodes: readonly Node[], above: number): Promise<void> {
  await eventually(async () => {
    for (const each of nodes) each.storage.prune()
    await Promise.all(nodes.map(async each => await each.storage.settled()))
    return nodes.every(each => each.chain.store.base > above)
  }, `nothing at or below ${above} is kept`)
}

/** A node judges a block that holds these again as the others do. */
function judgedAlike(cluster: Cluster, transaction: ReturnType<typeof createFolder>): void {
  const outcomes = cluster.running().map(({ chain }) => {
    const input = { time: chain.tip.header.time + 1, proposer: nodeKeys(0).consensus.publicKey, transactions: [transaction] }
    const { header, receipts } = buildCandidate(chain.tip, input, chain.seen)
    return `${receipts[0]?.code} ${toHex(header.receiptsRoot)} ${toHex(header.stateRoot)}`
  })
  assert.is(new Set(outcomes).size, 1, outcomes.join('\n'))
  assert.ok(outcomes[0]?.startsWith('seen '), outcomes[0])
}

test('a snapshot joiner judges replays like everybody: it is at the tip without the old blocks, and validates', async () => {
  await using cluster = await Cluster.start({ start: [0, 1, 2], node })
  const forgotten = await folders(cluster, 'old', 5)
  const old = cluster.node(0).chain.tip.header.height
  hoursPass(cluster)
  const replay = await folders(cluster, 'new', 8)
  await prunes(cluster.running(), old)

  // Who asks for what is not kept any more is told so.
  const peer = await cluster.peer([0], () => cluster.now(0))
  const receipt = { type: 'receipt', value: { transaction: forgotten.id, waitMs: 0 } } as const
  await rejectsCode(
    peer.nodes.ask(receipt, bytes => bytes),
    'pruned',
  )
  const range = syncRequestCodec.encode({ from: 1, limit: 1 })
  const options = { timeoutMs: 5_000, maxResponse: MAX_SYNC_RESPONSE }
  await rejectsCode(cluster.node(1).network.request(cluster.node(0).network.networkKey, PROTOCOL.sync, range, options), 'pruned')

  const joined = await cluster.startNode(3)
  await eventually(() => joined.chain.tip.header.height >= cluster.node(0).chain.tip.header.height, 'the newcomer is at the tip')
  const line = cluster.log.find(({ node: index, message }) => index === 3 && message === 'joined by a snapshot')
  assert.ok(line, 'it joined by a snapshot')
  assert.ok(joined.chain.store.base > old, `blocks from ${joined.chain.store.base} on are kept, of ${old} before the pause`)
  assert.equal((await joined.chain.store.header(2))?.header, (await cluster.node(0).chain.store.header(2))?.header)
  await cluster.agree()
  judgedAlike(cluster, replay)
  assert.is(joined.status().storage.ledger.base, joined.chain.store.base)

  // Its disk tells nothing of what its key has signed, as after a loss: it keeps silent first, and the others bring it over that.
  await eventually(() => joined.status().consensus?.notVotingBecause === null, 'the newcomer votes')
  // Three of four make a quorum: without the second node it takes the newcomer's votes.
  await cluster.connected()
  await cluster.stopNode(1)
  await folders(cluster, 'later', 2)
  assert.is(joined.status().validator, true)

  // What it has stays over a restart.
  await cluster.stopNode(3)
  const again = await cluster.startNode(3)
  await cluster.connected()
  await folders(cluster, 'last', 1)
  judgedAlike(cluster, replay)
  assert.ok(again.chain.store.base > old)
  assert.equal(cluster.errors(), [])
})

test('a node that was away until nobody had its next block any more comes back by a snapshot', async () => {
  await using cluster = await Cluster.start({ node })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  await folders(cluster, 'before', 3)
  await cluster.stopNode(3)
  const left = Math.max(...cluster.running().map(({ chain }) => chain.tip.header.height))
  await folders(cluster, 'soon after', 2)
  // A line in a folder's access log, which the joiner has to show as all others do.
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'a')
  await openOwnSession(peer, folder.wallet, folder.owned)
  hoursPass(cluster)
  await folders(cluster, 'meanwhile', 9)
  await prunes(cluster.running(), left + 1)

  const back = await cluster.startNode(3)
  assert.ok(back.chain.tip.header.height <= left)
  await eventually(() => back.chain.tip.header.height >= cluster.node(0).chain.tip.header.height, 'it is at the tip')
  assert.ok(cluster.log.some(({ node: index, message }) => index === 3 && message === 'joined by a snapshot'))
  assert.ok(back.chain.store.base > left + 1)
  await cluster.agree()
  const log = await back.chain.store.logItems(stateKey.accessLog(folder.address.id), 0, 10)
  assert.is(log.length, 1)
  assert.equal(log, await cluster.node(0).chain.store.logItems(stateKey.accessLog(folder.address.id), 0, 10))
  assert.equal(cluster.errors(), [])
})

test.run()
