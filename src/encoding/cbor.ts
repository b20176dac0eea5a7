import { decode as decodeDagCbor, encode as encodeDagCbor } from '@ipld/dag-cbor'
import { equalBytes } from './bytes.ts'
import { MalformedError } from './errors.ts'

/** Values that canonical bytes may hold: no floats, no maps, no tags; nothing with two encodings. */
export type Canonical = null | boolean | number | string | Uint8Array | readonly Canonical[]

/** Deepest nesting of arrays that is read. */
const MAX_DEPTH = 16

/** Canonical bytes of a value: DAG-CBOR (RFC 8949 section 4.2, IPLD DAG-CBOR) restricted to arrays, safe integers, text and bytes. */
export function encodeCanonical(value: Canonical): Uint8Array {
  assertCanonical(value, 0)
  return encodeDagCbor(value)
}

/**
 * Reads canonical bytes strictly: what does not encode back to the very same bytes is refused, for a decoder alone accepts
 * several encodings of one value.
 * @throws MalformedError
 */
export function decodeCanonical(bytes: Uint8Array, options: { maxBytes: number }): Canonical {
  if (bytes.length > options.maxBytes) {
    throw new MalformedError(`message of ${bytes.length} bytes exceeds its limit of ${options.maxBytes} bytes`)
  }
  let value: Canonical
  try {
    value = decodeDagCbor<Canonical>(bytes)
    assertCanonical(value, 0)
  } catch (error) {
    throw error instanceof MalformedError ? error : new MalformedError('bytes are not canonical CBOR')
  }
  if (!equalBytes(encodeDagCbor(value), bytes)) throw new MalformedError('bytes are not canonical CBOR')
  return value
}

function assertCanonical(value: unknown, depth: number): asserts value is Canonical {
  if (depth > MAX_DEPTH) throw new MalformedError(`nesting is deeper than ${MAX_DEPTH}`)
  if (value === null || typeof value === 'boolean' || value instanceof Uint8Array) return
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new MalformedError('number is not a safe integer')
    return
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new MalformedError('text is not well-formed Unicode')
    return
  }
  if (Array.isArray(value)) {
    for (const item of value) assertCanonical(item, depth + 1)
    return
  }
  throw new MalformedError('value is outside the canonical subset')
}
