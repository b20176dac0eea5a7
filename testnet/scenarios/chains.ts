/** Whether the nodes of a testnet have one chain: their headers side by side, as light peers are shown them. */
import { randomBytes } from '../../src/crypto/random.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import { commitResponseCodec, lightRequestCodec } from '../../src/network/light-messages.ts'
import { createNetwork, type Network } from '../../src/network/network.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import type { Witness } from '../faults/witness.ts'
import type { Testnet } from '../launcher/testnet.ts'

const AT_ONCE = 16
const REQUEST_TIMEOUT_MS = 10_000

/** Blocks by height, as nodes showed them. */
export class Chains {
  readonly #net: Testnet
  readonly #network: Network
  readonly #witness: Witness | undefined
  readonly #blocks = new Map<number, { hash: string; id: string }>()
  /** Height to which a node's blocks were compared. */
  readonly #compared = new Map<string, number>()

  private constructor(net: Testnet, network: Network, witness: Witness | undefined) {
    this.#net = net
    this.#network = network
    this.#witness = witness
  }

  static async open(net: Testnet, witness?: Witness): Promise<Chains> {
    const network = await createNetwork({ privateKeySeed: randomBytes(32), listen: [], mode: 'light' })
    await network.start()
    return new Chains(net, network, witness)
  }

  /** Height to which a node was compared with the others. */
  compared(id: string): number {
    return this.#compared.get(id) ?? 0
  }

  /**
   * Compares a node's blocks up to a height with what was seen of the others; those that were compared before are not asked for again.
   * @returns a sentence for each height at which it has another block
   * @throws what the request throws where the node does not answer
   */
  async compare(index: number, tip: number): Promise<string[]> {
    const { id, addresses } = this.#net.nodes[index] as Testnet['nodes'][number]
    const key = await this.#network.connect(addresses[0] as string)
    const problems: string[] = []
    let height = this.compared(id)
    const work = async (): Promise<void> => {
      while (height < tip) {
        const request = lightRequestCodec.encode({ type: 'commit', value: { height: ++height } })
        const answer = await this.#network.request(key, PROTOCOL.light, request, {
          timeoutMs: REQUEST_TIMEOUT_MS,
          maxResponse: MAX_LIGHT_RESPONSE,
        })
        const { header, certificate } = commitResponseCodec.decode(answer)
        if (certificate !== null) this.#witness?.sawCertificate(certificate, `${id}'s block ${header.height}`)
        problems.push(...this.#same(header, id))
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    this.#compared.set(id, tip)
    return problems
  }

  async stop(): Promise<void> {
    await this.#network.stop()
  }

  #same(header: Header, id: string): string[] {
    const hash = toHex(headerHash(header))
    const known = this.#blocks.get(header.height)
    if (known === undefined) this.#blocks.set(header.height, { hash, id })
    else if (known.hash !== hash)
      return [`${known.id} and ${id} have different blocks at height ${header.height}: ${known.hash.slice(0, 8)} and ${hash.slice(0, 8)}`]
    return []
  }
}

/** One chain on every node up to a height; what its certificates show joins what the witness saw. */
export async function compareChains(net: Testnet, tip: number, witness?: Witness): Promise<string[]> {
  const chains = await Chains.open(net, witness)
  try {
    const problems: string[] = []
    for (const index of net.nodes.keys()) problems.push(...(await chains.compare(index, tip)))
    return problems
  } finally {
    await chains.stop()
  }
}
