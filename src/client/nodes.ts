/** The nodes that a light peer talks to: which to ask next, and how to find a member's node by its key. */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { FrameChannel } from '../network/frames.ts'
import { jsonResponseCodec, type LightRequest, lightRequestCodec, MAX_WAIT_MS } from '../network/light-messages.ts'
import type { Network } from '../network/network.ts'
import { networkKeyOf, parsePeerAddress, peerOfAddress } from '../network/peer.ts'
import { readPeersReport } from '../network/peers-report.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { dialable } from './platform.ts'
import { retryAfterOf, whenFree } from './when-free.ts'

const REQUEST_TIMEOUT_MS = 10_000
/** Most nodes that are kept in mind. */
const MAX_NODES = 1024
/** Most addresses that are kept of one node. */
const MAX_ADDRESSES = 8
/** Nodes that are asked at once where several are to answer. */
const ASKED_AT_ONCE = 4

/** Failures of the way to a node, not of the question: another node may answer. */
const NODE_FAULTS: ReadonlySet<string> = new Set([
  'unreachable',
  'timeout',
  'connection-lost',
  'busy',
  'unsupported',
  'internal',
  'malformed',
  'not-provable',
  'invalid-proof',
  'invalid-header',
  'invalid-certificate',
  'untrusted-validators',
  'stale',
  'behind',
  'banned',
  'event-withheld',
])

/** Questions whose answers are checked: a refusal proves nothing, and another node may well answer. */
const CHECKED: ReadonlySet<LightRequest['type']> = new Set(['commit', 'query', 'prefix', 'log', 'receipt', 'wait', 'events'])

interface Node {
  key: Uint8Array | undefined
  addresses: string[]
  /** Failures since the last answer. */
  failures: number
}

export interface CallOptions {
  signal?: AbortSignal
  timeoutMs?: number
}

/** What came of asking one node. */
export interface Probed<T> {
  /** Its network key, where it is known. */
  readonly key: Uint8Array | null
  readonly addresses: readonly string[]
  readonly tookMs: number
  /** Null where it failed. */
  readonly answer: T | null
  readonly error: unknown
}

export class NodePool {
  readonly #network: Network
  #nodes: Node[]
  /** Node that answered last: asked first. */
  #preferred: Node | undefined
  #learnt = false

  constructor(network: Network, addresses: readonly string[]) {
    this.#network = network
    this.#nodes = addresses.map(address => ({ key: keyIn(address), addresses: [address], failures: 0 }))
  }

  get network(): Network {
    return this.#network
  }

  /** Addresses that are known, the preferred node's first. */
  order(): Node[] {
    const others = this.#nodes.filter(node => node !== this.#preferred).sort((a, b) => a.failures - b.failures)
    return this.#preferred === undefined ? others : [this.#preferred, ...others]
  }

