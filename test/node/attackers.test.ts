/** Attackers with what they have in their hands: a custodian, some of them together, a thief, somebody on the wire, a reader of before. */
import { cp, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAccessLog } from '../../src/client/access-log.ts'
import { grantConsent } from '../../src/client/consents.ts'
import { revokeAndAdvance } from '../../src/client/epochs.ts'
import { findOwnedFolder } from '../../src/client/folders.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import type { Person } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession, type Session } from '../../src/client/session.ts'
import { accessEntryId } from '../../src/contracts/access-formats.ts'
import { commitmentSalt } from '../../src/crypto/object-stream.ts'
import { type SealingOpener, sealingKeyFromSeed, sealingOpener } from '../../src/crypto/sealing.ts'
import { combineShares, splitSecret } from '../../src/crypto/secret-sharing.ts'
import { folderSealingSeed, ownerKey } from '../../src/crypto/wallet.ts'
import { concat } from '../../src/encoding/bytes.ts'
import { fragmentRootProof } from '../../src/fragments/dispersal.ts'
import { erasureCode } from '../../src/fragments/erasure.ts'
import { sealingContext, type VersionMeta, versionMetaCodec } from '../../src/fragments/formats.ts'
import { openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { assemble } from '../../src/fragments/gather.ts'
import { chunkLeaf } from '../../src/fragments/hasher.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import type { FragmentSource } from '../../src/fragments/source-reader.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { type HeldVersion, Submissions } from '../../src/node/custodian/submissions.ts'
import { homePaths } from '../../src/node/home.ts'
import { Keyring } from '../../src/node/keyring.ts'
import { createNodeKeystore, newNodeSecrets, openNodeKeystore } from '../../src/node/keys.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { chunks } from '../fragments/dispersed.ts'
import { needle, Search } from '../needles.ts'
import { Cluster, nodeKeys, openFolder, permitTo, seedOf, type TestFolder, textRecords } from './cluster.ts'
import { WireTap } from './wire-tap.ts'

/** The node whose disk others get to see. */
const VICTIM = 3
const SECRETS = ['Wanjiru Kamau, HIV positive since 2019', 'sertraline 50 mg, after the second attempt']
const AFTER = 'what was written after the revocation'
const NOTE = 'Doctor Achieng of the night shift'
/** First byte of the keys under which a custodian keeps grants. */
const WRAP = 1
const PASSPHRASE = 'a passphrase of a node'

interface Seen {
  meta: VersionMeta
  epoch: number
}

interface World {
  cluster: Cluster
  taps: WireTap[]
  folder: TestFolder
  reader: Person
  gone: Person
  goneSession: Session
  goneShare: Parameters<typeof openSession>[2]
  readerPeer: LightPeer
  patientPeer: LightPeer
  /** What the patient sees of each version: the ground truth of the search. */
  versions: Seen[]
  entries: Uint8Array[]
}

const test = suite<World>('attackers')

async function readAll(peer: LightPeer, session: Session): Promise<string[]> {
  const texts: string[] = []
  for await (const { content } of readVersions(peer, session, (await listVersions(peer, session)).versions)) {
    const parts: Uint8Array[] = []
    for await (const piece of content) parts.push(Uint8Array.from(piece))
    texts.push(new TextDecoder().decode(concat(...parts)))
  }
  return texts
}

/** Long texts that compress badly: their fragments are files of their own. */
function long(text: string): string {
  return `${text} ${Array.from({ length: 9_000 }, (_, i) => Buffer.from(seedOf(text, i)).toString('base64')).join('')} ${text}`
}

test.before(async world => {
  const cluster = await Cluster.start()
  const [author, reader, gone] = [cluster.person(0), cluster.person(1), cluster.person(2)]
  for (const [node, person] of [author, reader, gone].entries()) await cluster.staff(node, [person])
  const taps: WireTap[] = []
  const tapped: string[] = []
  for (const address of cluster.addresses) {
    const tap = await WireTap.before(Number(/tcp\/(\d+)/.exec(address)?.[1]))
    taps.push(tap)
    tapped.push(address.replace(/tcp\/\d+/, `tcp/${tap.port}`))
  }
  const order = (...nodes: number[]): string[] => nodes.map(node => tapped[node] as string)
  const authorPeer = await cluster.peer(order(0, 1, 2, 3))
  const readerPeer = await cluster.peer(order(1, 2, 3, 0))
  const patientPeer = await cluster.peer(order(2, 0, 1, 3))
  const folder = await openFolder(authorPeer, author, 'patient')
  const { wallet, owned, address } = folder
  await putRecords(authorPeer, author, address, textRecords([...SECRETS, long(SECRETS[0] as string)]))
  const grant = async (person: Person) =>
    await grantConsent(patientPeer, wallet, owned, { sealingKey: person.sealing.publicKey, provision: permitTo(person), note: NOTE })
  const [kept, goneGrant] = [await grant(reader), await grant(gone)]
  assert.equal((await readAll(readerPeer, await openSession(readerPeer, reader, kept.share))).slice(0, 2), SECRETS)
  const goneSession = await openSession(readerPeer, gone, goneGrant.share)
  assert.equal((await readAll(readerPeer, goneSession)).slice(0, 2), SECRETS)
  const { error } = await revokeAndAdvance(patientPeer, wallet, owned, goneGrant.consent)
  assert.is(error, undefined)
  await putRecords(authorPeer, author, address, textRecords([AFTER]))
  await cluster.agree()
  const own = await openOwnSession(patientPeer, wallet, owned)
  assert.is((await readAll(patientPeer, own)).at(-1), AFTER)
  const versions = (await listVersions(patientPeer, own)).versions.map(({ meta, submission }) => ({ meta, epoch: submission.anchor.epoch }))
  const { entries } = await readAccessLog(patientPeer, wallet, await findOwnedFolder(patientPeer, wallet, owned.id))
  const seen = { versions, entries: entries.map(({ entry }) => accessEntryId(entry)) }
  Object.assign(world, { cluster, taps, folder, reader, gone, goneSession, goneShare: goneGrant.share, readerPeer, patientPeer, ...seen })
})

test.after(async ({ cluster, taps }) => {
  await cluster.stop()
  for (const tap of taps) await tap[Symbol.asyncDispose]()
})

function keyContext({ cluster, folder }: World, { meta, epoch }: Seen) {
  const { recordId, version } = meta.leaf
  return sealingContext.versionKey(cluster.node(0).chain.chainId, folder.owned.id, epoch, recordId, version)
}

/** The key of a version, as the patient has it. */
function dekOf(world: World, seen: Seen): Uint8Array {
  return sealingOpener(folderSealingSeed(world.folder.wallet.seed, 0, seen.epoch)).open(seen.meta.sealedKey, keyContext(world, seen))
}

/** What nobody but the patient and their readers may ever have. */
function contents(world: World) {
  const { folder, versions } = world
  return [
    ...[...SECRETS, AFTER, NOTE].map(text => needle(`the text "${text.slice(0, 8)}..."`, text)),
    needle('the wallet', folder.wallet.seed),
    ...[0, 1].map(epoch => needle(`the folder's key of epoch ${epoch}`, folderSealingSeed(folder.wallet.seed, 0, epoch))),
    ...versions.map((seen, i) => needle(`the key of version ${i}`, dekOf(world, seen))),
    ...versions.map((seen, i) => needle(`what opens the commitment to version ${i}`, commitmentSalt(dekOf(world, seen)))),
    ...[1, 2].map(organisation => needle(`the seed of reader ${organisation}`, seedOf(`sealing ${organisation} physician`))),
  ]
}

/** What a custodian knows of a folder, and nobody outside. */
function metadata({ reader, gone, versions }: World) {
  return [
    ...versions.flatMap(({ meta }, i) => [
      needle(`the sealed key of version ${i}`, meta.sealedKey),
      needle(`the salt of version ${i}`, meta.salt),
      needle(`the record's id of version ${i}`, meta.leaf.recordId),
    ]),
    needle('the key of a grantee', reader.signing.publicKey),
    needle('the key of a grantee of before', gone.signing.publicKey),
  ]
}

async function filesUnder(root: string): Promise<string[]> {
  const names = (await readdir(root, { recursive: true })).map(name => join(root, name))
  const kinds = await Promise.all(names.map(async name => (await stat(name)).isFile()))
  return names.filter((_, i) => kinds[i])
}

test('network observer: the wire between a wallet and the nodes shows neither contents nor what they are about', async world => {
  const { taps, folder, entries, cluster, versions, goneShare } = world
  const search = new Search([
    ...contents(world),
    ...metadata(world),
    needle('the id of the folder', folder.owned.id),
    // The ledger has it with each act of the owner; the wire must not.
    needle('the key of the owner', ownerKey(folder.wallet.seed, 0).publicKey),
    needle('the id of a consent', goneShare.consent),
    ...entries.map((id, i) => needle(`the id of access entry ${i}`, id)),
    ...versions.map(({ meta }, i) => needle(`the dispersal root of version ${i}`, meta.leaf.dispersalRoot)),
    needle('the chain', cluster.node(0).chain.chainId),
  ])
  for (const tap of taps) {
    const { bytes } = tap
    assert.ok(bytes.includes('/noise'), 'what is recorded is what went over the wire')
    assert.equal(search.in(bytes), [])
  }
  assert.ok(search.searched > 1_000_000, `${search.searched} bytes went by`)
})

test('revoked clinician: with all that was kept of before, neither old nor new versions come', async world => {
  const { readerPeer, gone, goneShare, goneSession, versions, folder } = world
  await rejectsCode(openSession(readerPeer, gone, goneShare), 'not-found')
  const { versions: shown } = await listVersions(readerPeer, goneSession)
  assert.equal(shown, [])
  const old = sealingOpener(folderSealingSeed(folder.wallet.seed, 0, 0))
  const newer = versions.filter(({ epoch }) => epoch === 1)
  assert.is(newer.length, 1)
  for (const seen of newer) throwsCode(() => old.open(seen.meta.sealedKey, keyContext(world, seen)), 'unsealing-failed')
})

test('stolen patient device: whoever has the unlocked wallet reads, and every look is a line that the patient sees elsewhere', async world => {
  const { cluster, folder } = world
  const thief = await cluster.peer([1])
  const before = world.entries.length
  const stolen = { seed: folder.wallet.seed, recoveryKeyHashes: [] }
  const owned = await findOwnedFolder(thief, stolen, folder.owned.id)
  assert.is((await readAll(thief, await openOwnSession(thief, stolen, owned))).at(-1), AFTER)
  await cluster.agree()
  const { entries, uncovered } = await readAccessLog(world.patientPeer, folder.wallet, folder.owned)
  assert.equal([entries.length, uncovered.length], [before + 1, 0])
  assert.is(entries.at(-1)?.organisation, null, 'a line of the owner, which the patient did not make')
})

/** What a custodian has: its own disk, and its own keys with which it reads it. */
interface Custody {
  /** Versions as they are held. */
  versions: { meta: VersionMeta; fragmentRoots: Uint8Array[]; index: number; epoch: number; n: number; k: number; fragment: Uint8Array }[]
  /** Everything that its keyring opens, with what lies in the stores as it is. */
  values: Uint8Array[]
}

/** Opens a copy of a node's custody with its own keys and code. */
async function openCustody(home: string): Promise<Custody> {
  const paths = homePaths(home)
  const store = await openLevelStore(paths.custody)
  try {
    const keyring = await Keyring.open(paths.keyring, nodeKeys(VICTIM).storage)
    const submissions = new Submissions(store.sublevel('submissions'), keyring)
    const fragments = await openFragmentStore({ dir: paths.fragments, store: store.sublevel('fragment-store'), quotaBytes: 2 ** 30 })
    const custody: Custody = { versions: [], values: [] }
    for await (const { root, submission } of submissions.all()) {
      for (let leaf = 0; leaf < submission.versions; leaf++) {
        const held = (await submissions.version(root, leaf)) as HeldVersion
        const { index, epoch, n, k } = submission
        const fragment = await fragments.readAll({ dispersalRoot: held.meta.leaf.dispersalRoot, index })
        custody.versions.push({ ...held, fragmentRoots: [...held.fragmentRoots], index, epoch, n, k, fragment })
        custody.values.push(versionMetaCodec.encode(held.meta), fragment)
      }
    }
    for await (const [key, value] of store.iterator()) custody.values.push(key, value)
    for await (const [key, value] of store.sublevel('folders').iterator()) {
      if (key[0] === WRAP) custody.values.push(keyring.open(value, key))
    }
    await fragments.close()
    return custody
  } finally {
    await store.close()
  }
}

test('curious custodian: with its disk, its keyring and its keys it reads no record, no note and no key', async world => {
  const { cluster, folder } = world
  await cluster.stopNode(VICTIM)
  const home = join(cluster.dir, 'copy')
  await cp(cluster.home(VICTIM), home, { recursive: true })
  const custody = await openCustody(home)
  assert.is(custody.versions.length, 4, 'it holds a fragment and the metadata of each version')
  const search = new Search(contents(world))
  for (const value of custody.values) assert.equal(search.in(value), [])
  for (const path of await filesUnder(home)) assert.equal(search.in(await readFile(path)), [], path)
  // What it does know is found: the search has seen the right bytes.
  const known = new Search(metadata(world).filter(({ name }) => !name.includes('of before')))
  assert.is(new Set(custody.values.flatMap(value => known.in(value))).size, 4 * 3 + 1)
  for (const { meta, epoch, index, k, n, fragment, fragmentRoots } of custody.versions) {
    const context = keyContext(world, { meta, epoch })
    for (const key of [nodeKeys(VICTIM).sealing, sealingKeyFromSeed(nodeKeys(VICTIM).storage)] as SealingOpener[]) {
      throwsCode(() => key.open(meta.sealedKey, context), 'unsealing-failed')
    }
    const chunkLeaves = Array.from({ length: Math.ceil(fragment.length / CHUNK_BYTES) }, (_, i) => chunkLeaf(chunkOf(fragment, i)))
    const source: FragmentSource = {
      index,
      fragmentRoot: fragmentRoots[index] as Uint8Array,
      proof: fragmentRootProof(fragmentRoots, index),
      chunkLeaves,
      open: firstChunk => chunks(fragment, firstChunk),
    }
    const all = assemble({ n, k, size: meta.size, dispersalRoot: meta.leaf.dispersalRoot, sources: [source] })
    await rejectsCode(drain(all), 'too-few-fragments')
  }
  // Together with a reader whose consent ended it has keys of before, and one fragment, of which k are needed.
  const old = sealingOpener(folderSealingSeed(folder.wallet.seed, 0, 0))
  const opened = custody.versions.filter(({ meta, epoch }) => {
    try {
      return old.open(meta.sealedKey, keyContext(world, { meta, epoch })).length === 32
    } catch {
      return false
    }
  })
  assert.equal([opened.length, opened.every(({ k }) => k === 2)], [3, true])
})

test('stolen disk: without the passphrase it shows which folders are held, and neither metadata nor keys', async world => {
  const home = join(world.cluster.dir, 'stolen')
  await cp(world.cluster.home(VICTIM), home, { recursive: true })
  const paths = homePaths(home)
  const secrets = newNodeSecrets(name => seedOf(`node ${name}`, VICTIM))
  await createNodeKeystore(paths.keystore, PASSPHRASE, secrets, { scrypt: { N: 2 ** 12, r: 8, p: 1 } })
  const folder = new Search([needle('the id of the folder', world.folder.owned.id)])
  const search = new Search([
    ...contents(world),
    ...metadata(world),
    needle('the passphrase', PASSPHRASE),
    ...Object.entries(secrets).map(([name, seed]) => needle(`the node's ${name} key`, seed)),
  ])
  for (const path of await filesUnder(home)) assert.equal(search.in(await readFile(path)), [], path)
  const store = await openLevelStore(paths.custody)
  let shown = 0
  for await (const [key, value] of store.iterator()) {
    const both = concat(key, value)
    assert.equal(search.in(both), [])
    shown += folder.in(both).length
  }
  await store.close()
  assert.ok(shown > 0, 'it does show whose fragments are here, by folder')
  await rejectsCode(openNodeKeystore(paths.keystore, 'a guess'), 'wrong-passphrase')
  for (const guess of [new Uint8Array(32), nodeKeys(VICTIM).account, nodeKeys(VICTIM).network.publicKey, seedOf('a guess')]) {
    await rejectsCode(Keyring.open(paths.keyring, guess), 'keyring-corrupt')
  }
  // With the passphrase the same disk opens: it is the key that was missing.
  const { storage } = await openNodeKeystore(paths.keystore, PASSPHRASE)
  assert.ok((await Keyring.open(paths.keyring, storage)) instanceof Keyring)
})

test(
  'f colluding custodians: to f fragments of n = 3f + 1 any content is as likely as the true one, and f shares are no key',
  property(async random => {
    for (const f of [1, 2, 3]) {
      const [n, k] = [3 * f + 1, f + 1]
      const ciphertext = random.bytes(k * 64)
      const code = erasureCode({ n, k })
      const data = Array.from({ length: k }, (_, i) => ciphertext.subarray(i * 64, (i + 1) * 64))
      const fragments = code.encodeStripe(concat(...data))
      const theirs = new Set<number>()
      while (theirs.size < f) theirs.add(random.below(n))
      const known = fragments.map((fragment, i) => (theirs.has(i) ? fragment : undefined))
      throwsCode(() => code.decodeStripe(known, 64), 'too-few-fragments')
      const missing = fragments.findIndex((_, i) => !theirs.has(i))
      const seen = new Set<string>()
      for (let guess = 0; guess < 20; guess++) {
        const possible = code.decodeStripe(
          known.map((fragment, i) => (i === missing ? random.bytes(64) : fragment)),
          64,
        )
        const again = code.encodeStripe(possible)
        for (const i of theirs) assert.equal(Buffer.from(again[i] as Uint8Array), Buffer.from(fragments[i] as Uint8Array))
        seen.add(Buffer.from(possible).toString('hex'))
      }
      assert.is(seen.size, 20, 'each guess is a content that fits what they hold')

      const secret = random.bytes(32)
      const { shares, commitments } = await splitSecret(secret, { shares: n, threshold: k })
      const held = [...theirs].map(position => ({ position, share: shares[position] as Uint8Array }))
      await rejectsCode(combineShares(held, commitments), 'too-few-shares')
      const search = new Search([needle('the secret', secret)])
      for (const { share } of held) assert.equal(search.in(share), [])
      if (f > 1) {
        // Fewer shares combined all the same give something else, which the commitment tells from the key.
        await rejectsCode(combineShares(held, { ...commitments, threshold: f }), 'shares-inconsistent')
      }
    }
  }),
)

function chunkOf(fragment: Uint8Array, index: number): Uint8Array {
  return fragment.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)
}

async function drain(pieces: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of pieces);
}

test.run()
