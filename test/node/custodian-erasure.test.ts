/** What the ledger orders to be erased is destroyed at a custodian, in older copies of its disk too, and signed for. */
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eraseBodyCodec, erasureMark } from '../../src/contracts/records-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { verifySignature } from '../../src/crypto/signature.ts'
import { concat } from '../../src/encoding/bytes.ts'
import { domain } from '../../src/encoding/hash.ts'
import { merkleRoot } from '../../src/encoding/merkle.ts'
import { erasureReceiptBytes, erasureReceiptCodec, submissionRoot, type VersionMeta } from '../../src/fragments/formats.ts'
import { openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { erasuresResponseCodec, FOLDER_ASK_DOMAIN, folderAskCodec, folderRequestCodec } from '../../src/network/light-messages.ts'
import { ErasureService } from '../../src/node/custodian/erasure.ts'
import { ErasureReceipts } from '../../src/node/custodian/erasure-receipts.ts'
import { Submissions } from '../../src/node/custodian/submissions.ts'
import { Keyring } from '../../src/node/keyring.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { eventually, nodeKeys, seedOf } from './cluster.ts'
import { upload, uploadsOf } from './custodian-uploads.ts'
import { CUSTODIAN, CustodianWorld, type Held, INDEX, owner } from './custodian-world.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('erasure at a custodian')
const PEER = seedOf('peer')

const markOf = ({ salt, leaf }: VersionMeta): Uint8Array => erasureMark(salt, leaf.recordId, leaf.version)
const fragmentOf = ({ leaf }: VersionMeta) => ({ dispersalRoot: leaf.dispersalRoot, index: INDEX })
const metaOf = ({ metas }: Held, leaf = 0): VersionMeta => metas[leaf] as VersionMeta

/** Runs with erasures carried out, until they have done what there is. */
async function erasing(world: CustodianWorld, act: (service: ErasureService) => Promise<void>): Promise<void> {
  const service = world.erasures()
  await service.start()
  try {
    await act(service)
  } finally {
    await service.stop()
  }
}

const receiptsOf = async (world: CustodianWorld, ...metas: VersionMeta[]) =>
  (await world.receipts.find(world.folder, metas.map(markOf))).map(({ receipt, signature }) => ({
    ...erasureReceiptCodec.decode(receipt),
    isSigned: verifySignature(CUSTODIAN.signing.publicKey, erasureReceiptBytes(erasureReceiptCodec.decode(receipt)), signature),
  }))

/** Waits until a version is gone and signed for. */
async function signed(world: CustodianWorld, ...metas: VersionMeta[]): Promise<void> {
  await eventually(async () => (await receiptsOf(world, ...metas)).length === metas.length, 'the custodian has signed')
}

/** Names of files under a folder that hold these bytes. */
async function filesWith(dir: string, bytes: Uint8Array): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const content = entry.isFile() ? await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0)) : Buffer.alloc(0)
    if (content.includes(Buffer.from(bytes))) found.push(entry.name)
  }
  return found
}

