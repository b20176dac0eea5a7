/** What a custodian makes of uploads that come late, again, or break off. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { upload, uploadsOf } from './custodian-uploads.ts'
import { CustodianWorld, type Held } from './custodian-world.ts'

const test = suite('intake of a custodian')

/** A submission of one version that is not here. */
async function away(world: CustodianWorld, name: string, size: number): Promise<Held> {
  const held = await world.hold(name, [size])
  await world.fragments.dropSubmission(held.root)
  await world.submissions.delete(held.root)
  return held
}

test('what comes after its anchor is kept for good at once, and not anew as staged', async () => {
  await using world = await CustodianWorld.open()
  const uploads = uploadsOf(world)
  const held = await away(world, 'late', 3000)
  await world.anchor(held)
  assert.is(await upload(world, uploads, held), 'receipt')
  assert.is((await world.submissions.get(held.root))?.anchored, true)
  assert.is(world.fragments.submission(held.root)?.anchored, true)
  const other = await away(world, 'early', 3000)
  assert.is(await upload(world, uploads, other), 'receipt')
  assert.is((await world.submissions.get(other.root))?.anchored, false)
  // Sent whole before, and anchored meanwhile without anybody looking.
  await world.anchor(other)
  assert.is(await upload(world, uploads, other), 'receipt')
  assert.is((await world.submissions.get(other.root))?.anchored, true)
  assert.is(world.fragments.submission(other.root)?.anchored, true)
})

test('what is staged and sent again takes its room once, and none where it is whole', async () => {
  await using world = await CustodianWorld.open()
  const [held, other] = [await away(world, 'again', 3000), await away(world, 'other', 3000)]
  const full = { stagedQuotaBytes: 1600 }
  assert.is(await upload(world, uploadsOf(world, full), held), 'receipt')
  assert.is(await upload(world, uploadsOf(world, full), other), 'quota-exceeded')
  assert.is(await upload(world, uploadsOf(world, full), held), 'receipt')
  assert.is(await upload(world, uploadsOf(world, { stagedQuotaBytes: 1 }), held), 'receipt')
  // Its fragments were lost, what is known of it was not.
  await world.fragments.dropSubmission(held.root)
  assert.is(await upload(world, uploadsOf(world, { stagedQuotaBytes: 1 }), held), 'quota-exceeded')
  assert.is(await upload(world, uploadsOf(world, full), held), 'receipt')
  assert.is(world.submissions.usageOf(world.sponsor).stagedBytes, 1504)
})

test('what is staged and sent again is read through at a rate, and a custodian that stops does not wait for that', async () => {
  await using world = await CustodianWorld.open()
  const held = await away(world, 'paced', 3000)
  // So slow that the check of this one does not end by itself.
  const uploads = uploadsOf(world, { checkBytesPerSecond: 1 })
  assert.is(await upload(world, uploads, held), 'receipt')
  const read = world.fragments.read.bind(world.fragments)
  const { promise: isReading, resolve } = Promise.withResolvers<void>()
  world.fragments.read = async function* (...args) {
    for await (const chunk of read(...args)) {
      resolve()
      yield chunk
    }
  }
  const again = upload(world, uploads, held)
  await isReading
  await uploads.stop()
  assert.is(await again, 'stopped')
})

test.run()
