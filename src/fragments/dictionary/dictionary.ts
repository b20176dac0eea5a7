/**
 * Compression dictionaries that this version knows, each by the SHA-256 of its bytes. What was written with a dictionary needs it for
 * ever: one that a network has ever accepted is never taken out of this list.
 */
import { equalBytes, parseHex } from '../../encoding/bytes.ts'
import { EpioneError } from '../../encoding/errors.ts'
import { sha256 } from '../../encoding/hash.ts'
import { FHIR_DICTIONARY_BASE64, FHIR_DICTIONARY_SHA256 } from './bytes.ts'

/** A Zstandard dictionary (RFC 8878, section 5). */
export interface Dictionary {
  /** SHA-256 of the bytes. */
  readonly hash: Uint8Array
  readonly bytes: Uint8Array
}

/** Hash of the dictionary that was trained on made-up FHIR resources. */
export const FHIR_DICTIONARY_HASH: Uint8Array = parseHex(FHIR_DICTIONARY_SHA256) as Uint8Array

let fhirDictionary: Dictionary | undefined

function loadFhirDictionary(): Dictionary {
  if (fhirDictionary === undefined) {
    const bytes = Uint8Array.from(atob(FHIR_DICTIONARY_BASE64), character => character.charCodeAt(0))
    if (!equalBytes(sha256(bytes), FHIR_DICTIONARY_HASH)) {
      throw new EpioneError('dictionary-damaged', 'The compression dictionary of this program is damaged: install it again.')
    }
    fhirDictionary = { hash: FHIR_DICTIONARY_HASH, bytes }
  }
  return fhirDictionary
}

/** The dictionary of this hash; undefined where this version does not know it. */
export function findDictionary(hash: Uint8Array): Dictionary | undefined {
  return equalBytes(hash, FHIR_DICTIONARY_HASH) ? loadFhirDictionary() : undefined
}

/** Hashes of the dictionaries that a new network accepts where its founders do not say otherwise. */
export const DEFAULT_DICTIONARIES: readonly Uint8Array[] = [FHIR_DICTIONARY_HASH]