test('fragment, sealed key and salt of an erased version go; its receipt is signed; the other versions stay, and their proofs hold', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [200_000, 3000, 4000])
  await world.anchor(held)
  await world.submissions.markAnchored(held.root)
  const before = (await world.submissions.get(held.root))?.bytes ?? 0
  const used = world.fragments.usage()
  const [file, inline] = await Promise.all([0, 1].map(async leaf => await world.fragments.readAll(fragmentOf(metaOf(held, leaf)))))
  assert.ok((await filesWith(world.dir, (file as Uint8Array).subarray(500, 600))).length > 0)
  assert.ok((await filesWith(world.dir, (inline as Uint8Array).subarray(500, 600))).length > 0)
  await erasing(world, async service => {
    await world.erase(metaOf(held, 0))
    await world.erase(metaOf(held, 1))
    await signed(world, metaOf(held, 0), metaOf(held, 1))
    await service.settled()
  })
  for (const leaf of [0, 1]) {
    assert.not.ok(world.fragments.has(fragmentOf(metaOf(held, leaf))))
    assert.is(await world.submissions.version(held.root, leaf), undefined)
    assert.ok(await world.submissions.isErased(held.root, leaf))
  }
  for (const receipt of await receiptsOf(world, metaOf(held, 0), metaOf(held, 1))) {
    assert.ok(receipt.isSigned && receipt.destroyed)
    assert.ok(receipt.height >= 4 && receipt.height <= world.chain.tip.header.height, String(receipt.height))
    assert.equal(receipt.custodian, CUSTODIAN.account)
  }
  // Neither the file nor the bytes in LevelDB's files are there.
  for (const bytes of [file, inline]) assert.equal(await filesWith(world.dir, (bytes as Uint8Array).subarray(500, 600)), [])
  // The third is as it was, and the leaves give the root.
  assert.equal((await world.submissions.version(held.root, 2))?.meta, metaOf(held, 2))
  assert.ok((await world.fragments.readAll(fragmentOf(metaOf(held, 2)))).length > 0)
  const hashes = await Promise.all([0, 1, 2].map(async leaf => (await world.submissions.leafHash(held.root, leaf)) as Uint8Array))
  assert.equal(merkleRoot(hashes), held.root)
  assert.equal(submissionRoot(held.metas.map(({ leaf }) => leaf)), held.root)
  const freed = (file as Uint8Array).length + (inline as Uint8Array).length
  assert.is((await world.submissions.get(held.root))?.bytes, before - freed)
  assert.equal(world.fragments.usage(), { bytes: used.bytes - freed, fragments: used.fragments - 2 })
  assert.equal(world.errors, [])
})

test('an older copy of the custody gives nothing back without the key that was destroyed; with it, the ledger is obeyed first', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [200_000, 3000])
  await world.anchor(held)
  await world.submissions.markAnchored(held.root)
  using backup = temporary()
  for (const part of ['custody', 'fragments', 'keyring.json']) await cp(join(world.dir, part), join(backup.dir, part), { recursive: true })
  await erasing(world, async () => {
    await world.erase(metaOf(held))
    await signed(world, metaOf(held))
  })

  const open = async (keyringPath: string) => {
    const store = await openLevelStore(join(backup.dir, 'custody'))
    const keyring = await Keyring.open(keyringPath, seedOf('master'))
    const fragments = await openFragmentStore({
      dir: join(backup.dir, 'fragments'),
      store: store.sublevel('fragments'),
      quotaBytes: 2 ** 30,
    })
    const submissions = new Submissions(store.sublevel('submissions'), keyring)
    const { chain, logger, clock } = world
    const identity = { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing }
    const receipts = new ErasureReceipts(identity, { chain, store: store.sublevel('erasures'), now: () => clock.now })
    const service = new ErasureService({ chain, fragments, submissions, keyring, receipts, sealed: [submissions], logger })
    const close = async (): Promise<void> => {
      await service.stop()
      await fragments.close()
      await store.close()
    }
    return { fragments, submissions, receipts, service, [Symbol.asyncDispose]: close }
  }
  {
    // The keyring of today: nothing of what the copy holds in this folder can be opened any more.
    await using copy = await open(join(world.dir, 'keyring.json'))
    for (const leaf of [0, 1]) await rejectsCode(copy.submissions.version(held.root, leaf), 'forgotten')
    await copy.service.start()
    await copy.service.settled()
    assert.not.ok(await copy.submissions.isErased(held.root, 0))
    assert.equal(await copy.receipts.find(world.folder, [markOf(metaOf(held))]), [], 'what cannot be known is not signed')
  }
  // Against the rules, the keyring was in the backup as well: everything is there, until the start has obeyed the ledger.
  await using copy = await open(join(backup.dir, 'keyring.json'))
  assert.equal((await copy.submissions.version(held.root, 0))?.meta.sealedKey, metaOf(held).sealedKey)
  await copy.service.start()
  assert.is(await copy.submissions.version(held.root, 0), undefined)
  assert.not.ok(copy.fragments.has(fragmentOf(metaOf(held))))
  assert.equal((await copy.submissions.version(held.root, 1))?.meta, metaOf(held, 1))
  await eventually(async () => (await copy.receipts.find(world.folder, [markOf(metaOf(held))])).length === 1, 'it has signed again')
})

