/** FHIR R4 `Consent` as sharing rules, without loss of meaning: what has no counterpart is refused by its element. Pure. */
import {
  consentOpeningCodec,
  type Grantee,
  MAX_AUTHORS,
  MAX_EXCEPTION_DEPTH,
  MAX_EXCEPTIONS,
  type Provision,
  PURPOSES,
  RECORD_CLASSES,
} from '../contracts/consent-terms.ts'
import { LABELS, type Label } from '../contracts/folders-formats.ts'
import { toHex } from '../encoding/bytes.ts'
import { codingsOf, type FhirProvision, type Fields, fieldsOf, listOf, onlyFields, readFhirProvision } from './consent-fhir-read.ts'
import { POLICY, SCOPE_SYSTEM, unsupported } from './consent-fhir-terms.ts'
import type { SharingRule } from './sharing.ts'

export interface ConsentReading {
  /** Who references of the document are (`Practitioner/17`), as the caller knows it. */
  readonly actors?: ReadonlyMap<string, Grantee>
  /** Policies that the caller has read and that add nothing to what the provisions say. */
  readonly policies?: readonly string[]
}

const ROOT_FIELDS = [
  'resourceType',
  'id',
  'meta',
  'language',
  'text',
  'contained',
  'extension',
  'identifier',
  'status',
  'scope',
  'category',
  'patient',
  'dateTime',
  'performer',
  'organization',
  'sourceAttachment',
  'sourceReference',
  'policy',
  'provision',
]

/**
 * The rules of a consent. Under our own policy it is read as it was written. Under another, which the caller must have named, it is read as
 * IHE PCF means it: the consent's own provision, with nested denies as its exceptions; a nested permit adds to it, and takes over every
 * aspect that it does not name itself. A deny of whole labels leaves those folders out. Several actors become several rules.
 * @param consent the parsed resource, valid FHIR R4
 * @returns the rules; none where nothing is permitted
 * @throws EpioneError `consent-unsupported` with the `element`, as FHIRPath
 */
export function consentFromFhir(consent: unknown, reading: ConsentReading = {}): SharingRule[] {
  const at = 'Consent'
  const fields = fieldsOf(consent, at)
  if (fields.resourceType !== 'Consent') throw unsupported(`${at}.resourceType`, 'it is no Consent')
  onlyFields(fields, at, ROOT_FIELDS, 'it may change what the consent means')
  if (fields.status !== 'active') throw unsupported(`${at}.status`, 'only an active consent is in force')
  const scope = codingsOf(fields.scope, `${at}.scope`)
  if (!scope.some(({ system, code }) => system === SCOPE_SYSTEM && code === 'patient-privacy')) {
    throw unsupported(`${at}.scope`, 'it is no consent about privacy')
  }
  const own = readPolicies(fields.policy, `${at}.policy`, reading.policies ?? [])
  if (fields.provision === undefined) throw unsupported(`${at}.provision`, 'without it nothing is said')
  const context = { contained: containedOf(fields.contained, `${at}.contained`), actors: reading.actors ?? new Map<string, Grantee>() }
  const root = readFhirProvision(fields.provision, `${at}.provision`, context)
  const rules = own ? ownRules(root) : pcfRules(root)
  for (const { provision } of rules) assertFits(provision, root.at)
  return rules
}

/** An opening holds so much and no more. */
function assertFits(provision: Provision, at: string): void {
  const nobody = new Uint8Array(32)
  try {
    consentOpeningCodec.encode({ salt: nobody, folder: nobody, provision })
  } catch {
    throw unsupported(at, `a consent has at most ${consentOpeningCodec.maxBytes} bytes`)
  }
}

/** Whether the consent is under our own policy alone. */
function readPolicies(value: unknown, at: string, accepted: readonly string[]): boolean {
  const uris = listOf(value, at).map((policy, i) => {
    const fields = fieldsOf(policy, `${at}[${i}]`)
    onlyFields(fields, `${at}[${i}]`, ['id', 'uri', 'authority'])
    const { uri } = fields
    if (uri === POLICY || (typeof uri === 'string' && accepted.includes(uri))) return uri
    throw unsupported(`${at}[${i}].uri`, 'what this policy adds to the provisions is not known here')
  })
  if (uris.length === 0) throw unsupported(at, 'it is not said under which policy the provisions are to be read')
  const own = uris.filter(uri => uri === POLICY).length
  if (own > 0 && own < uris.length) throw unsupported(at, 'two policies may read the same provisions in two ways')
  return own > 0
}

function containedOf(value: unknown, at: string): Map<string, { at: string; resource: Fields }> {
  const found = new Map<string, { at: string; resource: Fields }>()
  for (const [i, one] of listOf(value, at).entries()) {
    const resource = fieldsOf(one, `${at}[${i}]`)
    if (typeof resource.id !== 'string' || found.has(resource.id)) throw unsupported(`${at}[${i}].id`, 'it must be told apart by its id')
    found.set(resource.id, { at: `${at}[${i}]`, resource })
  }
  return found
}

/** Provisions as they stand: one rule that permits, or a list of them inside a deny of everything. */
function ownRules(root: FhirProvision): SharingRule[] {
  if (root.decision === 'permit') return [{ labels: [...new Set(root.labels ?? LABELS)], provision: exactly(root, 0) }]
  const limit = firstLimit(root)
  if (limit !== undefined) throw unsupported(`${root.at}.${limit}`, 'the outer deny must be one of everything')
  return root.inner.map(one => ({ labels: [...new Set(one.labels ?? LABELS)], provision: exactly(one, 0) }))
}

