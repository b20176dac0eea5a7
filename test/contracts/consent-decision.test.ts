import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { previewVersion } from '../../src/client/preview.ts'
import { type AccessEntry, accessEntryId } from '../../src/contracts/access-formats.ts'
import { type ConsentRequest, decide } from '../../src/contracts/consent-decision.ts'
import {
  accessCommitment,
  accessOpeningCodec,
  type ConsentOpening,
  consentCommitment,
  consentOpeningCodec,
  MAX_EXCEPTION_DEPTH,
  type Provision,
  PURPOSES,
  type Purpose,
} from '../../src/contracts/consent-terms.ts'
import { consentId } from '../../src/contracts/consents-formats.ts'
import { isPurposeWithin } from '../../src/contracts/purposes.ts'
import { releaseDecision, type SessionFacts, type VersionFacts } from '../../src/contracts/release-decision.ts'
import { property } from '../encoding/seeded.ts'
import { CASES, permit, provision, REQUEST } from './consent-cases.ts'
import { naiveVerdict } from './naive-consent.ts'
import { randomConsentRequest, randomProvision } from './random-consent.ts'
import { hashOf } from './world.ts'

const test = suite('consent decision')

/** What a custodian says: the facts of a ledger in which everything but the consent's terms speaks for the reader. */
function atCustodian(provision: Provision, asked: ConsentRequest): boolean {
  const folderId = hashOf('folder')
  const consentOpening: ConsentOpening = { salt: hashOf('consent salt'), folder: folderId, provision }
  const commitment = consentCommitment(consentOpening)
  const access = {
    salt: hashOf('access salt'),
    folder: folderId,
    reader: asked.reader,
    role: asked.role,
    purpose: asked.purpose,
    records: null,
  }
  const entry: AccessEntry = {
    folder: folderId,
    index: 0,
    organisation: asked.organisation,
    consent: consentId(folderId, commitment),
    commitment: accessCommitment(access),
    until: Number.MAX_SAFE_INTEGER,
    height: 7,
    time: 0,
  }
  // A custodian sees an opening as bytes: what the formats would change or refuse is not decided on otherwise here.
  const opened = {
    access: accessOpeningCodec.decode(accessOpeningCodec.encode(access)),
    consent: consentOpeningCodec.encode(consentOpening),
  }
  const session: SessionFacts = {
    timeMs: asked.time,
    folderId,
    folder: {
      author: hashOf('author'),
      ownerKeyHash: hashOf('owner'),
      recoveryKeyHash: hashOf('recovery'),
      epoch: 0,
      sealingKey: new Uint8Array(0),
      previousKeyHash: null,
      labelCommitment: hashOf('label'),
      policy: 0,
      status: 'open',
    },
    delegation: null,
    grantor: null,
    entryId: accessEntryId(entry),
    entry,
    isOrganisationActive: true,
    accessOpening: opened.access,
    consent: { status: 'active', commitment, wrapHash: hashOf('wrap'), epoch: 0, expiry: Number.MAX_SAFE_INTEGER, height: 1 },
    consentOpening: consentOpeningCodec.decode(opened.consent),
  }
  const version: VersionFacts = {
    anchor: {
      author: asked.author,
      epoch: 0,
      sizeBucket: 10,
      n: 4,
      k: 2,
      memberHeight: 0,
      height: 3,
    },
    recordId: hashOf('record'),
    version: 1,
    class: asked.class,
    dataTime: asked.dataTime,
    isErased: false,
  }
  const decision = releaseDecision(session, version)
  if (!decision.permitted && decision.reason !== 'consent-denies') throw new Error(`refused for another reason: ${decision.reason}`)
  return decision.permitted
}

/** What a client says before anything is asked for. */
function atClient(provision: Provision, asked: ConsentRequest): boolean {
  const { reader, organisation, role, purpose, time } = asked
  return previewVersion(provision, { reader, organisation, role, purpose, time }, asked).permitted
}

/** Roles and times that no access entry can hold are for the bare function alone. */
function canBeAsked({ role, time }: ConsentRequest): boolean {
  return /^[a-z][a-z0-9-]*$/.test(role) && time < Number.MAX_SAFE_INTEGER
}

