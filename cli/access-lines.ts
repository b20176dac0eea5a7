/** Lines of an access log for people and for programs. */
import type { ShownEntry } from '../src/client/access-evidence.ts'
import type { LoggedAccess } from '../src/client/access-log.ts'
import type { OwnedConsent } from '../src/client/consents.ts'
import { delegateName } from '../src/client/delegation.ts'
import type { AccessEntry } from '../src/contracts/access-formats.ts'
import type { AccessOpening } from '../src/contracts/consent-terms.ts'
import { equalBytes, toHex } from '../src/encoding/bytes.ts'
import { type EmergencyLine, reviewWords } from './emergency-cases.ts'
import { count, formatInstant, printable } from './format.ts'
import { table } from './output.ts'

/** A line as `--json` prints it. */
export interface AccessLine {
  id: string
  index: number
  timeMs: number
  height: number
  untilMs: number
  /** Who answers for the reader; null where the owner read. */
  organisation: { id: string; name: string | null } | null
  /** From the opening that custodians keep; null where no custodian that answered released anything. */
  reader: { key: string; name: string | null; role: string } | null
  purpose: string | null
  consent: string | null
  /** Of break-glass alone. */
  emergency: EmergencyLine | null
  /** What was released, after what the custodians signed. */
  released: {
    listed: boolean
    /** A share of the folder's key, by break-glass. */
    key: boolean
    records: number
    submissions: number
    custodians: readonly { id: string; name: string | null }[]
    /** Which versions, by their places in their submissions; what they are where the owner had them read. */
    versions: readonly { submission: string; leaf: number; record: string | null; version: number | null; title: string | null }[]
  }
}

/** What the owner knows of a version by its place. */
export interface KnownVersion {
  readonly recordId: Uint8Array
  readonly version: number
  readonly title: string | null
}
export type KnownVersions = ReadonlyMap<string, KnownVersion>

export const placeName = (submissionRoot: Uint8Array, leaf: number): string => `${toHex(submissionRoot)}/${leaf}`

interface Described {
  readonly id: Uint8Array
  readonly entry: AccessEntry
  readonly organisationName: string | null
  readonly opening: AccessOpening | null
  readonly emergency: EmergencyLine | null
  readonly releases: readonly {
    readonly custodian: { readonly id: string; readonly name: string | null }
    readonly receipt: { readonly submissionRoot: Uint8Array; readonly leaves: readonly number[]; readonly listed: boolean }
  }[]
}

/** A line as the owner's own peer read it. */
export function lineOfLog(
  logged: LoggedAccess,
  consents: readonly OwnedConsent[],
  known: KnownVersions,
  breakGlass?: Omit<EmergencyLine, 'reason'>,
): AccessLine {
  const { id, entry, opening, organisation, releases, reason } = logged
  const emergency = breakGlass === undefined ? null : { reason, ...breakGlass }
  const organisationName = organisation?.organisation.name ?? null
  const shown = releases.map(({ custodian, receipt }) => ({
    custodian: { id: toHex(custodian.id), name: custodian.organisation.name },
    receipt,
  }))
  const consent = consents.find(one => entry.consent !== null && equalBytes(one.id, entry.consent))
  return describe({ id, entry, opening, emergency, organisationName, releases: shown }, known, reader => readerName(reader, entry, consent))
}

/** A line as evidence shows it. */
export function lineOfEvidence(
  { id, entry, opening, organisation, receipts }: ShownEntry,
  nameOf: (id: Uint8Array) => string | null,
): AccessLine {
  const releases = receipts.map(({ receipt }) => ({
    custodian: { id: toHex(receipt.custodian), name: nameOf(receipt.custodian) },
    receipt,
  }))
  const organisationName = organisation?.name ?? null
  return describe({ id, entry, opening, emergency: null, organisationName, releases }, new Map(), () =>
    entry.organisation !== null ? null : entry.consent === null ? 'the owner' : 'a delegate of the owner',
  )
}

