/** Moves between folders over a network: what readers of either see, what custodians hold, and a move that is interrupted. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent } from '../../src/client/consents.ts'
import { answerDispute, authorDisputes, listDisputes } from '../../src/client/disputes.ts'
import { findOwnedFolder } from '../../src/client/folders.ts'
import { openFurtherFolder } from '../../src/client/further-folder.ts'
import { type ListedVersion, listVersions, readVersions, submissionsOf } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { moveRecords } from '../../src/client/move.ts'
import { noticeReaders, waitingNotices } from '../../src/client/notices.ts'
import { openDispute, withdrawDispute } from '../../src/client/open-dispute.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, openFolder, permitTo, textRecords } from './cluster.ts'

const test = suite('moves between folders')

async function read(peer: LightPeer, session: Session, versions: readonly ListedVersion[]): Promise<string[]> {
  const texts: string[] = []
  for await (const { content } of readVersions(peer, session, versions)) {
    const parts: Uint8Array[] = []
    for await (const piece of content) parts.push(Uint8Array.from(piece))
    texts.push(new TextDecoder().decode(Buffer.concat(parts)))
  }
  return texts
}

const all = async (peer: LightPeer, session: Session): Promise<string[]> =>
  await read(peer, session, (await listVersions(peer, session)).versions)

/** A peer on which everything works until what `act` names is asked for. */
function breaking(peer: LightPeer, breaks: (action: string) => boolean): LightPeer {
  return new Proxy(peer, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown
      if (name === 'sign') {
        return (input: { action: string }, key: never) => {
          if (breaks(input.action)) throw new EpioneError('stopped', 'the device was switched off')
          return target.sign(input as never, key)
        }
      }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

test('a record moves with its ciphertext, what stays shows no gap, and each reader reads what is in their folder', async () => {
  await using cluster = await Cluster.start()
  const [author, reader] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  const authorPeer = await cluster.peer([0])
  const readerPeer = await cluster.peer([1])
  const patientPeer = await cluster.peer([2, 0])
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  const resources = textRecords(['glucose 5.1', 'a talk with the psychiatrist', 'potassium 4.0'])
  const manifest = { ...(textRecords(['their digest'], 'administrative')[0] as (typeof resources)[number]), kind: 'manifest' as const }
  const put = await putRecords(authorPeer, author, address, [...resources, manifest])
  const input = { sealingKey: reader.sealing.publicKey, provision: permitTo(reader) }
  const { share } = await grantConsent(patientPeer, wallet, owned, input)
  const session = await openSession(readerPeer, reader, share)
  assert.is((await all(readerPeer, session)).length, 4)

  const { owned: hidden, nextIndex } = await openFurtherFolder(patientPeer, wallet, owned, 'mental-health')
  assert.equal([hidden.label, hidden.index, nextIndex], ['mental-health', 1, 2])
  const before = (await listVersions(patientPeer, await openOwnSession(patientPeer, wallet, owned))).versions
  const recordId = put.versions[1]?.recordId as Uint8Array
  const selection = { records: [{ recordId }] }

  // Interrupted between the two anchors, or before the erasure, it has erased nothing; the next call anchors nothing twice.
  let anchors = 0
  const afterOne = breaking(patientPeer, action => action === 'anchor' && ++anchors === 2)
  await rejectsCode(moveRecords(afterOne, wallet, owned, hidden, selection), 'stopped')
  assert.equal([(await submissionsOf(patientPeer, hidden.id)).length, (await submissionsOf(patientPeer, owned.id)).length], [1, 1])
  assert.is((await all(readerPeer, session)).length, 4)
  const beforeErasure = breaking(patientPeer, action => action === 'erase')
  await rejectsCode(moveRecords(beforeErasure, wallet, owned, hidden, selection), 'stopped')
  assert.equal([(await submissionsOf(patientPeer, hidden.id)).length, (await submissionsOf(patientPeer, owned.id)).length], [1, 2])
  const result = await moveRecords(patientPeer, wallet, owned, hidden, selection)
  assert.equal([result.anchored.length, result.kept, result.manifests, result.moved.length], [0, 2, 1, 1])
  assert.is(result.erasure.status, 'erased')
  assert.is((await submissionsOf(patientPeer, hidden.id)).length, 1)
  await rejectsCode(moveRecords(patientPeer, wallet, owned, hidden, selection), 'not-found')

  // Who reads the folder that it left sees a submission of two without a gap.
  const left = (await listVersions(readerPeer, session)).versions
  assert.equal(
    left.map(({ leaf, total }) => [leaf, total]),
    [
      [0, 2],
      [1, 2],
    ],
  )
  assert.equal(await read(readerPeer, session, left), ['glucose 5.1', 'potassium 4.0'])

  // It is the same record and the same ciphertext, and its author's signature holds for whoever reads it there.
  const [moved] = (await listVersions(patientPeer, await openOwnSession(patientPeer, wallet, hidden))).versions
  const old = before.find(version => equalBytes(version.recordId, recordId))
  assert.equal(moved?.recordId, recordId)
  assert.equal(moved?.meta.leaf.dispersalRoot, old?.meta.leaf.dispersalRoot)
  assert.not.equal(moved?.meta.salt, old?.meta.salt)
  const { share: second } = await grantConsent(patientPeer, wallet, hidden, input)
  const there = await openSession(readerPeer, reader, second)
  assert.equal(await all(readerPeer, there), ['a talk with the psychiatrist'])

  // And back again, where it is at home.
  const back = await moveRecords(patientPeer, wallet, hidden, owned, { all: true })
  assert.equal([back.moved.length, back.kept, back.erasure.status], [1, 0, 'erased'])
  assert.equal((await all(readerPeer, session)).sort(), ['a talk with the psychiatrist', 'glucose 5.1', 'potassium 4.0'])
  assert.is((await listVersions(patientPeer, await openOwnSession(patientPeer, wallet, hidden))).versions.length, 0)
  assert.equal(cluster.errors(), [])
})

test('what the owner says of a version goes along with it, and who read it where it was hears how that ends', async () => {
  await using cluster = await Cluster.start()
  const [author, reader] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  const [authorPeer, readerPeer, patientPeer] = [await cluster.peer([0]), await cluster.peer([1]), await cluster.peer([2, 0])]
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  await putRecords(authorPeer, author, address, textRecords(['smokes', 'group A', 'glucose 5.1']))
  const input = { sealingKey: reader.sealing.publicKey, provision: permitTo(reader) }
  const session = await openSession(readerPeer, reader, (await grantConsent(patientPeer, wallet, owned, input)).share)
  assert.is((await all(readerPeer, session)).length, 3)
  const [moving, staying] = (await listVersions(patientPeer, await openOwnSession(patientPeer, wallet, owned))).versions
  assert.ok(moving !== undefined && staying !== undefined)
  const first = await openDispute(patientPeer, wallet, owned, { version: moving, statement: 'Never.' })
  const second = await openDispute(patientPeer, wallet, owned, { version: staying, statement: 'Group B.' })
  const taken = await openDispute(patientPeer, wallet, owned, { version: moving, statement: 'Said too fast.' })
  await withdrawDispute(patientPeer, wallet, owned, taken.id)

  const { owned: hidden } = await openFurtherFolder(patientPeer, wallet, owned, 'restricted')
  const selection = { records: [{ recordId: moving.recordId }] }
  // Interrupted where the statement is in both places, it is in one in the end.
  const broken = breaking(patientPeer, action => action === 'withdraw')
  await rejectsCode(moveRecords(broken, wallet, owned, hidden, selection), 'stopped')
  const { disputes, erasure } = await moveRecords(patientPeer, wallet, owned, hidden, selection)
  assert.equal([erasure.status, disputes.left], ['erased', []])
  assert.equal(
    disputes.carried.map(({ from, folder }) => [toHex(from), toHex(folder)]),
    [
      [toHex(first.id), toHex(hidden.id)],
      [toHex(second.id), toHex(owned.id)],
    ],
  )
  await cluster.agree()
  const states = async (folder: typeof owned) =>
    (await listDisputes(patientPeer, wallet, folder)).map(({ line, statement }) => `${statement} ${line.status}`).sort()
  assert.equal(await states(hidden), ['Never. open'])
  assert.equal(await states(owned), ['Group B. open', 'Group B. withdrawn', 'Never. withdrawn', 'Said too fast. withdrawn'])
  const shown = async (folder: typeof owned) =>
    (await listVersions(patientPeer, await openOwnSession(patientPeer, wallet, folder))).versions.map(one => one.disputes?.length ?? 0)
  assert.equal([await shown(hidden), (await shown(owned)).sort()], [[1], [0, 1]])

  // The author is asked where the version is, and once; who read it before hears of it, and not where that is.
  assert.is((await authorDisputes(authorPeer, author, owned.id)).length, 1)
  const [asked] = await authorDisputes(authorPeer, author, hidden.id)
  assert.ok(asked !== undefined)
  const records = textRecords(['does not smoke']).map(record => ({ ...record, recordId: moving.recordId, version: 2 }))
  const corrected = await putRecords(authorPeer, author, hidden, records)
  await answerDispute(authorPeer, author, asked, { accepted: corrected.submissionRoot })
  const present = await findOwnedFolder(patientPeer, wallet, owned.id)
  const before = (await listDisputes(patientPeer, wallet, present)).find(({ id }) => equalBytes(id, first.id))
  assert.ok(before !== undefined)
  const noticed = await noticeReaders(patientPeer, wallet, present, before, { send: true })
  assert.equal([toHex(noticed.present.owned.id), noticed.present.dispute.line.status], [toHex(hidden.id), 'accepted'])
  assert.equal(
    noticed.readers.map(({ received, code }) => [received !== null, code]),
    [[true, null]],
  )
  const [notice] = await waitingNotices(readerPeer, reader)
  assert.equal([notice?.notice.status, notice?.notice.submissionRoot, notice?.folder], ['accepted', null, owned.id])
  assert.equal(cluster.errors(), [])
})

test('an organisation stands for nothing in a folder that is not its own records, moved by their owner', async () => {
  await using cluster = await Cluster.start()
  const [author, other] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [other])
  const authorPeer = await cluster.peer([0])
  const otherPeer = await cluster.peer([1])
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  await putRecords(authorPeer, author, address, textRecords(['a letter']))
  const mallory = await openFolder(authorPeer, author, 'mallory')
  const elsewhere = await openFolder(otherPeer, other, 'elsewhere')

  // To another author's folder, to the same one, and to a folder that another owns.
  await rejectsCode(moveRecords(authorPeer, wallet, owned, elsewhere.owned, { all: true }), 'other-author')
  await rejectsCode(moveRecords(authorPeer, wallet, owned, owned, { all: true }), 'same-folder')
  const mixed = { ...mallory.owned, index: 7 }
  await rejectsCode(moveRecords(authorPeer, wallet, owned, mixed, { all: true }), 'not-sponsored')
  await rejectsCode(openFurtherFolder(authorPeer, wallet, { ...owned, id: mallory.owned.id }, 'restricted'), 'not-sponsored')
  const [root] = await submissionsOf(authorPeer, owned.id)
  assert.ok(root)
  assert.is((await submissionsOf(authorPeer, mallory.owned.id)).length, 0)
  assert.is((await listVersions(authorPeer, await openOwnSession(authorPeer, wallet, owned))).versions.length, 1)

  // Two devices of one wallet that open a folder at once get one each.
  const opened = await Promise.all(
    (['restricted', 'genetic'] as const).map(async label => await openFurtherFolder(authorPeer, wallet, owned, label)),
  )
  assert.equal(new Set(opened.map(one => toHex(one.owned.id))).size, 2)
  assert.equal(opened.map(one => one.owned.index).sort(), [1, 2])
  for (const one of opened) assert.is((await findOwnedFolder(otherPeer, wallet, one.owned.id)).label, one.owned.label)
  assert.equal(cluster.errors(), [])
})

test.run()
