/** What records take on a network, and what custodians say when they take no more. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { type PutOptions, putRecords } from '../../src/client/put.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { concat, equalBytes } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { FHIR_DICTIONARY_HASH } from '../../src/fragments/dictionary/dictionary.ts'
import { compact, type Sample, samplesOfSeeds } from '../../testnet/dictionary/samples.ts'
import { generateBytes } from '../../testnet/population/random.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, openFolder } from './cluster.ts'

const test = suite('volume')

test('FHIR is written with the dictionary and read back; what is too large is refused by name; the status tells limits and use', async () => {
  await using cluster = await Cluster.start({ node: { custody: { maxVersionBytes: 20_000, minFreeBytes: 2 ** 30 } } })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const { address, wallet, owned } = await openFolder(peer, author, 'volume')
  const { bytes } = compact(samplesOfSeeds(7000, 7001).find(({ resourceType }) => resourceType === 'Observation') as Sample)
  const put = async (content: Uint8Array, mediaType: string, options: PutOptions = {}) =>
    await putRecords(peer, author, address, [{ mediaType, class: 'laboratory', content: contentOf(content) }], options)
  const short = await put(bytes, 'application/fhir+json')
  const long = await put(bytes, 'application/fhir+json', { dictionary: null })
  assert.ok(short.size < 0.8 * long.size, `${short.size} bytes with, ${long.size} without`)

  const session = await openOwnSession(peer, wallet, owned)
  const { versions } = await listVersions(peer, session, {})
  const dictionaries: (Uint8Array | null)[] = []
  for await (const version of readVersions(peer, session, versions)) {
    const parts: Uint8Array[] = []
    for await (const part of version.content) parts.push(part.slice())
    assert.ok(equalBytes(concat(...parts), bytes))
    dictionaries.push(version.header.dictionary)
  }
  assert.is(dictionaries.length, 2)
  assert.ok(dictionaries.some(hash => hash !== null && equalBytes(hash, FHIR_DICTIONARY_HASH)) && dictionaries.includes(null))

  await rejectsCode(put(bytes, 'application/fhir+json', { dictionary: sha256(bytes) }), 'dictionary-not-accepted')
  const parts: Uint8Array[] = []
  for await (const part of generateBytes(1, 30_000)) parts.push(part.slice())
  const error = await rejectsCode(put(concat(...parts), 'application/dicom'), 'too-few-receipts')
  assert.match(error.message, /\(too-large\)/)

  const { storage, findings } = cluster.node(0).status()
  assert.equal(storage.limits, { bytes: 2 ** 30, organisationBytes: 2 ** 29, versionBytes: 20_000 })
  assert.is(storage.disk?.state, 'ok')
  assert.not(findings.some(({ code }) => /disk|quota|read-only/.test(code)))
  const held = [0, 1, 2, 3].map(index => cluster.node(index).status().storage)
  for (const { organisations, bytes: stored } of held) {
    assert.is(organisations.length, 1)
    assert.is(organisations[0]?.bytes, stored)
  }
  assert.equal(cluster.errors(), [])
})

test.run()
