/** The class of a resource, by which a consent can permit or deny it (DESIGN: consents name classes). */
import { isObject } from './structure-check.ts'

/** All classes; the same names, in the same order, as the consents' record classes. */
export const FHIR_CLASSES = [
  'laboratory',
  'imaging',
  'medication',
  'allergy',
  'condition',
  'immunization',
  'procedure',
  'encounter',
  'vital-signs',
  'document',
  'social-history',
  'demographics',
  'administrative',
  'device',
  'other',
] as const

export type FhirClass = (typeof FHIR_CLASSES)[number]

/** Types whose class does not depend on their content. What is not listed, and not sorted by category below, is `other`. */
const TYPES_BY_CLASS: Readonly<Partial<Record<FhirClass, readonly string[]>>> = {
  laboratory: ['Specimen', 'MolecularSequence'],
  imaging: ['ImagingStudy', 'Media'],
  medication: [
    'Medication',
    'MedicationAdministration',
    'MedicationDispense',
    'MedicationKnowledge',
    'MedicationRequest',
    'MedicationStatement',
  ],
  allergy: ['AllergyIntolerance'],
  condition: ['Condition', 'ClinicalImpression'],
  immunization: ['Immunization', 'ImmunizationEvaluation', 'ImmunizationRecommendation'],
  procedure: ['Procedure'],
  encounter: ['Appointment', 'AppointmentResponse', 'Encounter', 'EpisodeOfCare'],
  document: ['Binary', 'Composition', 'DocumentManifest', 'DocumentReference'],
  demographics: ['Patient', 'Person', 'RelatedPerson'],
  administrative: [
    'Account',
    'AuditEvent',
    'ChargeItem',
    'Claim',
    'ClaimResponse',
    'Consent',
    'Contract',
    'Coverage',
    'CoverageEligibilityRequest',
    'CoverageEligibilityResponse',
    'Endpoint',
    'EnrollmentRequest',
    'EnrollmentResponse',
    'ExplanationOfBenefit',
    'Group',
    'HealthcareService',
    'InsurancePlan',
    'Invoice',
    'Location',
    'Organization',
    'OrganizationAffiliation',
    'PaymentNotice',
    'PaymentReconciliation',
    'Practitioner',
    'PractitionerRole',
    'Provenance',
    'Schedule',
    'Slot',
  ],
  device: ['Device', 'DeviceDefinition', 'DeviceMetric', 'DeviceRequest', 'DeviceUseStatement'],
}

const CLASS_OF_TYPE: ReadonlyMap<string, FhirClass> = new Map(
  Object.entries(TYPES_BY_CLASS).flatMap(([name, types]) => types.map(type => [type, name as FhirClass] as const)),
)

/** Types that are sorted by what their category says. */
const SORTED_BY_CATEGORY: ReadonlySet<string> = new Set(['Observation', 'DiagnosticReport', 'ServiceRequest'])

const OBSERVATION_CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category'
const DIAGNOSTIC_SERVICE = 'http://terminology.hl7.org/CodeSystem/v2-0074'
const LOINC = 'http://loinc.org'
const SNOMED = 'http://snomed.info/sct'

/** Codings of `category` and their class: FHIR's observation categories, HL7 table 0074, LOINC parts (US Core), SNOMED CT. */
const CLASS_OF_CATEGORY: ReadonlyMap<string, FhirClass> = new Map<string, FhirClass>([
  [`${OBSERVATION_CATEGORY}|social-history`, 'social-history'],
  [`${OBSERVATION_CATEGORY}|imaging`, 'imaging'],
  [`${OBSERVATION_CATEGORY}|laboratory`, 'laboratory'],
  [`${OBSERVATION_CATEGORY}|vital-signs`, 'vital-signs'],
  [`${OBSERVATION_CATEGORY}|procedure`, 'procedure'],
  ...['BLB', 'CG', 'CH', 'CP', 'CT-LAB', 'GE', 'HM', 'IMM', 'LAB', 'MB', 'MCB', 'MYC', 'SP', 'SR', 'TX', 'VR'].map(
    code => [`${DIAGNOSTIC_SERVICE}|${code}`, 'laboratory'] as const,
  ),
  ...['CT', 'CUS', 'NMR', 'NMS', 'OUS', 'RAD', 'RUS', 'RX', 'VUS', 'XRC'].map(
    code => [`${DIAGNOSTIC_SERVICE}|${code}`, 'imaging'] as const,
  ),
  [`${LOINC}|LP29708-2`, 'procedure'],
  [`${LOINC}|LP29684-5`, 'imaging'],
  [`${LOINC}|LP7839-6`, 'laboratory'],
  [`${SNOMED}|108252007`, 'laboratory'],
  [`${SNOMED}|363679005`, 'imaging'],
  [`${SNOMED}|387713003`, 'procedure'],
])

/** LOINC codes of tobacco and alcohol use, which systems file under several categories or under none. */
const SOCIAL_HISTORY_CODES: ReadonlySet<string> = new Set(['72166-2', '11367-0', '63513-6', '11331-6', '74013-4'])

/** Where several categories are given, the first of these wins: the one that a patient is likelier to withhold. */
const PRECEDENCE: readonly FhirClass[] = ['social-history', 'imaging', 'procedure', 'laboratory', 'vital-signs']

/**
 * The class of a resource. Reads defensively: whatever is not recognised is `other`, so that a consent for a named class never
 * opens what nobody sorted into it.
 */
export function classesOf(resource: unknown): FhirClass {
  if (!isObject(resource) || typeof resource.resourceType !== 'string') return 'other'
  const { resourceType } = resource
  if (
    resourceType === 'Observation' &&
    codings(resource.code).some(it => it.system === LOINC && SOCIAL_HISTORY_CODES.has(String(it.code)))
  ) {
    return 'social-history'
  }
  if (SORTED_BY_CATEGORY.has(resourceType)) return classOfCategories(resource.category)
  if (resourceType === 'Bundle') return resource.type === 'document' ? 'document' : 'other'
  return CLASS_OF_TYPE.get(resourceType) ?? 'other'
}

function classOfCategories(categories: unknown): FhirClass {
  if (!Array.isArray(categories)) return 'other'
  const found = new Set<FhirClass | undefined>()
  for (const coding of (categories as unknown[]).flatMap(codings)) {
    found.add(CLASS_OF_CATEGORY.get(`${String(coding.system)}|${String(coding.code)}`))
  }
  return PRECEDENCE.find(name => found.has(name)) ?? 'other'
}

function codings(concept: unknown): Readonly<Record<string, unknown>>[] {
  return isObject(concept) && Array.isArray(concept.coding) ? (concept.coding as unknown[]).filter(isObject) : []
}
