/** Sharing decisions as FHIR R4 `Consent`. Pure. */
import { type Grantee, MAX_EXCEPTION_DEPTH, type Period, type Provision } from '../contracts/consent-terms.ts'
import { LABELS, type Label } from '../contracts/folders-formats.ts'
import { toHex } from '../encoding/bytes.ts'
import {
  CLASS_SYSTEM,
  LABEL_CODINGS,
  LAST_FHIR_MS,
  LOINC,
  MEMBER_SYSTEM,
  NETWORK_SYSTEM,
  PARTICIPATION_SYSTEM,
  PERSON_SYSTEM,
  POLICY,
  PURPOSE_SYSTEM,
  ROLE_SYSTEM,
  SCOPE_SYSTEM,
  unsupported,
} from './consent-fhir-terms.ts'
import type { SharingRule } from './sharing.ts'

type Json = { readonly [key: string]: unknown }

/** What a consent says beside its terms. */
export interface ConsentAbout {
  /** Network whose custodians enforce it. */
  readonly chainId: Uint8Array
  /** When it was decided, in ms. */
  readonly timeMs: number
  /** The decision in plain words: the document that the consent points to. */
  readonly words: string
  /** Whether it still holds. */
  readonly active: boolean
  /** Reference to the patient, such as `Patient/17`, for who reads this elsewhere; nothing else in it says who that is. */
  readonly patient?: string
}

const PROFILE = 'https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent'

/**
 * A decision as a `Consent`. One rule that permits is the consent's own provision; anything else is a list of provisions inside a deny of
 * everything. Names the least of PCF's profiles whose elements it keeps to and whose readers find the same meaning in it; none for classes of
 * records and for exceptions to exceptions, which PCF leaves out.
 * @throws EpioneError `consent-unsupported` with the `element` of the rules
 */
export function consentToFhir(rules: readonly SharingRule[], about: ConsentAbout): Json {
  const contained = new Map<string, Json>()
  const written = rules.map((rule, i) => {
    if (rule.labels.length === 0)
      throw unsupported(`rules[${i}].labels`, 'a decision about one folder alone has no name outside of the wallet')
    return provisionJson(rule.provision, { at: `rules[${i}].provision`, depth: 0, labels: rule.labels, contained })
  })
  const [only, ...more] = rules
  const provision =
    only !== undefined && more.length === 0 && only.provision.decision === 'permit'
      ? (written[0] as Json)
      : { type: 'deny', ...(written.length === 0 ? {} : { provision: written }) }
  const profile = profileOf(provision)
  const patient = about.patient === undefined ? { display: 'the owner of the folders' } : { reference: about.patient }
  return {
    resourceType: 'Consent',
    ...(profile === undefined ? {} : { meta: { profile: [`${PROFILE}${profile}`] } }),
    ...(contained.size === 0 ? {} : { contained: [...contained.values()] }),
    status: about.active ? 'active' : 'inactive',
    scope: { coding: [{ system: SCOPE_SYSTEM, code: 'patient-privacy' }] },
    category: [{ coding: [{ system: LOINC, code: '59284-0' }] }],
    patient,
    dateTime: new Date(about.timeMs).toISOString(),
    performer: [patient],
    organization: [{ identifier: { system: NETWORK_SYSTEM, value: toHex(about.chainId) } }],
    sourceAttachment: { contentType: 'text/plain;charset=utf-8', data: base64(about.words) },
    policy: [{ uri: POLICY }],
    provision,
  }
}

interface Place {
  /** Path in the rules, for errors. */
  readonly at: string
  readonly depth: number
  readonly labels: readonly Label[] | null
  readonly contained: Map<string, Json>
}

