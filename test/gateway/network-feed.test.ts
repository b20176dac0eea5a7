/** Views, their events and those who read them: bounds, gaps, resuming, and what a slow reader costs. */
import { Hono } from 'hono'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NetworkFeed } from '../../src/gateway/network-feed.ts'
import { addPage, addView, eventStream } from '../../src/gateway/network-routes.ts'
import { type BlockView, type RoundView, VIEW_BOUNDS, type ViewEvent } from '../../src/gateway/network-view.ts'
import { Rounds } from '../../src/gateway/rounds.ts'
import { applyEvent, emptyView } from '../../src/gateway/view-state.ts'

const test = suite('feed of a network')
const VIEW = emptyView({ source: 'node', network: 'test', chainId: 'c'.repeat(64), canAct: false })

function blockAt(height: number, changes: Partial<BlockView> = {}): BlockView {
  const about = { hash: `${height}`.padStart(64, '0'), timeMs: height, seenMs: height, proposer: '', round: 0 }
  return { height, ...about, transactions: 0, bytes: 0, commitMs: 1, kinds: {}, conflict: false, ...changes }
}

function roundAt(height: number, round: number, decided = false): RoundView {
  return { height, round, proposer: '', proposalMs: null, votes: [], decided }
}

const block = (height: number): ViewEvent => ({ type: 'block', block: blockAt(height) })

test('blocks and rounds stand in order, each once, and no list grows without end', () => {
  let view = VIEW
  for (const height of [3, 1, 2, 2]) view = applyEvent(view, block(height))
  view = applyEvent(view, { type: 'block', block: blockAt(2, { conflict: true }) })
  assert.equal(
    view.blocks.map(({ height, conflict }) => [height, conflict]),
    [
      [1, false],
      [2, true],
      [3, false],
    ],
  )
  for (const [height, round] of [
    [2, 1],
    [1, 0],
    [2, 0],
    [2, 1],
  ] as const)
    view = applyEvent(view, { type: 'round', round: roundAt(height, round) })
  assert.equal(
    view.rounds.map(({ height, round }) => `${height}/${round}`),
    ['1/0', '2/0', '2/1'],
  )
  for (let i = 0; i < 1_100; i++) {
    view = applyEvent(view, block(i))
    view = applyEvent(view, { type: 'round', round: roundAt(i, 0) })
    view = applyEvent(view, { type: 'log', line: { atMs: i, node: 'node1', level: 'info', code: 'state', text: '' } })
    view = applyEvent(view, { type: 'act', act: { atMs: i, tookMs: 0, what: '', act: {}, error: null } })
  }
  assert.equal(
    [view.blocks.length, view.rounds.length, view.log.length, view.acts.length],
    [VIEW_BOUNDS.blocks, VIEW_BOUNDS.rounds, VIEW_BOUNDS.log, VIEW_BOUNDS.acts],
  )
  assert.is(view.blocks.at(-1)?.height, 1_099)
})

