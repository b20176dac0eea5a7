/** Consents as FHIR and back: exactly under the own policy, by meaning under others, and refused by name where neither is possible. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consentFromFhir } from '../../src/client/consent-fhir-in.ts'
import { consentToFhir } from '../../src/client/consent-fhir-out.ts'
import type { SharingRule } from '../../src/client/sharing.ts'
import { decide } from '../../src/contracts/consent-decision.ts'
import type { Grantee, Provision } from '../../src/contracts/consent-terms.ts'
import { LABELS, type Label } from '../../src/contracts/folders-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { loadValidator } from '../../src/fhir/validate.ts'
import { berlin, CASES, deny, doctor, permit, provision, REQUEST, recife } from '../contracts/consent-cases.ts'
import { naiveVerdict } from '../contracts/naive-consent.ts'
import { randomConsentRequest, randomProvision } from '../contracts/random-consent.ts'
import { hashOf } from '../contracts/world.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('consents as FHIR')

const ABOUT = {
  chainId: hashOf('chain'),
  timeMs: Date.UTC(2031, 4, 1),
  words: 'Dr Amina will see 3 letters',
  active: true,
  patient: 'Patient/1',
}

function randomRules(random: SeededRandom): SharingRule[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    const labels = LABELS.filter(() => random.below(2) === 0)
    return { labels: labels.length === 0 ? [...LABELS] : labels, provision: randomProvision(random) }
  })
}

/** Through the text that a file would hold. */
function there(rules: readonly SharingRule[]): Record<string, unknown> {
  return JSON.parse(JSON.stringify(consentToFhir(rules, ABOUT))) as Record<string, unknown>
}

test(
  'what is written is read back as it was, and written again the same',
  property(random => {
    for (let i = 0; i < 400; i++) {
      const rules = randomRules(random)
      const written = there(rules)
      const back = consentFromFhir(written)
      assert.equal(back, rules)
      assert.equal(there(back), written)
    }
  }),
)

test('every case of the table that FHIR can express comes back with its verdict', () => {
  let converted = 0
  for (const [what, given, changes, permitted] of CASES) {
    let written: Record<string, unknown>
    try {
      written = there([{ labels: ['normal'], provision: given }])
    } catch (error) {
      assert.is((error as { code: string }).code, 'consent-unsupported', what)
      continue
    }
    const [rule] = consentFromFhir(written)
    assert.is(decide({ provision: rule?.provision as Provision, request: { ...REQUEST, ...changes } }).permitted, permitted, what)
    converted++
  }
  assert.ok(converted >= CASES.length - 6, `${converted} of ${CASES.length}`)
})

test('what is written is valid FHIR R4, and names the profile that it keeps to', async () => {
  const validator = await loadValidator()
  const all = [...LABELS]
  const to = { purposes: ['TREAT' as const], validity: { start: 1000, end: 2_000_000 } }
  const cases: [SharingRule[], string | undefined][] = [
    [[], 'Basic'],
    [[{ labels: all, provision: permit(to) }], 'Basic'],
    [[{ labels: all, provision: permit({ ...to, dataPeriod: { start: 0, end: 1000 } }) }], 'Intermediate'],
    [[{ labels: all, provision: permit({ ...to, authors: [recife] }) }], 'Intermediate'],
    [[{ labels: all, provision: permit(to, deny({ authors: [recife] })) }], 'Intermediate'],
    [[{ labels: ['normal'], provision: permit(to) }], 'Advanced'],
    [[{ labels: ['normal', 'genetic', 'emergency-summary'], provision: permit(to, deny({ purposes: ['HRESCH'] })) }], 'Advanced'],
    [
      [
        { labels: ['normal'], provision: permit({ ...to, grantee: { type: 'organisation', value: { organisation: berlin } } }) },
        { labels: ['restricted'], provision: permit({ grantee: { type: 'person', value: { organisation: berlin, key: doctor } } }) },
      ],
      'Advanced',
    ],
    [[{ labels: all, provision: permit({ classes: ['laboratory'] }) }], undefined],
    [[{ labels: all, provision: permit({}, deny({}, permit())) }], undefined],
    [[{ labels: all, provision: permit({}, permit()) }], undefined],
    [
      [{ labels: all, provision: deny({}, permit({ grantee: { type: 'role', value: { organisation: berlin, role: 'nurse' } } })) }],
      undefined,
    ],
  ]
  for (const [rules, profile] of cases) {
    const written = there(rules)
    validator.validate(written)
    const profiles = (written.meta as { profile: string[] } | undefined)?.profile
    assert.equal(
      profiles,
      profile === undefined ? undefined : [`https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent${profile}`],
    )
    assert.equal(consentFromFhir(written), rules)
  }
  const random = seeded()
  for (let i = 0; i < 20; i++) validator.validate(there(randomRules(random)))
})

