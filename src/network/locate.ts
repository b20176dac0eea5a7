/**
 * Which members hold something, by a Kademlia DHT of members alone. A key is 32 bytes that are a SHA-256 digest already; as a
 * CID it is version 1, raw, sha2-256.
 */
import type { Libp2pEvents, PeerId, Topology } from '@libp2p/interface'
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { Announcements } from './announcements.ts'
import { startDeadline } from './deadline.ts'
import { boundedRecords } from './dht-records.ts'
import { networkKeyOf } from './peer.ts'

export const KAD_PROTOCOL = '/epione/kad/1.0.0'

const RAW_CODEC = 0x55
const SHA2_256 = 0x12
const KEY_LENGTH = 32
const FIND_TIMEOUT_MS = 30_000
const DEFAULT_FIND_LIMIT = 20

export interface Locate {
  /**
   * Announces that this node holds what `key` names, together with what else is announced within a second. It is forgotten after 48 hours: who announces it renews it before.
   * @throws EpioneError `not-announced` where no other member took it
   */
  provide(key: Uint8Array, options?: { signal?: AbortSignal }): Promise<void>
  /** Forgets the announcement here. What others have stored is forgotten when its 48 hours are over: a holder may always answer that it holds nothing. */
  withdraw(key: Uint8Array): Promise<void>
  /**
   * Network keys of members that say they hold it, this node included, each once and as they become known. `onAsk` is called for
   * every question that is sent to another member.
   */
  find(key: Uint8Array, options?: { signal?: AbortSignal; limit?: number; onAsk?: () => void }): AsyncIterable<Uint8Array>
  /** Members in the routing table, and searches since the start. */
  report?(): { routingTable: number; lookups: number }
}

/** The DHT's CID of a key. */
export function cidOf(key: Uint8Array): CID {
  if (key.length !== KEY_LENGTH) throw new EpioneError('bad-key', `A DHT key has ${KEY_LENGTH} bytes, not ${key.length}.`)
  return CID.createV1(RAW_CODEC, createDigest(SHA2_256, key))
}

export type Announce = (key: Uint8Array, options: { signal?: AbortSignal }) => Promise<void>

/** Tells the DHT of a connected peer; for peers that became members after they connected. */
export type Introduce = (...peer: Parameters<NonNullable<Topology['onConnect']>>) => void

/**
 * A DHT that neither serves nor learns of peers outside `isMember`. libp2p's own stream middleware will not do: libp2p 3.3 appends
 * the handler to the registered list at every stream.
 */
