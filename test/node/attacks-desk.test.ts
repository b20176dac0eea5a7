/** Who tries to have an organisation sign: at its desk, and as its patients' sponsor. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent } from '../../src/client/consents.ts'
import { listVersions } from '../../src/client/get.ts'
import type { SeededPerson } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openSession } from '../../src/client/session.ts'
import { openBodyCodec } from '../../src/contracts/access-formats.ts'
import { type AccessOpening, accessCommitment, accessOpeningCodec } from '../../src/contracts/consent-terms.ts'
import { grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { rotateFolderCodec } from '../../src/contracts/folders-formats.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { NAMESPACE, stateKey } from '../../src/contracts/state-keys.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { type SigningKey, verifySignature } from '../../src/crypto/signature.ts'
import { ownerKey } from '../../src/crypto/wallet.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { domain } from '../../src/encoding/hash.ts'
import {
  storageReceiptBytes,
  storageReceiptCodec,
  type UploadTicket,
  uploadTicketBytes,
  uploadTicketCodec,
} from '../../src/fragments/formats.ts'
import { place } from '../../src/fragments/placement.ts'
import { decodeTransaction } from '../../src/ledger/transaction.ts'
import {
  DESK_DOMAIN,
  type DeskAction,
  type DeskContent,
  deskContentCodec,
  deskRequestCodec,
  deskResponseCodec,
  REQUEST_CLOCK_MS,
} from '../../src/network/light-messages.ts'
import { PROTOCOL } from '../../src/network/protocols.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, nodeKeys, openFolder, permitTo, seedOf, type TestFolder, textRecords } from './cluster.ts'

interface World {
  cluster: Cluster
  doctor: SeededPerson
  peer: LightPeer
  folder: TestFolder
}

const test = suite<{ world: World }>('attacks on the desk')

test.before(async context => {
  const cluster = await Cluster.start()
  context.world = { cluster } as World
  const doctor = cluster.person(0)
  await cluster.staff(0, [doctor])
  const peer = await cluster.peer([0])
  context.world = { cluster, doctor, peer, folder: await openFolder(peer, doctor, 'patient') }
})

test.after(async ({ world }) => await world.cluster.stop())

interface Ask {
  peer: LightPeer
  action: DeskAction
  key?: SigningKey
  content?: Partial<DeskContent>
  /** Key that is named, where it is another than the one that signs. */
  named?: Uint8Array
}

function encodeAsk({ cluster, doctor }: World, { peer, action, key = doctor.signing, content: changes = {}, named }: Ask): Uint8Array {
  const content = deskContentCodec.encode({
    chainId: peer.chainId,
    account: doctor.organisation,
    peer: peer.nodes.network.networkKey,
    time: cluster.now(0),
    nonce: randomBytes(32),
    action,
    ...changes,
  })
  return deskRequestCodec.encode({ content, key: named ?? key.publicKey, signature: key.sign(concat(domain(DESK_DOMAIN), content)) })
}

async function send(peer: LightPeer, request: Uint8Array, node = 0) {
  const { network } = nodeKeys(node)
  const bytes = await peer.nodes.request(network.publicKey, PROTOCOL.desk, request, { maxResponse: deskResponseCodec.maxBytes })
  return deskResponseCodec.decode(bytes)
}

const ask = async (world: World, what: Ask) => await send(what.peer, encodeAsk(world, what))

function ticketOf({ doctor, folder }: World, changes: Partial<UploadTicket> = {}): UploadTicket {
  return {
    folder: folder.address.id,
    epoch: 0,
    submissionRoot: seedOf('root'),
    versions: 1,
    size: 100,
    n: 4,
    k: 2,
    memberHeight: 0,
    labelSalt: folder.address.labelSalt,
    label: folder.address.label,
    sponsor: doctor.organisation,
    until: Date.now() + 60_000,
    ...changes,
  }
}

const ticketAction = (ticket: UploadTicket): DeskAction => ({ type: 'ticket', value: { ticket: uploadTicketCodec.encode(ticket) } })

