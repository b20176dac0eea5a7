import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Network } from '../../src/network/network.ts'
import { addressOf, failure, memberOf, mesh, seed, Testbed } from './helpers.ts'

const test = suite('locate')
const bed = new Testbed()
test.after.each(() => bed.stop())

async function find(network: Network, key: Uint8Array, limit?: number): Promise<string[]> {
  const out: string[] = []
  for await (const holder of network.locate.find(key, { limit })) out.push(toHex(holder))
  return out.sort()
}

/** What a network finds, once that is so many: nobody answers an announcement, it is taken in when it comes. */
async function findSoon(network: Network, key: Uint8Array, count: number): Promise<string[]> {
  let found = await find(network, key)
  for (let i = 0; i < 500 && found.length < count; i++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    found = await find(network, key)
  }
  return found
}

test('what one of four provides the others find, and nobody who is no member', async () => {
  const networks = await Promise.all([1, 2, 3, 4].map(i => bed.full(i)))
  await Promise.all(networks.map(network => network.start()))
  await mesh(networks)
  const [a, b, c, d] = networks as [Network, Network, Network, Network]
  const key = seed(77)
  await Promise.all([a.locate.provide(key), b.locate.provide(key)])
  const both = [toHex(a.networkKey), toHex(b.networkKey)].sort()
  for (const network of networks) assert.equal(await findSoon(network, key, 2), both)
  assert.equal(await find(d, seed(78)), [])
  assert.is((await find(d, key, 1)).length, 1)

  // c sees b no longer as a member: its announcement counts for nothing there.
  c.setMembers([memberOf(a), memberOf(c), memberOf(d)])
  assert.equal(await find(c, key), [toHex(a.networkKey)])

  await a.locate.withdraw(key)
  assert.is((await failure(a.locate.provide(new Uint8Array(31))))?.code, 'bad-key')
})

test('a full node that is no member can neither announce nor ask', async () => {
  const [a, b] = [await bed.full(1), await bed.full(2)]
  const stranger = await bed.full(3)
  await Promise.all([a, b, stranger].map(network => network.start()))
  await mesh([a, b])
  // The stranger holds both for members, they do not hold it for one.
  stranger.setMembers([memberOf(a), memberOf(b), memberOf(stranger)])
  await stranger.connect(addressOf(a))
  await stranger.connect(addressOf(b))
  const key = seed(79)
  await b.locate.provide(key)
  const signal = AbortSignal.timeout(500)
  await failure(stranger.locate.provide(key, { signal }))
  assert.equal(await findSoon(a, key, 1), [toHex(b.networkKey)])
  const found: string[] = []
  await failure(
    (async () => {
      for await (const holder of stranger.locate.find(key, { signal: AbortSignal.timeout(500) })) found.push(toHex(holder))
    })(),
  )
  assert.not(found.includes(toHex(b.networkKey)))
})

test('who becomes a member while connected takes part', async () => {
  const [a, b] = [await bed.full(1), await bed.full(2)]
  await Promise.all([a.start(), b.start()])
  await a.connect(addressOf(b))
  const members = [memberOf(a), memberOf(b)]
  a.setMembers(members)
  b.setMembers(members)
  const key = seed(80)
  await a.locate.provide(key)
  assert.equal(await findSoon(b, key, 1), [toHex(a.networkKey)])
})

test.run()
