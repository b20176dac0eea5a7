/** Asks nodes for their own report of themselves, as any light peer may. */
import { randomBytes } from '../../src/crypto/random.ts'
import { jsonResponseCodec, lightRequestCodec } from '../../src/network/light-messages.ts'
import { createNetwork, type Network } from '../../src/network/network.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import type { NodeStatus } from '../../src/node/status.ts'

const TIMEOUT_MS = 3_000

export class Probe {
  readonly #network: Network

  constructor(network: Network) {
    this.#network = network
  }

  /** The node's status, or null where it does not answer. The nodes are the testnet's own: their answers are not examined. */
  async status(address: string): Promise<NodeStatus | null> {
    try {
      const peer = await this.#network.connect(address, { signal: AbortSignal.timeout(TIMEOUT_MS) })
      const request = lightRequestCodec.encode({ type: 'status', value: {} })
      const bytes = await this.#network.request(peer, PROTOCOL.light, request, { timeoutMs: TIMEOUT_MS, maxResponse: MAX_LIGHT_RESPONSE })
      return JSON.parse(jsonResponseCodec.decode(bytes).json) as NodeStatus
    } catch {
      return null
    }
  }

  async stop(): Promise<void> {
    await this.#network.stop()
  }
}

export async function createProbe(): Promise<Probe> {
  const network = await createNetwork({ privateKeySeed: randomBytes(32), listen: [], mode: 'light' })
  await network.start()
  return new Probe(network)
}
