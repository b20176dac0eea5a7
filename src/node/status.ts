/** What a node tells of itself: for operators and dashboards, proven by nothing. */

import type { EngineStatus } from '../consensus/application.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import type { FragmentStore } from '../fragments/fragment-store.ts'
import type { Network, PeerInfo } from '../network/network.ts'
import { peerIdOf } from '../network/peer.ts'
import type { Chain } from './chain.ts'
import type { ConsensusService } from './consensus-service.ts'
import type { Directory } from './directory.ts'
import type { NodeKeys } from './keys.ts'
import { type OffenceReport, offencesOf, type SeatReport, seatOf } from './offences.ts'
import type { SyncService } from './sync.ts'
import type { TransactionService } from './transactions.ts'

export interface ValidatorStatus {
  name: string
  jurisdiction: string
  power: number
  connected: boolean
  self: boolean
  /** Whether its vote of the present round has arrived here. */
  prevote: boolean
  precommit: boolean
}

export interface NodeStatus {
  schemaVersion: 1
  network: string
  chainId: string
  name: string
  jurisdiction: string
  account: string
  peerId: string
  /** `quorum-missing`: validators with more than a third of the weight cannot be reached. */
  state: 'ok' | 'syncing' | 'quorum-missing' | 'halted' | 'stale'
  /** One sentence on the state, with who is missing. */
  summary: string
  height: number
  peerHeight: number
  blockTime: string
  blockAgeMs: number
  stateRoot: string
  validator: boolean
  consensus: {
    height: number
    round: number
    step: string
    sinceMs: number
    proposer: string
    notVotingBecause: string | null
    silentThrough: number
  } | null
  validators: ValidatorStatus[]
  /** How this node stands to the validators. */
  seat: SeatReport
  /** Double signing on the ledger, the latest first. */
  offences: OffenceReport[]
  peers: { connected: number; members: number }
  pool: { waiting: number; batches: number }
  storage: { fragments: number; bytes: number }
  memory: { rssBytes: number }
  uptimeMs: number
}

export interface StatusSources {
  chain: Chain
  directory: Directory
  network: Network
  consensus: ConsensusService
  sync: SyncService
  transactions: TransactionService
  fragments: FragmentStore
  keys: NodeKeys
  startedAt: number
  now: () => number
}

export function nodeStatus(sources: StatusSources): NodeStatus {
  const { chain, directory, network, consensus, sync, transactions, fragments, keys, startedAt, now } = sources
  const { header } = chain.tip
  const own = directory.byId(keys.account)
  const engine = consensus.status()
  const validators = validatorStatus(sources, engine)
  const peers = network.peers()
  const blockAgeMs = Math.max(0, now() - header.time)
  const seat = seatOf(chain.tip, directory, keys)
  const judged = judge(sources, engine, validators, blockAgeMs)
  const state = judged.state
  // Who holds no seat any more need not look for what is wrong with the others.
  const summary = seat.state === 'removed' || seat.state === 'evicted' ? `${seat.summary} ${judged.summary}` : judged.summary
  const name = (key: Uint8Array): string => directory.byConsensusKey(key)?.organisation.name ?? toHex(key).slice(0, 8)
  return {
    schemaVersion: 1,
    network: chain.genesis.network,
    chainId: toHex(chain.chainId),
    name: own?.organisation.name ?? 'not a member',
    jurisdiction: own?.organisation.jurisdiction ?? '',
    account: toHex(keys.account),
    peerId: peerIdOf(network.networkKey).toString(),
    state,
    summary,
    height: header.height,
    peerHeight: sync.peerHeight,
    blockTime: new Date(header.time).toISOString(),
    blockAgeMs,
    stateRoot: toHex(header.stateRoot),
    validator: validators.some(validator => validator.self),
    consensus:
      engine === undefined
        ? null
        : {
            height: engine.height,
            round: engine.round,
            step: engine.step,
            sinceMs: Math.max(0, now() - engine.sinceMs),
            proposer: name(engine.proposer),
            notVotingBecause: engine.notVotingBecause,
            silentThrough: engine.silentThrough,
          },
    validators,
    seat,
    offences: offencesOf(chain.tip, directory),
    peers: { connected: peers.filter(peer => peer.connected).length, members: peers.filter(peer => peer.member && peer.connected).length },
    pool: { waiting: transactions.pool.waiting, batches: transactions.pool.batches },
    storage: fragments.usage(),
    memory: { rssBytes: process.memoryUsage.rss() },
    uptimeMs: now() - startedAt,
  }
}

