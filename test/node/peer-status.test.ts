import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { PeerEvent, PeerInfo } from '../../src/network/network.ts'
import { MAX_CLAIM, type PeerStatusMessage, peerStatusCodec } from '../../src/network/peer-status-messages.ts'
import type { RequestHandler } from '../../src/network/services.ts'
import { type PeerStatusDependencies, PeerStatusService } from '../../src/node/peer-status.ts'
import { rejectsCode } from '../encoding/throws.ts'

const test = suite('peer status')
const key = (index: number): Uint8Array => new Uint8Array(32).fill(index)
const START_MS = 1_900_000_000_000
const OWN = { height: 5, tip: key(50), base: 1, silentThrough: -1 }

/** Another member: its clock, what it says, and how long its answers take. */
interface Peer {
  clock: number
  there: number
  back: number
  says: Partial<PeerStatusMessage>
  /** Sent in place of an answer. */
  raw?: Uint8Array
  fails?: boolean
  asked: number
}

class Fake {
  wall = START_MS
  uptime = 100
  readonly peers: Peer[]
  readonly infos: PeerInfo[]
  readonly offences: string[] = []
  handler: RequestHandler | undefined
  connect: ((event: PeerEvent) => void) | undefined
  readonly service: PeerStatusService

  constructor(count: number) {
    this.peers = Array.from({ length: count }, () => ({ clock: 0, there: 10, back: 10, says: {}, asked: 0 }))
    this.infos = this.peers.map((_, index) => ({
      networkKey: key(index),
      addresses: [],
      connected: true,
      direction: 'outbound' as const,
      rttMs: null,
      member: true,
      validator: true,
    }))
    const network: PeerStatusDependencies['network'] = {
      handle: async (_protocol, policy, handler) => {
        assert.is(policy, 'members')
        this.handler = handler
      },
      onPeer: callback => {
        this.connect = callback
        return () => undefined
      },
      peers: () => this.infos,
      report: (peer, offence) => this.offences.push(`${peer[0]} ${offence}`),
      request: async to => {
        const peer = this.peers[(to as Uint8Array)[0] as number] as Peer
        peer.asked++
        if (peer.fails === true) throw new EpioneError('timeout', 'no answer')
        this.pass(peer.there)
        const says = { time: this.wall + peer.clock, height: 7, tip: key(99), base: 1, silentThrough: -1, ...peer.says }
        this.pass(peer.back)
        return peer.raw ?? peerStatusCodec.encode(says)
      },
    }
    this.service = new PeerStatusService({}, { network, own: () => OWN, now: () => this.wall, monotonic: () => this.uptime })
  }

  pass(ms: number): void {
    this.wall += ms
    this.uptime += ms
  }

  /** Lets the answers of the last tick arrive. */
  async settled(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
  }
}

test('members are asked at their turn, in about the interval, and not in step', async () => {
  const fake = new Fake(4)
  for (const peer of fake.peers) Object.assign(peer, { there: 0, back: 0 })
  const turns = fake.peers.map((): number[] => [])
  for (let step = 0; step < 600; step++) {
    const before = fake.peers.map(({ asked }) => asked)
    fake.service.tick()
    await fake.settled()
    fake.peers.forEach(({ asked }, index) => {
      if (asked > (before[index] as number)) turns[index]?.push(fake.uptime)
    })
    fake.pass(100)
  }
  for (const times of turns) {
    const gaps = times.slice(1).map((time, i) => time - (times[i] as number))
    assert.ok(
      gaps.every(gap => gap >= 4_000 && gap <= 6_200),
      gaps.join(' '),
    )
  }
  assert.ok(new Set(turns.map(times => times[5])).size > 1, 'spread')
  assert.is(fake.service.all().length, 4)
})

test('who connects is asked at once, who is away or no member is not', async () => {
  const fake = new Fake(3)
  await fake.service.start()
  try {
    fake.infos[1]!.connected = false
    fake.infos[2]!.member = false
    fake.service.tick()
    await fake.settled()
    assert.equal(
      fake.peers.map(({ asked }) => asked),
      [1, 0, 0],
    )
    fake.infos[1]!.connected = true
    fake.connect?.({ type: 'connect', peer: key(1) })
    await fake.settled()
    assert.equal(
      fake.peers.map(({ asked }) => asked),
      [1, 1, 0],
    )
    assert.is(fake.service.get(key(1))?.height, 7)
    // Its last word stays while it is away, with its age, and goes with its membership.
    fake.infos[1]!.connected = false
    fake.pass(60_000)
    fake.service.tick()
    assert.ok((fake.service.get(key(1))?.ageMs as number) >= 60_000)
    fake.infos[1]!.member = false
    fake.service.tick()
    assert.is(fake.service.get(key(1)), undefined)
  } finally {
    fake.service.stop()
  }
})

