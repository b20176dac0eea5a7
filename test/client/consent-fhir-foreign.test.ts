/** Consents of other systems: read by their meaning, or refused by the element that has no counterpart. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consentFromDocument } from '../../src/client/consent-fhir-document.ts'
import { consentFromFhir } from '../../src/client/consent-fhir-in.ts'
import { decide } from '../../src/contracts/consent-decision.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { deny, permit, recife } from '../contracts/consent-cases.ts'
import { naiveVerdict } from '../contracts/naive-consent.ts'
import { randomConsentRequest, randomProvision } from '../contracts/random-consent.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import {
  actor,
  FOREIGN,
  foreign,
  labelled,
  N,
  POLICY_URI,
  PSY,
  PURPOSE,
  purposes,
  randomRules,
  reading,
  SENSITIVITY,
  there,
} from './foreign-consent.ts'

const test = suite('consents of other systems')

for (const [what, given, rules] of FOREIGN) {
  test(what, async () => {
    const document = utf8(JSON.stringify(foreign(given)))
    assert.equal(await consentFromDocument(document, reading), rules)
    assert.equal(consentFromFhir(there(rules)), rules, 'and comes back')
  })
}

const treat = { type: 'permit', ...purposes('TREAT') }
const REFUSED: [what: string, consent: object, element: string][] = [
  ['another status', foreign(treat, { status: 'rejected' }), 'Consent.status'],
  ['another scope', foreign(treat, { scope: { coding: [{ system: 'x', code: 'research' }] } }), 'Consent.scope'],
  ['an unknown policy', foreign(treat, { policy: [{ uri: POLICY_URI }, { uri: 'http://other' }] }), 'Consent.policy[1].uri'],
  ['no policy', foreign(treat, { policy: undefined }), 'Consent.policy'],
  ['two readings', foreign(treat, { policy: [{ uri: POLICY_URI }, { uri: 'urn:epione:consent-policy:1' }] }), 'Consent.policy'],
  ['a policy rule', foreign(treat, { policyRule: { coding: [{ code: 'OPTOUT' }] } }), 'Consent.policyRule'],
  ['a verification', foreign(treat, { verification: [{ verified: true }] }), 'Consent.verification'],
  ['rules of another kind', foreign(treat, { implicitRules: 'http://x' }), 'Consent.implicitRules'],
  ['an extension that changes the meaning', foreign(treat, { modifierExtension: [{ url: 'x' }] }), 'Consent.modifierExtension'],
  ['no provision', foreign(treat, { provision: undefined }), 'Consent.provision'],
  ['a provision without a type', foreign({}), 'Consent.provision.type'],
  ['a code', foreign({ ...treat, provision: [treat, { type: 'deny', code: [{ text: 'x' }] }] }), 'Consent.provision.provision[1].code'],
  [
    'an action',
    foreign({ ...treat, action: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentaction', code: 'disclose' }] }] }),
    'Consent.provision.action[0]',
  ],
  [
    'an unknown purpose',
    foreign({
      type: 'permit',
      purpose: [
        { system: PURPOSE, code: 'TREAT' },
        { system: 'http://example.org', code: 'FooBar' },
      ],
    }),
    'Consent.provision.purpose[1]',
  ],
  [
    'a type of resources',
    foreign({ ...treat, class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }] }),
    'Consent.provision.class[0]',
  ],
  ['a label that no folder has', foreign({ ...treat, ...labelled(N, [SENSITIVITY, 'SDV']) }), 'Consent.provision.securityLabel[1]'],
  [
    'data one by one',
    foreign({ ...treat, data: [{ meaning: 'instance', reference: { reference: 'Observation/1' } }] }),
    'Consent.provision.data[0].meaning',
  ],
  [
    'data of an encounter',
    foreign({ ...treat, provision: [{ type: 'deny', data: [{ meaning: 'related', reference: { reference: 'Encounter/1' } }] }] }),
    'Consent.provision.provision[0].data[0].meaning',
  ],
  [
    'a person as author',
    foreign({ ...treat, data: [{ meaning: 'authoredby', reference: { reference: 'Practitioner/amina' } }] }),
    'Consent.provision.data[0].reference',
  ],
  [
    'an actor who is not known',
    foreign({ ...treat, actor: [actor('Practitioner/amina'), actor('Practitioner/other')] }),
    'Consent.provision.actor[1].reference',
  ],
  [
    'an actor who sends',
    foreign({
      ...treat,
      actor: [
        {
          ...actor('Practitioner/amina'),
          role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'AUT' }] },
        },
      ],
    }),
    'Consent.provision.actor[0].role',
  ],
  [
    'exceptions to exceptions',
    foreign({ ...treat, provision: [{ type: 'deny', provision: [treat] }] }),
    'Consent.provision.provision[0].provision',
  ],
  ['an extension inside', foreign({ ...treat, extension: [{ url: 'x' }] }), 'Consent.provision.extension'],
  ['a period turned around', foreign({ ...treat, period: { start: '2031', end: '2030' } }), 'Consent.provision.period'],
  ['a border before 1970', foreign({ ...treat, dataPeriod: { start: '1969-12-31' } }), 'Consent.provision.dataPeriod.start'],
  ['a day that no calendar has', foreign({ ...treat, period: { end: '2031-02-30' } }), 'Consent.provision.period.end'],
  ['less than a millisecond', foreign({ ...treat, period: { end: '2031-01-01T00:00:00.0001Z' } }), 'Consent.provision.period.end'],
  ['another resource', { ...foreign(treat), resourceType: 'Contract' }, 'Consent.resourceType'],
]

for (const [what, consent, element] of REFUSED) {
  test(`refused by name: ${what}`, () => {
    const given = JSON.parse(JSON.stringify(consent)) as unknown
    const error = throwsCode(() => consentFromFhir(given, reading), 'consent-unsupported') as Error & { metadata: { element: string } }
    assert.is(error.metadata.element, element)
    assert.not.match(error.message, /FooBar|other|Observation\/1/)
  })
}

test('under the own policy labels stand with what is granted, and the outer deny is bare', () => {
  const own = (given: object): object => foreign(given, { policy: [{ uri: 'urn:epione:consent-policy:1' }] })
  const refused = (given: object, element: string): void => {
    const error = throwsCode(() => consentFromFhir(own(given), reading), 'consent-unsupported') as Error & { metadata: { element: string } }
    assert.is(error.metadata.element, element)
  }
  refused({ ...treat, provision: [{ type: 'deny', ...labelled(PSY) }] }, 'Consent.provision.provision[0].securityLabel')
  refused({ type: 'deny', ...purposes('TREAT'), provision: [treat] }, 'Consent.provision.purpose')
  refused({ ...treat, actor: [actor('Practitioner/amina'), actor('Group/ward')] }, 'Consent.provision.actor[1]')
  const deep = (depth: number): object => ({ type: 'permit', ...(depth === 0 ? {} : { provision: [deep(depth - 1)] }) })
  assert.is(consentFromFhir(own(deep(5))).length, 1)
  refused(deep(6), `Consent.provision${'.provision[0]'.repeat(5)}.provision`)
  refused({ ...treat, provision: Array.from({ length: 17 }, () => treat) }, 'Consent.provision.provision[16]')
})

test('a document is strict JSON and valid FHIR before it is read', async () => {
  await rejectsCode(consentFromDocument(utf8('{"resourceType":"Consent","status":"active","status":"active"}')), 'not-json')
  await rejectsCode(consentFromDocument(utf8('{"resourceType":"Consent"}')), 'not-fhir')
  await rejectsCode(consentFromDocument(utf8(JSON.stringify(foreign(treat)))), 'consent-unsupported')
})

test('a consent that is larger than an opening is refused', () => {
  const many = Array.from({ length: 16 }, () => deny({ authors: Array.from({ length: 64 }, () => recife) }))
  const written = there([{ labels: ['normal'], provision: permit({}, ...many) }])
  const error = throwsCode(() => consentFromFhir(written), 'consent-unsupported') as Error & { metadata: { element: string } }
  assert.is(error.metadata.element, 'Consent.provision')
})

const JUNK: readonly unknown[] = [null, true, 0, -1, '', 'x', '#actor1', [], [null], [[]], {}, { coding: [{}] }, 'deny', '2031-13-01']

/** The same document with one place of it changed, dropped or named otherwise. */
function spoiled(value: unknown, random: SeededRandom): unknown {
  if (typeof value !== 'object' || value === null || random.below(4) === 0) return random.pick(JUNK)
  const keys = Object.keys(value)
  const key = keys[random.below(keys.length)]
  if (key === undefined) return random.pick(JUNK)
  const inner = (value as Record<string, unknown>)[key]
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? spoiled(item, random) : (item as unknown)))
  const { [key]: _, ...rest } = value as Record<string, unknown>
  const kind = random.below(5)
  return kind === 0 ? rest : kind === 1 ? { ...rest, [`${key}X`]: inner } : { ...rest, [key]: spoiled(inner, random) }
}

