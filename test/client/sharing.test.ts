/** Decisions over folders, what they would show, and the notes that keep them together: the parts that need no network. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeConsentNote, encodeConsentNote, MAX_NOTE_BYTES } from '../../src/client/consent-note.ts'
import type { OwnedFolder } from '../../src/client/folders.ts'
import { MAX_SHARED_FOLDERS } from '../../src/client/identity.ts'
import { type OwnVersion, previewVersions, readerOf } from '../../src/client/preview.ts'
import { planSharing, type SharingRule } from '../../src/client/sharing.ts'
import type { Grantee, Provision } from '../../src/contracts/consent-terms.ts'
import { LABELS, type Label } from '../../src/contracts/folders-formats.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { berlin, deny, doctor, nurse, permit, recife } from '../contracts/consent-cases.ts'
import { naiveVerdict } from '../contracts/naive-consent.ts'
import { randomProvision } from '../contracts/random-consent.ts'
import { hashOf } from '../contracts/world.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('sharing')

const amina: Grantee = { type: 'person', value: { organisation: berlin, key: doctor } }
const toAmina = (limits: Partial<Provision> = {}, ...exceptions: Provision[]): Provision =>
  permit({ grantee: amina, purposes: ['TREAT'], ...limits }, ...exceptions)

let made = 0
function folder(label: Label, author = recife, status: 'open' | 'erased' = 'open'): OwnedFolder {
  return { index: made, id: hashOf(`folder ${made++}`), label, labelSalt: hashOf('salt'), folder: { author, status } } as OwnedFolder
}

test('a decision becomes one consent on each folder that its labels choose', () => {
  const folders = [
    folder('normal'),
    folder('mental-health'),
    folder('restricted'),
    folder('normal', berlin),
    folder('normal', recife, 'erased'),
  ]
  const labels = LABELS.filter(label => label !== 'mental-health')
  const planned = planSharing(folders, { rules: [{ labels, provision: toAmina() }] })
  const ids = (list: readonly { id: Uint8Array }[]): string[] => list.map(({ id }) => toHex(id)).sort()
  assert.equal(
    planned.map(({ owned }) => toHex(owned.id)),
    ids([folders[0]!, folders[2]!, folders[3]!]),
    'in an order that says nothing of the wallet',
  )
  const written = planSharing(folders, { rules: [{ labels, provision: toAmina({ authors: [berlin] }) }] })
  assert.equal(ids(written.map(({ owned }) => owned)), ids([folders[3]!]), 'a folder that can hold nothing of it gets none')
  const one = planSharing(folders, { rules: [{ labels: [], provision: toAmina() }], folder: folders[1]!.id })
  assert.equal(ids(one.map(({ owned }) => owned)), ids([folders[1]!]), 'a folder by its name, whatever its label')
})

test('what cannot be granted is refused before anything is signed', () => {
  const rules: SharingRule[] = [{ labels: ['normal'], provision: toAmina() }]
  throwsCode(() => planSharing([folder('genetic')], { rules }), 'nothing-to-share')
  throwsCode(() => planSharing([folder('normal')], { rules: [{ labels: ['normal'], provision: permit() }] }), 'no-grantee')
  const many = (length: number): OwnedFolder[] => Array.from({ length }, () => folder('normal'))
  assert.is(planSharing(many(MAX_SHARED_FOLDERS), { rules }).length, MAX_SHARED_FOLDERS)
  throwsCode(() => planSharing(many(MAX_SHARED_FOLDERS + 1), { rules }), 'too-many-folders')
})

const reader = readerOf(amina, { purpose: 'TREAT', time: 1000, role: 'physician' })
const version = (name: string, changes: Partial<OwnVersion> = {}): OwnVersion => ({
  label: 'normal',
  recordId: hashOf(name),
  version: 1,
  class: 'laboratory',
  dataTime: 5000,
  author: recife,
  ...changes,
})

test('a preview counts records by class, and says why the others are hidden', () => {
  const provision = toAmina(
    { classes: ['laboratory', 'document', 'condition'], dataPeriod: { start: 4000, end: 6000 } },
    deny({ classes: ['condition'] }),
  )
  const versions = [
    version('a'),
    version('b'),
    version('b', { version: 2, class: 'document' }),
    version('c', { class: 'imaging' }),
    version('d', { dataTime: 6000 }),
    version('e', { dataTime: null }),
    version('f', { class: 'condition' }),
    version('g', { label: 'mental-health' }),
  ]
  const { sees, hidden, purpose } = previewVersions(versions, reader, ({ label }) => (label === 'normal' ? [provision] : []))
  assert.is(purpose, 'TREAT')
  assert.equal(sees, [
    { label: 'normal', class: 'laboratory', records: 1 },
    { label: 'normal', class: 'document', records: 1 },
  ])
  assert.equal(
    hidden.map(({ class: name, why, records }) => [name, why, records]),
    [
      ['imaging', 'class', 1],
      ['laboratory', 'date', 1],
      ['laboratory', 'undated', 1],
      ['condition', 'exception', 1],
      ['laboratory', 'folder', 1],
    ],
  )
})

test('other reasons: who wrote it, what for, and when it begins', () => {
  const why = (provision: Provision, changes: Partial<OwnVersion> = {}): string[] =>
    previewVersions([version('a', changes)], reader, () => [provision]).hidden.map(one => one.why)
  assert.equal(why(toAmina({ authors: [berlin] })), ['author'])
  assert.equal(why(toAmina({ purposes: ['HRESCH'] })), ['purpose'])
  assert.equal(why(toAmina({ classes: ['imaging'], authors: [berlin] })), ['class'])
  assert.equal(why(toAmina({ validity: { start: 1001, end: 2000 } })), ['purpose'])
  assert.equal(why(toAmina()), [])
})

test('somebody of a role or an organisation is nobody whom an exception names', () => {
  const ward: Grantee = { type: 'role', value: { organisation: berlin, role: 'nurse' } }
  const clinic: Grantee = { type: 'organisation', value: { organisation: berlin } }
  const seen = (grantee: Grantee, provision: Provision): number =>
    previewVersions([version('a')], readerOf(grantee, { purpose: 'TREAT', time: 1000 }), () => [provision]).sees.length
  const butNurse = deny({ grantee: { type: 'person', value: { organisation: berlin, key: nurse } } })
  assert.is(seen(ward, permit({ grantee: ward }, butNurse)), 1)
  assert.is(seen(clinic, permit({ grantee: clinic }, butNurse)), 1)
  assert.is(seen(clinic, permit({ grantee: ward })), 0, 'a role is not the whole organisation')
})

test(
  'a preview is what the decision says, version by version',
  property(random => {
    for (let i = 0; i < 200; i++) {
      const provision = randomProvision(random)
      const versions = Array.from({ length: 12 }, (_, j) =>
        version(`${j}`, {
          class: random.pick(['laboratory', 'imaging', 'medication'] as const),
          dataTime: random.below(4) === 0 ? null : random.below(12),
          author: random.pick([berlin, recife]),
        }),
      )
      const asks = {
        ...readerOf(amina, { purpose: random.pick(['TREAT', 'BTG', 'HRESCH'] as const), time: random.below(12), role: 'physician' }),
      }
      const { sees, hidden } = previewVersions(versions, asks, () => [provision])
      const sum = (rows: readonly { records: number }[]): number => rows.reduce((total, { records }) => total + records, 0)
      assert.is(sum(sees), versions.filter(one => naiveVerdict(provision, { ...asks, ...one })).length)
      assert.is(sum(sees) + sum(hidden), versions.length)
    }
  }),
)

test('notes are of one length, and come back', () => {
  const sharing = { id: hashOf('sharing').slice(0, 16), rule: 2, labels: [...LABELS], time: 1 }
  const [sealingKey, longer] = [1, 2].map(suite => sealingKeyFromSeed(hashOf('key'), suite).publicKey) as [Uint8Array, Uint8Array]
  const notes = [
    { text: '', sharing: null, sealingKey },
    { text: 'Dr Amina Ωduya', sharing, sealingKey },
    { text: 'x'.repeat(MAX_NOTE_BYTES), sharing, sealingKey: longer },
  ]
  for (const note of notes) {
    assert.equal(decodeConsentNote(encodeConsentNote(note)), note)
    assert.is(encodeConsentNote(note).length, encodeConsentNote(notes[0]!).length)
  }
  throwsCode(() => encodeConsentNote({ text: 'x'.repeat(MAX_NOTE_BYTES + 1), sharing: null, sealingKey }), 'invalid-argument')
  throwsCode(() => decodeConsentNote(new Uint8Array(10)), 'malformed')
})

test.run()
