import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  bundleFromVersions,
  collectionOf,
  FHIR_MANIFEST_MEDIA_TYPE,
  FHIR_MEDIA_TYPE,
  type FhirVersion,
  loadDescriber,
  recordsFromFhir,
} from '../../src/client/fhir-records.ts'
import type { RecordInput } from '../../src/client/put.ts'
import { RECORD_CLASSES } from '../../src/contracts/consent-terms.ts'
import { concat, equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { MAX_SUBMISSION_VERSIONS } from '../../src/fragments/formats.ts'
import { COUNTRIES } from '../../testnet/population/countries.ts'
import { generatePatient } from '../../testnet/population/patient.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { ROOT, staticClosure } from '../laws.ts'

const test = suite('client/fhir-records')
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

async function contentOf({ content }: RecordInput): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of content.open()) parts.push(part)
  return concat(...parts)
}

/** What a reader has of these inputs, the last first: their order must not matter. */
async function asRead(inputs: readonly RecordInput[], keep: (leaf: number) => boolean = () => true): Promise<FhirVersion[]> {
  const read = await Promise.all(
    inputs.map(async (input, leaf) => ({
      leaf,
      header: { kind: input.kind ?? ('record' as const), mediaType: input.mediaType },
      bytes: await contentOf(input),
    })),
  )
  return read.filter(({ leaf }) => keep(leaf)).reverse()
}

const BUNDLE = utf8(`{ "resourceType":"Bundle","type":"transaction" , "entry":[
  {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","birthDate":"1931-04-01"},"request":{"method":"POST","url":"Patient"}},
  {"resource":{"resourceType":"Observation","status":"final","code":{"text":"Weight"},"effectiveDateTime":"2024-02-03",
    "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],
    "valueQuantity":{"value":71.50,"unit":"kg"}},"request":{"method":"POST","url":"Observation"}}
]}
`)

test('a Bundle is one version per resource and a manifest at the end', async () => {
  const { kind, inputs, resourceTypes } = await recordsFromFhir(BUNDLE, { validate: false })
  assert.is(kind, 'bundle')
  assert.equal(resourceTypes, { Patient: 1, Observation: 1 })
  assert.equal(
    inputs.map(({ kind, mediaType, resourceType, class: recordClass, dataTime }) => [kind, mediaType, resourceType, recordClass, dataTime]),
    [
      // Times begin with 1970.
      [undefined, FHIR_MEDIA_TYPE, 'Patient', 'demographics', 0],
      [undefined, FHIR_MEDIA_TYPE, 'Observation', 'vital-signs', Date.UTC(2024, 1, 3)],
      ['manifest', FHIR_MANIFEST_MEDIA_TYPE, undefined, 'administrative', undefined],
    ],
  )
  assert.match(text(await contentOf(inputs[1] as RecordInput)), '71.50')
  assert.ok(inputs.every(({ recordId, version }) => recordId === undefined && version === undefined))
})

test('a whole submission gives the document back byte-identical, in whatever order it was read', async () => {
  const documents = [BUNDLE, ...COUNTRIES.slice(0, 2).map((country, i) => generatePatient({ seed: 40 + i, country }).bytes)]
  for (const document of documents) {
    const { inputs } = await recordsFromFhir(document, { validate: false })
    const back = await bundleFromVersions(await asRead(inputs), inputs.length)
    assert.ok(equalBytes(back.bytes, document))
    assert.equal([back.whole, back.others], [true, 0])
  }
  const single = utf8(' {"resourceType":"Basic","code":{"text":"x"}}\n')
  const { kind, inputs } = await recordsFromFhir(single)
  assert.equal([kind, inputs.length], ['resource', 1])
  const back = await bundleFromVersions(await asRead(inputs), 1)
  assert.ok(back.whole && equalBytes(back.bytes, single))
})

test('what a consent hides is missing from a collection Bundle, which says so', async () => {
  const { inputs } = await recordsFromFhir(BUNDLE, { validate: false })
  const withoutPatient = await bundleFromVersions(await asRead(inputs, leaf => leaf !== 0), 3)
  assert.is(withoutPatient.whole, false)
  const bundle = JSON.parse(text(withoutPatient.bytes))
  assert.equal([bundle.type, bundle.entry.length, bundle.entry[0].resource.resourceType], ['collection', 1, 'Observation'])
  assert.match(text(withoutPatient.bytes), '71.50')

  const withoutManifest = await bundleFromVersions(await asRead(inputs, leaf => leaf !== 2), 3)
  assert.is(withoutManifest.whole, false)
  assert.is(JSON.parse(text(withoutManifest.bytes)).entry.length, 2)

  // One resource of several is not taken for a document of its own.
  assert.is((await bundleFromVersions(await asRead(inputs, leaf => leaf === 1), 3)).whole, false)
  const manifestAlone = await bundleFromVersions(await asRead(inputs, leaf => leaf === 2), 3)
  assert.equal(JSON.parse(text(manifestAlone.bytes)), { resourceType: 'Bundle', type: 'collection' })
})

