import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessEntryCodec } from '../../src/contracts/access-formats.ts'
import {
  type Clinician,
  clinicianCodec,
  clinicianPseudonym,
  depositBodyCodec,
  depositCodec,
  EMERGENCY_DEFAULTS,
  emergencyCodec,
  emergencyOpenBodyCodec,
  emergencyQuotaCodec,
  RATE_DAYS,
  reviewBodyCodec,
  withdrawBodyCodec,
} from '../../src/contracts/emergency-formats.ts'
import { decodeEventData, isEventName } from '../../src/contracts/events.ts'
import { advanceFolderCodec } from '../../src/contracts/folders-formats.ts'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { account, act, DAY, GENESIS_TIME, genesisOf, HOUR, hashOf, isQuota, leavesOf, sealingKey, World } from './world.ts'

const test = suite('emergency')

const DOCTOR = clinicianPseudonym(account('berlin'), hashOf('doctor'))
const DIRECTOR = clinicianPseudonym(account('berlin'), hashOf('director'))

const depositOf = (name: string, epoch = 0, memberHeight = 0) =>
  act('emergency.deposit', depositBodyCodec, { epoch, memberHeight, commitments: hashOf(name) })
const withdraw = () => act('emergency.withdraw', withdrawBodyCodec, {})

type OpenBody = Parameters<typeof emergencyOpenBodyCodec.encode>[0]
type ReviewBody = Parameters<typeof reviewBodyCodec.encode>[0]

class Emergencies extends World {
  constructor(limits: Partial<Genesis['parameters']['emergency']> = {}) {
    super(genesisOf({}, { emergency: { ...EMERGENCY_DEFAULTS, ...limits } }))
    this.ok(this.create('nairobi', 'amina'))
    this.ok(this.byFolder('amina', depositOf('shares')))
  }

  /** Runs an act that must succeed: its events' names. */
  ok(transaction: Transaction, timeMs?: number): string[] {
    const receipt = this.run(transaction, timeMs === undefined ? {} : { timeMs })
    assert.is(receipt.code, 'ok')
    for (const { name, data } of receipt.events) if (isEventName(name)) decodeEventData(name, data)
    return receipt.events.map(({ name }) => name)
  }

  refused(transaction: Transaction, code: string, timeMs?: number): void {
    const { receipts, changes } = this.preview([transaction], timeMs === undefined ? {} : { timeMs })
    assert.equal([receipts[0]?.code, changes.length], [code, leavesOf(code)])
    assert.ok(changes.every(isQuota), `${code} leaves all but the quota as it was`)
  }

  open(changes: Partial<OpenBody> = {}, member = 'berlin', from = this.timeMs): Transaction {
    const body = { folder: this.folder('amina'), commitment: hashOf('opening'), clinician: DOCTOR, until: from + 4 * HOUR, ...changes }
    return this.byMember(member, act('emergency.open', emergencyOpenBodyCodec, body), { validUntil: from + 60_000 })
  }

  /** Breaks the glass: the entry's id. */
  opened(changes: Partial<OpenBody> = {}, timeMs = this.timeMs + 1000): Uint8Array {
    const { receipts, logItems } = this.block([this.open(changes, 'berlin', timeMs)], { timeMs })
    assert.is(receipts[0]?.code, 'ok')
    return logItems[0]?.id as Uint8Array
  }

  review(entry: Uint8Array, changes: Partial<ReviewBody> = {}, member = 'berlin'): Transaction {
    const body = {
      folder: this.folder('amina'),
      entry,
      reviewer: DIRECTOR,
      commitment: hashOf('outcome'),
      sealedHash: hashOf('sealed'),
      ...changes,
    }
    return this.byMember(member, act('emergency.review', reviewBodyCodec, body))
  }

  record(clinician = DOCTOR): Clinician {
    return this.read(clinicianCodec, stateKey.clinician(account('berlin'), clinician)) as Clinician
  }
}

