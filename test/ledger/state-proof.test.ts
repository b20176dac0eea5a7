import { tendermintSpec, verifyMembership, verifyNonMembership } from '@confio/ics23'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, concat, equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import {
  type PrefixProof,
  prefixProofCodec,
  proveKey,
  provePrefix,
  stateProofCodec,
  verifyKey,
  verifyPrefix,
} from '../../src/ledger/state-proof.ts'
import { runRoot, type StateRun } from '../../src/ledger/state-run.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'
import { toIcs23 } from './ics23.ts'
import { type Entry, everyRun, referenceRun, referenceTree, sorted } from './reference-tree.ts'

const proofs = suite('state proofs')
const NONE = new Uint8Array(0)
const SENTINELS: Entry[] = [
  [Uint8Array.of(0), Uint8Array.of(1)],
  [Uint8Array.of(0xff), Uint8Array.of(1)],
]

function treeOf(entries: Iterable<Entry>): StateTree {
  return StateTree.empty().apply([...entries].map(([key, value]) => ({ key, value })))
}

/** Keys under few prefixes, as namespaces and folders make them, between the sentinels. */
function someEntries(random: SeededRandom, count: number): Entry[] {
  const entries = new Map<string, Entry>(SENTINELS.map(entry => [toHex(entry[0]), entry]))
  for (let i = 0; i < count; i++) {
    const key = concat(Uint8Array.of(1 + random.below(4)), Uint8Array.of(random.below(3)), random.bytes(1 + random.below(2)))
    entries.set(toHex(key), [key, random.bytes(1 + random.below(30))])
  }
  return sorted(entries.values())
}

/** Copy of a run, to be tampered with. */
const copy = (run: StateRun): StateRun => structuredClone(run)

function accepts(verify: () => unknown): boolean {
  try {
    verify()
    return true
  } catch (error) {
    assert.is(errorCode(error, String(error)), 'invalid-proof')
    return false
  }
}

proofs(
  'presence and absence are proven, survive encoding, and stock ICS23 accepts them',
  property(random => {
    const entries = someEntries(random, 60)
    const tree = treeOf(entries)
    const absent = Array.from({ length: 40 }, () => concat(Uint8Array.of(random.below(6)), random.bytes(random.below(4))))
    for (const key of [...entries.map(([key]) => key), ...absent]) {
      const proof = stateProofCodec.decode(stateProofCodec.encode(proveKey(tree, key)))
      const value = tree.get(key)
      assert.equal(verifyKey(tree.root, key, proof), value ?? null)
      const stock = toIcs23(key, proof, tree)
      if (value !== undefined) assert.ok(verifyMembership(stock, tendermintSpec, tree.root, key, value))
      else assert.ok(verifyNonMembership(stock, tendermintSpec, tree.root, key))
    }
  }),
)

proofs('without sentinels, absence before the first and after the last leaf is proven by one neighbour', () => {
  const tree = treeOf([
    [utf8('m'), utf8('1')],
    [utf8('n'), utf8('2')],
    [utf8('o'), utf8('3')],
  ])
  for (const key of [utf8('a'), utf8('z')]) {
    const proof = proveKey(tree, key)
    assert.is(verifyKey(tree.root, key, proof), null)
    assert.ok(verifyNonMembership(toIcs23(key, proof, tree), tendermintSpec, tree.root, key))
  }
  const single = treeOf([[utf8('m'), utf8('1')]])
  assert.is(verifyKey(single.root, utf8('a'), proveKey(single, utf8('a'))), null)
  assert.equal(verifyPrefix(single.root, NONE, provePrefix(single, NONE, { limit: 5 })), {
    entries: [[utf8('m'), utf8('1')]],
    complete: true,
  })
  throwsCode(() => proveKey(StateTree.empty(), utf8('a')), 'state-empty')
  throwsCode(() => provePrefix(StateTree.empty(), NONE, { limit: 1 }), 'state-empty')
})

/** Pages through a prefix as a reader does. */
function readAll(tree: StateTree, prefix: Uint8Array, limit: number, maxBytes?: number): [Uint8Array, Uint8Array][] {
  const all: [Uint8Array, Uint8Array][] = []
  for (;;) {
    const after = all.at(-1)?.[0]
    const proof = prefixProofCodec.decode(prefixProofCodec.encode(provePrefix(tree, prefix, { after, limit, maxBytes })))
    const page = verifyPrefix(tree.root, prefix, proof, { after })
    assert.ok(page.entries.length <= limit)
    all.push(...page.entries)
    if (page.complete) return all
  }
}