/** The first aspect on which a provision places a limit. */
function firstLimit(one: FhirProvision): string | undefined {
  if (one.grantees !== null) return 'actor'
  if (one.labels !== null) return 'securityLabel'
  if (one.purposes.length > 0) return 'purpose'
  if (one.classes.length > 0) return 'class'
  if (one.dataPeriod !== null) return 'dataPeriod'
  if (one.authors.length > 0) return 'data'
  return one.validity === null ? undefined : 'period'
}

function exactly(one: FhirProvision, depth: number): Provision {
  if (depth > 0 && one.labels !== null)
    throw unsupported(`${one.at}.securityLabel`, 'labels choose folders, and stand with what is granted on them')
  if (one.grantees !== null && one.grantees.length > 1) throw unsupported(`${one.at}.actor[1]`, 'a provision is about one')
  if (depth === MAX_EXCEPTION_DEPTH && one.inner.length > 0) {
    throw unsupported(`${one.at}.provision`, `exceptions go ${MAX_EXCEPTION_DEPTH} deep at most`)
  }
  assertCount(one.inner, MAX_EXCEPTIONS, `${one.at}.provision`)
  const exceptions = one.inner.map(inner => exactly(inner, depth + 1))
  return provisionOf(one, one.grantees?.[0] ?? null, exceptions)
}

function provisionOf(one: FhirProvision, grantee: Grantee | null, exceptions: Provision[]): Provision {
  assertCount(one.authors, MAX_AUTHORS, `${one.at}.data`)
  assertCount(one.classes, RECORD_CLASSES.length, `${one.at}.class`)
  assertCount(one.purposes, PURPOSES.length, `${one.at}.purpose`)
  return {
    decision: one.decision,
    grantee,
    purposes: [...one.purposes],
    classes: [...one.classes],
    dataPeriod: one.dataPeriod,
    authors: [...one.authors],
    validity: one.validity,
    exceptions,
  }
}

function assertCount(list: readonly unknown[], most: number, at: string): void {
  if (list.length > most) throw unsupported(`${at}[${most}]`, `there is room for ${most}`)
}

/** As IHE PCF means provisions. It knows one level of them. */
function pcfRules(root: FhirProvision): SharingRule[] {
  for (const { at, inner } of root.inner)
    if (inner.length > 0) throw unsupported(`${at}.provision`, 'PCF knows no exceptions to exceptions')
  const denies = root.inner.filter(({ decision }) => decision === 'deny')
  const additions = root.inner.filter(({ decision }) => decision === 'permit').map(one => within(one, root))
  const permits = root.decision === 'permit' ? [root, ...additions] : additions
  return unique(permits.flatMap(permit => rulesOf(permit, denies)))
}

/** An addition takes over what it does not name itself, so that it is never wider than both say together. */
function within(one: FhirProvision, root: FhirProvision): FhirProvision {
  return {
    ...one,
    grantees: one.grantees ?? root.grantees,
    labels: one.labels ?? root.labels,
    purposes: one.purposes.length > 0 ? one.purposes : root.purposes,
    classes: one.classes.length > 0 ? one.classes : root.classes,
    dataPeriod: one.dataPeriod ?? root.dataPeriod,
    authors: one.authors.length > 0 ? one.authors : root.authors,
    validity: one.validity ?? root.validity,
  }
}

/** One rule for each actor and each set of labels to which the same exceptions belong. */
function rulesOf(permit: FhirProvision, denies: readonly FhirProvision[]): SharingRule[] {
  return (permit.grantees ?? [null]).flatMap(grantee => {
    const rules = new Map<string, { labels: Label[]; provision: Provision }>()
    for (const label of LABELS) {
      if (permit.labels !== null && !permit.labels.includes(label)) continue
      const here = denies.filter(({ labels }) => labels === null || labels.includes(label))
      // What is denied whole is not shared at all: nothing is to say that it is there.
      if (here.some(deny => deniesAll(deny, grantee))) continue
      const exceptions = here.flatMap(deny => (deny.grantees ?? [null]).map(whom => provisionOf(deny, whom, [])))
      assertCount(exceptions, MAX_EXCEPTIONS, `${permit.at}.provision`)
      const key = here.map(({ at }) => at).join(' ')
      const known = rules.get(key)
      if (known === undefined) rules.set(key, { labels: [label], provision: provisionOf(permit, grantee, exceptions) })
      else known.labels.push(label)
    }
    return [...rules.values()]
  })
}

/** Whether a deny leaves nothing to somebody, in the folders that it is about. */
function deniesAll(deny: FhirProvision, grantee: Grantee | null): boolean {
  if (firstLimit({ ...deny, labels: null, grantees: null }) !== undefined) return false
  return deny.grantees === null || (grantee !== null && deny.grantees.some(denied => asText(denied) === asText(grantee)))
}

function asText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner instanceof Uint8Array ? toHex(inner) : inner))
}

function unique(rules: readonly SharingRule[]): SharingRule[] {
  const found = new Map<string, SharingRule>()
  for (const rule of rules) if (!found.has(asText(rule))) found.set(asText(rule), rule)
  return [...found.values()]
}