test('deposit: the newest of the present epoch is the one that counts', () => {
  const world = new Emergencies()
  const read = () => world.read(depositCodec, stateKey.emergencyDeposit(world.folder('amina')))
  assert.equal(read(), { epoch: 0, memberHeight: 0, commitments: hashOf('shares'), height: 2, withdrawn: false })
  assert.equal(world.ok(world.byFolder('amina', depositOf('shares'))), [], 'the same again changes nothing')
  assert.equal(world.ok(world.byFolder('amina', depositOf('new shares'))), ['emergency.deposited'])
  assert.equal(read()?.commitments, hashOf('new shares'))
  world.refused(world.byFolder('amina', depositOf('x', 1)), 'stale-epoch')
  world.refused(world.byFolder('amina', depositOf('x', 0, 7)), 'stale-members')
  world.refused(world.byFolder('amina', depositOf('x'), { signer: 'bela' }), 'unknown-owner')
  world.refused(world.byMember('nairobi', depositOf('x')), 'not-allowed')
  const advance = { epoch: 0, sealingKey: sealingKey('next'), previousKeyHash: hashOf('previous'), revoke: [], rewraps: [] }
  world.ok(world.byFolder('amina', act('folders.advance', advanceFolderCodec, advance)))
  world.refused(world.byFolder('amina', depositOf('x', 0)), 'stale-epoch')
  world.ok(world.byFolder('amina', depositOf('of epoch 1', 1)))
})

test('what was withdrawn cannot be opened, until it is deposited again', () => {
  const world = new Emergencies()
  assert.equal(world.ok(world.byFolder('amina', withdraw())), ['emergency.withdrawn'])
  assert.equal(world.ok(world.byFolder('amina', withdraw())), [])
  assert.is(world.read(depositCodec, stateKey.emergencyDeposit(world.folder('amina')))?.withdrawn, true)
  world.refused(world.open(), 'not-found')
  assert.equal(world.ok(world.byFolder('amina', depositOf('shares'))), ['emergency.deposited'], 'the same one stands again')
  world.opened()
})

test('open: the entry, two events of the folder, and a review that waits', () => {
  const world = new Emergencies()
  const timeMs = world.timeMs + 1000
  const { receipts, logItems } = world.block([world.open()], { timeMs })
  assert.equal(
    receipts[0]?.events.map(({ name, index }) => [name, index]),
    [
      ['access.opened', 3],
      ['emergency.opened', 4],
    ],
  )
  const [item] = logItems
  const folder = world.folder('amina')
  const until = world.timeMs - 1000 + 4 * HOUR
  assert.equal(item?.stream, stateKey.accessLog(folder))
  const organisation = account('berlin')
  assert.equal(accessEntryCodec.decode(item?.body as Uint8Array), {
    ...{ folder, index: 0, organisation, consent: null, commitment: hashOf('opening'), until, height: world.height, time: timeMs },
  })
  const entry = item?.id as Uint8Array
  assert.equal(world.read(emergencyCodec, stateKey.emergency(folder, entry)), {
    ...{ organisation, clinician: DOCTOR, time: timeMs, until, height: world.height, review: null },
  })
  const today = Math.floor(timeMs / DAY)
  assert.equal(world.record(), { days: [{ day: today, opened: 1 }], open: [{ entry, time: timeMs }], reviewed: 0 })
  assert.equal(world.read(emergencyQuotaCodec, stateKey.emergencyQuota(organisation)), { day: today, opened: 1 })
})

test('open: what is refused', () => {
  const world = new Emergencies()
  world.ok(world.create('nairobi', 'bela'))
  const last = world.timeMs + 1000
  world.refused(world.open({ folder: hashOf('none') }), 'not-found')
  world.refused(world.open({ folder: world.folder('bela') }), 'not-found')
  world.refused(world.open({ until: last }), 'bad-until')
  world.refused(world.open({ until: last + 4 * HOUR + 1 }), 'bad-until')
  world.refused(world.open({}, 'stranger'), 'unknown-author')
  const body = { folder: world.folder('amina'), commitment: hashOf('opening'), clinician: DOCTOR, until: last + HOUR }
  world.refused(world.byFolder('amina', act('emergency.open', emergencyOpenBodyCodec, body), { sponsor: 'nairobi' }), 'not-allowed')
  assert.equal(world.ok(world.open({ until: last + 4 * HOUR })), ['access.opened', 'emergency.opened'])
})