test('the clock offset is that of the shortest round trip, within half of it', async () => {
  const fake = new Fake(1)
  const peer = fake.peers[0]!
  peer.clock = 700
  for (const [there, back] of [
    [300, 10],
    [4, 6],
    [10, 900],
  ] as const) {
    Object.assign(peer, { there, back })
    await fake.service.ask(key(0))
  }
  const status = fake.service.get(key(0))!
  assert.is(status.rttMs, 10)
  assert.ok(Math.abs(status.clock!.offsetMs - 700) <= status.clock!.uncertaintyMs)
  assert.is(status.clock!.uncertaintyMs, 6)
  // The own clock is set, then the peer's.
  fake.wall -= 5_000
  Object.assign(peer, { clock: 5_700, there: 50, back: 50 })
  await fake.service.ask(key(0))
  assert.is(fake.service.get(key(0))!.clock!.offsetMs, 5_700)
  peer.clock = 6_000
  await fake.service.ask(key(0))
  assert.is(fake.service.get(key(0))!.clock!.offsetMs, 6_000)
})

test('one request to a peer is under way at a time', async () => {
  const fake = new Fake(1)
  const [a, b] = await Promise.all([fake.service.ask(key(0)), fake.service.ask(key(0))])
  assert.is(fake.peers[0]!.asked, 1)
  assert.is(a, b)
})

test('who asks is answered, and has said where it stands', async () => {
  const fake = new Fake(2)
  const asking = () => ({ peer: key(1), signal: AbortSignal.timeout(1_000), hold: () => () => undefined })
  await fake.service.start()
  try {
    const heard: string[] = []
    fake.service.onStatus(({ networkKey, height }) => heard.push(`${networkKey[0]} ${height}`))
    const ask = peerStatusCodec.encode({ time: 1, height: 12, tip: key(9), base: 3, silentThrough: 14 })
    const answer = peerStatusCodec.decode(await fake.handler!(ask, asking()))
    assert.equal(answer, { time: START_MS, ...OWN })
    const status = fake.service.get(key(1))!
    assert.equal([status.height, status.base, status.silentThrough, status.clock], [12, 3, 14, null])
    assert.equal(heard, ['1 12'])
    await rejectsCode(fake.handler!(Uint8Array.of(1, 2, 3), asking()), 'malformed')
    assert.equal(fake.offences, ['1 malformed'])
    assert.is(fake.service.get(key(1))!.height, 12)
  } finally {
    fake.service.stop()
  }
})

test('absurd claims are kept as claims; what is no status is blamed', async () => {
  const fake = new Fake(3)
  fake.peers[0]!.says = { time: MAX_CLAIM, height: MAX_CLAIM, base: MAX_CLAIM, silentThrough: MAX_CLAIM }
  fake.peers[1]!.says = { time: 0, height: 0, base: 0 }
  const honest = peerStatusCodec.encode({ time: 1, height: 1, tip: key(1), base: 1, silentThrough: -1 })
  await fake.service.ask(key(0))
  await fake.service.ask(key(1))
  assert.is(fake.service.get(key(0))!.height, MAX_CLAIM)
  assert.is(fake.service.get(key(0))!.clock!.offsetMs, MAX_CLAIM - START_MS - 10)
  assert.is(fake.service.get(key(1))!.clock!.offsetMs, -START_MS - 30)
  // Cut short, too long, with a height beyond the bound, with a tip of another length.
  const beyond = honest.slice()
  assert.is(toHex(beyond.subarray(0, 3)), '850101')
  for (const raw of [
    new Uint8Array(0),
    honest.subarray(0, -1),
    new Uint8Array([...honest, 0]),
    new Uint8Array([0x85, 0x01, 0x1b, 0, 1, 0, 0, 0, 0, 0, 1, ...honest.subarray(3)]),
    new Uint8Array([0x85, 0x01, 0x20, ...honest.subarray(3)]),
    new Uint8Array([0x85, 0x01, 0x01, 0x58, 0x1f, ...key(1).subarray(1), 0x01, 0x20]),
    new Uint8Array(97),
  ]) {
    fake.peers[2]!.raw = raw
    await rejectsCode(fake.service.ask(key(2)), 'malformed')
  }
  assert.is(fake.service.get(key(2)), undefined)
  assert.is(fake.offences.length, 7)
})

test('a peer that does not answer keeps its last word and is asked again at its turn', async () => {
  const fake = new Fake(1)
  await fake.service.ask(key(0))
  fake.peers[0]!.fails = true
  await rejectsCode(fake.service.ask(key(0)), 'timeout')
  fake.service.tick()
  assert.is(fake.peers[0]!.asked, 2)
  fake.pass(6_001)
  fake.service.tick()
  await fake.settled()
  assert.is(fake.peers[0]!.asked, 3)
  assert.is(fake.service.get(key(0))!.height, 7)
})

test.run()
