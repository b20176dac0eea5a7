import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { personFromSeeds } from '../../src/client/identity.ts'
import { consentCommitment, consentOpeningCodec, type Grantee } from '../../src/contracts/consent-terms.ts'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { createFolderCodec, folderId, labelCommitment } from '../../src/contracts/folders-formats.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { folderSealingKey, ownerKey, ownerKeyHash } from '../../src/crypto/wallet.ts'
import { concat, utf8 } from '../../src/encoding/bytes.ts'
import { domain } from '../../src/encoding/hash.ts'
import { wrapHash } from '../../src/fragments/formats.ts'
import { countersign, createTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import {
  FOLDER_ASK_DOMAIN,
  type FolderRequest,
  folderAskCodec,
  folderRequestCodec,
  getWrapsResponseCodec,
  MAX_SEALED_NOTE,
  putWrapsResponseCodec,
  REQUEST_CLOCK_MS,
  releasesResponseCodec,
  wrapResponseCodec,
} from '../../src/network/light-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import { ErasureReceipts } from '../../src/node/custodian/erasure-receipts.ts'
import { FolderDesk } from '../../src/node/custodian/wraps.ts'
import { Directory } from '../../src/node/directory.ts'
import { Keyring } from '../../src/node/keyring.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, permitTo, seedOf, walletOf } from './cluster.ts'
import { papersOf } from './custodian-world.ts'
import { nextBlock, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('grants and receipts at a custodian')
const HOUR = 3_600_000
const wallet = walletOf('patient')
const owner = ownerKey(wallet.seed, 0)
const member = nodeKeys(0)
const custodian = nodeKeys(2).account
const PEER = seedOf('peer')
const reader = personFromSeeds({
  organisation: nodeKeys(1).account,
  role: 'physician',
  signingSeed: seedOf('signing'),
  sealingSeed: seedOf('sealing'),
})

interface World extends AsyncDisposable {
  chain: Chain
  desk: FolderDesk
  folder: Uint8Array
  clock: { now: number }
  restart(): Promise<FolderDesk>
}

async function world(dir: string): Promise<World> {
  const opened = await openTestChain(join(dir, 'chain'), genesisOf())
  const { chain, store } = opened
  const directory = new Directory(chain)
  const keyring = await Keyring.open(join(dir, 'keyring.json'), seedOf('master'))
  const clock = { now: chain.tip.header.time + 2000 }
  const start = async (): Promise<FolderDesk> => {
    const now = (): number => clock.now
    const erasures = new ErasureReceipts({ custodian, accountKey: nodeKeys(2).signing }, { chain, store: store.sublevel('erasures'), now })
    const deps = { chain, directory, keyring, store: store.sublevel('folders'), erasures, ...papersOf({ chain, keyring, store, now }), now }
    const desk = new FolderDesk({ custodian }, deps)
    await desk.start()
    return desk
  }
  const body = createFolderCodec.encode({
    ownerKeyHash: ownerKeyHash(owner.publicKey),
    recoveryKeyHash: seedOf('recovery'),
    sealingKey: folderSealingKey(wallet.seed, 0, 0).publicKey,
    labelCommitment: labelCommitment(seedOf('salt'), 'normal'),
    policy: 0,
  })
  await chain.accept(nextBlock(chain, [act(chain, { kind: 'account', id: member.account }, 'folders', 'create', body, member.signing)]))
  const folder = folderId(chain.chainId, ownerKeyHash(owner.publicKey))
  return {
    chain,
    desk: await start(),
    folder,
    clock,
    restart: start,
    [Symbol.asyncDispose]: async () => await opened[Symbol.asyncDispose](),
  }
}

function act(
  chain: Chain,
  from: Transaction['content']['from'],
  contract: string,
  action: string,
  body: Uint8Array,
  key: SigningKey,
  sponsored = false,
): Transaction {
  const sponsor = sponsored ? member.account : null
  const content = {
    chainId: chain.chainId,
    from,
    contract,
    action,
    body,
    sponsor,
    nonce: seedOf(`${chain.tip.header.height}`).slice(0, 16),
  }
  const transaction = createTransaction({ ...content, validUntil: chain.tip.header.time + HOUR / 2 }, key)
  return sponsored ? countersign(transaction, member.signing) : transaction
}

interface Grant {
  consent: Uint8Array
  commitment: Uint8Array
  opening: Uint8Array
  wrap: Uint8Array
  note: Uint8Array
}

function grantOf(folder: Uint8Array, name: string, grantee?: Grantee): Grant {
  const provision = permitTo(reader, grantee === undefined ? {} : { grantee })
  const opening = { salt: seedOf(`salt ${name}`), folder, provision }
  const commitment = consentCommitment(opening)
  return {
    consent: consentId(folder, commitment),
    commitment,
    opening: Uint8Array.from(consentOpeningCodec.encode(opening)),
    wrap: utf8(`wrap ${name}`),
    note: utf8(`note ${name}`),
  }
}

async function commitGrant({ chain, folder }: World, { commitment, wrap }: Grant): Promise<void> {
  const expiry = expiryBucket(chain.tip.header.time + 30 * 24 * HOUR)
  const body = grantBodyCodec.encode({ commitment, wrapHash: wrapHash(wrap), epoch: 0, expiry })
  await chain.accept(nextBlock(chain, [act(chain, { kind: 'folder', id: folder }, 'consents', 'grant', body, owner, true)]))
}

interface AskChanges {
  folder?: Uint8Array
  custodian?: Uint8Array
  peer?: Uint8Array
  time?: number
  chainId?: Uint8Array
}

function ask({ chain, folder, clock }: World, key: SigningKey, consent: Uint8Array | null, changes: AskChanges = {}) {
  const content = folderAskCodec.encode({ chainId: chain.chainId, folder, consent, custodian, peer: PEER, time: clock.now, ...changes })
  return { content, key: key.publicKey, signature: key.sign(concat(domain(FOLDER_ASK_DOMAIN), content)) }
}

async function put(at: World, grant: Grant, key: SigningKey = owner, desk = at.desk, changes: AskChanges = {}): Promise<void> {
  const { opening, wrap, note } = grant
  const value = { ...ask(at, key, grant.consent, changes), opening, wrap, note }
  await desk.answer(folderRequestCodec.encode({ type: 'put-wrap', value } as FolderRequest), PEER)
}

async function putMany(at: World, grants: readonly Grant[], key: SigningKey = owner, desk = at.desk): Promise<(string | null)[]> {
  const value = { ...ask(at, key, null), grants: grants.map(({ consent, opening, wrap, note }) => ({ consent, opening, wrap, note })) }
  return putWrapsResponseCodec.decode(await desk.answer(folderRequestCodec.encode({ type: 'put-wraps', value }), PEER)).codes
}

async function termsOf(at: World, consents: readonly Uint8Array[], key: SigningKey = owner) {
  const request = folderRequestCodec.encode({ type: 'get-wraps', value: { ...ask(at, key, null), consents: [...consents] } })
  return getWrapsResponseCodec.decode(await at.desk.answer(request, PEER)).grants
}

async function get(at: World, key: SigningKey, consent: Uint8Array, desk = at.desk, changes: AskChanges = {}) {
  const request = folderRequestCodec.encode({ type: 'get-wrap', value: ask(at, key, consent, changes) })
  return wrapResponseCodec.decode(await desk.answer(request, PEER))
}

test('a grant goes to its grantee, without the note, once the ledger shows it; to the owner, with the note', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const grant = grantOf(at.folder, 'a')
  await put(at, grant)
  await rejectsCode(get(at, reader.signing, grant.consent), 'not-found')
  await commitGrant(at, grant)
  const desk = await at.restart()
  const { opening, wrap } = grant
  assert.equal(await get(at, reader.signing, grant.consent, desk), { opening, wrap, note: new Uint8Array(0), past: null })
  assert.equal(await get(at, owner, grant.consent, desk), { opening, wrap, note: grant.note, past: null })
})

test('whoever is not named hears what they would hear of a grant that does not exist', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const grant = grantOf(at.folder, 'a')
  await put(at, grant)
  await commitGrant(at, grant)
  const strangers = [nodeKeys(0).signing, nodeKeys(1).signing, nodeKeys(5).signing]
  const expected = await rejectsCode(get(at, reader.signing, seedOf('no consent')), 'not-found')
  for (const stranger of strangers) {
    assert.is((await rejectsCode(get(at, stranger, grant.consent), 'not-found')).message, expected.message)
  }
  for (const changes of [
    { peer: seedOf('another connection') },
    { custodian: seedOf('another custodian') },
    { chainId: seedOf('another chain') },
    { folder: seedOf('another folder') },
    { time: at.clock.now - REQUEST_CLOCK_MS - 1 },
    { time: at.clock.now + REQUEST_CLOCK_MS + 1 },
  ]) {
    assert.is((await rejectsCode(get(at, reader.signing, grant.consent, at.desk, changes), 'not-found')).message, expected.message)
  }
  const signed = ask(at, nodeKeys(5).signing, grant.consent)
  const forged = folderRequestCodec.encode({ type: 'get-wrap', value: { ...signed, key: reader.signing.publicKey } })
  await rejectsCode(at.desk.answer(forged, PEER), 'not-found')
})

