/** New epochs over a network: who goes on reading, who does not, and what an author does who was not told. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent } from '../../src/client/consents.ts'
import { advanceFolder, revokeAndAdvance } from '../../src/client/epochs.ts'
import { findOwnedFolder, scanFolders } from '../../src/client/folders.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import type { Person } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { rotateOwner } from '../../src/client/owner-rotation.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import { consentCodec } from '../../src/contracts/consents-formats.ts'
import { folderCodec } from '../../src/contracts/folders-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { sealingOpener } from '../../src/crypto/sealing.ts'
import { SUITE_MLKEM1024, SUITE_XWING, suiteOf } from '../../src/crypto/sealing-suites.ts'
import { folderSealingSeed } from '../../src/crypto/wallet.ts'
import { sealingContext } from '../../src/fragments/formats.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { Cluster, openFolder, permitTo, type TestFolder, textRecords } from './cluster.ts'

interface World {
  cluster: Cluster
  author: Person
  reader: Person
  other: Person
  authorPeer: LightPeer
  readerPeer: LightPeer
  patientPeer: LightPeer
}

const test = suite<World>('new epochs over a network')

test.before(async world => {
  const cluster = await Cluster.start()
  const [author, reader, other] = [cluster.person(0), cluster.person(1), cluster.person(2)]
  for (const [node, person] of [author, reader, other].entries()) await cluster.staff(node, [person])
  const [authorPeer, readerPeer, patientPeer] = [await cluster.peer([0]), await cluster.peer([1, 2]), await cluster.peer([2, 0])]
  Object.assign(world, { cluster, author, reader, other, authorPeer, readerPeer, patientPeer })
})

test.after(async ({ cluster }) => await cluster.stop())

/** Everything that a session may read, in the order of the anchors. */
async function readAll(peer: LightPeer, session: Session): Promise<string[]> {
  const { versions, incomplete } = await listVersions(peer, session)
  assert.equal(incomplete, [])
  const texts: string[] = []
  for await (const { content } of readVersions(peer, session, versions)) {
    const parts: Uint8Array[] = []
    for await (const piece of content) parts.push(Uint8Array.from(piece))
    texts.push(new TextDecoder().decode(Buffer.concat(parts)))
  }
  return texts
}

function folderIn(cluster: Cluster, { owned }: TestFolder) {
  return folderCodec.decode(cluster.node(0).chain.tip.tree.get(stateKey.folder(owned.id)) as Uint8Array)
}

function consentIn(cluster: Cluster, { owned }: TestFolder, consent: Uint8Array) {
  return consentCodec.decode(cluster.node(0).chain.tip.tree.get(stateKey.consent(owned.id, consent)) as Uint8Array)
}

async function grantTo({ patientPeer }: World, { wallet, owned }: TestFolder, person: Person) {
  const present = await findOwnedFolder(patientPeer, wallet, owned.id)
  return await grantConsent(patientPeer, wallet, present, {
    sealingKey: person.sealing.publicKey,
    provision: permitTo(person),
    note: 'a note',
  })
}

test('a revocation takes the key away: the others read on with the same share code, in an open session too', async world => {
  const { cluster, author, reader, other, authorPeer, readerPeer, patientPeer } = world
  const folder = await openFolder(authorPeer, author, 'patient')
  const { wallet, owned, address } = folder
  await putRecords(authorPeer, author, address, textRecords(['before']))
  const [kept, gone] = [await grantTo(world, folder, reader), await grantTo(world, folder, other)]
  const organisation = { type: 'role' as const, value: { organisation: cluster.keys[2]!.account, role: other.role } }
  const byRole = await grantConsent(patientPeer, wallet, owned, {
    sealingKey: cluster.keys[2]!.sealing.publicKey,
    provision: permitTo(other, { grantee: organisation }),
  })
  const open = await openSession(readerPeer, reader, kept.share)
  assert.equal(await readAll(readerPeer, open), ['before'])
  const ended = await openSession(readerPeer, other, gone.share)
  assert.equal(await readAll(readerPeer, ended), ['before'])

  const { epoch, error, committed } = await revokeAndAdvance(patientPeer, wallet, owned, gone.consent)
  assert.is(error, undefined)
  assert.equal([epoch?.epoch, epoch?.rewrapped, epoch?.left, epoch?.stored], [1, 2, [], 4])
  assert.is(committed.height, epoch?.committed.height, 'it is one act')
  await cluster.agree()
  assert.equal([folderIn(cluster, folder).epoch, consentIn(cluster, folder, gone.consent).status], [1, 'revoked'])
  await putRecords(authorPeer, author, address, textRecords(['after']))
  await cluster.agree()

  assert.equal(await readAll(readerPeer, open), ['before', 'after'])
  assert.equal(await readAll(readerPeer, await openSession(readerPeer, reader, kept.share)), ['before', 'after'])
  assert.equal(await readAll(readerPeer, await openSession(readerPeer, other, byRole.share)), ['before', 'after'])
  const own = await openOwnSession(patientPeer, wallet, owned)
  assert.equal(await readAll(patientPeer, own), ['before', 'after'], 'a device that does not know of the epoch yet')
  await rejectsCode(openSession(readerPeer, other, gone.share), 'not-found')
  assert.equal((await listVersions(readerPeer, ended)).versions, [])

  // The key that the revoked reader has opens nothing of what was sealed after.
  const { versions } = await listVersions(patientPeer, own)
  const after = versions.find(({ submission }) => submission.anchor.epoch === 1)!
  const context = sealingContext.versionKey(patientPeer.chainId, owned.id, 1, after.recordId, after.version)
  throwsCode(() => sealingOpener(folderSealingSeed(wallet.seed, 0, 0)).open(after.meta.sealedKey, context), 'unsealing-failed')
  assert.is(sealingOpener(folderSealingSeed(wallet.seed, 0, 1)).open(after.meta.sealedKey, context).length, 32)
  assert.equal(cluster.errors(), [])
})

