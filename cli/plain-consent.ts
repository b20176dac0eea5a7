/** Consents in plain words. */
import type { Grantee, Provision, Purpose, RecordClass } from '../src/contracts/consent-terms.ts'
import { equalBytes, toHex } from '../src/encoding/bytes.ts'
import { formatInstant, printable } from './format.ts'

/** Purposes of use as people say them. */
const PURPOSE_WORDS: Readonly<Record<Purpose, string>> = {
  TREAT: 'to treat',
  CLINTRL: 'to treat within a clinical trial',
  COC: 'to coordinate care',
  ETREAT: 'to treat in an emergency',
  BTG: 'by breaking the glass',
  ERTREAT: 'to treat in an emergency room',
  POPHLTH: 'for the health of a population under care',
  HPAYMT: 'for payment',
  CLMATTCH: 'as an attachment to a claim',
  COVAUTH: 'to authorise coverage',
  COVERAGE: 'about coverage',
  ELIGDTRM: 'to determine eligibility',
  ELIGVER: 'to verify eligibility',
  ENROLLM: 'to enrol in coverage',
  MILDCRG: 'for discharge from the military',
  REMITADV: 'to advise of remittance',
  HOPERAT: 'for running the organisation',
  CAREMGT: 'for care management',
  DONAT: 'for donation',
  FRAUD: 'against fraud',
  GOV: 'for the government',
  HACCRED: 'for accreditation',
  HCOMPL: 'for compliance',
  HDECD: 'about the dead',
  HDIRECT: 'for directories',
  HDM: 'for managing delivery of care',
  HLEGAL: 'for legal purposes',
  HOUTCOMS: 'to measure outcomes',
  HPRGRP: 'to report on programmes',
  HQUALIMP: 'to improve quality',
  HSYSADMIN: 'for running systems',
  LABELING: 'for labelling data',
  METAMGT: 'for managing metadata',
  MEMADMIN: 'for the administration of members',
  MILCDM: 'for military command',
  PATADMIN: 'for the administration of patients',
  PATSFTY: 'for the safety of patients',
  PERFMSR: 'to measure performance',
  RECORDMGT: 'for managing records',
  SYSDEV: 'for developing systems',
  HTEST: 'for tests',
  TRAIN: 'for training',
  HRESCH: 'for research',
  BIORCH: 'for biomedical research',
  CLINTRCH: 'for research in clinical trials',
  CLINTRCHNPC: 'for research in clinical trials without care',
  CLINTRCHPC: 'for research in clinical trials with care',
  PRECLINTRCH: 'for preclinical research',
  DSRCH: 'for research on a disease',
  POARCH: 'for research on ancestry',
  TRANSRCH: 'for translational research',
  PUBHLTH: 'for public health',
  DISASTER: 'in a disaster',
  THREAT: 'against a threat to many',
  PATRQT: 'at the request of the patient',
  FAMRQT: 'at the request of the family',
  PWATRNY: 'at the request of who has power of attorney',
  SUPNWK: 'at the request of the support network',
  HMARKT: 'for marketing',
}

export function purposeWords(purpose: Purpose): string {
  return `${PURPOSE_WORDS[purpose]} (${purpose})`
}

/** A member as far as its name goes. */
export interface NamedMember {
  readonly id: Uint8Array
  readonly organisation: { readonly name: string }
}

/** Name of an organisation, or the beginning of its id. */
export function organisationName(id: Uint8Array, members: readonly NamedMember[]): string {
  const found = members.find(member => equalBytes(member.id, id))
  return found === undefined ? `organisation ${toHex(id).slice(0, 16)}` : printable(found.organisation.name)
}

/** Who may read. `note` is what the owner wrote of them. */
export function granteeWords(grantee: Grantee | null, note: string, members: readonly NamedMember[]): string {
  if (grantee === null) return 'anybody'
  const organisation = organisationName(grantee.value.organisation, members)
  if (grantee.type === 'organisation') return `everybody at ${organisation}`
  if (grantee.type === 'role') return `each ${grantee.value.role} at ${organisation}`
  const name = printable(note)
  return `${name === '' ? `the person with key ${toHex(grantee.value.key).slice(0, 16)}` : name} at ${organisation}`
}

/** What a consent permits, in one sentence without its end. */
export function provisionWords(provision: Provision, members: readonly NamedMember[]): string {
  const { purposes, classes, exceptions, authors, dataPeriod, validity } = provision
  const denied = exceptions.filter(({ decision }) => decision === 'deny')
  const parts = [
    `may read ${classes.length === 0 ? 'everything' : listWords(classes)}`,
    ...denied.map(deny => `but not ${denialWords(deny)}`),
    ...(authors.length === 0 ? [] : [`written by ${listWords(authors.map(author => organisationName(author, members)))}`]),
    ...(dataPeriod === null ? [] : [`about the time from ${day(dataPeriod.start)} until ${day(dataPeriod.end)}`]),
    purposes.length === 0 ? 'for any purpose' : listWords(purposes.map(purposeWords)),
    ...(validity === null ? [] : [`until ${formatInstant(validity.end)}`]),
  ]
  const deeper = exceptions.length > denied.length || denied.some(({ exceptions: inner }) => inner.length > 0)
  return `${parts.join(', ')}${deeper ? ', with further exceptions' : ''}`
}

function denialWords({ classes, purposes }: Provision): string {
  const what: readonly RecordClass[] | null = classes.length === 0 ? null : classes
  return [what === null ? 'some of it' : listWords(what), ...(purposes.length === 0 ? [] : [listWords(purposes.map(purposeWords))])].join(
    ' ',
  )
}

/** The last time that the formats know stands for no end. */
function day(timeMs: number): string {
  return timeMs === Number.MAX_SAFE_INTEGER ? 'ever after' : formatInstant(timeMs).slice(0, 10)
}

export function listWords(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
