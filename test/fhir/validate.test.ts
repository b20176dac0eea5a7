import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { loadValidator } from '../../src/fhir/validate.ts'
import { COUNTRIES } from '../../testnet/population/countries.ts'
import { generatePatient } from '../../testnet/population/patient.ts'
import { seededRandom } from '../../testnet/population/random.ts'

const test = suite('fhir/validate')

const validator = await loadValidator()

const patient = { resourceType: 'Patient' }
const observation = { resourceType: 'Observation', status: 'final', code: { text: 'Weight' } }
const condition = { resourceType: 'Condition', subject: { reference: 'urn:uuid:0b5f9d3e-2f63-4bd5-9d2b-1f4bd64b2a10' } }
const clinical = (code: string, system = 'http://terminology.hl7.org/CodeSystem/condition-clinical'): object => ({
  coding: [{ system, code }],
})

function refusal(input: unknown): EpioneError {
  try {
    validator.validate(input)
  } catch (error) {
    assert.instance(error, EpioneError)
    return error as EpioneError
  }
  return assert.unreachable(`accepted ${JSON.stringify(input)}`) as never
}

test('valid resources pass, as values and as bytes', () => {
  const valid = [
    patient,
    observation,
    { ...observation, valueQuantity: { value: 1.5, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' } },
    { ...patient, name: [{ given: [null, 'B'], _given: [{ extension: [{ url: 'http://a.example', valueCode: 'x' }] }, null] }] },
    { ...patient, _birthDate: { extension: [{ url: 'http://a.example', valueCode: 'unknown' }] } },
    { ...patient, contained: [{ resourceType: 'Organization', id: 'o', name: 'O' }], managingOrganization: { reference: '#o' } },
    { ...patient, language: 'xx-YY', gender: 'other' },
    { ...condition, clinicalStatus: clinical('active') },
    { ...condition, clinicalStatus: { coding: [{ code: 'local' }, ...(clinical('relapse') as { coding: object[] }).coding] } },
    { resourceType: 'Bundle', type: 'collection' },
    { resourceType: 'Parameters', parameter: [{ name: 'a', resource: observation }] },
    {
      resourceType: 'Questionnaire',
      status: 'draft',
      item: [{ linkId: '1', type: 'group', item: [{ linkId: '1.1', type: 'boolean', text: 'Well?' }] }],
    },
  ]
  for (const resource of valid) {
    validator.validate(resource)
    validator.validate(utf8(JSON.stringify(resource)))
  }
  assert.is(valid.length, 12)
})

test('generated patients pass, resource by resource and as a whole', () => {
  let resources = 0
  for (const [i, country] of COUNTRIES.entries()) {
    const { bytes, bundle } = generatePatient({ seed: 500 + i, country })
    validator.validate(bytes)
    for (const { resource } of (bundle as { entry: { resource: unknown }[] }).entry) {
      validator.validate(resource)
      resources++
    }
  }
  assert.ok(resources >= 600)
})

const REFUSED: readonly (readonly [string, unknown, string])[] = [
  ['no object', 5, 'must be a JSON object'],
  ['null', null, 'must be a JSON object'],
  ['a list', [patient], 'must be a JSON object'],
  ['no type', {}, 'resourceType is required'],
  ['a type that is no text', { resourceType: 1 }, 'resourceType is required'],
  ['an unknown type', { resourceType: 'Foo' }, 'resourceType is not a resource type'],
  ['an abstract type', { resourceType: 'DomainResource' }, 'resourceType is not a resource type'],
  ['a data type', { resourceType: 'HumanName' }, 'resourceType is not a resource type'],
  ['an inherited name as type', { resourceType: '__proto__' }, 'resourceType is not a resource type'],
  ['missing elements', { resourceType: 'Observation' }, 'Observation.status is required; Observation.code is required'],
  ['a missing inner element', { ...patient, link: [{ other: { reference: 'Patient/1' } }] }, 'Patient.link[0].type is required'],
  ['an unknown element', { ...patient, foo: 1 }, 'Patient.foo is not an element'],
  ['an unknown inner element', { ...observation, component: [{ code: { text: 'y' }, foo: 1 }] }, 'Observation.component[0].foo is not'],
  ['an inherited name as element', { ...patient, constructor: 3 }, 'Patient.constructor is not an element'],
  ['__proto__ as element', JSON.parse('{"resourceType":"Patient","__proto__":{"a":1}}'), 'a member of Patient is not an element'],
  ['a partner of a complex element', { ...patient, _name: [{ id: 'x' }] }, 'Patient._name is not an element'],
  ['text for a boolean', { ...patient, active: 'yes' }, 'Patient.active must be a boolean, not a string'],
  ['a number for text', { ...patient, name: [{ given: [1] }] }, 'Patient.name[0].given[0] must be a string, not a number'],
  ['an object for a code', { ...patient, gender: { id: 'x' } }, 'Patient.gender must be a code, not an object'],
  ['a number for an object', { ...patient, name: [5] }, 'Patient.name[0] must be an object, not a number'],
  ['a list in a list', { ...patient, name: [[{ family: 'x' }]] }, 'Patient.name[0] must be an object, not a list'],
  ['an object for a list', { ...patient, name: { family: 'x' } }, 'Patient.name must be a list'],
  ['a list for a single value', { ...patient, gender: ['male'] }, 'Patient.gender must be a single value'],
  ['an empty list', { ...patient, identifier: [] }, 'Patient.identifier must not be an empty list'],
  ['an empty object', { ...patient, name: [{}] }, 'Patient.name[0] must not be empty'],
  ['null', { ...patient, meta: null }, 'Patient.meta must not be null'],
  ['null in a list', { ...patient, name: [null] }, 'Patient.name[0] must not be null'],
  ['no date', { ...patient, birthDate: '1970-13-01' }, 'Patient.birthDate is not a valid date'],
  ['a day that does not exist', { ...patient, birthDate: '1970-02-30' }, 'Patient.birthDate is not a valid date'],
  ['a fraction for an integer', { ...patient, multipleBirthInteger: 1.5 }, 'Patient.multipleBirth[x] is not valid'],
  ['two values of a choice', { ...patient, deceasedBoolean: true, deceasedDateTime: '2020' }, 'Patient.deceased[x] must have one value'],
  ['an id of other letters', { ...patient, id: 'a b' }, 'Patient.id must be'],
  ['a broken invariant', { ...patient, extension: [{ url: 'http://a.example' }] }, 'Patient.extension[0] breaks rule ext-1'],
  ['broken base64', { ...patient, photo: [{ data: 'QUJ' }] }, 'Patient.photo[0].data is not a valid base64Binary'],
  ['a code that is not listed', { ...observation, status: 'bogus' }, 'Observation.status must be one of registered, preliminary, final'],
  ['an inner code that is not listed', { ...patient, telecom: [{ system: 'pigeon' }] }, 'Patient.telecom[0].system must be one of phone'],
  ['a code of another case', { ...observation, status: 'Final' }, 'Observation.status must be one of'],
  ['an inherited name as code', { ...observation, status: 'constructor' }, 'Observation.status must be one of'],
  [
    'a contained code that is not listed',
    { ...patient, contained: [{ ...patient, id: 'c', gender: 'x' }] },
    'Patient.contained[0].gender must',
  ],
  [
    'a code in an extension',
    { ...patient, extension: [{ url: 'http://a.example', valueContactPoint: { system: 'x' } }] },
    'Patient.extension[0].valueContactPoint.system must',
  ],
  ['a concept that is not listed', { ...condition, clinicalStatus: clinical('bogus') }, 'Condition.clinicalStatus must have a coding'],
  [
    'a concept of another system',
    { ...condition, clinicalStatus: clinical('active', 'http://a.example') },
    'Condition.clinicalStatus must',
  ],
  ['a concept without a system', { ...condition, clinicalStatus: { coding: [{ code: 'active' }] } }, 'Condition.clinicalStatus must have'],
  ['a concept of text alone', { ...condition, clinicalStatus: { text: 'active' } }, 'Condition.clinicalStatus must have a coding'],
  ['a contained type that is unknown', { ...patient, contained: [{ resourceType: 'Foo' }] }, 'Patient.contained[0].resourceType is not'],
  ['a contained text', { ...patient, contained: ['x'] }, 'Patient.contained[0] must be an object'],
  [
    'a wrong resource in a Bundle',
    { resourceType: 'Bundle', type: 'collection', entry: [{ fullUrl: 'urn:uuid:0', resource: { ...observation, status: 'x' } }] },
    'Bundle.entry[0].resource.status must be one of',
  ],
]

for (const [name, resource, message] of REFUSED) {
  test(`refused: ${name}`, () => {
    const error = refusal(resource)
    assert.is(error.code, 'not-fhir')
    assert.ok(error.message.includes(message), error.message)
    assert.ok((error.metadata.problems as number) >= 1)
  })
}

test('bytes that are not JSON are not-json', () => {
  assert.is(refusal(utf8('{"resourceType":"Patient"')).code, 'not-json')
  assert.is(refusal(utf8('{"resourceType":"Patient","id":"a","id":"b"}')).code, 'not-json')
})

test('five problems are listed and the others counted', () => {
  const error = refusal({ ...patient, a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 })
  assert.is(error.metadata.problems, 7)
  assert.match(error.message, 'Patient.e is not')
  assert.not.match(error.message, 'Patient.f')
  assert.match(error.message, 'and 2 more')
})

test('messages never quote values or odd names', () => {
  for (const resource of [
    { ...observation, status: 'hidden-value' },
    { ...patient, birthDate: 'hidden-value' },
    { ...patient, active: 'hidden-value' },
    { ...patient, id: 'hidden value' },
    { ...patient, 'hidden-name\n': 1 },
    { ...patient, name: [{ 'hidden-name "x"': 1 }] },
    { resourceType: 'hidden-type' },
    { ...patient, contained: [{ resourceType: 'hidden-type' }] },
    { ...condition, clinicalStatus: clinical('hidden-value') },
  ]) {
    const error = refusal(resource)
    assert.not.match(error.message, 'hidden')
    assert.not.match(JSON.stringify(error.metadata), 'hidden')
  }
})

test('base64 in lines and large attachments pass', () => {
  validator.validate({ ...patient, photo: [{ contentType: 'image/png', data: 'QUJD\r\nQUI=\r\n' }] })
  validator.validate({ ...patient, photo: [{ contentType: 'image/png', data: 'QUJD'.repeat(1_000_000) }] })
  assert.is(refusal({ ...patient, photo: [{ data: 'QUJD\nQUJ' }] }).code, 'not-fhir')
})

test('the validator is loaded once', async () => {
  assert.is(await loadValidator(), validator)
})

test('altered resources pass or are refused on purpose', () => {
  const seed = 4711
  const random = seededRandom(seed)
  const { bundle } = generatePatient({ seed })
  const resources = (bundle as { entry: { resource: object }[] }).entry.map(entry => entry.resource)
  const junk: readonly unknown[] = [
    null,
    0,
    -1.5,
    'x',
    '',
    true,
    [],
    {},
    [[]],
    [null],
    { a: 1 },
    { resourceType: 'Patient' },
    ['x', {}],
    '__proto__',
  ]
  let refused = 0
  for (let round = 0; round < 1500; round++) {
    const copy = structuredClone(random.pick(resources)) as Record<string, unknown>
    let place = copy
    for (let depth = random.int(0, 3); depth > 0; depth--) {
      const inner = Object.values(place).filter(value => typeof value === 'object' && value !== null)
      if (inner.length > 0) place = random.pick(inner) as Record<string, unknown>
    }
    const keys = Object.keys(place)
    const key =
      keys.length > 0 && random.chance(0.8) ? random.pick(keys) : random.pick(['extension', '_status', 'contained', 'text', 'zzz'])
    place[key] = random.pick(junk)
    try {
      validator.validate(copy)
    } catch (error) {
      assert.instance(error, EpioneError, `seed ${seed} round ${round}: ${String(error)}`)
      assert.is((error as EpioneError).code, 'not-fhir')
      refused++
    }
  }
  assert.ok(refused > 1000, `seed ${seed}: only ${refused} refused`)
})

test.run()
