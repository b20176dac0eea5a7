/** Several folders of one wallet come back under new keys, whatever breaks off on the way. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent } from '../../src/client/consents.ts'
import { createEnrolment, type OwnedFolder, openFolders, scanFolders, type Wallet } from '../../src/client/folders.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { combineHeld, decodeShareText, shareAmong } from '../../src/client/guardians.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { rotateOwner } from '../../src/client/owner-rotation.ts'
import { putRecords } from '../../src/client/put.ts'
import {
  finishRecovery,
  recoveredFolders,
  recoveryWarnings,
  scanRecoverable,
  startRecovery,
  successorWallet,
  vetoRecovery,
  withEpochs,
} from '../../src/client/recovery.ts'
import { renewRecovered } from '../../src/client/recovery-epochs.ts'
import { encodeKit, openKit } from '../../src/client/recovery-kit.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { folderSealingSeed, readingSeed, recoveryKey, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, eventually, permitTo, seedOf, textRecords } from './cluster.ts'

const test = suite('recovery of a wallet')
const LABELS = ['normal', 'mental-health', 'genetic'] as const
type Known = (typeof LABELS)[number]

function walletFrom(name: string): { wallet: Wallet; recoverySeed: Uint8Array } {
  const recoverySeed = seedOf(`recovery ${name}`)
  const recoveryKeyHashes = Array.from({ length: 8 }, (_, i) => recoveryKeyHash(recoveryKey(recoverySeed, i).publicKey))
  return { recoverySeed, wallet: { seed: seedOf(`owner ${name}`), recoveryKeyHashes } }
}

async function textsIn(peer: LightPeer, session: Session): Promise<string[]> {
  const { versions } = await listVersions(peer, session)
  const texts: string[] = []
  for await (const { content } of readVersions(peer, session, versions)) {
    for await (const piece of content) texts.push(new TextDecoder().decode(piece))
  }
  return texts.sort()
}

async function textsOf(peer: LightPeer, wallet: Wallet): Promise<[string, string[]][]> {
  const { folders } = await scanFolders(peer, wallet)
  const found: [string, string[]][] = []
  const inOrder = [...folders].sort((a, b) => LABELS.indexOf(a.label as Known) - LABELS.indexOf(b.label as Known))
  for (const owned of inOrder) found.push([owned.label, await textsIn(peer, await openOwnSession(peer, wallet, owned))])
  return found
}

test('guardians, a start that breaks off, a thief that objects: no folder and no record is lost', async () => {
  await using cluster = await Cluster.start({ parameters: { recoveryWaitMs: 500, recoverySecondWaitMs: 1_000 } })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const authorPeer = await cluster.peer([0])
  const peer = await cluster.peer([1])
  const lost = walletFrom('lost')
  const enrolment = createEnrolment(lost.wallet, {
    chainId: peer.chainId,
    organisation: author.organisation,
    firstIndex: 0,
    labels: [...LABELS],
  })
  const { folders } = await openFolders(authorPeer, author, enrolment)
  for (const [i, address] of folders.entries()) await putRecords(authorPeer, author, address, textRecords([`before, ${i}`]))

  const [shared] = (await scanFolders(peer, lost.wallet)).folders as [OwnedFolder]
  const provision = permitTo(author, { validity: { start: Date.now() - 60_000, end: Date.now() + 86_400_000 } })
  const { share } = await grantConsent(peer, lost.wallet, shared, { provision, sealingKey: author.sealing.publicKey })

  const kit = encodeKit(lost.wallet, lost.recoverySeed)
  const shares = await shareAmong([{ name: 'a' }, { name: 'b' }, { name: 'c' }], { recoverySeed: lost.recoverySeed, threshold: 2, kit })
  const { recoverySeed, kits } = await combineHeld(shares.slice(1).map(({ text }) => decodeShareText(text)))
  assert.equal([recoverySeed, kits], [lost.recoverySeed, [kit]])
  const former = openKit(kits[0] as string, recoverySeed)
  assert.equal(former, { readingSeed: readingSeed(lost.wallet.seed), takenOver: [] })

  const found = await scanRecoverable(peer, recoverySeed)
  assert.equal(
    found.map(({ id }) => toHex(id)),
    folders.map(({ id }) => toHex(id)),
  )
  let successor = successorWallet(walletFrom('new').wallet, found, former)
  // The start breaks off after the first folder.
  const broken = new AbortController()
  const first = startRecovery(peer, recoverySeed, successor, found, {
    spreadMs: 0,
    signal: broken.signal,
    onProgress: () => broken.abort(new Error('the machine died')),
  })
  await first.then(
    () => assert.unreachable('it broke off'),
    (error: Error) => assert.is(error.message, 'the machine died'),
  )
  assert.is((await recoveryWarnings(peer, lost.wallet)).warnings.length, 1)
  const again = await startRecovery(peer, recoverySeed, successor, await scanRecoverable(peer, recoverySeed), { spreadMs: 0 })
  assert.equal(
    again.map(({ status, isFinal }) => [status, isFinal]),
    Array.from({ length: 3 }, () => ['pending', false]),
  )
  assert.equal((await scanFolders(peer, successor)).folders, [], 'nothing is the new wallet’s before it is finished')
  assert.is((await scanFolders(peer, successor)).nextIndex, 3, 'and no index is used twice')

  // Whoever has the phone objects everywhere, once.
  for (const { owned } of (await recoveryWarnings(peer, lost.wallet)).warnings) await vetoRecovery(peer, lost.wallet, owned)
  assert.equal(
    (await recoveredFolders(peer, successor)).map(({ status }) => status),
    [],
  )
  const second = await startRecovery(peer, recoverySeed, successor, await scanRecoverable(peer, recoverySeed), { spreadMs: 0 })
  successor = withEpochs(successor, second)
  assert.ok(second.every(({ status, isFinal }) => status === 'pending' && isFinal))
  for (const { owned } of (await recoveryWarnings(peer, lost.wallet)).warnings) {
    await rejectsCode(vetoRecovery(peer, lost.wallet, owned), 'veto-used')
  }

  const done = await eventually(async () => {
    const steps = await finishRecovery(peer, successor, { spreadMs: 0 })
    return steps.every(({ status }) => status === 'finished') ? steps : undefined
  }, 'all folders are finished')
  assert.is(done.length, 3)
  assert.equal((await scanFolders(peer, lost.wallet)).folders, [])
  // Its own keys take the place of those that the thief knows; a grant of before goes on under them.
  const renewed = await renewRecovered(peer, successor, { spreadMs: 0 })
  assert.equal(
    renewed.map(({ epoch, code }) => [epoch?.epoch, epoch?.left, code]),
    Array.from({ length: 3 }, () => [1, [], null]),
  )
  assert.is(
    renewed.reduce((sum, { epoch }) => sum + (epoch?.rewrapped ?? 0), 0),
    1,
  )
  assert.equal(await renewRecovered(peer, successor, { spreadMs: 0 }), [], 'once')
  for (const [i, address] of folders.entries()) await putRecords(authorPeer, author, address, textRecords([`later, ${i}`]))
  assert.equal(
    await textsOf(peer, successor),
    LABELS.map((label, i) => [label, [`before, ${i}`, `later, ${i}`]]),
  )
  const reading = await openSession(authorPeer, author, share)
  assert.equal(await textsIn(authorPeer, reading), ['before, 0', 'later, 0'])
  const [of0] = (await scanFolders(peer, successor)).folders
  assert.not.equal(sealingKeyFromSeed(folderSealingSeed(lost.wallet.seed, 0, 1)).publicKey, of0?.folder.sealingKey)

  // The new wallet is lost, too: what the first one wrote comes back with it.
  const next = walletFrom('new')
  const chained = openKit(encodeKit(successor, next.recoverySeed), next.recoverySeed)
  const foundAgain = await scanRecoverable(peer, next.recoverySeed)
  const third = successorWallet(walletFrom('third').wallet, foundAgain, chained)
  await startRecovery(peer, next.recoverySeed, third, foundAgain, { spreadMs: 0 })
  await eventually(async () => {
    const steps = await finishRecovery(peer, third, { spreadMs: 0 })
    return steps.every(({ status }) => status === 'finished') || undefined
  }, 'they are finished again')
  assert.equal(
    (await renewRecovered(peer, third, { spreadMs: 0 })).map(({ epoch, code }) => [epoch?.epoch, code]),
    Array.from({ length: 3 }, () => [2, null]),
  )
  // An owner key of another number changes nothing of what opens the folder, and the recovery key stays.
  const [before] = (await scanFolders(peer, third)).folders as [OwnedFolder]
  await rotateOwner(peer, third, before)
  const rotated = (await scanFolders(peer, third)).folders.find(({ id }) => toHex(id) === toHex(before.id))
  assert.equal([rotated?.index, rotated?.keyIndex, rotated?.folder.recoveryKeyHash], [3, before.keyIndex, before.folder.recoveryKeyHash])
  assert.equal(
    await textsOf(peer, third),
    LABELS.map((label, i) => [label, [`before, ${i}`, `later, ${i}`]]),
  )
  await rejectsCode(
    Promise.resolve().then(() => openKit(kit, next.recoverySeed)),
    'unsealing-failed',
  )
  assert.equal(cluster.errors(), [])
})

test.run()
