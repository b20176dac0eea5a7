/**
 * The decision whether a consent permits a read: one function for the custodian that releases and the client that asks.
 *
 * Default deny. A provision matches where the request meets every limit that it places; its exceptions are looked at only where
 * it matches itself. Of all provisions that match, those of the greatest depth decide, and among them any deny beats every permit
 * (HL7 FHIR R4 Consent.provision, IHE PCF). A purpose covers its kinds; see purposes.ts for breaking the glass.
 */
import { equalBytes } from '../encoding/bytes.ts'
import type { Grantee, Period, Provision, Purpose, RecordClass } from './consent-terms.ts'
import { purposeCovers } from './purposes.ts'

/** What somebody asks for: one version of one record. */
export interface ConsentRequest {
  /** Signing key of the person who reads. */
  readonly reader: Uint8Array
  /** Organisation that answers for the reader. */
  readonly organisation: Uint8Array
  /** Role in which the organisation vouches for the reader. */
  readonly role: string
  readonly purpose: Purpose
  readonly class: RecordClass
  /** Time of the record's content, in ms; null where it has none. */
  readonly dataTime: number | null
  /** Organisation that wrote the record. */
  readonly author: Uint8Array
  /** Block time at which it is decided, in ms. */
  readonly time: number
}

export interface ConsentDecision {
  readonly permitted: boolean
  /**
   * The provision that decided: [0] is the consent's own, [0, i] its exception i, and so on. Empty where none matched, which
   * is a denial.
   */
  readonly path: number[]
}

/**
 * Decides. Periods include their start and exclude their end. A record without a time does not meet the limit `dataPeriod` of a
 * permit, and does meet that of a deny: what is not known never widens access.
 */
export function decide({ provision, request }: { provision: Provision; request: ConsentRequest }): ConsentDecision {
  let level: Matched[] = matches(provision, request) ? [{ provision, path: [0] }] : []
  let deepest = level
  while (level.length > 0) {
    deepest = level
    level = level.flatMap(parent =>
      parent.provision.exceptions
        .map((exception, i) => ({ provision: exception, path: [...parent.path, i] }))
        .filter(exception => matches(exception.provision, request)),
    )
  }
  const deny = deepest.find(matched => matched.provision.decision === 'deny')
  const decisive = deny ?? deepest[0]
  return { permitted: decisive !== undefined && deny === undefined, path: decisive?.path ?? [] }
}

interface Matched {
  readonly provision: Provision
  readonly path: number[]
}

function matches(provision: Provision, request: ConsentRequest): boolean {
  const { decision, grantee, purposes, classes, dataPeriod, authors, validity } = provision
  return (
    (grantee === null || isGrantee(grantee, request)) &&
    (purposes.length === 0 || purposes.some(purpose => purposeCovers(decision, purpose, request.purpose))) &&
    (classes.length === 0 || classes.includes(request.class)) &&
    (authors.length === 0 || authors.some(author => equalBytes(author, request.author))) &&
    (validity === null || isWithin(validity, request.time)) &&
    (dataPeriod === null || (request.dataTime === null ? decision === 'deny' : isWithin(dataPeriod, request.dataTime)))
  )
}

/** A person is named within an organisation: the same key under another organisation is somebody else. */
function isGrantee(grantee: Grantee, { organisation, reader, role }: ConsentRequest): boolean {
  if (!equalBytes(grantee.value.organisation, organisation)) return false
  if (grantee.type === 'person') return equalBytes(grantee.value.key, reader)
  return grantee.type === 'organisation' || grantee.value.role === role
}

function isWithin({ start, end }: Period, time: number): boolean {
  return start <= time && time < end
}
