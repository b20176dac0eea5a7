/** Erasure receipts are believed only from the right custodian, for the right chain, folder and order. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Erasure, eraseRecords, erasureStatus, versionsToErase } from '../../src/client/erase.ts'
import { erasedInstead } from '../../src/client/erased.ts'
import type { OwnedFolder } from '../../src/client/folders.ts'
import type { ListedVersion, Listing } from '../../src/client/get.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import type { Session } from '../../src/client/session.ts'
import { folderCodec } from '../../src/contracts/folders-formats.ts'
import { anchorCodec, eraseBodyCodec, erasureCodec } from '../../src/contracts/records-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { folderSealingKey } from '../../src/crypto/wallet.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { type ErasureReceipt, erasureReceiptBytes, erasureReceiptCodec } from '../../src/fragments/formats.ts'
import { erasuresResponseCodec, folderRequestCodec, MAX_ERASURE_MARKS } from '../../src/network/light-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, organisationOf, seedOf, walletOf } from '../node/cluster.ts'

const test = suite('erasure by a light peer')
const CHAIN = seedOf('chain')
const FOLDER = seedOf('folder')
const wallet = walletOf('patient')
const owned = { index: 0, id: FOLDER } as OwnedFolder
const marks = [seedOf('mark', 0), seedOf('mark', 1)]
const HEIGHT = 7

/** What a custodian does with a receipt before it gives it out; null gives none of it. */
type Conduct = (receipt: ErasureReceipt) => { receipt: ErasureReceipt; by?: number } | null

const honest: Conduct = receipt => ({ receipt })

/** Four members, and a ledger that has these orders. */
function world(conducts: readonly (Conduct | 'unreachable')[], ordered: Uint8Array[] = [...marks]) {
  const members: MemberInfo[] = conducts.map((_, index) => ({
    id: nodeKeys(index).account,
    status: 'active',
    organisation: organisationOf(index),
    former: [],
  }))
  const asked: number[] = []
  const submitted: number[] = []
  let now = 1_000_000
  const asOf = { height: 9, time: now, ageMs: 0, stale: false }
  const height = erasureCodec.encode(HEIGHT)
  const answer = (index: number, bytes: Uint8Array): Uint8Array => {
    asked.push(index)
    const conduct = conducts[index] as Conduct | 'unreachable'
    if (conduct === 'unreachable') throw new EpioneError('unreachable', 'Nobody is there.')
    const request = folderRequestCodec.decode(bytes)
    if (request.type !== 'erasures') throw new Error(request.type)
    assert.ok(request.value.marks.length <= MAX_ERASURE_MARKS)
    const receipts = request.value.marks.flatMap(mark => {
      const right = { chainId: CHAIN, custodian: nodeKeys(index).account, folder: FOLDER, mark, destroyed: true, height: HEIGHT, time: now }
      const given = conduct(right)
      if (given === null) return []
      const signature = nodeKeys(given.by ?? index).signing.sign(erasureReceiptBytes(given.receipt))
      return [{ receipt: erasureReceiptCodec.encode(given.receipt), signature }]
    })
    return erasuresResponseCodec.encode({ receipts })
  }
  const peer = {
    chainId: CHAIN,
    // Each look at the clock takes a second, so that waiting comes to its end.
    now: () => (now += 1000),
    members: async () => members,
    list: async () => ({ entries: ordered.map(mark => [stateKey.erasure(FOLDER, mark), height]), asOf }),
    read: async (keys: Uint8Array[]) => ({
      values: keys.map(key => (ordered.some(mark => equalBytes(stateKey.erasure(FOLDER, mark), key)) ? height : null)),
      asOf,
    }),
    sign: ({ body }: { body: Uint8Array }) => eraseBodyCodec.decode(body).marks,
    submit: async (order: Uint8Array[]) => {
      submitted.push(order.length)
      ordered.push(...order)
      return { height: HEIGHT }
    },
    nodes: {
      network: { networkKey: seedOf('own key') },
      request: async (key: Uint8Array, _protocol: string, bytes: Uint8Array) =>
        answer(
          members.findIndex(({ organisation }) => equalBytes(organisation.networkKey, key)),
          bytes,
        ),
    },
  } as unknown as LightPeer
  return { peer, asked, submitted, members }
}

