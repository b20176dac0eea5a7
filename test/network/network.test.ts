import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Network, RequestLimits } from '../../src/network/network.ts'
import { parsePeerAddress } from '../../src/network/peer.ts'
import { addressOf, failure, memberOf, mesh, Testbed, until } from './helpers.ts'

const test = suite('network')
const bed = new Testbed()
test.after.each(() => bed.stop())

const LIMITS: RequestLimits = { maxRequest: 100_000, maxResponse: 100_000, timeoutMs: 20_000, maxStreams: 32 }
const ASK = { timeoutMs: 20_000, maxResponse: 100_000 }
const echo = async (request: Uint8Array): Promise<Uint8Array> => request

async function pair(): Promise<[Network, Network]> {
  const networks: [Network, Network] = [await bed.full(1), await bed.full(2)]
  await Promise.all(networks.map(network => network.start()))
  return networks
}

test('requests both ways, by key and by address, also empty ones', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await to.handle('/test/echo/1', 'members', async (request, { peer }) => Uint8Array.of(...request, ...peer), LIMITS)
    assert.equal(await from.request(to.networkKey, '/test/echo/1', Uint8Array.of(1), ASK), Uint8Array.of(1, ...from.networkKey))
    assert.equal(await from.request(to.networkKey, '/test/echo/1', new Uint8Array(0), ASK), from.networkKey)
    const address = parsePeerAddress(addressOf(to))
    assert.equal(await from.request(address, '/test/echo/1', Uint8Array.of(2), ASK), Uint8Array.of(2, ...from.networkKey))
  }
})

test('a hundred requests at once leave no stream behind', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  await b.handle('/test/echo/1', 'members', echo, { ...LIMITS, maxStreams: 100 })
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => a.request(b.networkKey, '/test/echo/1', new Uint8Array(50_000).fill(i), ASK)),
  )
  for (const [i, answer] of answers.entries()) assert.ok(answer.length === 50_000 && answer[0] === i)
  for (let i = 0; i < 300; i++) await a.request(b.networkKey, '/test/echo/1', Uint8Array.of(1), ASK)
})

test('a peer that has just connected may ask many things at once', async () => {
  const [a, b] = await pair()
  await b.handle('/test/echo/1', 'anyone', echo, { ...LIMITS, maxStreams: 64 })
  const address = parsePeerAddress(addressOf(b))
  const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => a.request(address, '/test/echo/1', Uint8Array.of(i), ASK)))
  assert.equal(
    answers.map(([i]) => i),
    Array.from({ length: 64 }, (_, i) => i),
  )
})

test('too long a request or an answer is refused on either side', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  let served = 0
  await b.handle(
    '/test/size/1',
    'members',
    async request => {
      served += 1
      return new Uint8Array(request.length * 2)
    },
    { ...LIMITS, maxRequest: 1000, maxResponse: 1500 },
  )
  assert.is((await failure(a.request(b.networkKey, '/test/size/1', new Uint8Array(1001), ASK)))?.code, 'malformed')
  assert.is(served, 0)
  assert.is((await failure(a.request(b.networkKey, '/test/size/1', new Uint8Array(800), ASK)))?.code, 'too-large')
  const short = await failure(a.request(b.networkKey, '/test/size/1', new Uint8Array(700), { ...ASK, maxResponse: 1399 }))
  assert.ok(short?.code === 'malformed' || short?.code === 'too-large')
  assert.is((await a.request(b.networkKey, '/test/size/1', new Uint8Array(700), ASK)).length, 1400)
})

