/**
 * A custodian that may no longer read, and has the keys of what it once read, lies about losses to get a second fragment: with k of them
 * it could open later versions alone. It orders what it likes, as the ledger does not see placement, and asks whom it likes.
 */
import { statSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { folderOwnerKey } from '../../src/client/folders.ts'
import { putRecords } from '../../src/client/put.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { eraseBodyCodec, erasureMark } from '../../src/contracts/records-formats.ts'
import { type RepairOrder, repairEntryCodec, repairOrdersCodec } from '../../src/contracts/repairs-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { multiply } from '../../src/fragments/field.ts'
import type { VersionMeta } from '../../src/fragments/formats.ts'
import { place } from '../../src/fragments/placement.ts'
import { sumMessages } from '../../src/fragments/repair.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../../src/network/protocols.ts'
import { type RepairReply, type RepairRequest, repairReplyCodec, repairRequestCodec } from '../../src/network/repair-messages.ts'
import { custodiansAt } from '../../src/node/directory.ts'
import { homePaths } from '../../src/node/home.ts'
import { Cluster, eventually, nodeKeys, openFolder, seedOf, type TestFolder } from './cluster.ts'

/** The liar, a custodian and a revoked reader, and its accomplice, a member that holds nothing of this record. */
const LIAR = 4
let nonce = 0

interface World {
  cluster: Cluster
  folder: TestFolder
  root: Uint8Array
  /** Numbers of the nodes by the index of the fragment that they hold. */
  holders: number[]
  /** The one node that holds none. */
  idle: number
  /** Fragments by index, as they lie on the disks. */
  fragments: Uint8Array[]
}

const test = suite<{ world: World }>('attacks by repair')

test.before(async context => {
  const cluster = await Cluster.start({ founders: 5 })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'patient')
  // Until one is placed at the liar: the author's randomness decides.
  for (let i = 0; ; i++) {
    const content = Uint8Array.from({ length: 150_000 }, (_, at) => seedOf(`content ${i}`, at >> 5)[at % 32] as number)
    const records = [{ mediaType: 'application/octet-stream', class: 'laboratory' as const, content: contentOf(content) }]
    const { submissionRoot: root } = await putRecords(peer, author, folder.address, records)
    const custodians = custodiansAt(cluster.node(0).chain.tip.tree, 0) ?? []
    const placed = place({ key: root, custodians, n: 4, k: 2, policy: null }).custodians
    const holders = placed.map(({ id }) => [0, 1, 2, 3, 4].find(index => equalBytes(nodeKeys(index).account, id)) as number)
    if (!holders.includes(LIAR)) continue
    await cluster.agree()
    const idle = [0, 1, 2, 3].find(index => !holders.includes(index)) as number
    const fragments = await Promise.all(holders.map(async index => await newestFragment(cluster, index)))
    context.world = { cluster, folder, root, holders, idle, fragments }
    return
  }
})

test.after(async ({ world }) => await world.cluster.stop())

/** The fragment that was written last on a node's disk. */
async function newestFragment(cluster: Cluster, index: number): Promise<Uint8Array> {
  const kept = join(homePaths(cluster.home(index)).fragments, 'fragments')
  const paths: string[] = []
  for (const folder of await readdir(kept)) for (const name of await readdir(join(kept, folder))) paths.push(join(kept, folder, name))
  paths.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  return Uint8Array.from(await readFile(paths[0] as string))
}

const liarIndex = ({ holders }: World): number => holders.indexOf(LIAR)
const others = (world: World): number[] => [0, 1, 2, 3].filter(index => index !== liarIndex(world))
const helper = ({ holders }: World, index: number) => ({ id: nodeKeys(holders[index] as number).account, index })

function lastAttempt({ cluster, folder, root }: World, by = LIAR): number {
  const bytes = cluster.node(LIAR).chain.tip.tree.get(stateKey.repair(folder.address.id, root, nodeKeys(by).account))
  return bytes === undefined ? 0 : repairEntryCodec.decode(bytes).attempt
}

