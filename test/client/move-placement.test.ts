/** Placements of what is moved: nobody gets a second index, and it takes no longer than it must. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { drawPlacement } from '../../src/client/move-placement.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { place } from '../../src/fragments/placement.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { seedOf } from '../node/cluster.ts'

const test = suite('placement of what is moved')

function world(members: number, n: number, k: number) {
  const custodians = Array.from({ length: members }, (_, i) => ({ id: seedOf('custodian', i), jurisdiction: `J${i}`, capacity: 1 }))
  const at = (key: Uint8Array) => place({ key, custodians, n, k, policy: null })
  const before = at(seedOf('before')).custodians
  const indices = new Map(before.map(({ id }, index) => [toHex(id), index]))
  let draws = 0
  const draw = () => ({ value: ++draws, placement: at(seedOf('draw', draws)) })
  const conflicts = (placed: readonly { id: Uint8Array }[]): number =>
    placed.filter(({ id }, index) => (indices.get(toHex(id)) ?? index) !== index).length
  return { draw, indices, conflicts, draws: () => draws }
}

test('where all members hold all, each keeps its index', async () => {
  const { draw, indices, conflicts, draws } = world(4, 4, 2)
  const { placement, value } = await drawPlacement(draw, indices)
  assert.equal([conflicts(placement.custodians), value], [0, draws()])
})

test('in a larger network few draws do', async () => {
  const { draw, indices, conflicts, draws } = world(30, 4, 2)
  const { placement } = await drawPlacement(draw, indices)
  assert.is(conflicts(placement.custodians), 0)
  assert.ok(draws() <= 20, `${draws()}`)
})

test('of seven, up to f are left out rather than given a second index', async () => {
  const { draw, indices, conflicts } = world(7, 7, 3)
  const { placement } = await drawPlacement(draw, indices)
  assert.ok(conflicts(placement.custodians) <= 2)
})

test('where none fits, nothing is moved; who waits can give up', async () => {
  const { draw, indices } = world(4, 4, 2)
  const never = () => ({ ...draw(), placement: { custodians: [1, 2, 3, 0].map(i => ({ ...custodianOf(indices, i) })), relaxed: false } })
  await rejectsCode(drawPlacement(never, indices), 'no-placement')
  const stopped = AbortSignal.abort(new Error('given up'))
  let error: unknown
  await drawPlacement(never, indices, { signal: stopped }).catch(thrown => {
    error = thrown
  })
  assert.is(error, stopped.reason)
})

/** The custodian that has an index. */
function custodianOf(indices: ReadonlyMap<string, number>, index: number) {
  const [id] = [...indices].find(([, at]) => at === index) as [string, number]
  return { id: Uint8Array.from(Buffer.from(id, 'hex')), jurisdiction: 'J', capacity: 1 }
}

test.run()
