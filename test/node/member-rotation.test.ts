/** A member takes new keys while its folders, grants and receipts go on. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAccessLog } from '../../src/client/access-log.ts'
import { grantConsent } from '../../src/client/consents.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { rotateMemberKeys } from '../../src/client/member-keys.ts'
import { putRecords } from '../../src/client/put.ts'
import { openSession } from '../../src/client/session.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { newNodeSecrets, nodeKeysFrom } from '../../src/node/keys.ts'
import { Cluster, eventually, openFolder, permitTo, seedOf, textRecords } from './cluster.ts'

const test = suite('new keys of a member over a network')

test('what was sealed to a former key opens, what it signed stays proven, and the member goes on under its new keys', async () => {
  await using cluster = await Cluster.start()
  const [author, reader] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  const authorPeer = await cluster.peer([0])
  const patientPeer = await cluster.peer([2])
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  await putRecords(authorPeer, author, address, textRecords(['before']))
  const old = cluster.keys[1]!
  const provision = permitTo(reader, { grantee: { type: 'role', value: { organisation: old.account, role: reader.role } } })
  const { share } = await grantConsent(patientPeer, wallet, owned, { sealingKey: old.sealing.publicKey, provision })
  const read = async (peer: LightPeer): Promise<number> => {
    const session = await openSession(peer, reader, share)
    const { versions } = await listVersions(peer, session)
    let count = 0
    for await (const { content } of readVersions(peer, session, versions)) {
      for await (const _ of content);
      count++
    }
    return count
  }
  assert.is(await read(await cluster.peer([1])), 1)

  const first = newNodeSecrets(name => seedOf(`node ${name}`, 1))
  const second = newNodeSecrets(name => seedOf(`second ${name}`, 1))
  const { signing, sealing, network } = second as Record<'signing' | 'sealing' | 'network', Uint8Array>
  const keys = nodeKeysFrom({ ...first, signing, sealing, network, account: old.account, 'former-sealing-0': first.sealing! })
  assert.equal(keys.account, old.account)
  const rotated = await rotateMemberKeys(authorPeer, { account: old.account, key: old.signing }, keys)
  assert.ok(rotated)
  await cluster.agree()
  await cluster.stopNode(1)
  cluster.keys[1] = keys
  cluster.addresses[1] = cluster.addresses[1]!.replace(/\/p2p\/.*$/, `/p2p/${peerIdOf(keys.network.publicKey)}`)
  await cluster.startNode(1)
  await eventually(
    () =>
      cluster
        .node(0)
        .network.peers()
        .some(({ networkKey, connected }) => connected && Buffer.from(networkKey).equals(keys.network.publicKey)),
    'the others know the node by its new key',
  )

  const put = await putRecords(await cluster.peer([0]), author, address, textRecords(['after']))
  assert.is(put.status, 'written', 'its receipts under the new key count')
  await cluster.agree()
  assert.is(await read(await cluster.peer([1])), 2)
  const log = await readAccessLog(await cluster.peer([2]), wallet, owned)
  assert.equal(
    log.silent.map(({ organisation }) => organisation.name),
    [],
    "the custodian's receipts of before still count",
  )
  assert.is(log.entries.length, 2)
  assert.ok(log.entries.every(({ opening }) => opening !== null))
})

test.run()