test('a protocol of members refuses strangers with a reason and serves everybody what is for anyone', async () => {
  const [a, b] = await pair()
  b.setMembers([memberOf(b)])
  await b.handle('/test/members/1', 'members', echo, LIMITS)
  await b.handle('/test/validators/1', 'validators', echo, LIMITS)
  await b.handle('/test/anyone/1', 'anyone', echo, LIMITS)
  await b.handleStream('/test/stream/1', 'members', async () => undefined, { maxFrame: 100, timeoutMs: 20_000, maxStreams: 4 })
  const address = parsePeerAddress(addressOf(b))
  for (const protocol of ['/test/members/1', '/test/validators/1']) {
    const error = await failure(a.request(address, protocol, Uint8Array.of(1), ASK))
    assert.is(error?.code, 'not-a-member')
    assert.is(error?.metadata.remote, true)
  }
  assert.is((await failure(a.request(address, '/test/members/1', new Uint8Array(100_000), ASK)))?.code, 'not-a-member')
  assert.is((await failure(a.openStream(address, '/test/stream/1', { maxFrame: 100 })))?.code, 'not-a-member')
  assert.equal(await a.request(address, '/test/anyone/1', Uint8Array.of(1), ASK), Uint8Array.of(1))
  b.setMembers([memberOf(b), memberOf(a, false)])
  assert.equal(await a.request(address, '/test/members/1', Uint8Array.of(1), ASK), Uint8Array.of(1))
  assert.is((await failure(a.request(address, '/test/validators/1', Uint8Array.of(1), ASK)))?.code, 'not-a-member')
})

test('who loses membership loses what is being served', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  let aborted: unknown
  await b.handle(
    '/test/slow/1',
    'members',
    (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = signal.reason
          reject(signal.reason)
        })
        b.setMembers([memberOf(b)])
      }),
    LIMITS,
  )
  assert.is((await failure(a.request(b.networkKey, '/test/slow/1', Uint8Array.of(1), ASK)))?.code, 'not-a-member')
  assert.is((aborted as EpioneError).code, 'not-a-member')
})

test('a handler that fails tells its code, or nothing, and harms nobody', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  await b.handle(
    '/test/fail/1',
    'members',
    async ([kind]) => {
      if (kind === 0) throw new EpioneError('no-quota', 'The quota is used up.')
      if (kind === 1) throw new TypeError('a secret')
      return Uint8Array.of(9)
    },
    LIMITS,
  )
  const known = await failure(a.request(b.networkKey, '/test/fail/1', Uint8Array.of(0), ASK))
  assert.is(known?.code, 'no-quota')
  assert.is(known?.message, 'The quota is used up.')
  const unknown = await failure(a.request(b.networkKey, '/test/fail/1', Uint8Array.of(1), ASK))
  assert.is(unknown?.code, 'internal')
  assert.not.match(unknown?.message ?? '', 'secret')
  assert.equal(await a.request(b.networkKey, '/test/fail/1', Uint8Array.of(2), ASK), Uint8Array.of(9))
})

test('a stranger over its budget is busy; a member is not', async () => {
  const b = await bed.full(2, { limits: { requestsPerSecond: 0.001, requestBurst: 3 } })
  const stranger = await bed.light(5)
  const member = await bed.full(1)
  await Promise.all([b, stranger, member].map(network => network.start()))
  await mesh([b, member])
  await b.handle('/test/echo/1', 'anyone', echo, LIMITS)
  await stranger.connect(addressOf(b))
  for (let i = 0; i < 3; i++) await stranger.request(b.networkKey, '/test/echo/1', Uint8Array.of(1), ASK)
  const error = await failure(stranger.request(b.networkKey, '/test/echo/1', Uint8Array.of(1), ASK))
  assert.is(error?.code, 'busy')
  for (let i = 0; i < 10; i++) await member.request(b.networkKey, '/test/echo/1', Uint8Array.of(1), ASK)
})

test('more streams of one peer than the protocol allows are busy', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  const release = Promise.withResolvers<void>()
  let running = 0
  await b.handle(
    '/test/wait/1',
    'members',
    async request => {
      running += 1
      await release.promise
      return request
    },
    { ...LIMITS, maxStreams: 2 },
  )
  const held = [1, 2].map(i => a.request(b.networkKey, '/test/wait/1', Uint8Array.of(i), ASK))
  await until(() => running === 2, 'two running')
  assert.is((await failure(a.request(b.networkKey, '/test/wait/1', Uint8Array.of(3), ASK)))?.code, 'busy')
  release.resolve()
  assert.is((await Promise.all(held)).length, 2)
})