test('a reader that lags is told of the gap and goes on from now; one that keeps up misses nothing', async () => {
  const feed = new NetworkFeed(VIEW, { events: 4, run: 'a' })
  const [fast, slow] = [feed.read(), feed.read()]
  assert.ok(fast !== null && slow !== null)
  const seen: number[] = []
  for (let height = 1; height <= 10; height++) {
    feed.publish(block(height))
    const item = await fast.next(0)
    if (item?.event.type === 'block') seen.push(item.event.block.height)
  }
  assert.equal(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.equal((await slow.next(0))?.event, { type: 'gap' })
  assert.is(await slow.next(0), null)
  feed.publish(block(11))
  assert.equal((await slow.next(0))?.event, block(11))
  assert.is(feed.view().blocks.at(-1)?.height, 11)
})

test('who comes back goes on behind what was read; of another run, or too late, there is a gap', async () => {
  const feed = new NetworkFeed(VIEW, { events: 4, run: 'b' })
  for (let height = 1; height <= 6; height++) feed.publish(block(height))
  const first = async (id: string | undefined): Promise<ViewEvent | undefined> => {
    const reader = feed.read(id)
    const item = await reader?.next(0)
    reader?.close()
    return item?.event
  }
  assert.equal(await first('b-4'), block(5))
  assert.equal(await first('b-6'), undefined)
  for (const id of ['b-1', 'a-5', 'b-99', 'nonsense', '']) assert.equal(await first(id), { type: 'gap' }, id)
  assert.is(await first(undefined), undefined)
})

test('so many readers and no more; a place is free again when one leaves, and all end with the feed', async () => {
  const feed = new NetworkFeed(VIEW, { readers: 2 })
  const [first, second] = [feed.read(), feed.read()]
  assert.is(feed.read(), null)
  first?.close()
  const third = feed.read()
  assert.ok(third !== null)
  const waiting = third.next(60_000)
  feed.close()
  assert.equal([await waiting, await second?.next(60_000)], [undefined, undefined])
  assert.is(feed.read(), null)
})

test('over HTTP: the view, events with ids, resuming, too many, and nothing once it stops', async () => {
  const feed = new NetworkFeed(VIEW, { run: 'r', readers: 1 })
  let isOpen = true
  const app = new Hono()
  addPage(app, async () => null)
  addView(app, () => (isOpen ? { feed } : null))
  feed.publish(block(1))
  feed.publish(block(2))
  const view = (await (await app.request('/v1/network')).json()) as { blocks: unknown[] }
  assert.is(view.blocks.length, 2)
  const events = await app.request('/v1/network/events', { headers: { 'last-event-id': 'r-1' } })
  assert.is(events.headers.get('content-type'), 'text/event-stream')
  const reader = (events.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  while (!text.includes('data:')) text += new TextDecoder().decode((await reader.read()).value)
  assert.match(text, `id: r-2\ndata: ${JSON.stringify(block(2))}\n\n`)
  const busy = await app.request('/v1/network/events')
  assert.equal([busy.status, ((await busy.json()) as { code: string }).code], [503, 'too-many-readers'])
  await reader.cancel()
  const again = await app.request('/v1/network/events')
  assert.is(again.status, 200)
  await again.body?.cancel()
  assert.is((await app.request('/v1/network/records/zz')).status, 404)
  const page = await app.request('/network/')
  assert.equal([page.status, ((await page.json()) as { code: string }).code], [404, 'page-missing'])
  isOpen = false
  assert.is((await app.request('/v1/network')).status, 503)
})

test('the page is served with a strict policy, and nothing but its own files', async () => {
  const app = new Hono()
  addPage(app, async () => import.meta.dirname)
  for (const path of [
    '/network/../package.json',
    '/network/%2e%2e/x.js',
    '/network/.hidden.js',
    '/network/a/b/c.js',
    '/network/network-feed.test.ts',
  ])
    assert.is((await app.request(path)).status, 404, path)
})

test('a stream that nobody reads takes two events at most out of the feed', async () => {
  const feed = new NetworkFeed(VIEW, { events: 8 })
  const reader = feed.read()
  assert.ok(reader !== null)
  let taken = 0
  const next = reader.next.bind(reader)
  reader.next = async ms => {
    taken++
    return await next(ms)
  }
  const stream = eventStream(reader)
  for (let height = 0; height < 1_000; height++) feed.publish(block(height))
  await new Promise(resolve => setImmediate(resolve))
  assert.ok(taken <= 2, `${taken} were taken`)
  await stream.cancel()
})

test('votes fill a matrix; what is far from what is decided fills nothing', () => {
  const rounds = new Rounds(() => ['a', 'b'])
  const at = { height: 5, round: 0 }
  const vote = (validator: string, height: number, round: number, forBlock = true) =>
    rounds.see({ type: 'vote', kind: 'prevote', validator, height, round, forBlock }, at, 9)
  assert.equal(vote('a', 5, 0)?.votes, [
    { validator: 'a', prevote: 'block', precommit: 'none' },
    { validator: 'b', prevote: 'none', precommit: 'none' },
  ])
  assert.is(vote('a', 5, 0), undefined, 'nothing new')
  assert.is(vote('stranger', 5, 0), undefined)
  for (const [height, round] of [
    [6, 0],
    [1, 0],
    [5, 2],
    [5, 1_000_000],
    [4, 1_000],
  ] as const)
    assert.is(vote('b', height, round), undefined, `${height}/${round}`)
  assert.equal(rounds.see({ type: 'proposal', validator: 'b', height: 5, round: 1 }, at, 9)?.proposalMs, 9)
  const decided = rounds.decided(5, 0, 'a', ['a', 'b'])
  assert.equal([decided.decided, decided.proposer, decided.votes.map(({ precommit }) => precommit)], [true, 'a', ['block', 'block']])
})

test.run()
