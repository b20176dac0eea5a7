import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { encodeCanonical } from '../../src/encoding/cbor.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { joinFhir, MAX_BUNDLE_ENTRIES, MAX_MANIFEST_BYTES, splitFhir } from '../../src/fhir/bundle.ts'
import { COUNTRIES } from '../../testnet/population/countries.ts'
import { generatePatient } from '../../testnet/population/patient.ts'
import { seededRandom } from '../../testnet/population/random.ts'

const test = suite('fhir/bundle')

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function roundTrip(bytes: Uint8Array): Uint8Array {
  const { manifest, resources } = splitFhir(bytes)
  assert.ok(manifest)
  return joinFhir(
    manifest,
    resources.map(resource => Uint8Array.from(resource.bytes)),
  )
}

function refused(action: () => unknown): EpioneError {
  try {
    action()
  } catch (error) {
    assert.instance(error, EpioneError)
    return error as EpioneError
  }
  return assert.unreachable('accepted') as never
}

test('a resource is given back whole, with the white space around it', () => {
  const bytes = utf8(' {"id":"a1","resourceType":"Observation","valueQuantity":{"value":1.50}}\n')
  const split = splitFhir(bytes)
  assert.is(split.kind, 'resource')
  assert.is(split.resourceType, 'Observation')
  assert.is(split.manifest, undefined)
  assert.is(split.resources.length, 1)
  assert.is(split.resources[0]?.id, 'a1')
  assert.ok(equalBytes(split.resources[0]?.bytes as Uint8Array, bytes))
})

test('generated Bundles come back byte-identical', () => {
  for (const [i, country] of COUNTRIES.entries()) {
    const { bytes, bundle } = generatePatient({ seed: 100 + i, country })
    const split = splitFhir(bytes)
    const entries = (bundle as { entry: { resource: { resourceType: string; id: string } }[] }).entry
    assert.is(split.kind, 'bundle')
    assert.is(split.resources.length, entries.length)
    split.resources.forEach((part, k) => {
      assert.equal(JSON.parse(text(part.bytes)), entries[k]?.resource)
      assert.is(part.resourceType, entries[k]?.resource.resourceType)
      assert.is(part.id, entries[k]?.resource.id)
    })
    assert.ok(equalBytes(roundTrip(bytes), bytes), `seed ${100 + i}`)
  }
})

test('every kind of Bundle that is kept comes back byte-identical', () => {
  for (const type of ['collection', 'transaction', 'batch', 'document', 'searchset', 'history']) {
    const bytes = utf8(`{"resourceType":"Bundle","type":"${type}","entry":[{"resource":{"resourceType":"Patient"}}]}`)
    assert.is(splitFhir(bytes).resources.length, 1)
    assert.ok(equalBytes(roundTrip(bytes), bytes), type)
  }
})

test('unusual spellings come back byte-identical', () => {
  const bundles: [string, number][] = [
    ['{"resourceType":"Bundle","type":"collection"}', 0],
    ['{"resourceType":"Bundle","type":"collection","entry":[]}', 0],
    ['{"entry":[{"resource":{"n":1.50,"resourceType":"A1"}}],"type":"batch","resourceType":"Bundle"}', 1],
    [
      '\r\n\t{ "type" :\n"history" , "entry" : [ { "resource" : { "resourceType" : "Patient" } , "fullUrl" : "x" } ] ,"resourceType":"Bundle" } \n',
      1,
    ],
    [
      '{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"a"},{"resource":{"resourceType":"B"}},{"request":{"method":"DELETE","url":"B/1"}}]}',
      1,
    ],
    [
      '{"\\u0072esourceType":"B\\u0075ndle","ty\\u0070e":"collecti\\u006fn","ent\\u0072y":[{"re\\u0073ource":{"resourceTyp\\u0065":"\\u0042"}}]}',
      1,
    ],
    [
      '{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"B","v":[1.50,1e2,-0.0,1E+2,100,1.0e-7,12345678901234567890.10]}}]}',
      1,
    ],
    [
      '{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"B","t":"}]\\"{[\\\\\\/é😀\\ud83d\\ude00\\ud800"}}]}',
      1,
    ],
    [
      '{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"B"}},{"resource":{"resourceType":"B"}}],"é":"ünten😀"}',
      2,
    ],
  ]
  for (const [bundle, count] of bundles) {
    const bytes = utf8(bundle)
    assert.is(splitFhir(bytes).resources.length, count, bundle)
    assert.is(text(roundTrip(bytes)), bundle)
  }
})

