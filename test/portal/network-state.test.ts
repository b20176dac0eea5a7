/** What the page of a network makes of what it is told. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type BlockView,
  type NetworkView,
  type NodeView,
  type Sample,
  VIEW_BOUNDS,
  type ViewEvent,
} from '../../src/gateway/network-view.ts'
import { layout } from '../../src/portal/network/layout.ts'
import { apply, heightsOf, toneOf } from '../../src/portal/network/state.ts'
import { LANGUAGES, languageOf, TEXTS } from '../../src/portal/network/texts.ts'

const test = suite('page of a network')

const node = (id: string, changes: Partial<NodeView> = {}): NodeView => ({
  ...{ id, name: id, jurisdiction: 'KE', role: 'validator', account: id, state: 'ok', height: 5, behind: 0, reachable: true },
  ...{ rssBytes: null, cpuShare: null, faults: [], findings: [] },
  ...changes,
})
const block = (height: number, changes: Partial<BlockView> = {}): BlockView => ({
  ...{
    height,
    hash: 'a',
    timeMs: height,
    seenMs: height,
    proposer: '',
    round: 0,
    transactions: 0,
    bytes: 0,
    commitMs: null,
    kinds: {},
    conflict: false,
  },
  ...changes,
})
const empty: NetworkView = {
  ...{ schemaVersion: 1, source: 'testnet', network: 'n', chainId: 'c', nowMs: 0, canAct: true, nodes: [], lights: [], links: [] },
  ...{ blocks: [], rounds: [], samples: [], acts: [], log: [], dht: [] },
}

test('events change the view; lists keep their order and their bounds', () => {
  let view = empty
  for (const height of [2, 1, 3]) view = apply(view, { type: 'block', block: block(height) })
  view = apply(view, { type: 'block', block: block(2, { conflict: true }) })
  assert.equal(
    view.blocks.map(({ height, conflict }) => [height, conflict]),
    [
      [1, false],
      [2, true],
      [3, false],
    ],
  )
  const round = (height: number, number: number, decided: boolean): ViewEvent => ({
    type: 'round',
    round: { height, round: number, proposer: '', proposalMs: null, votes: [], decided },
  })
  for (const event of [round(2, 0, false), round(1, 0, false), round(2, 1, false), round(2, 0, true)]) view = apply(view, event)
  assert.equal(
    view.rounds.map(each => [each.height, each.round, each.decided]),
    [
      [1, 0, false],
      [2, 0, true],
      [2, 1, false],
    ],
  )
  const sample: Sample = { atMs: 1, height: 1, transactionsPerSecond: 0, commitP50Ms: null, commitP95Ms: null, perNode: [] }
  for (let atMs = 0; atMs < VIEW_BOUNDS.samples + 10; atMs++) view = apply(view, { type: 'sample', sample: { ...sample, atMs } })
  assert.equal([view.samples.length, view.samples[0]?.atMs, view.nowMs], [VIEW_BOUNDS.samples, 10, VIEW_BOUNDS.samples + 9])
  view = apply(view, { type: 'nodes', nodes: [node('a')] })
  view = apply(view, { type: 'act', act: { atMs: 1, tookMs: 1, what: 'heal', act: {}, error: null } })
  assert.equal([view.nodes.length, view.acts.length], [1, 1])
  assert.is(apply(view, { type: 'gap' }), view)
})

test('a node has the colour of the worst that is wrong with it', () => {
  const cases: [Partial<NodeView>, string][] = [
    [{}, 'good'],
    [{ behind: 3 }, 'warn'],
    [{ faults: ['clock +90 s'] }, 'warn'],
    [{ state: 'quorum-missing' }, 'warn'],
    [{ reachable: false }, 'bad'],
    [{ state: 'diverged' }, 'bad'],
    [{ state: 'paused', reachable: false }, 'off'],
  ]
  for (const [changes, tone] of cases) assert.is(toneOf(node('a', changes)), tone, JSON.stringify(changes))
  assert.equal(heightsOf([node('a', { height: 7 }), node('b'), node('c', { height: 1, state: 'stopped' })]), { lowest: 5, highest: 7 })
  assert.equal(heightsOf([]), { lowest: 0, highest: 0 })
})

test('places are the same for the same nodes, apart from each other, and within the drawing', () => {
  const size = { width: 640, height: 420, margin: 48 }
  for (const count of [1, 4, 16, 64]) {
    const ids = Array.from({ length: count }, (_, i) => `node${i}`)
    const places = layout(ids, [], size)
    assert.equal(layout(ids, [], size), places)
    assert.is(new Set(places.map(({ x, y }) => `${x} ${y}`)).size, count)
    for (const { x, y } of places) assert.ok(x >= 48 && x <= 592 && y >= 48 && y <= 372, `${x} ${y}`)
  }
})

test('every text is there in every language', () => {
  for (const { texts } of Object.values(LANGUAGES)) for (const name of TEXTS) assert.ok(texts[name].length > 0, name)
  assert.equal([['de', 'ar-EG', 'en'], ['xx'], []].map(languageOf), ['ar', 'en', 'en'])
})

test.run()
