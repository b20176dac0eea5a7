/** Announcements: to whom they go, how many together, and what becomes of those that nobody takes. */
import type { PeerId, Stream } from '@libp2p/interface'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { compareBytes, toHex } from '../../src/encoding/bytes.ts'
import { sha256, taggedHash } from '../../src/encoding/hash.ts'
import { Announcements, NEAREST } from '../../src/network/announcements.ts'
import { cidOf } from '../../src/network/locate.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { failure, until } from './helpers.ts'

const test = suite('network/announcements')

const multihashOf = (name: string): Uint8Array => cidOf(taggedHash(`test-${name}`)).multihash.bytes
const memberOf = (i: number): PeerId => peerIdOf(signingKeyFromSeed(new Uint8Array(32).fill(i)).publicKey)

/** Members that note what they are sent: by member the keys of each stream. */
class World {
  readonly members: PeerId[]
  readonly streams = new Map<string, string[][]>()
  /** Members to whom no stream can be opened. */
  readonly away = new Set<string>()
  gate: Promise<void> | undefined
  opened = 0
  readonly announcements: Announcements

  constructor(count: number) {
    this.members = Array.from({ length: count }, (_, i) => memberOf(i + 1))
    this.announcements = new Announcements(
      {
        own: memberOf(200),
        addresses: () => [Uint8Array.of(4, 127, 0, 0, 1, 6, 30, 141)],
        members: () => this.members,
        open: async member => {
          this.opened++
          await this.gate
          if (this.away.has(member.toString())) throw new Error('away')
          return this.#stream(member)
        },
      },
      { gatherMs: 5 },
    )
  }

  #stream(member: PeerId): Stream {
    const keys: string[] = []
    const name = member.toString()
    this.streams.set(name, [...(this.streams.get(name) ?? []), keys])
    const send = (bytes: Uint8Array): boolean => {
      // Length, type, then the key under its tag: 34 bytes.
      assert.equal([...bytes.subarray(1, 5)], [0x08, 0x02, 0x12, 34])
      keys.push(toHex(bytes.subarray(5, 39)))
      return true
    }
    return { writeStatus: 'writable', writableNeedsDrain: false, send, close: async () => {}, abort: () => {} } as unknown as Stream
  }
}

test('what is announced in a moment goes to each member on one stream', async () => {
  const world = new World(3)
  const keys = ['a', 'b', 'c'].map(multihashOf)
  await Promise.all(keys.map(async key => await world.announcements.announce(key)))
  assert.is(world.streams.size, 3)
  for (const streams of world.streams.values()) assert.equal(streams, [keys.map(toHex)])
  await world.announcements.announce(multihashOf('d'))
  for (const streams of world.streams.values()) assert.equal(streams.at(-1), [toHex(multihashOf('d'))])
})

test('of many members the nearest to each key are told', async () => {
  const world = new World(50)
  const keys = Array.from({ length: 20 }, (_, i) => multihashOf(`key ${i}`))
  await Promise.all(keys.map(async key => await world.announcements.announce(key)))
  for (const key of keys) {
    const distance = (member: PeerId): Uint8Array => sha256(member.toMultihash().bytes).map((byte, i) => byte ^ (sha256(key)[i] as number))
    const expected = [...world.members].sort((a, b) => compareBytes(distance(a), distance(b))).slice(0, NEAREST)
    const told = [...world.streams].filter(([, streams]) => streams.some(sent => sent.includes(toHex(key)))).map(([name]) => name)
    assert.equal(told.sort(), expected.map(String).sort())
  }
  assert.ok([...world.streams.values()].every(streams => streams.length === 1))
})

test('what one member took is announced; what nobody took is an error, so that it is made again', async () => {
  const world = new World(2)
  world.away.add(String(world.members[0]))
  await world.announcements.announce(multihashOf('a'))
  world.away.add(String(world.members[1]))
  assert.is((await failure(world.announcements.announce(multihashOf('a'))))?.code, 'not-announced')
  assert.is((await failure(new World(0).announcements.announce(multihashOf('a'))))?.code, 'not-announced')
})

test('more than go together follow; what comes while others are sent waits for the next time', async () => {
  const world = new World(1)
  const held = Promise.withResolvers<void>()
  world.gate = held.promise
  const first = Array.from({ length: 300 }, (_, i) => world.announcements.announce(multihashOf(`first ${i}`)))
  await until(() => world.opened === 1, 'the first are being sent')
  const later = world.announcements.announce(multihashOf('later'))
  held.resolve()
  await Promise.all([...first, later])
  const [streams] = world.streams.values()
  assert.equal(
    streams?.map(keys => keys.length),
    [256, 45],
  )
})

test('who gives up is told at once, and what had not been sent is not', async () => {
  const world = new World(1)
  const stop = new AbortController()
  const given = world.announcements.announce(multihashOf('given up'), { signal: stop.signal })
  stop.abort(new Error('enough'))
  assert.is((await failure(given))?.message, 'enough')
  assert.is((await failure(world.announcements.announce(multihashOf('late'), { signal: stop.signal })))?.message, 'enough')
  await world.announcements.announce(multihashOf('b'))
  assert.equal([...world.streams.values()], [[[toHex(multihashOf('b'))]]])
})

test.run()
