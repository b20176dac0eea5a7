/** Delegations on the ledger: what a delegate may do, for how long, and that what it granted ends with it. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessEntryCodec, accessEntryId } from '../../src/contracts/access-formats.ts'
import {
  type AccessOpening,
  accessCommitment,
  type ConsentOpening,
  consentCommitment,
  type Provision,
} from '../../src/contracts/consent-terms.ts'
import { consentCodec, consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import {
  delegationCodec,
  type GrantDelegation,
  grantDelegationCodec,
  RIGHTS,
  type Right,
  rightsBits,
  rightsOf,
} from '../../src/contracts/delegations-formats.ts'
import { disputeCodec, disputeId, openDisputeCodec, withdrawDisputeCodec } from '../../src/contracts/disputes-formats.ts'
import { decodeEventData, isEventName } from '../../src/contracts/events.ts'
import { advanceFolderCodec, rotateFolderCodec } from '../../src/contracts/folders-formats.ts'
import { eraseBodyCodec } from '../../src/contracts/records-formats.ts'
import { startRecoveryCodec } from '../../src/contracts/recovery-formats.ts'
import { type ReleaseDecision, releaseDecision } from '../../src/contracts/release-decision.ts'
import { readSessionFacts, readVersionFacts } from '../../src/contracts/release-facts.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { delegateKeyHash, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { act, DAY, HOUR, hashOf, isQuota, keyOf, leavesOf, ownerHash, sealingKey, World } from './world.ts'

const test = suite('delegations')

const ALL: readonly Right[] = RIGHTS
const keyHash = (name: string): Uint8Array => delegateKeyHash(keyOf(name).publicKey)

function withFolder(): World {
  const world = new World()
  assert.is(world.run(world.create('nairobi', 'amina')).code, 'ok')
  assert.is(world.run(world.byMember('nairobi', world.anchorBody('amina', 's'))).code, 'ok')
  return world
}

function ok(world: World, transaction: Transaction, timeMs?: number): string[] {
  const receipt = world.run(transaction, timeMs === undefined ? {} : { timeMs })
  assert.is(receipt.code, 'ok')
  for (const { name, data } of receipt.events) if (isEventName(name)) decodeEventData(name, data)
  return receipt.events.map(({ name }) => name)
}

function refused(world: World, transaction: Transaction, code: string, timeMs?: number, leaves = leavesOf(code)): void {
  const { receipts, changes } = world.preview([transaction], timeMs === undefined ? {} : { timeMs })
  assert.equal([receipts[0]?.code, changes.length], [code, leaves])
  assert.ok(changes.every(isQuota), `${code} leaves all but the quota as it was`)
}

const today = (world: World): number => expiryBucket(world.timeMs) - DAY

function delegation(world: World, changes: Partial<GrantDelegation> = {}) {
  const body: GrantDelegation = {
    ...{ commitment: hashOf('delegation'), wrapHash: hashOf('wrap'), epoch: 0, expiry: expiryBucket(world.timeMs + 10 * DAY) },
    ...{ delegateKeyHash: keyHash('mother'), rights: rightsBits(ALL), start: today(world), terms: hashOf('terms') },
    ...changes,
  }
  return act('delegations.grant', grantDelegationCodec, body)
}

const disputing = (name: string) => act('disputes.open', openDisputeCodec, { commitment: hashOf(name) })
const byOwner = (world: World, body: ReturnType<typeof act>) => world.byFolder('amina', body, { sponsor: 'nairobi' })
const byDelegate = (world: World, body: ReturnType<typeof act>, signer = 'mother', timeMs = world.timeMs) =>
  world.byFolder('amina', body, { sponsor: 'nairobi', signer, changes: { validUntil: timeMs + 60_000 } })
const revoke = (world: World, commitment: string) =>
  act('consents.revoke', revokeBodyCodec, { consent: world.consent('amina', commitment) })

test('grant: a consent of the same id, and what makes it a delegation', () => {
  const world = withFolder()
  assert.equal(ok(world, byOwner(world, delegation(world))), ['consents.granted', 'delegations.granted'])
  const folder = world.folder('amina')
  const id = world.consent('amina', 'delegation')
  assert.equal(world.read(delegationCodec, stateKey.delegation(folder, id)), {
    delegateKeyHash: keyHash('mother'),
    rights: 15,
    start: today(world),
    terms: hashOf('terms'),
  })
  assert.is(world.read(consentCodec, stateKey.consent(folder, id))?.status, 'active')
  assert.equal(ok(world, byOwner(world, delegation(world))), [], 'the same again')
  refused(world, byOwner(world, delegation(world, { rights: 1 })), 'exists')
  refused(world, byOwner(world, delegation(world, { commitment: hashOf('other') })), 'exists')
  assert.equal(rightsOf(15), [...RIGHTS])
})

test('grant: bounds, and by the owner alone', () => {
  const world = withFolder()
  refused(world, byOwner(world, delegation(world, { start: today(world) + 1 })), 'bad-start')
  refused(world, byOwner(world, delegation(world, { start: expiryBucket(world.timeMs + 10 * DAY) })), 'bad-start')
  refused(world, byOwner(world, delegation(world, { expiry: today(world), start: today(world) - DAY })), 'bad-expiry')
  refused(world, byOwner(world, delegation(world, { expiry: expiryBucket(world.timeMs + 21 * 366 * DAY) })), 'bad-expiry')
  refused(world, byOwner(world, delegation(world, { epoch: 1 })), 'stale-epoch')
  refused(world, byDelegate(world, delegation(world)), 'unknown-owner')
  ok(world, byOwner(world, delegation(world)))
  const further = delegation(world, { commitment: hashOf('further'), delegateKeyHash: keyHash('aunt') })
  refused(world, byDelegate(world, further), 'unknown-owner')
  const recovery = { ownerKeyHash: ownerHash('new'), recoveryKeyHash: recoveryKeyHash(keyOf('r').publicKey) }
  ok(world, world.byFolder('amina', act('recovery.start', startRecoveryCodec, recovery), { signer: 'amina recovery' }))
  refused(world, byOwner(world, further), 'recovery-pending')
})

test('each right opens its acts, and no other; without a sponsor a delegate does nothing', () => {
  const cases: [Right, (world: World) => ReturnType<typeof act>][] = [
    ['grant', world => world.grantBody('granted', { expiry: expiryBucket(world.timeMs + DAY) })],
    ['revoke', world => revoke(world, 'before')],
    ['read', world => world.openBody('amina', world.consent('amina', 'delegation'))],
    ['dispute', () => disputing('wrong')],
  ]
  for (const [right, body] of cases) {
    const world = withFolder()
    ok(world, byOwner(world, world.grantBody('before')))
    ok(world, byOwner(world, delegation(world, { rights: rightsBits(ALL.filter(other => other !== right)) })))
    refused(world, byDelegate(world, body(world)), 'unknown-owner')
    ok(world, byOwner(world, revoke(world, 'delegation')))
    ok(world, byOwner(world, delegation(world, { commitment: hashOf('second'), rights: rightsBits([right]) })))
    const now = right === 'read' ? world.openBody('amina', world.consent('amina', 'second')) : body(world)
    refused(world, byDelegate(world, now, 'aunt'), 'unknown-owner')
    ok(world, byDelegate(world, now))
  }
  const world = withFolder()
  ok(world, byOwner(world, world.grantBody('before')))
  ok(world, byOwner(world, delegation(world)))
  refused(world, world.byFolder('amina', revoke(world, 'before'), { signer: 'mother' }), 'unknown-owner')
})

test('a dispute of a delegate names its delegation, and ends with neither; the delegate takes back its own alone', () => {
  const world = withFolder()
  const folder = world.folder('amina')
  const line = (name: string) => world.read(disputeCodec, stateKey.dispute(folder, disputeId(folder, hashOf(name))))
  const withdrawal = (name: string) => act('disputes.withdraw', withdrawDisputeCodec, { dispute: disputeId(folder, hashOf(name)) })
  ok(world, byOwner(world, delegation(world, { rights: rightsBits(['dispute']) })))
  ok(world, byOwner(world, delegation(world, { commitment: hashOf('of the aunt'), delegateKeyHash: keyHash('aunt') })))
  ok(world, byDelegate(world, disputing('by the mother')))
  ok(world, byOwner(world, disputing('by the owner')))
  assert.equal(line('by the mother')?.delegation, world.consent('amina', 'delegation'))
  assert.is(line('by the owner')?.delegation, null)
  refused(world, byDelegate(world, withdrawal('by the owner')), 'not-found')
  refused(world, byDelegate(world, withdrawal('by the mother'), 'aunt'), 'not-found')
  ok(world, byDelegate(world, withdrawal('by the mother')))
  assert.is(line('by the mother')?.status, 'withdrawn')
  ok(world, byDelegate(world, disputing('by the mother')))
  ok(world, byOwner(world, revoke(world, 'delegation')))
  assert.is(line('by the mother')?.status, 'open', 'what was said stays said')
  refused(world, byDelegate(world, disputing('after the revocation')), 'unknown-owner')
  refused(world, byDelegate(world, withdrawal('by the mother')), 'unknown-owner')
  ok(world, byOwner(world, withdrawal('by the mother')))
  // Before it begins and once it is over.
  const [start, expiry] = [today(world) + 2 * DAY, expiryBucket(world.timeMs + 5 * DAY)]
  ok(world, byOwner(world, delegation(world, { commitment: hashOf('later'), start, expiry })))
  refused(world, byDelegate(world, disputing('too early')), 'unknown-owner')
  world.timeMs = start
  ok(world, byDelegate(world, disputing('in its time')))
  world.timeMs = expiry
  refused(world, byDelegate(world, disputing('too late')), 'unknown-owner')
})

test('what is the owner’s alone stays so', () => {
  const world = withFolder()
  ok(world, byOwner(world, delegation(world)))
  const rotate = act('folders.rotate', rotateFolderCodec, { ownerKeyHash: ownerHash('mother'), recoveryKeyHash: hashOf('r') })
  const advance = act('folders.advance', advanceFolderCodec, {
    ...{ epoch: 0, sealingKey: sealingKey('x'), previousKeyHash: hashOf('p') },
    ...{ revoke: [], rewraps: [] },
  })
  const erase = act('records.erase', eraseBodyCodec, { marks: [hashOf('m')] })
  for (const body of [rotate, advance, erase, world.anchorBody('amina', 't')]) refused(world, byDelegate(world, body), 'unknown-owner')
})

test('it begins and ends by itself', () => {
  const world = withFolder()
  const start = today(world) + 3 * DAY
  const expiry = today(world) + 5 * DAY
  ok(world, byOwner(world, delegation(world, { start, expiry })))
  const grant = (timeMs: number) => byDelegate(world, world.grantBody('g', { expiry }), 'mother', timeMs)
  refused(world, grant(start - 1), 'unknown-owner', start - 1)
  refused(world, grant(expiry), 'unknown-owner', expiry)
  ok(world, grant(start), start)
  // Before it has ended, its key takes no other delegation; afterwards it may.
  refused(world, byOwner(world, delegation(world, { commitment: hashOf('second') })), 'exists')
  world.timeMs = expiry
  ok(world, byOwner(world, delegation(world, { commitment: hashOf('second'), start: today(world) })))
})

test('a grant by a delegate ends no later than the delegation, and with it', () => {
  const world = withFolder()
  ok(world, byOwner(world, delegation(world)))
  const expiry = expiryBucket(world.timeMs + 10 * DAY)
  refused(world, byDelegate(world, world.grantBody('g', { expiry: expiry + DAY })), 'not-attenuated')
  ok(world, byDelegate(world, world.grantBody('g', { expiry })))
  ok(world, byOwner(world, world.grantBody('own')))
  ok(world, byDelegate(world, revoke(world, 'own')))
})

test('a delegate ends its own delegation, and no other', () => {
  const world = withFolder()
  ok(world, byOwner(world, delegation(world)))
  ok(world, byOwner(world, delegation(world, { commitment: hashOf('father'), delegateKeyHash: keyHash('father') })))
  refused(world, byDelegate(world, revoke(world, 'father')), 'not-allowed', undefined, 1)
  ok(world, byDelegate(world, revoke(world, 'delegation')))
  refused(world, byDelegate(world, revoke(world, 'delegation')), 'unknown-owner')
  refused(world, byOwner(world, delegation(world)), 'exists')
})

test('a delegate reads under its delegation and names it; no organisation reads under it', () => {
  const world = withFolder()
  ok(world, byOwner(world, delegation(world)))
  ok(world, byOwner(world, world.grantBody('c')))
  refused(world, byDelegate(world, world.openBody('amina', null)), 'not-allowed', undefined, 1)
  refused(world, byDelegate(world, world.openBody('amina', world.consent('amina', 'c'))), 'not-allowed', undefined, 1)
  refused(world, byOwner(world, world.openBody('amina', world.consent('amina', 'delegation'))), 'not-allowed', undefined, 1)
  refused(world, world.byMember('berlin', world.openBody('amina', world.consent('amina', 'delegation'))), 'not-found')
  ok(world, world.byMember('berlin', world.openBody('amina', world.consent('amina', 'c'))))
})

// What custodians decide.

const UNLIMITED: Provision = {
  ...{ decision: 'permit', grantee: null, purposes: [], classes: [], dataPeriod: null, authors: [], validity: null, exceptions: [] },
}

interface Case {
  provision?: Partial<Provision>
  rights?: readonly Right[]
  role?: string
  reader?: string
}

/** A delegation, a session under it, and what a custodian decides at a time. */
function reading({ provision = {}, rights = ALL, role = 'delegate', reader = 'mother' }: Case = {}) {
  const world = withFolder()
  const folder = world.folder('amina')
  const opening: ConsentOpening = { salt: hashOf('salt'), folder, provision: { ...UNLIMITED, ...provision } }
  const commitment = consentCommitment(opening)
  const id = consentId(folder, commitment)
  ok(world, byOwner(world, delegation(world, { commitment, rights: rightsBits(rights) })))
  const access: AccessOpening = { salt: hashOf('a'), folder, reader: keyOf(reader).publicKey, role, purpose: 'FAMRQT', records: null }
  const opened = world.block([byDelegate(world, world.openBody('amina', id, { commitment: accessCommitment(access) }))])
  const item = opened.logItems[0]
  assert.ok(item, 'there is a line')
  const entry = accessEntryCodec.decode(item.body)
  const decide = (at: { timeMs?: number; entryOf?: typeof entry } = {}): ReleaseDecision => {
    const line = at.entryOf ?? entry
    const session = readSessionFacts(world.state, {
      ...{ timeMs: at.timeMs ?? world.timeMs, folderId: folder, entryId: accessEntryId(line), entry: line },
      ...{ accessOpening: access, consentOpening: opening },
    })
    const version = readVersionFacts(world.state, {
      ...{ folderId: folder, submissionRoot: hashOf('s'), recordId: hashOf('record'), version: 1, salt: hashOf('v') },
      ...{ class: 'laboratory' as const, dataTime: null },
    })
    return releaseDecision(session, version)
  }
  return { world, id, entry, decide }
}

