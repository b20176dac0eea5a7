/** What somebody would see, in plain words. */
import type { Counted, Preview, Unseen } from '../src/client/preview.ts'
import type { SharingPreview } from '../src/client/sharing.ts'
import type { Purpose, RecordClass } from '../src/contracts/consent-terms.ts'
import type { Label } from '../src/contracts/folders-formats.ts'
import { granteeWords, listWords, type NamedMember, purposeWords } from './plain-consent.ts'

/** One and several of each class. */
const CLASS_WORDS: Readonly<Record<RecordClass, readonly [string, string]>> = {
  laboratory: ['laboratory result', 'laboratory results'],
  imaging: ['image', 'images'],
  medication: ['medication', 'medications'],
  allergy: ['allergy', 'allergies'],
  condition: ['diagnosis', 'diagnoses'],
  immunization: ['vaccination', 'vaccinations'],
  procedure: ['procedure', 'procedures'],
  encounter: ['visit', 'visits'],
  'vital-signs': ['vital sign', 'vital signs'],
  document: ['letter', 'letters'],
  'social-history': ['note on living circumstances', 'notes on living circumstances'],
  demographics: ['entry on the person', 'entries on the person'],
  administrative: ['administrative entry', 'administrative entries'],
  device: ['entry on a device', 'entries on devices'],
  other: ['other entry', 'other entries'],
}

const LABEL_WORDS: Readonly<Record<Label, string>> = {
  normal: 'ordinary records',
  restricted: 'restricted records',
  'mental-health': 'mental health',
  'sexual-health': 'sexual health',
  genetic: 'genetics',
  'substance-use': 'substance use',
  'emergency-summary': 'the emergency summary',
}

const WHY_WORDS: Readonly<Record<Unseen, string>> = {
  folder: 'in a folder that is not shared',
  class: 'not of the kinds that are shared',
  author: 'written by others',
  date: 'of another time',
  undated: 'without a date',
  exception: 'excepted',
  purpose: 'not for this purpose',
}

export function labelWords(label: Label): string {
  return LABEL_WORDS[label]
}

/** Number and kind: `1 laboratory result`, `3 letters`. */
export function classWords(recordClass: RecordClass, records: number): string {
  return `${records} ${CLASS_WORDS[recordClass][records === 1 ? 0 : 1]}`
}

/** By class, over all labels, the most first. */
function byClass(counted: readonly Counted[]): [RecordClass, number][] {
  const sums = new Map<RecordClass, number>()
  for (const { class: recordClass, records } of counted) sums.set(recordClass, (sums.get(recordClass) ?? 0) + records)
  const order = Object.keys(CLASS_WORDS)
  return [...sums].sort(([x, a], [y, b]) => b - a || order.indexOf(x) - order.indexOf(y))
}

/** `12 laboratory results and 3 letters`, or `nothing that is there now`. */
export function seesWords({ sees }: Preview): string {
  return sees.length === 0 ? 'nothing that is there now' : listWords(byClass(sees).map(([name, records]) => classWords(name, records)))
}

/** What stays hidden, with why; empty where nothing does. */
export function hiddenWords({ hidden }: Preview, withheld: readonly Label[]): string[] {
  const reasons = [...new Set(hidden.map(({ why }) => why))]
  return [
    ...withheld.map(labelWords),
    ...reasons.map(why => {
      const counts = byClass(hidden.filter(one => one.why === why))
      return `${listWords(counts.map(([name, records]) => classWords(name, records)))} (${WHY_WORDS[why]})`
    }),
  ]
}

/** The preview of a decision: what each grantee will see, what not, and that it goes on. */
export function previewLines({ previews, withheld, incomplete }: SharingPreview, note: string, members: readonly NamedMember[]): string[] {
  // Purposes under which the same is seen are said in one line.
  const lines = new Map<string, Purpose[]>()
  for (const { grantee, preview } of previews) {
    const hidden = hiddenWords(preview, withheld)
    const not = hidden.length === 0 ? '' : `; not: ${hidden.join(', ')}`
    const key = JSON.stringify([granteeWords(grantee, note, members), `${seesWords(preview)}${not}`])
    lines.set(key, [...(lines.get(key) ?? []), preview.purpose])
  }
  const said = [...lines].map(([key, purposes]) => {
    const [who, what] = JSON.parse(key) as [string, string]
    return `${who} will see, ${listWords(purposes.map(purposeWords))}: ${what}`
  })
  return [
    ...said,
    'the same holds for what is written into these folders later, while the consent lasts',
    ...(incomplete > 0 ? ['too few custodians answered: there may be more than was counted here'] : []),
  ]
}
