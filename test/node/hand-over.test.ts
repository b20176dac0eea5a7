/** A folder that an organisation opened for somebody without a wallet becomes theirs. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createEnrolment, findOwnedFolder, folderSeed, openFolders, readFolder, scanFolders } from '../../src/client/folders.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import {
  addressAfter,
  decodeHandOver,
  encodeHandOver,
  handOverFolder,
  prepareHandOver,
  takeOverFolder,
} from '../../src/client/hand-over.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, type Session } from '../../src/client/session.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { recoveryKey, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { sealingContext } from '../../src/fragments/formats.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { Cluster, openFolder, seedOf, textRecords, walletOf } from './cluster.ts'

const test = suite('folders that are handed over')

async function texts(peer: LightPeer, session: Session): Promise<string[]> {
  const found: string[] = []
  for await (const { content } of readVersions(peer, session, (await listVersions(peer, session)).versions)) {
    const parts: Uint8Array[] = []
    for await (const piece of content) parts.push(Uint8Array.from(piece))
    found.push(new TextDecoder().decode(Buffer.concat(parts)))
  }
  return found.sort()
}

test('the wallet finds it from its seed alone, reads all of it, and the keys from before open nothing', async () => {
  await using cluster = await Cluster.start()
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const authorPeer = await cluster.peer([0])
  const patientPeer = await cluster.peer([2, 0])
  const custody = await openFolder(authorPeer, author, 'custody of a hospital')
  await putRecords(authorPeer, author, custody.address, textRecords(['a birth', 'a vaccination']))
  await putRecords(authorPeer, author, custody.address, textRecords(['a fever']))

  const wallet = walletOf('patient')
  const offer = createEnrolment(wallet, {
    chainId: authorPeer.chainId,
    organisation: author.organisation,
    firstIndex: 3,
    labels: ['normal'],
  })
  const other = createEnrolment(wallet, {
    chainId: authorPeer.chainId,
    organisation: author.organisation,
    firstIndex: 3,
    labels: ['genetic'],
  })
  throwsCode(() => prepareHandOver(custody.wallet, custody.owned, other), 'bad-enrolment')
  const text = encodeHandOver(prepareHandOver(custody.wallet, custody.owned, offer))
  const handOver = decodeHandOver(text)
  await rejectsCode(takeOverFolder(patientPeer, wallet, handOver), 'not-found')
  await handOverFolder(authorPeer, custody.wallet, custody.owned, offer)
  await handOverFolder(authorPeer, custody.wallet, custody.owned, offer)
  await rejectsCode(findOwnedFolder(authorPeer, custody.wallet, custody.owned.id), 'not-found')
  await rejectsCode(takeOverFolder(patientPeer, walletOf('mallory'), handOver), 'not-found')

  const taken = await takeOverFolder(patientPeer, wallet, handOver)
  assert.equal([taken.owned.index, taken.owned.label, taken.owned.folder.epoch, taken.resealed], [3, 'normal', 1, 3])
  assert.is(taken.erasure?.status, 'erased')
  const again = await takeOverFolder(patientPeer, wallet, handOver)
  assert.equal([again.owned.folder.epoch, again.resealed], [1, 0])

  // Nothing but the seed.
  const restored = { seed: wallet.seed, recoveryKeyHashes: [] }
  const { folders, nextIndex } = await scanFolders(patientPeer, restored)
  assert.equal([folders.length, nextIndex], [1, 4])
  const owned = folders[0] as (typeof folders)[number]
  const session = await openOwnSession(patientPeer, restored, owned)
  assert.equal(await texts(patientPeer, session), ['a birth', 'a fever', 'a vaccination'])

  // The hospital writes on, and what it keeps of the keys from before opens neither the old nor the new.
  await putRecords(authorPeer, author, addressAfter(custody.owned, offer), textRecords(['a check-up']))
  const { versions } = await listVersions(patientPeer, session)
  assert.is(versions.length, 4)
  const former = sealingKeyFromSeed(folderSeed(custody.wallet, custody.owned, 0))
  for (const { meta, recordId, version, submission } of versions) {
    const { epoch } = submission.anchor
    assert.throws(() => former.open(meta.sealedKey, sealingContext.versionKey(patientPeer.chainId, owned.id, epoch, recordId, version)))
  }
  assert.equal(await texts(patientPeer, session), ['a birth', 'a check-up', 'a fever', 'a vaccination'])
  assert.equal(cluster.errors(), [])
})

test('with its recovery phrase the organisation gives that way away as well', async () => {
  await using cluster = await Cluster.start()
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const recoverySeed = seedOf('recovery of the custody')
  const custody = {
    seed: seedOf('custody'),
    recoveryKeyHashes: [recoveryKeyHash(recoveryKey(recoverySeed, 0).publicKey)],
  }
  const about = { chainId: peer.chainId, organisation: author.organisation, labels: ['normal' as const] }
  const { folders } = await openFolders(peer, author, createEnrolment(custody, { ...about, firstIndex: 0 }))
  const owned = await findOwnedFolder(peer, custody, folders[0]?.id as Uint8Array)
  const offer = createEnrolment(walletOf('patient'), { ...about, firstIndex: 0 })
  await rejectsCode(handOverFolder(peer, custody, owned, offer, { recoverySeed: seedOf('another') }), 'wrong-recovery-seed')
  assert.equal((await readFolder(peer, owned.id))?.ownerKeyHash, owned.folder.ownerKeyHash, 'nothing was done')
  await handOverFolder(peer, custody, owned, offer, { recoverySeed })
  const given = await readFolder(peer, owned.id)
  assert.equal([given?.ownerKeyHash, given?.recoveryKeyHash], [offer.folders[0]?.ownerKeyHash, offer.folders[0]?.recoveryKeyHash])
})

test.run()
