import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { COUNTRIES } from '../../testnet/population/countries.ts'
import { CHART_END_MS, generatePatient } from '../../testnet/population/patient.ts'

const test = suite('population/patient')

interface Resource {
  resourceType: string
  id: string
  [name: string]: unknown
}

interface Quantity {
  value: number
}

const resourcesOf = (bundle: object): Resource[] => (bundle as { entry: { resource: Resource }[] }).entry.map(entry => entry.resource)

const codeOf = (resource: Resource): string => (resource.code as { coding: { code: string }[] }).coding[0]?.code as string

/** Values of a laboratory code in order of time. */
function series(resources: readonly Resource[], loinc: string): number[] {
  return resources
    .filter(resource => resource.resourceType === 'Observation' && codeOf(resource) === loinc)
    .sort((a, b) => Date.parse(a.effectiveDateTime as string) - Date.parse(b.effectiveDateTime as string))
    .map(resource => (resource.valueQuantity as Quantity).value)
}

/** All strings `reference` anywhere in a value. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => (name === 'reference' && typeof inner === 'string' ? [inner] : references(inner)))
}

test('a seed gives the same bytes, another seed others', () => {
  const first = generatePatient({ seed: 42, country: 'KE' })
  assert.ok(equalBytes(first.bytes, generatePatient({ seed: 42, country: 'KE' }).bytes))
  assert.not(equalBytes(first.bytes, generatePatient({ seed: 43, country: 'KE' }).bytes))
  assert.not(equalBytes(first.bytes, generatePatient({ seed: 42, country: 'IN' }).bytes))
  assert.equal(first.bundle, JSON.parse(new TextDecoder().decode(first.bytes)))
})

test('the bytes of a seed are those of every other machine', () => {
  assert.is(toHex(sha256(generatePatient({ seed: 1 }).bytes)), '39739476a48d56a6825bb7d663e2dc1756bf62baebe025adbe5f1da7512be257')
})

test('a country is drawn where none is named', () => {
  const found = new Set(Array.from({ length: 24 }, (_, seed) => generatePatient({ seed }).identifiers[0]?.slice(0, 2)))
  assert.equal([...found].sort(), [...COUNTRIES].sort())
})

for (const country of COUNTRIES) {
  test(`${country}: charts are whole`, () => {
    for (let seed = 0; seed < 12; seed++) {
      const context = `${country} seed ${seed}`
      const { bundle, bytes, name, identifiers } = generatePatient({ seed, country })
      const { entry, type } = bundle as { type: string; entry: { fullUrl: string; resource: Resource; request: object }[] }
      assert.is(type, 'transaction')
      assert.ok(entry.length >= 150, `${context}: ${entry.length} resources`)
      const urls = new Set(entry.map(item => item.fullUrl))
      assert.is(urls.size, entry.length, context)
      for (const { fullUrl, resource, request } of entry) {
        assert.is(fullUrl, `urn:uuid:${resource.id}`)
        assert.match(resource.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        assert.equal(request, { method: 'POST', url: resource.resourceType })
        for (const reference of references(resource)) assert.ok(urls.has(reference), `${context}: ${reference}`)
      }
      const resources = resourcesOf(bundle)
      const types = new Set(resources.map(resource => resource.resourceType))
      for (const wanted of [
        'Patient',
        'Organization',
        'Practitioner',
        'Encounter',
        'Condition',
        'Observation',
        'MedicationRequest',
        'AllergyIntolerance',
        'Immunization',
        'Procedure',
        'DiagnosticReport',
        'DocumentReference',
      ]) {
        assert.ok(types.has(wanted), `${context}: no ${wanted}`)
      }
      const text = new TextDecoder().decode(bytes)
      assert.match(text, /: \d+\.\d*0,?\n/)
      assert.ok(text.includes(JSON.stringify(name)), context)
      const patients = resources.filter(resource => resource.resourceType === 'Patient')
      assert.equal(
        patients.map(patient => (patient.identifier as { value: string }[]).map(identifier => identifier.value)),
        [identifiers],
      )
    }
  })

  test(`${country}: nothing lies before the birth or after the end`, () => {
    const { bundle } = generatePatient({ seed: 77, country })
    const resources = resourcesOf(bundle)
    const birth = Date.parse(resources.find(resource => resource.resourceType === 'Patient')?.birthDate as string)
    for (const resource of resources) {
      for (const key of [
        'effectiveDateTime',
        'onsetDateTime',
        'recordedDate',
        'authoredOn',
        'occurrenceDateTime',
        'abatementDateTime',
        'date',
      ]) {
        const value = resource[key]
        if (typeof value !== 'string') continue
        const time = Date.parse(value)
        assert.ok(time >= birth && time <= CHART_END_MS, `${resource.resourceType}.${key} ${value}`)
      }
    }
  })
}

test('a dose of one and a half tablets keeps its digits', () => {
  const texts = Array.from({ length: 12 }, (_, seed) => new TextDecoder().decode(generatePatient({ seed }).bytes))
  assert.ok(texts.some(text => text.includes('"value": 1.50')))
})

test('letters read as text and name the patient', () => {
  const { bundle, name } = generatePatient({ seed: 8, country: 'BR' })
  const letters = resourcesOf(bundle).filter(resource => resource.resourceType === 'DocumentReference')
  assert.ok(letters.length >= 8)
  for (const letter of letters) {
    const [content] = letter.content as { attachment: { data: string; size: number } }[]
    const bytes = Buffer.from(content?.attachment.data as string, 'base64')
    assert.is(bytes.length, content?.attachment.size)
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    assert.ok(text.includes(name) && text.includes('Prezados colegas'))
  }
})

test('findings follow the illnesses', () => {
  let diabetics = 0
  let others = 0
  for (let seed = 200; seed < 240; seed++) {
    const resources = resourcesOf(generatePatient({ seed }).bundle)
    const conditions = resources.filter(resource => resource.resourceType === 'Condition')
    const a1c = series(resources, '4548-4')
    assert.ok(a1c.length >= 8, `seed ${seed}`)
    const diabetes = conditions.find(condition => codeOf(condition) === '44054006')
    if (diabetes === undefined) {
      others++
      assert.ok(Math.max(...a1c) < 6.2, `seed ${seed}: HbA1c ${a1c.join(' ')}`)
    } else {
      diabetics++
      assert.ok(Math.max(...a1c) > 6.2, `seed ${seed}: HbA1c ${a1c.join(' ')}`)
      const drugs = resources.filter(resource => resource.resourceType === 'MedicationRequest')
      assert.ok(
        drugs.some(drug => JSON.stringify(drug).includes('A10BA02')),
        `seed ${seed}: no metformin`,
      )
    }
    const [total, triglycerides, hdl, ldl] = ['2093-3', '2571-8', '2085-9', '13457-7'].map(code => series(resources, code))
    total?.forEach((value, i) => {
      const rest = (hdl?.[i] as number) + (ldl?.[i] as number) + (triglycerides?.[i] as number) / 5
      assert.ok(Math.abs(value - rest) <= 1, `seed ${seed}: lipids do not add up`)
    })
  }
  assert.ok(diabetics > 3 && others > 3)
})

test('a patient who is allergic to penicillin is given none', () => {
  let allergic = 0
  for (let seed = 0; seed < 80; seed++) {
    const text = new TextDecoder().decode(generatePatient({ seed, country: 'DE' }).bytes)
    if (!text.includes('Allergy to penicillin')) continue
    allergic++
    assert.not.match(text, 'J01CA04')
  }
  assert.ok(allergic > 3)
})

test('staff is the same for all patients of a country', () => {
  const staff = (seed: number): Resource[] =>
    resourcesOf(generatePatient({ seed, country: 'IN' }).bundle).filter(({ resourceType }) =>
      ['Organization', 'Practitioner'].includes(resourceType),
    )
  assert.equal(staff(1), staff(2))
})

test.run()
