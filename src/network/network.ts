/**
 * The network as the rest of a node or a client sees it: peers named by their network keys, requests, streams of frames, channels
 * between validators, gossip, and the search for holders. What the messages mean is decided elsewhere.
 */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { equalBytes, parseHex, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { Arrivals } from './arrivals.ts'
import { Budgets, DEFAULT_BUDGET_LIMITS } from './budgets.ts'
import { type OpenStreamOptions, openStream, type RequestOptions, request } from './caller.ts'
import { Connections, DIAL_TIMEOUT_MS } from './connections.ts'
import { startDeadline } from './deadline.ts'
import { MemberDialer } from './dialer.ts'
import { translateError, translateListenError } from './errors.ts'
import type { FrameChannel } from './frames.ts'
import type { Gossip, Topic, TopicHandler } from './gossip.ts'
import { type Assembly, assemble } from './libp2p.ts'
import { Liveness } from './liveness.ts'
import { createLocate, type Locate } from './locate.ts'
import { type Logger, silentLogger } from './logger.ts'
import { type ChannelLimits, type MemberChannel, type OnFrame, ValidatorChannel } from './member-channel.ts'
import { type Member, Members, type Policy } from './members.ts'
import { networkKeyOf, parsePeerAddress, peerIdOf } from './peer.ts'
import { type RequestHandler, type RequestLimits, Services, type StreamLimits, type StreamServer } from './services.ts'
import { type Offence, Standing } from './standing.ts'
import type { Network, NetworkDeps, NetworkLimits, NetworkLoad, NetworkOptions, PeerEvent, PeerInfo } from './types.ts'

export type { FrameChannel } from './frames.ts'
export type { Topic, TopicHandler, Verdict } from './gossip.ts'
export type { Locate } from './locate.ts'
export type { ChannelLimits, MemberChannel } from './member-channel.ts'
export type { Member, Policy } from './members.ts'
export type { RequestContext, RequestHandler, RequestLimits, StreamLimits, StreamServer } from './services.ts'
export type { Offence } from './standing.ts'
export type { Network, NetworkDeps, NetworkLimits, NetworkLoad, NetworkOptions, PeerEvent, PeerInfo } from './types.ts'

/** Above this many members gossip follows its mesh of six instead of sending every block to every member. */
const MAX_DIRECT_PEERS = 32
/** How often peers that are neither connected nor members are forgotten, in ms. */
const FORGET_INTERVAL_MS = 60_000

const DEFAULT_CONNECTION_LIMITS = { maxConnections: 300, connectionsForMembers: 100, inboundConnectionsPerSecond: 256, handshakeMs: 10_000 }

/** A network that is not started yet: handlers may be registered and members set before `start`. */
export async function createNetwork(options: NetworkOptions, deps: NetworkDeps = {}): Promise<Network> {
  const privateKey = await generateKeyPairFromSeed('Ed25519', options.privateKeySeed)
  const listen = options.mode === 'light' ? [] : options.listen.map(address => parsePeerAddress(address).toString())
  const announce = (options.announce ?? []).map(address => parsePeerAddress(address).toString())
  const parts = {
    members: new Members(),
    standing: new Standing(),
    /** Peers that this side decided to dial; a full node dials nobody that a stranger names. */
    wanted: new Map<string, number>(),
    connected: new Set<string>(),
    arrivals: new Arrivals(),
  }
  const limits: NetworkLimits = { ...DEFAULT_BUDGET_LIMITS, ...DEFAULT_CONNECTION_LIMITS, ...options.limits }
  const full = options.mode === 'full'
  const topics: readonly Topic[] = full ? ['blocks', 'announcements'] : ['announcements']
  // Loaded here, so that who takes no part in it does without.
  const gossip = options.gossip === false ? undefined : await import('./gossip.ts')
  const assembly = await assemble({
    privateKey,
    listen,
    announce,
    // Gossip learns by it who speaks it.
    ...(full || gossip !== undefined ? { identify: (await import('@libp2p/identify')).identify() } : {}),
    ...(gossip === undefined ? {} : { pubsub: gossip.gossipService(topics) }),
    maxConnections: limits.maxConnections,
    inboundConnectionsPerSecond: limits.inboundConnectionsPerSecond,
    handshakeMs: limits.handshakeMs,
    arrivals: parts.arrivals,
    ...(full ? { dhtMembers: key => parts.members.isMember(key) } : {}),
    denyDial: peer => full && !parts.wanted.has(peer.toString()),
    denyPeer: peer => {
      const key = networkKeyOf(peer)
      return key === undefined || parts.standing.isBanned(toHex(key))
    },
    // Above its limit libp2p turns away whoever comes, before it knows who it is: strangers must never fill it.
    denyInbound: peer => {
      const key = networkKeyOf(peer)
      if (key === undefined || parts.members.isMember(toHex(key))) return false
      return strangers() >= limits.maxConnections - limits.connectionsForMembers
    },
    ...(deps.datastore === undefined ? {} : { datastore: deps.datastore }),
  })
  const strangers = (): number => {
    let members = 0
    for (const key of parts.connected) if (parts.members.isMember(key)) members++
    return parts.connected.size - members
  }
  const network = new Libp2pNetwork(Uint8Array.from(privateKey.publicKey.raw), full, limits, assembly, parts, deps.logger ?? silentLogger)
  const { pubsub } = assembly
  if (gossip !== undefined && pubsub !== undefined) {
    const onReject = (peer: Uint8Array): void => network.report(peer, 'malformed')
    network.attach(new gossip.Gossip({ topics }, { router: pubsub, onReject, logger: deps.logger ?? silentLogger }))
  }
  return network
}

class Libp2pNetwork implements Network {
  readonly networkKey: Uint8Array
  readonly locate: Locate
  readonly #full: boolean
  readonly #assembly: Assembly
  readonly #members: Members
  readonly #standing: Standing
  readonly #connections: Connections
  /** Hex of the network keys of peers that are connected. */
  readonly #connected: Set<string>
  readonly #log: Logger
  readonly #services: Services
  readonly #budgets: Budgets
  readonly #arrivals: Arrivals
  #gossip: Gossip | undefined
  readonly #dialer: MemberDialer
  readonly #liveness: Liveness
  readonly #channels: ValidatorChannel[] = []
  readonly #registrations: Promise<void>[] = []
  readonly #callbacks = new Set<(event: PeerEvent) => void>()
  #forgetting: NodeJS.Timeout | undefined
  #started = false

  constructor(
    networkKey: Uint8Array,
    full: boolean,
    limits: NetworkLimits,
    assembly: Assembly,
    parts: { members: Members; standing: Standing; wanted: Map<string, number>; connected: Set<string>; arrivals: Arrivals },
    logger: Logger,
  ) {
    this.networkKey = networkKey
    this.#full = full
    this.#assembly = assembly
    this.#members = parts.members
    this.#standing = parts.standing
    this.#connected = parts.connected
    this.#connections = new Connections({ ...parts, node: assembly.node, ping: assembly.ping, logger })
    this.#log = logger
    const report = (peer: Uint8Array, offence: Offence): void => this.report(peer, offence)
    this.#budgets = new Budgets(limits)
    this.#arrivals = parts.arrivals
    this.#services = new Services({ members: parts.members, budgets: this.#budgets, report, logger })
    this.#dialer = new MemberDialer(networkKey, {
      isConnected: peer => this.#connections.connectionTo(peer) !== undefined,
      dial: async (member, signal) => {
        await this.#connections.dial(member.networkKey, signal)
      },
      logger,
    })
    this.#liveness = new Liveness({
      connected: () => this.#connected,
      isClose: key => !full || this.#members.isMember(key),
      ping: (peer, options) => this.#connections.ping(peer, options),
      drop: peer => this.#connections.drop(parseHex(peer) ?? networkKey, 'the peer is silent'),
    })
    const isMember = (key: string): boolean => this.#members.isMember(key)
    const { dht, node } = assembly
    this.locate = dht === undefined ? NO_LOCATE : createLocate(dht.service, isMember, { own: node.peerId, announce: dht.announce })
  }

  /** Takes part in gossip; before the start. */
  attach(gossip: Gossip): void {
    this.#gossip = gossip
  }

  addresses(): string[] {
    return this.#assembly.node.getMultiaddrs().map(String)
  }

  async start(): Promise<void> {
    const { node } = this.#assembly
    await Promise.all(this.#registrations)
    node.addEventListener('peer:connect', this.#onConnect)
    node.addEventListener('peer:disconnect', this.#onDisconnect)
    try {
      await node.start()
    } catch (error) {
      await node.stop()
      throw translateListenError(error)
    }
    this.#started = true
    this.#gossip?.start()
    for (const channel of this.#channels) channel.start()
    this.#liveness.start()
    if (this.#full) this.#dialer.start()
    this.#forgetting = setInterval(() => void this.#connections.forgetStrangers(), FORGET_INTERVAL_MS)
  }

  async stop(): Promise<void> {
    this.#started = false
    clearInterval(this.#forgetting)
    this.#dialer.stop()
    this.#liveness.stop()
    for (const channel of this.#channels) channel.stop()
    this.#services.stop()
    this.#gossip?.stop()
    const { node } = this.#assembly
    await node.stop()
    node.removeEventListener('peer:connect', this.#onConnect)
    node.removeEventListener('peer:disconnect', this.#onDisconnect)
  }

  setMembers(members: readonly Member[]): void {
    const before = this.#members.list()
    this.#members.set(members)
    this.#services.recheck()
    if (this.#full) {
      this.#dialer.update(this.#members.list())
      const others = this.#members.list().filter(member => !equalBytes(member.networkKey, this.networkKey))
      this.#gossip?.setDirectPeers(others.length <= MAX_DIRECT_PEERS ? others.map(member => peerIdOf(member.networkKey)) : [])
      this.#introduceNew(new Set(before.map(member => toHex(member.networkKey))))
    }
    if (this.#started) for (const channel of this.#channels) channel.update()
  }

  /** Peers that are connected already and have just become members. */
  #introduceNew(before: ReadonlySet<string>): void {
    for (const { networkKey } of this.#members.list()) {
      if (before.has(toHex(networkKey))) continue
      const connection = this.#connections.connectionTo(networkKey)
      if (connection === undefined) continue
      this.#assembly.introduce(connection.remotePeer, connection)
      void this.#connections.tag(connection.remotePeer)
    }
  }

  async handle(protocol: string, policy: Policy, handler: RequestHandler, limits: RequestLimits): Promise<void> {
    await this.#register(protocol, this.#services.requests(protocol, policy, handler, limits), limits.maxStreams)
  }

  async handleStream(protocol: string, policy: Policy, server: StreamServer, limits: StreamLimits): Promise<void> {
    await this.#register(protocol, this.#services.streams(protocol, policy, server, limits), limits.maxStreams)
  }

  async #register(protocol: string, handler: (stream: never, connection: Connection) => Promise<void>, maxStreams: number): Promise<void> {
    // libp2p resets what is above its limit without a word: its limit leaves room for polite refusals.
    await this.#assembly.node.handle(protocol, handler as Parameters<Assembly['node']['handle']>[1], {
      maxInboundStreams: 2 * maxStreams + 16,
    })
  }

  async request(peer: Uint8Array | Multiaddr, protocol: string, bytes: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    return await request(signal => this.#connections.connection(peer, signal), protocol, bytes, options)
  }

  async openStream(peer: Uint8Array | Multiaddr, protocol: string, options: OpenStreamOptions): Promise<FrameChannel> {
    return await openStream(signal => this.#connections.connection(peer, signal), protocol, options)
  }

  openChannel(protocol: string, onFrame: OnFrame, limits: ChannelLimits): MemberChannel {
    if (!this.#full) throw new EpioneError('unsupported', 'A light peer has no channels to validators.')
    const channel = new ValidatorChannel(protocol, onFrame, limits, {
      self: this.networkKey,
      members: this.#members,
      connectionTo: peer => this.#connections.connectionTo(peer),
      report: (peer, offence) => this.report(peer, offence),
      logger: this.#log,
    })
    this.#channels.push(channel)
    const registered = this.#assembly.node.handle(protocol, (stream, connection) => channel.receive(stream, connection), {
      maxInboundStreams: 8,
    })
    if (this.#started) {
      registered.catch(error => this.#log.error({ protocol, error: String(error) }, 'a channel could not be registered'))
      channel.start()
    } else {
      this.#registrations.push(registered)
    }
    return channel
  }

  async publish(topic: Topic, bytes: Uint8Array): Promise<void> {
    if (!this.#full) throw new EpioneError('unsupported', 'A light peer publishes nothing.')
    if (this.#gossip === undefined) throw noGossip()
    try {
      await this.#gossip.publish(topic, bytes)
    } catch (error) {
      throw translateError(error, 'stream')
    }
  }

  subscribe(topic: Topic, handler: TopicHandler): void {
    if (this.#gossip === undefined) throw noGossip()
    this.#gossip.subscribe(topic, handler)
  }

  strangers(): number {
    let members = 0
    for (const { networkKey } of this.#members.list()) if (this.#connected.has(toHex(networkKey))) members++
    return this.#connected.size - members
  }

  load(): NetworkLoad {
    return { ...this.#budgets.load, arriving: this.#arrivals.count, displaced: this.#arrivals.displaced }
  }

  peers(options: { membersOnly?: boolean } = {}): PeerInfo[] {
    const others = options.membersOnly === true ? [] : this.#connected
    const keys = new Set([...this.#members.list().map(member => toHex(member.networkKey)), ...others])
    const own = toHex(this.networkKey)
    const out: PeerInfo[] = []
    for (const key of keys) {
      const networkKey = parseHex(key)
      if (key === own || networkKey === undefined) continue
      const connections = this.#connections.connectionsTo(networkKey)
      const [first] = connections
      out.push({
        networkKey,
        addresses:
          connections.length > 0 ? connections.map(each => each.remoteAddr.toString()) : [...(this.#members.get(key)?.addresses ?? [])],
        connected: first !== undefined,
        direction: first?.direction ?? null,
        rttMs: this.#liveness.rttMs(key),
        member: this.#members.isMember(key),
        validator: this.#members.isValidator(key),
      })
    }
    return out
  }

  async connect(address: string | Multiaddr, options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
    const target = typeof address === 'string' ? parsePeerAddress(address) : address
    const deadline = startDeadline({ timeoutMs: DIAL_TIMEOUT_MS, signal: options.signal })
    try {
      const connection = await this.#connections.connection(target, deadline.signal)
      const key = networkKeyOf(connection.remotePeer)
      if (key === undefined) throw new EpioneError('bad-key', 'The peer has no Ed25519 key.')
      return key
    } finally {
      deadline.clear()
    }
  }

  onPeer(callback: (event: PeerEvent) => void): () => void {
    this.#callbacks.add(callback)
    return () => {
      this.#callbacks.delete(callback)
    }
  }

  report(peer: Uint8Array, offence: Offence): void {
    const key = toHex(peer)
    if (!this.#standing.report(key, offence, this.#members.isMember(key))) return
    this.#log.warn({ peer: key.slice(0, 16), offence }, 'a peer misbehaved and is kept out for a while')
    this.#connections.drop(peer, 'the peer misbehaved')
  }

  readonly #onConnect = (event: CustomEvent<PeerId>): void => {
    const peer = networkKeyOf(event.detail)
    if (peer === undefined) return
    const key = toHex(peer)
    this.#connected.add(key)
    if (this.#members.isMember(key)) void this.#connections.tag(event.detail)
    this.#liveness.connected(key)
    for (const channel of this.#channels) channel.connected(peer)
    this.#tell({ type: 'connect', peer })
  }

  readonly #onDisconnect = (event: CustomEvent<PeerId>): void => {
    const peer = networkKeyOf(event.detail)
    if (peer === undefined) return
    this.#connected.delete(toHex(peer))
    this.#liveness.disconnected(toHex(peer))
    this.#dialer.disconnected(peer)
    this.#tell({ type: 'disconnect', peer })
  }

  #tell(event: PeerEvent): void {
    for (const callback of this.#callbacks) {
      try {
        callback(event)
      } catch (error) {
        this.#log.error({ error: String(error) }, 'a listener of peer events failed')
      }
    }
  }
}

function noDht(): never {
  throw new EpioneError('unsupported', 'A light peer has no part in the DHT; ask a full node.')
}

const NO_LOCATE: Locate = {
  provide: async () => noDht(),
  withdraw: async () => noDht(),
  find: () => noDht(),
}

function noGossip(): EpioneError {
  return new EpioneError('unsupported', 'This peer takes no part in gossip.')
}
