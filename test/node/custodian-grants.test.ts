/** Nobody takes the room for grants from all others. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consentCommitment, consentOpeningCodec } from '../../src/contracts/consent-terms.ts'
import { consentId, expiryBucket, grantBodyCodec } from '../../src/contracts/consents-formats.ts'
import { concat, utf8 } from '../../src/encoding/bytes.ts'
import { domain } from '../../src/encoding/hash.ts'
import { wrapHash } from '../../src/fragments/formats.ts'
import { FOLDER_ASK_DOMAIN, folderAskCodec, folderRequestCodec } from '../../src/network/light-messages.ts'
import { FolderDesk } from '../../src/node/custodian/wraps.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { permitTo, seedOf } from './cluster.ts'
import { CUSTODIAN, CustodianWorld, HOUR, owner, reader } from './custodian-world.ts'

const test = suite('room for grants')
const PEER = seedOf('peer')
const MOST = 32

function grantOf(world: CustodianWorld, index: number) {
  const opening = { salt: seedOf('salt', index), folder: world.folder, provision: permitTo(reader) }
  const commitment = consentCommitment(opening)
  return {
    commitment,
    consent: consentId(world.folder, commitment),
    opening: Uint8Array.from(consentOpeningCodec.encode(opening)),
    wrap: utf8(`wrap ${index}`),
    note: utf8('note'),
  }
}

type Grant = ReturnType<typeof grantOf>

async function put(world: CustodianWorld, grant: Grant, desk = world.desk): Promise<void> {
  const { opening, wrap, note, consent } = grant
  const { chain, folder, clock } = world
  const content = folderAskCodec.encode({
    chainId: chain.chainId,
    folder,
    consent,
    custodian: CUSTODIAN.account,
    peer: PEER,
    time: clock.now,
  })
  const ask = { content, key: owner.publicKey, signature: owner.sign(concat(domain(FOLDER_ASK_DOMAIN), content)) }
  await desk.answer(folderRequestCodec.encode({ type: 'put-wrap', value: { ...ask, opening, wrap, note } }), PEER)
}

async function commit(world: CustodianWorld, { commitment, wrap }: Grant): Promise<void> {
  const expiry = expiryBucket(world.chain.tip.header.time + 30 * 24 * HOUR)
  const body = grantBodyCodec.encode({ commitment, wrapHash: wrapHash(wrap), epoch: 0, expiry })
  await world.commit('consents', 'grant', body, 'owner')
}

test('a folder has so many grants that wait; those that the ledger shows make room', async () => {
  await using world = await CustodianWorld.open()
  const grants = Array.from({ length: MOST + 4 }, (_, index) => grantOf(world, index))
  const [first, second] = grants as [Grant, Grant]
  for (const grant of grants.slice(0, MOST)) await put(world, grant)
  const [next, after, third, fourth] = grants.slice(MOST) as [Grant, Grant, Grant, Grant]
  await rejectsCode(put(world, next), 'busy')
  // One that is here already takes no room, nor does one that is on the ledger before it comes.
  await put(world, first)
  await commit(world, next)
  await put(world, next)
  await rejectsCode(put(world, after), 'busy')
  await commit(world, first)
  await put(world, after)
  await rejectsCode(put(world, third), 'busy')

  // The count is the same after a restart, and after what ran out is gone.
  const { chain, directory, keyring, custody, receipts, papers, clock } = world
  const restarted = new FolderDesk(
    { custodian: CUSTODIAN.account },
    { chain, directory, keyring, store: custody.sublevel('folders'), erasures: receipts, ...papers, now: () => clock.now },
  )
  await restarted.start()
  await rejectsCode(put(world, third, restarted), 'busy')
  await commit(world, second)
  await put(world, third, restarted)
  await rejectsCode(put(world, fourth, restarted), 'busy')
  clock.now += HOUR + 1
  await restarted.dropExpired()
  for (const grant of grants.slice(2, MOST)) await put(world, grant, restarted)
  await put(world, third, restarted)
  await put(world, fourth, restarted)
  await rejectsCode(put(world, after, restarted), 'busy')
})

test('a write that fails gives its room back', async () => {
  await using world = await CustodianWorld.open()
  const { chain, directory, keyring, custody, receipts, papers, clock } = world
  const level = custody.sublevel('folders')
  let fails = true
  const store = {
    get: level.get.bind(level),
    iterator: level.iterator.bind(level),
    batch: async (...args: Parameters<typeof level.batch>) => {
      if (fails) throw new Error('the disk failed')
      await level.batch(...args)
    },
  } as typeof level
  const desk = new FolderDesk(
    { custodian: CUSTODIAN.account },
    { chain, directory, keyring, store, erasures: receipts, ...papers, now: () => clock.now },
  )
  const grants = Array.from({ length: MOST + 1 }, (_, index) => grantOf(world, index))
  for (const grant of grants) {
    try {
      await put(world, grant, desk)
      assert.unreachable('the write failed')
    } catch (error) {
      assert.is((error as Error).message, 'the disk failed')
    }
  }
  fails = false
  for (const grant of grants.slice(0, MOST)) await put(world, grant, desk)
  await rejectsCode(put(world, grants[MOST] as Grant, desk), 'busy')
})

test.run()