test('more grants than one request has room for go on together', async world => {
  const { author, reader, authorPeer, readerPeer, patientPeer } = world
  const folder = await openFolder(authorPeer, author, 'of many readers')
  const { wallet, owned, address } = folder
  // Not more at once than a custodian lets wait for their lines.
  const grants = [...(await grantAll(16)), ...(await grantAll(16))]
  async function grantAll(count: number) {
    return await Promise.all(Array.from({ length: count }, async () => await grantTo(world, folder, reader)))
  }
  const epoch = await advanceFolder(patientPeer, wallet, owned)
  assert.equal([epoch.epoch, epoch.rewrapped, epoch.left], [1, 32, []])
  await putRecords(authorPeer, author, address, textRecords(['after']))
  for (const { share } of [grants[0]!, grants[31]!]) {
    assert.equal(await readAll(readerPeer, await openSession(readerPeer, reader, share)), ['after'])
  }
})

test('epoch after epoch, one wrap opens them all, under either suite, and a grant of now opens the past', async world => {
  const { cluster, author, reader, other, authorPeer, readerPeer, patientPeer } = world
  const folder = await openFolder(authorPeer, author, 'of many epochs')
  const { wallet, owned, address } = folder
  const first = await grantTo(world, folder, reader)
  const suites = [SUITE_XWING, SUITE_MLKEM1024, undefined, SUITE_XWING]
  const expected: string[] = []
  for (const [i, suite] of suites.entries()) {
    await putRecords(authorPeer, author, address, textRecords([`epoch ${i}`]))
    expected.push(`epoch ${i}`)
    const { epoch, rewrapped } = await advanceFolder(patientPeer, wallet, owned, { suite })
    assert.equal([epoch, rewrapped], [i + 1, 1])
    await cluster.agree()
    assert.is(suiteOf(folderIn(cluster, folder).sealingKey), suite ?? SUITE_MLKEM1024, 'without a wish the suite stays')
  }
  await putRecords(authorPeer, author, address, textRecords(['the last']))
  expected.push('the last')
  await cluster.agree()
  assert.equal(await readAll(readerPeer, await openSession(readerPeer, reader, first.share)), expected)
  const late = await grantTo(world, folder, other)
  assert.equal(await readAll(readerPeer, await openSession(readerPeer, other, late.share)), expected)
  assert.equal(await readAll(patientPeer, await openOwnSession(patientPeer, wallet, owned)), expected)
  assert.equal(cluster.errors(), [])
})

test('two devices that start an epoch at once start two, and lose no grant', async world => {
  const { cluster, author, reader, other, authorPeer, patientPeer, readerPeer } = world
  const folder = await openFolder(authorPeer, author, 'with two devices')
  const { wallet, owned } = folder
  const [kept, gone] = [await grantTo(world, folder, reader), await grantTo(world, folder, other)]
  const second = await cluster.peer([3])
  const [one, two] = await Promise.all([
    revokeAndAdvance(patientPeer, wallet, owned, gone.consent),
    advanceFolder(second, wallet, owned, { suite: SUITE_MLKEM1024 }),
  ])
  assert.is(one.error, undefined)
  assert.equal([one.epoch!.epoch, two.epoch].sort(), [1, 2])
  await cluster.agree()
  assert.equal([consentIn(cluster, folder, kept.consent).epoch, consentIn(cluster, folder, kept.consent).status], [2, 'active'])
  assert.is(consentIn(cluster, folder, gone.consent).status, 'revoked')
  await putRecords(authorPeer, author, folder.address, textRecords(['both']))
  assert.equal(await readAll(readerPeer, await openSession(readerPeer, reader, kept.share)), ['both'])
})