/** An order of the liar, or of another; gives the attempt. */
async function order(world: World, index: number, helpers: RepairOrder['helpers'], by = LIAR): Promise<number> {
  const { cluster, folder, root } = world
  const { account, signing } = nodeKeys(by)
  const { chain, transactions } = cluster.node(by)
  const attempt = lastAttempt(world, by) + 1
  const content = {
    ...{ chainId: chain.chainId, from: { kind: 'account' as const, id: account }, validUntil: Date.now() + 600_000 },
    ...{ nonce: seedOf('nonce', nonce++).slice(0, 16), contract: 'repairs', action: 'order', sponsor: null },
    body: repairOrdersCodec.encode({ orders: [{ folder: folder.address.id, submissionRoot: root, index, helpers, attempt }] }),
  }
  const id = await transactions.submit(createTransaction(content, signing).bytes)
  const { receipt } = await eventually(async () => await chain.store.receipt(id), 'the order is in a block')
  assert.is(receiptCodec.decode(receipt).code, 'ok')
  return attempt
}

/** Asks a node as the liar, or another, and gives all frames, with the code of a refusal at the end. */
async function ask(
  { cluster, holders }: World,
  index: number,
  request: RepairRequest,
  by = LIAR,
): Promise<{ frames: RepairReply[]; code: string }> {
  const to = nodeKeys(holders[index] as number).network.publicKey
  const frames: RepairReply[] = []
  try {
    const options = { maxFrame: MAX_FRAGMENT_FRAME, timeoutMs: 20_000 }
    const channel = await cluster.node(by).network.openStream(to, PROTOCOL.repair, options)
    await channel.send(repairRequestCodec.encode(request))
    for await (const bytes of channel.frames()) {
      const reply = repairReplyCodec.decode(bytes)
      if (reply.type === 'error') return { frames, code: new TextDecoder().decode(reply.value.code) }
      frames.push(reply)
      if (reply.type === 'end') break
    }
    await channel.close()
    return { frames, code: 'answered' }
  } catch (error) {
    return { frames, code: errorCode(error) }
  }
}

const sums = ({ folder, root }: World, attempt: number): RepairRequest => ({
  type: 'sums',
  value: { folder: folder.address.id, submissionRoot: root, attempt, leaves: [0] },
})

const bytesOf = (frames: readonly RepairReply[]): Uint8Array =>
  Buffer.concat(frames.flatMap(frame => (frame.type === 'chunk' ? [frame.value] : [])))

/** Whether some bytes are a multiple of a fragment of another, which is as good as the fragment. */
function betrays({ fragments }: World, bytes: Uint8Array, indices: readonly number[]): boolean {
  return indices.some(index => {
    const fragment = fragments[index] as Uint8Array
    return Array.from({ length: 255 }, (_, i) => i + 1).some(factor =>
      bytes.subarray(0, 48).every((byte, at) => byte === multiply(factor, fragment[at] as number)),
    )
  })
}

test('with every set of helpers and attempt after attempt, the liar gets its own fragment and nothing else', async ({ world }) => {
  const own = world.fragments[liarIndex(world)] as Uint8Array
  const [a, b, c] = others(world) as [number, number, number]
  const messages = new Map<number, Uint8Array[]>()
  const sets = [
    [a, b],
    [a, c],
    [b, c],
    [a, b],
    [a, b],
  ] as const
  for (const set of sets) {
    const attempt = await order(
      world,
      liarIndex(world),
      set.map(index => helper(world, index)),
    )
    const parts: Uint8Array[] = []
    for (const index of set) {
      const { frames, code } = await ask(world, index, sums(world, attempt))
      assert.is(code, 'answered')
      parts.push(bytesOf(frames))
      messages.set(index, [...(messages.get(index) ?? []), bytesOf(frames)])
      // Asked again, it says the same again: one message, and no second mask for it.
      assert.ok(equalBytes(bytesOf((await ask(world, index, sums(world, attempt))).frames), bytesOf(frames)))
    }
    assert.ok(equalBytes(sumMessages(parts), own), 'the sum is its own fragment')
  }
  // All that it has: messages, its own fragment, and what they give in pairs. None is a multiple of anybody's fragment.
  const seen = [...messages.values()].flat()
  for (const [i, one] of seen.entries()) {
    assert.not(betrays(world, one, others(world)), 'a message betrays a fragment')
    for (const other of [own, ...seen.slice(i + 1)]) {
      const sum = sumMessages([one, other])
      assert.not(betrays(world, sum, others(world)), 'two messages betray a fragment')
    }
    for (const other of seen.slice(i + 1)) assert.not(equalBytes(one, other), 'no message comes twice under two orders')
  }
})

