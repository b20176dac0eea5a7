/** Disputes and notices at a node: what it takes from whom, what it gives to whom, and how it lies on the disk. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessOpeningCodec } from '../../src/contracts/consent-terms.ts'
import {
  answerDisputeCodec,
  type DisputeOpening,
  disputeCommitment,
  disputeId,
  disputeOpeningCodec,
  openDisputeCodec,
  reasonHash,
  withdrawDisputeCodec,
} from '../../src/contracts/disputes-formats.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { concat, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { domain } from '../../src/encoding/hash.ts'
import {
  disputesResponseCodec,
  FOLDER_ASK_DOMAIN,
  type FolderRequest,
  folderAskCodec,
  folderRequestCodec,
  noticesResponseCodec,
} from '../../src/network/light-messages.ts'
import { acknowledgementBytes, acknowledgementCodec, type Notice, noticeCodec, noticeId } from '../../src/network/notice-messages.ts'
import { Notices } from '../../src/node/notices.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { nodeKeys, seedOf } from './cluster.ts'
import { CUSTODIAN, CustodianWorld, owner, reader } from './custodian-world.ts'

const test = suite('disputes and notices at a node')
const PEER = seedOf('peer')
const author = nodeKeys(0)
// What waits for the next block here holds no process: a node does.
const alive = setInterval(() => undefined, 1000)
test.after(() => clearInterval(alive))

const openingOf = (world: CustodianWorld, record: string, version = 1): DisputeOpening => ({
  salt: seedOf(`salt ${record}`),
  folder: world.folder,
  submissionRoot: seedOf('root'),
  leaf: 0,
  recordId: seedOf(record),
  version,
  epoch: 0,
  statementHash: seedOf('statement hash'),
})
const idOf = (opening: DisputeOpening): Uint8Array => disputeId(opening.folder, disputeCommitment(opening))

async function open(world: CustodianWorld, opening: DisputeOpening): Promise<void> {
  await world.commit('disputes', 'open', openDisputeCodec.encode({ commitment: disputeCommitment(opening) }), 'owner')
}

const paperOf = (opening: DisputeOpening, words = 'statement') => ({
  opening: Uint8Array.from(disputeOpeningCodec.encode(opening)),
  statement: utf8(`sealed ${words}`),
  forAuthor: utf8(`sealed ${words} for the author`),
})

function signed(world: CustodianWorld, key: SigningKey) {
  const { chain, folder, clock } = world
  const place = { chainId: chain.chainId, folder, consent: null, custodian: CUSTODIAN.account, peer: PEER, time: clock.now }
  const content = folderAskCodec.encode(place)
  return { content, key: key.publicKey, signature: key.sign(concat(domain(FOLDER_ASK_DOMAIN), content)) }
}

const ask = async (world: CustodianWorld, request: FolderRequest): Promise<Uint8Array> =>
  await world.desk.answer(folderRequestCodec.encode(request), PEER)

async function disputesFor(world: CustodianWorld, key: SigningKey): Promise<string[]> {
  const answer = await ask(world, { type: 'get-disputes', value: { ...signed(world, key), after: null } })
  return disputesResponseCodec.decode(answer).disputes.map(({ shown }) => toHex(shown.dispute))
}

test('a statement is taken from the owner alone, for a dispute that the ledger has, and lies sealed', async () => {
  await using world = await CustodianWorld.open()
  const opening = openingOf(world, 'a')
  const put = async (key: SigningKey, value = paperOf(opening)) =>
    await ask(world, { type: 'put-dispute', value: { ...signed(world, key), ...value } })
  await rejectsCode(put(owner), 'behind')
  await open(world, opening)
  await rejectsCode(put(signingKeyFromSeed(seedOf('mallory'))), 'not-found')
  await rejectsCode(put(author.signing), 'not-found')
  await rejectsCode(put(owner, paperOf(openingOf(world, 'b'))), 'behind')
  await rejectsCode(put(owner, paperOf({ ...opening, folder: seedOf('other folder') })), 'not-found')
  // A delegate leaves words of what it opened itself alone: who reads knows the opening, and could write over the owner's words.
  await rejectsCode(world.papers.disputes.put(world.folder, paperOf(opening), seedOf('delegation')), 'not-found')
  await put(owner)
  for (const key of [owner, author.signing]) assert.equal(await disputesFor(world, key), [toHex(idOf(opening))])
  for (const key of [signingKeyFromSeed(seedOf('mallory')), reader.signing, nodeKeys(1).signing]) {
    await rejectsCode(disputesFor(world, key), 'not-found')
  }
  const [needle, record] = [Buffer.from('sealed statement'), Buffer.from(opening.recordId)]
  let values = 0
  for await (const [key, value] of world.custody.sublevel('disputes').iterator()) {
    values++
    const bytes = Buffer.concat([key, value])
    assert.equal([bytes.includes(needle), bytes.includes(record)], [false, false])
  }
  assert.is(values, 1)
})

test('it goes out with the version that it is about, and with no other; the reason beside it', async () => {
  await using world = await CustodianWorld.open()
  const openings = [openingOf(world, 'a'), openingOf(world, 'a', 2), openingOf(world, 'b')]
  for (const opening of openings) {
    await open(world, opening)
    await world.papers.disputes.put(world.folder, paperOf(opening), null)
  }
  const of = async (record: string, version: number) =>
    await world.desk.disputesOf(world.folder, [{ recordId: seedOf(record), version }], 10)
  assert.equal(
    (await of('a', 1)).map(({ dispute }) => toHex(dispute)),
    [toHex(idOf(openings[0] as DisputeOpening))],
  )
  assert.equal((await of('b', 2)).length, 0)
  assert.equal(await world.desk.disputesOf(seedOf('other folder'), [{ recordId: seedOf('a'), version: 1 }], 10), [])
  assert.is(
    (
      await world.desk.disputesOf(
        world.folder,
        [1, 2].map(version => ({ recordId: seedOf('a'), version })),
        1,
      )
    ).length,
    1,
  )

  const dispute = idOf(openings[0] as DisputeOpening)
  const reason = utf8('sealed reason')
  const leave = async (bytes: Uint8Array) =>
    await ask(world, { type: 'put-reason', value: { folder: world.folder, dispute, reason: bytes } })
  const body = { folder: world.folder, dispute, answer: { type: 'refused' as const, value: { reasonHash: reasonHash(reason) } } }
  await world.commit('disputes', 'answer', answerDisputeCodec.encode(body))
  await rejectsCode(leave(utf8('another reason')), 'behind')
  await rejectsCode(ask(world, { type: 'put-reason', value: { folder: world.folder, dispute: seedOf('none'), reason } }), 'not-found')
  await leave(reason)
  assert.equal((await of('a', 1))[0]?.reason, reason)

  // A bucket's key is destroyed: what is kept here is written under the new one before.
  await world.keyring.destroy(world.folder[0] as number, async () => await world.papers.disputes.reseal(world.folder[0] as number))
  assert.equal((await of('a', 1))[0]?.reason, reason)
  assert.is((await disputesFor(world, owner)).length, 3)
})

test('what was withdrawn stays with the owner, and goes out again once it is opened again', async () => {
  await using world = await CustodianWorld.open()
  const opening = openingOf(world, 'a')
  await open(world, opening)
  await world.papers.disputes.put(world.folder, paperOf(opening), null)
  const goesOut = async () => (await world.desk.disputesOf(world.folder, [{ recordId: seedOf('a'), version: 1 }], 10)).length
  const counts = async () => [await goesOut(), (await disputesFor(world, author.signing)).length, (await disputesFor(world, owner)).length]
  assert.equal(await counts(), [1, 1, 1])
  await world.commit('disputes', 'withdraw', withdrawDisputeCodec.encode({ dispute: idOf(opening) }), 'owner')
  assert.equal(await counts(), [0, 0, 1])
  await rejectsCode(world.papers.disputes.put(world.folder, paperOf(opening), null), 'behind')
  await open(world, opening)
  assert.equal(await counts(), [1, 1, 1])
})

test('many disputes come in pages', async () => {
  await using world = await CustodianWorld.open()
  const expected: string[] = []
  for (let i = 0; i < 20; i++) {
    const opening = openingOf(world, `record ${i}`)
    // As many acts in an hour are the folder's own; these are sponsored.
    await open(world, opening)
    await world.papers.disputes.put(world.folder, paperOf(opening), null)
    expected.push(toHex(idOf(opening)))
  }
  const page = async (after: Uint8Array | null) =>
    disputesResponseCodec.decode(await ask(world, { type: 'get-disputes', value: { ...signed(world, owner), after } }))
  const first = await page(null)
  const second = await page(first.disputes.at(-1)?.shown.dispute ?? null)
  assert.equal([first.disputes.length, first.more, second.disputes.length, second.more], [16, true, 4, false])
  assert.equal(
    [...first.disputes, ...second.disputes].map(({ shown }) => toHex(shown.dispute)),
    expected.sort(),
  )
})

test('a notice is taken for who read by the ledger, told to them alone, and their word is kept for the owner', async () => {
  await using world = await CustodianWorld.open()
  const session = await world.session()
  const opening = openingOf(world, 'a')
  await open(world, opening)
  const { chain, keyring, folder } = world
  const account = nodeKeys(1).account
  const notices = new Notices({ account }, { chain, keyring, store: world.custody.sublevel('of-the-readers'), now: () => world.clock.now })
  const notice = {
    chainId: chain.chainId,
    organisation: account,
    entry: session.entryId,
    opening: Uint8Array.from(disputeOpeningCodec.encode(opening)),
    status: 'open' as Notice['status'],
    submissionRoot: null,
    time: 1,
  }
  const put = async (changes: Partial<typeof notice> = {}, access = session.access, of = folder) =>
    await notices.put(of, noticeCodec.encode({ ...notice, ...changes }), access)
  const otherReader = accessOpeningCodec.encode({ ...accessOpeningCodec.decode(session.access), reader: seedOf('other reader') })
  await rejectsCode(put({ entry: seedOf('no entry') }), 'not-found')
  await rejectsCode(put({ organisation: CUSTODIAN.account }), 'not-found')
  await rejectsCode(put({ chainId: seedOf('other chain') }), 'not-found')
  await rejectsCode(put({ opening: Uint8Array.from(disputeOpeningCodec.encode(openingOf(world, 'b'))) }), 'not-found')
  await rejectsCode(put({}, otherReader), 'not-found')
  await rejectsCode(put({}, session.access, seedOf('other folder')), 'not-found')
  // A node answers for its own organisation's people alone.
  await rejectsCode(world.papers.notices.put(folder, noticeCodec.encode(notice), session.access), 'not-found')

  await put()
  await put()
  const me = reader.signing.publicKey
  assert.is((await notices.waiting(me)).notices.length, 1)
  assert.equal((await notices.waiting(seedOf('other reader'))).notices, [])
  const id = noticeId(noticeCodec.encode(notice))
  const acknowledge = async (by: SigningKey, of = id, signer = by) => {
    const word = { notice: of, reader: by.publicKey, time: 5 }
    await notices.acknowledge(by.publicKey, acknowledgementCodec.encode(word), signer.sign(acknowledgementBytes(word)))
  }
  const mallory = signingKeyFromSeed(seedOf('mallory'))
  await rejectsCode(acknowledge(mallory), 'not-found')
  await rejectsCode(acknowledge(reader.signing, seedOf('another notice')), 'not-found')
  await rejectsCode(acknowledge(reader.signing, id, mallory), 'bad-signature')
  await acknowledge(reader.signing)
  assert.equal((await notices.waiting(me)).notices, [])
  await put()
  assert.equal((await notices.waiting(me)).notices, [], 'the same notice again asks for no second word')
  const [kept] = await notices.of(folder, idOf(opening))
  assert.is(kept?.seen === null, false)
  // The dispute went on: that is news.
  await put({ status: 'accepted' })
  assert.equal(
    (await notices.waiting(me)).notices.map(one => noticeCodec.decode(one.notice).status),
    ['accepted'],
  )
  await keyring.destroy(folder[0] as number, async () => await notices.reseal(folder[0] as number))
  assert.is((await notices.waiting(me)).notices.length, 1)

  // Over the desk: the owner alone asks, and leaves.
  const get = async (key: SigningKey) =>
    noticesResponseCodec.decode(await ask(world, { type: 'get-notices', value: { ...signed(world, key), dispute: idOf(opening) } })).notices
  assert.equal(await get(owner), [])
  await rejectsCode(get(author.signing), 'not-found')
  await rejectsCode(
    ask(world, {
      type: 'put-notice',
      value: { ...signed(world, mallory), notice: noticeCodec.encode(notice), accessOpening: session.access },
    }),
    'not-found',
  )
})

test.run()
