/** What a custodian keeps and releases for break-glass, and to whom it does not. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessEntryId } from '../../src/contracts/access-formats.ts'
import { type AccessOpening, accessOpeningCodec } from '../../src/contracts/consent-terms.ts'
import {
  clinicianPseudonym,
  depositBodyCodec,
  emergencyCommitment,
  emergencyOpenBodyCodec,
  emergencyOpeningCodec,
  reviewBodyCodec,
  withdrawBodyCodec,
} from '../../src/contracts/emergency-formats.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { seal, sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { combineShares, isTrueShare, type SplitSecret, shareCommitmentsCodec, splitSecret } from '../../src/crypto/secret-sharing.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { verifySignature } from '../../src/crypto/signature.ts'
import { concat, equalBytes } from '../../src/encoding/bytes.ts'
import { domain } from '../../src/encoding/hash.ts'
import {
  readRequestBytes,
  readRequestCodec,
  releaseReceiptBytes,
  releaseReceiptCodec,
  sealedReviewHash,
  sealingContext,
  shareCommitmentsHash,
} from '../../src/fragments/formats.ts'
import { place } from '../../src/fragments/placement.ts'
import { releaseFrameCodec, releaseRequestCodec } from '../../src/network/fragment-messages.ts'
import {
  FOLDER_ASK_DOMAIN,
  type FolderRequest,
  folderAskCodec,
  folderRequestCodec,
  heldShareResponseCodec,
  releasesResponseCodec,
  reviewResponseCodec,
  SHARE_ASK_DOMAIN,
  shareAskCodec,
  shareResponseCodec,
} from '../../src/network/light-messages.ts'
import { Emergencies } from '../../src/node/custodian/emergencies.ts'
import { ReleaseService } from '../../src/node/custodian/release.ts'
import { custodiansAt } from '../../src/node/directory.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { nodeKeys, seedOf } from './cluster.ts'
import { CUSTODIAN, CustodianWorld, type Held, HOUR, LABEL_SALT, owner, reader, SlowChannel } from './custodian-world.ts'

const test = suite('break-glass at a custodian')
const PEER = seedOf('peer')
const SECRET = seedOf('folder seed')
// Nothing else of these worlds keeps the process alive while a custodian waits for a block.
const alive = setInterval(() => undefined, 1000)
test.after(() => clearInterval(alive))

interface Deposit {
  split: SplitSecret
  commitments: Uint8Array
  hash: Uint8Array
  position: number
}

interface Session {
  entryId: Uint8Array
  access: AccessOpening
  opening: Uint8Array
}

type PutShare = Extract<FolderRequest, { type: 'put-share' }>['value']

async function ask(world: CustodianWorld, request: FolderRequest, peer = PEER): Promise<Uint8Array> {
  return await world.desk.answer(folderRequestCodec.encode(request), peer)
}

/** Deposits on the ledger; this custodian's share comes with {@link put}. */
async function deposit(world: CustodianWorld, threshold = 2): Promise<Deposit> {
  const split = await splitSecret(SECRET, { shares: 4, threshold })
  const commitments = shareCommitmentsCodec.encode(split.commitments)
  const hash = shareCommitmentsHash(commitments)
  await world.commit('emergency', 'deposit', depositBodyCodec.encode({ epoch: 0, memberHeight: 0, commitments: hash }), 'owner')
  const custodians = custodiansAt(world.chain.tip.tree, 0) ?? []
  const placed = place({ key: world.folder, custodians, n: 4, k: 2, policy: null }).custodians
  return { split, commitments, hash, position: placed.findIndex(({ id }) => equalBytes(id, CUSTODIAN.account)) }
}

function shareOf(world: CustodianWorld, { split, commitments, hash, position }: Deposit, changes: Partial<PutShare> = {}): PutShare {
  const at = changes.position ?? position
  const context = sealingContext.emergencyShare(world.chain.chainId, world.folder, 0, hash, at)
  const sealed = seal(CUSTODIAN.sealing.publicKey, split.shares[at] as Uint8Array, context)
  return { folder: world.folder, position: at, label: world.label, labelSalt: LABEL_SALT, commitments, sealed, ...changes }
}

async function put(world: CustodianWorld, value: PutShare): Promise<void> {
  await ask(world, { type: 'put-share', value })
}

