/**
 * What consents are called in FHIR R4: the code systems and identifiers that both directions share. The shapes are those of IHE's Privacy
 * Consent on FHIR (PCF), as far as it goes.
 */
import { LABELS, type Label } from '../contracts/folders-formats.ts'
import { EpioneError } from '../encoding/errors.ts'

/**
 * The policy that every consent written here names: default deny; exceptions hold only where what they are an exception to matches; the
 * deepest matching provisions decide, a deny before a permit; a purpose covers its kinds but never break-glass unless it is named.
 * A consent that names this policy is read back exactly as it was written.
 */
export const POLICY = 'urn:epione:consent-policy:1'

/** Identifiers: account of a member organisation, signing key of a person, id of a network; all in hex. */
export const MEMBER_SYSTEM = 'urn:epione:member'
export const PERSON_SYSTEM = 'urn:epione:person'
export const NETWORK_SYSTEM = 'urn:epione:network'
/** Codes: roles as organisations name them, classes of records, and labels that FHIR has no code for. */
export const ROLE_SYSTEM = 'urn:epione:role'
export const CLASS_SYSTEM = 'urn:epione:record-class'
export const LABEL_SYSTEM = 'urn:epione:folder-label'

export const SCOPE_SYSTEM = 'http://terminology.hl7.org/CodeSystem/consentscope'
export const PURPOSE_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
export const PARTICIPATION_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType'
const CONFIDENTIALITY_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'
const SENSITIVITY_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
export const LOINC = 'http://loinc.org'

export interface Coding {
  readonly system: string
  readonly code: string
}

/** The security label of each folder label: PCF's codes where it names one, else HL7's, else our own. */
export const LABEL_CODINGS: Readonly<Record<Label, Coding>> = {
  normal: { system: CONFIDENTIALITY_SYSTEM, code: 'N' },
  restricted: { system: CONFIDENTIALITY_SYSTEM, code: 'R' },
  'mental-health': { system: SENSITIVITY_SYSTEM, code: 'PSY' },
  'sexual-health': { system: SENSITIVITY_SYSTEM, code: 'SEX' },
  genetic: { system: SENSITIVITY_SYSTEM, code: 'GDIS' },
  'substance-use': { system: SENSITIVITY_SYSTEM, code: 'ETH' },
  'emergency-summary': { system: LABEL_SYSTEM, code: 'emergency-summary' },
}

export function labelOfCoding({ system, code }: { system?: unknown; code?: unknown }): Label | undefined {
  return LABELS.find(label => LABEL_CODINGS[label].system === system && LABEL_CODINGS[label].code === code)
}

/** Says that an element has no counterpart on the other side. Its value is never repeated, for it may be a patient's. */
export function unsupported(element: string, why: string): EpioneError {
  return new EpioneError('consent-unsupported', `${element} cannot be converted: ${why}.`, { metadata: { element } })
}

/** The last millisecond that a FHIR date can name, in ms. */
export const LAST_FHIR_MS = Date.UTC(10_000, 0, 1) - 1
