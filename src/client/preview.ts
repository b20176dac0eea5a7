/**
 * What somebody would see under a provision, before it is granted: the very decision that custodians make, over the versions that are
 * there. Pure.
 */
import { type ConsentDecision, type ConsentRequest, decide } from '../contracts/consent-decision.ts'
import type { Grantee, Provision, Purpose, RecordClass } from '../contracts/consent-terms.ts'
import type { Label } from '../contracts/folders-formats.ts'
import { toHex } from '../encoding/bytes.ts'

/** Who would ask, why and when. */
export type PreviewReader = Pick<ConsentRequest, 'reader' | 'organisation' | 'role' | 'purpose' | 'time'>

/** What a decision needs to know of a version. */
export type PreviewVersion = Pick<ConsentRequest, 'class' | 'dataTime' | 'author'>

/** One version of the owner's list, with the label of the folder that holds it. */
export interface OwnVersion extends PreviewVersion {
  readonly label: Label
  readonly recordId: Uint8Array
  readonly version: number
}

/**
 * Why a record would not be seen: its folder is not shared at all; its class, its author, its date or its want of a date is outside of
 * what is permitted; an exception denies it; or the purpose is another.
 */
export type Unseen = 'folder' | 'class' | 'author' | 'date' | 'undated' | 'exception' | 'purpose'

/** Records of one class in folders of one label, counted. */
export interface Counted {
  readonly label: Label
  readonly class: RecordClass
  readonly records: number
}

export interface Preview {
  readonly purpose: Purpose
  readonly sees: readonly Counted[]
  readonly hidden: readonly (Counted & { readonly why: Unseen })[]
}

/** The verdict on one version. */
export function previewVersion(provision: Provision, reader: PreviewReader, version: PreviewVersion): ConsentDecision {
  const { class: recordClass, dataTime, author } = version
  return decide({ provision, request: { ...reader, class: recordClass, dataTime, author } })
}

/** A key that nobody has and a role that nobody is in: any member of a role or an organisation, whom no exception names. */
const ANYBODY = new Uint8Array(32)
const ANY_ROLE = ''

/** Somebody to whom a provision applies. `role` is the one in which a person acts, where it is known. */
export function readerOf(grantee: Grantee, input: { purpose: Purpose; time: number; role?: string }): PreviewReader {
  const { organisation } = grantee.value
  const { purpose, time } = input
  return {
    organisation,
    purpose,
    time,
    reader: grantee.type === 'person' ? grantee.value.key : ANYBODY,
    role: grantee.type === 'role' ? grantee.value.role : (input.role ?? ANY_ROLE),
  }
}

/**
 * Counts what would be seen of the owner's versions. `provisionOf` gives the provisions under which the folder of a version would be
 * shared: none where it would not be. A record is seen if any version of it is, and then counts with the class of the newest one seen,
 * as a list of records shows it.
 */
export function previewVersions<V extends OwnVersion>(
  versions: readonly V[],
  reader: PreviewReader,
  provisionOf: (version: V) => readonly Provision[],
): Preview {
  const sees = new Map<string, Counted>()
  const hidden = new Map<string, Counted & { why: Unseen }>()
  for (const record of byRecord(versions)) {
    const seen = record.filter(version => provisionOf(version).some(provision => previewVersion(provision, reader, version).permitted))
    const newest = (seen.length > 0 ? seen : record).reduce((a, b) => (b.version > a.version ? b : a))
    const { label, class: recordClass } = newest
    if (seen.length > 0) add(sees, `${label}/${recordClass}`, { label, class: recordClass })
    else {
      const why = whyUnseen(provisionOf(newest), reader, newest)
      add(hidden, `${label}/${recordClass}/${why}`, { label, class: recordClass, why })
    }
  }
  return { purpose: reader.purpose, sees: [...sees.values()], hidden: [...hidden.values()] }
}

function add<T extends object>(counts: Map<string, T & { records: number }>, key: string, of: T): void {
  counts.set(key, { ...of, records: (counts.get(key)?.records ?? 0) + 1 })
}

function byRecord<V extends OwnVersion>(versions: readonly V[]): V[][] {
  const records = new Map<string, V[]>()
  for (const version of versions) {
    const id = toHex(version.recordId)
    records.set(id, [...(records.get(id) ?? []), version])
  }
  return [...records.values()]
}

/** The first reason that holds, of the provision that came nearest. */
function whyUnseen(provisions: readonly Provision[], reader: PreviewReader, version: PreviewVersion): Unseen {
  const [provision] = provisions
  if (provision === undefined) return 'folder'
  const { path } = previewVersion(provision, reader, version)
  if (path.length > 0) return 'exception'
  const bare: Provision = { ...provision, exceptions: [] }
  const meetsWithout = (changes: Partial<Provision>): boolean => previewVersion({ ...bare, ...changes }, reader, version).path.length > 0
  if (meetsWithout({ classes: [] })) return 'class'
  if (meetsWithout({ authors: [] })) return 'author'
  if (meetsWithout({ dataPeriod: null })) return version.dataTime === null ? 'undated' : 'date'
  return meetsWithout({ classes: [], authors: [], dataPeriod: null }) ? 'class' : 'purpose'
}
