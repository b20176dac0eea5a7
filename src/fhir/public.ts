/**
 * FHIR R4 without a network, published as `epione/fhir`: documents taken apart and put together byte for byte, validation, classes of records, and what a
 * resource is about in a few words. Its definitions are large and are loaded by `loadValidator` alone.
 */
export { auditEventOf, type LoggedLook } from './audit-event.ts'
export { type BundleManifest, type FhirPart, joinFhir, MAX_BUNDLE_ENTRIES, type SplitFhir, splitFhir } from './bundle.ts'
export { classesOf, FHIR_CLASSES, type FhirClass } from './classify.ts'
export { MAX_JSON_BYTES, MAX_JSON_DEPTH, parseJson } from './json-scan.ts'
export { describeResource, type ResourceSummary } from './summary.ts'
export { type FhirValidator, loadValidator } from './validate.ts'
