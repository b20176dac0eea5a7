import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, parseHex, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { type StateChange, StateTree, StateTreeBuilder } from '../../src/ledger/state-tree.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'
import { type Entry, referenceTree, sorted } from './reference-tree.ts'

const tree = suite('state tree')
const NONE = new Uint8Array(0)

/** Keys that collide often: short, of few byte values, some the prefix of others. */
function someKey(random: SeededRandom): Uint8Array {
  return Uint8Array.from({ length: 1 + random.below(4) }, () => random.pick([0, 1, 2, 0x7f, 0x80, 0xff]))
}

function someChanges(random: SeededRandom, count: number): StateChange[] {
  return Array.from({ length: count }, () => ({
    key: someKey(random),
    value: random.below(3) === 0 ? null : random.bytes(1 + random.below(random.below(20) === 0 ? 3000 : 40)),
  }))
}

type Model = Map<string, Uint8Array>

function applyToModel(model: Model, changes: readonly StateChange[]): Model {
  const next = new Map(model)
  for (const { key, value } of changes) {
    if (value === null) next.delete(toHex(key))
    else next.set(toHex(key), value)
  }
  return next
}

const entriesOf = (model: Model): Entry[] => sorted([...model].map(([key, value]) => [parseHex(key) as Uint8Array, value]))

function sameAsModel(actual: StateTree, model: Model): void {
  const expected = entriesOf(model)
  assert.is(actual.size, expected.length)
  assert.equal([...actual.entries(NONE)], expected)
  assert.is(toHex(actual.root), toHex(expected.length === 0 ? sha256(NONE) : referenceTree(expected).hash))
}

tree(
  'behaves as a map whose root is that of the reference, and every version stays what it was',
  property(random => {
    const versions: [StateTree, Model][] = [[StateTree.empty(), new Map()]]
    for (let round = 0; round < 60; round++) {
      // Any version may be built on, as candidate blocks on one parent are; its hashes may or may not be there yet.
      const [parent, model] = random.pick(versions)
      const changes = someChanges(random, random.below(12))
      const child = parent.apply(changes)
      versions.push([child, applyToModel(model, changes)])
      if (random.below(2) === 0) assert.is(child.root.length, 32)
    }
    for (const [version, model] of versions) {
      sameAsModel(version, model)
      const key = someKey(random)
      assert.equal(version.get(key), model.get(toHex(key)))
    }
  }),
)

tree(
  'the root depends on the content alone, not on the history',
  property(random => {
    const model = applyToModel(
      new Map(),
      Array.from({ length: 200 }, () => ({ key: random.bytes(33), value: random.bytes(20) })),
    )
    const puts: StateChange[] = [...model].map(([key, value]) => ({ key: parseHex(key) as Uint8Array, value }))
    const detours: StateChange[] = Array.from({ length: 50 }, () => ({ key: random.bytes(33), value: random.bytes(5) }))
    const shuffled = [...puts]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[shuffled[i], shuffled[j]] = [shuffled[j] as StateChange, shuffled[i] as StateChange]
    }
    let other = StateTree.empty().apply(detours)
    for (const change of shuffled) other = other.apply([change])
    other = other.apply(detours.map(({ key }) => ({ key, value: null })))
    assert.is(toHex(other.root), toHex(StateTree.empty().apply(puts).root))
  }),
)

tree(
  'all under a prefix is what starts with it',
  property(random => {
    const model = applyToModel(new Map(), someChanges(random, 80))
    const built = StateTree.empty().apply(entriesOf(model).map(([key, value]) => ({ key, value })))
    for (let i = 0; i < 50; i++) {
      const prefix = someKey(random)
      const expected = entriesOf(model).filter(([key]) => toHex(key).startsWith(toHex(prefix)))
      assert.equal([...built.entries(prefix)], expected)
    }
  }),
)

tree(
  'a tree rebuilt from its leaves is the same tree, and can be changed like it',
  property(random => {
    const first = StateTree.empty().apply(someChanges(random, 100))
    const builder = new StateTreeBuilder()
    for (const [key, value] of first.entries(NONE)) builder.add(key, value)
    const again = builder.finish()
    assert.is(again.size, first.size)
    const changes = someChanges(random, 40)
    const changed = again.apply(changes)
    assert.is(toHex(changed.root), toHex(first.apply(changes).root))
    assert.is(toHex(again.root), toHex(first.root))
  }),
)

