/** Custodians that lost their disks, whose bytes went bad, that missed a write or stopped in the middle: all are whole again by themselves. */
import { readFile, writeFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { Cluster, eventually, openFolder, textRecords } from './cluster.ts'
import { bytesOf, custody, EAGER, file, fragmentFiles, fragments, noise, SHORT_ROUNDS, wipe } from './repair-world.ts'

const test = suite('repair in a running network')

test('a disk that was wiped and one whose bytes flipped are repaired without anybody’s doing, and serve alone', async () => {
  await using cluster = await Cluster.start({ node: EAGER })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const authorPeer = await cluster.peer([0])
  const folder = await openFolder(authorPeer, author, 'patient')
  await putRecords(authorPeer, author, folder.address, [...textRecords(['glucose 5.1', 'glucose 5.3']), file(400_000, 'a scan')])
  await putRecords(authorPeer, author, folder.address, [file(70_000, 'a letter'), file(131_072 - 600, 'another')])
  await putRecords(authorPeer, author, folder.address, textRecords(['metformin']))
  const before = await Promise.all((await fragmentFiles(cluster, 3)).map(async path => [path, await readFile(path)] as const))
  const flipped = await fragmentFiles(cluster, 2)
  assert.ok(before.length >= 2 && flipped.length >= 2)

  await cluster.stopNode(3)
  await wipe(cluster, 3)
  await cluster.startNode(3)
  const good = await Promise.all(flipped.map(async path => await readFile(path)))
  for (const [i, path] of flipped.entries()) {
    const bytes = Uint8Array.from(good[i] as Uint8Array)
    const at = i === 0 ? bytes.length - 1 : 1000
    bytes[at] = (bytes[at] as number) ^ 1
    await writeFile(path, bytes)
  }

  await eventually(() => fragments(cluster, 3) === 6 && custody(cluster, 3).missing === 0, 'the wiped node is whole')
  await eventually(
    () => custody(cluster, 2).corruptFound >= flipped.length && custody(cluster, 2).missing === 0,
    'the bad bytes are mended',
  )
  assert.is(custody(cluster, 3).submissions, 3)
  for (const [path, bytes] of before) assert.ok(bytes.equals(await readFile(path)), 'the same fragment as before')
  for (const [i, path] of flipped.entries()) assert.ok((good[i] as Buffer).equals(await readFile(path)), 'the same fragment as before')

  const peer = await cluster.peer([0, 2, 3])
  const session = await openOwnSession(peer, folder.wallet, folder.owned)
  await cluster.agree()
  await cluster.stopNode(0)
  await cluster.stopNode(1)
  const { versions, incomplete } = await listVersions(peer, session)
  assert.equal([versions.length, incomplete.length], [6, 0])
  const read: Uint8Array[] = []
  for await (const { content } of readVersions(peer, session, versions)) read.push(await bytesOf(content))
  assert.equal(
    read.map(({ length }) => length).sort((a, b) => a - b),
    [9, 11, 11, 70_000, 131_072 - 600, 400_000],
  )
  assert.ok(read.some(bytes => Buffer.from(bytes).equals(noise(400_000, 'a scan'))))
  assert.equal(cluster.errors(), [])
})

test('a write that missed a custodian reaches it later, and one that stops in the middle goes on where it was', async () => {
  // Slow enough to be stopped in the middle: about five fragments of 35 kB in a second.
  const slow = { repair: { graceMs: 50, lookMs: 60_000, bytesPerSecond: 170_000, atOnce: 1 } }
  await using cluster = await Cluster.start({ node: slow, parameters: SHORT_ROUNDS })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'patient')
  await cluster.agree()
  await cluster.stopNode(3)
  const count = 14
  for (let i = 0; i < 2; i++) {
    const files = Array.from({ length: count / 2 }, (_, j) => file(70_000, `file ${i} ${j}`))
    assert.is((await putRecords(peer, author, folder.address, files)).status, 'degraded')
  }
  await cluster.startNode(3)
  await eventually(() => fragments(cluster, 3) >= 4 && custody(cluster, 3).missing > 0, 'the repair is on its way')
  await cluster.stopNode(3)
  await cluster.startNode(3)
  const before = fragments(cluster, 3)
  assert.ok(before >= 4 && before < count, `${before} fragments are there already`)
  await eventually(() => fragments(cluster, 3) === count && custody(cluster, 3).missing === 0, 'all is there')
  assert.ok(custody(cluster, 3).repairedBytes < (count - before + 1) * 36_000, 'what was there was not asked for again')
  assert.equal(cluster.errors(), [])
})

test.run()