  /**
   * Asks nodes in turn until one gives an answer that `read` accepts. A node that cannot be reached, or whose answer does
   * not hold, is passed over, as is one that refuses what others can prove; else an error about the question itself is the answer.
   * Where none gives one and some are busy, they are asked again when they said.
   */
  async ask<T>(
    request: LightRequest,
    read: (bytes: Uint8Array, node: Uint8Array) => Promise<T> | T,
    options: CallOptions = {},
  ): Promise<T> {
    return await whenFree(async () => await this.#askEach(request, read, options), options.signal)
  }

  async #askEach<T>(
    request: LightRequest,
    read: (bytes: Uint8Array, node: Uint8Array) => Promise<T> | T,
    options: CallOptions,
  ): Promise<T> {
    const bytes = lightRequestCodec.encode(request)
    let last: unknown
    let busy: { error: unknown; afterMs: number } | undefined
    for (const node of this.order()) {
      options.signal?.throwIfAborted()
      try {
        const key = await this.#connect(node, options)
        const answer = await this.#askNode(key, bytes, options)
        const result = await read(answer, key)
        node.failures = 0
        this.#preferred = node
        if (!this.#learnt) void this.learn().catch(() => undefined)
        return result
      } catch (error) {
        options.signal?.throwIfAborted()
        if (!CHECKED.has(request.type) && !NODE_FAULTS.has(errorCode(error))) throw error
        node.failures++
        if (this.#preferred === node) this.#preferred = undefined
        const afterMs = retryAfterOf(error)
        if (afterMs !== undefined && (busy === undefined || afterMs < busy.afterMs)) busy = { error, afterMs }
        // What a node that answered did wrong says more than that others do not answer.
        if (last === undefined || errorCode(error) !== 'unreachable') last = error
      }
    }
    throw busy?.error ?? last ?? new EpioneError('unreachable', 'No address of a node is known; give one with --node.')
  }

  /**
   * Talks to each of the known nodes whose keys are wanted, whatever the others say, until `limit` of them have answered. Every
   * answer stands beside the key that the connection proved, no key twice; nodes that fail are left out.
   */
  async each<T>(
    wanted: (key: Uint8Array) => boolean,
    talk: (ask: (request: LightRequest) => Promise<Uint8Array>) => Promise<T>,
    options: CallOptions & { limit: number },
  ): Promise<{ key: Uint8Array; answer: T }[]> {
    const answers: { key: Uint8Array; answer: T }[] = []
    const talkedTo = new Set<string>()
    const rest = this.order().filter(({ key }) => key === undefined || wanted(key))
    const work = async (): Promise<void> => {
      for (let node = rest.shift(); node !== undefined && answers.length < options.limit; node = rest.shift()) {
        try {
          const key = await this.#connect(node, options)
          if (!wanted(key) || talkedTo.has(toHex(key))) continue
          talkedTo.add(toHex(key))
          const answer = await talk(async request => await this.#askNode(key, lightRequestCodec.encode(request), options))
          answers.push({ key, answer })
        } catch (error) {
          options.signal?.throwIfAborted()
          if (NODE_FAULTS.has(errorCode(error))) node.failures++
        }
      }
    }
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, work))
    return answers
  }

  /**
   * Asks each of the known nodes the same, the preferred one first, and says of each what came of it. What `read` throws is the node's failure.
   * @param options.limit most nodes that are asked
   */
  async probe<T>(
    request: LightRequest,
    read: (bytes: Uint8Array) => Promise<T>,
    options: CallOptions & { limit: number },
  ): Promise<Probed<T>[]> {
    const bytes = lightRequestCodec.encode(request)
    const nodes = this.order().slice(0, options.limit)
    return await Promise.all(
      nodes.map(async (node): Promise<Probed<T>> => {
        const startMs = performance.now()
        const about = (): Omit<Probed<T>, 'answer' | 'error'> => ({
          key: node.key ?? null,
          addresses: [...node.addresses],
          tookMs: performance.now() - startMs,
        })
        try {
          const key = await this.#connect(node, options)
          const answer = await read(await this.#askNode(key, bytes, options))
          return { ...about(), answer, error: null }
        } catch (error) {
          options.signal?.throwIfAborted()
          return { ...about(), answer: null, error }
        }
      }),
    )
  }

  /** Learns where the other members' nodes are. Nothing of it is trusted: a connection proves the key that it reaches. */
  async learn(): Promise<void> {
    this.#learnt = true
    const bytes = lightRequestCodec.encode({ type: 'peers', value: {} })
    for (const node of this.order().slice(0, 4)) {
      try {
        const key = await this.#connect(node, {})
        const answer = await this.#network.request(key, PROTOCOL.light, bytes, {
          timeoutMs: REQUEST_TIMEOUT_MS,
          maxResponse: MAX_LIGHT_RESPONSE,
        })
        for (const { networkKey, addresses } of readPeersReport(jsonResponseCodec.decode(answer).json)) this.add(networkKey, addresses)
        return
      } catch (error) {
        if (!NODE_FAULTS.has(errorCode(error))) throw error
      }
    }
    this.#learnt = false
  }