tree('the empty tree has the hash of nothing, and deleting everything leads back to it', () => {
  const empty = StateTree.empty()
  assert.is(toHex(empty.root), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  assert.is(empty.size, 0)
  assert.equal([...empty.entries(NONE)], [])
  const one = empty.apply([{ key: utf8('a'), value: utf8('b') }])
  assert.is(one.apply([{ key: utf8('a'), value: null }]), empty)
  assert.is(new StateTreeBuilder().finish(), empty)
})

tree('what changes nothing gives the very same tree', () => {
  const one = StateTree.empty().apply([{ key: utf8('a'), value: utf8('b') }])
  assert.is(one.apply([]), one)
  assert.is(one.apply([{ key: utf8('a'), value: utf8('b') }]), one)
  assert.is(one.apply([{ key: utf8('c'), value: null }]), one)
})

tree('of two changes of one key the later counts', () => {
  const key = utf8('k')
  const put = (text: string): StateChange => ({ key, value: utf8(text) })
  assert.equal(
    StateTree.empty()
      .apply([put('1'), put('2')])
      .get(key),
    utf8('2'),
  )
  assert.is(StateTree.empty().apply([put('1'), { key, value: null }]).size, 0)
  assert.equal(
    StateTree.empty()
      .apply([{ key, value: null }, put('3')])
      .get(key),
    utf8('3'),
  )
})

tree('nobody changes a tree through the bytes that went in or came out', () => {
  const key = utf8('key')
  const value = utf8('value')
  const built = StateTree.empty().apply([{ key, value }])
  key[0] = 0
  value[0] = 0
  ;(built.get(utf8('key')) as Uint8Array)[0] = 0
  assert.equal(built.get(utf8('key')), utf8('value'))
})

tree('refuses empty values and keys or values of a wrong length, and then has changed nothing', () => {
  const built = StateTree.empty().apply([{ key: utf8('a'), value: utf8('b') }])
  const good = { key: utf8('c'), value: utf8('d') }
  throwsCode(() => built.apply([good, { key: utf8('e'), value: NONE }]), 'empty-value')
  throwsCode(() => built.apply([good, { key: NONE, value: utf8('x') }]), 'state-key-length')
  throwsCode(() => built.apply([good, { key: new Uint8Array(128), value: utf8('x') }]), 'state-key-length')
  throwsCode(() => built.apply([good, { key: utf8('e'), value: new Uint8Array(256 * 1024 + 1) }]), 'state-value-length')
  assert.is(built.size, 1)
  assert.is(built.get(utf8('c')), undefined)
  const longest = { key: new Uint8Array(127).fill(7), value: new Uint8Array(256 * 1024).fill(9) }
  assert.equal(built.apply([longest]).get(longest.key), longest.value)
})

tree('leaves out of order are refused when rebuilding', () => {
  const builder = new StateTreeBuilder()
  builder.add(utf8('b'), utf8('1'))
  throwsCode(() => builder.add(utf8('a'), utf8('1')), 'state-order')
  throwsCode(() => new StateTreeBuilder().add(utf8('a'), NONE), 'empty-value')
  const twice = new StateTreeBuilder()
  twice.add(utf8('a'), utf8('1'))
  throwsCode(() => twice.add(utf8('a'), utf8('2')), 'state-order')
})

tree('the deepest tree that keys allow works: each key the prefix of the next', () => {
  const keys = Array.from({ length: 127 }, (_, i) => new Uint8Array(i + 1).fill(0xff))
  // Beside each, a sibling that differs in the last bit, for depth between the bytes.
  const changes = keys.flatMap(key => [key, concat(key.subarray(0, -1), Uint8Array.of(0xfe))].map(k => ({ key: k, value: utf8('v') })))
  const built = StateTree.empty().apply(changes)
  const expected = sorted(changes.map(({ key, value }) => [key, value] as const))
  assert.is(toHex(built.root), toHex(referenceTree(expected).hash))
  assert.is(built.apply(changes.map(({ key }) => ({ key, value: null }))).size, 0)
})

tree.run()