test('a Bundle inside a resource stays inside', () => {
  const inner = '{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p"}}]}'
  const bytes = utf8(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":${inner}}]}`)
  const split = splitFhir(bytes)
  assert.equal(
    split.resources.map(part => [part.resourceType, text(part.bytes)]),
    [['Bundle', inner]],
  )
  assert.ok(equalBytes(roundTrip(bytes), bytes))
})

test('parts of a Buffer are plain byte arrays, wherever the Buffer begins', () => {
  const padded = Buffer.from(`xxxx{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"}}]}`)
  const split = splitFhir(padded.subarray(4))
  assert.is(Buffer.isBuffer(split.resources[0]?.bytes), false)
  assert.is(text(split.resources[0]?.bytes as Uint8Array), '{"resourceType":"Patient"}')
})

test('what is not JSON or not FHIR is refused with the reason', () => {
  const cases: [string, string, string][] = [
    ['', 'not-json', 'line 1, column 1'],
    ['{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"B",}}]}', 'not-json', 'column'],
    [
      '{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"A"},"resource":{"resourceType":"B"}}]}',
      'not-json',
      'named twice',
    ],
    ['{"resourceType":"Patient"} trailing', 'not-json', 'goes on'],
    ['[]', 'not-fhir', 'object is expected'],
    ['"Patient"', 'not-fhir', 'object is expected'],
    ['{}', 'not-fhir', 'resourceType is missing'],
    ['{"resourceType":5}', 'not-fhir', 'resourceType is missing'],
    ['{"resourceType":""}', 'not-fhir', 'resourceType is missing'],
    ['{"resourceType":"No such type!"}', 'not-fhir', 'not the name'],
    ['{"resourceType":"Bundle"}', 'not-fhir', 'Bundle.type is required'],
    ['{"resourceType":"Bundle","type":7}', 'not-fhir', 'Bundle.type is required'],
    ['{"resourceType":"Bundle","type":"message"}', 'not-fhir', 'Bundle.type must be'],
    ['{"resourceType":"Bundle","type":"batch","entry":{}}', 'not-fhir', 'must be a list'],
    ['{"resourceType":"Bundle","type":"batch","entry":[{},null]}', 'not-fhir', 'Bundle.entry[1]'],
    ['{"resourceType":"Bundle","type":"batch","entry":[{"resource":[]}]}', 'not-fhir', 'Bundle.entry[0].resource must'],
    ['{"resourceType":"Bundle","type":"batch","entry":[{},{"resource":{"id":"x"}}]}', 'not-fhir', 'Bundle.entry[1].resource.resourceType'],
  ]
  for (const [document, code, part] of cases) {
    const error = refused(() => splitFhir(utf8(document)))
    assert.is(error.code, code, document)
    assert.ok(error.message.includes(part), `${document}: ${error.message}`)
  }
})

test('entries that belong to no Bundle are left alone', () => {
  const bytes = utf8('{"entry":[5],"type":3,"resourceType":"List"}')
  assert.is(splitFhir(bytes).kind, 'resource')
})

test('entries are bounded', () => {
  const bundle = (count: number): Uint8Array =>
    utf8(`{"resourceType":"Bundle","type":"collection","entry":[${Array(count).fill('{"resource":{"resourceType":"B"}}').join(',')}]}`)
  const most = bundle(MAX_BUNDLE_ENTRIES)
  assert.is(splitFhir(most).resources.length, MAX_BUNDLE_ENTRIES)
  assert.ok(equalBytes(roundTrip(most), most))
  assert.is(refused(() => splitFhir(bundle(MAX_BUNDLE_ENTRIES + 1))).code, 'too-large')
  assert.is(refused(() => splitFhir(bundle(3 * MAX_BUNDLE_ENTRIES))).code, 'too-large')
})

test('what lies outside of the resources is bounded', () => {
  const note = 'x'.repeat(MAX_MANIFEST_BYTES - 200)
  const fits = utf8(`{"resourceType":"Bundle","type":"collection","n":"${note}","entry":[{"resource":{"resourceType":"B"}}]}`)
  assert.ok(equalBytes(roundTrip(fits), fits))
  const over = utf8(`{"resourceType":"Bundle","type":"collection","n":"${note}${'x'.repeat(300)}"}`)
  assert.is(refused(() => splitFhir(over)).code, 'too-large')
})

test('other resources than those taken out are refused', () => {
  const bytes = utf8(
    '{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"A"}},{"resource":{"resourceType":"B"}}]}',
  )
  const { manifest, resources } = splitFhir(bytes)
  assert.ok(manifest)
  const [a, b] = resources.map(part => part.bytes) as [Uint8Array, Uint8Array]
  assert.ok(equalBytes(joinFhir(manifest, [a, b]), bytes))
  for (const parts of [[], [a], [a, b, a], [b, a], [a, a], [a, utf8('{"resourceType":"BB"}')]]) {
    assert.is(refused(() => joinFhir(manifest, parts)).code, 'malformed')
  }
})

test('an altered manifest is refused', () => {
  const bytes = utf8('{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"A"}}]}')
  const { manifest, resources } = splitFhir(bytes)
  assert.ok(manifest)
  const parts = resources.map(part => part.bytes)
  const seed = 7
  const random = seededRandom(seed)
  for (let round = 0; round < 400; round++) {
    const altered = Uint8Array.from(manifest)
    const at = random.int(0, altered.length - 1)
    altered[at] = (altered[at] as number) ^ (1 << random.int(0, 7))
    assert.is(refused(() => joinFhir(altered, parts)).code, 'malformed', `seed ${seed} round ${round}`)
  }
  for (let length = 0; length < manifest.length; length += 7) {
    assert.is(refused(() => joinFhir(manifest.subarray(0, length), parts)).code, 'malformed')
  }
})

test('a manifest whose cuts overlap or lie outside is refused', () => {
  const rest = utf8('[]')
  const parts = [utf8('{"a":1}'), utf8('{"b":2}')]
  for (const positions of [
    [1, 3],
    [9, 1],
    [1, 50],
    [4_000_000, 4_000_007],
  ]) {
    const manifest = encodeCanonical([1, sha256(rest), rest, positions.map(position => [position, 7])])
    assert.is(refused(() => joinFhir(manifest, parts)).code, 'malformed')
  }
})

test('altered documents are refused on purpose or come back byte-identical', () => {
  const seed = 99
  const random = seededRandom(seed)
  const original = utf8(
    '{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"A","id":"1","v":1.50}},{"fullUrl":"u"}]}',
  )
  const letters = [...utf8('{}[]",:\\ 1e')]
  let whole = 0
  for (let round = 0; round < 4000; round++) {
    const bytes = Uint8Array.from(original)
    bytes[random.int(0, bytes.length - 1)] = random.pick(letters)
    const context = `seed ${seed} round ${round}`
    try {
      const { kind } = splitFhir(bytes)
      if (kind !== 'bundle') continue
      assert.ok(equalBytes(roundTrip(bytes), bytes), context)
      whole++
    } catch (error) {
      assert.ok(['not-json', 'not-fhir'].includes(errorCode(error)), `${context}: ${String(error)}`)
    }
  }
  assert.ok(whole > 50, `seed ${seed}: only ${whole} came through`)
})

test.run()