async function open(world: CustodianWorld, changes: Partial<AccessOpening> = {}, counted = reader.signing.publicKey): Promise<Session> {
  const access: AccessOpening = {
    ...{
      salt: seedOf('salt'),
      folder: world.folder,
      reader: reader.signing.publicKey,
      role: 'emergency-physician',
      purpose: 'BTG',
      records: null,
    },
    ...changes,
  }
  const opening = { access, reason: 'unconscious' as const }
  const until = world.chain.tip.header.time + 4 * HOUR
  const commitment = emergencyCommitment(opening)
  const { account } = nodeKeys(1)
  const body = { folder: world.folder, commitment, clinician: clinicianPseudonym(account, counted), until }
  await world.commit('emergency', 'open', emergencyOpenBodyCodec.encode(body), 'readers')
  const { height, time } = world.chain.tip.header
  const entry = { folder: world.folder, index: 0, organisation: account, consent: null, commitment, until, height, time }
  return { entryId: accessEntryId(entry), access, opening: emergencyOpeningCodec.encode(opening) }
}

interface Asking {
  key?: SigningKey
  peer?: Uint8Array
  custodian?: Uint8Array
  time?: number
  opening?: Uint8Array
}

async function getShare(world: CustodianWorld, session: Session, changes: Asking = {}) {
  const { key = reader.signing, opening = session.opening } = changes
  const once = sealingKeyFromSeed(randomBytes(32))
  const content = shareAskCodec.encode({
    ...{ chainId: world.chain.chainId, folder: world.folder, entry: session.entryId, custodian: CUSTODIAN.account, peer: PEER },
    ...{ time: world.clock.now, ...changes },
    sealingKey: once.publicKey,
  })
  const signature = key.sign(concat(domain(SHARE_ASK_DOMAIN), content))
  const answer = shareResponseCodec.decode(
    await ask(world, { type: 'get-share', value: { content, key: key.publicKey, signature, opening } }),
  )
  const hash = shareCommitmentsHash(answer.commitments)
  const share = once.open(answer.sealed, sealingContext.emergencyRelease(world.chain.chainId, session.entryId, hash, answer.position))
  return { position: answer.position, share, commitments: shareCommitmentsCodec.decode(answer.commitments) }
}

/** As the folder's owner. */
function owned(world: CustodianWorld, key = owner) {
  const content = folderAskCodec.encode({
    ...{
      chainId: world.chain.chainId,
      folder: world.folder,
      consent: null,
      custodian: CUSTODIAN.account,
      peer: PEER,
      time: world.clock.now,
    },
  })
  return { content, key: key.publicKey, signature: key.sign(concat(domain(FOLDER_ASK_DOMAIN), content)) }
}

async function held(world: CustodianWorld) {
  return heldShareResponseCodec.decode(await ask(world, { type: 'share', value: owned(world) }))
}

/** What a release of a list ends with: its last frame's type, or the error's code. */
async function list(world: CustodianWorld, session: Session, { root }: Held): Promise<string> {
  const { chain, fragments, submissions, desk, logger, clock } = world
  const identity = { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing }
  const deps = { chain, fragments, submissions, onCorrupt: async () => undefined, desk, logger, now: () => clock.now }
  const request = {
    ...{ chainId: chain.chainId, entry: session.entryId, folder: world.folder, custodian: CUSTODIAN.account, peer: PEER, time: clock.now },
    ...{ submissionRoot: root, leaves: null, firstChunk: 0 },
  }
  const frame = releaseRequestCodec.encode({
    request: readRequestCodec.encode(request),
    signature: reader.signing.sign(readRequestBytes(request)),
    accessOpening: accessOpeningCodec.encode(session.access),
    consentOpening: null,
    reason: 'unconscious',
  })
  const channel = new SlowChannel(PEER, [frame])
  const served = new ReleaseService(identity, deps).serve(channel)
  void served.finally(() => channel.end())
  let last = ''
  for (let bytes = await channel.take(); bytes !== undefined; bytes = await channel.take()) {
    const { type, value } = releaseFrameCodec.decode(bytes)
    last = type === 'error' ? new TextDecoder().decode(value.code) : type
  }
  await served
  return last
}

test('a share that fits the ledger is kept, by whoever it is brought; nothing else is', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  const made = await deposit(world)
  assert.is(await held(world), null)
  const other = await splitSecret(SECRET, { shares: 4, threshold: 2 })
  const foreign = { ...made, commitments: shareCommitmentsCodec.encode(other.commitments) }
  await rejectsCode(put(world, shareOf(world, foreign)), 'not-found')
  await rejectsCode(put(world, shareOf(world, made, { position: (made.position + 1) % 4 })), 'not-found')
  await rejectsCode(put(world, shareOf(world, made, { label: 'normal' })), 'not-found')
  await rejectsCode(put(world, shareOf(world, made, { labelSalt: seedOf('other salt') })), 'not-found')
  await rejectsCode(put(world, shareOf(world, { ...made, split: other })), 'share-false')
  await rejectsCode(put(world, shareOf(world, made, { sealed: new Uint8Array(1200).fill(1) })), 'unsealing-failed')
  assert.is(await held(world), null)
  await put(world, shareOf(world, made))
  await put(world, shareOf(world, made))
  assert.equal(await held(world), { position: made.position, commitments: made.hash })
  await rejectsCode(ask(world, { type: 'share', value: owned(world, reader.signing) }), 'not-found')
})

