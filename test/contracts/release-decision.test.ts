import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AccessEntry, accessEntryCodec, accessEntryId } from '../../src/contracts/access-formats.ts'
import {
  type AccessOpening,
  accessCommitment,
  type ConsentOpening,
  consentCommitment,
  type Provision,
} from '../../src/contracts/consent-terms.ts'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { advanceFolderCodec, rotateFolderCodec } from '../../src/contracts/folders-formats.ts'
import { accountCodec } from '../../src/contracts/members-formats.ts'
import { eraseBodyCodec, erasureMark } from '../../src/contracts/records-formats.ts'
import {
  type ReleaseDecision,
  releaseDecision,
  type SessionFacts,
  sessionDecision,
  type VersionFacts,
  versionDecision,
} from '../../src/contracts/release-decision.ts'
import { readSessionFacts, readVersionFacts } from '../../src/contracts/release-facts.ts'
import { ownerKeyHash } from '../../src/crypto/wallet.ts'
import { account, accountKey, act, DAY, hashOf, keyOf, ownerHash, sealingKey, World } from './world.ts'

const test = suite('release decision')

const RECORD = { recordId: hashOf('record'), version: 1 }
const SALT = hashOf('salt')

const PERMIT: Provision = {
  decision: 'permit',
  grantee: { type: 'role', value: { organisation: account('berlin'), role: 'physician' } },
  purposes: ['TREAT'],
  classes: ['laboratory'],
  dataPeriod: null,
  authors: [],
  validity: null,
  exceptions: [],
}

/** A ledger with a folder of nairobi's, an anchored submission, a consent for berlin's physicians, and a session under it. */
class Session {
  readonly world = new World()
  readonly folder = this.world.folder('amina')
  readonly consentOpening: ConsentOpening
  readonly consent: Uint8Array
  accessOpening: AccessOpening
  entry: AccessEntry
  entryId: Uint8Array

  constructor(options: { owner?: boolean; provision?: Provision; opening?: Partial<AccessOpening> } = {}) {
    const { world, folder } = this
    this.ok([world.create('nairobi', 'amina'), world.byMember('nairobi', world.anchorBody('amina', 's'))])
    this.consentOpening = { salt: hashOf('consent salt'), folder, provision: options.provision ?? PERMIT }
    const commitment = consentCommitment(this.consentOpening)
    this.consent = consentId(folder, commitment)
    const expiry = expiryBucket(world.timeMs + DAY)
    const grant = act('consents.grant', grantBodyCodec, { commitment, wrapHash: hashOf('wrap'), epoch: 0, expiry })
    this.ok([world.byFolder('amina', grant, { sponsor: 'nairobi' })])
    const reader =
      options.owner === true ? { reader: keyOf('amina').publicKey, role: 'owner' } : { reader: hashOf('doctor'), role: 'physician' }
    this.accessOpening = { salt: hashOf('access salt'), folder, purpose: 'TREAT', records: null, ...reader, ...options.opening }
    const committed = { commitment: accessCommitment(this.accessOpening) }
    const open =
      options.owner === true
        ? world.byFolder('amina', world.openBody('amina', null, committed), { sponsor: 'nairobi' })
        : world.byMember('berlin', world.openBody('amina', this.consent, committed))
    const [item] = this.ok([open]).logItems
    this.entry = accessEntryCodec.decode(item!.body)
    this.entryId = item!.id
  }

  ok(transactions: Parameters<World['block']>[0]) {
    const result = this.world.block(transactions)
    for (const { code } of result.receipts) assert.is(code, 'ok')
    return result
  }

  session(changes: Partial<SessionFacts> = {}): SessionFacts {
    const { folder: folderId, entry, entryId, accessOpening } = this
    const consentOpening = entry.consent === null ? null : this.consentOpening
    const asked = { timeMs: this.world.timeMs, folderId, entryId, entry, accessOpening, consentOpening }
    return { ...readSessionFacts(this.world.state, asked), ...changes }
  }

  version(changes: Partial<VersionFacts> = {}): VersionFacts {
    const asked = {
      folderId: this.folder,
      submissionRoot: hashOf('s'),
      ...RECORD,
      salt: SALT,
      class: 'laboratory' as const,
      dataTime: null,
    }
    return { ...readVersionFacts(this.world.state, asked), ...changes }
  }

  decide(session: Partial<SessionFacts> = {}, version: Partial<VersionFacts> = {}): ReleaseDecision {
    return releaseDecision(this.session(session), this.version(version))
  }
}

function refused(decision: ReleaseDecision, reason: string): void {
  assert.equal(decision, { permitted: false, reason })
}

test('a session under a consent is served', () => {
  const session = new Session()
  assert.equal(session.decide(), { permitted: true })
  assert.equal(sessionDecision(session.session()), { permitted: true })
})

