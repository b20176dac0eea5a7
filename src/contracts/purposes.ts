/**
 * Purposes of use and their hierarchy: HL7 v3 PurposeOfUse, the codes of ActReason below it, as FHIR R4 publishes them
 * (http://terminology.hl7.org/CodeSystem/v3-ActReason, version 2018-08-12). Each code is a kind of its parent.
 */

const PARENTS = {
  TREAT: null,
  CLINTRL: 'TREAT',
  COC: 'TREAT',
  ETREAT: 'TREAT',
  BTG: 'ETREAT',
  ERTREAT: 'ETREAT',
  POPHLTH: 'TREAT',
  HPAYMT: null,
  CLMATTCH: 'HPAYMT',
  COVAUTH: 'HPAYMT',
  COVERAGE: 'HPAYMT',
  ELIGDTRM: 'COVERAGE',
  ELIGVER: 'COVERAGE',
  ENROLLM: 'COVERAGE',
  MILDCRG: 'COVERAGE',
  REMITADV: 'HPAYMT',
  HOPERAT: null,
  CAREMGT: 'HOPERAT',
  DONAT: 'HOPERAT',
  FRAUD: 'HOPERAT',
  GOV: 'HOPERAT',
  HACCRED: 'HOPERAT',
  HCOMPL: 'HOPERAT',
  HDECD: 'HOPERAT',
  HDIRECT: 'HOPERAT',
  HDM: 'HOPERAT',
  HLEGAL: 'HOPERAT',
  HOUTCOMS: 'HOPERAT',
  HPRGRP: 'HOPERAT',
  HQUALIMP: 'HOPERAT',
  HSYSADMIN: 'HOPERAT',
  LABELING: 'HSYSADMIN',
  METAMGT: 'HSYSADMIN',
  MEMADMIN: 'HOPERAT',
  MILCDM: 'HOPERAT',
  PATADMIN: 'HOPERAT',
  PATSFTY: 'HOPERAT',
  PERFMSR: 'HOPERAT',
  RECORDMGT: 'HOPERAT',
  SYSDEV: 'HOPERAT',
  HTEST: 'SYSDEV',
  TRAIN: 'HOPERAT',
  HRESCH: null,
  BIORCH: 'HRESCH',
  CLINTRCH: 'HRESCH',
  CLINTRCHNPC: 'CLINTRCH',
  CLINTRCHPC: 'CLINTRCH',
  PRECLINTRCH: 'CLINTRCH',
  DSRCH: 'HRESCH',
  POARCH: 'HRESCH',
  TRANSRCH: 'HRESCH',
  PUBHLTH: null,
  DISASTER: 'PUBHLTH',
  THREAT: 'PUBHLTH',
  PATRQT: null,
  FAMRQT: 'PATRQT',
  PWATRNY: 'PATRQT',
  SUPNWK: 'PATRQT',
  HMARKT: null,
} as const

export type Purpose = keyof typeof PARENTS
export const PURPOSES: readonly Purpose[] = Object.keys(PARENTS) as Purpose[]

const PARENT_OF: Readonly<Record<Purpose, Purpose | null>> = PARENTS

/** Whether a purpose is another one, or a kind of it. */
export function isPurposeWithin(purpose: Purpose, wider: Purpose): boolean {
  for (let at: Purpose | null = purpose; at !== null; at = PARENT_OF[at]) if (at === wider) return true
  return false
}

/**
 * Whether a provision that names `named` speaks of a request for `asked`. A purpose covers its kinds, with one exception: a permit covers
 * breaking the glass only where it names BTG itself. HL7 files BTG under emergency treatment, but it means an override of what the
 * patient decided, and has a way of its own; "may treat" never says it. A deny covers all kinds: what is denied for treatment is not to be
 * had by calling it an emergency.
 */
export function purposeCovers(decision: 'permit' | 'deny', named: Purpose, asked: Purpose): boolean {
  return isPurposeWithin(asked, named) && (decision === 'deny' || asked !== 'BTG' || named === 'BTG')
}
