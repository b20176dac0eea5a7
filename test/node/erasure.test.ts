/** Erasure over a network: the owner's order, a custodian that was away, what readers hear, and who cannot order it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent } from '../../src/client/consents.ts'
import { eraseRecords, erasureStatus, type ReceivedErasure, versionsToErase } from '../../src/client/erase.ts'
import { markOf } from '../../src/client/erased.ts'
import { type ListedVersion, listVersions, readVersions } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, openFolder, permitTo, textRecords } from './cluster.ts'

const test = suite('erasure over a network')

async function read(peer: LightPeer, session: Session, versions: readonly ListedVersion[]): Promise<string[]> {
  const texts: string[] = []
  for await (const { content } of readVersions(peer, session, versions)) {
    const parts: Uint8Array[] = []
    for await (const piece of content) parts.push(Uint8Array.from(piece))
    texts.push(new TextDecoder().decode(Buffer.concat(parts)))
  }
  return texts
}

const signers = (receipts: readonly ReceivedErasure[]): number => new Set(receipts.map(({ custodian }) => toHex(custodian.id))).size

test('what the owner has erased is gone everywhere, a custodian that was away included, and a read says so with proof', async () => {
  await using cluster = await Cluster.start()
  const [author, reader] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  const authorPeer = await cluster.peer([0])
  const readerPeer = await cluster.peer([1])
  const patientPeer = await cluster.peer([2, 0])
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  const bundle = [...textRecords(['glucose 5.1', 'HIV positive']), ...textRecords(['their digest'], 'administrative')]
  const manifest = { ...(bundle[2] as (typeof bundle)[number]), kind: 'manifest' as const }
  const put = await putRecords(authorPeer, author, address, [...bundle.slice(0, 2), manifest])
  await putRecords(authorPeer, author, address, textRecords(['a letter']))
  const input = { sealingKey: reader.sealing.publicKey, provision: permitTo(reader) }
  const { share } = await grantConsent(patientPeer, wallet, owned, input)
  const session = await openSession(readerPeer, reader, share)
  const known = (await listVersions(readerPeer, session)).versions
  assert.equal(await read(readerPeer, session, known), ['glucose 5.1', 'HIV positive', 'their digest', 'a letter'])
  await cluster.agree()

  // One record of the Bundle: the manifest goes with it.
  const own = await openOwnSession(patientPeer, wallet, owned)
  const listing = await listVersions(patientPeer, own)
  const recordId = put.versions[1]?.recordId as Uint8Array
  const chosen = await versionsToErase(patientPeer, own, listing, { records: [{ recordId }] })
  assert.equal(
    [...chosen.versions, ...chosen.manifests].map(({ leaf }) => leaf),
    [1, 2],
  )
  await rejectsCode(versionsToErase(patientPeer, own, listing, { records: [{ recordId, version: 2 }] }), 'not-found')
  const whole = await versionsToErase(patientPeer, own, listing, { submissions: [put.submissionRoot] })
  assert.equal([whole.versions.length, whole.manifests.length], [3, 0])
  assert.is((await versionsToErase(patientPeer, own, listing, { all: true })).versions.length, 4)

  await cluster.stopNode(3)
  const away = cluster.keys[3]?.account as Uint8Array
  const targets = [...chosen.versions, ...chosen.manifests]
  const ordered = await eraseRecords(patientPeer, wallet, owned, targets, { waitMs: 0 })
  assert.is(ordered.committed.length, 1)
  assert.is(ordered.status, 'pending')
  const pending = await eventually(async () => {
    const status = await erasureStatus(patientPeer, wallet, owned, { waitMs: 0 })
    return status.receipts.length === 3 * 2 ? status : undefined
  }, 'the three custodians that are there have signed')
  assert.equal(
    pending.laggards.map(({ custodian, missing }) => [toHex(custodian.id), missing]),
    [[toHex(away), 2]],
  )
  assert.is(signers(pending.receipts), 3)
  assert.ok(pending.receipts.every(({ receipt }) => receipt.destroyed && receipt.height >= (ordered.committed[0]?.height as number)))

  // Who listed it before hears that it is erased; the rest reads as before.
  const erased = known.filter(({ leaf, submission }) => leaf === 1 && equalBytes(submission.root, put.submissionRoot))
  for (const [peer, at, versions] of [
    [readerPeer, session, erased],
    [patientPeer, own, targets],
  ] as [LightPeer, Session, ListedVersion[]][]) {
    const error = await rejectsCode(read(peer, at, versions), 'erased')
    assert.ok(error instanceof EpioneError)
    assert.is(error.metadata.height, ordered.committed[0]?.height)
    assert.ok(versions.some(version => toHex(markOf(version)) === error.metadata.mark))
  }
  const left = (await listVersions(readerPeer, session)).versions
  assert.equal(await read(readerPeer, session, left), ['glucose 5.1', 'a letter'])
  assert.equal(
    left.map(({ leaf, total }) => [leaf, total]),
    [
      [0, 3],
      [0, 1],
    ],
  )

  // The fourth comes back.
  await cluster.startNode(3)
  const done = await eventually(async () => {
    const status = await erasureStatus(patientPeer, wallet, owned, { waitMs: 0, marks: targets.map(markOf) })
    return status.status === 'erased' ? status : undefined
  }, 'all custodians have signed')
  assert.is(signers(done.receipts), 4)
  assert.ok(done.receipts.every(({ receipt }) => receipt.destroyed))
  // Ordered again, nothing is put onto the ledger.
  const again = await eraseRecords(patientPeer, wallet, owned, targets, { waitMs: 0 })
  assert.equal([again.status, again.committed.length], ['erased', 0])
  await rejectsCode(erasureStatus(patientPeer, wallet, owned, { waitMs: 0, marks: [markOf(left[0] as ListedVersion)] }), 'not-ordered')

  // Who has read it knows its mark, and cannot order anything with it: not with the keys of a folder of their own.
  const other = await openFolder(authorPeer, author, 'mallory')
  const stolen = { ...other.owned, id: owned.id }
  await rejectsCode(eraseRecords(readerPeer, other.wallet, stolen, left, { waitMs: 0 }), 'not-found')
  // In their own folder the same mark means nothing here.
  const harmless = await eraseRecords(readerPeer, other.wallet, other.owned, left, { waitMs: 20_000 })
  assert.is(harmless.status, 'erased')
  assert.ok(harmless.receipts.every(({ receipt }) => !receipt.destroyed))
  assert.equal(await read(readerPeer, session, left), ['glucose 5.1', 'a letter'])
  assert.equal(cluster.errors(), [])
})

test.run()