test('without the folder, the entry or the consent in the ledger there is nothing', () => {
  const session = new Session()
  refused(session.decide({ folder: null }), 'folder-unknown')
  refused(session.decide({ folder: { ...session.session().folder!, status: 'erased' } }), 'folder-unknown')
  refused(session.decide({ entry: null }), 'entry-unknown')
  refused(session.decide({ entryId: hashOf('other') }), 'entry-unknown')
  refused(session.decide({ entry: { ...session.entry, until: session.entry.until + 1 } }), 'entry-unknown')
  refused(session.decide({ consent: null }), 'consent-unknown')
  refused(session.decide({ consentOpening: null }), 'consent-unknown')
  refused(session.decide({}, { anchor: null }), 'not-anchored')
})

test('a state that has none of it gives facts that refuse', () => {
  const session = new Session()
  const empty = new World().state
  const { folderId, entryId, entry, accessOpening, consentOpening, timeMs } = session.session()
  const facts = readSessionFacts(empty, { folderId, entryId, entry, accessOpening, consentOpening, timeMs })
  assert.equal([facts.folder, facts.consent, facts.isOrganisationActive], [null, null, true])
  refused(releaseDecision(facts, session.version()), 'folder-unknown')
  assert.is(readSessionFacts(empty, { ...facts, entry: null }).isOrganisationActive, false)
})

test('the entry is for this folder, and not over', () => {
  const session = new Session()
  const other = new Session()
  other.ok([other.world.create('nairobi', 'bela')])
  refused(other.decide({ folderId: other.world.folder('bela') }), 'entry-other-folder')
  assert.equal(session.decide({ timeMs: session.entry.until - 1 }), { permitted: true })
  refused(session.decide({ timeMs: session.entry.until }), 'entry-ended')
})

test('the opening is the one that was committed to', () => {
  const session = new Session()
  const { accessOpening } = session
  const changes: Partial<AccessOpening>[] = [
    { salt: hashOf('x') },
    { reader: hashOf('x') },
    { role: 'nurse' },
    { purpose: 'BTG' },
    { records: [] },
    { folder: hashOf('x') },
  ]
  for (const change of changes) refused(session.decide({ accessOpening: { ...accessOpening, ...change } }), 'opening-mismatch')
})

test('an opening of another folder is no opening, even where the entry commits to it', () => {
  refused(new Session({ opening: { folder: hashOf('elsewhere') } }).decide(), 'opening-mismatch')
})

test('the organisation is a member now', () => {
  const session = new Session()
  const { world } = session
  const removed = { ...world.read(accountCodec, accountKey('berlin'))!, status: 'removed' as const }
  world.state = world.state.apply([{ key: accountKey('berlin'), value: accountCodec.encode(removed) }])
  refused(session.decide(), 'organisation-inactive')
})

test('nobody is vouched for as the owner', () => {
  const provision = { ...PERMIT, grantee: null }
  refused(new Session({ provision, opening: { role: 'owner' } }).decide(), 'owner-role')
})

test('a revocation binds from the block that has it', () => {
  const session = new Session()
  const { world } = session
  session.ok([world.byFolder('amina', act('consents.revoke', revokeBodyCodec, { consent: session.consent }))])
  refused(session.decide(), 'consent-revoked')
})

test('a consent ends with its expiry', () => {
  const session = new Session()
  const now = session.world.timeMs
  const consent = session.session().consent!
  refused(session.decide({ consent: { ...consent, expiry: now } }), 'consent-expired')
  assert.equal(session.decide({ consent: { ...consent, expiry: now + 1 } }), { permitted: true })
})

test('the consent is the one of the entry, and its opening that of its commitment', () => {
  const session = new Session()
  const { consentOpening } = session
  const consent = session.session().consent!
  const wide: ConsentOpening = { ...consentOpening, provision: { ...PERMIT, grantee: null, purposes: [], classes: [] } }
  refused(session.decide({ consentOpening: wide }), 'consent-mismatch')
  refused(session.decide({ consentOpening: wide, consent: { ...consent, commitment: consentCommitment(wide) } }), 'consent-mismatch')
  refused(session.decide({ consentOpening: { ...consentOpening, folder: hashOf('x') } }), 'consent-mismatch')
})

test('the session covers what its opening names', () => {
  const all = new Session()
  assert.equal(all.decide({}, { recordId: hashOf('any') }), { permitted: true })
  const one = new Session({ opening: { records: [{ recordId: hashOf('x'), version: 1 }, RECORD] } })
  assert.equal(one.decide(), { permitted: true })
  refused(one.decide({}, { version: 2 }), 'not-covered')
  refused(one.decide({}, { recordId: hashOf('y') }), 'not-covered')
  refused(new Session({ opening: { records: [] } }).decide(), 'not-covered')
})

