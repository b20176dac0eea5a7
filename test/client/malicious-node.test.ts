/**
 * Nodes that do a light peer harm by what they send, or do not send, rather than by what it says: `node/attacks-light.test.ts` and
 * `node/follow.test.ts` have the lies. Each is left within its limit of time and memory, has a stable code, and an honest node is used where there is one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLightPeer } from '../../src/client/light-peer.ts'
import { genesisCodec, chainId as genesisId } from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { encodeFrame, prefixLength, writePrefix } from '../../src/network/frame-decoder.ts'
import { genesisResponseCodec } from '../../src/network/light-messages.ts'
import { encodeRefusal, OK_STATUS } from '../../src/network/reply.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, genesisOf, seedOf } from '../node/cluster.ts'
import { startLyingNode } from '../node/lying-node.ts'
import { type Manner, startRawNode } from './raw-node.ts'

const test = suite<{ cluster: Cluster }>('malicious nodes')
const TIMEOUT_MS = 2_500

test.before(async context => {
  context.cluster = await Cluster.start()
})
test.after(async ({ cluster }) => await cluster.stop())

/** The prefix of a frame that is said to have so many bytes. */
function prefixOf(length: number): Uint8Array {
  const out = new Uint8Array(prefixLength(length))
  writePrefix(out, 0, length)
  return out
}

const refusing =
  (error: EpioneError): Manner =>
  stream => {
    stream.send(encodeFrame(encodeRefusal(error)))
  }

/** What the node does, what that is called, and how long it may take. */
const MANNERS: readonly { what: string; code: string; manner: Manner }[] = [
  { what: 'takes the question and says nothing', code: 'timeout', manner: () => undefined },
  {
    what: 'says a byte now and then',
    code: 'timeout',
    manner: async (stream, over) => {
      stream.send(prefixOf(1000))
      while (!over.aborted && stream.send(OK_STATUS)) await sleep(50, undefined, { signal: over })
    },
  },
  { what: 'announces more than it may send', code: 'malformed', manner: stream => void stream.send(prefixOf(2 ** 31)) },
  {
    what: 'sends without end',
    code: 'malformed',
    manner: async (stream, over) => {
      const junk = new Uint8Array(64 * 1024).fill(0xff)
      while (!over.aborted) {
        stream.send(junk)
        await sleep(1, undefined, { signal: over })
      }
    },
  },
  { what: 'sends what is no answer', code: 'malformed', manner: stream => void stream.send(encodeFrame(OK_STATUS, seedOf('noise'))) },
  { what: 'sends an answer without a status', code: 'malformed', manner: stream => void stream.send(encodeFrame(Uint8Array.of(7))) },
  { what: 'sends an empty frame', code: 'malformed', manner: stream => void stream.send(encodeFrame()) },
  { what: 'ends the stream at once', code: 'connection-lost', manner: async stream => await stream.close() },
  {
    what: 'ends the stream inside its answer',
    code: 'connection-lost',
    manner: async stream => {
      stream.send(prefixOf(100))
      await stream.close()
    },
  },
  { what: 'resets the stream', code: 'connection-lost', manner: stream => stream.abort(new Error('no')) },
  { what: 'is always busy', code: 'busy', manner: refusing(new EpioneError('busy', 'Later.', { metadata: { retryAfterMs: 1 } })) },
  {
    what: 'is busy for as long as may be said',
    code: 'busy',
    manner: refusing(new EpioneError('busy', 'Later.', { metadata: { retryAfterMs: 600_000 } })),
  },
  { what: 'refuses with a code of its own', code: 'no-such-code', manner: refusing(new EpioneError('no-such-code', 'No.')) },
]

test('whatever a node does on the wire is left in time and has a code, and another node is used', async ({ cluster }) => {
  await using hostile = await startRawNode()
  const parameters = toHex((await (await cluster.peer([0])).readOne(stateKey.parameters())) as Uint8Array)
  for (const { what, code, manner } of MANNERS) {
    hostile.behave(manner)
    const alone = await cluster.peer([hostile.address])
    const error = await alone.readOne(stateKey.parameters(), { timeoutMs: TIMEOUT_MS }).then(
      () => new EpioneError('believed', what),
      (thrown: EpioneError) => thrown,
    )
    assert.is(error.code, code, what)
    await alone.stop()
    const before = hostile.asked()
    const both = await cluster.peer([hostile.address, 1])
    assert.is(toHex((await both.readOne(stateKey.parameters(), { timeoutMs: TIMEOUT_MS })) as Uint8Array), parameters, what)
    assert.ok(hostile.asked() > before, `${what}: it was asked`)
    // From now on the honest one comes first.
    const settled = hostile.asked()
    await both.readOne(stateKey.parameters(), { timeoutMs: TIMEOUT_MS })
    assert.is(hostile.asked(), settled, what)
    await both.stop()
  }
})

test('what is sent without end fills no memory', async ({ cluster }) => {
  await using hostile = await startRawNode()
  let sent = 0
  hostile.behave(async (stream, over) => {
    // A whole frame of the longest kind, again and again, on a stream that is read no further than its first.
    const frame = encodeFrame(OK_STATUS, new Uint8Array(1024 * 1024))
    for (let i = 0; i < 200 && !over.aborted && stream.status === 'open'; i++) {
      sent += frame.length
      if (!stream.send(frame)) await sleep(5, undefined, { signal: over })
    }
  })
  const peer = await cluster.peer([hostile.address])
  await rejectsCode(peer.readOne(stateKey.parameters(), { timeoutMs: TIMEOUT_MS }), 'malformed')
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken`)
})

test('the genesis document of another chain is passed over where the chain is known, and so is what is none', async ({ cluster }) => {
  await using liar = await startLyingNode(cluster.addresses[0] as string)
  const other = genesisCodec.encode(genesisOf({ network: 'other' }))
  const chainId = genesisId(cluster.genesis)
  for (const [genesis, code] of [
    [other, 'other-chain'],
    [seedOf('noise'), 'malformed'],
  ] as const) {
    liar.tell(async (request, honest) => (request.type === 'genesis' ? genesisResponseCodec.encode({ genesis }) : await honest(request)))
    await rejectsCode(createLightPeer({ nodes: [liar.address], chainId }), code)
    const before = liar.lies()
    await using peer = await createLightPeer({ nodes: [liar.address, cluster.addresses[1] as string], chainId })
    assert.ok(liar.lies() > before)
    assert.is(toHex(peer.chainId), toHex(chainId))
    await peer.head()
  }
  // Without an id the first document is taken on its word, and every header of the true chain is another chain's.
  liar.tell(async (request, honest) =>
    request.type === 'genesis' ? genesisResponseCodec.encode({ genesis: other }) : await honest(request),
  )
  await using misled = await createLightPeer({ nodes: [liar.address] })
  await rejectsCode(misled.head(), 'invalid-header')
})

test.run()