test('a clinician, and an organisation, open so many folders a day', () => {
  const world = new Emergencies({ perClinicianDay: 2, perOrganisationDay: 4 })
  const other = clinicianPseudonym(account('berlin'), hashOf('other doctor'))
  world.opened()
  world.opened()
  world.refused(world.open(), 'over-emergency-quota')
  world.opened({ clinician: other })
  world.opened({ clinician: other })
  const third = clinicianPseudonym(account('berlin'), hashOf('third doctor'))
  world.refused(world.open({ clinician: third }), 'over-emergency-quota')
  assert.is(world.preview([world.open({}, 'recife')]).receipts[0]?.code, 'ok', 'a name counts within its organisation')
  world.opened({}, GENESIS_TIME + DAY)
  assert.equal(
    world.record().days.map(({ opened }) => opened),
    [2, 1],
  )
})

test('the rate of a month is kept, and no more', () => {
  const world = new Emergencies()
  for (let day = 0; day < 40; day++) world.ok(world.review(world.opened({}, GENESIS_TIME + (day + 1) * DAY)))
  const { days, open, reviewed } = world.record()
  assert.equal([days.length, open.length, reviewed], [RATE_DAYS, 0, 40])
  assert.is(days.at(-1)?.day, Math.floor((GENESIS_TIME + 40 * DAY) / DAY))
})

test('who lets reviews lie opens nothing any more until others close them', () => {
  const world = new Emergencies({ maxOverdue: 2, reviewMs: 72 * HOUR })
  const first = world.opened()
  const second = world.opened()
  const due = world.timeMs + 72 * HOUR
  assert.is(world.preview([world.open({}, 'berlin', due - 2000)], { timeMs: due - 2000 }).receipts[0]?.code, 'ok', 'one is overdue')
  world.refused(world.open({}, 'berlin', due), 'reviews-overdue', due)
  world.ok(world.review(first))
  world.opened({}, due)
  assert.equal(
    world
      .record()
      .open.map(({ entry }) => entry)
      .slice(0, 1),
    [second],
  )
})

test('review: once, by the same organisation, by another person', () => {
  const world = new Emergencies()
  const entry = world.opened()
  world.refused(world.review(entry, { reviewer: DOCTOR }), 'same-person')
  world.refused(world.review(entry, {}, 'nairobi'), 'not-found')
  world.refused(world.review(hashOf('none')), 'not-found')
  world.refused(world.review(entry, { folder: hashOf('none') }), 'not-found')
  assert.equal(world.ok(world.review(entry)), ['emergency.reviewed'])
  const closed = { reviewer: DIRECTOR, commitment: hashOf('outcome'), sealedHash: hashOf('sealed') }
  assert.equal(world.read(emergencyCodec, stateKey.emergency(world.folder('amina'), entry))?.review, {
    ...closed,
    ...{ time: world.timeMs, height: world.height },
  })
  assert.equal(world.ok(world.review(entry)), [], 'the same again changes nothing')
  world.refused(world.review(entry, { commitment: hashOf('another') }), 'exists')
  assert.equal([world.record().open, world.record().reviewed], [[], 1])
})

test('a name says nothing of the key at another organisation, and is of one key', () => {
  assert.not.equal(clinicianPseudonym(account('berlin'), hashOf('a')), clinicianPseudonym(account('recife'), hashOf('a')))
  assert.not.equal(clinicianPseudonym(account('berlin'), hashOf('a')), clinicianPseudonym(account('berlin'), hashOf('b')))
})

test.run()
