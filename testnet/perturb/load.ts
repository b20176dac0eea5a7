/** A steady load of transactions through every node of a testnet, and a book of those that were acknowledged. */
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { lightRequestCodec, receiptResponseCodec } from '../../src/network/light-messages.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import { createAnchors } from '../bench/anchors.ts'
import type { Testnet } from '../launcher/testnet.ts'

/** Submissions under way at once; while there are as many, none is begun. */
const MAX_IN_FLIGHT = 256
const VERIFY_AT_ONCE = 16
const REQUEST_TIMEOUT_MS = 10_000

export interface LoadOptions {
  seed: number
  /** Transactions per second, over all nodes together. */
  perSecond: number
}

export class Load {
  /** Transactions whose receipt was shown and proven, with the height of their block. */
  readonly acknowledged: { id: Uint8Array; height: number }[] = []
  /** How many submissions failed, by code. Nothing was promised about them. */
  readonly failures = new Map<string, number>()
  readonly #net: Testnet
  /** One for each node, which turns to the others only while its own does not answer. */
  readonly #peers: readonly LightPeer[]
  readonly #make: (i: number) => Transaction
  readonly #inFlight = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #count = 0

  private constructor(net: Testnet, peers: readonly LightPeer[], make: (i: number) => Transaction) {
    this.#net = net
    this.#peers = peers
    this.#make = make
  }

  /** Begins at once. */
  static async start(net: Testnet, options: LoadOptions): Promise<Load> {
    const peers = await Promise.all(
      net.nodes.map(async (node, i) => {
        const others = [...net.nodes.slice(i + 1), ...net.nodes.slice(0, i)]
        return await createLightPeer({ nodes: [node, ...others].map(({ addresses }) => addresses[0] as string), genesis: net.genesis })
      }),
    )
    const load = new Load(net, peers, await createAnchors(net, peers[0] as LightPeer, options.seed))
    load.#timer = setInterval(() => load.#submit(), 1000 / options.perSecond)
    return load
  }

  get submitted(): number {
    return this.#count
  }

  /** Submits no more, and waits for what becomes of those under way. */
  async finish(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#inFlight)
  }

  /** Acknowledged transactions that a node does not have at the height that was acknowledged; each node is asked for all. */
  async missing(): Promise<{ node: string; transaction: string; height: number }[]> {
    const lost: { node: string; transaction: string; height: number }[] = []
    for (const node of this.#net.nodes) {
      const { network } = (this.#peers[0] as LightPeer).nodes
      const key = await network.connect(node.addresses[0] as string)
      const queue = [...this.acknowledged]
      const work = async (): Promise<void> => {
        for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
          const request = lightRequestCodec.encode({ type: 'receipt', value: { transaction: next.id, waitMs: 0 } })
          const limits = { timeoutMs: REQUEST_TIMEOUT_MS, maxResponse: MAX_LIGHT_RESPONSE }
          const found = receiptResponseCodec.decode(await network.request(key, PROTOCOL.light, request, limits))
          const kept = found !== null && found.commit.header.height === next.height && receiptCodec.decode(found.receipt).code === 'ok'
          if (!kept) lost.push({ node: node.id, transaction: toHex(next.id), height: next.height })
        }
      }
      await Promise.all(Array.from({ length: VERIFY_AT_ONCE }, work))
    }
    return lost
  }

  /** Ends what it holds open; submissions under way fail. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#peers.map(async peer => await peer.stop()))
    await Promise.all(this.#inFlight)
  }

  #submit(): void {
    if (this.#inFlight.size >= MAX_IN_FLIGHT) return
    const peer = this.#peers[this.#count % this.#peers.length] as LightPeer
    const transaction = this.#make(this.#count)
    this.#count++
    const run = peer
      .submit(transaction)
      .then(({ height }) => void this.acknowledged.push({ id: transaction.id, height }))
      .catch(error => void this.failures.set(errorCode(error), (this.failures.get(errorCode(error)) ?? 0) + 1))
      .finally(() => this.#inFlight.delete(run))
    this.#inFlight.add(run)
  }
}
