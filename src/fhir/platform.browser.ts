/** What `platform.ts` is in Node, for browsers: they validate nothing, for the definitions are tens of megabytes that a package reads from files. */
import { EpioneError } from '../encoding/errors.ts'
import type { FhirDefinitions } from './platform.ts'

/** @throws EpioneError `unsupported` always */
export async function loadDefinitions(): Promise<FhirDefinitions> {
  throw new EpioneError(
    'unsupported',
    'FHIR resources are validated in Node alone: leave `validate` out here, and validate before or after.',
  )
}
