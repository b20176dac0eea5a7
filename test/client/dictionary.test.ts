import { zstdDecompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { unzstd, zstd } from '../../src/client/platform.ts'
import {
  chooseDictionary,
  contentOf,
  objectPlaintext,
  objectPlaintextLength,
  prepareContent,
  readObject,
} from '../../src/client/record-object.ts'
import { objectLength } from '../../src/crypto/object-stream.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { DEFAULT_DICTIONARIES, type Dictionary, FHIR_DICTIONARY_HASH, findDictionary } from '../../src/fragments/dictionary/dictionary.ts'
import { type ObjectHeader, objectHeaderCodec } from '../../src/fragments/formats.ts'
import { fragmentLength } from '../../src/fragments/layout.ts'
import { compact, type Sample, samplesOfSeeds } from '../../testnet/dictionary/samples.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'

const test = suite('client/dictionary')
const dictionary = findDictionary(FHIR_DICTIONARY_HASH) as Dictionary
const FHIR = 'application/fhir+json'
const other = sha256(new Uint8Array(1))

/** Resources of patients whom the dictionary has not seen. */
const held = samplesOfSeeds(7000, 7003)

function headerOf(change: Partial<ObjectHeader>): Uint8Array {
  return objectHeaderCodec.encode({
    version: 1,
    mediaType: FHIR,
    kind: 'record',
    encoding: 'zstd',
    dictionary: FHIR_DICTIONARY_HASH,
    size: 0,
    storedSize: 0,
    contentHash: new Uint8Array(32),
    resourceType: 'Observation',
    time: 1_700_000_000_000,
    author: { organisation: new Uint8Array(32), key: new Uint8Array(32), role: 'physician', signature: new Uint8Array(64) },
    ...change,
  })
}

async function written(bytes: Uint8Array, change: Partial<ObjectHeader> = {}): Promise<Uint8Array> {
  const { stored, encoding, size, contentHash, dictionary: hash } = await prepareContent(contentOf(bytes), dictionary)
  const header = headerOf({ encoding, dictionary: hash, size, storedSize: stored.size, contentHash, ...change })
  const parts: Uint8Array[] = []
  for await (const part of objectPlaintext(header, stored)) parts.push(part.slice())
  return concat(...parts)
}

async function read(plaintext: Uint8Array): Promise<Uint8Array> {
  const { content } = await readObject(contentOf(plaintext).open())
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return concat(...parts)
}

/** Mean bytes of the samples, with a dictionary and without. */
async function means(samples: readonly Sample[]): Promise<{ given: number; plain: number; with: number }> {
  const sums = { given: 0, plain: 0, with: 0 }
  for (const { bytes } of samples) {
    sums.given += bytes.length / samples.length
    sums.plain += (await prepareContent(contentOf(bytes))).stored.size / samples.length
    sums.with += (await prepareContent(contentOf(bytes), dictionary)).stored.size / samples.length
  }
  return sums
}

test('the dictionary is its hash, and a trained one', () => {
  assert.ok(equalBytes(sha256(dictionary.bytes), FHIR_DICTIONARY_HASH))
  assert.is(dictionary.bytes.length, 16_384)
  // RFC 8878, section 5: the magic number of a dictionary with entropy tables.
  assert.is(toHex(dictionary.bytes.subarray(0, 4)), '37a430ec')
  assert.is(findDictionary(other), undefined)
  assert.ok(DEFAULT_DICTIONARIES.every(hash => findDictionary(hash) !== undefined))
})

test(
  'resources come back as they were given, and the header names the dictionary',
  property(async random => {
    for (let round = 0; round < 40; round++) {
      const sample = random.pick(held)
      const { bytes } = random.below(2) === 0 ? sample : compact(sample)
      const plaintext = await written(bytes)
      const { header } = await readObject(contentOf(plaintext).open())
      assert.equal([header.encoding, header.dictionary], ['zstd', FHIR_DICTIONARY_HASH])
      assert.ok(equalBytes(await read(plaintext), bytes))
    }
  }),
)

test('small records of patients it was not trained on take less than half of what they took', async () => {
  const observations = held.filter(({ resourceType }) => resourceType === 'Observation').slice(0, 300)
  const dense = await means(observations.map(compact))
  assert.ok(dense.given > 800 && dense.with < 200 && dense.with < dense.plain / 2.5, JSON.stringify(dense))
  const given = await means(observations)
  assert.ok(given.with < 300 && given.with < given.plain / 2, JSON.stringify(given))
})

test('a frame names no dictionary and needs it: the bytes alone say nothing of it', async () => {
  const { bytes } = compact(held.find(({ resourceType }) => resourceType === 'Observation') as Sample)
  const frame = await zstd(bytes, dictionary.bytes)
  // Frame header descriptor (RFC 8878, 3.1.1.1.1): its two lowest bits are the dictionary id's length.
  assert.is((frame[4] as number) & 3, 0)
  assert.throws(() => zstdDecompressSync(frame))
  assert.ok(equalBytes(await unzstd(frame, bytes.length, dictionary.bytes), bytes))
  assert.is(await unzstd(frame, bytes.length - 1, dictionary.bytes).catch(() => 'refused'), 'refused')
})

test('what names a dictionary that is not known, or in the wrong place, is refused', async () => {
  const { bytes } = compact(held[0] as Sample)
  await rejectsCode(read(await written(bytes, { dictionary: other })), 'unknown-dictionary')
  await rejectsCode(read(await written(bytes, { dictionary: null })), 'malformed-object')
  await rejectsCode(read(await written(bytes.subarray(0, 3), { dictionary: FHIR_DICTIONARY_HASH })), 'malformed-object')
})

test('a writer takes the first accepted dictionary that it knows, for JSON, and no other', () => {
  const accepted = [other, FHIR_DICTIONARY_HASH]
  assert.is(chooseDictionary(FHIR, accepted), dictionary)
  assert.is(chooseDictionary('application/json; charset=utf-8', accepted), dictionary)
  assert.is(chooseDictionary('application/dicom', accepted), null)
  assert.is(chooseDictionary(FHIR, [other]), null)
  assert.is(chooseDictionary(FHIR, []), null)
  assert.is(chooseDictionary(FHIR, accepted, null), null)
  assert.is(chooseDictionary(FHIR, accepted, FHIR_DICTIONARY_HASH), dictionary)
  throwsCode(() => chooseDictionary(FHIR, [other], FHIR_DICTIONARY_HASH), 'dictionary-not-accepted')
  throwsCode(() => chooseDictionary('text/plain', [], FHIR_DICTIONARY_HASH), 'dictionary-not-accepted')
  throwsCode(() => chooseDictionary(FHIR, accepted, other), 'unknown-dictionary')
})

test(
  'what falls into one size class looks alike: ciphertext and fragments have one length',
  property(async random => {
    const classes = new Map<number, Set<string>>()
    for (let round = 0; round < 3000; round++) {
      const length = random.below(random.pick([400, 4000, 2_000_000]))
      const header = headerOf({ resourceType: 'X'.repeat(random.below(40)), storedSize: length })
      const plaintext = objectPlaintextLength(header, length)
      const size = objectLength(plaintext)
      const shape = `${size} ${fragmentLength(size, 4, 2)} ${fragmentLength(size, 48, 16)} ${Math.ceil(Math.log2(size))}`
      classes.set(plaintext, (classes.get(plaintext) ?? new Set()).add(shape))
      assert.ok(plaintext >= 256 && plaintext - 4 - header.length - length <= Math.max(256, 0.12 * plaintext), `${length}`)
    }
    for (const shapes of classes.values()) assert.is(shapes.size, 1)
    // Below 2 MiB there are 24 classes to a power of two at most, and 256 bytes are the least.
    assert.ok(classes.size < 13 * 32, `${classes.size} classes`)
  }),
)

test('two contents of one class become ciphertexts of one length, whatever they compress to', async () => {
  const sizes = new Map<number, number>()
  const seen = new Set<number>()
  for (const sample of held.slice(0, 400).map(compact)) {
    const plaintext = await written(sample.bytes)
    seen.add(sample.bytes.length)
    sizes.set(plaintext.length, (sizes.get(plaintext.length) ?? 0) + 1)
  }
  assert.ok(sizes.size * 4 < seen.size, `${seen.size} lengths of content became ${sizes.size} lengths of plaintext`)
})

test.run()
