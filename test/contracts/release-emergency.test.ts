import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AccessEntry, accessEntryCodec } from '../../src/contracts/access-formats.ts'
import type { AccessOpening } from '../../src/contracts/consent-terms.ts'
import {
  clinicianPseudonym,
  depositBodyCodec,
  EMERGENCY_PURPOSES,
  EMERGENCY_ROLES,
  type EmergencyOpening,
  type EmergencyReason,
  emergencyCommitment,
  emergencyOpenBodyCodec,
  withdrawBodyCodec,
} from '../../src/contracts/emergency-formats.ts'
import { advanceFolderCodec, LABELS } from '../../src/contracts/folders-formats.ts'
import { accountCodec } from '../../src/contracts/members-formats.ts'
import { eraseBodyCodec, erasureMark } from '../../src/contracts/records-formats.ts'
import { type ReleaseDecision, releaseDecision, sessionDecision, type VersionFacts } from '../../src/contracts/release-decision.ts'
import { readSessionFacts, readVersionFacts } from '../../src/contracts/release-facts.ts'
import { account, accountKey, act, HOUR, hashOf, sealingKey, World } from './world.ts'

const test = suite('release decision of break-glass')
const RECORD = { recordId: hashOf('record'), version: 1 }
const SALT = hashOf('version salt')
const DOCTOR = hashOf('doctor')

interface Choices {
  opening?: Partial<AccessOpening>
  reason?: EmergencyReason
  /** Key under whose name the ledger counts it. */
  counted?: Uint8Array
}

/** A ledger with an emergency summary of nairobi's, a deposit, and a session of berlin's emergency physician. */
class Emergency {
  readonly world = new World()
  readonly folder = this.world.folder('amina')
  readonly opening: EmergencyOpening
  readonly entry: AccessEntry
  readonly entryId: Uint8Array

  constructor({ opening = {}, reason = 'unconscious', counted = DOCTOR }: Choices = {}) {
    const { world, folder } = this
    this.ok([world.create('nairobi', 'amina'), world.byMember('nairobi', world.anchorBody('amina', 's'))])
    const deposit = act('emergency.deposit', depositBodyCodec, { epoch: 0, memberHeight: 0, commitments: hashOf('shares') })
    this.ok([world.byFolder('amina', deposit)])
    const access: AccessOpening = {
      ...{ salt: hashOf('salt'), folder, reader: DOCTOR, role: 'emergency-physician', purpose: 'BTG', records: null },
      ...opening,
    }
    this.opening = { access, reason }
    const body = {
      ...{ folder, commitment: emergencyCommitment(this.opening), clinician: clinicianPseudonym(account('berlin'), counted) },
      until: world.timeMs + 4 * HOUR,
    }
    const [item] = this.ok([world.byMember('berlin', act('emergency.open', emergencyOpenBodyCodec, body))]).logItems
    this.entry = accessEntryCodec.decode(item!.body)
    this.entryId = item!.id
  }

  ok(transactions: Parameters<World['block']>[0]) {
    const result = this.world.block(transactions)
    for (const { code } of result.receipts) assert.is(code, 'ok')
    return result
  }

  decide(asked: Partial<Parameters<typeof readSessionFacts>[1]> = {}, version: Partial<VersionFacts> = {}, root = 's'): ReleaseDecision {
    const { world, folder: folderId, entry, entryId, opening } = this
    const session = readSessionFacts(world.state, {
      ...{ timeMs: world.timeMs, folderId, entryId, entry, accessOpening: opening.access, consentOpening: null, reason: opening.reason },
      ...asked,
    })
    const facts = readVersionFacts(world.state, {
      ...{ folderId, submissionRoot: hashOf(root), ...RECORD, salt: SALT, class: 'allergy', dataTime: null, label: 'emergency-summary' },
    })
    const decision = releaseDecision(session, { ...facts, ...version })
    // What the session refuses, no version gets.
    if (!sessionDecision(session).permitted) assert.equal(decision, sessionDecision(session))
    return decision
  }
}

function refused(decision: ReleaseDecision, reason: string): void {
  assert.equal(decision, { permitted: false, reason })
}

