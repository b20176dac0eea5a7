/** Correction over a network: a dispute travels with its version, is answered, and everybody who read the version is told and signs. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent } from '../../src/client/consents.ts'
import { answerDispute, authorDisputes, listDisputes, spreadDisputes } from '../../src/client/disputes.ts'
import { type ListedVersion, listVersions, readVersions } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { acknowledgeNotice, noticeReaders, waitingNotices } from '../../src/client/notices.ts'
import { openDispute, withdrawDispute } from '../../src/client/open-dispute.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import { readDispute } from '../../src/client/version-disputes.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, openFolder, organisationOf, permitTo, textRecords } from './cluster.ts'

const test = suite('disputes over a network')

async function readAll(peer: LightPeer, session: Session, versions: readonly ListedVersion[]): Promise<void> {
  for await (const { content } of readVersions(peer, session, versions)) for await (const _ of content);
}

test('a version is disputed, its readers see that, the author refuses and then accepts, and who read it signs that they know', async () => {
  await using cluster = await Cluster.start()
  const [author, reader, other] = [cluster.person(0), cluster.person(1), cluster.person(2, 'nurse')]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  await cluster.staff(2, [other])
  const [authorPeer, readerPeer, patient] = [await cluster.peer([0]), await cluster.peer([1]), await cluster.peer([2, 0])]
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  await putRecords(authorPeer, author, address, textRecords(['smokes 20 a day', 'blood group A']))
  const share = async (person: typeof reader) =>
    (await grantConsent(patient, wallet, owned, { sealingKey: person.sealing.publicKey, provision: permitTo(person) })).share
  const session = await openSession(readerPeer, reader, await share(reader))
  const before = (await listVersions(readerPeer, session)).versions
  assert.equal(
    before.map(({ disputes }) => disputes),
    [undefined, undefined],
  )
  await readAll(readerPeer, session, before.slice(0, 1))
  const otherSession = await openSession(readerPeer, other, await share(other))
  await readAll(readerPeer, otherSession, (await listVersions(readerPeer, otherSession)).versions.slice(1))

  // The patient says that the first is wrong.
  const own = await openOwnSession(patient, wallet, owned)
  const wrong = (await listVersions(patient, own)).versions[0] as ListedVersion
  await rejectsCode(openDispute(patient, wallet, owned, { version: wrong, statement: ' ' }), 'bad-statement')
  const statement = 'I have never smoked. – Amina'
  // One custodian is away, and gets the words afterwards.
  await cluster.stopNode(3)
  const opened = await openDispute(patient, wallet, owned, { version: wrong, statement })
  assert.is(opened.stored, 3)
  await cluster.startNode(3)
  await cluster.connected()
  await cluster.agree()
  assert.equal(await spreadDisputes(patient, wallet, owned), { copied: 1, silent: [] })
  assert.equal(await spreadDisputes(patient, wallet, owned), { copied: 0, silent: [] })
  const again = await openDispute(patient, wallet, owned, { version: wrong, statement })
  assert.ok(equalBytes(again.id, opened.id), 'the same statement again goes on where it was')

  // Whoever reads the version sees it; the other version is not touched by it.
  const seen = (await listVersions(readerPeer, session)).versions
  assert.is(seen[1]?.disputes, undefined)
  const [shown] = seen[0]?.disputes ?? []
  assert.ok(shown !== undefined && equalBytes(shown.id, opened.id))
  assert.equal([shown.line.status, await readDispute(readerPeer.chainId, shown, session.keyOf)], ['open', { statement, reason: null }])

  // The author, and nobody else's desk, reads the statement and refuses.
  const [asked] = await authorDisputes(authorPeer, author, owned.id)
  assert.ok(asked !== undefined)
  assert.equal([asked.statement, toHex(asked.opening.recordId)], [statement, toHex(wrong.recordId)])
  await rejectsCode(authorDisputes(readerPeer, reader, owned.id), 'not-found')
  await rejectsCode(answerDispute(readerPeer, reader, asked, { refused: 'not mine' }), 'not-found')
  await answerDispute(authorPeer, author, asked, { refused: 'You told us so on the phone.' })
  const [refused] = await listDisputes(patient, wallet, owned)
  assert.equal([refused?.line.status, refused?.statement, refused?.reason], ['refused', statement, 'You told us so on the phone.'])
  const attached = (await listVersions(readerPeer, session)).versions[0]?.disputes?.[0]
  assert.ok(attached !== undefined)
  assert.equal(await readDispute(readerPeer.chainId, attached, session.keyOf), { statement, reason: 'You told us so on the phone.' })

  // The author accepts after all, with a new version of the record.
  await rejectsCode(answerDispute(authorPeer, author, asked, { accepted: wrong.submission.root }), 'no-new-version')
  const records = textRecords(['has never smoked']).map(record => ({ ...record, recordId: wrong.recordId, version: 2 }))
  const corrected = await putRecords(authorPeer, author, address, records)
  await answerDispute(authorPeer, author, asked, { accepted: corrected.submissionRoot })
  const [accepted] = await listDisputes(patient, wallet, owned)
  assert.ok(accepted?.line.status === 'accepted' && equalBytes(accepted.line.answer as Uint8Array, corrected.submissionRoot))

  // Who read the wrong version is told; who read only the other one is not.
  assert.equal(await waitingNotices(readerPeer, reader), [])
  const sent = await noticeReaders(patient, wallet, owned, accepted, { send: true })
  assert.equal(
    sent.readers.map(({ organisation, reader: who, seen: at, received, code }) => [
      organisation.organisation.name,
      who?.role,
      at,
      received !== null,
      code,
    ]),
    [[organisationOf(1).name, 'physician', null, true, null]],
  )
  const [notice] = await waitingNotices(readerPeer, reader)
  assert.ok(notice !== undefined && equalBytes(notice.recordId, wrong.recordId) && notice.notice.status === 'accepted')
  assert.ok(equalBytes(notice.notice.submissionRoot as Uint8Array, corrected.submissionRoot))
  assert.equal(await waitingNotices(readerPeer, other), [])
  await rejectsCode(acknowledgeNotice(readerPeer, other, notice), 'not-found')
  await acknowledgeNotice(readerPeer, reader, notice)
  assert.equal(await waitingNotices(readerPeer, reader), [])
  const known = await noticeReaders(patient, wallet, owned, accepted)
  assert.ok((known.readers[0]?.seen ?? 0) > 0, 'the patient sees that the reader signed')

  // What is taken back goes out with the version no more, is not put to the author, and those who were told are told that, too.
  const other2 = (await listVersions(patient, own)).versions.find(({ recordId }) => !equalBytes(recordId, wrong.recordId)) as ListedVersion
  const second = await openDispute(patient, wallet, owned, { version: other2, statement: 'I am of group B.' })
  const listed = async () =>
    (await listVersions(readerPeer, session)).versions.find(({ recordId }) => equalBytes(recordId, other2.recordId))
  assert.is((await listed())?.disputes?.length, 1)
  const withdrawn = await withdrawDispute(patient, wallet, owned, second.id)
  await cluster.agree()
  assert.is((await listed())?.disputes, undefined)
  assert.equal(
    (await authorDisputes(authorPeer, author, owned.id)).map(({ id }) => toHex(id)),
    [toHex(opened.id)],
  )
  const taken = (await listDisputes(patient, wallet, owned)).find(({ id }) => equalBytes(id, second.id))
  assert.equal([taken?.line.status, taken?.line.answered, taken?.statement], ['withdrawn', withdrawn.height, 'I am of group B.'])
  assert.ok(taken !== undefined)
  await noticeReaders(patient, wallet, owned, taken, { send: true })
  const nurse = await cluster.peer([2])
  assert.equal(
    (await waitingNotices(nurse, other)).map(({ notice: { status } }) => status),
    ['withdrawn'],
  )
  await rejectsCode(withdrawDispute(patient, wallet, owned, opened.id), 'dispute-closed')
  // And said again, it is there again.
  await openDispute(patient, wallet, owned, { version: other2, statement: 'I am of group B.' })
  await cluster.agree()
  assert.is((await listed())?.disputes?.length, 1)

  // Somebody else's keys neither leave nor ask for notices, nor statements.
  const mallory = await openFolder(authorPeer, author, 'mallory')
  const stolen = { ...mallory.owned, id: owned.id }
  assert.equal(
    (await listDisputes(patient, mallory.wallet, stolen)).map(({ shown: one }) => one),
    [null, null],
  )
  await rejectsCode(openDispute(patient, mallory.wallet, stolen, { version: wrong, statement: 'mine' }), 'not-found')

  // An organisation that cannot be reached is named, and so is its silence.
  await cluster.stopNode(1)
  const silent = await noticeReaders(patient, wallet, owned, accepted)
  assert.equal(
    silent.readers.map(({ seen: at, code }) => [at, code === null]),
    [[null, false]],
  )
  assert.equal(cluster.errors(), [])
})

test.run()