function seeded(): SeededRandom {
  let given: SeededRandom | undefined
  void property(random => {
    given = random
  })()
  return given as SeededRandom
}

test('what FHIR has no form for is refused by its place in the rules', () => {
  const refused = (rules: SharingRule[], element: string): void => {
    const error = throwsCode(() => consentToFhir(rules, ABOUT), 'consent-unsupported') as Error & { metadata: { element: string } }
    assert.is(error.metadata.element, element)
  }
  const labels: Label[] = ['normal']
  refused([{ labels: [], provision: permit() }], 'rules[0].labels')
  refused([{ labels, provision: permit({ validity: { start: 5, end: 5 } }) }], 'rules[0].provision.validity')
  refused([{ labels, provision: permit({}, deny({ dataPeriod: { start: 9, end: 5 } })) }], 'rules[0].provision.exceptions[0].dataPeriod')
  refused([{ labels, provision: permit({ validity: { start: 0, end: 9e15 } }) }], 'rules[0].provision.validity')
})

// What other systems write: the shapes of IHE's Privacy Consent on FHIR.

const POLICY_URI = 'http://example.org/policies/privacy.txt'
const PURPOSE = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'
const SENSITIVITY = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const recipient = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] }
const amina: Grantee = { type: 'person', value: { organisation: berlin, key: doctor } }
const ward: Grantee = { type: 'role', value: { organisation: berlin, role: 'nurse' } }
const clinic: Grantee = { type: 'organisation', value: { organisation: recife } }
const actors = new Map<string, Grantee>([
  ['Practitioner/amina', amina],
  ['Group/ward', ward],
  ['Organization/clinic', clinic],
])
const reading = { actors, policies: [POLICY_URI] }
const actor = (reference: string): object => ({ role: recipient, reference: { reference } })
const purposes = (...codes: string[]): object => ({ purpose: codes.map(code => ({ system: PURPOSE, code })) })
const labelled = (...codes: [string, string][]): object => ({ securityLabel: codes.map(([system, code]) => ({ system, code })) })
const N: [string, string] = [CONFIDENTIALITY, 'N']
const R: [string, string] = [CONFIDENTIALITY, 'R']
const PSY: [string, string] = [SENSITIVITY, 'PSY']

function foreign(given: object, changes: object = {}): object {
  return {
    resourceType: 'Consent',
    id: 'c1',
    meta: { security: [{ system: PURPOSE, code: 'HTEST' }] },
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0', display: 'Consent' }] }],
    patient: { reference: 'Patient/1' },
    dateTime: '2022-06-13',
    performer: [{ reference: 'Patient/1' }],
    organization: [{ reference: 'Organization/1' }],
    sourceReference: { reference: 'DocumentReference/1' },
    policy: [{ uri: POLICY_URI }],
    provision: given,
    ...changes,
  }
}

const OPERATIONS = ['TREAT', 'HPAYMT', 'HOPERAT'] as const
const operations = purposes(...OPERATIONS)
const some = (grantee: Grantee | null, limits: Partial<Provision>, ...exceptions: Provision[]): Provision =>
  provision('permit', { grantee, purposes: [...OPERATIONS], ...limits, exceptions })
const without = (...left: Label[]): Label[] => LABELS.filter(label => !left.includes(label))