proofs(
  'a prefix is proven whole, in pages of any size',
  property(random => {
    const entries = someEntries(random, 50)
    const tree = treeOf(entries)
    const prefixes = [
      NONE,
      ...entries.map(([key]) => key),
      ...Array.from({ length: 20 }, () => Uint8Array.of(random.below(6), random.below(4))),
    ]
    for (const prefix of prefixes) {
      const expected = [...tree.entries(prefix)]
      for (const limit of [1, 3, 1000]) assert.equal(readAll(tree, prefix, limit), expected)
      assert.equal(readAll(tree, prefix, 1000, 40), expected)
    }
  }),
)

proofs('a page ends by its bytes, too, and fits the codec at the worst', () => {
  const key = (i: number): Uint8Array => Uint8Array.of(5, i)
  const tree = treeOf([...SENTINELS, ...[0, 1, 2, 3].map(i => [key(i), new Uint8Array(256 * 1024).fill(i + 1)] as const)])
  const first = provePrefix(tree, Uint8Array.of(5), { limit: 10 })
  assert.is(first.entries.length, 1, 'two of them and their keys are more than a page')
  assert.ok(prefixProofCodec.encode(first).length <= prefixProofCodec.maxBytes)
  assert.is(readAll(tree, Uint8Array.of(5), 10).length, 4)
  throwsCode(() => provePrefix(tree, Uint8Array.of(5), { limit: 0 }), 'invalid-page')
  throwsCode(() => provePrefix(tree, Uint8Array.of(5), { limit: 1, after: Uint8Array.of(4) }), 'invalid-page')
})

proofs('the deepest proofs fit their codecs', () => {
  const keys = Array.from({ length: 127 }, (_, i) => new Uint8Array(i + 1).fill(0xff))
  const siblings = keys.flatMap(key => Array.from({ length: 8 }, (_, bit) => concat(key.subarray(0, -1), Uint8Array.of(0xff ^ (1 << bit)))))
  const tree = treeOf([...keys, ...siblings].map(key => [key, Uint8Array.of(1)] as const))
  const deepest = keys.at(-1) as Uint8Array
  const proof = stateProofCodec.decode(stateProofCodec.encode(proveKey(tree, deepest)))
  assert.is(proof.before.length + proof.after.length, 127 * 9 - 1)
  assert.equal(verifyKey(tree.root, deepest, proof), Uint8Array.of(1))
})

/** What is true of a page that begins after `after`: some first entries of the rest, and complete if and only if they are all. */
function isTrue(
  entries: readonly Entry[],
  prefix: Uint8Array,
  after: Uint8Array | undefined,
  page: { entries: Entry[]; complete: boolean },
): boolean {
  const rest = entries.filter(([key]) => toHex(key).startsWith(toHex(prefix)) && (after === undefined || compareBytes(key, after) > 0))
  const same = page.entries.every(([key, value], i) => equalBytes(key, rest[i]?.[0] ?? NONE) && equalBytes(value, rest[i]?.[1] ?? NONE))
  return same && page.entries.length <= rest.length && page.complete === (page.entries.length === rest.length)
}

proofs(
  'whatever run of true leaves a prover shows, in whatever roles, only truth is accepted',
  property(random => {
    const entries = someEntries(random, 9)
    const root = referenceTree(entries)
    assert.is(toHex(root.hash), toHex(treeOf(entries).root))
    const queries: { prefix: Uint8Array; after?: Uint8Array }[] = [
      { prefix: NONE },
      ...entries.map(([key]) => ({ prefix: key.subarray(0, 1) })),
      ...entries.map(([key]) => ({ prefix: key.subarray(0, 1), after: key })),
      { prefix: Uint8Array.of(2, 1) },
      { prefix: Uint8Array.of(3), after: Uint8Array.of(3, 1, 0x80) },
    ]
    let accepted = 0
    let refused = 0
    for (const choice of everyRun(entries.length)) {
      const run = referenceRun(root, choice)
      for (const { prefix, after } of queries) {
        let page: ReturnType<typeof verifyPrefix> | undefined
        if (!accepts(() => (page = verifyPrefix(root.hash, prefix, run, { after })))) refused++
        else {
          accepted++
          assert.ok(isTrue(entries, prefix, after, page as NonNullable<typeof page>), `${toHex(prefix)} ${JSON.stringify(choice)}`)
        }
      }
      for (const key of [...entries.map(([key]) => key), Uint8Array.of(2, 1, 7), Uint8Array.of(3)]) {
        let value: Uint8Array | null = null
        if (!accepts(() => (value = verifyKey(root.hash, key, run)))) refused++
        else {
          accepted++
          assert.equal(value, entries.find(([k]) => equalBytes(k, key))?.[1] ?? null)
        }
      }
    }
    assert.ok(accepted > entries.length && refused > accepted)
  }),
)

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (0x80 >> (bit & 7))
}