for (const what of ['the fragment', 'the version', 'the key at rest'] as const) {
  test(`after a crash before ${what} was destroyed nothing is signed, and the next start goes on`, async () => {
    await using world = await CustodianWorld.open()
    const held = await world.hold('a', [200_000, 3000])
    await world.anchor(held)
    await world.submissions.markAnchored(held.root)
    const fails = async (): Promise<never> => {
      throw new Error('the disk failed')
    }
    const { chain, fragments, submissions, keyring, receipts, desk, logger } = world
    const broken = new ErasureService({
      chain,
      fragments: what === 'the fragment' ? breaking(fragments, 'dropFragment', fails) : fragments,
      submissions: what === 'the version' ? breaking(submissions, 'erase', fails) : submissions,
      keyring,
      receipts,
      sealed: what === 'the key at rest' ? [{ reseal: fails }] : [submissions, desk],
      logger,
    })
    await broken.start()
    await world.erase(metaOf(held))
    await eventually(() => world.errors.length > 0, 'it fails')
    await broken.stop()
    assert.equal(await receiptsOf(world, metaOf(held)), [])
    await erasing(world, async () => {
      assert.is(await submissions.version(held.root, 0), undefined)
      assert.not.ok(fragments.has(fragmentOf(metaOf(held))))
      await signed(world, metaOf(held))
    })
    assert.equal((await receiptsOf(world, metaOf(held)))[0]?.destroyed, true)
    assert.equal((await submissions.version(held.root, 1))?.meta, metaOf(held, 1))
  })
}

/** The same object with another method. */
function breaking<T extends object>(target: T, method: keyof T, by: () => Promise<never>): T {
  return new Proxy(target, {
    get(object, name) {
      if (name === method) return by
      const value = Reflect.get(object, name, object)
      return typeof value === 'function' ? value.bind(object) : value
    },
  })
}

test('after a snapshot took the place of the ledger all that the new one orders is carried out, and before that nothing is signed', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [3000])
  await world.anchor(held)
  const { fragments, submissions, keyring, receipts, desk, logger } = world
  let replaced = (): void => undefined
  const chain = {
    ...{ chainId: world.chain.chainId, onCommit: () => () => undefined },
    onReplace: (listener: () => void) => {
      replaced = listener
      return () => undefined
    },
    get tip() {
      return world.chain.tip
    },
  } as unknown as typeof world.chain
  const service = new ErasureService({ chain, fragments, submissions, keyring, receipts, sealed: [submissions, desk], logger })
  await service.start()
  await world.erase(metaOf(held))
  await service.settled()
  assert.ok(await submissions.version(held.root, 0), 'no block told of the order')
  replaced()
  assert.equal(await receiptsOf(world, metaOf(held)), [])
  await signed(world, metaOf(held))
  assert.is(await submissions.version(held.root, 0), undefined)
  assert.equal((await receiptsOf(world, metaOf(held)))[0]?.destroyed, true)
  await service.stop()
})

test('under a mark that names nothing held here, it is said that nothing is held; under one that is not in the ledger, nothing', async () => {
  await using world = await CustodianWorld.open()
  const [never, elsewhere] = [await world.hold('a', [300]), await world.hold('b', [300])]
  await world.submissions.delete(elsewhere.root)
  await erasing(world, async () => {
    await world.erase(metaOf(elsewhere))
    await signed(world, metaOf(elsewhere))
    assert.equal(await receiptsOf(world, metaOf(never)), [])
  })
  const [receipt] = await receiptsOf(world, metaOf(elsewhere))
  assert.ok(receipt?.isSigned)
  assert.not.ok(receipt?.destroyed)
  assert.ok(await world.submissions.version(never.root, 0))
})