test('errors are told apart: unsupported, unreachable, timeout, aborted, connection-lost', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  let gone: AbortSignal | undefined
  await b.handle(
    '/test/never/1',
    'members',
    (_, { signal }) => {
      gone = signal
      return new Promise(() => undefined)
    },
    LIMITS,
  )
  assert.is((await failure(a.request(b.networkKey, '/test/none/1', Uint8Array.of(1), ASK)))?.code, 'unsupported')
  assert.is((await failure(a.request(b.networkKey, '/test/never/1', Uint8Array.of(1), { ...ASK, timeoutMs: 50 })))?.code, 'timeout')
  const controller = new AbortController()
  gone = undefined
  const asked = failure(a.request(b.networkKey, '/test/never/1', Uint8Array.of(1), { ...ASK, signal: controller.signal }))
  await until(() => gone !== undefined, 'asked')
  controller.abort()
  assert.is((await asked)?.code, 'aborted')
  await until(() => gone?.aborted === true, 'the handler hears that the peer gave up')
  gone = undefined
  const lost = failure(a.request(b.networkKey, '/test/never/1', Uint8Array.of(1), ASK))
  await until(() => gone !== undefined, 'asked again')
  const port = /tcp\/(\d+)/.exec(addressOf(b))?.[1]
  await b.stop()
  assert.is((await lost)?.code, 'connection-lost')
  a.setMembers([])
  assert.is((await failure(a.connect(`/ip4/127.0.0.1/tcp/${port}`)))?.code, 'unreachable')
  assert.is((await failure(a.request(b.networkKey, '/test/echo/1', Uint8Array.of(1), ASK)))?.code, 'unreachable')
  assert.is((await failure(a.connect('nonsense')))?.code, 'bad-address')
})

test('a handler that takes too long is a timeout for the asker', async () => {
  const [a, b] = await pair()
  await mesh([a, b])
  await b.handle('/test/never/1', 'members', () => new Promise(() => undefined), { ...LIMITS, timeoutMs: 50 })
  const error = await failure(a.request(b.networkKey, '/test/never/1', Uint8Array.of(1), ASK))
  assert.is(error?.code, 'timeout')
  assert.is(error?.metadata.remote, true)
})

test('a busy port is named', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (const suffix of ['', '/ws']) {
    const a = await bed.full(1, { listen: [`/ip4/127.0.0.1/tcp/${port}${suffix}`] })
    const error = await failure(a.start())
    assert.is(error?.code, 'port-in-use')
    assert.is(error?.message, `port ${port} is used by another program; choose another with --listen`)
    assert.is(error?.metadata.port, port)
  }
  server.close()
})

test('garbage on the TCP port and on the WebSocket port harms nobody', async () => {
  const b = await bed.full(2, { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] })
  const a = await bed.full(1)
  await Promise.all([a.start(), b.start()])
  for (const address of b.addresses()) {
    const port = Number(/tcp\/(\d+)/.exec(address)?.[1])
    for (const bytes of [
      new Uint8Array(100_000).fill(0xff),
      new Uint8Array(0),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from('\x13/multistream/1.0.0\n\xff\xff\xff\xff\x7f', 'latin1'),
      Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n\x00\x10garbagegarbagegarbage', 'latin1'),
    ]) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      const closed = new Promise(resolve => socket.once('close', resolve))
      socket.once('connect', () => socket.end(bytes))
      socket.resume()
      await closed
    }
  }
  await mesh([a, b])
  await b.handle('/test/echo/1', 'members', echo, LIMITS)
  assert.equal(await a.request(b.networkKey, '/test/echo/1', Uint8Array.of(1), ASK), Uint8Array.of(1))
})

test('a peer that breaks the framing again and again is kept out', async () => {
  const [a, b] = await pair()
  b.setMembers([memberOf(b)])
  await b.handle('/test/small/1', 'anyone', echo, { ...LIMITS, maxRequest: 10 })
  const address = parsePeerAddress(addressOf(b))
  const codes: (string | undefined)[] = []
  for (let i = 0; i < 4; i++) codes.push((await failure(a.request(address, '/test/small/1', new Uint8Array(100), ASK)))?.code)
  assert.equal(codes.slice(0, 3), ['malformed', 'malformed', 'malformed'])
  await until(() => b.peers().length === 0, 'thrown out')
  const error = await failure(a.request(address, '/test/small/1', new Uint8Array(1), ASK))
  assert.ok(error !== undefined, 'and not let in again')
})

