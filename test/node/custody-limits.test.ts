/** What a custodian takes: so much of one organisation, versions of so many bytes, and nothing that its disk has no room for. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CustodyLimits } from '../../src/node/custodian/limits.ts'
import { DiskWatch } from '../../src/node/disk-watch.ts'
import { answersTo, uploadsOf } from './custodian-uploads.ts'
import { CustodianWorld, type Held } from './custodian-world.ts'

const test = suite('limits of a custodian')
const GIB = 2 ** 30

/** What the custodian answers to the start of an upload, and to its versions. */
async function answers(
  world: CustodianWorld,
  held: Held,
  size: number,
  limits: Partial<CustodyLimits>,
  disk: DiskWatch,
): Promise<string[]> {
  const ticket = world.ticket(held.root, size, held.metas.length)
  return await answersTo(uploadsOf(world, limits, { disk }), [
    { type: 'start', value: { ...ticket, token: held.root } },
    { type: 'versions', value: held.metas },
  ])
}

async function diskOf(
  world: CustodianWorld,
  freeBytes: number,
): Promise<{ disk: DiskWatch; space: { freeBytes: number; totalBytes: number } }> {
  const space = { freeBytes, totalBytes: 100 * GIB }
  const disk = new DiskWatch({ dirs: ['data'], minFreeBytes: GIB }, { logger: world.logger, statDisk: async () => ({ ...space }) })
  await disk.look()
  return { disk, space }
}

test('an organisation has its share, of staged and of anchored fragments alike', async () => {
  await using world = await CustodianWorld.open()
  const { disk } = await diskOf(world, 50 * GIB)
  const old = await world.hold('old', [2000])
  await world.submissions.markAnchored(old.root)
  assert.is(world.submissions.usageOf(world.sponsor).bytes, 1008)
  const next = await world.hold('next', [4000])
  await world.fragments.dropSubmission(next.root)
  await world.submissions.delete(next.root)
  assert.equal(await answers(world, next, 4000, { organisationQuotaBytes: 3007 }, disk), ['quota-exceeded'])
  assert.equal((await answers(world, next, 4000, { organisationQuotaBytes: 3008 }, disk))[0], 'ready')
  assert.equal(await answers(world, next, 4000, { stagedQuotaBytes: 1999 }, disk), ['quota-exceeded'])
  // What is here already and comes again, as after a loss, takes no more room than it has.
  assert.equal((await answers(world, old, 2000, { organisationQuotaBytes: 1008 }, disk))[0], 'ready')
  assert.is(world.submissions.usageOf(world.sponsor).bytes, 1008)
})

test('a version may have so many bytes', async () => {
  await using world = await CustodianWorld.open()
  const { disk } = await diskOf(world, 50 * GIB)
  const held = await world.hold('long', [500, 3000])
  assert.equal(await answersFor(world, held, 2999, disk), ['too-large'])
  assert.is((await answersFor(world, held, 3000, disk))[0], 'ready')
})

async function answersFor(world: CustodianWorld, held: Held, maxVersionBytes: number, disk: DiskWatch): Promise<string[]> {
  return await answers(world, held, 3500, { maxVersionBytes }, disk)
}

test('a disk that is nearly full refuses uploads, and takes them again', async () => {
  await using world = await CustodianWorld.open()
  const { disk, space } = await diskOf(world, 0.9 * GIB)
  const held = await world.hold('some', [3000])
  await world.fragments.dropSubmission(held.root)
  await world.submissions.delete(held.root)
  assert.equal(await answers(world, held, 3000, {}, disk), ['read-only'])
  space.freeBytes = 1.1 * GIB
  await disk.look()
  assert.equal(await answers(world, held, 3000, {}, disk), ['read-only'])
  space.freeBytes = 2 * GIB
  await disk.look()
  assert.is((await answers(world, held, 3000, {}, disk))[0], 'ready')
  // One upload alone would take it below its reserve.
  space.freeBytes = GIB + 1000
  await disk.look()
  assert.equal(await answers(world, held, 3000, {}, disk), ['disk-full'])
})

test.run()
