/**
 * The words that options take, as literals: the contracts define them, but loading those for a line of help would be slow. A test
 * compares.
 */
import type { Purpose, RecordClass } from '../src/contracts/consent-terms.ts'
import type { Ground, Right } from '../src/contracts/delegations-formats.ts'
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

export const PURPOSE_CHOICES: readonly Purpose[] = ['TREAT', 'ETREAT', 'HPAYMT', 'HOPERAT', 'HRESCH', 'PUBHLTH', 'PATRQT', 'FAMRQT', 'BTG']

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

export const GROUND_CHOICES: readonly Ground[] = ['parent', 'carer', 'executor', 'other']

export const RIGHT_CHOICES: readonly Right[] = ['read', 'grant', 'revoke', 'dispute', 'export']

export const ORGANISATION_KINDS = ['provider', 'laboratory', 'payer', 'regulator', 'pharmacy', 'research', 'other'] as const
