/** Somebody acts for a patient: what they may read and grant, what the log says of it, and that it ends. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAccessLog } from '../../src/client/access-log.ts'
import { revokeConsent } from '../../src/client/consents.ts'
import {
  createDelegateOffer,
  decodeDelegateOffer,
  delegationEnd,
  encodeDelegateOffer,
  grantAsDelegate,
  grantDelegation,
  listDelegations,
  openDelegateSession,
  revokeAsDelegate,
} from '../../src/client/delegation.ts'
import { authorDisputes, listDisputes } from '../../src/client/disputes.ts'
import { advanceFolder } from '../../src/client/epochs.ts'
import type { Wallet } from '../../src/client/folders.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { openDispute, openDisputeAsDelegate, withdrawDisputeAsDelegate } from '../../src/client/open-dispute.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import { type Consent, consentCodec } from '../../src/contracts/consents-formats.ts'
import type { Right } from '../../src/contracts/delegations-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, openFolder, permitTo, type TestFolder, textRecords, walletOf } from './cluster.ts'

const DAY = 86_400_000
const WHOLE = { purposes: [], classes: [], dataPeriod: null, authors: [], exceptions: [] }

interface World {
  cluster: Cluster
  folder: TestFolder
  patientPeer: LightPeer
  delegatePeer: LightPeer
}

const test = suite<{ world: World }>('delegation')

test.before(async context => {
  const cluster = await Cluster.start()
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  await cluster.staff(1, [cluster.person(1)])
  const authorPeer = await cluster.peer([0])
  const folder = await openFolder(authorPeer, author, 'child')
  await putRecords(authorPeer, author, folder.address, [...textRecords(['glucose 5.1']), ...textRecords(['metformin'], 'medication')])
  context.world = { cluster, folder, patientPeer: await cluster.peer([2]), delegatePeer: await cluster.peer([3]) }
})

test.after(async ({ world }) => await world.cluster.stop())

async function delegated({ patientPeer, delegatePeer, folder }: World, delegate: Wallet, rights: readonly Right[], scope = {}, index = 0) {
  const made = createDelegateOffer(delegate, { chainId: patientPeer.chainId, name: 'A. Mother', firstIndex: index, keys: 1 })
  const offer = decodeDelegateOffer(encodeDelegateOffer(made))
  const granted = await grantDelegation(patientPeer, folder.wallet, folder.owned, {
    ...{ offer, ground: 'parent', rights, scope: { ...WHOLE, ...scope } },
    ...{ startMs: patientPeer.now(), endMs: patientPeer.now() + 40 * DAY },
  })
  await reached(delegatePeer, granted.committed.height)
  return granted
}

/** Waits until the node of a peer is as far as an act that was committed by another. */
async function reached(peer: LightPeer, height: number): Promise<void> {
  await eventually(async () => (await peer.head()).header.height >= height || undefined, `height ${height}`)
}

async function consentLine(peer: LightPeer, folder: Uint8Array, consent: Uint8Array): Promise<Consent> {
  return consentCodec.decode((await peer.readOne(stateKey.consent(folder, consent))) as Uint8Array)
}

async function contents(peer: LightPeer, session: Session): Promise<string[]> {
  const { versions } = await listVersions(peer, session)
  const found: string[] = []
  for await (const { content } of readVersions(peer, session, versions)) {
    let text = ''
    for await (const piece of content) text += new TextDecoder().decode(piece)
    found.push(text)
  }
  return found.sort()
}

