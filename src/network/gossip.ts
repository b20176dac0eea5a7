/**
 * Gossip of committed blocks and of announcements to light peers. Everything in it carries its own signatures, so messages are
 * neither signed nor numbered again; a message's id is a hash of its topic and its bytes.
 */
import { type GossipSub, type GossipsubOpts, gossipsub, type Message, TopicValidatorResult } from '@chainsafe/libp2p-gossipsub'
import { createTopicScoreParams } from '@chainsafe/libp2p-gossipsub/score'
import type { PeerId } from '@libp2p/interface'
import { concat, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { sha256 } from '../encoding/hash.ts'
import type { Logger } from './logger.ts'
import { networkKeyOf } from './peer.ts'

export type Topic = 'blocks' | 'announcements'

/** What becomes of a message: handed on, dropped, or dropped and held against the peer that sent it. */
export type Verdict = 'accept' | 'ignore' | 'reject'
export type TopicHandler = (bytes: Uint8Array, peer: Uint8Array) => Verdict | Promise<Verdict>

/** Names of the topics on the wire. */
export const WIRE_TOPIC: Readonly<Record<Topic, string>> = { blocks: '/epione/blocks/1', announcements: '/epione/announcements/1' }

/** Longest message, in bytes; the rest is pulled. */
export const MAX_GOSSIP_BYTES = 1024 * 1024
const MAX_OUTBOUND_BYTES = 16 * 1024 * 1024
/** Messages of one topic that may be under examination at once; more are dropped unseen, and the blocks pulled instead. */
const MAX_EXAMINED = 256
const MESSAGE_ID_LENGTH = 20

/** First 20 bytes of SHA-256 over the topic, a NUL and the data. The topic is in it so that a copy on another topic hides nothing. */
export function messageId(topic: string, data: Uint8Array): Uint8Array {
  return sha256(concat(utf8(topic), Uint8Array.of(0), data)).subarray(0, MESSAGE_ID_LENGTH)
}

/** libp2p's service, with the settings that README.md gives the reasons for. */
export function gossipService(topics: readonly Topic[]): ReturnType<typeof gossipsub> {
  return gossipsub(gossipOptions(topics))
}

export function gossipOptions(topics: readonly Topic[]): Partial<GossipsubOpts> {
  const wire = topics.map(topic => WIRE_TOPIC[topic])
  // The quick id sees a message first, so that a copy of a known one costs a single hash.
  const known = new WeakMap<Uint8Array, Uint8Array>()
  const idOf = (topic: string, data: Uint8Array): Uint8Array => {
    let id = known.get(data)
    if (id === undefined) {
      id = messageId(topic, data)
      known.set(data, id)
    }
    return id
  }
  const score = createTopicScoreParams({
    topicWeight: 1,
    // Both topics are quiet for a heartbeat at a time: silence is no offence.
    meshMessageDeliveriesWeight: 0,
    meshFailurePenaltyWeight: 0,
    // Three invalid messages put a peer below every threshold for about a minute.
    invalidMessageDeliveriesWeight: -10,
    invalidMessageDeliveriesDecay: 0.97,
  })
  return {
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: message => idOf(message.topic, message.data),
    fastMsgIdFn: message => latin1(idOf(message.topic, message.data ?? EMPTY)),
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    fallbackToFloodsub: false,
    allowedTopics: wire,
    maxInboundDataLength: MAX_GOSSIP_BYTES,
    maxOutboundBufferSize: MAX_OUTBOUND_BYTES,
    batchPublish: true,
    gossipsubIWantFollowupMs: 12_000,
    // Members are dialled by their own loop, never from within the heartbeat, which would wait for the dial.
    directConnectTicks: Number.MAX_SAFE_INTEGER,
    scoreParams: { IPColocationFactorWeight: 0, topics: Object.fromEntries(wire.map(topic => [topic, score])) },
  }
}

const EMPTY = new Uint8Array(0)

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

/** The part of gossipsub's router that its exported type leaves out. */
interface DirectPeers {
  /** Peer ids, as text, that get every message whatever the mesh looks like. */
  readonly direct: Set<string>
}

export class Gossip {
  readonly #router: GossipSub
  readonly #topics: ReadonlySet<Topic>
  readonly #handlers = new Map<Topic, TopicHandler[]>()
  readonly #examined = new Map<Topic, number>()
  readonly #onReject: (peer: Uint8Array) => void
  readonly #log: Logger
  #started = false

  constructor(options: { topics: readonly Topic[] }, deps: { router: GossipSub; onReject: (peer: Uint8Array) => void; logger: Logger }) {
    this.#router = deps.router
    this.#topics = new Set(options.topics)
    this.#onReject = deps.onReject
    this.#log = deps.logger
  }

  /** Must come after libp2p has started: before, gossipsub refuses subscriptions. */
  start(): void {
    this.#started = true
    for (const topic of this.#handlers.keys()) this.#router.subscribe(WIRE_TOPIC[topic])
  }

  stop(): void {
    this.#started = false
  }

  setDirectPeers(peers: readonly PeerId[]): void {
    const { direct } = this.#router as GossipSub & DirectPeers
    direct.clear()
    for (const peer of peers) direct.add(peer.toString())
  }

  subscribe(topic: Topic, handler: TopicHandler): void {
    this.#require(topic)
    const handlers = this.#handlers.get(topic)
    if (handlers !== undefined) {
      handlers.push(handler)
      return
    }
    this.#handlers.set(topic, [handler])
    this.#router.topicValidators.set(WIRE_TOPIC[topic], (peer, message) => this.#examine(topic, peer, message))
    if (this.#started) this.#router.subscribe(WIRE_TOPIC[topic])
  }

  async publish(topic: Topic, bytes: Uint8Array): Promise<void> {
    this.#require(topic)
    if (bytes.length > MAX_GOSSIP_BYTES) {
      throw new EpioneError('too-large', `A message of ${bytes.length} bytes exceeds the gossip limit of ${MAX_GOSSIP_BYTES} bytes.`)
    }
    await this.#router.publish(WIRE_TOPIC[topic], bytes)
  }

  #require(topic: Topic): void {
    if (!this.#topics.has(topic)) throw new EpioneError('unsupported', `A light peer has no part in the topic "${topic}".`)
  }

  /** Delivery and forwarding both wait for the handlers; the strictest verdict counts. */
  async #examine(topic: Topic, peerId: PeerId, message: Message): Promise<TopicValidatorResult> {
    const peer = networkKeyOf(peerId)
    const running = this.#examined.get(topic) ?? 0
    if (peer === undefined || running >= MAX_EXAMINED) return TopicValidatorResult.Ignore
    this.#examined.set(topic, running + 1)
    try {
      let result = TopicValidatorResult.Accept
      for (const handler of this.#handlers.get(topic) ?? []) {
        const verdict = await handler(message.data, peer)
        if (verdict === 'reject') {
          this.#onReject(peer)
          return TopicValidatorResult.Reject
        }
        if (verdict === 'ignore') result = TopicValidatorResult.Ignore
      }
      return result
    } catch (error) {
      this.#log.error({ topic, error: String(error) }, 'a gossip handler failed; the message is not forwarded')
      return TopicValidatorResult.Ignore
    } finally {
      this.#examined.set(topic, (this.#examined.get(topic) ?? 1) - 1)
    }
  }
}
