/** A version as its author gives it. */
import type { RecordClass } from '../contracts/consent-terms.ts'
import type { ObjectHeader } from '../fragments/formats.ts'
import type { Content } from './record-object.ts'

/** One version to write. */
export interface RecordInput {
  /** Record of which this is a new version; left out for a new record. */
  recordId?: Uint8Array
  /** @default 1 */
  version?: number
  mediaType: string
  /** @default 'record' */
  kind?: ObjectHeader['kind']
  /** FHIR resource type, or empty. */
  resourceType?: string
  class: RecordClass
  /** Time of the content, in ms, where it has one: by it a consent may be narrowed. */
  dataTime?: number | null
  content: Content
}
