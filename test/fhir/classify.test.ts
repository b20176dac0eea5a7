import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RECORD_CLASSES } from '../../src/contracts/consent-terms.ts'
import { classesOf, FHIR_CLASSES } from '../../src/fhir/classify.ts'
import { generatePatient } from '../../testnet/population/patient.ts'

const test = suite('fhir/classify')

const category = (system: string, code: string): object => ({ coding: [{ system, code }] })
const OBSERVATION = 'http://terminology.hl7.org/CodeSystem/observation-category'

test('the names are those of the consents', () => {
  assert.equal([...FHIR_CLASSES], [...RECORD_CLASSES])
})

test('types have their class', () => {
  const expected: Record<string, string> = {
    Patient: 'demographics',
    RelatedPerson: 'demographics',
    Organization: 'administrative',
    Claim: 'administrative',
    Encounter: 'encounter',
    Condition: 'condition',
    AllergyIntolerance: 'allergy',
    MedicationRequest: 'medication',
    Immunization: 'immunization',
    Procedure: 'procedure',
    ImagingStudy: 'imaging',
    Specimen: 'laboratory',
    DocumentReference: 'document',
    Device: 'device',
    CarePlan: 'other',
    Observation: 'other',
    DiagnosticReport: 'other',
    Bundle: 'other',
    constructor: 'other',
    Unheard: 'other',
  }
  for (const [resourceType, name] of Object.entries(expected)) assert.is(classesOf({ resourceType }), name, resourceType)
  assert.is(classesOf({ resourceType: 'Bundle', type: 'document' }), 'document')
})

test('observations and reports are sorted by category', () => {
  for (const name of ['laboratory', 'imaging', 'vital-signs', 'social-history', 'procedure'] as const) {
    assert.is(classesOf({ resourceType: 'Observation', category: [category(OBSERVATION, name)] }), name)
  }
  assert.is(classesOf({ resourceType: 'Observation', category: [category(OBSERVATION, 'survey')] }), 'other')
  assert.is(classesOf({ resourceType: 'Observation', category: [category('http://a.example', 'laboratory')] }), 'other')
  const service = 'http://terminology.hl7.org/CodeSystem/v2-0074'
  assert.is(classesOf({ resourceType: 'DiagnosticReport', category: [category(service, 'LAB')] }), 'laboratory')
  assert.is(classesOf({ resourceType: 'DiagnosticReport', category: [category(service, 'RAD')] }), 'imaging')
})

test('of several categories the more private one wins', () => {
  const both = [category(OBSERVATION, 'laboratory'), category(OBSERVATION, 'social-history')]
  assert.is(classesOf({ resourceType: 'Observation', category: both }), 'social-history')
  assert.is(classesOf({ resourceType: 'Observation', category: [...both].reverse() }), 'social-history')
})

test('tobacco and alcohol are social history under every category', () => {
  const code = { coding: [{ system: 'http://loinc.org', code: '72166-2' }] }
  assert.is(classesOf({ resourceType: 'Observation', code }), 'social-history')
  assert.is(classesOf({ resourceType: 'Observation', code, category: [category(OBSERVATION, 'survey')] }), 'social-history')
})

test('whatever is handed in, there is a class', () => {
  for (const value of [null, undefined, 5, 'Patient', [], {}, { resourceType: 5 }, { resourceType: 'Observation', category: 'x' }]) {
    assert.is(classesOf(value), 'other')
  }
  assert.is(classesOf({ resourceType: 'Observation', category: [null, {}, { coding: [null, 5, {}] }], code: [] }), 'other')
})

test('a generated patient has records of the main classes', () => {
  const { bundle } = generatePatient({ seed: 3, country: 'BR' })
  const found = new Set((bundle as { entry: { resource: unknown }[] }).entry.map(entry => classesOf(entry.resource)))
  for (const name of FHIR_CLASSES) {
    if (name !== 'imaging' && name !== 'device' && name !== 'other') assert.ok(found.has(name), name)
  }
  assert.not(found.has('other'))
})

test.run()
