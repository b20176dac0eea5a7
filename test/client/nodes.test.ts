import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NodePool } from '../../src/client/nodes.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { jsonResponseCodec, type LightRequest, lightRequestCodec } from '../../src/network/light-messages.ts'
import type { Network } from '../../src/network/network.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { nodeKeys } from '../node/cluster.ts'

const test = suite('nodes of a light peer')
const keyOf = (index: number): Uint8Array => nodeKeys(index).network.publicKey
const addressOf = (index: number): string => `/ip4/127.0.0.1/tcp/${7000 + index}/p2p/${peerIdOf(keyOf(index))}`
const commit: LightRequest = { type: 'commit', value: { height: null } }
const status: LightRequest = { type: 'status', value: {} }
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** What a node answers; an error is thrown, as the network would. */
type Answer = (request: LightRequest) => string | EpioneError

/** A network of nodes at the addresses of their numbers; where there is no answer, nobody is reached. */
class FakeNetwork {
  readonly networkKey = keyOf(99)
  readonly answers = new Map<string, Answer>()
  /** Whom an address reaches, where it is not the node that it names. */
  readonly reached = new Map<string, Uint8Array>()
  readonly asked: string[] = []
  readonly dialled: string[] = []
  peers = '{"peers":[]}'

  set(index: number, answer: Answer): void {
    this.answers.set(toHex(keyOf(index)), answer)
  }

  async connect(address: string): Promise<Uint8Array> {
    this.dialled.push(address)
    const found = this.reached.get(address) ?? [0, 1, 2, 3].map(keyOf).find(key => address.endsWith(String(peerIdOf(key))))
    if (found === undefined || !this.answers.has(toHex(found))) throw new EpioneError('unreachable', 'Nobody is there.')
    return found
  }

  async request(key: Uint8Array, _protocol: string, bytes: Uint8Array): Promise<Uint8Array> {
    const request = lightRequestCodec.decode(bytes)
    if (request.type === 'peers') return jsonResponseCodec.encode({ json: this.peers })
    this.asked.push(`${[0, 1, 2, 3].findIndex(index => toHex(keyOf(index)) === toHex(key))}`)
    const answer = (this.answers.get(toHex(key)) as Answer)(request)
    if (answer instanceof EpioneError) throw answer
    return utf8(answer)
  }
}

function poolOf(...indices: number[]): { network: FakeNetwork; pool: NodePool } {
  const network = new FakeNetwork()
  return { network, pool: new NodePool(network as unknown as Network, indices.map(addressOf)) }
}

const fault = (code: string): Answer => {
  const error = new EpioneError(code, code)
  return () => error
}

test('the node that answered last is asked first', async () => {
  const { network, pool } = poolOf(0, 1, 2)
  network.set(1, () => 'one')
  network.set(2, () => 'two')
  assert.is(await pool.ask(commit, text), 'one')
  network.set(0, () => 'zero')
  assert.is(await pool.ask(commit, text), 'one')
  network.answers.delete(toHex(keyOf(1)))
  // The one that failed before is asked after the one that never failed.
  assert.is(await pool.ask(commit, text), 'two')
  assert.is(await pool.ask(commit, text), 'two')
  assert.equal(network.asked, ['1', '1', '2', '2'])
})

test('every failure of a node leads to the next one', async () => {
  const codes = ['unreachable', 'timeout', 'connection-lost', 'busy', 'unsupported', 'internal', 'malformed', 'invalid-proof']
  for (const code of [
    ...codes,
    'invalid-header',
    'invalid-certificate',
    'untrusted-validators',
    'stale',
    'behind',
    'banned',
    'not-provable',
  ]) {
    const { network, pool } = poolOf(0, 1)
    network.set(0, fault(code))
    network.set(1, () => 'fine')
    assert.is(await pool.ask(status, text), 'fine', code)
    assert.equal(network.asked, ['0', '1'])
  }
})

test('an answer that does not hold leads to the next one, and its node comes last from then on', async () => {
  const { network, pool } = poolOf(0, 1)
  network.set(0, () => 'lie')
  network.set(1, () => 'truth')
  const read = (bytes: Uint8Array): string => {
    if (text(bytes) === 'lie') throw new EpioneError('invalid-proof', 'no')
    return text(bytes)
  }
  assert.is(await pool.ask(commit, read), 'truth')
  assert.is(await pool.ask(commit, read), 'truth')
  pool.passOver()
  assert.is(await pool.ask(commit, read), 'truth')
})

test('a refusal is the answer to what nobody can prove, and none to what others can prove', async () => {
  const submit: LightRequest = { type: 'submit', value: { transaction: Uint8Array.of(1), holdMs: 0 } }
  const { network, pool } = poolOf(0, 1)
  network.set(0, fault('bad-signature'))
  network.set(1, () => 'fine')
  await rejectsCode(pool.ask(submit, text), 'bad-signature')
  assert.equal(network.asked, ['0'])
  network.set(0, fault('not-found'))
  assert.is(await pool.ask(commit, text), 'fine')
})