for (const [what, given, changes, permitted, path] of CASES) {
  test(what, () => {
    const before = structuredClone(given)
    const asked = { ...REQUEST, ...changes }
    assert.equal(decide({ provision: given, request: asked }), { permitted, path })
    assert.is(atClient(given, asked), permitted, 'at the client')
    if (canBeAsked(asked)) assert.is(atCustodian(given, asked), permitted, 'at the custodian')
    assert.is(naiveVerdict(given, asked), permitted, 'by the naive reading')
    assert.equal(given, before, 'the provision is left as it was')
  })
}

test('the table is as wide as it claims', () => {
  assert.ok(CASES.length >= 150, `${CASES.length} cases`)
  assert.is(new Set(CASES.map(([what]) => what)).size, CASES.length)
  assert.ok(CASES.filter(([, , changes]) => canBeAsked({ ...REQUEST, ...changes })).length >= 150)
  const permits = CASES.filter(([, , , permitted]) => permitted).length
  assert.ok(permits >= 50 && CASES.length - permits >= 50, `${permits} permit`)
})

test(
  'random consents: the same verdict by the decision, the custodian, the client and a naive reading',
  property(random => {
    let permits = 0
    for (let i = 0; i < 1500; i++) {
      const given = randomProvision(random)
      const asked = randomConsentRequest(random)
      const { permitted, path } = decide({ provision: given, request: asked })
      if (permitted) permits++
      const verdicts = [naiveVerdict(given, asked), atClient(given, asked), atCustodian(given, asked)]
      assert.equal(verdicts, [permitted, permitted, permitted], JSON.stringify([given, asked]))
      assert.is(path.length === 0 ? false : decisionAt(given, path) === 'permit', permitted, 'the path leads to what decided')
    }
    assert.ok(permits > 50 && permits < 1450, `${permits} of 1500 permit`)
  }),
)

function decisionAt(root: Provision, path: readonly number[]): 'permit' | 'deny' {
  return path.slice(1).reduce((at, i) => at.exceptions[i] as Provision, root).decision
}

test(
  'a deny of everything beside exceptions without exceptions of their own leaves nothing',
  property(random => {
    for (let i = 0; i < 200; i++) {
      const given = randomProvision(random)
      const shallow = given.exceptions.map(exception => ({ ...exception, exceptions: [] }))
      const closed = { ...given, exceptions: [...shallow, provision('deny')] }
      assert.is(decide({ provision: closed, request: randomConsentRequest(random) }).permitted, false)
    }
  }),
)

test('the hierarchy of purposes is a forest of known codes', () => {
  const roots = PURPOSES.filter(purpose => PURPOSES.every(other => other === purpose || !isPurposeWithin(purpose, other)))
  assert.equal(roots, ['TREAT', 'HPAYMT', 'HOPERAT', 'HRESCH', 'PUBHLTH', 'PATRQT', 'HMARKT'] satisfies Purpose[])
  for (const purpose of PURPOSES) {
    assert.ok(isPurposeWithin(purpose, purpose))
    assert.is(roots.filter(root => isPurposeWithin(purpose, root)).length, 1, purpose)
  }
  for (const a of PURPOSES) for (const b of PURPOSES) if (a !== b && isPurposeWithin(a, b)) assert.not.ok(isPurposeWithin(b, a))
})

test('exceptions go as deep as they say, and no deeper', () => {
  const nested = (depth: number): Provision => (depth === 0 ? permit() : permit({}, nested(depth - 1)))
  const opening = (depth: number) => ({ salt: hashOf('salt'), folder: hashOf('folder'), provision: nested(depth) })
  const deepest = opening(MAX_EXCEPTION_DEPTH)
  assert.equal(consentOpeningCodec.decode(consentOpeningCodec.encode(deepest)), deepest)
  assert.throws(() => consentOpeningCodec.encode(opening(MAX_EXCEPTION_DEPTH + 1)), /list of 0 to 0/)
})

test.run()
