/** An access log as FHIR AuditEvents. The room `fhir` is loaded when it is needed. */
import { toHex } from '../encoding/bytes.ts'
import type { AccessReport, ShownEntry } from './access-evidence.ts'

export interface AuditEventNames {
  /** What a person is called, where the owner knows it. */
  reader?: (entry: ShownEntry) => string | null
  /** What a version is about, where the owner knows it. */
  record?: (submissionRoot: Uint8Array, leaf: number) => string | null
}

/** A Bundle with one AuditEvent for each line of the log, checked against FHIR R4. */
export async function auditEventsOf(report: AccessReport, names: AuditEventNames = {}): Promise<Record<string, unknown>> {
  const [{ auditEventOf }, { loadValidator }] = await Promise.all([import('../fhir/audit-event.ts'), import('../fhir/validate.ts')])
  const resources = report.entries.map(shown => {
    const { entry, opening, organisation } = shown
    const good = shown.receipts.flatMap(({ receipt, flaw }) => (flaw === null ? [receipt] : []))
    const custodians = new Map(good.map(({ custodian }) => [toHex(custodian), report.nameOf(custodian)]))
    const records = new Map(
      good
        .filter(({ listed }) => !listed)
        .flatMap(({ submissionRoot, leaves }) => leaves.map(leaf => ({ submissionRoot, leaf })))
        .map(one => [`${toHex(one.submissionRoot)}/${one.leaf}`, one]),
    )
    return auditEventOf({
      folder: toHex(report.folder),
      entry: toHex(shown.id),
      recordedMs: entry.time,
      untilMs: entry.until,
      purpose: opening?.purpose ?? null,
      consent: entry.consent === null ? null : toHex(entry.consent),
      reader: opening === null ? null : { key: toHex(opening.reader), name: names.reader?.(shown) ?? null, role: opening.role },
      organisation: entry.organisation === null ? null : { id: toHex(entry.organisation), name: organisation?.name ?? null },
      custodians: [...custodians].map(([id, name]) => ({ id, name })),
      records: [...records.values()].map(({ submissionRoot, leaf }) => ({
        submission: toHex(submissionRoot),
        leaf,
        name: names.record?.(submissionRoot, leaf) ?? null,
      })),
    })
  })
  const bundle = { resourceType: 'Bundle', type: 'collection', entry: resources.map(resource => ({ resource })) }
  const validator = await loadValidator()
  validator.validate(bundle)
  return bundle
}
