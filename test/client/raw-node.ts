/** A node that speaks the light protocol in bytes of its own: what no code of this project would send. */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { Arrivals } from '../../src/network/arrivals.ts'
import { assemble } from '../../src/network/libp2p.ts'
import { PROTOCOL } from '../../src/network/protocols.ts'
import { seedOf } from '../node/cluster.ts'

/** Says something, or nothing, to whoever asked; `over` aborts when the node stops. */
export type Manner = (stream: Stream, over: AbortSignal) => void | Promise<void>

export interface RawNode extends AsyncDisposable {
  readonly address: string
  /** Requests that came. */
  readonly asked: () => number
  behave(manner: Manner): void
}

let count = 0

export async function startRawNode(): Promise<RawNode> {
  const { node } = await assemble({
    privateKey: await generateKeyPairFromSeed('Ed25519', seedOf('raw node', count++)),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    maxConnections: 10,
    inboundConnectionsPerSecond: 100,
    handshakeMs: 10_000,
    arrivals: new Arrivals(),
    denyDial: () => false,
    denyPeer: () => false,
    denyInbound: () => false,
  })
  const over = new AbortController()
  let manner: Manner = () => undefined
  let asked = 0
  await node.handle(
    PROTOCOL.light,
    stream => {
      asked++
      // What is asked is of no interest, and is let in, so that nothing of it is in the way of the answer.
      stream.addEventListener('message', () => undefined)
      void Promise.resolve(manner(stream, over.signal)).catch(() => undefined)
    },
    { maxInboundStreams: 100 },
  )
  await node.start()
  return {
    address: String(node.getMultiaddrs()[0]),
    asked: () => asked,
    behave: next => {
      manner = next
    },
    [Symbol.asyncDispose]: async () => {
      over.abort()
      await node.stop()
    },
  }
}