  add(key: Uint8Array, addresses: readonly string[]): void {
    if (equalBytes(key, this.#network.networkKey) || addresses.length === 0) return
    const known = this.#nodes.find(node => node.key !== undefined && equalBytes(node.key, key))
    if (known !== undefined) {
      // The first address stays whatever others claim: it was given by the user, or has named this key for longest.
      const [first, ...later] = known.addresses
      known.addresses = [...new Set([...(first === undefined ? [] : [first]), ...addresses, ...later])].slice(0, MAX_ADDRESSES)
    } else if (this.#nodes.length < MAX_NODES) this.#nodes.push({ key, addresses: addresses.slice(0, MAX_ADDRESSES), failures: 0 })
  }

  /** Asks the node of one member. @throws EpioneError `unreachable` where no address of it is known or none answers */
  async request(key: Uint8Array, protocol: string, bytes: Uint8Array, options: CallOptions & { maxResponse: number }): Promise<Uint8Array> {
    await this.#reach(key, options)
    const { signal, timeoutMs = REQUEST_TIMEOUT_MS, maxResponse } = options
    return await whenFree(async () => await this.#network.request(key, protocol, bytes, { signal, timeoutMs, maxResponse }), signal)
  }

  /** Opens a stream to a member's node; one that sends nothing for `frameTimeoutMs` while it is waited for is given up. */
  async openStream(
    key: Uint8Array,
    protocol: string,
    options: CallOptions & { maxFrame: number; frameTimeoutMs?: number },
  ): Promise<FrameChannel> {
    await this.#reach(key, options)
    const { signal, maxFrame, frameTimeoutMs } = options
    return await whenFree(
      async () => await this.#network.openStream(key, protocol, { signal, maxFrame, timeoutMs: frameTimeoutMs }),
      signal,
    )
  }

  /** Asks other nodes first from now on. */
  passOver(): void {
    if (this.#preferred !== undefined) this.#preferred.failures++
    this.#preferred = undefined
  }

  async #askNode(key: Uint8Array, request: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return await this.#network.request(key, PROTOCOL.light, request, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? REQUEST_TIMEOUT_MS,
      maxResponse: MAX_LIGHT_RESPONSE,
    })
  }

  async #reach(key: Uint8Array, options: CallOptions): Promise<void> {
    const find = (): Node | undefined => this.#nodes.find(node => node.key !== undefined && equalBytes(node.key, key))
    let node = find()
    if (node === undefined) {
      await this.learn()
      node = find()
    }
    if (node === undefined)
      throw new EpioneError('unreachable', 'No address of this member is known.', { metadata: { peer: toHex(key).slice(0, 8) } })
    await this.#connect(node, options)
  }

  async #connect(node: Node, options: CallOptions): Promise<Uint8Array> {
    let last: unknown
    for (const address of dialable(node.addresses)) {
      try {
        const limit = AbortSignal.timeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS)
        const key = await this.#network.connect(address, {
          signal: options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]),
        })
        if (node.key !== undefined && !equalBytes(node.key, key)) continue
        node.key = key
        return key
      } catch (error) {
        options.signal?.throwIfAborted()
        last = error
      }
    }
    throw last instanceof EpioneError
      ? last
      : new EpioneError('unreachable', `No node answers at ${node.addresses[0] ?? 'this address'}.`, { cause: last })
  }
}

/** Longest time that a waiting request may take on the wire, in ms. */
export const WAIT_TIMEOUT_MS = MAX_WAIT_MS + 5_000

/** The key that an address names at its end, where it names one. @throws EpioneError `bad-address` */
function keyIn(address: string): Uint8Array | undefined {
  const peer = peerOfAddress(parsePeerAddress(address))
  return peer === undefined ? undefined : networkKeyOf(peer)
}
