/** Consents as FHIR and back: exactly as they were, valid, and refused by name where FHIR has no form. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consentFromFhir } from '../../src/client/consent-fhir-in.ts'
import { consentToFhir } from '../../src/client/consent-fhir-out.ts'
import type { SharingRule } from '../../src/client/sharing.ts'
import { decide } from '../../src/contracts/consent-decision.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { LABELS, type Label } from '../../src/contracts/folders-formats.ts'
import { loadValidator } from '../../src/fhir/validate.ts'
import { berlin, CASES, deny, doctor, permit, REQUEST, recife } from '../contracts/consent-cases.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'
import { ABOUT, randomRules, there } from './foreign-consent.ts'

const test = suite('consents as FHIR')

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
  await property(random => {
    for (let i = 0; i < 20; i++) validator.validate(there(randomRules(random)))
  })()
})

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

test.run()