/** Every single-step tampering with a run that has neighbours, entries and hashes. */
function* tamperings(run: PrefixProof, random: SeededRandom): Generator<[string, StateRun]> {
  const change = (what: string, act: (run: StateRun) => void): [string, StateRun] => {
    const tampered = copy(run)
    act(tampered)
    return [what, tampered]
  }
  const leafHash = (key: Uint8Array, valueHash: Uint8Array): Uint8Array =>
    sha256(concat(Uint8Array.of(0, key.length), key, Uint8Array.of(32), valueHash))
  const last = run.entries.length - 1
  for (let i = 0; i <= last; i++) {
    yield change(`entry ${i} dropped`, r => r.entries.splice(i, 1))
    yield change(`entry ${i} doubled`, r => r.entries.splice(i, 0, copy(r).entries[i] as (typeof r.entries)[number]))
    yield change(`value ${i} changed`, r => {
      const entry = r.entries[i] as (typeof r.entries)[number]
      entry.value = concat(entry.value, Uint8Array.of(0))
    })
    yield change(`key ${i} changed`, r => {
      const entry = r.entries[i] as (typeof r.entries)[number]
      entry.key[entry.key.length - 1] = (entry.key.at(-1) as number) ^ 1
    })
    // The boundary between key and value must not slide.
    yield change(`byte of key ${i} moved into the value`, r => {
      const entry = r.entries[i] as (typeof r.entries)[number]
      entry.value = concat(entry.key.subarray(-1), entry.value)
      entry.key = entry.key.subarray(0, -1)
    })
  }
  for (let i = 0; i < last; i++) {
    yield change(`entries ${i} and ${i + 1} swapped`, r => r.entries.splice(i, 2, ...r.entries.slice(i, i + 2).reverse()))
    yield change(`values ${i} and ${i + 1} swapped`, r => {
      const [a, b] = r.entries.slice(i, i + 2) as [(typeof r.entries)[number], (typeof r.entries)[number]]
      ;[a.value, b.value] = [b.value, a.value]
    })
  }
  if (run.left !== null && run.right !== null) {
    const { left, right } = run
    yield change('left neighbour dropped', r => (r.left = null))
    yield change('right neighbour dropped', r => (r.right = null))
    yield change('neighbours exchanged', r => ([r.left, r.right] = [r.right, r.left]))
    yield change('left neighbour moved away', r => ((r.left as typeof left).key = concat(left.key, Uint8Array.of(0))))
    yield change('left neighbour hidden as a hash', r => {
      r.before.push(leafHash(left.key, left.valueHash))
      r.left = null
    })
    yield change('right neighbour hidden as a hash', r => {
      r.after.unshift(leafHash(right.key, right.valueHash))
      r.right = null
    })
    yield change('last entry and right neighbour hidden as hashes', r => {
      const { key, value } = r.entries.pop() as (typeof r.entries)[number]
      r.after.unshift(leafHash(key, sha256(value)), leafHash(right.key, right.valueHash))
      r.right = null
    })
    yield change('first entry hidden as a hash, the left neighbour kept', r => {
      const { key, value } = r.entries.shift() as (typeof r.entries)[number]
      r.before.push(leafHash(key, sha256(value)))
    })
    yield change('last entry passed off as the right neighbour', r => {
      const { key, value } = r.entries.pop() as (typeof r.entries)[number]
      r.after.unshift(leafHash(right.key, right.valueHash))
      r.right = { key, valueHash: sha256(value) }
    })
    yield change('first entry passed off as the left neighbour', r => {
      const { key, value } = r.entries.shift() as (typeof r.entries)[number]
      r.before.push(leafHash(left.key, left.valueHash))
      r.left = { key, valueHash: sha256(value) }
    })
  }
  for (const side of ['before', 'after'] as const) {
    for (let i = 0; i < run[side].length; i++) {
      yield change(`${side} ${i} dropped`, r => r[side].splice(i, 1))
      yield change(`${side} ${i} changed`, r => flip(r[side][i] as Uint8Array, random.below(256)))
    }
    yield change(`${side} gets one more`, r => r[side].push(random.bytes(32)))
  }
  yield change('everything shrunk into one hash', r =>
    Object.assign(r, { left: null, entries: [], right: null, before: [], after: [], shape: Uint8Array.of(0) }),
  )
  for (let bit = 0; bit < run.shape.length * 8; bit++) yield change(`bit ${bit} of the shape flipped`, r => flip(r.shape, bit))
  yield change('shape longer', r => (r.shape = concat(r.shape, Uint8Array.of(0))))
  yield change('shape shorter', r => (r.shape = r.shape.subarray(0, -1)))
}