const outcome = ({ status, laggards, receipts }: Pick<Erasure, 'status' | 'laggards' | 'receipts'>) => ({
  status,
  laggards: laggards.map(({ missing, code }) => [missing, code]),
  receipts: receipts.length,
})

test('with the receipts of all it is erased; who gives none is late, and is asked again until the time is up', async () => {
  const all = world([honest, honest, honest, honest])
  assert.equal(outcome(await erasureStatus(all.peer, wallet, owned)), { status: 'erased', laggards: [], receipts: 8 })
  assert.is(all.asked.length, 4)
  const some = world([
    honest,
    'unreachable',
    () => null,
    receipt => (equalBytes(receipt.mark, marks[0] as Uint8Array) ? { receipt } : null),
  ])
  assert.equal(outcome(await erasureStatus(some.peer, wallet, owned, { waitMs: 9000 })), {
    status: 'pending',
    laggards: [
      [2, 'unreachable'],
      [2, 'pending'],
      [1, 'pending'],
    ],
    receipts: 3,
  })
  assert.is(some.asked.filter(index => index === 0).length, 1, 'who has signed is not asked again')
  assert.ok(some.asked.filter(index => index === 1).length > 1)
})

test('a former member is asked where it had a place in the folder, and stays late until it signs', async () => {
  const { peer, members, asked } = world([honest, 'unreachable', honest, honest, honest, honest])
  for (const index of [1, 5]) Object.assign(members[index] as MemberInfo, { status: 'removed' })
  const { list } = peer
  const anchor = { author: seedOf('author'), epoch: 0, sizeBucket: 10, n: 4, k: 2, memberHeight: 3, height: 4 }
  const folder = {
    ...{ author: seedOf('author'), ownerKeyHash: seedOf('owner'), recoveryKeyHash: seedOf('recovery'), epoch: 0, previousKeyHash: null },
    ...{ sealingKey: folderSealingKey(wallet.seed, 0, 0).publicKey, labelCommitment: seedOf('label'), policy: 0, status: 'open' as const },
  }
  Object.assign(peer, {
    parameters: genesisOf().parameters,
    list: async (prefix: Uint8Array) =>
      equalBytes(prefix, stateKey.submissions(FOLDER))
        ? { entries: [[stateKey.submission(FOLDER, seedOf('root')), anchorCodec.encode(anchor)]] }
        : await list.call(peer, prefix),
    readOne: async () => folderCodec.encode(folder),
    custodians: async () => ({ height: 3, custodians: [] }),
    custodiansAt: async () => members.slice(0, 4).map(({ id }) => ({ id, jurisdiction: 'KE', capacity: 1 })),
  })
  const status = await erasureStatus(peer, wallet, owned, { waitMs: 0 })
  assert.equal(outcome(status), { status: 'pending', laggards: [[2, 'unreachable']], receipts: 8 })
  assert.equal(status.laggards[0]?.custodian.status, 'removed')
  assert.not.ok(asked.includes(5))
})

test('a receipt of another chain, folder, custodian, order or time, or by another hand, is none', async () => {
  const wrong: Conduct[] = [
    receipt => ({ receipt: { ...receipt, chainId: seedOf('another') } }),
    receipt => ({ receipt: { ...receipt, folder: seedOf('another') } }),
    receipt => ({ receipt: { ...receipt, custodian: nodeKeys(0).account } }),
    receipt => ({ receipt: { ...receipt, custodian: nodeKeys(0).account }, by: 0 }),
    receipt => ({ receipt: { ...receipt, mark: seedOf('another') } }),
    receipt => ({ receipt: { ...receipt, height: HEIGHT - 1 } }),
    receipt => ({ receipt, by: 2 }),
  ]
  for (const conduct of wrong) {
    const { peer, members } = world([honest, conduct, honest, honest])
    const status = await erasureStatus(peer, wallet, owned, { waitMs: 0 })
    assert.equal(outcome(status), { status: 'pending', laggards: [[2, 'invalid-proof']], receipts: 6 }, conduct.toString())
    assert.equal(status.laggards[0]?.custodian, members[1])
  }
  // The same receipt twice counts once.
  const twice = world([honest, receipt => ({ receipt: { ...receipt, mark: marks[0] as Uint8Array } }), honest, honest])
  const status = await erasureStatus(twice.peer, wallet, owned, { waitMs: 0 })
  assert.equal(outcome(status), { status: 'pending', laggards: [[1, 'invalid-proof']], receipts: 7 })
})

