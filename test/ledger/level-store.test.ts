import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../src/encoding/bytes.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import type { KeyValueStore, StoreRange } from '../../src/ledger/store.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'

const level = suite<{ dir: string; open: KeyValueStore[] }>('level store')

level.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-level-'))
  context.open = []
})
level.after.each(async context => {
  for (const store of context.open) await store.close()
  rmSync(context.dir, { recursive: true })
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const put = (key: Uint8Array, value: Uint8Array) => ({ type: 'put', key, value }) as const

async function all(store: KeyValueStore, range?: StoreRange): Promise<(readonly [Uint8Array, Uint8Array])[]> {
  const out: (readonly [Uint8Array, Uint8Array])[] = []
  for await (const entry of store.iterator(range)) out.push(entry)
  return out
}

level('keeps bytes in order, any bytes, and gives plain Uint8Arrays', async ({ dir, open }) => {
  const store = await openLevelStore(join(dir, 'made', 'on', 'the', 'way'))
  open.push(store)
  const keys = [bytes(0), bytes(0, 0), bytes(1), bytes(0x7f), bytes(0x80), bytes(0xff), bytes(0xff, 0xff)]
  await store.batch([...keys].reverse().map(key => put(key, bytes(...key, 7))))
  assert.equal(
    await all(store),
    keys.map(key => [key, bytes(...key, 7)]),
  )
  assert.equal(await store.get(bytes(0x80)), bytes(0x80, 7))
  assert.equal(store.getSync(bytes(0xff)), bytes(0xff, 7))
  assert.is(await store.get(bytes(9)), undefined)
  assert.is(store.getSync(bytes(9)), undefined)
  assert.is((await store.get(bytes(0)))?.constructor, Uint8Array)
  for (const [key, value] of await all(store)) assert.ok(key.constructor === Uint8Array && value.constructor === Uint8Array)
  await store.batch([put(bytes(5), new Uint8Array(0))])
  assert.equal(await store.get(bytes(5)), new Uint8Array(0))
})

level('ranges include their start and not their end, are limited and go backwards', async ({ dir, open }) => {
  const store = await openLevelStore(dir)
  open.push(store)
  await store.batch([1, 2, 3, 4, 5].map(i => put(bytes(i), bytes(i))))
  const firsts = async (range: StoreRange): Promise<(number | undefined)[]> => (await all(store, range)).map(([key]) => key[0])
  assert.equal(await firsts({ gte: bytes(2), lt: bytes(4) }), [2, 3])
  assert.equal(await firsts({ limit: 2 }), [1, 2])
  assert.equal(await firsts({ reverse: true, limit: 2 }), [5, 4])
  assert.equal(await firsts({ gte: bytes(2), lt: bytes(5), reverse: true }), [4, 3, 2])
  for await (const [key] of store.iterator()) {
    assert.equal(key, bytes(1))
    break
  }
})

level('a batch works in order, across puts and deletes', async ({ dir, open }) => {
  const store = await openLevelStore(dir)
  open.push(store)
  await store.batch([put(bytes(1), bytes(1)), { type: 'del', key: bytes(1) }, { type: 'del', key: bytes(2) }, put(bytes(2), bytes(2))], {
    sync: true,
  })
  assert.equal(await all(store), [[bytes(2), bytes(2)]])
})

level('parts do not see each other and last as long as the whole', async ({ dir, open }) => {
  const store = await openLevelStore(dir)
  const [a, b] = [store.sublevel('a'), store.sublevel('b')]
  const nested = a.sublevel('b')
  await a.batch([put(bytes(0), utf8('a'))], { sync: true })
  await b.batch([put(bytes(0), utf8('b'))], { sync: true })
  await nested.batch([put(bytes(0), utf8('a.b'))])
  await b.close()
  assert.equal(await b.get(bytes(0)), utf8('b'))
  assert.equal(await all(b), [[bytes(0), utf8('b')]])
  assert.equal(await all(a, { gte: bytes(0), lt: bytes(1) }), [[bytes(0), utf8('a')]])
  throwsCode(() => store.sublevel('a!b'), 'store-name')
  await store.close()
  await rejectsCode(a.get(bytes(0)), 'store-unavailable')
  throwsCode(() => a.getSync(bytes(0)), 'store-unavailable')
  await rejectsCode(all(a), 'store-unavailable')
  await rejectsCode(a.batch([put(bytes(0), bytes(0))]), 'store-unavailable')
  const again = await openLevelStore(dir)
  open.push(again)
  assert.equal(await again.sublevel('a').get(bytes(0)), utf8('a'))
  assert.equal(again.sublevel('a').sublevel('b').getSync(bytes(0)), utf8('a.b'))
})

level('who comes second is told that the store is open elsewhere', async ({ dir, open }) => {
  open.push(await openLevelStore(dir))
  const error = await rejectsCode(openLevelStore(dir), 'store-locked')
  assert.match(error.message, 'is open in another process')
})

level('a damaged directory is called damaged, a forbidden one unavailable', async ({ dir }) => {
  const store = await openLevelStore(dir)
  await store.batch([put(bytes(1), bytes(1))], { sync: true })
  await store.close()
  const manifest = (await readdir(dir)).find(name => name.startsWith('MANIFEST')) as string
  await writeFile(join(dir, manifest), 'no manifest at all, but long enough to be read as one')
  await rejectsCode(openLevelStore(dir), 'store-corrupt')
  writeFileSync(join(dir, 'file'), '')
  await rejectsCode(openLevelStore(join(dir, 'file')), 'store-unavailable')
})

level.run()