const FOREIGN: [what: string, given: object, rules: SharingRule[]][] = [
  ['basic: purposes', { type: 'permit', ...operations }, [{ labels: [...LABELS], provision: some(null, {}) }]],
  ['basic: rejected', { type: 'deny', ...operations }, []],
  [
    'basic: expired, the last day included',
    { type: 'permit', ...operations, period: { end: '2022-12-31' } },
    [{ labels: [...LABELS], provision: some(null, { validity: { start: 0, end: Date.UTC(2023, 0, 1) } }) }],
  ],
  [
    'intermediate: a time of the data',
    { type: 'permit', ...operations, dataPeriod: { start: '2022-01-01', end: '2022-12-31' } },
    [{ labels: [...LABELS], provision: some(null, { dataPeriod: { start: Date.UTC(2022, 0, 1), end: Date.UTC(2023, 0, 1) } }) }],
  ],
  [
    'intermediate: all but a time of the data',
    { type: 'permit', ...operations, provision: [{ type: 'deny', dataPeriod: { start: '2022-01', end: '2022' } }] },
    [
      {
        labels: [...LABELS],
        provision: some(null, {}, deny({ dataPeriod: { start: Date.UTC(2022, 0, 1), end: Date.UTC(2023, 0, 1) } })),
      },
    ],
  ],
  [
    'intermediate: an author',
    { type: 'permit', ...operations, data: [{ meaning: 'authoredby', reference: { reference: 'Organization/clinic' } }] },
    [{ labels: [...LABELS], provision: some(null, { authors: [recife] }) }],
  ],
  [
    'intermediate: all but an author',
    {
      type: 'permit',
      ...operations,
      provision: [{ type: 'deny', data: [{ meaning: 'authoredby', reference: { reference: 'Organization/clinic' } }] }],
    },
    [{ labels: [...LABELS], provision: some(null, {}, deny({ authors: [recife] })) }],
  ],
  [
    'intermediate: nothing but break-glass, for some',
    { type: 'deny', provision: [{ type: 'permit', ...purposes('BTG'), actor: [actor('Group/ward')] }] },
    [{ labels: [...LABELS], provision: permit({ grantee: ward, purposes: ['BTG'] }) }],
  ],
  ['advanced: normal', { type: 'permit', ...operations, ...labelled(N) }, [{ labels: ['normal'], provision: some(null, {}) }]],
  [
    'advanced: normal and restricted',
    { type: 'permit', ...operations, ...labelled(N, R) },
    [{ labels: ['normal', 'restricted'], provision: some(null, {}) }],
  ],
  [
    'advanced: normal and not restricted',
    { type: 'permit', ...operations, ...labelled(N), provision: [{ type: 'deny', ...labelled(R) }] },
    [{ labels: ['normal'], provision: some(null, {}) }],
  ],
  [
    'advanced: normal for all, restricted for one',
    {
      type: 'permit',
      ...operations,
      ...labelled(N),
      provision: [{ type: 'permit', ...labelled(R), actor: [actor('Practitioner/amina')] }],
    },
    [
      { labels: ['normal'], provision: some(null, {}) },
      { labels: ['restricted'], provision: some(amina, {}) },
    ],
  ],
  [
    'advanced: normal for all, restricted for some who break the glass',
    {
      type: 'permit',
      ...operations,
      ...labelled(N),
      provision: [{ type: 'permit', ...labelled(R), ...purposes('BTG'), actor: [actor('Group/ward')] }],
    },
    [
      { labels: ['normal'], provision: some(null, {}) },
      { labels: ['restricted'], provision: permit({ grantee: ward, purposes: ['BTG'] }) },
    ],
  ],
  [
    'everything but mental health, for one: that folder gets nothing at all',
    { type: 'permit', ...operations, actor: [actor('Practitioner/amina')], provision: [{ type: 'deny', ...labelled(PSY) }] },
    [{ labels: without('mental-health'), provision: some(amina, {}) }],
  ],
  [
    'mental health denied to one alone: to that one it is left out',
    {
      type: 'permit',
      ...operations,
      actor: [actor('Practitioner/amina'), actor('Organization/clinic')],
      provision: [{ type: 'deny', ...labelled(PSY), actor: [actor('Practitioner/amina')] }],
    },
    [
      { labels: without('mental-health'), provision: some(amina, {}) },
      { labels: without('mental-health'), provision: some(clinic, {}) },
      { labels: ['mental-health'], provision: some(clinic, {}, deny({ grantee: amina })) },
    ],
  ],
  [
    'mental health denied for research',
    { type: 'permit', actor: [actor('Organization/clinic')], provision: [{ type: 'deny', ...labelled(PSY), ...purposes('HRESCH') }] },
    [
      { labels: without('mental-health'), provision: permit({ grantee: clinic }) },
      { labels: ['mental-health'], provision: permit({ grantee: clinic }, deny({ purposes: ['HRESCH'] })) },
    ],
  ],
]

for (const [what, given, rules] of FOREIGN) {
  test(what, async () => {
    const consent = foreign(given)
    ;(await loadValidator()).validate(consent)
    assert.equal(consentFromFhir(consent, reading), rules)
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
