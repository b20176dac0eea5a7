import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { count, formatBytes, formatDay, formatInstant, formatSpan, printable } from '../../cli/format.ts'
import { parseEnd } from '../../cli/parse.ts'
import { granteeWords, provisionWords } from '../../cli/plain-consent.ts'
import { byRecord, nothingToRead, versionsOf } from '../../cli/reading.ts'
import type { ListedVersion } from '../../src/client/get.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('cli records words')
const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const MEMBERS = [{ id: id(1), organisation: { name: 'Clinic A' } }]

const PERMIT: Provision = {
  decision: 'permit',
  grantee: null,
  purposes: ['TREAT'],
  classes: [],
  dataPeriod: null,
  authors: [],
  validity: { start: 0, end: Date.UTC(2031, 4, 1) },
  exceptions: [],
}

test('figures and times', () => {
  assert.equal([0, 999, 1000, 99_400, 100_400, 999_600, 1_500_000, 2 ** 40].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '99.4 kB',
    '100 kB',
    '1.0 MB',
    '1.5 MB',
    '1.1 TB',
  ])
  assert.equal([0, 999.4, 999.6, 1300, 9_949, 9_951, 119_000, 3_600_000, 7_200_000, 400_000_000].map(formatSpan), [
    '0 ms',
    '999 ms',
    '1.0 s',
    '1.3 s',
    '9.9 s',
    '10 s',
    '119 s',
    '60 min',
    '2 h',
    '5 d',
  ])
  assert.is(formatDay(Date.UTC(2031, 4, 1, 23)), '2031-05-01')
  assert.is(formatInstant(Date.UTC(2031, 4, 1, 8)), '2031-05-01 08:00:00Z')
  assert.is(formatInstant(Number.MAX_SAFE_INTEGER), `${Number.MAX_SAFE_INTEGER} ms`)
  assert.equal([count(1, 'version'), count(2, 'version')], ['1 version', '2 versions'])
})

test('text of others cannot act on a terminal', () => {
  assert.is(printable('Dr\u001b[2J Weber\n\u202eevil\u0000 '), 'Dr [2J Weber evil')
})

test('consents in plain words', () => {
  assert.is(provisionWords(PERMIT, MEMBERS), 'may read everything, to treat (TREAT), until 2031-05-01 00:00:00Z')
  const narrow: Provision = {
    ...PERMIT,
    purposes: ['TREAT', 'HPAYMT'],
    classes: ['laboratory', 'imaging', 'allergy'],
    authors: [id(1), id(2)],
    dataPeriod: { start: 0, end: Number.MAX_SAFE_INTEGER },
    exceptions: [{ ...PERMIT, decision: 'deny', purposes: [], classes: ['imaging'], validity: null }],
  }
  assert.is(
    provisionWords(narrow, MEMBERS),
    'may read laboratory, imaging and allergy, but not imaging, written by Clinic A and organisation 0202020202020202, about the time from 1970-01-01 until ever after, to treat (TREAT) and for payment (HPAYMT), until 2031-05-01 00:00:00Z',
  )
  const nested = { ...narrow, exceptions: narrow.exceptions.map(deny => ({ ...deny, exceptions: [PERMIT] })) }
  assert.match(provisionWords(nested, MEMBERS), /, with further exceptions$/)
})

test('grantees in plain words', () => {
  const person = { type: 'person' as const, value: { organisation: id(1), key: id(9) } }
  assert.is(granteeWords(person, 'Dr Otieno', MEMBERS), 'Dr Otieno at Clinic A')
  assert.is(granteeWords(person, '', MEMBERS), 'the person with key 0909090909090909 at Clinic A')
  assert.is(granteeWords({ type: 'role', value: { organisation: id(1), role: 'nurse' } }, 'x', MEMBERS), 'each nurse at Clinic A')
  assert.is(
    granteeWords({ type: 'organisation', value: { organisation: id(3) } }, '', MEMBERS),
    'everybody at organisation 0303030303030303',
  )
  assert.is(granteeWords(null, '', MEMBERS), 'anybody')
})

test('an end is a date or a length', () => {
  assert.equal(parseEnd('2031-05-01'), { atMs: Date.UTC(2031, 4, 1) })
  assert.equal(parseEnd('30d'), { lengthMs: 30 * 86_400_000 })
  for (const text of ['', 'soon', '30', '2031', '2031-02-30', '30x']) {
    let code = ''
    try {
      parseEnd(text)
    } catch (error) {
      code = (error as { code: string }).code
    }
    assert.is(code, 'commander.invalidArgument', text)
  }
})

test('versions are gathered by record, the newest last', () => {
  const version = (record: number, number: number, height: number): ListedVersion =>
    ({ recordId: id(record), version: number, submission: { anchor: { height } } }) as unknown as ListedVersion
  const listed = [version(1, 2, 5), version(2, 1, 5), version(1, 1, 6), version(1, 2, 4)]
  assert.equal(
    byRecord(listed).map(record => record.map(one => [one.recordId[0], one.version, one.submission.anchor.height])),
    [
      [
        [1, 1, 6],
        [1, 2, 4],
        [1, 2, 5],
      ],
      [[2, 1, 5]],
    ],
  )
  assert.is(versionsOf(listed, id(2)).length, 1)
  assert.is(versionsOf(listed, id(3)).length, 0)
})

test('nothing is said to be there only where enough custodians answered', () => {
  throwsCode(() => nothingToRead({ versions: [], incomplete: [], failures: [] }), 'not-found')
  const submission = { root: id(1) } as never
  throwsCode(() => nothingToRead({ versions: [], incomplete: [submission], failures: [] }), 'too-few-custodians')
})

test.run()