function describe(
  { id, entry, opening, emergency, organisationName, releases }: Described,
  known: KnownVersions,
  nameOf: (reader: Uint8Array) => string | null,
): AccessLine {
  const contents = releases.filter(({ receipt }) => !receipt.listed && receipt.leaves.length > 0)
  const places = new Map(
    contents.flatMap(({ receipt }) =>
      receipt.leaves.map(leaf => [placeName(receipt.submissionRoot, leaf), { root: receipt.submissionRoot, leaf }] as const),
    ),
  )
  return {
    id: toHex(id),
    index: entry.index,
    timeMs: entry.time,
    height: entry.height,
    untilMs: entry.until,
    organisation: entry.organisation === null ? null : { id: toHex(entry.organisation), name: organisationName },
    reader: opening === null ? null : { key: toHex(opening.reader), name: nameOf(opening.reader), role: opening.role },
    purpose: opening?.purpose ?? null,
    consent: entry.consent === null ? null : toHex(entry.consent),
    emergency,
    released: {
      key: releases.some(({ receipt }) => !receipt.listed && receipt.leaves.length === 0),
      listed: releases.some(({ receipt }) => receipt.listed),
      records: places.size,
      submissions: new Set(contents.map(({ receipt }) => toHex(receipt.submissionRoot))).size,
      custodians: [...new Map(releases.map(({ custodian }) => [custodian.id, custodian])).values()],
      versions: [...places].map(([name, { root, leaf }]) => {
        const version = known.get(name)
        return {
          submission: toHex(root),
          leaf,
          record: version === undefined ? null : toHex(version.recordId),
          version: version?.version ?? null,
          title: version?.title ?? null,
        }
      }),
    },
  }
}

/** The owner's note names whom a consent is for, where that is this one person. */
function readerName(reader: Uint8Array, entry: AccessEntry, consent: OwnedConsent | undefined): string | null {
  if (entry.organisation === null && entry.consent === null) return 'you'
  if (entry.organisation === null) return `${delegateName(consent?.note ?? '') || 'a delegate'}, on your behalf`
  const grantee = consent?.provision?.grantee
  if (consent === undefined || consent.note === '' || grantee?.type !== 'person' || !equalBytes(grantee.value.key, reader)) return null
  return consent.note
}

const HEAD = ['when', 'who', 'as', 'at', 'why', 'what', 'consent', 'released by']

/** The lines as a table, each followed by the titles of what was read, where they are known. */
export function accessTable(lines: readonly AccessLine[]): string[] {
  const [head, ...rows] = table([HEAD, ...lines.map(row)])
  if (head === undefined || lines.length === 0) return []
  return [head, ...rows.flatMap((text, i) => [text, ...titles(lines[i] as AccessLine)])]
}

function titles({ released }: AccessLine): string[] {
  return released.versions.flatMap(({ title, version }) => (title === null ? [] : [`    ${printable(title)} (version ${version})`]))
}

function row({ timeMs, organisation, reader, purpose, consent, emergency, released }: AccessLine): string[] {
  const { records, listed, key, custodians } = released
  return [
    formatInstant(timeMs),
    reader === null ? '?' : printable(reader.name ?? `key ${reader.key.slice(0, 16)}`),
    reader?.role ?? '?',
    organisation === null ? '-' : printable(organisation.name ?? organisation.id.slice(0, 16)),
    emergency === null ? (purpose ?? '?') : `EMERGENCY: ${emergency.reason ?? '?'}`,
    records > 0 ? count(records, 'record') : listed ? 'the list alone' : key ? 'the key alone' : 'nothing released',
    emergency === null ? (consent === null ? '-' : consent.slice(0, 16)) : reviewWords(emergency),
    custodians.length === 0 ? '-' : custodians.map(({ id, name }) => printable(name ?? id.slice(0, 16))).join(', '),
  ]
}