test('a dealer whose threshold is not the network’s is refused', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  const made = await deposit(world, 3)
  await rejectsCode(put(world, shareOf(world, made)), 'share-false')
})

test('the share of a folder with another label is never kept, whatever its owner says', async () => {
  for (const label of ['normal', 'mental-health'] as const satisfies readonly Label[]) {
    await using world = await CustodianWorld.open(label)
    const made = await deposit(world)
    await rejectsCode(put(world, shareOf(world, made)), 'not-found')
    await rejectsCode(put(world, shareOf(world, made, { label: 'emergency-summary' })), 'not-found')
    const submission = await world.hold('a', [100])
    await world.anchor(submission)
    assert.is(await list(world, await open(world), submission), 'not-found')
  }
})

test('on the entry the share comes, with a signed receipt for the owner, and opens the key with another', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  const made = await deposit(world)
  await put(world, shareOf(world, made))
  const session = await open(world)
  const { position, share, commitments } = await getShare(world, session)
  assert.ok(isTrueShare({ position, share }, commitments))
  await rejectsCode(combineShares([{ position, share }], commitments), 'too-few-shares')
  const another = (position + 1) % 4
  const two = [
    { position, share },
    { position: another, share: made.split.shares[another] as Uint8Array },
  ]
  assert.equal(await combineShares(two, commitments), SECRET)

  const page = await ask(world, { type: 'releases', value: { ...owned(world), from: 0, limit: 10 } })
  const [signed, ...more] = releasesResponseCodec.decode(page).receipts
  assert.equal(more, [])
  const receipt = releaseReceiptCodec.decode(signed?.receipt as Uint8Array)
  assert.equal([receipt.entry, receipt.submissionRoot, receipt.leaves, receipt.listed], [session.entryId, made.hash, [], false])
  assert.ok(verifySignature(CUSTODIAN.signing.publicKey, releaseReceiptBytes(receipt), signed?.signature as Uint8Array))
})

test('no share and no record without what it takes', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  const made = await deposit(world)
  await put(world, shareOf(world, made))
  const submission = await world.hold('a', [100])
  await world.anchor(submission)
  const session = await open(world)
  assert.is(await list(world, session, submission), 'end')
  await getShare(world, session)

  const stranger = nodeKeys(3).signing
  const forged = (changes: Partial<AccessOpening>): Uint8Array =>
    emergencyOpeningCodec.encode({ access: { ...session.access, ...changes }, reason: 'unconscious' })
  const refused: [string, Asking][] = [
    ['another person', { key: stranger }],
    ['another person who names themselves', { key: stranger, opening: forged({ reader: stranger.publicKey }) }],
    ['another role', { opening: forged({ role: 'intensive-care-physician' }) }],
    ['another reason', { opening: emergencyOpeningCodec.encode({ access: session.access, reason: 'public-health' }) }],
    ['a request for another custodian', { custodian: nodeKeys(3).account }],
    ['a request from another connection', { peer: seedOf('another peer') }],
    ['an old request', { time: world.clock.now - 5 * 60_000 }],
  ]
  for (const [what, changes] of refused) {
    try {
      await getShare(world, session, changes)
    } catch (error) {
      assert.is((error as { code?: string }).code, 'not-found', what)
      continue
    }
    assert.unreachable(what)
  }
  await rejectsCode(getShare(world, { ...session, entryId: seedOf('no entry') }), 'behind')
})

test('another role, another purpose or another name than the reader’s opens nothing, though the ledger has an entry', async () => {
  for (const [changes, counted] of [[{ role: 'physician' }], [{ purpose: 'TREAT' }], [{}, seedOf('a new name')]] as [
    Partial<AccessOpening>,
    Uint8Array?,
  ][]) {
    await using world = await CustodianWorld.open('emergency-summary')
    await put(world, shareOf(world, await deposit(world)))
    const submission = await world.hold('a', [100])
    await world.anchor(submission)
    const session = await open(world, changes, counted)
    await rejectsCode(getShare(world, session), 'not-found')
    assert.is(await list(world, session, submission), 'not-found')
  }
})

