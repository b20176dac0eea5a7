import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { classCommitment, sealedKeyHash, type VersionMeta } from '../../src/fragments/formats.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { type HeldVersion, type Submission, Submissions } from '../../src/node/custodian/submissions.ts'
import { Keyring } from '../../src/node/keyring.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { seedOf } from './cluster.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('submissions')

function submissionOf(changes: Partial<Submission> = {}): Submission {
  return {
    folder: seedOf('folder'),
    epoch: 0,
    index: 2,
    versions: 2,
    n: 4,
    k: 2,
    memberHeight: 0,
    label: 'normal',
    labelSalt: seedOf('label salt'),
    sponsor: seedOf('sponsor'),
    bytes: 1000,
    anchored: false,
    stagedUntil: 5000,
    ...changes,
  }
}

function versionOf(name: string): HeldVersion {
  const sealedKey = seedOf(`sealed key ${name}`)
  const salt = seedOf(`salt ${name}`)
  const leaf = {
    recordId: seedOf(`record ${name}`),
    version: 1,
    dispersalRoot: seedOf(`dispersal ${name}`),
    commitment: seedOf(`commitment ${name}`),
    sealedKeyHash: sealedKeyHash(sealedKey),
    classCommitment: classCommitment(salt, 'laboratory', 77),
  }
  const meta: VersionMeta = { leaf, sealedKey, salt, class: 'laboratory', dataTime: 77, size: 300 }
  return { meta, fragmentRoots: [seedOf(`fragment ${name}`), seedOf('a'), seedOf('b')] }
}

async function opened(dir: string): Promise<{ store: KeyValueStore; keyring: Keyring; submissions: Submissions } & AsyncDisposable> {
  const store = await openLevelStore(join(dir, 'custody'))
  const keyring = await Keyring.open(join(dir, 'keyring.json'), seedOf('master'))
  const submissions = new Submissions(store.sublevel('submissions'), keyring)
  await submissions.start()
  return { store, keyring, submissions, [Symbol.asyncDispose]: async () => await store.close() }
}

/** Every byte that the store holds. */
async function contents(store: KeyValueStore): Promise<string> {
  let all = ''
  for await (const [key, value] of store.iterator()) all += `${toHex(key)}=${toHex(value)}\n`
  return all
}

test('a submission and its versions are there until they are deleted, over a restart too', async () => {
  using place = temporary()
  const root = seedOf('root')
  const versions = [versionOf('a'), versionOf('b')]
  {
    await using custody = await opened(place.dir)
    await custody.submissions.put(root, submissionOf(), versions)
  }
  await using custody = await opened(place.dir)
  const { submissions, store } = custody
  assert.equal(await submissions.get(root), submissionOf())
  assert.equal(await submissions.version(root, 1), versions[1])
  assert.is(await submissions.version(root, 2), undefined)
  assert.is(await submissions.get(seedOf('another')), undefined)
  await submissions.delete(root)
  assert.is(await submissions.get(root), undefined)
  assert.is(await submissions.version(root, 0), undefined)
  assert.is(await contents(store), '')
})

test('sealed keys and salts lie encrypted', async () => {
  using place = temporary()
  await using custody = await opened(place.dir)
  const version = versionOf('a')
  await custody.submissions.put(seedOf('root'), submissionOf({ versions: 1 }), [version])
  const bytes = await contents(custody.store)
  assert.ok(bytes.includes(toHex(seedOf('root'))))
  for (const secret of [version.meta.sealedKey, version.meta.salt, version.meta.leaf.recordId]) {
    assert.not.ok(bytes.includes(toHex(secret)))
  }
})

test('a staged submission never takes the place of an anchored one', async () => {
  using place = temporary()
  await using custody = await opened(place.dir)
  const { submissions } = custody
  const root = seedOf('root')
  const anchored = submissionOf({ versions: 1, anchored: true, stagedUntil: 0 })
  await submissions.put(root, anchored, [versionOf('a')])
  await submissions.put(root, submissionOf({ versions: 1 }), [versionOf('b')])
  assert.equal([await submissions.get(root), await submissions.version(root, 0)], [anchored, versionOf('a')])
  assert.equal(submissions.usageOf(anchored.sponsor), { bytes: 1000, stagedBytes: 0 })
  await submissions.put(root, anchored, [versionOf('b')])
  assert.equal(await submissions.version(root, 0), versionOf('b'))
})

