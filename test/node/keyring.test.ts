import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, utf8 } from '../../src/encoding/bytes.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { bucketOf, Keyring } from '../../src/node/keyring.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { seedOf } from './cluster.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('keyring')
const master = seedOf('master')
const place = utf8('version 1')
const plaintext = utf8('a sealed key')
const folder = seedOf('folder')

test('what was sealed opens again, after a restart too; the file is for its owner alone', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  const first = await Keyring.open(path, master)
  const sealed = first.seal(folder, plaintext, place)
  assert.equal(first.open(sealed, place), plaintext)
  assert.is((await stat(path)).mode & 0o777, 0o600)
  const second = await Keyring.open(path, master)
  assert.equal(second.open(sealed, place), plaintext)
  assert.not.equal(second.seal(folder, plaintext, place), sealed)
  assert.equal(second.open(second.seal(folder, new Uint8Array(0), place), place), new Uint8Array(0))
})

test('another master does not open the keyring, and does not overwrite it', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  await Keyring.open(path, master)
  const before = await readFile(path, 'utf8')
  await rejectsCode(Keyring.open(path, seedOf('another')), 'keyring-corrupt')
  assert.is(await readFile(path, 'utf8'), before)
})

test('a file that is not a keyring is named, never replaced', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  for (const text of [
    '',
    '{',
    '{"version":2,"keys":[]}',
    '{"version":1,"keys":[{"id":1,"wrapped":"00"}]}',
    '{"version":2,"keys":[{"id":1,"bucket":0,"wrapped":"00"}]}',
  ]) {
    await writeFile(path, text)
    const error = await rejectsCode(Keyring.open(path, master), 'keyring-corrupt')
    assert.match(error.message, path)
    assert.is(await readFile(path, 'utf8'), text)
  }
})

test(
  'a changed bit, a shortened value and another place are `forgotten`',
  property(async random => {
    using home = temporary()
    const keyring = await Keyring.open(join(home.dir, 'keyring.json'), master)
    const sealed = keyring.seal(folder, plaintext, place)
    for (let i = 0; i < 100; i++) {
      const at = random.below(sealed.length)
      const changed = Uint8Array.from(sealed)
      changed[at] = (changed[at] as number) ^ (1 << random.below(8))
      throwsCode(() => keyring.open(changed, place), 'forgotten')
    }
    for (let length = 0; length < sealed.length; length++) throwsCode(() => keyring.open(sealed.slice(0, length), place), 'forgotten')
    throwsCode(() => keyring.open(sealed, utf8('version 2')), 'forgotten')
  }),
)

test('with its key destroyed, what was written under it is forgotten', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  const sealed = (await Keyring.open(path, master)).seal(folder, plaintext, place)
  // Destroying the file destroys its keys: the keyring that follows has others under the same numbers.
  using elsewhere = temporary()
  const fresh = await Keyring.open(join(elsewhere.dir, 'keyring.json'), master)
  throwsCode(() => fresh.open(sealed, place), 'forgotten')
})

/** A store with a sealed value for each of these folders, under the folder's id. */
async function filled(dir: string, keyring: Keyring, folders: readonly Uint8Array[]) {
  const store = await openLevelStore(join(dir, 'store'))
  const put = async (id: Uint8Array): Promise<void> =>
    await keyring.within(id, async () => await store.batch([{ type: 'put', key: id, value: keyring.seal(id, plaintext, id) }]))
  for (const id of folders) await put(id)
  const keys = async function* () {
    for await (const [key] of store.iterator()) yield key
  }
  const as = { read: (value: Uint8Array) => value, write: (sealed: Uint8Array) => sealed }
  const reseal = async (bucket: number): Promise<void> => await keyring.reseal(bucket, store, inBucket(keys(), bucket), as)
  return { store, put, reseal, [Symbol.asyncDispose]: async () => await store.close() }
}

async function* inBucket(keys: AsyncIterable<Uint8Array>, bucket: number): AsyncGenerator<Uint8Array> {
  for await (const key of keys) if (bucketOf(key) === bucket) yield key
}

const idIn = (bucket: number, index: number): Uint8Array => concat(Uint8Array.of(bucket), seedOf('id', index).slice(1))

test('destroying the key of a bucket forgets what was taken out of it, in copies too, and nothing else', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  const keyring = await Keyring.open(path, master)
  const [gone, stays, elsewhere] = [idIn(7, 0), idIn(7, 1), idIn(8, 2)]
  await using places = await filled(home.dir, keyring, [gone, stays, elsewhere])
  const copy = (await places.store.get(gone)) as Uint8Array
  const copyThatStays = (await places.store.get(stays)) as Uint8Array
  await places.store.batch([{ type: 'del', key: gone }])
  await keyring.destroy(7, async () => await places.reseal(7))
  assert.equal(keyring.unfinished(), [])
  for (const ring of [keyring, await Keyring.open(path, master)]) {
    throwsCode(() => ring.open(copy, gone), 'forgotten')
    throwsCode(() => ring.open(copyThatStays, stays), 'forgotten')
    for (const id of [stays, elsewhere]) assert.equal(ring.open((await places.store.get(id)) as Uint8Array, id), plaintext)
  }
  assert.not.ok((await readFile(path, 'utf8')).includes('"id": 8,'), 'the key with the number 8 was that of bucket 7')
})

test('a destruction that is interrupted loses nothing, and the next one brings it to its end', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  const first = await Keyring.open(path, master)
  const ids = Array.from({ length: 200 }, (_, index) => idIn(7, index))
  await using places = await filled(home.dir, first, ids)
  const copy = (await places.store.get(ids[0] as Uint8Array)) as Uint8Array
  let resealed = 0
  const fails = async (): Promise<void> => {
    resealed++
    throw new Error('the disk failed')
  }
  for (let i = 0; i < 3; i++)
    await first.destroy(7, fails).then(
      () => assert.unreachable('it failed'),
      () => undefined,
    )
  assert.is(resealed, 3)
  const second = await Keyring.open(path, master)
  assert.equal(second.unfinished(), [7])
  for (const id of ids) assert.equal(second.open((await places.store.get(id)) as Uint8Array, id), plaintext)
  const again = await filled(join(home.dir, 'again'), second, ids)
  await places.store.batch(ids.slice(1).map(id => ({ type: 'del' as const, key: id })))
  await second.destroy(7, async () => await again.reseal(7))
  assert.equal((await Keyring.open(path, master)).unfinished(), [])
  throwsCode(() => second.open(copy, ids[0] as Uint8Array), 'forgotten')
  for (const id of ids) assert.equal(second.open((await again.store.get(id)) as Uint8Array, id), plaintext)
  await again[Symbol.asyncDispose]()
})

test('what is written and deleted while a key is destroyed is there and gone afterwards', async () => {
  using home = temporary()
  const keyring = await Keyring.open(join(home.dir, 'keyring.json'), master)
  const ids = Array.from({ length: 300 }, (_, index) => idIn(7, index))
  await using places = await filled(home.dir, keyring, ids.slice(0, 200))
  const destroyed = keyring.destroy(7, async () => await places.reseal(7))
  const written = ids.slice(200).map(async id => await places.put(id))
  const deleted = ids
    .slice(0, 100)
    .map(async id => await keyring.within(id, async () => await places.store.batch([{ type: 'del', key: id }])))
  await Promise.all([destroyed, ...written, ...deleted])
  for (const id of ids.slice(0, 100)) assert.is(await places.store.get(id), undefined)
  for (const id of ids.slice(100)) assert.equal(keyring.open((await places.store.get(id)) as Uint8Array, id), plaintext)
})

test.run()
