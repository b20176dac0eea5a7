/** Uploads that are not what they say, and writes while custodians are away. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deskTransaction } from '../../src/client/desk.ts'
import type { Person } from '../../src/client/identity.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import type { EpioneError } from '../../src/encoding/errors.ts'
import { storageReceiptBytes, storageReceiptCodec, uploadTicketBytes } from '../../src/fragments/formats.ts'
import type { UploadFrame } from '../../src/network/fragment-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, nodeKeys, openFolder, seedOf, type TestFolder, textRecords } from './cluster.ts'
import { framesOf, type RawSubmission, rawSubmission, signTicket, upload } from './raw-upload.ts'

interface World {
  cluster: Cluster
  author: Person
  peer: LightPeer
  folder: TestFolder
}

const test = suite<{ world: World }>('attacks on writing')

test.before(async context => {
  const cluster = await Cluster.start()
  context.world = { cluster } as World
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  context.world = { cluster, author, peer, folder: await openFolder(peer, author, 'patient') }
})

test.after(async ({ world }) => await world.cluster.stop())

const ciphertext = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill)

/** Index in the cluster of a member. */
function nodeOf(cluster: Cluster, member: MemberInfo): number {
  return cluster.keys.findIndex(({ account }) => equalBytes(account, member.id))
}

/** The frame at `position` with its value changed. */
function changed(frames: readonly UploadFrame[], position: number, change: (value: never) => unknown): UploadFrame[] {
  return frames.map((frame, i) => (i === position ? ({ type: frame.type, value: change(frame.value as never) } as UploadFrame) : frame))
}

/** How many submissions the state of a node has. */
function anchored(cluster: Cluster, node: number, folder: Uint8Array): number {
  return [...cluster.node(node).chain.tip.tree.entries(stateKey.submissions(folder))].length
}

