import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, parseHex, toHex } from '../../src/encoding/bytes.ts'
import { type Canonical, decodeCanonical, encodeCanonical } from '../../src/encoding/cbor.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { hex } from './hex.ts'
import { property, type SeededRandom } from './seeded.ts'
import { throwsCode } from './throws.ts'

const codecs = suite('canonical codec')
const decode = (bytes: Uint8Array): Canonical => decodeCanonical(bytes, { maxBytes: 1 << 20 })

/** A random value of the canonical subset. */
function value(random: SeededRandom, depth = 0): Canonical {
  switch (random.below(depth < 4 ? 7 : 5)) {
    case 0:
      return null
    case 1:
      return random.below(2) === 1
    case 2: {
      const magnitude = random.pick([
        random.below(24),
        random.below(256),
        random.below(65536),
        random.below(2 ** 32),
        random.below(2 ** 53),
      ])
      return magnitude > 0 && random.below(2) === 1 ? -magnitude : magnitude
    }
    case 3:
      return Array.from({ length: random.below(30) }, () => random.pick(['a', 'é', '健', '🩺', '\0', '"'])).join('')
    case 4:
      return random.bytes(random.below(300))
    default:
      return Array.from({ length: random.below(6) }, () => value(random, depth + 1))
  }
}

codecs('values have the bytes of DAG-CBOR', () => {
  const cases: [Canonical, string][] = [
    [null, 'f6'],
    [true, 'f5'],
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [-1, '20'],
    [1_700_000_000_000, '1b0000018bcfe56800'],
    [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
    ['é', '62c3a9'],
    [Uint8Array.of(1, 2), '420102'],
    [[], '80'],
    [[1, ['a', null]], '820182 6161f6'.replace(' ', '')],
  ]
  for (const [given, bytes] of cases) {
    assert.is(toHex(encodeCanonical(given)), bytes)
    assert.equal(decode(hex(bytes)), given)
  }
})

codecs(
  'every value comes back, from one encoding only',
  property(random => {
    for (let i = 0; i < 300; i++) {
      const given = value(random)
      const bytes = encodeCanonical(given)
      assert.equal(decode(bytes), given)
      const changed = bytes.slice()
      const at = random.below(bytes.length)
      changed[at] = random.below(256)
      try {
        const other = decode(changed)
        assert.ok(equalBytes(encodeCanonical(other), changed), `${toHex(changed)} is a second encoding`)
      } catch (error) {
        assert.is(errorCode(error, String(error)), 'malformed', toHex(changed))
      }
      throwsCode(() => decode(bytes.subarray(0, random.below(bytes.length))), 'malformed')
      throwsCode(() => decode(Uint8Array.of(...bytes, random.below(256))), 'malformed')
    }
  }),
)

codecs(
  'random bytes are read canonically or refused, never anything else',
  property(random => {
    for (let i = 0; i < 3000; i++) {
      const bytes = random.bytes(random.below(24))
      try {
        assert.ok(equalBytes(encodeCanonical(decode(bytes)), bytes), toHex(bytes))
      } catch (error) {
        assert.is(errorCode(error, String(error)), 'malformed', toHex(bytes))
      }
    }
  }),
)

codecs('second encodings and foreign kinds are refused', () => {
  const refused = {
    'integer with a longer head': '1800',
    'integer in two bytes for one': '190018',
    'integer in eight bytes for four': '1b0000000000000001',
    'negative integer with a longer head': '3800',
    'length with a longer head': '580161',
    'array length with a longer head': '980100',
    'indefinite array': '9f00ff',
    'indefinite bytes': '5f4100ff',
    'indefinite text': '7f6161ff',
    float: 'fb3ff8000000000000',
    'float that is an integer': 'fb3ff0000000000000',
    'half float': 'f93c00',
    'negative zero': 'fb8000000000000000',
    'not a number': 'f97e00',
    undefined: 'f7',
    'simple value': 'f820',
    'empty map': 'a0',
    map: 'a1616101',
    tag: 'c100',
    'CID link': 'd82a450001550000',
    'beyond safe integers': '1b0020000000000000',
    'greatest 64-bit integer': '1bffffffffffffffff',
    'below safe integers': '3b001fffffffffffff',
    'text that is not UTF-8': '61ff',
    'text with a surrogate': '63eda080',
    'text cut inside a character': '61c3',
    nothing: '',
    'two values': '0000',
    break: 'ff',
    'array longer than its bytes': '8200',
    'array of 2^32 - 1 items': '9affffffff00',
    'array of 2^64 - 1 items': '9bffffffffffffffff00',
    'bytes of 2^64 - 1': '5bffffffffffffffff00',
    'bytes longer than there are': '5a0010000000',
    'reserved additional information': '1c',
  }
  for (const [what, bytes] of Object.entries(refused)) {
    const error = throwsCode(() => decode(hex(bytes)), 'malformed')
    assert.ok(error.message.length > 0, what)
  }
})

codecs('what is not canonical cannot be written', () => {
  const refused: unknown[] = [
    1.5,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    undefined,
    1n,
    {},
    new Map(),
    new Date(),
    '\ud800',
    [[{}]],
    Symbol('x'),
  ]
  for (const given of refused) throwsCode(() => encodeCanonical(given as Canonical), 'malformed')
})

codecs('depth and size are bounded, also against input made to exhaust the stack', () => {
  const nested = (depth: number): Canonical => (depth === 0 ? 0 : [nested(depth - 1)])
  assert.equal(decode(encodeCanonical(nested(16))), nested(16))
  throwsCode(() => encodeCanonical(nested(17)), 'malformed')
  throwsCode(() => decode(Uint8Array.of(...new Uint8Array(17).fill(0x81), 0)), 'malformed')
  throwsCode(() => decode(new Uint8Array(1 << 20).fill(0x81)), 'malformed')
  const bytes = encodeCanonical(new Uint8Array(100))
  assert.equal(decodeCanonical(bytes, { maxBytes: bytes.length }), new Uint8Array(100))
  throwsCode(() => decodeCanonical(bytes, { maxBytes: bytes.length - 1 }), 'malformed')
})

codecs('hex is read strictly and written in lower case', () => {
  assert.equal(parseHex('00fFa0'), Uint8Array.of(0, 255, 160))
  assert.is(toHex(Uint8Array.of(0, 255, 160)), '00ffa0')
  for (const text of ['0', '0g', ' 00', '0x00', '00\n', '００']) assert.is(parseHex(text), undefined, text)
})

codecs.run()