test('what it does not hold by placement it gets from nobody, whatever it ordered', async ({ world }) => {
  const [a, b, c] = others(world) as [number, number, number]
  // Another index than its own.
  let attempt = await order(
    world,
    a,
    [helper(world, b), helper(world, c)].sort((x, y) => x.index - y.index),
  )
  for (const index of [b, c]) assert.is((await ask(world, index, sums(world, attempt))).code, 'wrong-custodian')
  // A helper under an index that is not its own: the coefficient would be another.
  const wrong = [
    { ...helper(world, a), index: Math.min(a, b) },
    { ...helper(world, b), index: Math.max(a, b) },
  ]
  const swapped =
    a < b
      ? [
          { ...helper(world, b), index: a },
          { ...helper(world, a), index: b },
        ]
      : wrong
  attempt = await order(world, liarIndex(world), swapped)
  for (const index of [a, b]) assert.is((await ask(world, index, sums(world, attempt))).code, 'not-helper')
  // An accomplice that holds no fragment, and would tell it the mask.
  const accomplice = nodeKeys(world.idle).account
  attempt = await order(
    world,
    liarIndex(world),
    [helper(world, a), { id: accomplice, index: b }].sort((x, y) => x.index - y.index),
  )
  assert.is((await ask(world, a, sums(world, attempt))).code, 'not-helper')
  // One that the order does not name.
  attempt = await order(
    world,
    liarIndex(world),
    [helper(world, a), helper(world, b)].sort((x, y) => x.index - y.index),
  )
  assert.is((await ask(world, c, sums(world, attempt))).code, 'not-helper')
  // An order that another one replaced, and one that was never given.
  await order(
    world,
    liarIndex(world),
    [helper(world, a), helper(world, c)].sort((x, y) => x.index - y.index),
  )
  for (const index of [a, b]) assert.is((await ask(world, index, sums(world, attempt))).code, 'wrong-attempt')
  assert.is((await ask(world, a, sums(world, attempt + 2))).code, 'behind')
})

test('the accomplice has no use for orders either: neither the liar’s nor its own, nor for the record’s metadata', async ({ world }) => {
  const { idle, folder, root } = world
  const [a, b] = others(world) as [number, number]
  const helpers = [helper(world, a), helper(world, b)].sort((x, y) => x.index - y.index)
  const attempt = await order(world, liarIndex(world), helpers)
  assert.is((await ask(world, a, sums(world, attempt), idle)).code, 'behind', 'the order of another')
  const own = await order(world, liarIndex(world), helpers, idle)
  assert.is((await ask(world, a, sums(world, own), idle)).code, 'wrong-custodian')
  const metas: RepairRequest = { type: 'metas', value: { folder: folder.address.id, submissionRoot: root } }
  assert.is((await ask(world, a, metas, idle)).code, 'wrong-custodian')
  assert.is((await ask(world, a, metas)).code, 'answered')
  // The right submission under another folder.
  const elsewhere: RepairRequest = { type: 'metas', value: { folder: seedOf('another folder'), submissionRoot: root } }
  assert.is((await ask(world, a, elsewhere)).code, 'wrong-custodian')
})

test('an erased version is in no sum, and its key and salt are in no answer', async ({ world }) => {
  const { cluster, folder, root } = world
  const [a, b] = others(world) as [number, number]
  const attempt = await order(
    world,
    liarIndex(world),
    [helper(world, a), helper(world, b)].sort((x, y) => x.index - y.index),
  )
  const metas: RepairRequest = { type: 'metas', value: { folder: folder.address.id, submissionRoot: root } }
  const told = (await ask(world, a, metas)).frames.find(frame => frame.type === 'versions')?.value[0]
  assert.is(told?.type, 'held')
  const { salt, leaf } = (told as { value: { meta: VersionMeta } }).value.meta
  const key = folderOwnerKey(folder.wallet, folder.owned)
  const { chain, transactions } = cluster.node(0)
  const content = {
    ...{ chainId: chain.chainId, from: { kind: 'folder' as const, id: folder.address.id }, validUntil: Date.now() + 600_000 },
    ...{ nonce: seedOf('nonce', nonce++).slice(0, 16), contract: 'records', action: 'erase', sponsor: null },
    body: eraseBodyCodec.encode({ marks: [erasureMark(salt, leaf.recordId, leaf.version)] }),
  }
  const id = await transactions.submit(createTransaction(content, key).bytes)
  await eventually(async () => await chain.store.receipt(id), 'the order to erase is in a block')
  await cluster.agree()
  const { frames, code } = await ask(world, a, sums(world, attempt))
  assert.equal([code, frames.map(({ type }) => type)], ['answered', ['without', 'end']])
  const after = (await ask(world, a, metas)).frames.find(frame => frame.type === 'versions')?.value
  assert.equal(
    after?.map(({ type }) => type),
    ['hidden'],
  )
})

test.run()