test(
  'a spoiled document is read or refused by the place of what is wrong, and never anything else',
  property(random => {
    let refused = 0
    for (let i = 0; i < 3000; i++) {
      const written = random.below(2) === 0 ? there(randomRules(random)) : foreign(random.pick(FOREIGN)[1])
      const given = JSON.parse(JSON.stringify(spoiled(written, random))) as unknown
      try {
        const rules = consentFromFhir(given, reading)
        assert.equal(consentFromFhir(there(rules)), rules, 'what is read can be written')
      } catch (error) {
        const { code, metadata } = error as { code?: string; metadata?: { element?: string } }
        assert.is(code, 'consent-unsupported', `${String(error)} of ${JSON.stringify(given)}`)
        assert.match(metadata?.element ?? '', /^Consent(\.[A-Za-z]+(\[\d+\])?)*$/)
        refused++
      }
    }
    assert.ok(refused > 500 && refused < 3000, `${refused} refused`)
  }),
)

test(
  'one level of provisions means the same under the own policy and as PCF reads it',
  property(random => {
    let judged = 0
    for (let i = 0; i < 300; i++) {
      const bare = (): Provision => ({ ...randomProvision(random), exceptions: [] })
      const root: Provision = { ...bare(), decision: 'permit', classes: [] }
      const given = { ...root, exceptions: [bare(), bare()].map(one => ({ ...one, decision: 'deny' as const, classes: [] })) }
      const written = { ...there([{ labels: ['normal'], provision: given }]), policy: [{ uri: POLICY_URI }] }
      const rules = consentFromFhir(written, reading)
      for (let j = 0; j < 5; j++) {
        const request = randomConsentRequest(random)
        const shared = rules.some(rule => rule.labels.includes('normal') && naiveVerdict(rule.provision, request))
        assert.is(shared, decide({ provision: given, request }).permitted, toHex(request.reader))
        judged++
      }
    }
    assert.is(judged, 1500)
  }),
)

test.run()
