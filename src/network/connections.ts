/** The connections of a node: who is connected, how a peer is dialled, and what libp2p may remember of peers. */
import type { Connection, PeerId } from '@libp2p/interface'
import type { Ping } from '@libp2p/ping'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { parseHex, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { startDeadline } from './deadline.ts'
import { translateError } from './errors.ts'
import type { Logger } from './logger.ts'
import type { Members } from './members.ts'
import { networkKeyOf, parsePeerAddress, peerIdOf, peerOfAddress } from './peer.ts'

export const DIAL_TIMEOUT_MS = 10_000
/** Keeps members when there are more connections than allowed. */
const MEMBER_TAG = { 'epione-member': { value: 1_000 } }

export interface ConnectionsDeps {
  node: Libp2p
  ping: Ping
  members: Members
  /** Peers that this side decided to dial, counted; a full node dials nobody that a stranger names. */
  wanted: Map<string, number>
  logger: Logger
}

export class Connections {
  readonly #node: Libp2p
  readonly #ping: Ping
  readonly #members: Members
  readonly #wanted: Map<string, number>
  readonly #log: Logger

  constructor(deps: ConnectionsDeps) {
    this.#node = deps.node
    this.#ping = deps.ping
    this.#members = deps.members
    this.#wanted = deps.wanted
    this.#log = deps.logger
  }

  drop(peer: Uint8Array, reason: string): void {
    for (const connection of this.connectionsTo(peer)) connection.abort(new Error(reason))
  }

  connectionsTo(peer: Uint8Array): Connection[] {
    return this.#node.getConnections(peerIdOf(peer)).filter(connection => connection.status === 'open')
  }

  connectionTo(peer: Uint8Array): Connection | undefined {
    return this.connectionsTo(peer)[0]
  }

  connectedKeys(): string[] {
    const keys: string[] = []
    for (const peer of this.#node.getPeers()) {
      const key = networkKeyOf(peer)
      if (key !== undefined) keys.push(toHex(key))
    }
    return keys
  }

  async connection(peer: Uint8Array | Multiaddr, signal: AbortSignal): Promise<Connection> {
    if (peer instanceof Uint8Array) return this.connectionTo(peer) ?? (await this.dial(peer, signal))
    const named = peerOfAddress(peer)
    const key = named === undefined ? undefined : networkKeyOf(named)
    const open = key === undefined ? undefined : this.connectionTo(key)
    return open ?? (await this.#dialWanted(named, [peer], signal))
  }

  /** Dials a peer at the addresses that its membership names, or else at those that libp2p remembers. */
  async dial(peer: Uint8Array, signal: AbortSignal): Promise<Connection> {
    const id = peerIdOf(peer)
    const addresses: Multiaddr[] = []
    for (const text of this.#members.get(toHex(peer))?.addresses ?? []) {
      try {
        const address = parsePeerAddress(text)
        const named = peerOfAddress(address)
        if (named === undefined) addresses.push(address.encapsulate(`/p2p/${id.toString()}`))
        else if (named.equals(id)) addresses.push(address)
      } catch (error) {
        this.#log.warn({ peer: toHex(peer).slice(0, 16), error: String(error) }, 'a member has an address that cannot be read')
      }
    }
    return await this.#dialWanted(id, addresses, signal)
  }

  async #dialWanted(id: PeerId | undefined, addresses: Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const deadline = startDeadline({ timeoutMs: DIAL_TIMEOUT_MS, signal })
    const text = id?.toString()
    if (text !== undefined) this.#wanted.set(text, (this.#wanted.get(text) ?? 0) + 1)
    try {
      const target = addresses.length > 0 ? addresses : id
      if (target === undefined) throw new EpioneError('unreachable', 'No address of the peer is known.')
      return await this.#node.dial(target, { signal: deadline.signal })
    } catch (error) {
      throw deadline.signal.aborted ? deadline.signal.reason : translateError(error, 'dial')
    } finally {
      deadline.clear()
      if (text !== undefined) {
        const left = (this.#wanted.get(text) ?? 1) - 1
        if (left > 0) this.#wanted.set(text, left)
        else this.#wanted.delete(text)
      }
    }
  }

  async ping(peer: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<number> {
    const deadline = startDeadline(options)
    try {
      return await this.#ping.ping(peerIdOf(parseHex(peer) ?? new Uint8Array()), { signal: deadline.signal })
    } catch (error) {
      throw deadline.signal.aborted ? deadline.signal.reason : translateError(error, 'stream')
    } finally {
      deadline.clear()
    }
  }

  async tag(peer: PeerId): Promise<void> {
    try {
      await this.#node.peerStore.merge(peer, { tags: MEMBER_TAG })
    } catch (error) {
      this.#log.debug({ error: String(error) }, 'a member could not be tagged')
    }
  }

  /** Light peers come with a new key each time; what libp2p keeps of them would grow for ever. */
  async forgetStrangers(): Promise<void> {
    const node = this.#node
    try {
      const connected = new Set(this.connectedKeys())
      for (const { id } of await node.peerStore.all()) {
        const key = networkKeyOf(id)
        const kept = key !== undefined && (this.#members.isMember(toHex(key)) || connected.has(toHex(key)))
        if (!kept && !id.equals(node.peerId)) await node.peerStore.delete(id)
      }
    } catch (error) {
      this.#log.debug({ error: String(error) }, 'old peers could not be forgotten')
    }
  }
}