test('all resources under a manifest that is not theirs are refused', async () => {
  const { inputs } = await recordsFromFhir(BUNDLE, { validate: false })
  const read = await asRead(inputs)
  const forged = read.map(version => (version.leaf === 0 ? { ...version, bytes: utf8('{"resourceType":"Patient"}') } : version))
  await rejectsCode(bundleFromVersions(forged, 3), 'malformed')
})

test('files in a submission are counted, and one without FHIR is no document', async () => {
  const file: FhirVersion = { leaf: 3, header: { kind: 'record', mediaType: 'application/pdf' }, bytes: utf8('%PDF') }
  const { inputs } = await recordsFromFhir(BUNDLE, { validate: false })
  const joined = await bundleFromVersions([...(await asRead(inputs)), file], 4)
  assert.is(joined.others, 1)
  assert.ok(equalBytes(joined.bytes, BUNDLE))
  await rejectsCode(bundleFromVersions([file], 1), 'not-fhir')
})

test('a known record gets its next version, also twice in one document', async () => {
  const recordId = new Uint8Array(32).fill(9)
  const patient = '{"resourceType":"Patient","id":"p"}'
  const document = utf8(
    `{"resourceType":"Bundle","type":"collection","entry":[{"resource":${patient}},{"resource":${patient}},{"resource":{"resourceType":"Patient","id":"q"}},{"resource":{"resourceType":"Basic","id":"p"}}]}`,
  )
  const { inputs } = await recordsFromFhir(document, { validate: false, recordIds: new Map([['Patient/p', { recordId, version: 3 }]]) })
  assert.equal(
    inputs.map(({ recordId: id, version }) => [id === undefined ? null : toHex(id), version]),
    [
      [toHex(recordId), 4],
      [toHex(recordId), 5],
      [null, undefined],
      [null, undefined],
      [null, undefined],
    ],
  )
})

test('validation: not JSON, not FHIR, too many resources; nothing is given', async () => {
  const notJson = await rejectsCode(recordsFromFhir(utf8('{"resourceType":"Patient",\n}')), 'not-json')
  assert.match(notJson.message, 'line 2, column 1')
  const notFhir = await rejectsCode(recordsFromFhir(utf8('{"resourceType":"Patient","gender":"green"}')), 'not-fhir')
  assert.match(notFhir.message, 'Patient.gender')
  assert.not.match(notFhir.message, 'green')
  await rejectsCode(recordsFromFhir(utf8('[]')), 'not-fhir')
  const entries = Array.from({ length: MAX_SUBMISSION_VERSIONS }, () => '{"resource":{"resourceType":"Basic"}}').join(',')
  await rejectsCode(recordsFromFhir(utf8(`{"resourceType":"Bundle","type":"batch","entry":[${entries}]}`)), 'too-many-versions')
})

test('a Bundle without entries is a manifest alone and comes back', async () => {
  const empty = utf8('{"resourceType":"Bundle","type":"searchset","total":0}')
  const { inputs } = await recordsFromFhir(empty)
  assert.is(inputs.length, 1)
  assert.ok(equalBytes((await bundleFromVersions(await asRead(inputs), 1)).bytes, empty))
})

test('resources are described in one line', async () => {
  const describe = await loadDescriber()
  const described = describe(utf8('{"resourceType":"Condition","code":{"text":"Asthma\\u001b[2J"},"onsetDateTime":"1968-05"}'))
  assert.equal(described, { title: 'Asthma [2J', dateMs: Date.UTC(1968, 4, 1), recordClass: 'condition' })
  assert.ok(RECORD_CLASSES.includes(described.recordClass))
  assert.is(text(collectionOf([])), '{"resourceType":"Bundle","type":"collection"}')
})

test('the room of FHIR is loaded only when it is needed', () => {
  const { files } = staticClosure('src/client/fhir-records.ts', path => readFileSync(join(ROOT, path), 'utf8'))
  assert.equal(
    [...files].filter(path => path.startsWith('src/fhir/')),
    [],
  )
})

test.run()
