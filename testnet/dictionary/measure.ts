/**
 * What the compression dictionary saves: `node testnet/dictionary/measure.ts [folder of FHIR documents]`. Without a folder it measures
 * made-up patients on which the dictionary was not trained.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { contentOf, objectPlaintextLength, prepareContent } from '../../src/client/record-object.ts'
import { objectLength } from '../../src/crypto/object-stream.ts'
import { type Dictionary, FHIR_DICTIONARY_HASH, findDictionary } from '../../src/fragments/dictionary/dictionary.ts'
import { objectHeaderCodec } from '../../src/fragments/formats.ts'
import { fragmentLength } from '../../src/fragments/layout.ts'
import { type Row, table } from '../bench/table.ts'
import { generatePatient } from '../population/patient.ts'
import { compact, type Sample, samplesOfDocument, samplesOfSeeds, spread } from './samples.ts'

/** Patients that the dictionary has not seen. */
const HELD_OUT = { from: 9000, to: 9010 }
const MOST = 3000
const CODE = { n: 4, k: 2 }

export interface StoredBytes {
  count: number
  /** Sums over the samples, in bytes: as given; compressed; as ciphertext, padded; as n fragments. */
  given: number
  compressed: number
  ciphertext: number
  fragments: number
}

/** Bytes that these resources take, each written as one version with a header of usual length. */
export async function storedBytes(samples: readonly Sample[], dictionary: Dictionary | null): Promise<StoredBytes> {
  const sum: StoredBytes = { count: samples.length, given: 0, compressed: 0, ciphertext: 0, fragments: 0 }
  for (const { bytes, resourceType } of samples) {
    const prepared = await prepareContent(contentOf(bytes), dictionary)
    const header = objectHeaderCodec.encode({
      version: 1,
      mediaType: 'application/fhir+json',
      kind: 'record',
      encoding: prepared.encoding,
      dictionary: prepared.dictionary,
      size: prepared.size,
      storedSize: prepared.stored.size,
      contentHash: prepared.contentHash,
      resourceType,
      time: 1_700_000_000_000,
      author: { organisation: new Uint8Array(32), key: new Uint8Array(32), role: 'physician', signature: new Uint8Array(64) },
    })
    const size = objectLength(objectPlaintextLength(header, prepared.stored.size))
    sum.given += bytes.length
    sum.compressed += prepared.stored.size
    sum.ciphertext += size
    sum.fragments += CODE.n * fragmentLength(size, CODE.n, CODE.k)
  }
  return sum
}

async function rowsOf(what: string, samples: readonly Sample[]): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, dictionary] of [
    ['without', null],
    ['with', findDictionary(FHIR_DICTIONARY_HASH) ?? null],
  ] as const) {
    const { count, given, compressed, ciphertext, fragments } = await storedBytes(samples, dictionary)
    const mean = (sum: number): string => `${Math.round(sum / count)} B`
    rows.push({
      what: `${what}, ${name} dictionary`,
      result: `${mean(given)} -> ${mean(compressed)}`,
      conditions: `mean of ${count}; ciphertext ${mean(ciphertext)}, ${CODE.n} fragments ${mean(fragments)}`,
    })
  }
  return rows
}

async function main(folder: string | undefined): Promise<void> {
  const given =
    folder === undefined
      ? samplesOfSeeds(HELD_OUT.from, HELD_OUT.to)
      : readdirSync(folder)
          .filter(name => name.endsWith('.json'))
          .flatMap(name => samplesOfDocument(readFileSync(join(folder, name))))
  const isObservation = ({ resourceType }: Sample): boolean => resourceType === 'Observation'
  const rows = [
    ...(await rowsOf('Observation, no white space', spread(given.filter(isObservation), MOST).map(compact))),
    ...(await rowsOf('any resource, no white space', spread(given, MOST).map(compact))),
    ...(await rowsOf('Observation as given', spread(given.filter(isObservation), MOST))),
    ...(await rowsOf('any resource as given', spread(given, MOST))),
  ]
  process.stdout.write(`${table(rows)}\n`)
  if (folder !== undefined) return
  const history = samplesOfDocument(generatePatient({ seed: HELD_OUT.from }).bytes)
  const before = await storedBytes(history, null)
  const after = await storedBytes(history, findDictionary(FHIR_DICTIONARY_HASH) ?? null)
  process.stdout.write(
    `\none patient's history, ${history.length} resources, ${before.given} B as given, ${CODE.k} of ${CODE.n}: ` +
      `${before.fragments} B of fragments without the dictionary, ${after.fragments} B with it\n`,
  )
}

await main(process.argv[2])