test('where nobody helps, the error is that of a node that answered', async () => {
  const { network, pool } = poolOf(0, 1, 2)
  network.set(1, fault('invalid-proof'))
  await rejectsCode(pool.ask(commit, text), 'invalid-proof')
  await rejectsCode(poolOf(0, 1).pool.ask(commit, text), 'unreachable')
  await rejectsCode(poolOf().pool.ask(commit, text), 'unreachable')
})

test('a call that is given up asks nobody else', async () => {
  const { network, pool } = poolOf(0, 1)
  const controller = new AbortController()
  network.set(0, () => {
    controller.abort(new EpioneError('aborted', 'given up'))
    return new EpioneError('timeout', 'late')
  })
  network.set(1, () => 'fine')
  await rejectsCode(pool.ask(commit, text, { signal: controller.signal }), 'aborted')
  assert.equal(network.asked, ['0'])
})

test('who answers at an address with another key than it names is not taken for that node', async () => {
  const { network, pool } = poolOf(0)
  network.set(1, () => 'impostor')
  network.reached.set(addressOf(0), keyOf(1))
  await rejectsCode(pool.ask(commit, text), 'unreachable')
  assert.equal(network.asked, [])
})

test('members are found by asking, and asked by their key', async () => {
  const { network, pool } = poolOf(0)
  network.set(0, () => 'fine')
  network.set(2, () => 'member')
  network.peers = JSON.stringify({ peers: [{ networkKey: toHex(keyOf(2)), addresses: [addressOf(2)] }] })
  assert.is(text(await pool.request(keyOf(2), '/p', lightRequestCodec.encode(status), { maxResponse: 10 })), 'member')
  await rejectsCode(pool.request(keyOf(3), '/p', lightRequestCodec.encode(status), { maxResponse: 10 }), 'unreachable')
})

test('addresses that others claim never displace the first one, and their number is bounded', async () => {
  const { network, pool } = poolOf(0)
  network.set(0, () => 'fine')
  for (let turn = 0; turn < 5; turn++) {
    pool.add(
      keyOf(0),
      Array.from({ length: 8 }, (_, i) => `/ip4/192.0.2.${i}/tcp/${turn + 1}`),
    )
  }
  const [node] = pool.order()
  assert.is(node?.addresses[0], addressOf(0))
  assert.is(node?.addresses.length, 8)
  assert.is(await pool.ask(commit, text), 'fine')
  assert.is(network.dialled[0], addressOf(0))
})

test('the number of nodes is bounded, and the own key is none of them', () => {
  const { pool } = poolOf(0)
  for (let i = 0; i < 3000; i++)
    pool.add(
      Uint8Array.from({ length: 32 }, (_, at) => (at < 2 ? (i >> (8 * at)) & 0xff : 1)),
      ['/ip4/192.0.2.1/tcp/1'],
    )
  assert.is(pool.order().length, 1024)
  const other = poolOf(0).pool
  other.add(keyOf(99), [addressOf(0)])
  other.add(keyOf(1), [])
  assert.is(other.order().length, 1)
})

test('where all are busy, they are asked again when they said; one that names no time is not waited for', async () => {
  const { network, pool } = poolOf(0, 1)
  let refusals = 2
  network.set(0, () => (refusals-- > 0 ? new EpioneError('busy', 'busy', { metadata: { remote: true, retryAfterMs: 5 } }) : 'zero'))
  network.set(1, fault('unreachable'))
  assert.is(await pool.ask(commit, text), 'zero')
  refusals = 1
  assert.equal(await pool.request(keyOf(0), '/epione/desk/1', lightRequestCodec.encode(status), { maxResponse: 10 }), utf8('zero'))
  network.set(0, fault('busy'))
  network.asked.length = 0
  await rejectsCode(pool.ask(commit, text), 'busy')
  assert.equal([...network.asked].sort(), ['0', '1'])
  // Not for ever.
  network.set(0, () => new EpioneError('busy', 'busy', { metadata: { remote: true, retryAfterMs: 1 } }))
  network.asked.length = 0
  await rejectsCode(pool.ask(commit, text), 'busy')
  assert.is(network.asked.filter(index => index === '0').length, 4)
  // A time that is too long is no time.
  network.set(0, () => new EpioneError('busy', 'busy', { metadata: { remote: true, retryAfterMs: 60_000 } }))
  await rejectsCode(pool.request(keyOf(0), '/epione/desk/1', lightRequestCodec.encode(status), { maxResponse: 10 }), 'busy')
})

test.run()
