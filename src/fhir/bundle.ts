/**
 * Cuts a FHIR R4 document into its resources and joins them again, byte for byte. Nothing is parsed into numbers and written anew,
 * so 1.50 stays 1.50.
 */
import { concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { HASH_LENGTH, sha256 } from '../encoding/hash.ts'
import { byteString, codec, fixedBytes, type Infer, integer, list, oneOf, struct } from '../encoding/schema.ts'
import { JsonScanner, MAX_JSON_BYTES } from './json-scan.ts'

/** Most entries that a Bundle may have. */
export const MAX_BUNDLE_ENTRIES = 10_000

/** Longest manifest, in bytes: 16 MiB. It holds all of a Bundle that lies outside of its resources. */
export const MAX_MANIFEST_BYTES = 16 * 1024 * 1024

/** Bundle types that are kept resource by resource. */
const SPLIT_TYPES: ReadonlySet<string> = new Set(['collection', 'transaction', 'batch', 'document', 'searchset', 'history'])

/** A FHIR type name as it may be repeated in a message. */
const TYPE_NAME = /^[A-Za-z][A-Za-z0-9]{0,63}$/

/** What brings a Bundle back: its bytes without the resources, and where those were. */
const manifestSchema = struct({
  version: oneOf(1),
  /** SHA-256 of the original Bundle, so that a wrong or altered resource never joins in silence. */
  digest: fixedBytes(HASH_LENGTH),
  /** The original bytes with all `entry[i].resource` ranges taken out. */
  rest: byteString(MAX_MANIFEST_BYTES),
  /** The ranges that were taken out, in ascending order; positions and lengths are bytes of the original. */
  cuts: list(struct({ position: integer(MAX_JSON_BYTES), length: integer(MAX_JSON_BYTES, 2) }), MAX_BUNDLE_ENTRIES),
})

const manifestCodec = codec(manifestSchema, MAX_MANIFEST_BYTES)

export type BundleManifest = Infer<typeof manifestSchema>

export interface FhirPart {
  /** The resource exactly as it stands in the document: a view, not a copy. */
  bytes: Uint8Array
  resourceType: string
  id?: string
}

export interface SplitFhir {
  kind: 'resource' | 'bundle'
  /** `Bundle` for a Bundle, else the type of the one resource. */
  resourceType: string
  /** In the order of the document; one, with the bytes of the whole document, where `kind` is `resource`. */
  resources: FhirPart[]
  /** Canonical bytes for `joinFhir`; only where `kind` is `bundle`. */
  manifest?: Uint8Array
}

/** What one entry of a Bundle looked like. */
interface Entry {
  isObject: boolean
  resource?: Shape
}

/** What the head of a resource looked like, and where it stands. */
interface Shape {
  isObject: boolean
  start: number
  end: number
  /** Absent where `resourceType` is missing or no string. */
  resourceType?: string
  id?: string
}

/**
 * Cuts a document into its resources. A Bundle of type collection, transaction, batch, document, searchset or history gives one part
 * per `entry[i].resource`; an entry without a resource stays in the manifest; a Bundle inside a resource stays inside.
 * The parts are not validated here beyond having a `resourceType`.
 * @throws EpioneError `not-json`, `not-fhir`, `too-large`
 */
export function splitFhir(document: Uint8Array): SplitFhir {
  // A plain view: slices of a Buffer would be Buffers.
  const bytes = new Uint8Array(document.buffer, document.byteOffset, document.length)
  const scanner = new JsonScanner(bytes)
  if (scanner.peek() !== 'object') {
    scanner.skip()
    scanner.end()
    throw notFhir('the document is not a FHIR resource: a JSON object is expected')
  }
  let resourceType: string | undefined
  let id: string | undefined
  let type: string | undefined
  let hasType = false
  let entries: Entry[] | undefined
  let entryIsList = true
  scanner.object(name => {
    if (name === 'resourceType') resourceType = scanner.string()
    else if (name === 'id') id = scanner.string()
    else if (name === 'type' && scanner.peek() === 'string') {
      hasType = true
      type = scanner.string()
    } else if (name === 'entry') {
      // Read before it is known whether this is a Bundle at all, for `resourceType` may come last: the verdict waits.
      if (scanner.peek() === 'array') entries = readEntries(scanner)
      else entryIsList = false
    }
  })
  scanner.end()

  if (resourceType === undefined || resourceType === '') throw notFhir('the document is not a FHIR resource: resourceType is missing')
  if (resourceType !== 'Bundle') return { kind: 'resource', resourceType, resources: [part(bytes, resourceType, id)] }
  if (!hasType || type === undefined) throw notFhir('Bundle.type is required')
  if (!SPLIT_TYPES.has(type)) {
    throw notFhir(`Bundle.type must be one of ${[...SPLIT_TYPES].join(', ')}; a Bundle of another type is not kept as records`)
  }
  if (!entryIsList) throw notFhir('Bundle.entry must be a list')
  const resources = (entries ?? []).flatMap((entry, i) => entryPart(bytes, entry, i))
  return { kind: 'bundle', resourceType, resources, manifest: encodeManifest(bytes, resources) }
}

/**
 * Gives the document back, byte-identical.
 * @param manifest of `splitFhir`
 * @param resources the parts' bytes in their order
 * @throws MalformedError where the manifest is malformed or the resources are not those that it was made with
 */
export function joinFhir(manifest: Uint8Array, resources: readonly Uint8Array[]): Uint8Array {
  const { digest, rest, cuts } = manifestCodec.decode(manifest)
  if (resources.length !== cuts.length) {
    throw new MalformedError(`the Bundle has ${cuts.length} resources, ${resources.length} were given`)
  }
  const pieces: Uint8Array[] = []
  let position = 0
  let used = 0
  cuts.forEach((cut, i) => {
    const gap = cut.position - position
    const resource = resources[i] as Uint8Array
    if (gap < 0 || used + gap > rest.length) throw new MalformedError('the manifest names a cut outside of its Bundle')
    if (resource.length !== cut.length) throw new MalformedError(`resource ${i} of the Bundle is not the one that was taken out`)
    pieces.push(rest.subarray(used, used + gap), resource)
    used += gap
    position = cut.position + cut.length
  })
  pieces.push(rest.subarray(used))
  const joined = concat(...pieces)
  if (!equalBytes(sha256(joined), digest)) throw new MalformedError('the resources are not those that were taken out of this Bundle')
  return joined
}

function readEntries(scanner: JsonScanner): Entry[] {
  const entries: Entry[] = []
  scanner.array(index => {
    // Counting stops at one above the limit, which alone is refused; the rest is only scanned.
    if (index > MAX_BUNDLE_ENTRIES) return
    const entry: Entry = { isObject: scanner.peek() === 'object' }
    entries.push(entry)
    if (!entry.isObject) return
    scanner.object(name => {
      if (name === 'resource') entry.resource = readShape(scanner)
    })
  })
  return entries
}

function readShape(scanner: JsonScanner): Shape {
  if (scanner.peek() !== 'object') return { isObject: false, ...scanner.skip() }
  let resourceType: string | undefined
  let id: string | undefined
  const { start, end } = scanner.object(name => {
    if (name === 'resourceType') resourceType = scanner.string()
    else if (name === 'id') id = scanner.string()
  })
  return { isObject: true, start, end, resourceType, id }
}

function entryPart(bytes: Uint8Array, entry: Entry, index: number): FhirPart[] {
  if (index >= MAX_BUNDLE_ENTRIES) {
    throw new EpioneError('too-large', `the Bundle has more than ${MAX_BUNDLE_ENTRIES} entries; split it`, {
      metadata: { limit: MAX_BUNDLE_ENTRIES },
    })
  }
  if (!entry.isObject) throw notFhir(`Bundle.entry[${index}] must be an object`)
  const shape = entry.resource
  if (shape === undefined) return []
  if (!shape.isObject) throw notFhir(`Bundle.entry[${index}].resource must be an object`)
  if (shape.resourceType === undefined || shape.resourceType === '') {
    throw notFhir(`Bundle.entry[${index}].resource.resourceType is missing`)
  }
  return [part(bytes.subarray(shape.start, shape.end), shape.resourceType, shape.id)]
}

function part(bytes: Uint8Array, resourceType: string, id: string | undefined): FhirPart {
  if (!TYPE_NAME.test(resourceType)) throw notFhir('resourceType is not the name of a FHIR type')
  return id === undefined ? { bytes, resourceType } : { bytes, resourceType, id }
}

function encodeManifest(bytes: Uint8Array, resources: readonly FhirPart[]): Uint8Array {
  const cuts = resources.map(resource => ({ position: resource.bytes.byteOffset - bytes.byteOffset, length: resource.bytes.length }))
  const kept: Uint8Array[] = []
  let position = 0
  for (const cut of cuts) {
    kept.push(bytes.subarray(position, cut.position))
    position = cut.position + cut.length
  }
  kept.push(bytes.subarray(position))
  const restLength = kept.reduce((sum, piece) => sum + piece.length, 0)
  // A cut takes at most eleven bytes (a tuple of two integers below 2^32), the other fields fewer than 64.
  if (restLength + cuts.length * 11 + 64 > MAX_MANIFEST_BYTES) {
    throw new EpioneError(
      'too-large',
      `the Bundle has ${restLength} bytes outside of its resources; its manifest may have ${MAX_MANIFEST_BYTES}`,
      {
        metadata: { bytes: restLength, limit: MAX_MANIFEST_BYTES },
      },
    )
  }
  return manifestCodec.encode({ version: 1, digest: sha256(bytes), rest: concat(...kept), cuts })
}

function notFhir(message: string): EpioneError {
  return new EpioneError('not-fhir', message)
}
