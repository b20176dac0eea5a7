import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, toHex, u32 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { type Custodian, negativeLog2, type Placement, type PlacementRequest, place } from '../../src/fragments/placement.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('placement')

/** Fixed keys and ids: what is measured below over many of them is the same in every run. */
const id = (number: number): Uint8Array => sha256(u32(number))

function custodian(number: number, jurisdiction = `J${number}`, capacity = 1): Custodian {
  return { id: id(number), jurisdiction, capacity }
}

const many = (count: number): Custodian[] => Array.from({ length: count }, (_, i) => custodian(i))

function placed(key: number, custodians: readonly Custodian[], change: Partial<PlacementRequest> = {}): Placement {
  return place({ key: id(1_000_000 + key), custodians, n: 4, k: 2, policy: null, ...change })
}

const names = ({ custodians }: Placement): string[] => custodians.map(({ id }) => toHex(id))

function shuffle<T>(items: readonly T[], random: SeededRandom): T[] {
  const left = [...items]
  return items.map(() => left.splice(random.below(left.length), 1)[0] as T)
}

/** Indices whose custodian differs. */
function moved(before: Placement, after: Placement): number[] {
  return before.custodians.flatMap((custodian, i) => (equalBytes(custodian.id, after.custodians[i]?.id ?? new Uint8Array(0)) ? [] : [i]))
}

/** Fragments that each jurisdiction holds. */
function spread({ custodians }: Placement): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { jurisdiction } of custodians) counts.set(jurisdiction, (counts.get(jurisdiction) ?? 0) + 1)
  return counts
}

test('the integer logarithm is a logarithm, falling and exact at powers of two', () => {
  for (const exponent of [1n, 7n, 32n, 63n]) {
    // (2 * 2^e + 1) / 2^65 is just above 2^(e + 1 - 65).
    const value = Number(negativeLog2(2n ** exponent)) / 2 ** 48
    const exact = 65 - Math.log2(2 ** (Number(exponent) + 1) + 1)
    assert.ok(Math.abs(value - exact) < 1e-9, `${exponent}`)
  }
  assert.is(negativeLog2(0n), 65n << 48n)
  assert.ok(negativeLog2(2n ** 64n - 1n) > 0n)
  let last = negativeLog2(0n)
  for (let i = 1; i < 2000; i++) {
    const score = (2n ** 64n * BigInt(i)) / 2000n
    const value = negativeLog2(score)
    assert.ok(value < last)
    assert.ok(Math.abs(Number(value) / 2 ** 48 + Math.log2(i / 2000)) < 1e-9)
    last = value
  }
})

test('is what it has always been', () => {
  const custodians = Array.from({ length: 12 }, (_, i) => custodian(i, ['KE', 'DE', 'BR', 'IN'][i % 4], 1 + (i % 5)))
  const chosen = placed(1, custodians, { n: 7, k: 3 }).custodians.map(({ id: chosen }) =>
    custodians.findIndex(({ id }) => equalBytes(id, chosen)),
  )
  assert.equal(chosen, [2, 0, 1, 8, 3, 9, 11])
})

test(
  'does not depend on the order of the custodians, and gives each at most one fragment',
  property(random => {
    for (let round = 0; round < 40; round++) {
      const n = 3 + random.below(10)
      const custodians = Array.from({ length: n + random.below(20) }, (_, i) =>
        custodian(random.below(2 ** 20) * 64 + i, `J${random.below(6)}`, 1 + random.below(1000)),
      )
      const request = { key: random.bytes(32), n, k: 2 + random.below(n - 2), policy: null }
      const first = place({ ...request, custodians })
      assert.equal(names(place({ ...request, custodians: shuffle(custodians, random) })), names(first))
      assert.is(new Set(names(first)).size, n)
    }
  }),
)

test(
  'a custodian that joins enters at most once and pushes at most one other out',
  property(random => {
    for (let round = 0; round < 100; round++) {
      const n = 3 + random.below(8)
      // A jurisdiction each, so that no limit interferes.
      const custodians = Array.from({ length: n + random.below(30) }, (_, i) => custodian(i, `J${i}`, 1 + random.below(9)))
      const joining = custodian(5000, 'new', 1 + random.below(9))
      const request = { key: random.bytes(32), n, k: 2, policy: null }
      const before = place({ ...request, custodians })
      const after = place({ ...request, custodians: [...custodians, joining] })
      const gone = names(before).filter(name => !names(after).includes(name))
      const came = names(after).filter(name => !names(before).includes(name))
      assert.ok(gone.length === came.length && gone.length <= 1)
      if (came.length === 0) assert.equal(moved(before, after), [])
      else assert.equal(came, [toHex(joining.id)])
    }
  }),
)

