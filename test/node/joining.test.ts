/** Validators without a past: what they decide, and that a wiped one does not contradict its earlier life. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { type JoiningFacts, judgeJoining, ProofWait, type Proven } from '../../src/node/joining.ts'
import { Cluster, eventually, lives, openFolder } from './cluster.ts'

const test = suite('joining')

function facts(heights: (number | null | [number, number | null])[], changes: Partial<JoiningFacts> = {}): JoiningFacts {
  const claims = heights.map(item => (Array.isArray(item) ? { power: item[0], height: item[1] } : { power: 1, height: item }))
  return { claims, height: 0, target: null, stalledMs: 0, ...changes }
}

const WAIT = 'wait'
const CASES: [string, JoiningFacts, number | typeof WAIT][] = [
  ['alone at the beginning', facts([0]), -1],
  ['nobody has answered', facts([0, null, null, null]), WAIT],
  ['half is no quorum', facts([0, 0, null, null]), WAIT],
  ['a quorum at the beginning', facts([0, 0, 0, null]), -1],
  ['a running chain: two heights above', facts([0, 9, 9, 9]), 11],
  ['the others are one block apart: the foremost proves its block', facts([0, 9, 10, 9]), WAIT],
  ['it did', facts([10, 9, 10, 9], { height: 10, target: 10 }), 12],
  ['one that lags does not pull it down', facts([0, 9, 2, null]), WAIT],
  ['its blocks came from the foremost', facts([9, 9, 2, null], { height: 9, target: 9 }), 11],
  ['a liar far above holds it for a while only', facts([0, 2 ** 48, 9, 9], { target: 2 ** 48, stalledMs: 14_999 }), WAIT],
  ['and then counts no more', facts([0, 2 ** 48, 9, 9], { target: 2 ** 48, stalledMs: 15_000 }), 11],
  ['a liar at a true beginning', facts([0, 5, 0, 0], { target: 5, stalledMs: 15_000 }), -1],
  ['the network went on since it was asked', facts([9, 30, 30, 31], { height: 9, target: 9 }), 32],
  [
    'by weight',
    facts([
      [1, 0],
      [5, 4],
      [1, null],
      [1, null],
    ]),
    6,
  ],
  ['not a validator of that height: the others alone', facts([7, 7, 7], { height: 7 }), 9],
]
for (const [name, given, expected] of CASES) {
  test(`decision: ${name}`, () => {
    const verdict = judgeJoining(given)
    assert.is(verdict.wait ? WAIT : verdict.silentThrough, expected)
  })
}

/** Second at which a node without a past decides, of those in an hour; a step a second. */
function decidesAt(proven: (second: number) => Proven, claims: (second: number) => number[], target: number, clockOffsetMs = 0): number {
  const wait = new ProofWait(proven(0), clockOffsetMs, 0)
  for (let second = 0; second < 3600; second++) {
    wait.note(proven(second), 1000 * second)
    const given = facts(claims(second), { height: proven(second).height, target, stalledMs: wait.stalledMs(1000 * second) })
    if (!judgeJoining(given).wait) return second
  }
  return Number.POSITIVE_INFINITY
}

test("a liar's claim is waited for no longer because the others go on deciding", () => {
  const height = (second: number): number => 100 + second
  const live = (second: number): Proven => ({ height: height(second), timeMs: 1000 * second, missing: null })
  const claims = (second: number): number[] => [height(second), height(second), height(second), 10 ** 9]
  assert.ok(decidesAt(live, claims, 10 ** 9) <= 30)
  assert.ok(decidesAt(live, claims, 10 ** 9, 60_000) <= 90, 'a clock that is ahead costs as much')
  // Their claims lag behind their blocks, which is how it is.
  assert.ok(decidesAt(live, second => [height(second), height(second) - 5, height(second) - 5, 10 ** 9], 10 ** 9) <= 30)
})

test('a claim that one alone makes is waited for as long as older blocks come, or chunks of a snapshot', () => {
  const OLD_MS = -3_600_000
  const claims = (second: number): number[] => [second, 50, 2000, 0]
  const old = (second: number): Proven => ({ height: second, timeMs: OLD_MS + 1000 * second, missing: null })
  assert.is(decidesAt(old, claims, 2000), 2000)
  const chunks = (second: number): Proven => ({ height: second < 600 ? 100 : 2000, timeMs: OLD_MS, missing: Math.max(0, 60 - second / 10) })
  assert.is(
    decidesAt(chunks, second => [chunks(second).height, 50, 2000, 0], 2000),
    600,
  )
})

