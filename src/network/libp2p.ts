/** libp2p assembled, with the settings that README.md gives the reasons for. */
import type { GossipSub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import type { identify } from '@libp2p/identify'
import type { ConnectionGater, MultiaddrConnection, PeerId, PrivateKey } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { yamux } from '@libp2p/yamux'
import type { Datastore } from 'interface-datastore'
import { createLibp2p, type Libp2p } from 'libp2p'
import type { Arrivals } from './arrivals.ts'
import type { gossipService } from './gossip.ts'
import { type Announce, createMembersDht, type Introduce } from './locate.ts'
import { transports } from './platform.ts'

const YAMUX_WINDOW = 1 << 20
/** Streams that may come before the connection is fully set up: a client asks many things at once as soon as it is connected. */
const YAMUX_EARLY_STREAMS = 256
/** Several users share the ping protocol: the liveness check and the DHT. */
const PING_STREAMS = 8

export interface AssemblyOptions {
  privateKey: PrivateKey
  listen: readonly string[]
  announce: readonly string[]
  /** What tells others of this peer's protocols and addresses; a peer that serves nothing and has no gossip does without. */
  identify?: ReturnType<typeof identify>
  /** Gossip, where this peer takes part in it. */
  pubsub?: ReturnType<typeof gossipService>
  maxConnections: number
  inboundConnectionsPerSecond: number
  /** From a connection's first moment to its muxer, in ms; to be a WebSocket, it has as long before. */
  handshakeMs: number
  /** Members' DHT, where there is one: tells who is a member by the hex of the network key. */
  dhtMembers?: (key: string) => boolean
  denyDial: (peer: PeerId) => boolean
  denyPeer: (peer: PeerId) => boolean
  denyInbound: (peer: PeerId) => boolean
  /** Connections that have not said yet who they are. */
  arrivals: Arrivals
  datastore?: Datastore
}

export interface Assembly {
  node: Libp2p
  pubsub: GossipSub | undefined
  ping: Ping
  dht: { service: KadDHT; announce: Announce } | undefined
  introduce: Introduce
}

/** A libp2p node that is not started yet. */
export async function assemble(options: AssemblyOptions): Promise<Assembly> {
  const { denyPeer, denyDial, denyInbound } = options
  const settled = new WeakMap<MultiaddrConnection, () => void>()
  const connectionGater: ConnectionGater = {
    denyInboundConnection: connection => {
      const settle = options.arrivals.add(hostOf(connection), () => connection.abort(new Error('others came after it')))
      settled.set(connection, settle)
      connection.addEventListener('close', settle)
      return false
    },
    denyInboundUpgradedConnection: (_peer, connection) => {
      settled.get(connection as MultiaddrConnection)?.()
      return false
    },
    // Without it the browser build refuses ws:// and private addresses.
    denyDialMultiaddr: () => false,
    denyDialPeer: peer => denyDial(peer) || denyPeer(peer),
    denyInboundEncryptedConnection: peer => denyPeer(peer) || denyInbound(peer),
    denyOutboundEncryptedConnection: peer => denyPeer(peer),
  }
  const common = {
    start: false,
    privateKey: options.privateKey,
    nodeInfo: { name: 'epione', version: '1', userAgent: 'epione/1' },
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    transports: transports({ openingMs: options.handshakeMs }),
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxEarlyStreams: YAMUX_EARLY_STREAMS, streamOptions: { maxStreamWindowSize: YAMUX_WINDOW } })],
    connectionGater,
    connectionManager: {
      maxConnections: options.maxConnections,
      inboundConnectionThreshold: options.inboundConnectionsPerSecond,
      // Above what `arrivals` lets be under way: libp2p would refuse the newest.
      maxIncomingPendingConnections: 400,
      inboundUpgradeTimeout: options.handshakeMs,
      // Members are kept by their own dialling loop; libp2p's has five places, which five dead peers fill for good.
      reconnectRetries: 0,
    },
    // Replaced by the liveness check, for it closes a connection at the first late ping.
    connectionMonitor: { enabled: false, abortConnectionOnPingFailure: false },
    ...(options.datastore === undefined ? {} : { datastore: options.datastore }),
  }
  const services = {
    ...(options.identify === undefined ? {} : { identify: options.identify }),
    ping: ping({ maxInboundStreams: PING_STREAMS, maxOutboundStreams: PING_STREAMS }),
    ...(options.pubsub === undefined ? {} : { pubsub: options.pubsub }),
  }
  if (options.dhtMembers === undefined) {
    const node = await createLibp2p<{ identify?: unknown; ping: Ping; pubsub?: GossipSub }>({ ...common, services })
    return { node, pubsub: node.services.pubsub, ping: node.services.ping, dht: undefined, introduce: () => undefined }
  }
  const { service, introduce, announce } = await createMembersDht(options.dhtMembers)
  const node = await createLibp2p<{ identify?: unknown; ping: Ping; pubsub?: GossipSub; dht: KadDHT }>({
    ...common,
    services: { ...services, dht: service },
  })
  return { node, pubsub: node.services.pubsub, ping: node.services.ping, dht: { service: node.services.dht, announce }, introduce }
}

/** The host that a connection comes from; without its port, which is another each time. */
function hostOf({ remoteAddr }: MultiaddrConnection): string {
  return remoteAddr.getComponents().find(({ name }) => name.startsWith('ip'))?.value ?? remoteAddr.toString()
}
