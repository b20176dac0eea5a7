import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Arrivals } from '../../src/network/arrivals.ts'
import { assemble } from '../../src/network/libp2p.ts'
import { addressOf, memberOf, random, seed, Testbed } from './helpers.ts'

const test = suite('hostile peers')
const bed = new Testbed()
test.after.each(() => bed.stop())

const OPEN = {
  listen: [],
  announce: [],
  topics: ['blocks' as const],
  maxConnections: 10,
  inboundConnectionsPerSecond: 10,
  handshakeMs: 10_000,
  arrivals: new Arrivals(),
}

test('garbage on every protocol ends no process and stops no service', async () => {
  const state = Number(process.env.SEED ?? 20240)
  const next = random(state)
  const [a, b] = [await bed.full(1), await bed.full(2)]
  b.openChannel('/epione/consensus/1', () => undefined, { maxFrame: 1000 })
  b.subscribe('blocks', () => 'accept')
  const limits = { maxRequest: 1000, maxResponse: 1000, timeoutMs: 20_000, maxStreams: 8 }
  await b.handle('/test/echo/1', 'anyone', async request => request, limits)
  await b.handleStream(
    '/test/stream/1',
    'anyone',
    async channel => {
      for await (const frame of channel.frames()) await channel.send(frame)
    },
    { maxFrame: 1000, timeoutMs: 20_000, maxStreams: 8 },
  )
  await Promise.all([a.start(), b.start()])

  const protocols = [
    '/meshsub/1.2.0',
    '/meshsub/1.1.0',
    '/epione/kad/1.0.0',
    '/ipfs/id/1.0.0',
    '/ipfs/ping/1.0.0',
    '/epione/consensus/1',
    '/test/echo/1',
    '/test/stream/1',
  ]
  let sent = 0
  for (let round = 0; round < 4; round++) {
    const privateKey = await generateKeyPairFromSeed('Ed25519', seed(60 + round))
    const { node } = await assemble({
      ...OPEN,
      privateKey,
      denyDial: () => false,
      denyPeer: () => false,
      denyInbound: () => false,
    })
    await node.start()
    // A validator that turned: it passes every gate.
    b.setMembers([memberOf(a), memberOf(b), { networkKey: Uint8Array.from(privateKey.publicKey.raw), validator: true }])
    for (const protocol of protocols) {
      for (let i = 0; i < 4; i++) {
        const bytes = new Uint8Array(1 + Math.floor(next() * 3000)).map(() => Math.floor(next() * (i === 0 ? 4 : 256)))
        try {
          const stream = await node.dialProtocol(multiaddr(addressOf(b)), protocol)
          stream.send(bytes)
          sent += 1
          if (i % 2 === 0) await stream.close()
          else stream.abort(new Error('gone'))
        } catch {
          // Thrown out already, which is its right.
        }
      }
    }
    await node.stop()
  }
  assert.ok(sent >= 16, `seed ${state}: ${sent} streams of garbage were sent`)
  await a.connect(addressOf(b))
  assert.equal(await a.request(b.networkKey, '/test/echo/1', Uint8Array.of(5), { timeoutMs: 20_000, maxResponse: 10 }), Uint8Array.of(5))
  const channel = await a.openStream(b.networkKey, '/test/stream/1', { maxFrame: 1000 })
  await channel.send(Uint8Array.of(6))
  for await (const frame of channel.frames()) {
    assert.equal(frame, Uint8Array.of(6))
    break
  }
  await channel.close()
})

test('streams that are opened and left alone do not use up a protocol for others', async () => {
  const [a, b] = [await bed.full(1), await bed.full(2)]
  await Promise.all([a.start(), b.start()])
  await b.handle('/test/echo/1', 'anyone', async request => request, { maxRequest: 10, maxResponse: 10, timeoutMs: 100, maxStreams: 4 })
  const { node } = await assemble({
    ...OPEN,
    privateKey: await generateKeyPairFromSeed('Ed25519', seed(66)),
    denyDial: () => false,
    denyPeer: () => false,
    denyInbound: () => false,
  })
  await node.start()
  const opened = await Promise.allSettled(Array.from({ length: 40 }, () => node.dialProtocol(multiaddr(addressOf(b)), '/test/echo/1')))
  assert.ok(opened.some(({ status }) => status === 'fulfilled'))
  await a.connect(addressOf(b))
  assert.equal(await a.request(b.networkKey, '/test/echo/1', Uint8Array.of(5), { timeoutMs: 20_000, maxResponse: 10 }), Uint8Array.of(5))
  await node.stop()
})

test.run()
