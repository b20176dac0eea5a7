/** Consents as other systems write them, in the shapes of IHE's Privacy Consent on FHIR, and how they are written and read here. */
import { consentToFhir } from '../../src/client/consent-fhir-out.ts'
import type { SharingRule } from '../../src/client/sharing.ts'
import type { Grantee, Provision } from '../../src/contracts/consent-terms.ts'
import { LABELS, type Label } from '../../src/contracts/folders-formats.ts'
import { berlin, deny, doctor, permit, provision, recife } from '../contracts/consent-cases.ts'
import { randomProvision } from '../contracts/random-consent.ts'
import { hashOf } from '../contracts/world.ts'
import type { SeededRandom } from '../encoding/seeded.ts'

export const ABOUT = {
  chainId: hashOf('chain'),
  timeMs: Date.UTC(2031, 4, 1),
  words: 'Dr Amina will see 3 letters',
  active: true,
  patient: 'Patient/1',
}

export function randomRules(random: SeededRandom): SharingRule[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    const labels = LABELS.filter(() => random.below(2) === 0)
    return { labels: labels.length === 0 ? [...LABELS] : labels, provision: randomProvision(random) }
  })
}

/** Through the text that a file would hold. */
export function there(rules: readonly SharingRule[]): Record<string, unknown> {
  return JSON.parse(JSON.stringify(consentToFhir(rules, ABOUT))) as Record<string, unknown>
}

export const POLICY_URI = 'http://example.org/policies/privacy.txt'
export const PURPOSE = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'
export const SENSITIVITY = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const recipient = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] }
const amina: Grantee = { type: 'person', value: { organisation: berlin, key: doctor } }
const ward: Grantee = { type: 'role', value: { organisation: berlin, role: 'nurse' } }
const clinic: Grantee = { type: 'organisation', value: { organisation: recife } }
const actors = new Map<string, Grantee>([
  ['Practitioner/amina', amina],
  ['Group/ward', ward],
  ['Organization/clinic', clinic],
])
export const reading = { actors, policies: [POLICY_URI] }
export const actor = (reference: string): object => ({ role: recipient, reference: { reference } })
export const purposes = (...codes: string[]): object => ({ purpose: codes.map(code => ({ system: PURPOSE, code })) })
export const labelled = (...codes: [string, string][]): object => ({ securityLabel: codes.map(([system, code]) => ({ system, code })) })
export const N: [string, string] = [CONFIDENTIALITY, 'N']
const R: [string, string] = [CONFIDENTIALITY, 'R']
export const PSY: [string, string] = [SENSITIVITY, 'PSY']

export function foreign(given: object, changes: object = {}): object {
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

export const FOREIGN: [what: string, given: object, rules: SharingRule[]][] = [
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
