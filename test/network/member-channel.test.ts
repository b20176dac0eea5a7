import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import type { MemberChannel, Network } from '../../src/network/network.ts'
import { addressOf, failure, memberOf, mesh, Testbed, until } from './helpers.ts'

const test = suite('member channel')
const bed = new Testbed()
test.after.each(() => bed.stop())

const PROTOCOL = '/epione/consensus/1'

interface Party {
  network: Network
  channel: MemberChannel
  got: { from: string; text: string }[]
}

async function party(
  i: number,
  options: { listen?: string[]; maxFrame?: number; onFrame?: () => void | Promise<void> } = {},
): Promise<Party> {
  const network = await bed.full(i, options.listen === undefined ? {} : { listen: options.listen })
  const got: Party['got'] = []
  const channel = network.openChannel(
    PROTOCOL,
    (frame, peer) => {
      got.push({ from: toHex(peer), text: Buffer.from(frame).toString() })
      return options.onFrame?.()
    },
    { maxFrame: options.maxFrame ?? 1024 * 1024, maxQueuedBytes: 64 * 1024 * 1024 },
  )
  await network.start()
  return { network, channel, got }
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

test('everybody hears everybody, in order, from the right sender', async () => {
  const parties = await Promise.all([1, 2, 3, 4].map(i => party(i)))
  await mesh(parties.map(({ network }) => network))
  await until(() => parties.every(({ channel }) => channel.open().length === 3), 'all open')
  const count = 200
  for (let i = 0; i < count; i++) for (const { channel } of parties) channel.broadcast(bytes(`${i} ${'x'.repeat(i * 100)}`))
  await until(() => parties.every(({ got }) => got.length === 3 * count), 'all heard')
  for (const { got, network } of parties) {
    for (const other of parties) {
      const heard = got.filter(({ from }) => from === toHex(other.network.networkKey)).map(({ text }) => Number(text.split(' ')[0]))
      assert.equal(heard, other.network === network ? [] : Array.from({ length: count }, (_, i) => i))
    }
  }
})

test('frames from empty to the longest pass whole', async () => {
  const [a, b] = await Promise.all([party(1), party(2)])
  await mesh([a.network, b.network])
  await until(() => a.channel.open().length === 1, 'open')
  const lengths = [0, 1, 127, 128, 16_383, 16_384, 16_385, 300_000, 1024 * 1024, 5]
  for (const length of lengths) assert.ok(a.channel.send(b.network.networkKey, bytes('y'.repeat(length))))
  await until(() => b.got.length === lengths.length, 'heard')
  assert.equal(
    b.got.map(({ text }) => text.length),
    lengths,
  )
  assert.throws(() => a.channel.broadcast(new Uint8Array(1024 * 1024 + 1)), /exceeds/)
})

test('a peer that restarts on the same port is spoken to again, both ways', async () => {
  const [a, first] = await Promise.all([party(1), party(2)])
  await mesh([a.network, first.network])
  await until(() => a.channel.open().length === 1 && first.channel.open().length === 1, 'open')
  const listen = [addressOf(first.network).replace(/\/p2p\/.*/, '')]
  await first.network.stop()
  await until(() => a.channel.open().length === 0, 'lost')
  assert.not(a.channel.send(first.network.networkKey, bytes('while away')))
  const second = await party(2, { listen })
  second.network.setMembers([memberOf(a.network), memberOf(second.network)])
  await until(() => a.channel.open().length === 1 && second.channel.open().length === 1, 'open again')
  assert.ok(a.channel.send(second.network.networkKey, bytes('welcome back')))
  assert.ok(second.channel.send(a.network.networkKey, bytes('thanks')))
  await until(() => second.got.some(({ text }) => text === 'welcome back') && a.got.some(({ text }) => text === 'thanks'), 'heard again')
})

test('the queue for a peer that is away is bounded and keeps the newest', async () => {
  const a = await bed.full(1)
  const channel = a.openChannel(PROTOCOL, () => undefined, { maxFrame: 100, maxQueuedFrames: 10, maxAgeMs: 60_000 })
  await a.start()
  const b = await party(2)
  a.setMembers([memberOf(a), { networkKey: b.network.networkKey, validator: true, addresses: [] }])
  for (let i = 0; i < 1000; i++) assert.not(channel.send(b.network.networkKey, bytes(String(i))))
  assert.not(channel.send(a.networkKey, bytes('to itself')))
  await mesh([a, b.network])
  await until(() => b.got.length === 10, 'the newest ten')
  assert.equal(
    b.got.map(({ text }) => Number(text)),
    Array.from({ length: 10 }, (_, i) => 990 + i),
  )
})

test('only validators may open it, and one that is removed is cut off', async () => {
  const [a, b] = await Promise.all([party(1), party(2)])
  const stranger = await bed.full(3)
  await stranger.start()
  await mesh([a.network, b.network])
  await until(() => a.channel.open().length === 1 && b.channel.open().length === 1, 'open')
  await stranger.connect(addressOf(a.network))
  assert.is((await failure(stranger.openStream(a.network.networkKey, PROTOCOL, { maxFrame: 100 })))?.code, 'not-a-member')
  a.network.setMembers([memberOf(a.network), memberOf(b.network, false)])
  await until(() => a.channel.open().length === 0 && b.channel.open().length === 0, 'closed on both sides')
  assert.not(a.channel.send(b.network.networkKey, bytes('nothing')))
  a.network.setMembers([memberOf(a.network), memberOf(b.network)])
  await until(() => a.channel.open().length === 1 && b.channel.open().length === 1, 'open again')
})

test('a handler that fails harms neither the stream nor the process', async () => {
  let calls = 0
  const [a, b] = await Promise.all([
    party(1),
    party(2, {
      onFrame: () => {
        calls += 1
        if (calls % 2 === 0) return Promise.reject(new Error('later'))
        throw new Error('now')
      },
    }),
  ])
  await mesh([a.network, b.network])
  await until(() => a.channel.open().length === 1, 'open')
  for (let i = 0; i < 10; i++) a.channel.broadcast(bytes(String(i)))
  await until(() => b.got.length === 10, 'all delivered')
})

test('a handler that takes its time holds the sender back', async () => {
  const gate = Promise.withResolvers<void>()
  const [a, b] = await Promise.all([party(1), party(2, { onFrame: () => gate.promise })])
  await mesh([a.network, b.network])
  await until(() => a.channel.open().length === 1, 'open')
  const frame = bytes('z'.repeat(1024 * 1024))
  for (let i = 0; i < 48; i++) a.channel.broadcast(frame)
  await until(() => b.got.length === 1, 'the first one')
  gate.resolve()
  await until(() => b.got.length === 48, 'all of them')
})

test('a validator that breaks the framing is cut off and noted, and the other stays up', async () => {
  const [a, b] = await Promise.all([party(1, { maxFrame: 1000 }), party(2, { maxFrame: 10_000 })])
  await mesh([a.network, b.network])
  await until(() => b.channel.open().length === 1, 'open')
  for (let i = 0; i < 4; i++) {
    await until(() => b.channel.open().length === 1, 'open')
    b.channel.broadcast(new Uint8Array(2000))
    await until(() => b.channel.open().length === 0, 'cut off')
  }
  await until(() => a.network.peers().every(peer => !peer.connected), 'thrown out')
  assert.is(a.got.length, 0)
})

test.run()