const PERMITTED = { permitted: true }
const no = (reason: string) => ({ permitted: false, reason })

test('custodians: the delegate reads what its scope covers, under its own name', () => {
  const { decide, entry, id } = reading()
  assert.equal(decide(), PERMITTED)
  assert.equal([entry.organisation, entry.consent], [null, id], 'the line says that it is on behalf of the owner')
  assert.equal(reading({ provision: { classes: ['imaging'] } }).decide(), no('consent-denies'))
  assert.equal(reading({ role: 'owner' }).decide(), no('delegate-role'))
  assert.equal(reading({ role: 'physician' }).decide(), no('delegate-role'))
  assert.equal(reading({ reader: 'aunt' }).decide(), no('not-delegate'))
})

test('custodians: it ends when it is revoked, and on its day', () => {
  const { decide, world } = reading()
  const expiry = expiryBucket(world.timeMs + 10 * DAY) - DAY
  assert.equal(decide({ timeMs: expiry + 2 * DAY }), no('entry-ended'))
  const [folderKey, value] = [...world.state.entries(stateKey.consents(world.folder('amina')))][0] as [Uint8Array, Uint8Array]
  const line = consentCodec.decode(value)
  world.state = world.state.apply([{ key: folderKey, value: consentCodec.encode({ ...line, expiry: world.timeMs }) }])
  assert.equal(decide(), no('delegation-ended'))
  world.state = world.state.apply([{ key: folderKey, value }])
  ok(world, world.byFolder('amina', act('consents.revoke', revokeBodyCodec, { consent: folderKey.slice(33) })))
  assert.equal(decide(), no('delegation-ended'))
})

