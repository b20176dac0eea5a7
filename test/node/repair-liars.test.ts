/** A helper of repairs that lies: about what it holds, about what was erased, and in its part of every sum. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { putRecords } from '../../src/client/put.ts'
import { repairEntryCodec } from '../../src/contracts/repairs-formats.ts'
import { NAMESPACE } from '../../src/contracts/state-keys.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Network } from '../../src/network/network.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../../src/network/protocols.ts'
import { type RepairReply, repairReplyCodec, repairRequestCodec } from '../../src/network/repair-messages.ts'
import type { StreamServer } from '../../src/network/services.ts'
import { Cluster, eventually, nodeKeys, openFolder, seedOf } from './cluster.ts'
import { custody, EAGER, file, fragments, noise, SHORT_ROUNDS, wipe } from './repair-world.ts'
import { takenOver } from './taken-over.ts'

const test = suite('helpers that lie')

/** Answers for a custodian that was taken over: it says that it has everything, and sends noise for its part of every sum. */
async function serveLies(network: Network, told: { sums: number }): Promise<void> {
  const serve: StreamServer = async channel => {
    for await (const bytes of channel.frames()) {
      const request = repairRequestCodec.decode(bytes)
      const send = async (frame: RepairReply): Promise<void> => await channel.send(repairReplyCodec.encode(frame))
      if (request.type === 'inventory') await send({ type: 'held', value: request.value.roots.map(() => true) })
      if (request.type === 'metas') await send({ type: 'submission', value: { versions: 1, label: 'normal', labelSalt: seedOf('a lie') } })
      if (request.type === 'metas') await send({ type: 'versions', value: [{ type: 'hidden', value: { leafHash: seedOf('a lie') } }] })
      if (request.type === 'sums') {
        told.sums++
        for (const leaf of request.value.leaves) {
          await send({ type: 'version', value: { leaf } })
          await send({ type: 'chunk', value: noise(35_184, 'a lie') })
        }
      }
      await send({ type: 'end', value: {} })
      return
    }
  }
  await network.handleStream(PROTOCOL.repair, 'members', serve, { maxFrame: MAX_FRAGMENT_FRAME, timeoutMs: 20_000, maxStreams: 16 })
}

test('helpers that send wrong parts, or say of a version that it is erased, cost attempts and nothing else', async () => {
  await using cluster = await Cluster.start({
    node: EAGER,
    parameters: SHORT_ROUNDS,
  })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'patient')
  const count = 4
  for (let i = 0; i < count; i++) await putRecords(peer, author, folder.address, [file(70_000, `file ${i}`)])
  await cluster.agree()
  await cluster.stopNode(2)
  await using liar = await takenOver(cluster, 2)
  const told = { sums: 0 }
  await serveLies(liar.network, told)
  await liar.network.start()
  await cluster.stopNode(3)
  await wipe(cluster, 3)
  await cluster.startNode(3)
  await eventually(() => fragments(cluster, 3) === count && custody(cluster, 3).missing === 0, 'the wiped node is whole')
  const { tree } = cluster.node(0).chain.tip
  const attempts = [...tree.entries(Uint8Array.of(NAMESPACE.repair))].map(([, value]) => repairEntryCodec.decode(value).attempt)
  assert.is(attempts.length, count)
  if (told.sums > 0) {
    assert.ok(Math.max(...attempts) > 1, 'an attempt with the liar was followed by another')
    const { repairs, custodians } = cluster.node(3).activity()
    assert.ok(Object.values(repairs.failed).some(failures => failures > 0) && repairs.ordered > count)
    const named = custodians.find(({ account }) => account === toHex(nodeKeys(2).account))
    assert.ok(Object.keys(named?.helperFailures ?? {}).length > 0, 'the liar is named to the operator')
  }
  // Two good helpers are left of three: what the liar spoils it soon has no part in.
  assert.ok(Math.max(...attempts) <= 8, `${attempts}`)
  assert.equal(cluster.errors(), [])
})

test.run()