test("a grant to an organisation or to a role goes to the organisation's key alone", async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const organisation = nodeKeys(1).account
  const grantees: Grantee[] = [
    { type: 'organisation', value: { organisation } },
    { type: 'role', value: { organisation, role: 'physician' } },
  ]
  for (const grantee of grantees) {
    const grant = grantOf(at.folder, grantee.type, grantee)
    await put(at, grant)
    await commitGrant(at, grant)
    assert.equal((await get(at, nodeKeys(1).signing, grant.consent)).wrap, grant.wrap)
    await rejectsCode(get(at, reader.signing, grant.consent), 'not-found')
    await rejectsCode(get(at, nodeKeys(2).signing, grant.consent), 'not-found')
  }
})

test('a revoked grant is gone for its grantee at once, and stays for the owner', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const { chain, folder } = at
  const grant = grantOf(folder, 'a')
  await put(at, grant)
  await commitGrant(at, grant)
  await get(at, reader.signing, grant.consent)
  const body = revokeBodyCodec.encode({ consent: grant.consent })
  await chain.accept(nextBlock(chain, [act(chain, { kind: 'folder', id: folder }, 'consents', 'revoke', body, owner)]))
  await rejectsCode(get(at, reader.signing, grant.consent), 'not-found')
  assert.equal((await get(at, owner, grant.consent)).note, grant.note)
})