/** Whether one of the blocks from a height on carries a node's signature, as another node has them. */
async function signedFrom(cluster: Cluster, height: number, index: number, witness: number): Promise<boolean> {
  const key = cluster.keys[index]!.consensus.publicKey
  const { chain } = cluster.node(witness)
  for (let at = height; at <= chain.tip.header.height; at++) {
    const stored = await chain.store.header(at)
    if (stored?.certificate?.signatures.some(({ validator }) => equalBytes(validator, key))) return true
  }
  return false
}

async function wipe(cluster: Cluster, index: number): Promise<void> {
  for (const part of ['consensus', 'chain']) await rm(join(cluster.home(index), 'data', part), { recursive: true })
}

/** What this node says of its silence: the height through which it does not vote. */
async function silence(cluster: Cluster, index: number): Promise<number> {
  const consensus = await eventually(() => cluster.node(index).status().consensus, 'it has heard from the others')
  return consensus.notVotingBecause === 'lost-log' ? consensus.silentThrough : -1
}

function doubleSigns(cluster: Cluster): number {
  return cluster.log.filter(({ fields }) => (fields as { code?: string }).code === 'double-sign').length
}

test('a wiped validator keeps silent where its earlier life may have signed, follows, and votes again', async () => {
  await using cluster = await Cluster.start()
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  for (const name of ['a', 'b', 'c']) await openFolder(peer, author, name)
  // Under load: the others decide blocks while it goes down, is wiped and comes back.
  let loading = true
  const load = (async () => {
    for (let i = 0; loading; i++) await openFolder(peer, author, `load ${i}`)
  })()
  await cluster.stopNode(3)
  await wipe(cluster, 3)
  const back = await cluster.startNode(3)
  const told = await eventually(
    () => cluster.log.find(({ node, message }) => node === 3 && message.startsWith('no record of what this validator has signed')),
    'it says that it keeps silent',
  )
  const { silentThrough } = told.fields as { silentThrough: number }
  assert.ok(silentThrough >= 5, `silent through ${silentThrough}`)
  await eventually(
    async () => back.chain.tip.header.height > silentThrough && (await signedFrom(cluster, silentThrough + 1, 3, 0)),
    'it votes again',
  )
  loading = false
  await load
  await cluster.agree()
  assert.is(doubleSigns(cluster), 0)
  assert.is(back.status().consensus?.notVotingBecause, null)

  // Its silence is over for good: a restart does not bring it back.
  await cluster.stopNode(3)
  await cluster.startNode(3)
  await cluster.connected()
  await lives(cluster, 'after')
  assert.is(cluster.node(3).status().consensus?.notVotingBecause, null)
})

test('the silence outlasts a restart within it', async () => {
  await using cluster = await Cluster.start()
  await lives(cluster, 'first')
  await cluster.agree()
  const { height } = cluster.node(0).chain.tip.header
  await cluster.stopNode(3)
  await cluster.stopNode(0)
  await wipe(cluster, 3)
  // Two others answer, which with itself is a quorum; but without its vote they make no block, so that its silence stays.
  await cluster.startNode(3)
  assert.is(await silence(cluster, 3), height + 2)
  await cluster.stopNode(3)
  await cluster.startNode(3)
  assert.is(await silence(cluster, 3), height + 2)
  await cluster.startNode(0)
  await cluster.connected()
  await eventually(() => cluster.node(3).status().consensus?.notVotingBecause === null, 'blocks bring it over its silence')
  await lives(cluster, 'second')
  assert.is(doubleSigns(cluster), 0)
})

test('who starts late at the beginning of a chain votes soon, and an idle chain brings it there', async () => {
  await using cluster = await Cluster.start({ start: [0, 1, 2] })
  for (const name of ['a', 'b', 'c', 'd']) await lives(cluster, name)
  const before = cluster.node(0).chain.tip.header.height
  await cluster.startNode(3)
  await eventually(() => cluster.node(3).status().consensus?.notVotingBecause === null, 'it votes')
  // Nobody sent anything: the others made these blocks for it, and no more than these.
  const { height } = cluster.node(3).chain.tip.header
  assert.ok(height > before && height <= before + 3, `from ${before} to ${height}`)
  await cluster.stopNode(0)
  const author = cluster.person(1)
  await cluster.staff(1, [author])
  await openFolder(await cluster.peer([1]), author, 'e')
  assert.ok(await signedFrom(cluster, height + 1, 3, 1), 'without its vote there is no quorum')
  assert.is(doubleSigns(cluster), 0)
})

test.run()