test('a consent opens its epoch and the past, not what comes after', () => {
  const session = new Session()
  const { world } = session
  session.ok([
    world.byFolder(
      'amina',
      act('folders.advance', advanceFolderCodec, {
        epoch: 0,
        sealingKey: sealingKey('n'),
        previousKeyHash: hashOf('p'),
        revoke: [],
        rewraps: [],
      }),
    ),
    world.byMember('nairobi', world.anchorBody('amina', 'later', { epoch: 1 })),
  ])
  assert.equal(session.decide(), { permitted: true }, 'what was there before')
  const asked = {
    folderId: session.folder,
    submissionRoot: hashOf('later'),
    ...RECORD,
    salt: SALT,
    class: 'laboratory' as const,
    dataTime: null,
  }
  refused(releaseDecision(session.session(), readVersionFacts(world.state, asked)), 'epoch-not-covered')
})

test('what is erased is gone, for the owner too', () => {
  for (const session of [new Session(), new Session({ owner: true })]) {
    const { world } = session
    assert.equal(session.decide(), { permitted: true })
    const mark = (salt: Uint8Array, version: number) => erasureMark(salt, RECORD.recordId, version)
    session.ok([world.byFolder('amina', act('records.erase', eraseBodyCodec, { marks: [mark(SALT, 2), mark(hashOf('x'), 1)] }))])
    assert.equal(session.decide(), { permitted: true }, 'another version, another salt')
    session.ok([world.byFolder('amina', act('records.erase', eraseBodyCodec, { marks: [mark(SALT, 1)] }))])
    refused(session.decide(), 'erased')
  }
})

test('the terms decide on class, time, author, reader and purpose', () => {
  refused(new Session().decide({}, { class: 'imaging' }), 'consent-denies')
  refused(new Session({ opening: { role: 'nurse' } }).decide(), 'consent-denies')
  refused(new Session({ opening: { purpose: 'HRESCH' } }).decide(), 'consent-denies')
  const person = { type: 'person' as const, value: { organisation: account('berlin'), key: hashOf('doctor') } }
  assert.equal(new Session({ provision: { ...PERMIT, grantee: person } }).decide(), { permitted: true })
  refused(new Session({ provision: { ...PERMIT, grantee: person }, opening: { reader: hashOf('nurse') } }).decide(), 'consent-denies')
  assert.equal(new Session({ provision: { ...PERMIT, authors: [account('nairobi')] } }).decide(), { permitted: true })
  refused(new Session({ provision: { ...PERMIT, authors: [account('recife')] } }).decide(), 'consent-denies')
  const dated = new Session({ provision: { ...PERMIT, dataPeriod: { start: 10, end: 20 } } })
  assert.equal(dated.decide({}, { dataTime: 10 }), { permitted: true })
  refused(dated.decide({}, { dataTime: 20 }), 'consent-denies')
  refused(dated.decide({}, { dataTime: null }), 'consent-denies')
  const timed = new Session()
  const now = timed.world.timeMs
  assert.equal(new Session({ provision: { ...PERMIT, validity: { start: now, end: now + DAY } } }).decide(), { permitted: true })
  refused(new Session({ provision: { ...PERMIT, validity: { start: now + 60_000, end: now + DAY } } }).decide(), 'consent-denies')
})

test('the terms hold for the organisation of the entry alone', () => {
  const foreign = { type: 'role' as const, value: { organisation: account('recife'), role: 'physician' } }
  refused(new Session({ provision: { ...PERMIT, grantee: foreign } }).decide(), 'consent-denies')
})

test('the owner reads everything in the folder with its present key', () => {
  const session = new Session({ owner: true })
  assert.equal(session.decide({}, { class: 'imaging' }), { permitted: true })
  const { world } = session
  const rotate = act('folders.rotate', rotateFolderCodec, { ownerKeyHash: ownerHash('bela'), recoveryKeyHash: hashOf('r') })
  session.ok([world.byFolder('amina', rotate)])
  refused(session.decide(), 'not-owner')
})

test('who is not the owner does not become it by an entry without a consent', () => {
  refused(new Session({ owner: true, opening: { reader: hashOf('doctor') } }).decide(), 'not-owner')
  refused(new Session({ owner: true, opening: { role: 'physician' } }).decide(), 'owner-role')
  assert.equal(ownerKeyHash(keyOf('amina').publicKey), ownerHash('amina'))
})

test('entries that the contract never writes are none', () => {
  const session = new Session()
  const noConsent = { ...session.entry, consent: null }
  refused(session.decide({ entry: noConsent, entryId: accessEntryId(noConsent) }), 'entry-unknown')
  // A delegate's, of a consent that is no delegation.
  const delegates = { ...session.entry, organisation: null }
  refused(session.decide({ entry: delegates, entryId: accessEntryId(delegates) }), 'delegate-role')
})

test('a version is never decided without its session', () => {
  const session = new Session()
  refused(versionDecision(session.session({ consent: null }), session.version()), 'consent-unknown')
  refused(versionDecision(session.session({ consentOpening: null }), session.version()), 'consent-unknown')
  refused(versionDecision(session.session({ entry: null }), session.version()), 'consent-unknown')
})

test.run()
