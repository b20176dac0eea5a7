import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Canonical, encodeCanonical } from '../../src/encoding/cbor.ts'
import {
  bool,
  byteString,
  type Codec,
  codec,
  fixedBytes,
  hash32,
  integer,
  lazy,
  list,
  nullable,
  oneOf,
  refine,
  type Schema,
  struct,
  tagged,
  text,
} from '../../src/encoding/schema.ts'
import { property } from './seeded.ts'
import { throwsCode } from './throws.ts'

const schemas = suite('schema')

const visit = codec(
  struct({
    id: hash32,
    count: integer(100, 1),
    note: nullable(text(5)),
    kind: oneOf('new', 'old'),
    open: bool,
    readings: list(struct({ at: integer(), raw: byteString(4, 1) }), 3),
    outcome: tagged({ done: integer(9), failed: struct({ reason: text(20, /^[a-z-]+$/) }) }),
  }),
  200,
)
type Visit = ReturnType<typeof visit.decode>

const good = (): Visit => ({
  id: new Uint8Array(32).fill(1),
  count: 7,
  note: null,
  kind: 'new',
  open: true,
  readings: [{ at: 5, raw: Uint8Array.of(1, 2) }],
  outcome: { type: 'failed', value: { reason: 'too-late' } },
})

/** Refused by the writer, and as bytes by the reader. */
function refusedBothWays<T>(schema: Codec<T>, value: unknown, packed: Canonical): void {
  throwsCode(() => schema.encode(value as T), 'malformed')
  throwsCode(() => schema.decode(encodeCanonical(packed)), 'malformed')
}

schemas('a message is an array in the order of its fields, and comes back', () => {
  const value = good()
  assert.equal(visit.pack(value), [value.id, 7, null, 'new', true, [[5, Uint8Array.of(1, 2)]], ['failed', ['too-late']]])
  assert.equal(visit.decode(visit.encode(value)), value)
  const other: Visit = { ...value, note: 'x', kind: 'old', readings: [], outcome: { type: 'done', value: 9 } }
  assert.equal(visit.decode(visit.encode(other)), other)
})

schemas('the place of a fault is named', () => {
  const packed = visit.pack(good()) as Canonical[]
  const at = (index: number, value: Canonical): string =>
    throwsCode(() => visit.decode(encodeCanonical(packed.with(index, value))), 'malformed').message
  assert.match(at(0, new Uint8Array(31)), /^id must be/)
  assert.match(at(1, 101), /^count must be an integer from 1 to 100/)
  assert.match(at(2, 'abcdef'), /^note must be/)
  assert.match(at(5, [[5, new Uint8Array(0)]]), /^readings\[0\]\.raw must be/)
  assert.match(at(6, ['failed', ['NO']]), /^outcome\.failed\.reason must be/)
  assert.match(throwsCode(() => visit.decode(encodeCanonical(7)), 'malformed').message, /^message must be a tuple of 7 fields/)
})

schemas('scalars are refused outside their bounds and kinds', () => {
  const one = <T>(schema: Schema<T>): Codec<T> => codec(schema, 1000)
  for (const value of [new Uint8Array(31), new Uint8Array(33), 'text', 5, null, []]) refusedBothWays(one(hash32), value, value)
  for (const value of [new Uint8Array(0), new Uint8Array(5), 'abcd']) refusedBothWays(one(byteString(4, 1)), value, value)
  for (const value of ['abcdef', 5, Uint8Array.of(97), null]) refusedBothWays(one(text(5)), value, value)
  for (const value of ['A', 'a1', '']) refusedBothWays(one(text(5, /^[a-z]+$/)), value, value)
  for (const value of [0, 101, -1, '7', null, true]) refusedBothWays(one(integer(100, 1)), value, value)
  throwsCode(() => one(integer()).encode(1.5), 'malformed')
  throwsCode(() => one(integer()).encode(2 ** 53), 'malformed')
  for (const value of [0, 1, null, 'true']) refusedBothWays(one(bool), value, value)
  for (const value of ['newer', 4, '3', null]) refusedBothWays(one(oneOf('new', 'old')), value, value)
  for (const value of [2, '1', null]) refusedBothWays(one(oneOf(1, 3)), value, value)
  refusedBothWays(one(nullable(integer(5))), 6, 6)
  throwsCode(() => one(nullable(integer(5))).encode(undefined as unknown as number), 'malformed')
  for (const value of [[], [1, 2, 3], [1, 'x']]) refusedBothWays(one(list(integer(9), 2, 1)), value, value)
  throwsCode(() => one(list(integer(9), 2)).decode(encodeCanonical('x')), 'malformed')
})

