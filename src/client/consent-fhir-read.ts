/** FHIR R4 `Consent.provision` as it stands: every element is read or refused by its name, none is passed over. Pure. */
import { type Grantee, type Period, PURPOSES, type Purpose, RECORD_CLASSES, type RecordClass } from '../contracts/consent-terms.ts'
import type { Label } from '../contracts/folders-formats.ts'
import { parseHex } from '../encoding/bytes.ts'
import {
  CLASS_SYSTEM,
  LAST_FHIR_MS,
  labelOfCoding,
  MEMBER_SYSTEM,
  PARTICIPATION_SYSTEM,
  PERSON_SYSTEM,
  PURPOSE_SYSTEM,
  ROLE_SYSTEM,
  unsupported,
} from './consent-fhir-terms.ts'

/** A provision of a FHIR consent: null places no limit on that aspect, as an empty list does. */
export interface FhirProvision {
  /** FHIRPath of the element. */
  readonly at: string
  readonly decision: 'permit' | 'deny'
  readonly grantees: readonly Grantee[] | null
  readonly labels: readonly Label[] | null
  readonly purposes: readonly Purpose[]
  readonly classes: readonly RecordClass[]
  readonly dataPeriod: Period | null
  readonly authors: readonly Uint8Array[]
  readonly validity: Period | null
  readonly inner: readonly FhirProvision[]
}

export interface FhirReadContext {
  /** Resources inside the consent, by id, with their paths. */
  readonly contained: ReadonlyMap<string, { at: string; resource: Fields }>
  /** Who a reference of the document is, as the caller knows it. */
  readonly actors: ReadonlyMap<string, Grantee>
}

export type Fields = { readonly [key: string]: unknown }

export function fieldsOf(value: unknown, at: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw unsupported(at, 'it must be an object')
}

export function listOf(value: unknown, at: string): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value) && value.length > 0) return value as unknown[]
  throw unsupported(at, 'it must be a list that is not empty')
}

/** Refuses every field that is not one of these. */
export function onlyFields(fields: Fields, at: string, known: readonly string[], why = 'it has no counterpart here'): void {
  const other = Object.keys(fields).find(key => !known.includes(key))
  if (other !== undefined) throw unsupported(`${at}.${other}`, why)
}

const PROVISION_FIELDS = ['id', 'type', 'period', 'actor', 'action', 'securityLabel', 'purpose', 'class', 'dataPeriod', 'data', 'provision']

/** @throws EpioneError `consent-unsupported` */
export function readFhirProvision(value: unknown, at: string, context: FhirReadContext): FhirProvision {
  const fields = fieldsOf(value, at)
  onlyFields(fields, at, PROVISION_FIELDS)
  const { type } = fields
  if (type !== 'permit' && type !== 'deny') throw unsupported(`${at}.type`, 'it must be permit or deny')
  for (const [i, action] of listOf(fields.action, `${at}.action`).entries()) {
    const codings = codingsOf(action, `${at}.action[${i}]`)
    if (!codings.every(({ system, code }) => system === 'http://terminology.hl7.org/CodeSystem/consentaction' && code === 'access')) {
      throw unsupported(`${at}.action[${i}]`, 'consents are about access alone')
    }
  }
  const actors = listOf(fields.actor, `${at}.actor`)
  const labels = listOf(fields.securityLabel, `${at}.securityLabel`)
  return {
    at,
    decision: type,
    grantees: actors.length === 0 ? null : actors.map((actor, i) => readActor(actor, `${at}.actor[${i}]`, context)),
    labels:
      labels.length === 0
        ? null
        : labels.map((label, i) => {
            const found = labelOfCoding(fieldsOf(label, `${at}.securityLabel[${i}]`))
            if (found === undefined) throw unsupported(`${at}.securityLabel[${i}]`, 'no folder has a label like it')
            return found
          }),
    purposes: codes(fields.purpose, `${at}.purpose`, PURPOSE_SYSTEM, PURPOSES, 'it is no purpose of use of HL7 v3'),
    classes: codes(
      fields.class,
      `${at}.class`,
      CLASS_SYSTEM,
      RECORD_CLASSES,
      'records are sorted by classes of their own, and no type or profile is exactly one of them',
    ),
    dataPeriod: readPeriod(fields.dataPeriod, `${at}.dataPeriod`),
    authors: listOf(fields.data, `${at}.data`).map((data, i) => readAuthor(data, `${at}.data[${i}]`, context)),
    validity: readPeriod(fields.period, `${at}.period`),
    inner: listOf(fields.provision, `${at}.provision`).map((one, i) => readFhirProvision(one, `${at}.provision[${i}]`, context)),
  }
}

function codes<T extends string>(value: unknown, at: string, system: string, known: readonly T[], why: string): T[] {
  return listOf(value, at).map((one, i) => {
    const coding = fieldsOf(one, `${at}[${i}]`)
    const found = coding.system === system ? known.find(code => code === coding.code) : undefined
    if (found === undefined) throw unsupported(`${at}[${i}]`, why)
    return found
  })
}

export function codingsOf(concept: unknown, at: string): readonly Fields[] {
  const codings = listOf(fieldsOf(concept, at).coding, `${at}.coding`).map((coding, i) => fieldsOf(coding, `${at}.coding[${i}]`))
  if (codings.length === 0) throw unsupported(at, 'it has no code')
  return codings
}

function readActor(value: unknown, at: string, context: FhirReadContext): Grantee {
  const fields = fieldsOf(value, at)
  onlyFields(fields, at, ['id', 'role', 'reference'])
  const recipient = codingsOf(fields.role, `${at}.role`).some(
    ({ system, code }) => system === PARTICIPATION_SYSTEM && (code === 'IRCP' || code === 'PRCP'),
  )
  if (!recipient) throw unsupported(`${at}.role`, 'consents name who receives information (IRCP)')
  return granteeOf(fields.reference, `${at}.reference`, context)
}