test('a parent reads what the scope covers, and the log says who it was and on whose behalf', async ({ world }) => {
  const { delegatePeer, patientPeer, folder } = world
  const mother = walletOf('mother')
  const { share, consent } = await delegated(world, mother, ['read'], { classes: ['laboratory'] })
  const session = await openDelegateSession(delegatePeer, mother, share)
  assert.equal(await contents(delegatePeer, session), ['glucose 5.1'])
  const log = await readAccessLog(patientPeer, folder.wallet, folder.owned)
  const line = log.entries.find(({ entry }) => entry.consent !== null && equalBytes(entry.consent, consent))
  assert.ok(line !== undefined && line.entry.organisation === null && line.releases.length > 0)
  assert.equal([line.opening?.role, line.opening?.purpose, line.opening?.reader], ['delegate', 'FAMRQT', session.reader.publicKey])
  const [listed] = await listDelegations(patientPeer, folder.wallet, folder.owned)
  assert.equal([listed?.ground, listed?.name, listed?.id], ['parent', 'A. Mother', consent])
  await rejectsCode(openDelegateSession(delegatePeer, walletOf('stranger'), share), 'not-found')

  await revokeConsent(patientPeer, folder.wallet, folder.owned, consent)
  await rejectsCode(openDelegateSession(delegatePeer, mother, share), 'not-found')
  assert.equal((await listVersions(delegatePeer, session)).versions, [])
})

test('a parent disputes for the patient by that right alone, and it is on record for whom', async ({ world }) => {
  const { cluster, delegatePeer, patientPeer, folder } = world
  const { wallet, owned } = folder
  const [father, uncle] = [walletOf('father'), walletOf('uncle')]
  const without = await delegated(world, uncle, ['read', 'grant', 'revoke'])
  const unclesVersion = (await listVersions(delegatePeer, await openDelegateSession(delegatePeer, uncle, without.share))).versions[0]!
  await rejectsCode(
    openDisputeAsDelegate(delegatePeer, uncle, without.share, { version: unclesVersion, statement: 'not so' }),
    'not-sponsored',
  )

  const { share, consent } = await delegated(world, father, ['read', 'dispute'])
  const session = await openDelegateSession(delegatePeer, father, share)
  const version = (await listVersions(delegatePeer, session)).versions[0]!
  const statement = 'It was 4.1, says the slip.'
  const opened = await openDisputeAsDelegate(delegatePeer, father, share, { version, statement })
  assert.is(opened.stored, 4)
  await reached(patientPeer, opened.committed.height)
  const [line] = await listDisputes(patientPeer, wallet, owned)
  assert.equal([line?.statement, line?.line.delegation], [statement, consent])
  const [asked] = await authorDisputes(await cluster.peer([0]), cluster.person(0), owned.id)
  assert.is(asked?.statement, statement, 'the author is asked as by the owner')
  const own = await openDispute(patientPeer, wallet, owned, { version, statement: 'It was 4.2.' })
  await reached(delegatePeer, own.committed.height)
  await rejectsCode(withdrawDisputeAsDelegate(delegatePeer, father, share, own.id), 'not-found')
  await withdrawDisputeAsDelegate(delegatePeer, father, share, opened.id)
  const again = await openDisputeAsDelegate(delegatePeer, father, share, { version, statement })
  await reached(patientPeer, again.committed.height)

  // Once it is taken back there is no more of it, and what was said stays with the version.
  const { height } = await revokeConsent(patientPeer, wallet, owned, consent)
  await reached(delegatePeer, height)
  await rejectsCode(openDisputeAsDelegate(delegatePeer, father, share, { version, statement: 'And more.' }), 'not-found')
  await rejectsCode(withdrawDisputeAsDelegate(delegatePeer, father, share, opened.id), 'not-found')
  const shown = (await listVersions(patientPeer, await openOwnSession(patientPeer, wallet, owned))).versions.find(({ recordId }) =>
    equalBytes(recordId, version.recordId),
  )
  assert.equal(shown?.disputes?.map(({ line: { delegation } }) => delegation === null).sort(), [false, true])
})

