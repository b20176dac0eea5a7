/** A FHIR R4 `Consent` as a document that somebody hands over. The room `fhir` is loaded only here. */
import { type ConsentReading, consentFromFhir } from './consent-fhir-in.ts'
import type { SharingRule } from './sharing.ts'

/**
 * The rules of a document: JSON that is parsed strictly, is valid FHIR R4, and converts without loss of meaning.
 * @throws EpioneError `not-json`, `not-fhir`, `too-large`, `consent-unsupported`
 */
export async function consentFromDocument(bytes: Uint8Array, reading: ConsentReading = {}): Promise<SharingRule[]> {
  const [{ parseJson }, { loadValidator }] = await Promise.all([import('../fhir/json-scan.ts'), import('../fhir/validate.ts')])
  const consent = parseJson(bytes)
  const validator = await loadValidator()
  validator.validate(consent)
  return consentFromFhir(consent, reading)
}
