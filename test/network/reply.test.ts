import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeCanonical } from '../../src/encoding/cbor.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { encodeRefusal, MAX_REFUSAL, readReply } from '../../src/network/reply.ts'

const test = suite('reply')

function refusal(bytes: Uint8Array): EpioneError {
  try {
    readReply(bytes)
  } catch (error) {
    return error as EpioneError
  }
  throw new Error('no refusal')
}

test('an answer is its payload', () => {
  assert.equal(readReply(Uint8Array.of(0, 7, 8)), Uint8Array.of(7, 8))
  assert.equal(readReply(Uint8Array.of(0)), new Uint8Array(0))
})

test('a refusal keeps its code and message', () => {
  const error = refusal(encodeRefusal(new EpioneError('not-found', 'There is no such record.')))
  assert.is(error.code, 'not-found')
  assert.is(error.message, 'There is no such record.')
  assert.is(error.metadata.remote, true)
})

test('a refusal says when to come back, where that is known', () => {
  const error = refusal(encodeRefusal(new EpioneError('busy', 'Later.', { metadata: { retryAfterMs: 250, other: 1 } })))
  assert.equal(error.metadata, { remote: true, retryAfterMs: 250 })
  assert.equal(refusal(encodeRefusal(new EpioneError('busy', 'Later.', { metadata: { retryAfterMs: -1 } }))).metadata, { remote: true })
})

test('what was not thrown on purpose is not told', () => {
  const error = refusal(encodeRefusal(new TypeError('secret at /home/x')))
  assert.is(error.code, 'internal')
  assert.not.match(error.message, 'secret')
})

test('a message cannot write into a terminal', () => {
  const hostile = encodeCanonical(['busy', 'a\u001b[2Jb\nc\u202Ed\u0007'])
  assert.is(refusal(Uint8Array.of(1, ...hostile)).message, 'a [2Jb c d ')
})

test('a message is cut, and its longest form fits', () => {
  const bytes = encodeRefusal(new EpioneError('busy', '\u{1F600}'.repeat(10_000)))
  assert.ok(bytes.length <= MAX_REFUSAL)
  assert.ok(refusal(bytes).message.length <= 300)
})

test('anything else is malformed', () => {
  const cases: Uint8Array[] = [
    new Uint8Array(0),
    Uint8Array.of(2),
    Uint8Array.of(1),
    Uint8Array.of(1, ...encodeCanonical(['Upper', 'x'])),
    Uint8Array.of(1, ...encodeCanonical(['a'.repeat(49), 'x'])),
    Uint8Array.of(1, ...encodeCanonical(['busy'])),
    Uint8Array.of(1, ...encodeCanonical(['busy', 7])),
    Uint8Array.of(1, ...encodeCanonical(['busy', 'x', -1])),
    Uint8Array.of(1, ...encodeCanonical(['busy', 'x', 600_001])),
    Uint8Array.of(1, ...encodeCanonical(['busy', 'x', 'soon'])),
    Uint8Array.of(1, ...encodeCanonical(['busy', 'x', 1, 1])),
    Uint8Array.of(1, ...encodeCanonical(['busy', 'x'.repeat(2000)])),
  ]
  for (const bytes of cases) assert.is(errorCode(refusal(bytes)), 'malformed')
})

test.run()