test('(h) the desk signs for its own people alone, and tells all others the same', async ({ world }) => {
  const { cluster, doctor, peer } = world
  const action = ticketAction(ticketOf(world))
  assert.is((await ask(world, { peer, action })).type, 'signature')
  const stranger = cluster.person(0, 'physician', 9)
  const other = await cluster.peer([0])
  const attacks: [string, Uint8Array, LightPeer][] = [
    ['somebody who is not staff', encodeAsk(world, { peer, action, key: stranger.signing }), peer],
    [
      "a colleague's name under a stranger's signature",
      encodeAsk(world, { peer, action, key: stranger.signing, named: doctor.signing.publicKey }),
      peer,
    ],
    ['the desk of another organisation', encodeAsk(world, { peer, action, content: { account: nodeKeys(1).account } }), peer],
    ['another network', encodeAsk(world, { peer, action, content: { chainId: seedOf('another') } }), peer],
    ["a request that was caught on another's connection", encodeAsk(world, { peer, action }), other],
  ]
  const messages = new Set<string>()
  for (const [name, request, from] of attacks) {
    const error = await rejectsCode(send(from, request), 'not-staff')
    messages.add(error.message)
    assert.not.match(error.message, name)
  }
  assert.is(messages.size, 1)
  await rejectsCode(send(peer, encodeAsk(world, { peer, action }), 1), 'not-staff')

  await cluster.staff(0, [])
  await rejectsCode(ask(world, { peer, action }), 'not-staff')
  await cluster.staff(0, [doctor])
  assert.is((await ask(world, { peer, action })).type, 'signature')
})

test('(h) a request is served once, and at its time', async ({ world }) => {
  const { cluster, peer } = world
  const action = ticketAction(ticketOf(world))
  const request = encodeAsk(world, { peer, action })
  assert.is((await send(peer, request)).type, 'signature')
  await rejectsCode(send(peer, request), 'replayed')
  for (const offset of [-180_000, 180_000]) {
    await rejectsCode(ask(world, { peer, action, content: { time: Date.now() + offset } }), 'clock-differs')
  }
  // Once its nonce is forgotten, the request is too old.
  cluster.clockOffsets[0] = 2 * REQUEST_CLOCK_MS + 1000
  try {
    await rejectsCode(send(peer, request), 'clock-differs')
  } finally {
    cluster.clockOffsets[0] = 0
  }
})

test('(h) the desk signs tickets in its own name, for an hour', async ({ world }) => {
  const { peer } = world
  for (const ticket of [ticketOf(world, { sponsor: nodeKeys(1).account }), ticketOf(world, { until: Date.now() + 2 * 3_600_000 })]) {
    await rejectsCode(ask(world, { peer, action: ticketAction(ticket) }), 'not-sponsored')
  }
  const ticket = ticketOf(world)
  const { value } = (await ask(world, { peer, action: ticketAction(ticket) })) as { value: Uint8Array }
  assert.ok(verifySignature(nodeKeys(0).signing.publicKey, uploadTicketBytes(ticket), value))
})

test('(h) an access entry names the asker, in the role that the desk lists, for this folder and at most an hour', async ({ world }) => {
  const { cluster, doctor, peer, folder } = world
  const colleague = cluster.person(0, 'nurse')
  await cluster.staff(0, [doctor, colleague])
  const right: AccessOpening = {
    salt: seedOf('salt'),
    folder: folder.address.id,
    reader: doctor.signing.publicKey,
    role: 'physician',
    purpose: 'TREAT',
    records: null,
  }
  const access = (opening: AccessOpening, changes: object = {}): DeskAction => {
    const body = {
      folder: folder.address.id,
      consent: seedOf('consent'),
      commitment: accessCommitment(opening),
      until: Date.now() + 60_000,
      ...changes,
    }
    return { type: 'access', value: { body: openBodyCodec.encode(body), opening: accessOpeningCodec.encode(opening) } }
  }
  const refused: [string, DeskAction][] = [
    ['another role', access({ ...right, role: 'surgeon' })],
    ['the owner', access({ ...right, role: 'owner' })],
    ['a colleague', access({ ...right, reader: colleague.signing.publicKey, role: 'nurse' })],
    ['another folder in the opening', access({ ...right, folder: seedOf('another') })],
    ['another folder in the entry', access(right, { folder: seedOf('another') })],
    ['another commitment', access(right, { commitment: seedOf('another') })],
    ['no consent', access(right, { consent: null })],
    ['two hours', access(right, { until: Date.now() + 2 * 3_600_000 })],
  ]
  for (const [name, action] of refused) {
    const error = await rejectsCode(ask(world, { peer, action }), 'not-staff')
    assert.match(error.message, 'physician', name)
  }
  assert.is(cluster.node(0).chain.tip.tree.get(stateKey.accessLog(folder.address.id)), undefined)
  // The entry as it should be is signed and submitted; that there is no such consent is for the ledger to say.
  const answer = await ask(world, { peer, action: access(right) })
  assert.is(answer.type, 'transaction')
  await rejectsCode(peer.outcome(answer.value as Uint8Array), 'not-found')
  assert.is(cluster.node(0).chain.tip.tree.get(stateKey.accessLog(folder.address.id)), undefined)
})