test('(f) wrong uploads are refused, and nothing of them is kept', async ({ world }) => {
  const { cluster, author, peer, folder } = world
  const good = await rawSubmission(peer, author, folder.address, [ciphertext(300_000, 1), ciphertext(500, 2)])
  const [first] = good.placed as [MemberInfo]
  const node = nodeOf(cluster, first)
  const frames = framesOf(good, 0)
  const ticketOf = async (changes: Partial<RawSubmission['ticket']>): Promise<UploadFrame[]> => {
    const ticket = { ...good.ticket, ...changes }
    return framesOf({ ...good, ticket, signature: await signTicket(peer, author, ticket) }, 0)
  }
  const flipped = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes, (byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte))
  const [one, two] = good.metas as [(typeof good.metas)[0], (typeof good.metas)[0]]
  const stranger = nodeKeys(7).signing
  const attacks: Record<string, [UploadFrame[], string]> = {
    'a chunk that does not match its root': [changed(frames, 3, (chunk: Uint8Array) => flipped(chunk)), 'corrupt-fragment'],
    'a first chunk that does not match its root': [
      changed(frames, 2, (value: { chunk: Uint8Array }) => ({ ...value, chunk: flipped(value.chunk) })),
      'corrupt-fragment',
    ],
    "another custodian's fragment": [[...frames.slice(0, 2), ...framesOf(good, 1).slice(2)], 'corrupt-fragment'],
    'roots of fewer fragments': [
      changed(frames, 2, (value: { roots: Uint8Array[] }) => ({ ...value, roots: value.roots.slice(0, 3) })),
      'malformed',
    ],
    'a root that the dispersal does not have': [
      changed(frames, 2, (value: { roots: Uint8Array[] }) => ({ ...value, roots: value.roots.with(3, seedOf('another')) })),
      'malformed',
    ],
    'a chunk that is too short': [changed(frames, 3, (chunk: Uint8Array) => chunk.subarray(1)), 'length-mismatch'],
    'leaves in another order than the root': [changed(frames, 1, () => [two, one]), 'malformed'],
    'a leaf that the root does not have': [
      changed(frames, 1, () => [one, { ...two, leaf: { ...two.leaf, recordId: seedOf('another') } }]),
      'malformed',
    ],
    'a sealed key that the leaf does not name': [changed(frames, 1, () => [one, { ...two, sealedKey: seedOf('another') }]), 'malformed'],
    'a class that the leaf does not name': [changed(frames, 1, () => [one, { ...two, class: 'imaging' }]), 'malformed'],
    'a size that the dispersal does not have': [
      changed(frames, 1, () => [
        { ...one, size: 499 },
        { ...two, size: 300_001 },
      ]),
      'malformed',
    ],
    'fewer versions than the ticket says': [
      changed(frames, 1, () => [one])
        .filter((_, i) => i < 2)
        .concat(frames.slice(2)),
      'malformed',
    ],
    'more versions than the ticket says': [changed(frames, 1, () => [one, two, two]), 'malformed'],
    'frames out of order': [[frames[0], frames[2], frames[1]] as UploadFrame[], 'malformed'],
    'an upload without a ticket': [frames.slice(1), 'malformed'],
    'a ticket that nobody signed': [framesOf({ ...good, signature: new Uint8Array(64) }, 0), 'not-sponsored'],
    'a ticket that a stranger signed': [
      framesOf({ ...good, signature: stranger.sign(uploadTicketBytes(good.ticket)) }, 0),
      'not-sponsored',
    ],
    'a ticket of a stranger': [
      framesOf(
        {
          ...good,
          ticket: { ...good.ticket, sponsor: nodeKeys(7).account },
          signature: stranger.sign(uploadTicketBytes({ ...good.ticket, sponsor: nodeKeys(7).account })),
        },
        0,
      ),
      'not-sponsored',
    ],
    'a ticket that was changed after it was signed': [framesOf({ ...good, ticket: { ...good.ticket, size: 1 } }, 0), 'not-sponsored'],
    'a ticket that has expired': [await ticketOf({ until: Date.now() - 1 }), 'expired'],
    'another size than the ticket says': [await ticketOf({ size: good.ticket.size + 1 }), 'malformed'],
    'a folder that does not exist': [await ticketOf({ folder: seedOf('no folder') }), 'not-found'],
    'another label than the folder has': [await ticketOf({ label: 'genetic' }), 'not-found'],
    'an epoch that the folder is not in': [await ticketOf({ epoch: 1 }), 'stale-epoch'],
    'another code than the network has': [await ticketOf({ n: 7, k: 3 }), 'wrong-dispersal'],
    'a height at which no set of custodians begins': [await ticketOf({ memberHeight: 77 }), 'stale-members'],
    "another custodian's place": [framesOf(good, 1), 'wrong-custodian'],
    'a place that does not exist': [changed(frames, 0, (start: object) => ({ ...start, index: 47 })), 'wrong-custodian'],
    'a ticket for another submission': [await ticketOf({ submissionRoot: seedOf('another root') }), 'wrong-custodian or malformed'],
  }
  for (const [name, [attack, code]] of Object.entries(attacks)) {
    // Each from a peer of its own: whoever sends malformed uploads again and again is turned away before it is heard.
    const uploader = await cluster.peer([node])
    const { replies, receipt } = await upload(uploader, first, attack)
    assert.is(receipt, undefined, name)
    assert.ok(code.includes(replies.at(-1) ?? 'nothing'), `${name}: ${replies.join(', ')} instead of ${code}`)
    await uploader.stop()
    await eventually(() => cluster.node(node).status().storage.bytes === 0, `${name}: nothing is kept`)
  }
  assert.is(cluster.node(node).status().storage.fragments, 0)

  // The same upload as it should be: taken, with a receipt that holds, and taken again.
  for (let times = 0; times < 2; times++) {
    const { replies, receipt } = await upload(peer, first, frames)
    assert.equal(replies, ['ready', 'receipt'])
    const { submissionRoot, index } = storageReceiptCodec.decode(receipt?.receipt as Uint8Array)
    assert.equal([submissionRoot, index], [good.ticket.submissionRoot, 0])
  }
  assert.is(cluster.node(node).status().storage.fragments, 2)
  assert.is(anchored(cluster, 0, folder.address.id), 0)
})

