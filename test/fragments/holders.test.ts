/** Who holds what after custodians came and went: only the necessary fragments move. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex, u32 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { custodianSet, type Holders, holdersAfter } from '../../src/fragments/holders.ts'
import { type Custodian, type PlacementRequest, place } from '../../src/fragments/placement.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'

const test = suite('holders')

const custodian = (number: number, jurisdiction = `J${number}`, capacity = 1): Custodian => ({
  id: sha256(u32(number)),
  jurisdiction,
  capacity,
})
const many = (count: number): Custodian[] => Array.from({ length: count }, (_, i) => custodian(i))

function holders(request: PlacementRequest, ...later: (readonly Custodian[])[]): Holders {
  return holdersAfter(request, later.map(custodianSet))
}

const requestFor = (key: number, custodians: readonly Custodian[], change: Partial<PlacementRequest> = {}): PlacementRequest => ({
  key: sha256(u32(1_000_000 + key)),
  custodians,
  n: 4,
  k: 2,
  policy: null,
  ...change,
})

const names = ({ custodians }: Pick<Holders, 'custodians'>): (string | undefined)[] =>
  custodians.map(held => (held === undefined ? undefined : toHex(held.id)))
const without = (custodians: readonly Custodian[], gone: Custodian): Custodian[] =>
  custodians.filter(({ id }) => toHex(id) !== toHex(gone.id))

/** Indices whose holder differs. */
const moved = (before: Holders, after: Holders): number[] =>
  names(before).flatMap((name, index) => (name === names(after)[index] ? [] : [index]))

/** A random life of a network: sets of custodians, one after the other. */
function life(random: SeededRandom, start: readonly Custodian[], changes: number, jurisdictions: number): Custodian[][] {
  const sets: Custodian[][] = []
  let present = [...start]
  const gone: Custodian[] = []
  for (let i = 0; i < changes; i++) {
    if (random.below(2) === 0 && present.length > 0) {
      const left = random.pick(present)
      present = without(present, left)
      gone.push(left)
    } else if (random.below(2) === 0 && gone.length > 0) {
      present = [...present, gone.splice(random.below(gone.length), 1)[0] as Custodian]
    } else {
      present = [...present, custodian(1000 * (i + 1) + random.below(900), `J${random.below(jurisdictions)}`, 1 + random.below(9))]
    }
    sets.push(present)
  }
  return sets
}

test('without a change the holders are those of placement', () => {
  for (let key = 0; key < 20; key++) {
    const request = requestFor(key, many(9))
    assert.equal(names(holders(request)), names(place(request)))
  }
})

test(
  'whoever stays keeps its index, nobody holds two, and nobody is ever given a second one',
  property(random => {
    for (let round = 0; round < 60; round++) {
      const n = 4 + random.below(6)
      const request = requestFor(
        random.below(1e6),
        Array.from({ length: n + random.below(8) }, (_, i) => custodian(i, `J${random.below(6)}`, 1 + random.below(9))),
        { n, k: 2 + random.below(n - 3), policy: random.below(3) === 0 ? ['J0', 'J1', 'J2', 'J3', 'J4', 'J5'] : null },
      )
      const sets = life(random, request.custodians, 25, 6)
      const given = new Map<string, number>()
      let before = holders(request)
      for (let i = 0; i <= sets.length; i++) {
        const after = holders(request, ...sets.slice(0, i))
        const present = new Set((i === 0 ? request.custodians : (sets[i - 1] as Custodian[])).map(({ id }) => toHex(id)))
        const now = names(after)
        for (const [index, name] of now.entries()) if (name !== undefined) assert.is(after.entitled.get(name), index)
        for (const [name, index] of given) assert.is(after.entitled.get(name), index, 'who held it may have it still')
        const held = now.filter(name => name !== undefined)
        assert.is(new Set(held).size, held.length, 'one index each')
        for (const [index, name] of now.entries()) {
          if (name === undefined) continue
          assert.ok(present.has(name), 'a holder is a custodian')
          assert.is(given.get(name) ?? index, index, 'one index for life')
          given.set(name, index)
        }
        // Moved are the indices of those who left, and vacant ones; none else.
        for (const index of moved(before, after)) {
          const former = names(before)[index]
          assert.ok(former === undefined || !present.has(former), `index ${index} moved from a custodian that is still there`)
        }
        // Vacant only where nobody could take it.
        if (held.length < n) {
          for (const name of present) assert.ok(given.has(name), 'an index is vacant although somebody could hold it')
        }
        before = after
      }
    }
  }),
)

