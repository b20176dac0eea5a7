/** What the network offers to the rest of a node or a client. */
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import type { BudgetLimits, Shortage } from './budgets.ts'
import type { OpenStreamOptions, RequestOptions } from './caller.ts'
import type { FrameChannel } from './frames.ts'
import type { Topic, TopicHandler } from './gossip.ts'
import type { Locate } from './locate.ts'
import type { Logger } from './logger.ts'
import type { ChannelLimits, MemberChannel, OnFrame } from './member-channel.ts'
import type { Member, Policy } from './members.ts'
import type { RequestHandler, RequestLimits, StreamLimits, StreamServer } from './services.ts'
import type { Offence } from './standing.ts'

export interface NetworkLimits extends BudgetLimits {
  /** Connections of all peers together; above it the least valued ones are closed. @default 300 */
  maxConnections: number
  /** How many of them only members get. @default 100 */
  connectionsForMembers: number
  /** New connections that one host may open in a second. @default 256 */
  inboundConnectionsPerSecond: number
  /** How long a connection that comes in may take to say who it is, in ms; by WebSockets as long again to be one. @default 10000 */
  handshakeMs: number
}

export interface NetworkOptions {
  /** Seed of the Ed25519 network key, 32 bytes. */
  privateKeySeed: Uint8Array
  /** Addresses to listen at, such as `/ip4/0.0.0.0/tcp/7821` and `/ip4/0.0.0.0/tcp/7822/ws`; a light peer has none. */
  listen: readonly string[]
  /** Addresses to give to others in place of those. */
  announce?: readonly string[]
  mode: 'full' | 'light'
  /** Whether it takes part in gossip; the code for it is loaded only then. @default true */
  gossip?: boolean
  limits?: Partial<NetworkLimits>
}

export interface NetworkDeps {
  logger?: Logger
  /** Keeps the DHT's records over a restart; opened and closed by the caller. */
  datastore?: Datastore
}

export interface PeerInfo {
  networkKey: Uint8Array
  addresses: string[]
  connected: boolean
  /** Who dialled; null where not connected. */
  direction: 'inbound' | 'outbound' | null
  rttMs: number | null
  member: boolean
  validator: boolean
}

/** Counts alone, of all peers together. */
export interface NetworkLoad {
  /** Streams that are served, and requests among them that wait for something to happen. */
  streams: number
  held: number
  /** Connections that have not said yet who they are, and how many such made room for others since the start. */
  arriving: number
  displaced: number
  /** Requests and streams that were refused as `busy` since the start, by what was used up. */
  refused: Readonly<Record<Shortage, number>>
}

export interface PeerEvent {
  type: 'connect' | 'disconnect'
  /** Network key. */
  peer: Uint8Array
}

/** All methods but `addresses`, `peers` and the registrations need a started network. Errors are EpioneErrors with stable codes. */
export interface Network {
  readonly networkKey: Uint8Array
  /** Where others can reach this node, with its peer id. */
  addresses(): string[]
  /** @throws EpioneError `port-in-use`, `port-forbidden`, `listen-failed`, `bad-address` */
  start(): Promise<void>
  /** Ends every connection, handler and timer. A stopped network is not started again. */
  stop(): Promise<void>
  /** Replaces the set of members: who may speak what, whom to stay connected to, and gossip's direct peers. */
  setMembers(members: readonly Member[]): void
  /** Serves a protocol of single requests. A handler that throws an EpioneError refuses with its code. */
  handle(protocol: string, policy: Policy, handler: RequestHandler, limits: RequestLimits): Promise<void>
  /** Serves a protocol of frames. The stream is closed when the handler resolves and reset when it rejects. */
  handleStream(protocol: string, policy: Policy, server: StreamServer, limits: StreamLimits): Promise<void>
  /** Asks a peer, by network key or address, once. */
  request(peer: Uint8Array | Multiaddr, protocol: string, bytes: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  openStream(peer: Uint8Array | Multiaddr, protocol: string, options: OpenStreamOptions): Promise<FrameChannel>
  /** Keeps streams to and from all validators; see member-channel.ts for what is guaranteed. */
  openChannel(protocol: string, onFrame: OnFrame, limits: ChannelLimits): MemberChannel
  publish(topic: Topic, bytes: Uint8Array): Promise<void>
  /**
   * Examines what comes on a topic before it is forwarded. The verdict must follow from the bytes alone, never from the peer: a
   * message that is not accepted is dropped for the next two minutes, whoever else sends it.
   */
  subscribe(topic: Topic, handler: TopicHandler): void
  /** `unsupported` in a light peer. */
  readonly locate: Locate
  /** Members, connected or not, and whoever else is connected, unless members alone are asked for: there may be thousands of others. */
  peers(options?: { membersOnly?: boolean }): PeerInfo[]
  /** How many peers are connected that are no members. */
  strangers?(): number
  /** What peers use of this node at present, and what they were refused since its start. */
  load?(): NetworkLoad
  /** Connects to an address and returns the network key of the peer there. */
  connect(address: string | Multiaddr, options?: { signal?: AbortSignal }): Promise<Uint8Array>
  /** Returns the function that ends the subscription. */
  onPeer(callback: (event: PeerEvent) => void): () => void
  /** Notes that a peer misbehaved; a peer that does so often is disconnected and kept out for a while. */
  report(peer: Uint8Array, offence: Offence): void
}