export async function createMembersDht(isMember: (key: string) => boolean): Promise<{
  service: (components: KadDHTComponents) => KadDHT
  introduce: Introduce
  /** Announces a key, given as its multihash, see {@link Announcements.announce}; once the service is there. */
  announce: Announce
}> {
  // Loaded here, so that light peers, which have no DHT, do without it.
  const { kadDHT, passthroughMapper } = await import('@libp2p/kad-dht')
  const make = kadDHT({
    protocol: KAD_PROTOCOL,
    peerInfoMapper: passthroughMapper,
    clientMode: false,
    initialQuerySelfInterval: 500,
    kBucketSize: 20,
    alpha: 3,
    disjointPaths: 2,
    // Renewing is left to who announces (node/custodian/announcer.ts). libp2p's own renewal (kad-dht 16.4) looks hourly through all records
    // and puts each that is due into a queue by a search through that queue: with 100,000 keys it would hold up the process for
    // minutes. It still forgets what others announced 48 hours ago.
    reprovide: { threshold: 0 },
  })
  const topologies: Topology[] = []
  let announcements: Announcements | undefined
  const member = (peerId: Parameters<typeof networkKeyOf>[0]): boolean => {
    const key = networkKeyOf(peerId)
    return key !== undefined && isMember(toHex(key))
  }
  const service = (components: KadDHTComponents): KadDHT => {
    const { registrar, connectionManager } = components
    const gatedRegistrar: KadDHTComponents['registrar'] = {
      getProtocols: () => registrar.getProtocols(),
      handle: (protocol, handler, options) =>
        registrar.handle(
          protocol,
          (stream, connection) => {
            if (member(connection.remotePeer)) return handler(stream, connection)
            stream.abort(new EpioneError('not-a-member', 'The DHT is for members.'))
          },
          options,
        ),
      unhandle: (protocol, options) => registrar.unhandle(protocol, options),
      getHandler: protocol => registrar.getHandler(protocol),
      use: (protocol, middleware) => registrar.use(protocol, middleware),
      unuse: protocol => registrar.unuse(protocol),
      getMiddleware: protocol => registrar.getMiddleware(protocol),
      register: (protocol, topology, options) => {
        topologies.push(topology)
        const { onConnect } = topology
        return registrar.register(
          protocol,
          { ...topology, onConnect: (peerId, connection) => (member(peerId) ? onConnect?.(peerId, connection) : undefined) },
          options,
        )
      },
      unregister: id => registrar.unregister(id),
      getTopologies: protocol => registrar.getTopologies(protocol),
    }
    // Only the opening of streams differs; the rest is the manager's own.
    const gatedManager: KadDHTComponents['connectionManager'] = Object.create(connectionManager, {
      openStream: {
        value: async (...args: Parameters<typeof connectionManager.openStream>) => {
          const [target] = args
          if (!('toMultihash' in target) || !member(target)) throw new EpioneError('not-a-member', 'The DHT asks members alone.')
          return await connectionManager.openStream(...args)
        },
      },
    })
    announcements = new Announcements({
      own: components.peerId,
      addresses: () => components.addressManager.getAddresses().map(({ bytes }) => bytes),
      members: () => {
        const peers = new Map(connectionManager.getConnections().map(({ remotePeer }) => [remotePeer.toString(), remotePeer]))
        return [...peers.values()].filter(member)
      },
      open: async (peer, options) => await gatedManager.openStream(peer, KAD_PROTOCOL, options),
    })
    return make({
      registrar: gatedRegistrar,
      connectionManager: gatedManager,
      peerId: components.peerId,
      privateKey: components.privateKey,
      addressManager: components.addressManager,
      peerStore: components.peerStore,
      datastore: boundedRecords(components.datastore, components.peerId.toString()),
      events: components.events satisfies EventTarget as KadDHTComponents['events'] & Partial<Libp2pEvents>,
      logger: components.logger,
      ping: components.ping,
    })
  }
  return {
    service,
    announce: async (key, options) => await announcements?.announce(key, options),
    introduce: (peerId, connection) => {
      for (const topology of topologies) {
        void Promise.resolve(topology.onConnect?.(peerId, connection)).catch(() => {
          // The peer speaks no DHT or is gone again; it is introduced anew when it connects.
        })
      }
    },
  }
}

/** What kad-dht 16.4 has beside its interface: its records of who holds what, and whom it knows. */
interface DhtRecords {
  readonly routingTable: { readonly size: number }
  readonly providers: { addProvider(key: CID, provider: PeerId): Promise<void> }
}

export function createLocate(
  dht: KadDHT,
  isMember: (key: string) => boolean,
  { own, announce }: { own: PeerId; announce: Announce },
): Locate {
  const { providers, routingTable } = dht as KadDHT & DhtRecords
  let lookups = 0
  return {
    provide: async (key, options = {}) => {
      const cid = cidOf(key)
      await providers.addProvider(cid, own)
      await announce(cid.multihash.bytes, options)
    },
    withdraw: key => dht.cancelReprovide(cidOf(key)),
    report: () => ({ routingTable: routingTable.size, lookups }),
    async *find(key, options = {}) {
      lookups++
      const { limit = DEFAULT_FIND_LIMIT } = options
      const deadline = startDeadline({ timeoutMs: FIND_TIMEOUT_MS, signal: options.signal })
      const seen = new Set<string>()
      try {
        for await (const event of dht.findProviders(cidOf(key), { signal: deadline.signal })) {
          if (event.name === 'SEND_QUERY') options.onAsk?.()
          if (event.name !== 'PROVIDER') continue
          for (const { id } of event.providers) {
            const provider = networkKeyOf(id)
            if (provider === undefined) continue
            const hex = toHex(provider)
            if (seen.has(hex) || !isMember(hex)) continue
            seen.add(hex)
            yield provider
            if (seen.size >= limit) return
          }
        }
      } catch (error) {
        if (!deadline.signal.aborted) throw error
        // What was found until the time was up stands; a caller that gave up wants to know.
        if (options.signal?.aborted === true) throw deadline.signal.reason
      } finally {
        deadline.clear()
      }
    },
  }
}
