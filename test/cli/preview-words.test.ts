import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { classWords, hiddenWords, labelWords, previewLines, seesWords } from '../../cli/plain-preview.ts'
import type { Preview } from '../../src/client/preview.ts'
import { RECORD_CLASSES } from '../../src/contracts/consent-terms.ts'
import { LABELS } from '../../src/contracts/folders-formats.ts'

const test = suite('previews in words')

const id = new Uint8Array(32).fill(1)
const MEMBERS = [{ id, organisation: { name: 'Nairobi' } }]
const grantee = { type: 'person' as const, value: { organisation: id, key: id } }
const preview: Preview = {
  purpose: 'TREAT',
  sees: [
    { label: 'normal', class: 'document', records: 2 },
    { label: 'normal', class: 'laboratory', records: 11 },
    { label: 'restricted', class: 'laboratory', records: 1 },
    { label: 'restricted', class: 'document', records: 1 },
  ],
  hidden: [
    { label: 'normal', class: 'imaging', records: 1, why: 'class' },
    { label: 'normal', class: 'allergy', records: 2, why: 'class' },
    { label: 'normal', class: 'document', records: 1, why: 'undated' },
  ],
}

test('what will be seen, and what not', () => {
  const [line, later, ...more] = previewLines(
    { previews: [{ grantee, preview }], withheld: ['mental-health'], incomplete: 0 },
    'Dr Amina',
    MEMBERS,
  )
  assert.is(
    line,
    'Dr Amina at Nairobi will see, to treat (TREAT): 12 laboratory results and 3 letters; not: mental health, 2 allergies and 1 image (not of the kinds that are shared), 1 letter (without a date)',
  )
  assert.match(later as string, /written into these folders later/)
  assert.equal(more, [])
})

test('nothing, everything, and what could not be counted', () => {
  assert.is(seesWords({ ...preview, sees: [] }), 'nothing that is there now')
  assert.equal(hiddenWords({ ...preview, hidden: [] }, []), [])
  const lines = previewLines({ previews: [{ grantee, preview: { ...preview, hidden: [] } }], withheld: [], incomplete: 2 }, '', MEMBERS)
  assert.not.match(lines[0] as string, /not:/)
  assert.match(lines.at(-1) as string, /there may be more/)
})

test('purposes under which the same is seen are one line', () => {
  const other: Preview = { ...preview, sees: [] }
  const previews = [
    { grantee, preview },
    { grantee, preview: { ...preview, purpose: 'HPAYMT' as const } },
    { grantee, preview: { ...other, purpose: 'HRESCH' as const } },
  ]
  const lines = previewLines({ previews, withheld: [], incomplete: 0 }, 'Dr Amina', MEMBERS)
  assert.is(lines.length, 3)
  assert.match(lines[0] as string, /will see, to treat \(TREAT\) and for payment \(HPAYMT\): 12 laboratory results/)
  assert.match(lines[1] as string, /will see, for research \(HRESCH\): nothing that is there now/)
})

test('each class has one and several, each label a word', () => {
  assert.is(classWords('laboratory', 1), '1 laboratory result')
  const several = RECORD_CLASSES.map(name => classWords(name, 2))
  assert.is(new Set(several).size, RECORD_CLASSES.length)
  for (const name of RECORD_CLASSES) assert.is.not(classWords(name, 1).slice(2), classWords(name, 2).slice(2))
  assert.is(new Set(LABELS.map(labelWords)).size, LABELS.length)
})

test('a name cannot act on a terminal', () => {
  const lines = previewLines({ previews: [{ grantee, preview }], withheld: [], incomplete: 0 }, 'Dr\u001b[2J', MEMBERS)
  assert.ok(lines.every(line => !line.includes('\u001b')))
})

test.run()