test('(f) an uploader that breaks off leaves nothing behind', async ({ world }) => {
  const { cluster, author, peer, folder } = world
  const good = await rawSubmission(peer, author, folder.address, [ciphertext(400_000, 5)])
  const [first] = good.placed as [MemberInfo]
  const before = cluster.node(nodeOf(cluster, first)).status().storage.bytes
  for (const length of [1, 2, 3, 4]) {
    const uploader = await cluster.peer([nodeOf(cluster, first)])
    assert.is((await upload(uploader, first, framesOf(good, 0).slice(0, length))).receipt, undefined)
    await uploader.stop()
  }
  assert.equal(cluster.node(nodeOf(cluster, first)).status().storage.bytes, before)
})

test('(e) the desk signs no anchor without n - f receipts that hold', async ({ world }) => {
  const { cluster, author, peer, folder } = world
  const good = await rawSubmission(peer, author, folder.address, [ciphertext(700, 9)])
  const receipts = await Promise.all(
    good.placed.map(
      async (member, index) =>
        (await upload(peer, member, framesOf(good, index))).receipt as { receipt: Uint8Array; signature: Uint8Array },
    ),
  )
  const [first, second, third] = receipts as [(typeof receipts)[0], (typeof receipts)[0], (typeof receipts)[0]]
  const { submissionRoot, memberHeight, n, k } = good.ticket
  const body = { folder: folder.address.id, epoch: 0, submissionRoot, sizeBucket: 10, n, k, memberHeight }
  const decoded = storageReceiptCodec.decode(third.receipt)
  const forgery = (changes: object, key = nodeKeys(0).signing) => {
    const forged = { ...decoded, ...changes }
    return { receipt: storageReceiptCodec.encode(forged), signature: key.sign(storageReceiptBytes(forged)) }
  }
  const thirds = [
    [],
    [second],
    [{ ...third, signature: first.signature }],
    [forgery({})],
    [forgery({ submissionRoot: seedOf('another') }, nodeKeys(nodeOf(cluster, good.placed[2] as MemberInfo)).signing)],
    [forgery({ chainId: seedOf('another') }, nodeKeys(nodeOf(cluster, good.placed[2] as MemberInfo)).signing)],
    [forgery({ index: 0 }, nodeKeys(nodeOf(cluster, good.placed[2] as MemberInfo)).signing)],
  ]
  for (const more of thirds) {
    const value = { body: anchorBodyCodec.encode(body), receipts: [first, second, ...more] }
    const error = await rejectsCode(deskTransaction(peer, author, { type: 'anchor', value }), 'too-few-receipts')
    assert.match(error.message, '2 of 4')
  }
  assert.is(anchored(cluster, 0, folder.address.id), 0)
  const value = { body: anchorBodyCodec.encode(body), receipts: [first, second, third] }
  await deskTransaction(peer, author, { type: 'anchor', value })
  assert.is(anchored(cluster, 0, folder.address.id), 1)
})

test('(e) one custodian away: written and degraded; two away: refused, and nothing is anchored', async ({ world }) => {
  const { cluster, author, peer, folder } = world
  await cluster.stopNode(3)
  const degraded = await putRecords(peer, author, folder.address, textRecords(['one away']))
  assert.is(degraded.status, 'degraded')
  assert.equal(
    degraded.custodians.filter(({ stored }) => !stored).map(({ name }) => name),
    ['Coast Hospital'],
  )
  const before = anchored(cluster, 0, folder.address.id)
  await cluster.stopNode(2)
  const error = await rejectsCode(putRecords(peer, author, folder.address, textRecords(['two away'])), 'too-few-receipts')
  assert.match(error.message, /Serra Hospital.*Nothing was anchored/)
  assert.equal((error as EpioneError).metadata, { receipts: 2, needed: 3 })
  await Promise.all([cluster.startNode(2), cluster.startNode(3)])
  await cluster.connected()
  // With the quorum back the chain goes on, and what was refused does not turn up.
  const { status } = await putRecords(peer, author, folder.address, textRecords(['all back']))
  assert.is(status, 'written')
  await cluster.agree()
  for (const node of [0, 1, 2, 3]) assert.is(anchored(cluster, node, folder.address.id), before + 1)
  assert.equal(cluster.errors(), [])
})

test.run()