const version = (index: number, changes: Partial<ListedVersion> = {}): ListedVersion =>
  ({
    leaf: index,
    total: 1200,
    recordId: seedOf('record', index),
    version: 1,
    class: 'laboratory',
    submission: { root: seedOf('root') },
    meta: { salt: seedOf('salt', index), leaf: { recordId: seedOf('record', index), version: 1 } },
    ...changes,
  }) as unknown as ListedVersion

test('orders go to the ledger a thousand at a time, once each; an order that was interrupted goes on', async () => {
  const versions = Array.from({ length: 1001 }, (_, index) => version(index))
  const { peer, submitted } = world([honest], [])
  const { submit } = peer
  let refusals = 0
  Object.assign(peer, {
    submit: async (order: never) => {
      if (submitted.length === 1 && refusals++ === 0) throw new EpioneError('quota-exceeded', 'Too often.')
      return await submit.call(peer, order)
    },
  })
  await rejectsCode(eraseRecords(peer, wallet, owned, versions), 'quota-exceeded')
  assert.equal(submitted, [1000])
  const erasure = await eraseRecords(peer, wallet, owned, [...versions, version(0)])
  assert.equal(submitted, [1000, 1])
  assert.equal([erasure.status, erasure.receipts.length, erasure.marks.length], ['erased', 1001, 1001])
  assert.equal((await eraseRecords(peer, wallet, owned, versions)).committed, [])
})

test('what is meant: records, versions, submissions or all; and nothing where the list may lack some of it', async () => {
  const peer = world([honest]).peer
  const [one, again, other] = [
    version(0),
    version(1, { recordId: seedOf('record', 0), version: 2 }),
    version(2, { submission: { root: seedOf('root two') } as ListedVersion['submission'] }),
  ]
  const listing: Listing = { versions: [one, again, other], incomplete: [], failures: [] }
  const chosen = async (selection: Parameters<typeof versionsToErase>[3], from = listing) =>
    (await versionsToErase(peer, {} as Session, from, selection)).versions
  const recordId = seedOf('record', 0)
  assert.equal(await chosen({ records: [{ recordId }] }), [one, again])
  assert.equal(await chosen({ records: [{ recordId, version: 2 }] }), [again])
  assert.equal(await chosen({ submissions: [seedOf('root two')] }), [other])
  assert.equal(await chosen({ all: true }), [one, again, other])
  await rejectsCode(chosen({ submissions: [seedOf('none')] }), 'not-found')
  const doubtful = { ...listing, incomplete: [{ root: seedOf('root two'), anchor: {} as never }] }
  for (const selection of [{ all: true as const }, { records: [{ recordId }] }, { submissions: [seedOf('root two')] }])
    await rejectsCode(chosen(selection, doubtful), 'too-few-custodians')
  assert.equal(await chosen({ submissions: [seedOf('root')] }, doubtful), [one, again])
  assert.equal(await chosen({ records: [{ recordId, version: 1 }] }, doubtful), [one])
})

test('a read that finds nothing says `erased` only where the ledger has the mark of what was asked for', async () => {
  const erased = version(0)
  const { peer } = world([honest], [])
  const missing = new EpioneError('not-found', 'nothing')
  assert.is(await erasedInstead(peer, FOLDER, [erased], missing, {}), missing)
  await eraseRecords(peer, wallet, owned, [erased], { waitMs: 0 })
  const told = await erasedInstead(peer, FOLDER, [version(1), erased], missing, {})
  assert.ok(told instanceof EpioneError)
  assert.equal([told.code, told.metadata.height, told.metadata.asOfHeight, told.cause], ['erased', HEIGHT, 9, missing])
  assert.is(await erasedInstead(peer, FOLDER, [version(1)], missing, {}), missing)
  assert.is(errorCode(await erasedInstead(peer, seedOf('other folder'), [erased], missing, {})), 'not-found')
  const broken = new EpioneError('malformed-object', 'broken')
  assert.is(await erasedInstead(peer, FOLDER, [erased], broken, {}), broken)
})

test.run()
