/** One view of what many nodes tell: blocks that differ, votes that some heard, nodes that are silent, stopped or paused. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { agreement, blockHolders, networkScreen } from '../../cli/network-table.ts'
import type { BlockView, NetworkView, NodeView, RecordView, RoundView, ViewEvent } from '../../src/gateway/network-view.ts'
import { applyEvent, emptyView } from '../../src/gateway/view-state.ts'
import { mergeRecords, type NodeFacts, ViewMerge } from '../../testnet/control/merge.ts'
import { Observations, observationPaths } from '../../testnet/control/observations.ts'
import { parseFacts } from '../../testnet/control/process-facts.ts'
import { readEvents } from '../../testnet/control/tap.ts'

const test = suite('one view of a testnet')
const NODES = [1, 2, 3].map(i => ({
  id: `node${i}`,
  name: `Hospital ${i}`,
  jurisdiction: 'KE',
  validator: i < 3,
  account: `${i}`.repeat(64),
}))
const RUNS: NodeFacts = { runs: true, paused: false, faults: [], rssBytes: 1, cpuShare: 0.5 }

function block(height: number, hash: string, commitMs: number | null = 5): ViewEvent {
  const about = { timeMs: 1, seenMs: 1, proposer: '', round: 0, transactions: 2, bytes: 3, kinds: {} }
  return { type: 'block', block: { height, hash, commitMs, ...about, conflict: false } }
}

function ownNode(i: number, height: number, state = 'ok'): ViewEvent {
  const { name, jurisdiction, account } = NODES[i - 1]!
  const seen = { rssBytes: null, cpuShare: null, faults: [], findings: [], reachable: true }
  return { type: 'nodes', nodes: [{ id: account, name, jurisdiction, account, role: 'full', state, height, behind: 0, ...seen }] }
}

function nodesOf(events: readonly ViewEvent[]): NodeView[] {
  return events.flatMap(event => (event.type === 'nodes' ? event.nodes : []))
}

function last(events: readonly ViewEvent[]): BlockView | undefined {
  return events.flatMap(event => (event.type === 'block' ? [event.block] : [])).at(-1)
}

test('nodes with one block agree; another block at the height is a conflict that names who has which', () => {
  const merge = new ViewMerge(NODES)
  assert.equal(last(merge.take('node1', block(1, 'aa', null), 1))?.hashes, { aa: ['node1'] })
  assert.equal(merge.take('node1', block(1, 'aa'), 1), [], 'told twice')
  const both = last(merge.take('node2', block(1, 'aa', 7), 1))
  assert.equal([both?.conflict, both?.hashes, both?.commitMs], [false, { aa: ['node1', 'node2'] }, 7])
  const conflict = last(merge.take('node3', block(1, 'bb'), 1))
  assert.equal([conflict?.conflict, conflict?.hashes], [true, { aa: ['node1', 'node2'], bb: ['node3'] }])
  assert.equal(merge.take('stranger', block(2, 'cc'), 1), [])
})

test('votes that different nodes heard stand in one matrix', () => {
  const merge = new ViewMerge(NODES)
  const heard = (a: 'block' | 'none', b: 'block' | 'none', decided = false): ViewEvent => {
    const votes = [
      { validator: 'a', prevote: a, precommit: 'none' as const },
      { validator: 'b', prevote: b, precommit: 'none' as const },
    ]
    const round: RoundView = { height: 1, round: 0, proposer: '', proposalMs: null, votes, decided }
    return { type: 'round', round }
  }
  merge.take('node1', heard('block', 'none'), 1)
  const [merged] = merge.take('node2', heard('none', 'block', true), 1)
  assert.ok(merged?.type === 'round')
  assert.equal([merged.round.decided, merged.round.votes.map(({ prevote }) => prevote)], [true, ['block', 'block']])
  assert.equal(merge.take('node3', heard('block', 'block'), 1), [])
})

test('who is behind, silent, paused or stopped is shown so, whatever it said before', () => {
  const merge = new ViewMerge(NODES)
  merge.take('node1', ownNode(1, 9), 10_000)
  merge.take('node2', ownNode(2, 7), 10_000)
  merge.take('node3', ownNode(1, 99), 10_000)
  const facts = new Map([
    ['node1', RUNS],
    ['node2', { ...RUNS, paused: true, faults: ['disk full'] }],
    ['node3', { ...RUNS, runs: false }],
  ])
  const nodes = nodesOf(merge.tick(facts, [], 10_500))
  assert.equal(
    nodes.map(({ id, state, height, behind, reachable }) => [id, state, height, behind, reachable]),
    [
      ['node1', 'ok', 9, 0, true],
      ['node2', 'paused', 7, 2, true],
      ['node3', 'stopped', 0, 9, false],
    ],
  )
  assert.equal(nodes[1]?.faults, ['disk full'])
  assert.is(nodesOf(merge.tick(facts, [], 60_000))[0]?.state, 'unknown')
})

test('each custodian tells of its own fragment; together they tell of all that answer', () => {
  const told = (own: number, holds: 'yes' | 'no'): RecordView => ({
    root: 'ab',
    fragments: [0, 1, 2].map(index => ({
      index,
      custodian: `${index}`,
      name: '',
      jurisdiction: '',
      holds: index === own ? holds : 'unknown',
    })),
  })
  const holdsOf = (record: RecordView | null) => record?.fragments.map(({ holds }) => holds)
  assert.equal(holdsOf(mergeRecords([told(2, 'yes'), told(0, 'no')])), ['no', 'unknown', 'yes'])
  assert.is(mergeRecords([]), null)
})

test('lines of a log that are told again are not shown again, and bear the name of the node', () => {
  const merge = new ViewMerge(NODES)
  const line = (atMs: number): ViewEvent => ({ type: 'log', line: { atMs, node: 'x', level: 'warn', code: 'stale', text: 'found' } })
  assert.equal(
    [5, 7, 5].map(atMs => merge.take('node2', line(atMs), 1).length),
    [1, 1, 0],
  )
  const [told] = merge.take('node1', line(3), 1)
  assert.is(told?.type === 'log' && told.line.node, 'node1')
})

function viewOf(events: readonly ViewEvent[]): NetworkView {
  return events.reduce<NetworkView>(applyEvent, emptyView({ source: 'testnet', network: 'test', chainId: 'c'.repeat(64), canAct: true }))
}

test('the terminal shows one value where nodes agree, and the list where they differ', () => {
  const merge = new ViewMerge(NODES)
  const facts = new Map(NODES.map(({ id }) => [id, RUNS]))
  const told = [1, 2, 3].flatMap(i => [
    ...merge.take(`node${i}`, ownNode(i, i === 3 ? 1 : 2), 5),
    ...merge.take(`node${i}`, block(1, 'aa'), 5),
  ])
  told.push(...merge.take('node1', block(2, 'bb'), 5))
  const view = viewOf([...told, ...merge.tick(facts, [{ from: 'node1', to: 'node3', state: 'cut', delayMs: 0, loss: 0 }], 6)])
  assert.is(
    agreement(view.nodes, ({ state }) => state),
    'ok',
  )
  assert.is(
    agreement(view.nodes, ({ height }) => String(height)),
    '2: node1 node2  |  1: node3',
  )
  assert.is(blockHolders(view.blocks[0]!, view.nodes), 'aa')
  assert.is(blockHolders(view.blocks[1]!, view.nodes), 'bb  |  not yet: node3')
  const screen = networkScreen(view, { rows: 12, columns: 60 })
  assert.ok(screen.length <= 12 && screen.every(line => line.length <= 60))
  assert.match(networkScreen(view, { rows: 60, columns: 200 }).join('\n'), 'node1>node3 cut')
})

test('observations stay within their bound, the newest last', () => {
  const dir = mkdtempSync(join(tmpdir(), 'epione-observations-'))
  try {
    const observations = new Observations(dir, { maxBytes: 20_000 })
    for (let height = 1; height <= 500; height++) {
      observations.add(block(height, 'aa'), height)
      observations.add({ type: 'lights', lights: [] }, height)
      observations.flush()
    }
    const { current, before } = observationPaths(dir)
    assert.ok(statSync(current).size + statSync(before).size <= 20_000)
    const lines = readFileSync(current, 'utf8').trim().split('\n')
    assert.is((JSON.parse(lines.at(-1)!) as { block: BlockView }).block.height, 500)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('a process by its files, whatever its name; events by their stream, however it is cut', async () => {
  const stat = `7 (a) b (c)) S ${Array.from({ length: 10 }, () => 0).join(' ')} 150 50 0 0`
  assert.equal(parseFacts(stat, '900 25 1'), { rssBytes: 102_400, cpuSeconds: 2 })
  assert.equal(parseFacts('', ''), { rssBytes: null, cpuSeconds: null })
  const text = `: hello\n\nid: a-1\ndata: ${JSON.stringify(block(1, 'ä'))}\n\n`
  const bytes = Buffer.from(text)
  const body = new ReadableStream<Uint8Array>({
    start: controller => {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  const read: unknown[] = []
  for await (const event of readEvents(body)) read.push(event)
  assert.equal(read, [null, block(1, 'ä')])
})

test.run()
