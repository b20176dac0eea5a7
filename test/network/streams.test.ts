import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { FrameChannel, Network, StreamLimits } from '../../src/network/network.ts'
import { failure, memberOf, mesh, Testbed, until } from './helpers.ts'

const test = suite('streams')
const bed = new Testbed()
test.after.each(() => bed.stop())

const CHUNK = 256 * 1024
const LIMITS: StreamLimits = { maxFrame: CHUNK, timeoutMs: 30_000, maxStreams: 8 }

async function pair(): Promise<[Network, Network]> {
  const networks: [Network, Network] = [await bed.full(1), await bed.full(2)]
  await Promise.all(networks.map(network => network.start()))
  await mesh(networks)
  return networks
}

/** Everything that may lie between a sender that awaits and a reader: windows, sockets' buffers, and the marks of both ends. */
const MOST_IN_FLIGHT = 12 * 1024 * 1024

async function slowly(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise(resolve => setImmediate(resolve))
}

test('a slow reader holds a sender of 64 MiB back, upwards', async () => {
  const [a, b] = await pair()
  const total = 64 * 1024 * 1024
  let sent = 0
  let most = 0
  let read = 0
  const seen = createHash('sha256')
  await b.handleStream(
    '/test/up/1',
    'members',
    async channel => {
      for await (const frame of channel.frames()) {
        read += frame.length
        seen.update(frame)
        await slowly(20)
      }
      await channel.send(new Uint8Array(seen.digest()))
    },
    LIMITS,
  )
  const channel = await a.openStream(b.networkKey, '/test/up/1', { maxFrame: CHUNK })
  const expected = createHash('sha256')
  for (let i = 0; sent < total; i++) {
    const chunk = new Uint8Array(CHUNK).fill(i)
    expected.update(chunk)
    await channel.send(chunk)
    sent += CHUNK
    most = Math.max(most, sent - read)
  }
  await channel.closeWrite()
  const answers: Uint8Array[] = []
  for await (const frame of channel.frames()) answers.push(frame)
  await channel.close()
  assert.is(read, total)
  assert.equal(answers, [new Uint8Array(expected.digest())])
  assert.ok(most <= MOST_IN_FLIGHT, `${most} bytes were in flight`)
})

test('a slow reader holds a sender of 64 MiB back, downwards, and nothing is lost at the end', async () => {
  const [a, b] = await pair()
  const total = 64 * 1024 * 1024
  let sent = 0
  let most = 0
  let read = 0
  await b.handleStream(
    '/test/down/1',
    'members',
    async channel => {
      for (let i = 0; sent < total; i++) {
        await channel.send(new Uint8Array(CHUNK).fill(i))
        sent += CHUNK
        most = Math.max(most, sent - read)
      }
    },
    LIMITS,
  )
  const channel = await a.openStream(b.networkKey, '/test/down/1', { maxFrame: CHUNK })
  await channel.closeWrite()
  for await (const frame of channel.frames()) {
    assert.is(frame[0], (read / CHUNK) % 256)
    read += frame.length
    await slowly(20)
  }
  await channel.close()
  assert.is(read, total)
  assert.ok(most <= MOST_IN_FLIGHT, `${most} bytes were in flight`)
})

test('what a peer sends before it closes arrives, even when the reader comes late', async () => {
  const [a, b] = await pair()
  await b.handleStream(
    '/test/burst/1',
    'members',
    async channel => {
      for (let i = 0; i < 20; i++) await channel.send(new Uint8Array(10_000).fill(i))
    },
    LIMITS,
  )
  for (let round = 0; round < 20; round++) {
    const channel = await a.openStream(b.networkKey, '/test/burst/1', { maxFrame: CHUNK })
    await slowly(round * 5)
    const got: (number | undefined)[] = []
    for await (const frame of channel.frames()) got.push(frame[0])
    await channel.close()
    assert.equal(
      got,
      Array.from({ length: 20 }, (_, i) => i),
    )
  }
})

test('a handler that ends at once is an empty stream, not an error', async () => {
  const [a, b] = await pair()
  await b.handleStream('/test/empty/1', 'members', async () => undefined, LIMITS)
  for (let round = 0; round < 20; round++) {
    const channel = await a.openStream(b.networkKey, '/test/empty/1', { maxFrame: CHUNK })
    for await (const _ of channel.frames()) assert.unreachable('no frame was sent')
    await channel.close()
  }
})

test('a frame may be longer than every buffer on its way', async () => {
  const [a, b] = await pair()
  const maxFrame = 8 * 1024 * 1024
  await b.handleStream(
    '/test/long/1',
    'members',
    async channel => {
      for await (const frame of channel.frames()) await channel.send(frame)
    },
    { ...LIMITS, maxFrame },
  )
  const channel = await a.openStream(b.networkKey, '/test/long/1', { maxFrame })
  for (const length of [CHUNK - 3, CHUNK - 1, CHUNK, CHUNK + 1, 1024 * 1024, 3_000_000, maxFrame]) {
    const frame = new Uint8Array(length).fill(length % 251)
    const sending = channel.send(frame)
    for await (const answer of channel.frames()) {
      assert.ok(answer.length === length && answer.every(byte => byte === length % 251))
      break
    }
    await sending
  }
  await channel.close()
})