test('custodians: what a delegate granted is refused once the delegation has ended', () => {
  const world = withFolder()
  const folder = world.folder('amina')
  ok(world, byOwner(world, delegation(world)))
  const grantee = {
    type: 'organisation' as const,
    value: { organisation: world.byMember('berlin', world.anchorBody('amina', 'x')).content.from.id },
  }
  const opening: ConsentOpening = { salt: hashOf('salt'), folder, provision: { ...UNLIMITED, grantee } }
  const commitment = consentCommitment(opening)
  const id = consentId(folder, commitment)
  const body = { commitment, wrapHash: hashOf('w'), epoch: 0, expiry: expiryBucket(world.timeMs + DAY) }
  ok(world, byDelegate(world, act('consents.grant', grantBodyCodec, body)))
  const access: AccessOpening = {
    salt: hashOf('a'),
    folder,
    reader: keyOf('doctor').publicKey,
    role: 'physician',
    purpose: 'TREAT',
    records: null,
  }
  const { logItems } = world.block([
    world.byMember('berlin', world.openBody('amina', id, { commitment: accessCommitment(access), until: world.timeMs + HOUR })),
  ])
  const entry = accessEntryCodec.decode(logItems[0]!.body)
  const decide = () =>
    releaseDecision(
      readSessionFacts(world.state, {
        ...{ timeMs: world.timeMs, folderId: folder, entryId: accessEntryId(entry), entry, accessOpening: access, consentOpening: opening },
      }),
      readVersionFacts(world.state, {
        ...{ folderId: folder, submissionRoot: hashOf('s'), recordId: hashOf('record'), version: 1, salt: hashOf('v') },
        ...{ class: 'laboratory' as const, dataTime: null },
      }),
    )
  assert.equal(decide(), PERMITTED)
  ok(world, byOwner(world, revoke(world, 'delegation')))
  assert.equal(decide(), no('delegation-ended'))
})

test.run()