test('after four hours, and once the owner took it back, nothing comes', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  const made = await deposit(world)
  await put(world, shareOf(world, made))
  const submission = await world.hold('a', [100])
  await world.anchor(submission)
  const session = await open(world)
  await world.passTime(4 * HOUR - 60_000)
  await getShare(world, session)
  assert.is(await list(world, session, submission), 'end')
  await world.passTime(60_000)
  await rejectsCode(getShare(world, session), 'not-found')
  assert.is(await list(world, session, submission), 'not-found')

  await world.commit('emergency', 'withdraw', withdrawBodyCodec.encode({}), 'owner')
  assert.is(await held(world), null)
})

test('a share of before is worth nothing, and is forgotten', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  await put(world, shareOf(world, await deposit(world)))
  const session = await open(world)
  let settled = Promise.resolve()
  world.chain.onCommit(block => {
    settled = settled.then(async () => await world.emergencies.settle(block))
  })
  const made = await deposit(world)
  await rejectsCode(getShare(world, session), 'not-found')
  await settled
  const left: Uint8Array[] = []
  for await (const [key] of world.custody.sublevel('emergencies').iterator()) left.push(key)
  assert.equal(left, [])
  await put(world, shareOf(world, made))
  await getShare(world, session)
})

test('shares survive a new key of their bucket, and are sealed on disk', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  const made = await deposit(world)
  await put(world, shareOf(world, made))
  const store = world.custody.sublevel('emergencies')
  for await (const [, value] of store.iterator())
    assert.not.ok(Buffer.from(value).includes(Buffer.from((made.split.shares[made.position] as Uint8Array).subarray(0, 16))))
  const bucket = world.folder[0] as number
  await world.keyring.destroy(bucket, async () => await world.emergencies.reseal(bucket))
  assert.equal((await held(world))?.position, made.position)
})

test('a share whose place went to another custodian is handed on, and kept until it is taken', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  const made = await deposit(world)
  await put(world, shareOf(world, made))
  const successor = nodeKeys(3)
  const { chain, directory, keyring, custody, logger, clock, sent } = world
  const leaving = new Emergencies(
    { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing, sealingKey: CUSTODIAN.sealing },
    {
      ...{ chain, directory, keyring, store: custody.sublevel('emergencies'), logger, now: () => clock.now },
      network: {
        networkKey: CUSTODIAN.network.publicKey,
        request: async (peer, _protocol, request) => {
          sent.push({ peer: peer as Uint8Array, request })
          return await world.answer()
        },
      },
      holders: () => Array.from({ length: 4 }, () => successor.account),
    },
  )
  world.answer = async () => {
    throw new Error('unreachable')
  }
  await leaving.handOn({ pastOf: async () => null })
  assert.is((await held(world))?.position, made.position)
  world.answer = async () => new Uint8Array(0)
  await leaving.handOn({ pastOf: async () => null })
  assert.is(await held(world), null)
  await leaving.handOn({ pastOf: async () => null })
  assert.is(sent.length, 2)
  const { peer, request } = sent[1] as { peer: Uint8Array; request: Uint8Array }
  assert.equal(peer, successor.network.publicKey)
  const { type, value } = folderRequestCodec.decode(request)
  assert.is(type, 'put-share')
  const handed = value as PutShare
  const context = sealingContext.emergencyShare(chain.chainId, world.folder, 0, made.hash, made.position)
  const share = successor.sealing.open(handed.sealed, context)
  assert.ok(isTrueShare({ position: handed.position, share }, made.split.commitments))
})

test('the outcome of a review is kept as the ledger names it, for the owner', async () => {
  await using world = await CustodianWorld.open('emergency-summary')
  await put(world, shareOf(world, await deposit(world)))
  const { entryId: entry } = await open(world)
  const sealed = new Uint8Array(300).fill(7)
  const value = { folder: world.folder, entry, sealed }
  await rejectsCode(ask(world, { type: 'put-review', value }), 'not-found')
  const body = {
    folder: world.folder,
    entry,
    reviewer: seedOf('reviewer'),
    commitment: seedOf('outcome'),
    sealedHash: sealedReviewHash(sealed),
  }
  await world.commit('emergency', 'review', reviewBodyCodec.encode(body), 'readers')
  await rejectsCode(ask(world, { type: 'put-review', value: { ...value, sealed: new Uint8Array(300) } }), 'not-found')
  await rejectsCode(ask(world, { type: 'get-review', value: { ...owned(world), entry } }), 'not-found')
  await ask(world, { type: 'put-review', value })
  const answer = await ask(world, { type: 'get-review', value: { ...owned(world), entry } })
  assert.equal(reviewResponseCodec.decode(answer).sealed, sealed)
  await rejectsCode(ask(world, { type: 'get-review', value: { ...owned(world, reader.signing), entry } }), 'not-found')
})

test.run()