test('whoever has a fragment of another folder in a submission of their own cannot have it destroyed', async () => {
  await using world = await CustodianWorld.open()
  const [theirs, own] = [await world.hold('a', [200_000]), await world.hold('b', [3000])]
  const stolen = metaOf(theirs).leaf.dispersalRoot
  const key = fragmentOf(metaOf(theirs))
  const bytes = await world.fragments.readAll(key, { maxBytes: 2 ** 20 })
  const writer = world.fragments.begin(key, bytes.length)
  for (let at = 0; at < bytes.length; at += 65_536) await writer.write(bytes.subarray(at, at + 65_536))
  const { fragmentRoot } = world.fragments.info(key) as { fragmentRoot: Uint8Array }
  await world.fragments.commitSubmission([{ writer, expectedRoot: fragmentRoot }], {
    submissionRoot: own.root,
    stagedUntilMs: world.clock.now,
  })
  assert.not.ok(await world.fragments.dropFragment(own.root, stolen))
  assert.equal(await world.fragments.readAll(key, { maxBytes: 2 ** 20 }), bytes)
  assert.not.ok(await world.fragments.dropFragment(seedOf('no submission'), stolen))
  assert.ok(await world.fragments.dropFragment(theirs.root, stolen))
  assert.not.ok(world.fragments.has(key))
})

test('an erased version is not taken again, before nor while its erasure is carried out', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [3000])
  await world.anchor(held)
  await world.submissions.markAnchored(held.root)
  const { submissions } = world
  const erasures = world.erasures()
  await erasures.start()
  const take = async (fragments = world.fragments): Promise<string | undefined> =>
    await upload(world, uploadsOf(world, { stagedQuotaBytes: 2 ** 20 }, { fragments, erasures }), held)
  // Here lies another index than the one that placement gives: the place is taken anew.
  await world.fragments.dropSubmission(held.root)
  await submissions.delete(held.root)
  assert.is(await take(), 'receipt')
  // The order comes in between the look at the ledger and the write.
  const late = breaking(world.fragments, 'commitSubmission', (async (...args: Parameters<typeof world.fragments.commitSubmission>) => {
    await world.erase(metaOf(held))
    await signed(world, metaOf(held))
    await world.fragments.commitSubmission(...args)
  }) as never)
  assert.is(await take(late), 'erased')
  await erasures.settled()
  assert.equal(await world.fragments.fragmentsOf(held.root), [])
  assert.is(await submissions.version(held.root, 0), undefined)
  assert.is(await take(), 'erased')
  assert.equal(await world.fragments.fragmentsOf(held.root), [])
  await erasures.stop()
})

test('receipts are for the owner, on this connection, chain and folder', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [3000])
  await world.anchor(held)
  await erasing(world, async () => {
    await world.erase(metaOf(held))
    await signed(world, metaOf(held))
  })
  const right = {
    chainId: world.chain.chainId,
    folder: world.folder,
    consent: null,
    custodian: CUSTODIAN.account,
    peer: PEER,
    time: world.clock.now,
  }
  const ask = async (changes: Partial<typeof right> = {}, key = owner): Promise<number> => {
    const content = folderAskCodec.encode({ ...right, ...changes })
    const signature = key.sign(concat(domain(FOLDER_ASK_DOMAIN), content))
    const value = { content, key: key.publicKey, signature, marks: [markOf(metaOf(held)), seedOf('no mark')] }
    const answer = await world.desk.answer(folderRequestCodec.encode({ type: 'erasures', value }), PEER)
    return erasuresResponseCodec.decode(answer).receipts.length
  }
  assert.is(await ask(), 1)
  await rejectsCode(ask({}, nodeKeys(0).signing), 'not-found')
  for (const changes of [
    { chainId: seedOf('chain') },
    { folder: seedOf('folder') },
    { custodian: seedOf('custodian') },
    { peer: seedOf('other') },
    { time: world.clock.now - 600_000 },
  ]) {
    await rejectsCode(ask(changes), 'not-found')
  }
})

test('an order by somebody else is no order', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [3000])
  await world.anchor(held)
  const body = eraseBodyCodec.encode({ marks: [markOf(metaOf(held))] })
  await erasing(world, async () => {
    for (const by of ['author', 'readers'] as const) {
      await world.commit('records', 'erase', body, by)
      assert.is(world.chain.tip.tree.get(stateKey.erasure(world.folder, markOf(metaOf(held)))), undefined)
    }
  })
  assert.ok(await world.submissions.version(held.root, 0))
})

test.run()
