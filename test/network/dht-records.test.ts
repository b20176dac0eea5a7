import { MemoryDatastore } from 'datastore-core'
import { type Datastore, Key } from 'interface-datastore'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { boundedRecords } from '../../src/network/dht-records.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { memberOf, mesh, seed, Testbed } from './helpers.ts'

const test = suite('records of the DHT')
const bed = new Testbed()
test.after.each(() => bed.stop())

const VALUE = Uint8Array.of(1)
const recordOf = (i: number, peer: string): Key => new Key(`/dht/provider/key${i}/${peer}`)

async function recordsIn(store: Datastore): Promise<string[]> {
  const out: string[] = []
  for await (const key of store.queryKeys({ prefix: '/dht/provider' })) out.push(key.toString())
  return out.sort()
}

test('of one member so many are kept; others, renewals and this node itself are not held up by it', async () => {
  const store = new MemoryDatastore()
  await store.put(recordOf(0, 'loud'), VALUE)
  const bounded = boundedRecords(store, 'own', 3)
  await bounded.put(recordOf(1, 'loud'), VALUE)
  await bounded.put(recordOf(2, 'loud'), VALUE)
  await rejectsCode(Promise.resolve(bounded.put(recordOf(3, 'loud'), VALUE)), 'too-many-announcements')
  await bounded.put(recordOf(2, 'loud'), Uint8Array.of(2))
  await bounded.put(recordOf(3, 'quiet'), VALUE)
  for (let i = 0; i < 5; i++) await bounded.put(recordOf(i, 'own'), VALUE)
  assert.equal(await store.get(recordOf(2, 'loud')), Uint8Array.of(2))

  await bounded.delete(recordOf(1, 'loud'))
  await bounded.delete(recordOf(1, 'loud'))
  await bounded.put(recordOf(4, 'loud'), VALUE)
  await rejectsCode(Promise.resolve(bounded.put(recordOf(5, 'loud'), VALUE)), 'too-many-announcements')
  assert.is((await recordsIn(store)).length, 3 + 1 + 5)
  await bounded.put(new Key('/peers/loud'), VALUE)
  assert.equal(await bounded.get(new Key('/peers/loud')), VALUE)
})

test("a node's DHT keeps its records under the names that are counted", async () => {
  const store = new MemoryDatastore()
  const [a, b] = [await bed.full(1), await bed.full(2, {}, store)]
  await Promise.all([a.start(), b.start()])
  await mesh([a, b])
  await a.locate.provide(seed(90))
  // Nobody answers an announcement: it is taken in when it comes.
  let [record] = await recordsIn(store)
  for (let i = 0; i < 500 && record === undefined; i++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    ;[record] = await recordsIn(store)
  }
  assert.match(record ?? '', new RegExp(`^/dht/provider/[a-z2-7]+/${peerIdOf(memberOf(a).networkKey).toString()}$`))
})

test.run()
