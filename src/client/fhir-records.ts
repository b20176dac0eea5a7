/**
 * FHIR documents as records and back: a resource is one version, a Bundle one version per resource and a manifest. The room `fhir` is
 * loaded when it is needed, for its definitions weigh 450 MB while they load.
 */

import { concat, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { MAX_SUBMISSION_VERSIONS, type ObjectHeader } from '../fragments/formats.ts'
import type { RecordInput } from './put.ts'
import { contentOf } from './record-object.ts'

/** Media type of a FHIR resource's version. */
export const FHIR_MEDIA_TYPE = 'application/fhir+json'
/** Media type of the version that puts a Bundle together again. */
export const FHIR_MANIFEST_MEDIA_TYPE = 'application/vnd.epione.fhir-manifest'
/** Longest FHIR document that is taken, in bytes. */
export const MAX_FHIR_BYTES = 64 * 1024 * 1024

/** A record that the author knows already, and its newest version. */
export interface KnownRecord {
  readonly recordId: Uint8Array
  readonly version: number
}

export interface FhirRecordsOptions {
  /** Whether the document is checked against FHIR R4 (about a second to load). @default true */
  validate?: boolean
  /** Records of which resources are new versions, by type and id: `Patient/17`. */
  recordIds?: ReadonlyMap<string, KnownRecord>
}

export interface FhirRecords {
  kind: 'resource' | 'bundle'
  /** The resources in the order of the document; for a Bundle its manifest behind them. */
  inputs: RecordInput[]
  /** Number of resources by type, in the order in which the types first appear. */
  resourceTypes: Record<string, number>
}

/**
 * Versions for `putRecords` from a FHIR R4 document, each with its class and date. The bytes stay as they are.
 * @throws EpioneError `not-json` (metadata `line`, `column`), `not-fhir`, `too-large`, `too-many-versions`
 */
export async function recordsFromFhir(document: Uint8Array, options: FhirRecordsOptions = {}): Promise<FhirRecords> {
  const { splitFhir } = await import('../fhir/bundle.ts')
  const split = splitFhir(document)
  const versions = split.resources.length + (split.manifest === undefined ? 0 : 1)
  if (versions > MAX_SUBMISSION_VERSIONS) {
    throw new EpioneError(
      'too-many-versions',
      `The Bundle has ${split.resources.length} resources; ${MAX_SUBMISSION_VERSIONS - 1} are stored together. Split it.`,
      { metadata: { resources: split.resources.length, limit: MAX_SUBMISSION_VERSIONS - 1 } },
    )
  }
  if (options.validate !== false) {
    const { loadValidator } = await import('../fhir/validate.ts')
    const validator = await loadValidator()
    validator.validate(document)
  }
  const describe = await loadDescriber()
  const updates = new Updates(options.recordIds)
  const inputs: RecordInput[] = []
  const resourceTypes: Record<string, number> = {}
  for (const { bytes, resourceType, id } of split.resources) {
    const { recordClass, dateMs } = describe(bytes)
    resourceTypes[resourceType] = (resourceTypes[resourceType] ?? 0) + 1
    inputs.push({
      ...(id === undefined ? {} : updates.next(`${resourceType}/${id}`)),
      mediaType: FHIR_MEDIA_TYPE,
      resourceType,
      class: recordClass,
      // Times begin at the epoch: what happened before counts as its first moment, and so do the periods of consents.
      dataTime: dateMs === null ? null : Math.max(0, dateMs),
      content: contentOf(bytes),
    })
  }
  if (split.manifest !== undefined) {
    inputs.push({ mediaType: FHIR_MANIFEST_MEDIA_TYPE, kind: 'manifest', class: 'administrative', content: contentOf(split.manifest) })
  }
  return { kind: split.kind, inputs, resourceTypes }
}

/** Counts on from what is known, also where a document holds several states of one resource. */
class Updates {
  readonly #newest: Map<string, KnownRecord>

  constructor(known: ReadonlyMap<string, KnownRecord> = new Map()) {
    this.#newest = new Map(known)
  }

  next(name: string): { recordId?: Uint8Array; version?: number } {
    const known = this.#newest.get(name)
    if (known === undefined) return {}
    const next = { recordId: known.recordId, version: known.version + 1 }
    this.#newest.set(name, next)
    return next
  }
}

/** A version of a submission as it was read. */
export interface FhirVersion {
  /** Position in the submission. */
  readonly leaf: number
  readonly header: Pick<ObjectHeader, 'kind' | 'mediaType'>
  readonly bytes: Uint8Array
}

export interface FhirDocument {
  bytes: Uint8Array
  /** Whether it is the document as it was written; else a `collection` Bundle of those resources that could be read. */
  whole: boolean
  /** Versions that are neither a FHIR resource nor a manifest, and are not in the document. */
  others: number
}

/**
 * The document that a submission holds. A Bundle is given back byte-identical; where a consent hides versions of it that is not
 * possible, and a `collection` Bundle of the rest is given.
 * @param versions what was read of one submission
 * @param total number of versions that the submission has
 * @throws EpioneError `malformed` where a manifest does not belong to the resources; `not-fhir` where there is no FHIR at all
 */
export async function bundleFromVersions(versions: readonly FhirVersion[], total: number): Promise<FhirDocument> {
  const sorted = versions.toSorted((a, b) => a.leaf - b.leaf)
  const manifest = sorted.find(({ header }) => header.kind === 'manifest')
  const resources = sorted.filter(isResource)
  const others = sorted.length - resources.length - (manifest === undefined ? 0 : 1)
  if (resources.length === 0 && manifest === undefined) {
    throw new EpioneError('not-fhir', 'There is no FHIR resource in it; files are read one by one, by the id of their record.')
  }
  const parts = resources.map(({ bytes }) => bytes)
  if (manifest !== undefined) {
    const { joinFhir } = await import('../fhir/bundle.ts')
    try {
      // The manifest knows the Bundle's digest: it alone says whether these are all.
      return { bytes: joinFhir(manifest.bytes, parts), whole: true, others }
    } catch (error) {
      if (sorted.length === total) throw error
    }
  }
  const [only] = parts
  if (total === 1 && only !== undefined) return { bytes: only, whole: true, others }
  return { bytes: collectionOf(parts), whole: false, others }
}

function isResource({ header }: FhirVersion): boolean {
  return header.kind === 'record' && header.mediaType === FHIR_MEDIA_TYPE
}

/** A `collection` Bundle of resources, each with its bytes as they are. */
export function collectionOf(resources: readonly Uint8Array[]): Uint8Array {
  const pieces: Uint8Array[] = [utf8('{"resourceType":"Bundle","type":"collection"')]
  resources.forEach((resource, i) => {
    pieces.push(utf8(i === 0 ? ',"entry":[{"resource":' : '},{"resource":'), resource)
  })
  // FHIR has no empty lists: a Bundle without entries leaves them out.
  pieces.push(utf8(resources.length === 0 ? '}' : '}]}'))
  return concat(...pieces)
}

export interface ResourceDescription {
  /** One printable line in plain words. */
  title: string
  /** When it happened, in ms since the epoch (before 1970 below zero), or null. */
  dateMs: number | null
  recordClass: RecordInput['class']
}

/** Describes a resource from its bytes. */
export type Describer = (resource: Uint8Array) => ResourceDescription

/** What describes resources, loaded at first use. @throws of what it gives: EpioneError `not-json`, `too-large` */
export async function loadDescriber(): Promise<Describer> {
  const [{ parseJson }, { classesOf }, { describeResource }] = await Promise.all([
    import('../fhir/json-scan.ts'),
    import('../fhir/classify.ts'),
    import('../fhir/summary.ts'),
  ])
  return resource => {
    const value = parseJson(resource)
    return { ...describeResource(value), recordClass: classesOf(value) }
  }
}