test('(h) a grant to a role opens to those who hold it, and to nobody else of the organisation', async ({ world }) => {
  const { cluster, doctor, peer, folder } = world
  const [surgeon, nurse] = [cluster.person(1, 'surgeon'), cluster.person(1, 'nurse')]
  await cluster.staff(0, [doctor])
  await cluster.staff(1, [surgeon, nurse])
  await putRecords(peer, doctor, folder.address, textRecords(['result']))
  const patient = await cluster.peer([2])
  const at = await cluster.peer([1])
  const organisation = nodeKeys(1).account
  const provision = permitTo(surgeon, { grantee: { type: 'role', value: { organisation, role: 'surgeon' } } })
  const { share } = await grantConsent(patient, folder.wallet, folder.owned, { sealingKey: nodeKeys(1).sealing.publicKey, provision })
  const session = await openSession(at, surgeon, share)
  assert.is((await listVersions(at, session)).versions.length, 1)
  await rejectsCode(openSession(at, nurse, share), 'not-found')
})

test('(i) a sponsor signs for the owners of folders that are its own records, and only what needs a sponsor', async ({ world }) => {
  const { cluster, peer, folder } = world
  const other = cluster.person(1)
  await cluster.staff(1, [other])
  const elsewhere = await openFolder(await cluster.peer([1]), other, 'patient of another')
  const owner = ownerKey(folder.wallet.seed, 0)
  const [here, there] = [nodeKeys(0).account, nodeKeys(1).account]
  const grant = grantBodyCodec.encode({ commitment: seedOf('c'), wrapHash: seedOf('w'), epoch: 0, expiry: 86_400_000 * 30_000 })
  const at = { kind: 'folder' as const, id: folder.address.id }
  const act = (changes: object, key = owner) =>
    peer.sign({ from: at, contract: 'consents', action: 'grant', body: grant, sponsor: here, ...changes }, key)
  const rotate = rotateFolderCodec.encode({ ownerKeyHash: seedOf('o'), recoveryKeyHash: seedOf('r') })
  const attacks: Record<string, ReturnType<typeof act>> = {
    'a folder of another author': act({ from: { kind: 'folder', id: elsewhere.address.id } }, ownerKey(elsewhere.wallet.seed, 0)),
    'a folder that does not exist': act({ from: { kind: 'folder', id: seedOf('none') } }),
    'somebody who is not the owner': act({}, ownerKey(seedOf('another wallet'), 0)),
    'an act that needs no sponsor': act({ action: 'revoke', body: revokeBodyCodec.encode({ consent: seedOf('c') }) }),
    'an act that is none of its business': act({ contract: 'folders', action: 'rotate', body: rotate }),
    'an act that does not exist': act({ action: 'everything' }),
    'an act of a member': act({ from: { kind: 'account', id: here } }, nodeKeys(0).signing),
    'another sponsor': act({ sponsor: there }),
    'no sponsor': act({ sponsor: null }),
  }
  const messages = new Set<string>()
  for (const [name, transaction] of Object.entries(attacks)) {
    const error = await rejectsCode(peer.sponsor(transaction, here), 'not-sponsored')
    messages.add(error.message)
    assert.ok(error.message.length > 0, name)
  }
  assert.is(messages.size, 1)
  const signed = decodeTransaction(await peer.sponsor(act({}), here))
  assert.ok(equalBytes(signed.signatures[1]?.publicKey ?? new Uint8Array(0), nodeKeys(0).signing.publicKey))
  // An act that was changed after its owner signed it is not the owner's any more.
  const forged = act({})
  const last = forged.bytes.length - 1
  forged.bytes[last] = (forged.bytes[last] as number) ^ 1
  await rejectsCode(peer.sponsor(forged, here), 'bad-signature')
})