test('joining and leaving move as many fragments as the theory says', () => {
  const [total, keys, n] = [30, 600, 4]
  const custodians = many(total)
  const grown = [...custodians, custodian(9999)]
  let moves = 0
  for (let key = 0; key < keys; key++) moves += moved(placed(key, custodians), placed(key, grown)).length
  let expected = 0
  let variance = 0
  for (let i = 0; i < n; i++) {
    const p = 1 / (total + 1 - i)
    expected += keys * p
    variance += keys * p * (1 - p)
  }
  // Five standard deviations of a sum of independent events.
  assert.ok(Math.abs(moves - expected) < 5 * Math.sqrt(variance), `${moves} moves, ${expected} expected`)
})

test('fragments fall in proportion to capacity', () => {
  const capacities = [1, 1, 2, 3, 5, 8]
  const custodians = capacities.map((capacity, i) => custodian(i, `J${i}`, capacity))
  const keys = 4000
  const wins = capacities.map(() => 0)
  for (let key = 0; key < keys; key++) {
    const first = placed(key, custodians, { n: 3, k: 2 }).custodians[0] as Custodian
    const winner = custodians.indexOf(first)
    wins[winner] = (wins[winner] as number) + 1
  }
  capacities.forEach((capacity, i) => {
    const p = capacity / 20
    assert.ok(Math.abs((wins[i] as number) - keys * p) < 5 * Math.sqrt(keys * p * (1 - p)), `capacity ${capacity}: ${wins[i]}`)
  })
})

test('equal custodians share evenly at every index', () => {
  const custodians = many(9)
  const keys = 1800
  const counts = Array.from({ length: 6 }, () => custodians.map(() => 0))
  for (let key = 0; key < keys; key++) {
    placed(key, custodians, { n: 6, k: 3 }).custodians.forEach((chosen, index) => {
      const row = counts[index] as number[]
      const at = custodians.indexOf(chosen)
      row[at] = (row[at] as number) + 1
    })
  }
  const p = 1 / 9
  for (const row of counts) for (const count of row) assert.ok(Math.abs(count - keys * p) < 5 * Math.sqrt(keys * p * (1 - p)), `${count}`)
})

test(
  'no jurisdiction holds k fragments unless it must, and then the result says so',
  property(random => {
    let relaxed = 0
    for (let round = 0; round < 200; round++) {
      const k = 2 + random.below(4)
      const n = k + 1 + random.below(2 * k)
      const jurisdictions = 1 + random.below(6)
      const custodians = Array.from({ length: n + random.below(12) }, (_, i) => custodian(i, `J${random.below(jurisdictions)}`))
      const result = place({ key: random.bytes(32), custodians, n, k, policy: null })
      const room = (limit: number): number => {
        const counts = spread({ custodians, relaxed: false })
        return [...counts.values()].reduce((sum, count) => sum + Math.min(count, limit), 0)
      }
      const most = Math.max(...spread(result).values())
      assert.is(result.relaxed, room(k - 1) < n)
      assert.is(result.relaxed, most >= k)
      // No choice has a smaller largest share.
      if (result.relaxed) assert.ok(room(most - 1) < n)
      if (result.relaxed) relaxed++
    }
    assert.ok(relaxed > 0 && relaxed < 200)
  }),
)

test('residency keeps fragments where they may lie, and wins over the spread', () => {
  const custodians = Array.from({ length: 20 }, (_, i) => custodian(i, ['KE', 'DE', 'BR', 'IN', 'US'][i % 5]))
  for (let key = 0; key < 50; key++) {
    const anywhere = placed(key, custodians)
    assert.is(anywhere.relaxed, false)
    const home = placed(key, custodians, { policy: ['DE'] })
    assert.is(home.relaxed, true)
    assert.equal([...spread(home).keys()], ['DE'])
    const two = placed(key, custodians, { policy: ['DE', 'BR'] })
    assert.is(two.relaxed, true)
    assert.equal([...spread(two).values()], [2, 2])
  }
  const error = throwsCode(() => placed(0, custodians, { n: 5, k: 2, policy: ['DE'] }), 'too-few-custodians')
  assert.match(error.message, '4 custodians')
  throwsCode(() => placed(0, custodians, { policy: [] }), 'too-few-custodians')
})

test('refuses what is no custodian, key or code', () => {
  const custodians = many(6)
  const [first] = custodians as [Custodian]
  throwsCode(() => placed(0, [...custodians, first]), 'malformed')
  throwsCode(() => placed(0, [...custodians, { ...first, id: new Uint8Array(31) }]), 'malformed')
  for (const capacity of [0, -1, 1.5, Number.NaN, 2 ** 32 + 1])
    throwsCode(() => placed(0, [...custodians, custodian(77, 'X', capacity)]), 'malformed')
  throwsCode(() => placed(0, custodians, { key: new Uint8Array(16) }), 'malformed')
  throwsCode(() => placed(0, custodians, { n: 2, k: 2 }), 'malformed')
})

test.run()