test('both directions at once, many small frames', async () => {
  const [a, b] = await pair()
  await b.handleStream(
    '/test/echo/1',
    'members',
    async channel => {
      for await (const frame of channel.frames()) await channel.send(frame)
    },
    LIMITS,
  )
  const channel = await a.openStream(b.networkKey, '/test/echo/1', { maxFrame: CHUNK })
  const count = 5_000
  const sending = (async () => {
    for (let i = 0; i < count; i++) await channel.send(Uint8Array.of(i & 0xff, i >> 8))
    await channel.closeWrite()
  })()
  let next = 0
  for await (const frame of channel.frames()) {
    assert.equal(frame, Uint8Array.of(next & 0xff, next >> 8))
    next += 1
  }
  await sending
  await channel.close()
  assert.is(next, count)
})

test('a frame that is too long is refused before it is sent, and on arrival', async () => {
  const [a, b] = await pair()
  const ends: (string | undefined)[] = []
  await b.handleStream(
    '/test/small/1',
    'members',
    async channel => {
      const end = await failure(
        (async () => {
          for await (const _ of channel.frames());
        })(),
      )
      ends.push(end?.code)
      if (end !== undefined) throw end
    },
    { ...LIMITS, maxFrame: 100 },
  )
  const honest = await a.openStream(b.networkKey, '/test/small/1', { maxFrame: 100 })
  assert.is((await failure(honest.send(new Uint8Array(101))))?.code, 'too-large')
  await honest.close()
  await until(() => ends.length === 1, 'the honest stream ended')
  const hostile = await a.openStream(b.networkKey, '/test/small/1', { maxFrame: 1000 })
  await hostile.send(new Uint8Array(101))
  const lost = await failure(
    (async () => {
      for await (const _ of hostile.frames());
    })(),
  )
  assert.is(lost?.code, 'connection-lost')
  assert.is(ends[1], 'malformed')
})

test('a silent peer loses its stream', async () => {
  const [a, b] = await pair()
  let end: string | undefined
  await b.handleStream(
    '/test/silent/1',
    'members',
    async channel => {
      const error = await failure(
        (async () => {
          for await (const _ of channel.frames());
        })(),
      )
      end = error?.code
      if (error !== undefined) throw error
    },
    { ...LIMITS, timeoutMs: 50 },
  )
  const channel = await a.openStream(b.networkKey, '/test/silent/1', { maxFrame: 100 })
  const lost = await failure(
    (async () => {
      for await (const _ of channel.frames());
    })(),
  )
  assert.is(lost?.code, 'connection-lost')
  assert.is(end, 'timeout')
})

test('a sender can give up waiting for a reader that does not read', async () => {
  const [a, b] = await pair()
  const held = Promise.withResolvers<void>()
  await b.handleStream('/test/hold/1', 'members', () => held.promise, LIMITS)
  const channel = await a.openStream(b.networkKey, '/test/hold/1', { maxFrame: CHUNK })
  const controller = new AbortController()
  let sent = 0
  const sending = failure(
    (async () => {
      for (;;) {
        await channel.send(new Uint8Array(CHUNK), { signal: controller.signal })
        sent += 1
      }
    })(),
  )
  let before = -1
  while (before !== sent) {
    before = sent
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  assert.ok(sent > 0 && sent * CHUNK <= MOST_IN_FLIGHT, `${sent} frames were taken`)
  controller.abort()
  assert.is((await sending)?.code, 'aborted')
  held.resolve()
})

test('a stream ends when its peer loses membership or the node stops', async () => {
  const [a, b] = await pair()
  const reasons: unknown[] = []
  await b.handleStream(
    '/test/open/1',
    'members',
    (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason.code)
          reject(signal.reason)
        })
      }),
    LIMITS,
  )
  const drain = async (channel: FrameChannel): Promise<void> => {
    for await (const _ of channel.frames());
  }
  const first = await a.openStream(b.networkKey, '/test/open/1', { maxFrame: CHUNK })
  const lost = failure(drain(first))
  b.setMembers([memberOf(b)])
  assert.is((await lost)?.code, 'connection-lost')
  b.setMembers([memberOf(a), memberOf(b)])
  const second = await a.openStream(b.networkKey, '/test/open/1', { maxFrame: CHUNK })
  const stopped = failure(drain(second))
  await b.stop()
  assert.is((await stopped)?.code, 'connection-lost')
  assert.equal(reasons, ['not-a-member', 'connection-lost'])
})

test('a stranger is slowed down to its bytes per second, not cut off', async () => {
  const b = await bed.full(2, { limits: { bytesPerSecond: 4 * 1024 * 1024, byteBurst: 256 * 1024 } })
  const light = await bed.light(9)
  await Promise.all([b.start(), light.start()])
  let read = 0
  const startMs = performance.now()
  await b.handleStream(
    '/test/slow/1',
    'anyone',
    async channel => {
      for await (const frame of channel.frames()) read += frame.length
      await channel.send(Uint8Array.of(1))
    },
    LIMITS,
  )
  await light.connect(b.addresses()[0] ?? '')
  const channel = await light.openStream(b.networkKey, '/test/slow/1', { maxFrame: CHUNK })
  for (let i = 0; i < 8; i++) await channel.send(new Uint8Array(CHUNK))
  await channel.closeWrite()
  for await (const frame of channel.frames()) assert.equal(frame, Uint8Array.of(1))
  await channel.close()
  assert.is(read, 8 * CHUNK)
  // Seven of eight chunks are beyond the burst, and the budget itself lets no more than 4 MiB through in a second.
  assert.ok(performance.now() - startMs >= 400, 'the budget was kept')
})

test.run()