function provisionJson(provision: Provision, place: Place): Json {
  const { at, labels, contained, depth } = place
  if (depth > MAX_EXCEPTION_DEPTH) throw unsupported(at, `exceptions go ${MAX_EXCEPTION_DEPTH} deep at most`)
  const { grantee, purposes, classes, authors, exceptions } = provision
  const validity = periodJson(provision.validity, `${at}.validity`)
  const dataPeriod = periodJson(provision.dataPeriod, `${at}.dataPeriod`)
  const all = labels === null || (labels.length === LABELS.length && labels.every((label, i) => label === LABELS[i]))
  return {
    type: provision.decision,
    ...(validity === null ? {} : { period: validity }),
    ...(grantee === null ? {} : { actor: [actorJson(grantee, contained)] }),
    ...(all ? {} : { securityLabel: labels.map(label => LABEL_CODINGS[label]) }),
    ...(purposes.length === 0 ? {} : { purpose: purposes.map(code => ({ system: PURPOSE_SYSTEM, code })) }),
    ...(classes.length === 0 ? {} : { class: classes.map(code => ({ system: CLASS_SYSTEM, code })) }),
    ...(dataPeriod === null ? {} : { dataPeriod }),
    ...(authors.length === 0 ? {} : { data: authors.map(author => ({ meaning: 'authoredby', reference: memberReference(author) })) }),
    ...(exceptions.length === 0
      ? {}
      : {
          provision: exceptions.map((exception, i) =>
            provisionJson(exception, { at: `${at}.exceptions[${i}]`, depth: depth + 1, labels: null, contained }),
          ),
        }),
  }
}

/** FHIR's periods include their end; to the millisecond that is the same. */
function periodJson(period: Period | null, at: string): Json | null {
  if (period === null) return null
  const { start, end } = period
  if (end <= start) throw unsupported(at, 'a period without length has no form in FHIR')
  if (start > LAST_FHIR_MS || (end - 1 > LAST_FHIR_MS && end !== Number.MAX_SAFE_INTEGER))
    throw unsupported(at, 'FHIR has no year after 9999')
  const from = { start: new Date(start).toISOString() }
  return end === Number.MAX_SAFE_INTEGER ? from : { ...from, end: new Date(end - 1).toISOString() }
}

function memberReference(organisation: Uint8Array): Json {
  return { type: 'Organization', identifier: { system: MEMBER_SYSTEM, value: toHex(organisation) } }
}

/** An organisation by its account; a person or a role as who practises there, in a resource of their own inside the consent. */
function actorJson(grantee: Grantee, contained: Map<string, Json>): Json {
  const role = { coding: [{ system: PARTICIPATION_SYSTEM, code: 'IRCP' }] }
  const { organisation } = grantee.value
  if (grantee.type === 'organisation') return { role, reference: memberReference(organisation) }
  const practice =
    grantee.type === 'person'
      ? { practitioner: { type: 'Practitioner', identifier: { system: PERSON_SYSTEM, value: toHex(grantee.value.key) } } }
      : { code: [{ coding: [{ system: ROLE_SYSTEM, code: grantee.value.role }] }] }
  const key = JSON.stringify([toHex(organisation), practice])
  const known = contained.get(key)
  const id = known === undefined ? `actor${contained.size + 1}` : (known.id as string)
  if (known === undefined)
    contained.set(key, { resourceType: 'PractitionerRole', id, organization: memberReference(organisation), ...practice })
  return { role, reference: { reference: `#${id}` } }
}

/** The least of PCF's profiles that a provision keeps to. Exceptions must be of the other decision, for PCF reads others as additions. */
function profileOf(root: Json): 'Basic' | 'Intermediate' | 'Advanced' | undefined {
  const nested = (root.provision ?? []) as readonly Json[]
  const every = [root, ...nested]
  if (every.some(one => one.class !== undefined)) return undefined
  if (nested.some(one => one.provision !== undefined || one.type === root.type)) return undefined
  if (every.some(one => one.securityLabel !== undefined)) return 'Advanced'
  if (nested.some(one => ((one.data ?? []) as readonly unknown[]).length > 1)) return 'Advanced'
  return nested.length > 0 || root.dataPeriod !== undefined || root.data !== undefined ? 'Intermediate' : 'Basic'
}

function base64(text: string): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}
