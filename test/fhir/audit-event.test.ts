import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { auditEventOf, type LoggedLook } from '../../src/fhir/audit-event.ts'
import { loadValidator } from '../../src/fhir/validate.ts'

const test = suite('a look as an AuditEvent')

const id = (byte: string): string => byte.repeat(32)
const look: LoggedLook = {
  folder: id('0a'),
  entry: id('0b'),
  recordedMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  untilMs: Date.UTC(2026, 0, 2, 4, 4, 5),
  purpose: 'TREAT',
  consent: id('0c'),
  reader: { key: id('0d'), name: 'Dr Otieno', role: 'physician' },
  organisation: { id: id('0e'), name: 'Spree Clinic' },
  custodians: [{ id: id('0f'), name: 'Serra Hospital' }],
  records: [{ submission: id('1a'), leaf: 3, name: 'Observation' }],
}

test('a read, an owner, and a session without a release are all valid FHIR R4', async () => {
  const validator = await loadValidator()
  const events = [
    auditEventOf(look),
    auditEventOf({ ...look, organisation: null, consent: null, purpose: 'PATRQT' }),
    auditEventOf({ ...look, reader: null, purpose: null, records: [], custodians: [] }),
  ]
  for (const event of events) validator.validate(event)
  validator.validate({ resourceType: 'Bundle', type: 'collection', entry: events.map(resource => ({ resource })) })
  assert.equal(
    events.map(({ action, meta }) => [action, meta !== undefined]),
    [
      ['R', true],
      ['R', true],
      ['E', false],
    ],
  )
})

test('who, in which role, for which organisation, when, why, under which consent and what', () => {
  const event = JSON.stringify(auditEventOf(look))
  for (const part of [
    id('0b'),
    id('0c'),
    id('0d'),
    id('0e'),
    id('0f'),
    'Dr Otieno',
    'physician',
    'TREAT',
    '2026-01-02T03:04:05',
    `${id('1a')}:3`,
  ]) {
    assert.ok(event.includes(part), part)
  }
})

test.run()
