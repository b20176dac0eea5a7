import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { JsonScanner, MAX_JSON_BYTES, MAX_JSON_DEPTH, parseJson } from '../../src/fhir/json-scan.ts'
import { seededRandom } from '../../testnet/population/random.ts'

const test = suite('fhir/json-scan')

function refusal(input: string | Uint8Array): EpioneError {
  try {
    parseJson(typeof input === 'string' ? utf8(input) : input)
  } catch (error) {
    assert.instance(error, EpioneError)
    return error as EpioneError
  }
  return assert.unreachable(`accepted ${JSON.stringify(input)}`) as never
}

test('values of every kind are parsed', () => {
  for (const text of [
    'null',
    ' true ',
    'false\n',
    '0',
    '-0',
    '1.50',
    '-12.5e+10',
    '1E5',
    '""',
    '"a\\u00e9\\n\\"é😀"',
    '[]',
    '{}',
    '[1,[2,{"a":[]}]]',
  ]) {
    assert.equal(parseJson(utf8(text)), JSON.parse(text), text)
  }
})

test('malformed texts are refused as not-json', () => {
  const malformed = [
    '',
    ' ',
    '{',
    '}',
    '[1,]',
    '{"a":1,}',
    '{"a"}',
    '{"a":}',
    '{a:1}',
    "{'a':1}",
    '{"a":1 "b":2}',
    '[1 2]',
    '01',
    '-',
    '+1',
    '.5',
    '1.',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'Infinity',
    'tru',
    'nullx',
    'True',
    '"',
    '"a',
    '"\\',
    '"\\x"',
    '"\\u12"',
    '"\\u12g4"',
    '"a\nb"',
    '"a\tb"',
    '"\u0000"',
    '1 2',
    '{} {}',
    '[]]',
    '// note\n1',
    '\u00a01',
    '\ufeff{}',
  ]
  for (const text of malformed) assert.is(refusal(text).code, 'not-json', text)
})

test('an error names line and column, counted in characters', () => {
  const error = refusal('{\n  "né😀": tru\n}')
  assert.is(error.code, 'not-json')
  assert.equal(error.metadata, { line: 2, column: 13 })
  assert.match(error.message, 'line 2, column 13')
  assert.equal(refusal('[1,\r\n2,\r\n x]').metadata, { line: 3, column: 2 })
  assert.equal(refusal('{"a": ').metadata, { line: 1, column: 7 })
})

test('a message never quotes the document', () => {
  for (const text of ['{"secret-name": secret-value}', '{"secret-name":1,"secret-name":2}', '"secret-\\q"']) {
    assert.not.match(refusal(text).message, 'secret')
  }
})

test('a member that is named twice is refused, however it is written', () => {
  for (const text of ['{"a":1,"a":1}', '{"x":[{"é":1,"\\u00e9":2}]}', '{"a":{},"b":1,"\\u0061":{}}', '{"":1,"":2}']) {
    const error = refusal(text)
    assert.is(error.code, 'not-json')
    assert.match(error.message, 'named twice')
  }
  assert.equal(parseJson(utf8('{"a":{"a":1},"A":[{"a":2},{"a":3}]}')), { a: { a: 1 }, A: [{ a: 2 }, { a: 3 }] })
})

test('invalid UTF-8 is refused', () => {
  const sequences = [
    [0x80],
    [0xc0, 0x80],
    [0xc1, 0xbf],
    [0xc3],
    [0xe0, 0x9f, 0xbf],
    [0xed, 0xa0, 0x80],
    [0xe2, 0x82],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
    [0xff],
  ]
  for (const sequence of sequences) {
    const error = refusal(Uint8Array.of(0x22, ...sequence, 0x22))
    assert.is(error.code, 'not-json')
    assert.equal(error.metadata, { line: 1, column: 2 })
  }
  assert.is(
    parseJson(utf8('"\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}"')),
    '\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}',
  )
})

test('depth is bounded', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  assert.ok(parseJson(utf8(nested(MAX_JSON_DEPTH))))
  assert.is(refusal(nested(MAX_JSON_DEPTH + 1)).code, 'not-json')
  assert.is(refusal('{"a":'.repeat(100_000)).code, 'not-json')
  assert.is(refusal('['.repeat(1_000_000)).code, 'not-json')
})

test('size is bounded', () => {
  assert.is(refusal(new Uint8Array(MAX_JSON_BYTES + 1)).code, 'too-large')
})

test('ranges are those of the original bytes', () => {
  const text = ' { "é" : [ 1.50 , "x" ] , "b" : { } } '
  const bytes = utf8(text)
  const scanner = new JsonScanner(bytes)
  const found: string[] = []
  const slice = ({ start, end }: { start: number; end: number }): string => new TextDecoder().decode(bytes.subarray(start, end))
  const whole = scanner.object(name => {
    if (name === 'é') {
      const list = scanner.array(() => {
        if (scanner.peek() === 'number') found.push(slice(scanner.skip()))
      })
      found.push(slice(list))
    } else found.push(slice(scanner.skip()))
  })
  scanner.end()
  assert.equal(found, ['1.50', '[ 1.50 , "x" ]', '{ }'])
  assert.is(slice(whole), text.trim())
})

test('what is accepted is what JSON.parse accepts, over altered documents', () => {
  const seed = 20_260_115
  const random = seededRandom(seed)
  const original = utf8('{"resourceType":"Bundle","n":[1.50,-2e-3,0],"s":"a\\u00e9\\"é😀","t":true,"o":{"k":null,"l":{}}}')
  const letters = utf8('{}[]",:\\u0123.eE+-tfn \né😀')
  let accepted = 0
  let refused = 0
  for (let round = 0; round < 6000; round++) {
    const bytes = Uint8Array.from(original)
    for (let i = random.int(1, 2); i > 0; i--) bytes[random.int(0, bytes.length - 1)] = random.pick([...letters])
    const context = `seed ${seed} round ${round}`
    let expected: unknown
    let valid = true
    try {
      expected = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
    } catch {
      valid = false
    }
    try {
      assert.equal(parseJson(bytes), expected, context)
      assert.ok(valid, context)
      accepted++
    } catch (error) {
      if (!(error instanceof EpioneError)) throw error
      assert.is(error.code, 'not-json', context)
      if (valid) assert.match(error.message, 'named twice', context)
      refused++
    }
  }
  assert.ok(accepted > 100 && refused > 100, `seed ${seed}: ${accepted} accepted, ${refused} refused`)
})

test.run()
