import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describeResource } from '../../src/fhir/summary.ts'
import { generatePatient } from '../../testnet/population/patient.ts'

const test = suite('fhir/summary')

const title = (resource: object): string => describeResource(resource).title
const dateMs = (resource: object): number | null => describeResource({ resourceType: 'Observation', ...resource }).dateMs

test('an observation says what was found', () => {
  const a1c = { resourceType: 'Observation', code: { text: 'Haemoglobin A1c' }, effectiveDateTime: '2024-03-01' }
  assert.equal(describeResource({ ...a1c, valueQuantity: { value: 6.1, unit: '%' } }), {
    title: 'Haemoglobin A1c 6.1 %',
    dateMs: Date.UTC(2024, 2, 1),
  })
  assert.is(title({ ...a1c, valueQuantity: { value: 75.98241711129813, unit: 'kg' } }), 'Haemoglobin A1c 75.982 kg')
  assert.is(title({ ...a1c, valueQuantity: { value: 0.000123456, code: 'g' } }), 'Haemoglobin A1c 0.000123 g')
  assert.is(title({ ...a1c, valueQuantity: { value: 5, comparator: '<', unit: 'mg' } }), 'Haemoglobin A1c <5 mg')
  assert.is(title({ ...a1c, valueCodeableConcept: { coding: [{ display: 'Positive' }] } }), 'Haemoglobin A1c Positive')
  assert.is(title({ ...a1c, valueBoolean: false }), 'Haemoglobin A1c no')
  assert.is(title(a1c), 'Haemoglobin A1c')
})

test('a blood pressure is one value', () => {
  const part = (value: number): object => ({ code: { text: 'x' }, valueQuantity: { value, unit: 'mmHg' } })
  const pressure = { resourceType: 'Observation', code: { text: 'Blood pressure' }, component: [part(128), part(82)] }
  assert.is(title(pressure), 'Blood pressure 128/82 mmHg')
})

test('other resources say what they are about', () => {
  assert.is(title({ resourceType: 'Patient', name: [{ given: ['Ana', 'Lu'], family: 'Sá' }] }), 'Ana Lu Sá')
  assert.is(title({ resourceType: 'Condition', code: { coding: [{ display: 'Asthma' }] } }), 'Asthma')
  assert.is(title({ resourceType: 'Immunization', vaccineCode: { text: 'BCG' } }), 'BCG')
  assert.is(
    title({
      resourceType: 'MedicationRequest',
      medicationCodeableConcept: { text: 'Metformin' },
      dosageInstruction: [{ text: 'twice a day' }],
    }),
    'Metformin, twice a day',
  )
  assert.is(title({ resourceType: 'MedicationRequest', medicationReference: { display: 'Aspirin' } }), 'Aspirin')
  assert.is(title({ resourceType: 'Encounter', type: [{ text: 'Check up' }] }), 'Check up')
  assert.is(title({ resourceType: 'DocumentReference', content: [{ attachment: { title: 'Letter' } }] }), 'Letter')
  assert.is(title({ resourceType: 'MedicationAdministration' }), 'Medication administration')
})

test('dates of every precision, and the start of periods', () => {
  assert.is(dateMs({ effectiveDateTime: '2024' }), Date.UTC(2024, 0, 1))
  assert.is(dateMs({ effectiveDateTime: '2024-05' }), Date.UTC(2024, 4, 1))
  assert.is(dateMs({ effectiveDateTime: '2024-05-06T10:00:00+05:30' }), Date.UTC(2024, 4, 6, 4, 30))
  assert.is(dateMs({ issued: '2024-05-06T10:00:00.123456789Z' }), Date.UTC(2024, 4, 6, 10, 0, 0, 123))
  assert.is(dateMs({ effectivePeriod: { start: '2024-05-06', end: '2024-06-01' } }), Date.UTC(2024, 4, 6))
  assert.is(dateMs({ effectivePeriod: { end: '2024-06-01' } }), Date.UTC(2024, 5, 1))
  assert.is(describeResource({ resourceType: 'Patient', birthDate: '1950-01-02' }).dateMs, Date.UTC(1950, 0, 2))
  for (const odd of ['', 'soon', '2024-13-01', '2024-5-6', '2024-05-06T10:00', 5, null, [], {}])
    assert.is(dateMs({ effectiveDateTime: odd }), null)
})

test('a title is one printable line of bounded length', () => {
  const odd = title({ resourceType: 'Condition', code: { text: 'A\u001b[31m\nB\u202eC\u0000\u2028D\ud800' } })
  assert.is(odd, 'A [31m B C D\ufffd')
  const long = title({ resourceType: 'Condition', code: { text: '😀'.repeat(500) } })
  assert.is([...long].length, 120)
  assert.ok(long.endsWith('…'))
  assert.is(title({ resourceType: '\u001b' }), 'Unknown')
})

test('whatever is handed in, there is a title', () => {
  for (const value of [null, undefined, 5, [], {}, { resourceType: 5 }])
    assert.equal(describeResource(value), { title: 'Unknown', dateMs: null })
  const junk: unknown[] = [null, 5, 'x', [], [null], [5], {}, { coding: 5 }, { coding: [null] }, [{ given: 5 }], [{ attachment: 5 }]]
  for (const resourceType of ['Observation', 'Patient', 'Encounter', 'DocumentReference', 'MedicationRequest', 'Condition']) {
    for (const value of junk) {
      const resource = Object.fromEntries(
        ['code', 'name', 'type', 'content', 'component', 'valueQuantity', 'dosageInstruction', 'effectivePeriod', 'reasonCode'].map(key => [
          key,
          value,
        ]),
      )
      assert.ok(title({ resourceType, ...resource }).length > 0)
    }
  }
})

test('every resource of a generated patient has a telling title', () => {
  const { bundle } = generatePatient({ seed: 12, country: 'IN' })
  for (const { resource } of (bundle as { entry: { resource: { resourceType: string } }[] }).entry) {
    const described = describeResource(resource)
    assert.ok(described.title.length > 2 && described.title !== resource.resourceType, resource.resourceType)
    if (!['Organization', 'Practitioner'].includes(resource.resourceType)) assert.type(described.dateMs, 'number')
  }
})

test.run()