test('an author who seals to an epoch that has passed seals the keys again and nothing else', async world => {
  const { author, authorPeer, patientPeer, readerPeer, reader } = world
  const folder = await openFolder(authorPeer, author, 'with a busy author')
  const { wallet, owned, address } = folder
  const { share } = await grantTo(world, folder, reader)
  const phases: string[] = []
  let advanced: Promise<unknown> | undefined
  const slow = textRecords(['written while the key changed']).map(input => ({
    ...input,
    content: {
      ...input.content,
      // The author has looked at the folder's key when the content is read.
      open: async function* () {
        advanced ??= advanceFolder(patientPeer, wallet, owned)
        await advanced
        yield* input.content.open()
      },
    },
  }))
  await putRecords(authorPeer, author, address, slow, { onProgress: ({ phase }) => phases.at(-1) !== phase && phases.push(phase) })
  assert.is(phases.filter(phase => phase === 'sealing').length, 1, 'encrypted for its roots once')
  const session = await openSession(readerPeer, reader, share)
  const { versions } = await listVersions(readerPeer, session)
  assert.equal(
    versions.map(({ submission }) => submission.anchor.epoch),
    [1],
  )
  assert.equal(await readAll(readerPeer, session), ['written while the key changed'])
})

test('another owner key of the wallet: found again from the seed alone, and authors and readers need nothing new', async world => {
  const { cluster, author, reader, authorPeer, patientPeer, readerPeer } = world
  const folder = await openFolder(authorPeer, author, 'with a new owner key')
  const { wallet, owned, address } = folder
  const { share } = await grantTo(world, folder, reader)
  await putRecords(authorPeer, author, address, textRecords(['before']))
  assert.is((await rotateOwner(patientPeer, wallet, owned)).index, 1)
  await cluster.agree()
  await rejectsCode(advanceFolder(patientPeer, wallet, owned), 'not-found')
  await putRecords(authorPeer, author, address, textRecords(['after']))
  const { folders, nextIndex } = await scanFolders(readerPeer, { seed: wallet.seed, recoveryKeyHashes: [] })
  assert.equal([folders.map(({ index, keyIndex, label }) => [index, keyIndex, label]), nextIndex], [[[1, 0, 'normal']], 2])
  const found = folders[0]!
  assert.equal((await advanceFolder(patientPeer, wallet, found)).rewrapped, 1)
  await putRecords(authorPeer, author, address, textRecords(['in a new epoch']))
  await cluster.agree()
  const expected = ['before', 'after', 'in a new epoch']
  assert.equal(await readAll(readerPeer, await openSession(readerPeer, reader, share)), expected)
  assert.equal(await readAll(patientPeer, await openOwnSession(patientPeer, wallet, found)), expected)
  assert.is((await rotateOwner(patientPeer, wallet, found)).index, 2)
})

test('where custodians are missing the consent ends all the same, and it is said that no epoch began', async world => {
  const { cluster, author, reader, authorPeer, patientPeer } = world
  const folder = await openFolder(authorPeer, author, 'with few custodians')
  const { wallet, owned } = folder
  const { consent } = await grantTo(world, folder, reader)
  // No custodian is to be reached from this device; the ledger is.
  const nodes = except(patientPeer.nodes, 'request', async () => await Promise.reject(new Error('unreachable')))
  const lost = except(patientPeer, 'nodes', nodes)
  const { epoch, error } = await revokeAndAdvance(lost, wallet, owned, consent)
  assert.is(epoch, undefined)
  assert.is((error as { code?: string }).code, 'too-few-receipts')
  await cluster.agree()
  assert.equal([consentIn(cluster, folder, consent).status, folderIn(cluster, folder).epoch], ['revoked', 0])
})

/** An object with one of its properties replaced for whoever uses it from outside. */
function except<T extends object>(object: T, name: keyof T, value: unknown): T {
  return new Proxy(object, {
    get: (target, key) => {
      if (key === name) return value
      const own = Reflect.get(target, key) as unknown
      return typeof own === 'function' ? own.bind(target) : own
    },
  })
}

test.run()
