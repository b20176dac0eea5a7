/** Real processes under load, killed, paused and cut off: the chain goes on, nobody signs twice, and what was acknowledged stays. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { disconnectOne, killAll, killOne, killTwo, type Measured, pauseOne, splitInHalf } from '../../testnet/perturb/catalogue.ts'
import { Stage } from '../../testnet/perturb/stage.ts'

/** Keys of the network. The moments are those of the machine; `npm run perturb` draws targets and moments from a seed. */
const SEED = 11
/** Above the timeouts of a first round, which end after two seconds. */
const AWAY_MS = 5_000

const test = suite('perturbations')
const dir = mkdtempSync(join(tmpdir(), 'epione-perturb-'))
let stage: Stage

test.before(async () => {
  stage = await Stage.create({ dir, seed: SEED, perSecond: 12 })
})
test.after(async () => {
  await stage.stop()
  rmSync(dir, { recursive: true, force: true })
})

function holds(all: readonly Measured[]): void {
  assert.ok(all.length > 0)
  for (const { what, tookMs, good, note } of all) assert.ok(good, `${what}: ${tookMs} ms ${note}`)
}

test('kill -9 of validators in turn', async () => {
  for (const index of [0, 2]) holds(await killOne(stage, index, 0))
})

test('a pause that is longer than a round', async () => holds(await pauseOne(stage, 1, AWAY_MS)))

test('a node that is cut off makes no block alone, and comes back', async () => {
  holds(await disconnectOne(stage, 0, { ms: AWAY_MS, state: 'cut' }))
  holds(await disconnectOne(stage, 3, { ms: AWAY_MS, state: 'silent' }))
})

test('two of four down: no block; back: blocks again', async () => holds(await killTwo(stage, [0, 2], 6_000)))

test('two pairs apart make no block, and agree when they meet', async () => {
  holds(await splitInHalf(stage, [1, 2], { ms: AWAY_MS, state: 'silent' }))
})

test('all four killed at once', async () => holds(await killAll(stage)))

test('one chain everywhere, with all that was acknowledged, and no two signatures for one place', async () => {
  assert.equal(await stage.verify(), [])
  assert.ok(stage.load.acknowledged.length > 100, String(stage.load.acknowledged.length))
  assert.ok(stage.witness.counts.statements > 100, JSON.stringify(stage.witness.counts))

  // The check itself: a transaction that is nowhere, and one that is elsewhere, are missing on each of the four.
  const [kept] = stage.load.acknowledged
  stage.load.acknowledged.length = 0
  stage.load.acknowledged.push({ id: new Uint8Array(32), height: 1 }, { id: kept!.id, height: kept!.height + 1 })
  assert.is((await stage.load.missing()).length, 8)
})

test.run()
