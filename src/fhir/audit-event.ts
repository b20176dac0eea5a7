/** A look at records as a FHIR R4 AuditEvent, after IHE Basic Audit Log Patterns (BALP), profile PatientRead. */

const PROFILE = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead'
const DICOM = 'http://dicom.nema.org/resources/ontology/DCM'
const REST = 'http://hl7.org/fhir/restful-interaction'
const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role'
const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type'

/** One line of an access log, with what is known of it. */
export interface LoggedLook {
  /** Ids as hex. */
  readonly folder: string
  readonly entry: string
  readonly recordedMs: number
  readonly untilMs: number
  readonly purpose: string | null
  readonly consent: string | null
  /** Null where no custodian has told who it was. */
  readonly reader: { readonly key: string; readonly name: string | null; readonly role: string } | null
  /** Who answers for the reader; null for the owner. */
  readonly organisation: { readonly id: string; readonly name: string | null } | null
  readonly custodians: readonly { readonly id: string; readonly name: string | null }[]
  /** What was released. */
  readonly records: readonly { readonly submission: string; readonly leaf: number; readonly name: string | null }[]
}

const identifier = (kind: string, value: string): object => ({ identifier: { system: `urn:epione:${kind}`, value } })
const named = (reference: object, display: string | null): object => (display === null ? reference : { ...reference, display })
const coding = (system: string, code: string, display: string): object => ({ system, code, display })
const period = (ms: number): string => new Date(ms).toISOString()

/** The look as an AuditEvent. Of a session in which nothing was released it is an attempt to open, and claims no profile. */
export function auditEventOf(look: LoggedLook): Record<string, unknown> {
  const { reader, organisation, records, custodians } = look
  const isRead = records.length > 0
  return {
    resourceType: 'AuditEvent',
    id: look.entry,
    ...(isRead ? { meta: { profile: [PROFILE] } } : {}),
    type: coding('http://terminology.hl7.org/CodeSystem/audit-event-type', 'rest', 'RESTful Operation'),
    subtype: isRead ? [coding(REST, 'read', 'read')] : [coding(REST, 'search-type', 'search-type')],
    action: isRead ? 'R' : 'E',
    period: { start: period(look.recordedMs), end: period(look.untilMs) },
    recorded: period(look.recordedMs),
    outcome: '0',
    ...(look.purpose === null
      ? {}
      : { purposeOfEvent: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: look.purpose }] }] }),
    agent: [
      {
        type: { coding: [coding(DICOM, '110153', 'Source Role ID')] },
        who:
          organisation === null
            ? named(identifier('folder', look.folder), "the folder's owner")
            : named(identifier('account', organisation.id), organisation.name),
        requestor: reader === null,
      },
      ...(reader === null
        ? []
        : [
            {
              type: { coding: [coding('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP', 'information recipient')] },
              role: [{ text: reader.role }],
              who: named(identifier('reader', reader.key), reader.name),
              requestor: true,
              ...(look.consent === null ? {} : { policy: [`urn:epione:consent:${look.consent}`] }),
            },
          ]),
      ...custodians.map(custodian => ({
        type: { coding: [coding(DICOM, '110152', 'Destination Role ID')] },
        who: named(identifier('account', custodian.id), custodian.name),
        requestor: false,
      })),
    ],
    source: {
      observer: named(identifier('ledger', look.entry), 'the access log of the ledger'),
      type: [coding('http://terminology.hl7.org/CodeSystem/security-source-type', '5', 'Security Server')],
    },
    entity: [
      {
        what: named(identifier('folder', look.folder), 'the patient of this folder'),
        type: coding(ENTITY_TYPE, '1', 'Person'),
        role: coding(OBJECT_ROLE, '1', 'Patient'),
      },
      ...records.map(({ submission, leaf, name }) => ({
        what: named(identifier('version', `${submission}:${leaf}`), name),
        type: coding(ENTITY_TYPE, '2', 'System Object'),
        role: coding(OBJECT_ROLE, '4', 'Domain Resource'),
      })),
    ],
  }
}
