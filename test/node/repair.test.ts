/** Custodians that lost their disks, whose bytes went bad, that missed a write or stopped in the middle: all are whole again by themselves. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { currentCustodians } from '../../src/client/current-custodians.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { putRecords } from '../../src/client/put.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { type Proposal, voteBodyCodec } from '../../src/contracts/members-formats.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { homePaths } from '../../src/node/home.ts'
import { Cluster, eventually, nodeKeys, openFolder, organisationOf, seedOf, textRecords } from './cluster.ts'

const test = suite('repair in a running network')

const EAGER = { repair: { graceMs: 50, lookMs: 60_000 }, scrub: { everyMs: 200, bytesPerSecond: 2 ** 28 } }

/** Content that does not compress. */
function noise(length: number, name: string): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0, i = 0; at < length; at += 32, i++) out.set(seedOf(name, i).subarray(0, Math.min(32, length - at)), at)
  return out
}

const file = (length: number, name: string) => ({
  mediaType: 'application/octet-stream',
  class: 'laboratory' as const,
  content: contentOf(noise(length, name)),
})

/** Files of fragments on a node's disk. */
async function fragmentFiles(cluster: Cluster, index: number): Promise<string[]> {
  const kept = join(homePaths(cluster.home(index)).fragments, 'fragments')
  const names: string[] = []
  for (const folder of await readdir(kept)) {
    for (const name of await readdir(join(kept, folder))) names.push(join(kept, folder, name))
  }
  return names.sort()
}

async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part.slice())
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

const custody = (cluster: Cluster, index: number) => cluster.node(index).status().custody
const fragments = (cluster: Cluster, index: number): number => cluster.node(index).status().storage.fragments

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
  const paths = homePaths(cluster.home(3))
  await Promise.all([paths.custody, paths.fragments].map(async path => await rm(path, { recursive: true })))
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
  await using cluster = await Cluster.start({ node: slow })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'patient')
  await cluster.agree()
  await cluster.stopNode(3)
  const count = 16
  for (let i = 0; i < count / 4; i++) {
    const files = Array.from({ length: 4 }, (_, j) => file(70_000, `file ${i} ${j}`))
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

let nonce = 0

/** The members vote an organisation out, or in. */
async function decide(cluster: Cluster, proposal: Proposal, voters: readonly number[]): Promise<void> {
  const body = voteBodyCodec.encode({ series: 0, proposal })
  for (const voter of voters) {
    const { account, signing } = nodeKeys(voter)
    const { chain, transactions } = cluster.node(voter)
    const content = {
      ...{ chainId: chain.chainId, from: { kind: 'account' as const, id: account }, validUntil: Date.now() + 600_000 },
      ...{ nonce: seedOf('nonce', nonce++).slice(0, 16), contract: 'members', action: 'vote', body, sponsor: null },
    }
    const id = await transactions.submit(createTransaction(content, signing).bytes)
    await eventually(async () => await chain.store.receipt(id), 'the vote is in a block')
  }
}

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
  // It stays a member, and stores no more for others.
  const organisation = { ...organisationOf(leaver), capacity: 0 }
  await decide(cluster, { type: 'amend', value: { account: nodeKeys(leaver).account, organisation } }, [0, 1, 2, 3, 4])
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
  for (const { submission } of versions) {
    const { holders } = await currentCustodians(reader, folder.address.id, submission, {})
    assert.is(holders.length, 4)
    assert.not(holders.some(({ id }) => equalBytes(id, nodeKeys(leaver).account)))
  }
  for await (const { content } of readVersions(reader, session, versions)) assert.ok((await bytesOf(content)).length >= 70_000)
  assert.equal(cluster.errors(), [])
})

test.run()