function granteeOf(value: unknown, at: string, context: FhirReadContext): Grantee {
  const fields = fieldsOf(value, at)
  const { reference } = fields
  const known = typeof reference === 'string' ? context.actors.get(reference) : undefined
  if (known !== undefined) return known
  const inside = typeof reference === 'string' && reference.startsWith('#') ? context.contained.get(reference.slice(1)) : undefined
  if (inside !== undefined) return practiceOf(inside.resource, inside.at)
  if (reference === undefined && fields.identifier !== undefined) {
    return { type: 'organisation', value: { organisation: identified(fields, at, MEMBER_SYSTEM) } }
  }
  throw unsupported(at, 'it is not known who that is in this network')
}

/** A person or a role at an organisation. */
function practiceOf(resource: Fields, at: string): Grantee {
  onlyFields(resource, at, ['resourceType', 'id', 'practitioner', 'organization', 'code'])
  if (resource.resourceType !== 'PractitionerRole') throw unsupported(at, 'it is no PractitionerRole')
  const organisation = identified(resource.organization, `${at}.organization`, MEMBER_SYSTEM)
  const [code, ...more] = listOf(resource.code, `${at}.code`)
  if (resource.practitioner !== undefined) {
    if (code !== undefined) throw unsupported(`${at}.code`, 'a person is named whatever their role')
    return { type: 'person', value: { organisation, key: identified(resource.practitioner, `${at}.practitioner`, PERSON_SYSTEM) } }
  }
  if (code === undefined) return { type: 'organisation', value: { organisation } }
  const [coding, ...others] = codingsOf(code, `${at}.code[0]`)
  const role = coding?.system === ROLE_SYSTEM ? coding.code : undefined
  if (more.length > 0 || others.length > 0 || typeof role !== 'string' || !/^[a-z][a-z0-9-]{0,63}$/.test(role)) {
    throw unsupported(`${at}.code`, 'a role is one code of those by which organisations name them')
  }
  return { type: 'role', value: { organisation, role } }
}

/** The 32 bytes of a logical reference. */
function identified(value: unknown, at: string, system: string): Uint8Array {
  const fields = fieldsOf(value, at)
  onlyFields(fields, at, ['type', 'identifier', 'display'])
  const identifier = fieldsOf(fields.identifier, `${at}.identifier`)
  const bytes = identifier.system === system && typeof identifier.value === 'string' ? parseHex(identifier.value) : undefined
  if (bytes?.length !== 32) throw unsupported(`${at}.identifier`, `it is no identifier of ${system}`)
  return bytes
}

/** Data of an author: the one way of naming data that has a counterpart. */
function readAuthor(value: unknown, at: string, context: FhirReadContext): Uint8Array {
  const fields = fieldsOf(value, at)
  onlyFields(fields, at, ['id', 'meaning', 'reference'])
  if (fields.meaning !== 'authoredby') throw unsupported(`${at}.meaning`, 'consents name data by class, author and time, not one by one')
  const grantee = granteeOf(fields.reference, `${at}.reference`, context)
  if (grantee.type !== 'organisation') throw unsupported(`${at}.reference`, 'authors are organisations')
  return grantee.value.organisation
}

/** FHIR's periods include their end, to the precision in which it is written; without a zone a date is one of UTC. */
function readPeriod(value: unknown, at: string): Period | null {
  if (value === undefined) return null
  const fields = fieldsOf(value, at)
  onlyFields(fields, at, ['id', 'start', 'end'])
  const start = fields.start === undefined ? 0 : span(fields.start, `${at}.start`).first
  const end = fields.end === undefined ? Number.MAX_SAFE_INTEGER : span(fields.end, `${at}.end`).after
  if (end <= start) throw unsupported(at, 'it ends before it begins')
  return { start, end }
}

const DATE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d))?)?)?$/

/** The milliseconds that a date or time means: the first, and the first after it. */
function span(value: unknown, at: string): { first: number; after: number } {
  const parts = typeof value === 'string' ? DATE.exec(value) : null
  if (parts === null) throw unsupported(at, 'it is no date of FHIR')
  const [, year, month, day, hour, minute, second, fraction, zone] = parts
  const utc = (y: number, m: number, d: number): number => {
    const date = new Date(0)
    date.setUTCFullYear(y, m, d)
    return date.getTime()
  }
  const [y, m, d] = [Number(year), Number(month ?? 1) - 1, Number(day ?? 1)]
  const midnight = utc(y, m, d)
  if (m > 11 || d < 1 || new Date(midnight).getUTCMonth() !== m) throw unsupported(at, 'it is no date of the calendar')
  const within = (first: number, after: number): { first: number; after: number } => {
    // What lies before is kept with the time 0, so that no border there can be told.
    if (first < 0) throw unsupported(at, 'times before 1970 are not told apart')
    if (after - 1 > LAST_FHIR_MS) throw unsupported(at, 'FHIR has no year after 9999')
    return { first, after }
  }
  if (hour === undefined)
    return within(midnight, day !== undefined ? midnight + 86_400_000 : month !== undefined ? utc(y, m + 1, 1) : utc(y + 1, 0, 1))
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) throw unsupported(at, 'it is no time of the day')
  const digits = fraction ?? ''
  if (/[1-9]/.test(digits.slice(3))) throw unsupported(at, 'times are told to the millisecond')
  const clock = (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1000 + Number(digits.slice(0, 3).padEnd(3, '0'))
  const first = midnight + clock - offset(zone ?? 'Z')
  return within(first, first + 10 ** (3 - Math.min(3, digits.length)))
}

function offset(zone: string): number {
  if (zone === 'Z') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}