test('no node logged an error', ({ world }) => {
  assert.equal(world.cluster.errors(), [])
})

test('(h) an anchor is signed on fresh storage receipts alone: what was staged longer ago may be gone', async ({ world }) => {
  const { peer, folder } = world
  const { height: memberHeight, custodians } = await peer.custodians()
  const submissionRoot = seedOf('aged submission')
  const { n, k } = peer.parameters
  const placed = place({ key: submissionRoot, custodians, n, k, policy: null }).custodians
  const receiptsOf = (time: number) =>
    placed.slice(0, 3).map((custodian, index) => {
      const receipt = { chainId: peer.chainId, submissionRoot, custodian: custodian.id, index, bytes: 100, time }
      const key = [0, 1, 2, 3].map(nodeKeys).find(({ account }) => equalBytes(account, custodian.id))?.signing as SigningKey
      return { receipt: storageReceiptCodec.encode(receipt), signature: key.sign(storageReceiptBytes(receipt)) }
    })
  const body = anchorBodyCodec.encode({ folder: folder.address.id, epoch: 0, submissionRoot, sizeBucket: 7, n, k, memberHeight })
  const anchor = (time: number): DeskAction => ({ type: 'anchor', value: { body, receipts: receiptsOf(time) } })
  const now = world.cluster.now(0)
  await rejectsCode(ask(world, { peer, action: anchor(now - 41 * 60_000) }), 'too-few-receipts')
  assert.is((await ask(world, { peer, action: anchor(now) })).type, 'transaction', 'the same receipts, fresh')
})

test('(i) a sponsor signs so many acts of a folder in an hour, and others lose nothing by it', async ({ world }) => {
  const { doctor, peer } = world
  const here = nodeKeys(0).account
  const act = ({ address, wallet }: TestFolder) => {
    const body = grantBodyCodec.encode({ commitment: seedOf('c'), wrapHash: seedOf('w'), epoch: 0, expiry: 86_400_000 * 30_000 })
    const from = { kind: 'folder' as const, id: address.id }
    return peer.sign({ from, contract: 'consents', action: 'grant', body, sponsor: here }, ownerKey(wallet.seed, 0))
  }
  const greedy = await openFolder(peer, doctor, 'greedy')
  const modest = await openFolder(peer, doctor, 'modest')
  // An hour may turn while this runs: twice the bound is past it all the same.
  let signed = 0
  let refused: unknown
  while (refused === undefined && signed <= 240) {
    await peer.sponsor(act(greedy), here).then(
      () => signed++,
      (error: unknown) => {
        refused = error
      },
    )
  }
  assert.is(errorCode(refused), 'over-folder-quota')
  assert.ok(signed >= 120 && signed <= 240, `${signed} were signed`)
  assert.ok((await peer.sponsor(act(modest), here)).length > 0)
})

test('nobody is given a list of folders, owners or logs', async ({ world }) => {
  const { peer, folder } = world
  const short = [NAMESPACE.folder, NAMESPACE.owner, NAMESPACE.accessLog, NAMESPACE.submission, NAMESPACE.consent, NAMESPACE.first]
  for (const namespace of short) {
    await rejectsCode(peer.list(Uint8Array.of(namespace)), 'not-found')
    await rejectsCode(peer.list(concat(Uint8Array.of(namespace), folder.address.id.slice(0, 31))), 'not-found')
  }
  const { entries } = await peer.list(stateKey.consents(folder.address.id))
  assert.ok(entries.length > 0, 'of one folder, whose id is known, all are shown')
  assert.ok((await peer.members()).length >= 4)
})

test('a submission is found by the DHT at those who hold it', async ({ world }) => {
  const { doctor, peer, folder } = world
  const put = await putRecords(peer, doctor, folder.address, textRecords(['to be located']))
  const holders = await eventually(async () => {
    const found = await peer.locate(folder.address.id, put.submissionRoot)
    return found.length === 4 ? found : undefined
  }, 'all four custodians announce the submission')
  assert.equal(new Set(holders.map(({ id }) => toHex(id))), new Set(put.custodians.map(({ id }) => toHex(id))))
  assert.equal(await peer.locate(folder.address.id, seedOf('no such submission')), [])
})

test.run()