schemas('missing, additional and unknown fields and variants are refused', () => {
  const packed = visit.pack(good()) as Canonical[]
  throwsCode(() => visit.decode(encodeCanonical(packed.slice(0, -1))), 'malformed')
  throwsCode(() => visit.decode(encodeCanonical([...packed, 1])), 'malformed')
  const { note: _, ...lacking } = good()
  throwsCode(() => visit.encode(lacking as Visit), 'malformed')
  for (const outcome of [['unknown', 1], ['constructor', 1], ['__proto__', 1], ['done'], ['done', 1, 1], [1, 1], 'done', null]) {
    throwsCode(() => visit.decode(encodeCanonical(packed.with(6, outcome as Canonical))), 'malformed')
  }
  for (const type of ['unknown', 'constructor', 'toString']) {
    throwsCode(() => visit.encode({ ...good(), outcome: { type, value: 1 } } as unknown as Visit), 'malformed')
  }
})

schemas('a rule over the whole value holds both ways', () => {
  const ascending = codec(
    refine(list(integer(), 9), 'ascending', items => items.every((item, i) => i === 0 || item > (items[i - 1] as number))),
    100,
  )
  assert.equal(ascending.decode(ascending.encode([1, 2, 5])), [1, 2, 5])
  refusedBothWays(ascending, [2, 1], [2, 1])
  refusedBothWays(ascending, [1, 1], [1, 1])
})

schemas('a schema may hold itself, to the depth that the bytes allow', () => {
  interface Tree {
    value: number
    children: Tree[]
  }
  const tree: Schema<Tree> = struct({
    value: integer(),
    children: list(
      lazy((): Schema<Tree> => tree),
      4,
    ),
  })
  const trees = codec(tree, 1000)
  const chain = (depth: number): Tree => ({ value: depth, children: depth === 0 ? [] : [chain(depth - 1)] })
  assert.equal(trees.decode(trees.encode(chain(7))), chain(7))
  throwsCode(() => trees.encode(chain(40)), 'malformed')
})

schemas('the bound on bytes holds for writer and reader', () => {
  const small = codec(byteString(1000), 10)
  assert.is(small.maxBytes, 10)
  assert.is(small.encode(new Uint8Array(9)).length, 10)
  throwsCode(() => small.encode(new Uint8Array(10)), 'malformed')
  throwsCode(() => small.decode(encodeCanonical(new Uint8Array(10))), 'malformed')
})

schemas(
  'bytes changed on the way give a value with exactly these bytes, or an error',
  property(random => {
    for (let i = 0; i < 400; i++) {
      const value: Visit = {
        id: random.bytes(32),
        count: 1 + random.below(100),
        note: random.pick([null, '', 'abcde']),
        kind: random.pick(['new', 'old'] as const),
        open: random.below(2) === 1,
        readings: Array.from({ length: random.below(4) }, () => ({ at: random.below(2 ** 53), raw: random.bytes(1 + random.below(4)) })),
        outcome: random.below(2) === 1 ? { type: 'done', value: random.below(10) } : { type: 'failed', value: { reason: 'no' } },
      }
      const bytes = visit.encode(value)
      assert.equal(visit.decode(bytes), value)
      bytes[random.below(bytes.length)] = random.below(256)
      let read: Visit | undefined
      try {
        read = visit.decode(bytes)
      } catch (error) {
        assert.is((error as { code?: string }).code, 'malformed')
      }
      if (read !== undefined) assert.equal(visit.encode(read), bytes)
    }
  }),
)

schemas('fixed byte strings keep their bytes', () => {
  const four = codec(fixedBytes(4), 10)
  const bytes = Uint8Array.of(1, 2, 3, 4)
  const read = four.decode(four.encode(bytes))
  assert.equal(read, bytes)
  assert.is(read.constructor, Uint8Array)
})

schemas.run()