test('a custodian that is cut off gives grants to the owner alone: it would not hear of a revocation', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const grant = grantOf(at.folder, 'a')
  await put(at, grant)
  await commitGrant(at, grant)
  at.clock.now = at.chain.tip.header.time + 75_000
  await get(at, reader.signing, grant.consent)
  at.clock.now++
  await rejectsCode(get(at, reader.signing, grant.consent), 'stale')
  await rejectsCode(get(at, reader.signing, seedOf('no grant')), 'stale')
  assert.equal((await get(at, owner, grant.consent)).note, grant.note)
})

test('only the owner leaves grants, and only such as belong to the folder', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const grant = grantOf(at.folder, 'a')
  await rejectsCode(put(at, grant, reader.signing), 'not-found')
  await rejectsCode(put(at, grantOf(seedOf('another folder'), 'a')), 'not-found')
  await rejectsCode(put(at, { ...grant, consent: seedOf('another consent') }), 'not-found')
  await rejectsCode(put(at, { ...grant, opening: utf8('no opening') }), 'malformed')
})

test('of several grants at once each is taken or refused by itself, under the bounds of single ones', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const [a, b] = [grantOf(at.folder, 'a'), grantOf(at.folder, 'b')]
  const answer = await putMany(at, [a, { ...b, consent: seedOf('another consent') }, { ...b, opening: utf8('no opening') }, a])
  assert.equal(answer, [null, 'not-found', 'malformed', null])
  await commitGrant(at, a)
  assert.equal((await get(at, reader.signing, a.consent)).wrap, a.wrap)
  await rejectsCode(putMany(at, [b], reader.signing), 'not-found')
  // Of a consent in force as many wraps wait as of single ones; of others, as many as one folder may have.
  const again = Array.from({ length: 5 }, (_, i) => ({ ...a, wrap: utf8(`again ${i}`) }))
  assert.equal(await putMany(at, again), [null, null, null, null, 'busy'])
  const many = Array.from({ length: 40 }, (_, i) => grantOf(at.folder, `new ${i}`))
  const codes = await putMany(at, many)
  assert.is(codes.filter(code => code === null).length, 28, '32 of the folder wait, with the four above')
  assert.equal([...new Set(codes.slice(28))], ['busy'])
  // What was refused for want of room left nothing, and what waits still waits after a start.
  const desk = await at.restart()
  assert.equal(await putMany(at, [many[39]!], owner, desk), ['busy'])
  at.clock.now += HOUR + 1
  await desk.dropExpired()
  assert.equal(await putMany(at, [many[39]!], owner, desk), [null])
})

