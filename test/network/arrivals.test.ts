/** Connections before anybody knows who is there: silent, slow, broken and huge ones, by TCP and by WebSockets. */
import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Arrivals } from '../../src/network/arrivals.ts'
import type { Network } from '../../src/network/network.ts'
import { property } from '../encoding/seeded.ts'
import { addressOf, Testbed, until } from './helpers.ts'

const test = suite('arrivals')
const bed = new Testbed()
const sockets: Socket[] = []
test.after.each(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await bed.stop()
})

const ECHO = { maxRequest: 10_000_000, maxResponse: 10_000_000, timeoutMs: 30_000, maxStreams: 8 }
const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: x',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  '\r\n',
].join('\r\n')

/** A node that echoes, and gives up who does not say within `handshakeMs` who it is. */
async function node(transport: '' | '/ws', handshakeMs: number): Promise<Network> {
  const network = await bed.full(1, { listen: [`/ip4/127.0.0.1/tcp/0${transport}`], limits: { handshakeMs } })
  await network.handle('/test/echo/1', 'anyone', async request => request, ECHO)
  await network.start()
  return network
}

async function raw(network: Network): Promise<{ socket: Socket; closed: Promise<void> }> {
  const port = Number(/\/tcp\/(\d+)/.exec(addressOf(network))?.[1])
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  socket.on('error', () => undefined)
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.resume()
  return { socket, closed }
}

/** Whether an honest light peer is served. */
async function serves(network: Network, bytes = Uint8Array.of(7)): Promise<void> {
  const light = await bed.light(9)
  await light.start()
  const key = await light.connect(addressOf(network))
  assert.equal(await light.request(key, '/test/echo/1', bytes, { timeoutMs: 30_000, maxResponse: 10_000_000 }), bytes)
}

test('who says nothing, or half of it, is given up in time by TCP', async () => {
  const network = await node('', 300)
  const silent = await raw(network)
  const half = await raw(network)
  half.socket.write('\x13/multistream/1.')
  await Promise.all([silent.closed, half.closed])
  await serves(network)
})

test('who says nothing, half a request, another request, or nothing after the upgrade is given up in time by WebSockets', async () => {
  const network = await node('/ws', 300)
  const all = [await raw(network), await raw(network), await raw(network), await raw(network)] as const
  all[1].socket.write('GET / HTTP/1.1\r\nHost: x\r\n')
  all[2].socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nx')
  all[3].socket.write(UPGRADE)
  // It answers the closing, as RFC 6455 wants it; who does not is given up by `ws` after 30 s more.
  all[3].socket.on('data', data => {
    if (data[0] === 0x88) all[3].socket.end()
  })
  await Promise.all(all.map(({ closed }) => closed))
  await serves(network)
})

test('frames that break RFC 6455, or are too long, end their own connection alone', async () => {
  const network = await node('/ws', 10_000)
  const huge = Buffer.alloc(14)
  huge.set([0x82, 0xff])
  huge.writeBigUInt64BE(BigInt(2 ** 31), 2)
  for (const frame of [Buffer.alloc(16, 0xff), Buffer.of(0x82, 0x01, 0x00), Buffer.of(0x88, 0x81, 0, 0, 0, 0, 0), huge]) {
    const { socket, closed } = await raw(network)
    socket.write(UPGRADE)
    await new Promise(resolve => socket.once('data', resolve))
    socket.write(frame)
    await closed
  }
  await serves(network, new Uint8Array(8_000_000).fill(5))
})

test('a connection by WebSockets that is given up is closed', async () => {
  const network = await node('/ws', 10_000)
  const light = await bed.light(8)
  await light.start()
  await light.connect(addressOf(network))
  await until(() => network.peers().length === 1, 'connected')
  let gone = false
  light.onPeer(({ type }) => {
    gone ||= type === 'disconnect'
  })
  network.report(light.networkKey, 'lie')
  network.report(light.networkKey, 'lie')
  await until(() => gone, 'the banned peer is disconnected')
})

test('the oldest makes room, of its host first, and of the busiest host where all are too many', () => {
  const ended: string[] = []
  const arrivals = new Arrivals({ ofHost: 2, all: 4 })
  const add = (host: string, name: string) => arrivals.add(host, () => ended.push(name))
  const first = add('a', 'a1')
  add('a', 'a2')
  add('b', 'b1')
  add('a', 'a3')
  assert.equal(ended, ['a1'])
  first()
  assert.is(arrivals.count, 3)
  add('c', 'c1')
  add('d', 'd1')
  assert.equal(ended, ['a1', 'a2'])
  assert.is(arrivals.displaced, 2)
})

test(
  'over random comings and goings, no more are under way than allowed, and whoever leaves is forgotten',
  property(random => {
    const arrivals = new Arrivals({ ofHost: 3, all: 7 })
    const open = new Map<number, () => void>()
    for (let i = 0; i < 200; i++) {
      if (random.below(3) > 0)
        open.set(
          i,
          arrivals.add(String(random.below(5)), () => open.delete(i)),
        )
      else {
        const [name, settle] = [...open][random.below(Math.max(1, open.size))] ?? []
        settle?.()
        open.delete(name as number)
      }
      assert.is(arrivals.count, open.size)
      assert.ok(arrivals.count <= 7)
    }
    for (const settle of open.values()) settle()
    assert.is(arrivals.count, 0)
  }),
)

test.run()