test('one that leaves moves exactly its own fragments, as many as the theory says, to others in proportion to their capacity', () => {
  const [total, keys, n] = [30, 1500, 4]
  const custodians = Array.from({ length: total }, (_, i) => custodian(i, `J${i}`, i === 1 ? 6 : 1))
  const leaving = custodians[0] as Custodian
  let moves = 0
  let heavy = 0
  let heavyFree = 0
  for (let key = 0; key < keys; key++) {
    const request = requestFor(key, custodians)
    const [before, after] = [holders(request), holders(request, without(custodians, leaving))]
    const own = names(before).indexOf(toHex(leaving.id))
    assert.equal(moved(before, after), own < 0 ? [] : [own])
    if (own < 0) continue
    moves++
    const name = toHex((custodians[1] as Custodian).id)
    if (names(before).includes(name)) continue
    heavyFree++
    if (names(after)[own] === name) heavy++
  }
  // Its share of a record's fragments is at most n / total, as heavier custodians take more; sampled holders give it exactly.
  const share = n / total
  assert.ok(moves > 0 && moves < keys * share + 5 * Math.sqrt(keys * share), `${moves} moves`)
  // Of those who hold none it is one of weight 6 among 31 - 6 - 3 = 25 others of weight 1, itself among them.
  const p = 6 / (6 + 25)
  assert.ok(Math.abs(heavy - heavyFree * p) < 5 * Math.sqrt(heavyFree * p * (1 - p)), `${heavy} of ${heavyFree}`)
})

test('one that joins moves nothing', () => {
  const custodians = many(8)
  for (let key = 0; key < 50; key++) {
    const request = requestFor(key, custodians)
    assert.equal(moved(holders(request), holders(request, [...custodians, custodian(77)])), [])
  }
})

test('one that comes back gets nothing back, and never another index than it had', () => {
  const custodians = many(6)
  const request = requestFor(1, custodians)
  const first = request.custodians.find(({ id }) => toHex(id) === names(holders(request))[0]) as Custodian
  const second = request.custodians.find(({ id }) => toHex(id) === names(holders(request))[1]) as Custodian
  const left = without(custodians, first)
  const back = holders(request, left, custodians)
  assert.equal(names(back), names(holders(request, left)))
  // The next one leaves: there are two without an index, the returned one among them, and it is passed over.
  const next = holders(request, left, custodians, without(custodians, second))
  assert.not(names(next).includes(toHex(first.id)))
})

test('where nobody may hold an index it stays vacant, residency is kept, and a later one takes it', () => {
  const custodians = [
    ...Array.from({ length: 4 }, (_, i) => custodian(i, 'DE')),
    ...Array.from({ length: 4 }, (_, i) => custodian(10 + i, 'KE')),
  ]
  const request = requestFor(5, custodians, { policy: ['DE'] })
  const gone = place(request).custodians[2] as Custodian
  const left = without(custodians, gone)
  const vacant = holders(request, left)
  assert.equal(
    names(vacant).map(name => name === undefined),
    [false, false, true, false],
  )
  const joined = custodian(50, 'DE')
  const filled = holders(request, left, [...left, joined])
  assert.is(names(filled)[2], toHex(joined.id))
  // A holder that moves out of the policy's jurisdictions has left, too.
  const holder = filled.custodians[0] as Custodian
  const abroad = [...without([...left, joined], holder), { ...holder, jurisdiction: 'KE' }]
  assert.is(names(holders(request, left, [...left, joined], abroad))[0], undefined)
})

test('a replacement keeps jurisdictions below k fragments where there is a choice, and says so where there is none', () => {
  const spread = Array.from({ length: 12 }, (_, i) => custodian(i, ['KE', 'DE', 'BR', 'IN', 'JP', 'GH'][i % 6]))
  for (let key = 0; key < 60; key++) {
    const request = requestFor(key, spread)
    const leaving = place(request).custodians[key % 4] as Custodian
    const after = holders(request, without(spread, leaving))
    const jurisdictions = after.custodians.map(held => held?.jurisdiction)
    assert.equal([new Set(jurisdictions).size, after.relaxed], [4, false])
  }
  const two = Array.from({ length: 8 }, (_, i) => custodian(i, i < 4 ? `J${i}` : 'J0'))
  const request = requestFor(1, two)
  const third = place(request).custodians.find(({ jurisdiction }) => jurisdiction === 'J3') as Custodian
  const after = holders(request, without(two, third))
  assert.equal([after.relaxed, after.custodians.filter(held => held?.jurisdiction === 'J0').length], [true, 2])
})

test.run()