proofs(
  'no tampering with a page passes for the page that was asked for',
  property(random => {
    const prefix = Uint8Array.of(2)
    const entries = someEntries(random, 150)
    const tree = treeOf(entries)
    const all = [...tree.entries(prefix)]
    const page = provePrefix(tree, prefix, { limit: 4 })
    const after = page.entries.at(-1)?.key
    const pages: [PrefixProof, Uint8Array | undefined][] = [
      [page, undefined],
      [provePrefix(tree, prefix, { limit: 1000, after }), after],
    ]
    assert.is(all.length > 8, true, 'enough for two pages')
    let tried = 0
    for (const [honest, start] of pages) {
      assert.ok(accepts(() => verifyPrefix(tree.root, prefix, honest, { after: start })))
      for (const [what, tampered] of tamperings(honest, random)) {
        tried++
        let seen: ReturnType<typeof verifyPrefix> | undefined
        // It may pass for a shorter page that is just as true; never for one with a hole.
        if (accepts(() => (seen = verifyPrefix(tree.root, prefix, tampered, { after: start })))) {
          assert.ok(isTrue(entries, prefix, start, seen as NonNullable<typeof seen>), what)
        }
      }
    }
    assert.ok(tried > 100)
    const [[first], [second]] = pages as [[PrefixProof, undefined], [PrefixProof, Uint8Array]]
    throwsCode(() => verifyPrefix(tree.root, prefix, second), 'invalid-proof')
    throwsCode(() => verifyPrefix(tree.root, prefix, first, { after }), 'invalid-proof')
    throwsCode(() => verifyPrefix(tree.root, Uint8Array.of(3), first), 'invalid-proof')
    throwsCode(() => verifyPrefix(random.bytes(32), prefix, first), 'invalid-proof')
  }),
)

proofs('a page that says that more follow shows at least one entry', () => {
  const entries = sorted([...SENTINELS, [Uint8Array.of(2, 1), utf8('a')], [Uint8Array.of(2, 2), utf8('b')]])
  const run = referenceRun(referenceTree(entries), { from: 0, to: 1, left: true, right: true })
  assert.is(run.entries.length, 0)
  throwsCode(() => verifyPrefix(treeOf(entries).root, Uint8Array.of(2), run), 'invalid-proof')
})

proofs('neither a leaf passes for an inner node nor an inner node for a leaf', () => {
  const root = referenceTree(sorted([...SENTINELS, [Uint8Array.of(2), utf8('v')]]))
  const tree = treeOf([...SENTINELS, [Uint8Array.of(2), utf8('v')]])
  const inner = [root.left, root.right].find(node => node?.left !== undefined) as typeof root
  const [l, r] = [inner.left?.hash as Uint8Array, inner.right?.hash as Uint8Array]
  // A "leaf" whose bytes are those of an inner node, as far as a key and a value hash can be made of them.
  const forged: StateRun = {
    left: null,
    entries: [],
    right: { key: Uint8Array.from(concat(l, r).subarray(1, 32)), valueHash: Uint8Array.from(r) },
    before: [Uint8Array.from(root.left === inner ? (root.right?.hash as Uint8Array) : (root.left?.hash as Uint8Array))],
    after: [],
    shape: Uint8Array.of(0b00100000),
  }
  throwsCode(() => verifyKey(tree.root, Uint8Array.of(2), forged), 'invalid-proof')
  // A value that is itself the preimage of an inner node: its hash stands in a leaf, where no subtree can be.
  const preimage = concat(Uint8Array.of(1), new Uint8Array(sha256(utf8('x'))), new Uint8Array(sha256(utf8('y'))))
  const bait = treeOf([...SENTINELS, [Uint8Array.of(2), preimage]])
  const proof = proveKey(bait, Uint8Array.of(2))
  const opened: StateRun = { ...proof, entries: [], before: [...proof.before, sha256(utf8('x')), sha256(utf8('y'))] }
  throwsCode(() => verifyKey(bait.root, Uint8Array.of(3), opened), 'invalid-proof')
  // Lengths that would make the length byte of the key wrap around.
  const long: StateRun = {
    left: null,
    entries: [{ key: new Uint8Array(256 + 1), value: utf8('v') }],
    right: null,
    before: [],
    after: [],
    shape: Uint8Array.of(0),
  }
  throwsCode(() => verifyKey(tree.root, new Uint8Array(257), long), 'invalid-proof')
  const empty: StateRun = { ...long, entries: [{ key: Uint8Array.of(1), value: NONE }] }
  throwsCode(() => verifyKey(tree.root, Uint8Array.of(1), empty), 'invalid-proof')
  const short: StateRun = { ...long, entries: [], before: [new Uint8Array(31)] }
  throwsCode(() => verifyKey(tree.root, Uint8Array.of(1), short), 'invalid-proof')
  throwsCode(() => verifyKey(tree.root, Uint8Array.of(1), { ...long, entries: [], shape: NONE }), 'invalid-proof')
})