test('strangers cannot take the connections that are kept for members', async () => {
  const b = await bed.full(2, { limits: { maxConnections: 4, connectionsForMembers: 2 } })
  const strangers = await Promise.all([11, 12, 13, 14, 15].map(i => bed.light(i)))
  const a = await bed.full(1)
  await Promise.all([a, b, ...strangers].map(network => network.start()))
  await b.handle('/test/echo/1', 'anyone', echo, LIMITS)
  let served = 0
  for (const stranger of strangers) {
    const error = await failure(stranger.request(parsePeerAddress(addressOf(b)), '/test/echo/1', Uint8Array.of(1), ASK))
    if (error === undefined) served += 1
  }
  assert.is(served, 2)
  await mesh([a, b])
  assert.equal(await a.request(b.networkKey, '/test/echo/1', Uint8Array.of(1), ASK), Uint8Array.of(1))
})

test('events and the list of peers', async () => {
  const [a, b] = await pair()
  const events: string[] = []
  const end = a.onPeer(({ type, peer }) => events.push(`${type} ${peer.length}`))
  a.onPeer(() => {
    throw new Error('a listener that fails')
  })
  assert.equal(await a.connect(addressOf(b)), b.networkKey)
  await until(() => events.length === 1, 'connected')
  await until(() => typeof a.peers()[0]?.rttMs === 'number', 'round-trip time')
  const [peer] = a.peers()
  assert.equal(peer?.networkKey, b.networkKey)
  assert.ok(peer?.connected === true && peer.direction === 'outbound' && !peer.member && !peer.validator)
  await b.stop()
  await until(() => events.length === 2, 'disconnected')
  assert.equal(events, ['connect 32', 'disconnect 32'])
  end()
})

test('members find each other again when one comes back at the same port', async () => {
  const [a, first] = await pair()
  await mesh([a, first])
  const listen = [addressOf(first).replace(/\/p2p\/.*/, '')]
  await first.stop()
  await until(() => a.peers().every(peer => !peer.connected), 'gone')
  const second = await bed.full(2, { listen })
  await second.start()
  second.setMembers([memberOf(a), memberOf(second)])
  await until(() => a.peers().every(peer => peer.connected), 'back')
  assert.is(a.peers()[0]?.member, true)
})

test('a light peer asks over WebSockets and has no part in what is for members', async () => {
  const b = await bed.full(2, { listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
  const light = await bed.light(7)
  await Promise.all([b.start(), light.start()])
  await b.handle('/test/echo/1', 'anyone', echo, LIMITS)
  assert.equal(await light.connect(addressOf(b)), b.networkKey)
  assert.equal(light.addresses(), [])
  assert.equal(await light.request(b.networkKey, '/test/echo/1', new Uint8Array(100_000).fill(3), ASK), new Uint8Array(100_000).fill(3))
  assert.is((await failure(light.locate.provide(new Uint8Array(32))))?.code, 'unsupported')
  assert.is((await failure(light.publish('announcements', Uint8Array.of(1))))?.code, 'unsupported')
  assert.throws(
    () => light.subscribe('blocks', () => 'accept'),
    (error: EpioneError) => error.code === 'unsupported',
  )
})

test('a process whose networks have stopped ends by itself', async () => {
  const program = `
    import { createNetwork } from ${JSON.stringify(new URL('../../src/network/network.ts', import.meta.url).href)}
    const networks = []
    for (const i of [1, 2]) {
      const network = await createNetwork({ privateKeySeed: new Uint8Array(32).fill(i), listen: ['/ip4/127.0.0.1/tcp/0'], mode: 'full' })
      network.subscribe('blocks', () => 'accept')
      network.openChannel('/test/channel/1', () => undefined, { maxFrame: 100 })
      await network.handle('/test/echo/1', 'members', async request => request, { maxRequest: 10, maxResponse: 10, timeoutMs: 1000, maxStreams: 2 })
      await network.start()
      networks.push(network)
    }
    const members = networks.map(network => ({ networkKey: network.networkKey, validator: true, addresses: network.addresses() }))
    for (const network of networks) network.setMembers(members)
    await new Promise(resolve => { networks[0].onPeer(resolve) })
    await networks[0].request(networks[1].networkKey, '/test/echo/1', Uint8Array.of(1), { timeoutMs: 20000, maxResponse: 10 })
    await Promise.all(networks.map(network => network.stop()))
    console.log('stopped')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', chunk => {
    output += String(chunk)
  })
  const [code] = await once(child, 'exit')
  assert.is(code, 0)
  assert.match(output, 'stopped')
})

test.run()