test('what is sent again or anchored meanwhile does not run out', async () => {
  using place = temporary()
  await using custody = await opened(place.dir)
  const { submissions } = custody
  const [again, anchored, gone] = [seedOf('again'), seedOf('anchored'), seedOf('gone')]
  for (const root of [again, anchored, gone]) await submissions.put(root, submissionOf({ versions: 1 }), [versionOf('a')])
  await submissions.deleteExpired(gone, 4999)
  assert.ok(await submissions.get(gone))
  // Each change waits for the one before it, which is not yet seen when it is asked for.
  const changes = [submissions.renew(again, 9000), submissions.markAnchored(anchored)]
  const sweep = [again, anchored, gone].map(async root => await submissions.deleteExpired(root, 5000))
  await Promise.all([...changes, ...sweep])
  assert.is((await submissions.get(again))?.stagedUntil, 9000)
  assert.is((await submissions.get(anchored))?.anchored, true)
  assert.is(await submissions.get(gone), undefined)
  assert.is(submissions.size, 2)
})

test('an anchor is kept as a mark, once; what is anchored or unknown stays as it is', async () => {
  using place = temporary()
  await using custody = await opened(place.dir)
  const { submissions } = custody
  const root = seedOf('root')
  assert.is(await submissions.markAnchored(root), undefined)
  await submissions.put(root, submissionOf({ versions: 1 }), [versionOf('a')])
  assert.is((await submissions.markAnchored(root))?.anchored, true)
  assert.is((await submissions.markAnchored(root))?.anchored, true)
  const all: boolean[] = []
  for await (const { submission } of submissions.all()) all.push(submission.anchored)
  assert.equal(all, [true])
})

test('what a sponsor has staged is counted: not twice when it comes again, not after its anchor, and over a restart', async () => {
  using place = temporary()
  const [first, second] = [seedOf('first'), seedOf('second')]
  const sponsor = seedOf('sponsor')
  {
    await using custody = await opened(place.dir)
    const { submissions } = custody
    await submissions.put(first, submissionOf({ versions: 1 }), [versionOf('a')])
    await submissions.put(first, submissionOf({ versions: 1, stagedUntil: 9000 }), [versionOf('a')])
    await submissions.put(second, submissionOf({ versions: 1, bytes: 30 }), [versionOf('b')])
    await submissions.put(seedOf('third'), submissionOf({ versions: 1, sponsor: seedOf('other') }), [versionOf('c')])
    assert.equal(submissions.usageOf(sponsor), { bytes: 1030, stagedBytes: 1030 })
    assert.is((await submissions.get(first))?.stagedUntil, 9000)
    await submissions.markAnchored(first)
    await submissions.markAnchored(first)
    assert.equal(submissions.usageOf(sponsor), { bytes: 1030, stagedBytes: 30 })
  }
  await using custody = await opened(place.dir)
  const { submissions } = custody
  assert.equal(submissions.usageOf(sponsor), { bytes: 1030, stagedBytes: 30 })
  assert.equal(submissions.usage(), [
    { sponsor: toHex(sponsor), bytes: 1030, stagedBytes: 30 },
    { sponsor: toHex(seedOf('other')), bytes: 1000, stagedBytes: 1000 },
  ])
  const giveBack = submissions.reserve(sponsor, 7)
  assert.equal(submissions.usageOf(sponsor), { bytes: 1037, stagedBytes: 37 })
  giveBack()
  giveBack()
  await submissions.delete(second)
  assert.equal(submissions.usageOf(sponsor), { bytes: 1000, stagedBytes: 0 })
  await submissions.delete(first)
  assert.equal(submissions.usageOf(sponsor), { bytes: 0, stagedBytes: 0 })
  assert.is(submissions.usageOf(seedOf('other')).stagedBytes, 1000)
})

test('a version that was moved to another place, and one without its key, are forgotten', async () => {
  using place = temporary()
  const root = seedOf('root')
  await using custody = await opened(place.dir)
  const { submissions, store } = custody
  await submissions.put(root, submissionOf(), [versionOf('a'), versionOf('b')])
  const level = store.sublevel('submissions')
  const entries: [Uint8Array, Uint8Array][] = []
  for await (const [key, value] of level.iterator({ gte: Uint8Array.of(2) })) entries.push([key, value])
  const [a, b] = entries
  if (a === undefined || b === undefined) throw new Error('no versions')
  await level.batch([
    { type: 'put', key: a[0], value: b[1] },
    { type: 'put', key: b[0], value: a[1] },
  ])
  await rejectsCode(submissions.version(root, 0), 'forgotten')
  await level.batch([{ type: 'put', key: a[0], value: a[1] }])
  assert.equal(await submissions.version(root, 0), versionOf('a'))
  using elsewhere = temporary()
  const other = new Submissions(level, await Keyring.open(join(elsewhere.dir, 'keyring.json'), seedOf('master')))
  await rejectsCode(other.version(root, 0), 'forgotten')
})

test.run()
