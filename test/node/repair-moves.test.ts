/** Custodians come and go: what they held moves, and nothing else. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { currentCustodians } from '../../src/client/current-custodians.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { Cluster, eventually, nodeKeys, openFolder } from './cluster.ts'
import { bytesOf, custody, EAGER, file, fragments } from './repair-world.ts'
import { endCustody } from './voting.ts'

const test = suite('moves of fragments')

test('when a custodian leaves, its fragments go to another, the rest stay, and it lets go; a reader finds them', async () => {
  await using cluster = await Cluster.start({ founders: 6, node: EAGER })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'patient')
  const roots: Uint8Array[] = []
  for (let i = 0; i < 5; i++) {
    roots.push((await putRecords(peer, author, folder.address, [file(70_000 + i, `file ${i}`)])).submissionRoot)
  }
  await cluster.agree()
  const leaver = 5
  const before = [0, 1, 2, 3, 4].map(index => fragments(cluster, index))
  const moving = fragments(cluster, leaver)
  assert.is(
    before.reduce((sum, count) => sum + count, moving),
    20,
  )
  assert.ok(moving > 0, 'the one that leaves holds something')
  await endCustody(cluster, leaver, [0, 1, 2, 3, 4])
  const total = (): number => [0, 1, 2, 3, 4].reduce((sum, index) => sum + fragments(cluster, index), 0)
  const repaired = (): number => [0, 1, 2, 3, 4].reduce((sum, index) => sum + custody(cluster, index).repaired, 0)
  await eventually(() => total() === 20 && repaired() >= moving, 'all fragments are there again')
  assert.is(repaired(), moving, 'what left was repaired, and nothing else')
  await eventually(
    () => fragments(cluster, leaver) === 0 && custody(cluster, leaver).submissions === 0,
    'it lets go of what others hold now',
  )
  for (const [index, count] of before.entries()) assert.ok(fragments(cluster, index) >= count, 'whoever stays keeps what it has')

  // A reader who asks today: by the ledger alone it knows the new holders.
  const reader = await cluster.peer([0, 1])
  const session = await openOwnSession(reader, folder.wallet, folder.owned)
  const { versions, incomplete } = await listVersions(reader, session)
  assert.equal([versions.length, incomplete.length], [5, 0])
  let moved = 0
  for (const { submission } of versions) {
    const { holders, original } = await currentCustodians(reader, folder.address.id, submission, {})
    assert.is(holders.length, 4)
    assert.not(holders.some(({ id }) => equalBytes(id, nodeKeys(leaver).account)))
    assert.ok(original.every(member => holders.includes(member)))
    moved += holders.length - original.length
  }
  assert.is(moved, moving, 'whoever came in the place of the one that left is no original holder')
  for await (const { content } of readVersions(reader, session, versions)) assert.ok((await bytesOf(content)).length >= 70_000)
  assert.equal(cluster.errors(), [])
})

test.run()