test('every permitted role and purpose is served for four hours', () => {
  for (const role of EMERGENCY_ROLES) {
    for (const purpose of EMERGENCY_PURPOSES) {
      const session = new Emergency({ opening: { role, purpose } })
      assert.equal(session.decide(), { permitted: true })
      assert.equal(session.decide({ timeMs: session.entry.until - 1 }), { permitted: true })
      refused(session.decide({ timeMs: session.entry.until }), 'entry-ended')
      assert.is(session.entry.until, session.entry.time - 1000 + 4 * HOUR)
    }
  }
})

test('other roles, purposes and narrower sessions are none', () => {
  for (const role of ['physician', 'owner', 'medical-director', 'emergency-physician-x'])
    refused(new Emergency({ opening: { role } }).decide(), 'emergency-role')
  for (const purpose of ['TREAT', 'HRESCH', 'PATRQT'] as const)
    refused(new Emergency({ opening: { purpose } }).decide(), 'emergency-purpose')
  refused(new Emergency({ opening: { records: [RECORD] } }).decide(), 'emergency-records')
})

test('the opening is the one that was committed to, reason included', () => {
  const session = new Emergency()
  const { access } = session.opening
  refused(session.decide({ reason: 'life-threatening' }), 'opening-mismatch')
  for (const change of [{ salt: hashOf('x') }, { reader: hashOf('x') }, { role: 'paramedic' }, { purpose: 'ETREAT' as const }])
    refused(session.decide({ accessOpening: { ...access, ...change } }), 'opening-mismatch')
  refused(session.decide({ accessOpening: { ...access, folder: hashOf('x') } }), 'opening-mismatch')
  refused(session.decide({ reason: null }), 'entry-unknown')
  refused(new Emergency({ opening: { folder: hashOf('x') } }).decide(), 'opening-mismatch')
})

test('nobody reads under a name that is not their own', () => {
  refused(new Emergency({ counted: hashOf('a new name every day') }).decide(), 'other-clinician')
})

test('without its line, its case or a deposit there is nothing', () => {
  const session = new Emergency()
  refused(session.decide({ entry: null }), 'entry-unknown')
  refused(session.decide({ entryId: hashOf('x') }), 'entry-unknown')
  refused(session.decide({ entry: { ...session.entry, until: session.entry.until + 1 } }), 'entry-unknown')
  const { world } = session
  const state = world.state
  world.state = state.apply([...state.entries(Uint8Array.of(0x8b))].map(([key]) => ({ key, value: null })))
  refused(session.decide(), 'entry-unknown')
  world.state = state
  session.ok([world.byFolder('amina', act('emergency.withdraw', withdrawBodyCodec, {}))])
  refused(session.decide(), 'no-deposit')
})

test('the organisation is a member now', () => {
  const session = new Emergency()
  const { world } = session
  const removed = { ...world.read(accountCodec, accountKey('berlin'))!, status: 'removed' as const }
  world.state = world.state.apply([{ key: accountKey('berlin'), value: accountCodec.encode(removed) }])
  refused(session.decide(), 'organisation-inactive')
})

test('no folder of another label is opened, and none of which the custodian knows no label', () => {
  const session = new Emergency()
  for (const label of LABELS) {
    const decision = session.decide({}, { label })
    if (label === 'emergency-summary') assert.equal(decision, { permitted: true })
    else refused(decision, 'not-emergency-summary')
  }
  refused(session.decide({}, { label: undefined }), 'not-emergency-summary')
})

test('what is erased, not anchored, or sealed to a later key is not given out', () => {
  const session = new Emergency()
  const { world } = session
  refused(session.decide({}, { anchor: null }), 'not-anchored')
  const advance = { epoch: 0, sealingKey: sealingKey('n'), previousKeyHash: hashOf('p'), revoke: [], rewraps: [] }
  session.ok([
    world.byFolder('amina', act('folders.advance', advanceFolderCodec, advance)),
    world.byMember('nairobi', world.anchorBody('amina', 'later', { epoch: 1 })),
  ])
  assert.equal(session.decide(), { permitted: true }, 'what was there before')
  refused(session.decide({}, {}, 'later'), 'epoch-not-covered')
  session.ok([
    world.byFolder('amina', act('records.erase', eraseBodyCodec, { marks: [erasureMark(SALT, RECORD.recordId, RECORD.version)] })),
  ])
  refused(session.decide(), 'erased')
})

test.run()