function validatorStatus({ chain, directory, network, keys }: StatusSources, engine: EngineStatus | undefined): ValidatorStatus[] {
  const connected = new Set(network.peers().flatMap(peer => (peer.connected ? [toHex(peer.networkKey)] : [])))
  return chain.tip.validators.next.validators.map(({ publicKey, power }) => {
    const member = directory.byConsensusKey(publicKey)
    const self = equalBytes(publicKey, keys.consensus.publicKey)
    const votes = engine?.votes.find(vote => equalBytes(vote.validator, publicKey))
    return {
      name: member?.organisation.name ?? toHex(publicKey).slice(0, 8),
      jurisdiction: member?.organisation.jurisdiction ?? '',
      power,
      connected: self || (member !== undefined && connected.has(toHex(member.organisation.networkKey))),
      self,
      prevote: votes?.prevote ?? false,
      precommit: votes?.precommit ?? false,
    }
  })
}

function judge(
  { chain, sync }: StatusSources,
  engine: EngineStatus | undefined,
  validators: readonly ValidatorStatus[],
  blockAgeMs: number,
): { state: NodeStatus['state']; summary: string } {
  const total = validators.reduce((sum, { power }) => sum + power, 0)
  const missing = validators.filter(({ connected }) => !connected)
  const reachable = total - missing.reduce((sum, { power }) => sum + power, 0)
  const names = missing.map(({ name }) => name).join(', ')
  if (engine?.halted != null) return { state: 'halted', summary: `Consensus has stopped here (${engine.halted}); see the log.` }
  if (3 * reachable <= 2 * total) return { state: 'quorum-missing', summary: `No block can be made: ${names} cannot be reached from here.` }
  if (sync.peerHeight > chain.tip.header.height + 1) {
    return { state: 'syncing', summary: `Catching up: height ${chain.tip.header.height} of ${sync.peerHeight}.` }
  }
  if (blockAgeMs > 2 * chain.parameters.heartbeatMs + 15_000)
    return { state: 'stale', summary: `The newest block is ${Math.round(blockAgeMs / 1000)} s old.` }
  if (missing.length > 0) return { state: 'ok', summary: `In agreement; ${names} cannot be reached from here.` }
  return { state: 'ok', summary: 'In agreement with all validators.' }
}

export interface PeersReport {
  schemaVersion: 1
  peers: {
    networkKey: string
    peerId: string
    name: string
    jurisdiction: string
    member: boolean
    validator: boolean
    connected: boolean
    direction: 'inbound' | 'outbound' | null
    rttMs: number | null
    addresses: string[]
  }[]
}

/** The members and where they are, this node among them. Strangers (light peers) are counted in the status, never named. */
export function nodePeers({
  network,
  directory,
  addressesOf,
}: {
  network: Network
  directory: Directory
  /** Where a member's node can be dialled, as far as that is known. */
  addressesOf: (networkKey: Uint8Array) => string[]
}): PeersReport {
  const peers = network.peers().filter(peer => peer.member && !equalBytes(peer.networkKey, network.networkKey))
  const own = directory.byNetworkKey(network.networkKey)
  const describe = (networkKey: Uint8Array) => {
    const member = directory.byNetworkKey(networkKey)
    return {
      networkKey: toHex(networkKey),
      peerId: peerIdOf(networkKey).toString(),
      name: member?.organisation.name ?? '',
      jurisdiction: member?.organisation.jurisdiction ?? '',
    }
  }
  return {
    schemaVersion: 1,
    peers: [
      ...(own === undefined
        ? []
        : [
            {
              ...describe(network.networkKey),
              member: true,
              validator: own.organisation.consensusKey !== null,
              connected: true,
              direction: null,
              rttMs: 0,
              addresses: network.addresses(),
            },
          ]),
      ...peers.map(peer => ({
        ...describe(peer.networkKey),
        member: peer.member,
        validator: peer.validator,
        connected: peer.connected,
        direction: peer.direction,
        rttMs: peer.rttMs,
        addresses: dialable(peer, addressesOf(peer.networkKey)),
      })),
    ],
  }
}

/** The far end of a connection that came in is a port that nobody listens at: it says nothing to who wants to dial. */
function dialable(peer: PeerInfo, known: readonly string[]): string[] {
  if (known.length > 0) return [...known]
  return peer.direction === 'inbound' ? [] : peer.addresses
}