test('the owner asks for the terms of several grants, and gets those that there are, a page at a time', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const grants = Array.from({ length: 3 }, (_, i) => grantOf(at.folder, `${i}`))
  for (const grant of grants) {
    await put(at, grant)
    await commitGrant(at, grant)
  }
  const expected = grants.map(({ consent, opening, note }) => ({ consent, opening, note }))
  const consents = [...grants.map(({ consent }) => consent), seedOf('no consent')]
  assert.equal(await termsOf(at, consents), expected)
  assert.equal(await termsOf(at, consents.toReversed()), expected.toReversed())
  await rejectsCode(termsOf(at, consents, reader.signing), 'not-found')
  // Notes of the greatest length: no answer is longer than it may be, and each has something in it.
  const long = Array.from({ length: 45 }, (_, i) => ({ ...grantOf(at.folder, `long ${i}`), note: new Uint8Array(MAX_SEALED_NOTE) }))
  for (const grant of long) {
    await put(at, grant)
    await commitGrant(at, grant)
  }
  const all = long.map(({ consent }) => consent)
  const first = (await termsOf(at, all)).map(({ consent }) => consent)
  assert.ok(first.length > 30 && first.length < all.length, `${first.length}`)
  const rest = (await termsOf(at, all.slice(first.length))).map(({ consent }) => consent)
  assert.equal([...first, ...rest], all)
})

test('a grant that never gets its line in the ledger is dropped after an hour; one that does stays', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const [kept, dropped] = [grantOf(at.folder, 'kept'), grantOf(at.folder, 'dropped')]
  await put(at, kept)
  await put(at, dropped)
  await commitGrant(at, kept)
  at.clock.now += HOUR + 1
  await at.desk.dropExpired()
  await at.chain.accept(nextBlock(at.chain, [], HOUR))
  await commitGrant(at, dropped)
  await get(at, reader.signing, kept.consent)
  await rejectsCode(get(at, reader.signing, dropped.consent), 'not-found')
})

test('receipts are for the owner, page by page', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const signature = new Uint8Array(64)
  for (let i = 0; i < 5; i++) await at.desk.keepReceipt(at.folder, 1000 + i, Uint8Array.of(i), signature)
  await at.desk.keepReceipt(seedOf('another folder'), 1000, Uint8Array.of(99), signature)
  const page = async (key: SigningKey, from: number, limit: number) => {
    const value = { ...ask(at, key, null), from, limit }
    return releasesResponseCodec.decode(await at.desk.answer(folderRequestCodec.encode({ type: 'releases', value }), PEER))
  }
  const first = await page(owner, 0, 3)
  const second = await page(owner, 3, 3)
  assert.equal([first.more, second.more], [true, false])
  assert.equal(
    [...first.receipts, ...second.receipts].map(({ receipt }) => receipt[0]),
    [0, 1, 2, 3, 4],
  )
  await rejectsCode(page(reader.signing, 0, 3), 'not-found')
  await rejectsCode(page(member.signing, 0, 3), 'not-found')
})

test.run()