proofs('a run folds only in the form of the format, whoever made it', () => {
  const [l, r] = [sha256(utf8('left')), sha256(utf8('right'))]
  const run: StateRun = { left: null, entries: [], right: null, before: [l, r], after: [], shape: Uint8Array.of(0b00100000) }
  assert.equal(runRoot(run), sha256(concat(Uint8Array.of(1), l, r)))
  const key = new Uint8Array(128)
  const wrong: [string, Partial<StateRun>][] = [
    ['bits beyond the end', { shape: Uint8Array.of(0b00110000) }],
    ['a boundary between hashes that slid', { before: [l.subarray(0, 31), concat(l.subarray(31), r)] }],
    ['takes too many', { shape: Uint8Array.of(0) }],
    ['joins too early', { shape: Uint8Array.of(0b01000000) }],
    ['too long', { shape: Uint8Array.of(0b00100000, 0) }],
    ['nothing at all', { before: [], shape: NONE }],
    ['an empty value', { before: [], entries: [{ key: utf8('k'), value: NONE }], shape: Uint8Array.of(0) }],
    ['too long a key', { before: [], entries: [{ key, value: utf8('v') }], shape: Uint8Array.of(0) }],
    ['an empty key', { before: [], left: { key: NONE, valueHash: l }, shape: Uint8Array.of(0) }],
    ['too short a value hash', { before: [], right: { key: utf8('k'), valueHash: l.subarray(1) }, shape: Uint8Array.of(0) }],
  ]
  for (const [what, fields] of wrong) assert.match(throwsCode(() => runRoot({ ...run, ...fields }), 'malformed').message, /./, what)
})

proofs('a presence proof is about its own key and nothing more', () => {
  const entries = sorted([...SENTINELS, [Uint8Array.of(2), utf8('a')], [Uint8Array.of(3), utf8('b')]])
  const tree = treeOf(entries)
  throwsCode(() => verifyKey(tree.root, Uint8Array.of(3), proveKey(tree, Uint8Array.of(2))), 'invalid-proof')
  throwsCode(() => verifyKey(tree.root, Uint8Array.of(2), provePrefix(tree, Uint8Array.of(2), { limit: 1 })), 'invalid-proof')
  throwsCode(() => verifyKey(tree.root, Uint8Array.of(2), proveKey(tree, Uint8Array.of(2, 0))), 'invalid-proof')
  const changed = tree.apply([{ key: Uint8Array.of(3), value: utf8('c') }])
  throwsCode(() => verifyKey(changed.root, Uint8Array.of(2), proveKey(tree, Uint8Array.of(2))), 'invalid-proof')
})

proofs(
  'hostile bytes are refused by the codecs and nothing else happens',
  property(random => {
    const tree = treeOf(someEntries(random, 20))
    const good = stateProofCodec.encode(proveKey(tree, Uint8Array.of(2)))
    for (let i = 0; i < 300; i++) {
      const bytes = Uint8Array.from(good)
      bytes[random.below(bytes.length)] = random.below(256)
      try {
        const proof = stateProofCodec.decode(bytes)
        if (!equalBytes(bytes, good)) assert.not(accepts(() => verifyKey(tree.root, Uint8Array.of(2), proof)))
      } catch (error) {
        assert.is(errorCode(error, String(error)), 'malformed')
      }
    }
  }),
)

proofs('neighbours share their path: a page costs little more than its entries', () => {
  const entries: Entry[] = [...SENTINELS]
  for (let i = 0; i < 2000; i++) entries.push([concat(Uint8Array.of(2), sha256(Uint8Array.of(i >> 8, i))), utf8('value')])
  const tree = treeOf(entries)
  const page = prefixProofCodec.encode(provePrefix(tree, Uint8Array.of(2), { limit: 500 }))
  assert.ok(page.length < 500 * (33 + 5 + 8) + 2 * 40 * 34, `${page.length} bytes`)
})

proofs.run()
