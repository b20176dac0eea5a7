/** A node that lies: it answers the light protocol with what a real node says, after somebody has changed it. */
import { multiaddr } from '@multiformats/multiaddr'
import { jsonResponseCodec, type LightRequest, lightRequestCodec } from '../../src/network/light-messages.ts'
import { createNetwork } from '../../src/network/network.ts'
import { MAX_LIGHT_REQUEST, MAX_LIGHT_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import { freePorts, seedOf } from './cluster.ts'

/** Makes an answer of its own; `honest` gives what the real node says, to this question or to another. */
export type Lie = (request: LightRequest, honest: (request: LightRequest) => Promise<Uint8Array>) => Promise<Uint8Array>

export interface LyingNode extends AsyncDisposable {
  address: string
  /** Questions that were answered with a lie. */
  lies: () => number
  tell(lie: Lie): void
}

let count = 0

/** Starts a lying node in front of a real one. It knows of no others, so that who asks it alone hears lies alone. */
export async function startLyingNode(real: string): Promise<LyingNode> {
  const [port] = await freePorts(1)
  const network = await createNetwork({
    privateKeySeed: seedOf('lying node', count++),
    listen: [`/ip4/127.0.0.1/tcp/${port}`],
    mode: 'full',
  })
  let lie: Lie | undefined
  let lies = 0
  const honest = async (request: LightRequest): Promise<Uint8Array> => {
    const bytes = lightRequestCodec.encode(request)
    return await network.request(multiaddr(real), PROTOCOL.light, bytes, { timeoutMs: 30_000, maxResponse: MAX_LIGHT_RESPONSE })
  }
  await network.handle(
    PROTOCOL.light,
    'anyone',
    async bytes => {
      const request = lightRequestCodec.decode(bytes)
      if (request.type === 'peers') return jsonResponseCodec.encode({ json: '{"peers":[]}' })
      if (lie === undefined) return await honest(request)
      lies++
      return await lie(request, honest)
    },
    { maxRequest: MAX_LIGHT_REQUEST, maxResponse: MAX_LIGHT_RESPONSE, timeoutMs: 30_000, maxStreams: 64 },
  )
  await network.start()
  const [address] = network.addresses()
  return {
    address: address as string,
    lies: () => lies,
    tell: next => {
      lie = next
    },
    [Symbol.asyncDispose]: async () => await network.stop(),
  }
}