test('a carer grants for the patient; what they granted ends with their delegation', async ({ world }) => {
  const { cluster, delegatePeer, patientPeer, folder } = world
  const carer = walletOf('carer')
  const { share, consent } = await delegated(world, carer, ['read', 'grant', 'revoke'])
  const doctor = cluster.person(1)
  const doctorPeer = await cluster.peer([1])
  const provision = permitTo(doctor, { validity: { start: Date.now() - 60_000, end: Date.now() + 5 * DAY } })
  const late = permitTo(doctor, { validity: { start: Date.now(), end: Date.now() + 300 * DAY } })
  await rejectsCode(
    grantAsDelegate(delegatePeer, carer, share, { provision: late, sealingKey: doctor.sealing.publicKey }),
    'not-attenuated',
  )
  const first = await grantAsDelegate(delegatePeer, carer, share, { provision, sealingKey: doctor.sealing.publicKey })
  assert.equal(await contents(doctorPeer, await openSession(doctorPeer, doctor, first.share)), ['glucose 5.1', 'metformin'])
  await revokeAsDelegate(delegatePeer, carer, share, first.consent)
  await rejectsCode(openSession(doctorPeer, doctor, first.share), 'not-found')

  const second = await grantAsDelegate(delegatePeer, carer, share, { provision, sealingKey: doctor.sealing.publicKey })
  const session = await openSession(doctorPeer, doctor, second.share)
  assert.is((await contents(doctorPeer, session)).length, 2)
  await revokeConsent(patientPeer, folder.wallet, folder.owned, consent)
  assert.equal((await listVersions(doctorPeer, session)).versions, [], 'a session that is open ends, too')
})

test('a right that was not given is not there', async ({ world }) => {
  const { delegatePeer, cluster } = world
  const reader = walletOf('reads only')
  const { share } = await delegated(world, reader, ['read'])
  const doctor = cluster.person(1)
  const short = permitTo(doctor, { validity: { start: Date.now(), end: Date.now() + DAY } })
  await rejectsCode(grantAsDelegate(delegatePeer, reader, share, { provision: short, sealingKey: doctor.sealing.publicKey }), 'not-found')
  await rejectsCode(revokeAsDelegate(delegatePeer, reader, share, share.consent), 'not-sponsored')
  await rejectsCode(delegated(world, walletOf('narrow'), ['grant'], { classes: ['laboratory'] }), 'scope-too-narrow')
})

test('an end tells a month, not a day', () => {
  assert.is(delegationEnd(Date.UTC(2031, 4, 17, 9)), Date.UTC(2031, 5, 1))
  assert.is(delegationEnd(Date.UTC(2031, 11, 31)), Date.UTC(2032, 0, 1))
  assert.is(delegationEnd(Date.UTC(2031, 5, 1)), Date.UTC(2031, 5, 1))
})

test('a delegate goes with the folder into a new epoch: reads what was before and after, and grants', async ({ world }) => {
  const { cluster, delegatePeer, patientPeer, folder } = world
  const aunt = walletOf('aunt')
  const { share, consent } = await delegated(world, aunt, ['read', 'grant'])
  const session = await openDelegateSession(delegatePeer, aunt, share)
  const { epoch, left, committed } = await advanceFolder(patientPeer, folder.wallet, folder.owned)
  assert.not.ok(left.some(id => equalBytes(id, consent)))
  await reached(delegatePeer, committed.height)
  const authorPeer = await cluster.peer([0])
  await reached(authorPeer, committed.height)
  await putRecords(authorPeer, cluster.person(0), folder.address, textRecords(['after the new key']))
  const all = ['after the new key', 'glucose 5.1', 'metformin']
  assert.equal(await contents(delegatePeer, session), all, 'the session that was open follows')
  assert.equal(await contents(delegatePeer, await openDelegateSession(delegatePeer, aunt, share)), all)

  const doctor = cluster.person(1)
  const doctorPeer = await cluster.peer([1])
  const delegation = await consentLine(delegatePeer, share.folder, consent)
  const provision = permitTo(doctor, { validity: { start: Date.now() - 60_000, end: delegation.expiry } })
  const granted = await grantAsDelegate(delegatePeer, aunt, share, { provision, sealingKey: doctor.sealing.publicKey })
  const line = await consentLine(delegatePeer, share.folder, granted.consent)
  assert.equal([line.epoch, line.expiry], [epoch, delegation.expiry], 'its expiry is not blurred past the delegation')
  assert.equal(await contents(doctorPeer, await openSession(doctorPeer, doctor, granted.share)), all)
})

test.run()
