/**
 * The words that options take, as literals: the contracts define them, but loading those for a line of help would be slow. A test
 * compares.
 */
import type { Purpose, RecordClass } from '../src/contracts/consent-terms.ts'
import type { Ground, Right } from '../src/contracts/delegations-formats.ts'
import type { EmergencyReason } from '../src/contracts/emergency-formats.ts'
import type { Label } from '../src/contracts/folders-formats.ts'

export const LABEL_CHOICES: readonly Label[] = [
  'normal',
  'restricted',
  'mental-health',
  'sexual-health',
  'genetic',
  'substance-use',
  'emergency-summary',
]

/** Purposes that a line of help names. */
export const USUAL_PURPOSES: readonly Purpose[] = ['TREAT', 'ETREAT', 'HPAYMT', 'HOPERAT', 'HRESCH', 'PUBHLTH', 'PATRQT', 'FAMRQT', 'BTG']

/** All codes of HL7's PurposeOfUse: a purpose includes its kinds. */
export const PURPOSE_CHOICES: readonly Purpose[] = [
  'TREAT',
  'CLINTRL',
  'COC',
  'ETREAT',
  'BTG',
  'ERTREAT',
  'POPHLTH',
  'HPAYMT',
  'CLMATTCH',
  'COVAUTH',
  'COVERAGE',
  'ELIGDTRM',
  'ELIGVER',
  'ENROLLM',
  'MILDCRG',
  'REMITADV',
  'HOPERAT',
  'CAREMGT',
  'DONAT',
  'FRAUD',
  'GOV',
  'HACCRED',
  'HCOMPL',
  'HDECD',
  'HDIRECT',
  'HDM',
  'HLEGAL',
  'HOUTCOMS',
  'HPRGRP',
  'HQUALIMP',
  'HSYSADMIN',
  'LABELING',
  'METAMGT',
  'MEMADMIN',
  'MILCDM',
  'PATADMIN',
  'PATSFTY',
  'PERFMSR',
  'RECORDMGT',
  'SYSDEV',
  'HTEST',
  'TRAIN',
  'HRESCH',
  'BIORCH',
  'CLINTRCH',
  'CLINTRCHNPC',
  'CLINTRCHPC',
  'PRECLINTRCH',
  'DSRCH',
  'POARCH',
  'TRANSRCH',
  'PUBHLTH',
  'DISASTER',
  'THREAT',
  'PATRQT',
  'FAMRQT',
  'PWATRNY',
  'SUPNWK',
  'HMARKT',
]

export const CLASS_CHOICES: readonly RecordClass[] = [
  'laboratory',
  'imaging',
  'medication',
  'allergy',
  'condition',
  'immunization',
  'procedure',
  'encounter',
  'vital-signs',
  'document',
  'social-history',
  'demographics',
  'administrative',
  'device',
  'other',
]

export const EMERGENCY_REASON_CHOICES: readonly EmergencyReason[] = [
  'unconscious',
  'life-threatening',
  'unable-to-consent',
  'minor-without-guardian',
  'public-health',
]
export const GROUND_CHOICES: readonly Ground[] = ['parent', 'carer', 'executor', 'other']

export const RIGHT_CHOICES: readonly Right[] = ['read', 'grant', 'revoke', 'dispute']

export const ORGANISATION_KINDS = ['provider', 'laboratory', 'payer', 'regulator', 'pharmacy', 'research', 'other'] as const

/** Sealing suites by their names. */
export const SUITE_CHOICES = ['x-wing', 'ml-kem-1024'] as const
