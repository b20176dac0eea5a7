/** What a node tells of itself: for operators and dashboards, proven by nothing. */

import type { EngineStatus } from '../consensus/application.ts'
import { equalBytes, parseHex, toHex } from '../encoding/bytes.ts'
import type { FragmentStore } from '../fragments/fragment-store.ts'
import type { Network, NetworkLoad, PeerInfo } from '../network/network.ts'
import { peerIdOf } from '../network/peer.ts'
import type { Chain } from './chain.ts'
import type { ConflictReport } from './conflicts.ts'
import type { ConsensusService } from './consensus-service.ts'
import type { RepairReport } from './custodian/repair-service.ts'
import type { ScrubReport } from './custodian/scrub.ts'
import { diagnose, type Finding, type NodeState } from './diagnosis.ts'
import { auditRecordOf, type Directory } from './directory.ts'
import type { DiskReport } from './disk-watch.ts'
import type { NodeKeys } from './keys.ts'
import { type OffenceReport, offencesOf, type SeatReport, seatOf } from './offences.ts'
import type { PeerStatusService } from './peer-status.ts'
import type { LedgerStorage, StorageService } from './storage-service.ts'
import type { SyncService } from './sync.ts'
import type { TransactionService } from './transactions.ts'
import { failedProposers, type ValidatorStatus, validatorFacts, validatorName } from './validator-status.ts'

export interface NodeStatus {
  schemaVersion: 1
  network: string
  chainId: string
  name: string
  jurisdiction: string
  account: string
  peerId: string
  /** `quorum-missing`: validators with a third of the weight or more cannot be reached. `diverged`: this node and others do not agree on the state. */
  state: NodeState
  /** One sentence: the worst of the findings. */
  summary: string
  /** What is wrong or remarkable, the worst first, each with what to do. */
  findings: Finding[]
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
    /** Time in this round, and in this height, in ms. */
    sinceMs: number
    heightSinceMs: number
    proposer: string
    failedProposers: string[]
    notVotingBecause: string | null
    silentThrough: number
    /** Frames and messages that were dropped since the start, by reason. */
    drops: Record<string, number>
  } | null
  /** Weight that has answered while this validator, having no record of what it signed, asks the others; else null. */
  joining: { power: number; of: number } | null
  validators: ValidatorStatus[]
  /** How this node stands to the validators. */
  seat: SeatReport
  /** Double signing on the ledger, the latest first. */
  offences: OffenceReport[]
  /** Heights at which two blocks were each signed by a quorum, as light peers have shown. */
  conflicts: readonly ConflictReport[]
  peers: { connected: number; members: number }
  /** What peers use of this node: counts alone; null where it is not known. */
  load: NetworkLoad | null
  pool: { waiting: number; batches: number }
  storage: { fragments: number; bytes: number; ledger: LedgerStorage } & LimitsReport
  custody: CustodyReport
  memory: { rssBytes: number }
  uptimeMs: number
}

export interface LimitsReport {
  /** Bytes of fragments that there may be, of one organisation, and of one version's ciphertext. */
  limits: { bytes: number; organisationBytes: number; versionBytes: number }
  /** Room on the disk; null where the system does not tell. */
  disk: DiskReport | null
  /** Who has most here, the most first. */
  organisations: { name: string; bytes: number; stagedBytes: number }[]
}

/** Organisations whose use of the node a status lists. */
const LISTED_ORGANISATIONS = 16

/** What this node keeps for others, and how it stands. */
export interface CustodyReport extends RepairReport, ScrubReport {
  /** Submissions that are held. */
  submissions: number
}

export interface StatusSources {
  chain: Chain
  directory: Directory
  network: Network
  consensus: ConsensusService
  peerStatus: PeerStatusService
  sync: SyncService
  transactions: TransactionService
  fragments: FragmentStore
  storage: StorageService
  limits: {
    quotaBytes: number
    organisationQuotaBytes: number
    maxVersionBytes: number
    disk: DiskReport | null
    usage: readonly { sponsor: string; bytes: number; stagedBytes: number }[]
  }
  custody: () => CustodyReport
  /** Heights at which two blocks were each signed by a quorum, as light peers have shown. */
  conflicts: () => readonly ConflictReport[]
  keys: NodeKeys
  startedAt: number
  now: () => number
}

function silentCustodian({ tip }: Chain, account: Uint8Array): 'absent' | 'kept' | null {
  const { standing } = auditRecordOf(tip.tree, account)
  return standing === 'present' ? null : standing
}

export function nodeStatus(sources: StatusSources): NodeStatus {
  const { chain, directory, network, consensus, sync, transactions, fragments, storage, keys, startedAt, now } = sources
  const { header } = chain.tip
  const own = directory.byId(keys.account)
  const engine = consensus.status()
  const facts = validatorFacts(sources, engine, keys.consensus.publicKey, consensus.silentThrough())
  const peers = network.peers({ membersOnly: true })
  const blockAgeMs = Math.max(0, now() - header.time)
  const round = engine === undefined ? null : consensusStatus(sources, engine)
  const joining = facts.some(({ self }) => self) ? consensus.joining() : null
  const uptimeMs = now() - startedAt
  const seat = seatOf(chain.tip, directory, keys)
  const {
    state,
    summary: diagnosis,
    findings,
  } = diagnose({
    height: header.height,
    peerHeight: sync.peerHeight,
    blockAgeMs,
    heartbeatMs: chain.parameters.heartbeatMs,
    uptimeMs,
    validators: facts,
    consensus:
      round === null || engine === undefined
        ? null
        : {
            ...round,
            halted: engine.halted,
            timeouts: engine.timeouts,
            remarks: consensus
              .remarks()
              .map(({ event, count, code, atMs }) => ({ event, count, code, sinceMs: Math.max(0, now() - atMs) })),
          },
    joining,
    storage: { disk: sources.limits.disk, fragmentBytes: fragments.usage().bytes, fragmentQuotaBytes: sources.limits.quotaBytes },
    silentCustodian: silentCustodian(chain, keys.account),
    conflicts: sources.conflicts(),
  })
  // Who holds no seat any more need not look for what is wrong with the others.
  const summary = seat.state === 'removed' || seat.state === 'evicted' ? `${seat.summary} ${diagnosis}` : diagnosis
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
    findings,
    height: header.height,
    peerHeight: sync.peerHeight,
    blockTime: new Date(header.time).toISOString(),
    blockAgeMs,
    stateRoot: toHex(header.stateRoot),
    validator: facts.some(({ self }) => self),
    consensus: round,
    joining,
    validators: facts.map(({ differs: _, ...validator }) => validator),
    seat,
    offences: offencesOf(chain.tip, directory),
    conflicts: sources.conflicts(),
    peers: {
      connected: peers.filter(peer => peer.connected).length + (network.strangers?.() ?? 0),
      members: peers.filter(peer => peer.member && peer.connected).length,
    },
    load: network.load?.() ?? null,
    pool: { waiting: transactions.pool.waiting, batches: transactions.pool.batches },
    storage: { ...fragments.usage(), ledger: storage.report(), ...limitsReport(sources) },
    custody: sources.custody(),
    memory: { rssBytes: process.memoryUsage.rss() },
    uptimeMs,
  }
}

function limitsReport({ limits, directory }: StatusSources): LimitsReport {
  const { quotaBytes, organisationQuotaBytes, maxVersionBytes, disk, usage } = limits
  return {
    limits: { bytes: quotaBytes, organisationBytes: organisationQuotaBytes, versionBytes: maxVersionBytes },
    disk,
    organisations: usage.slice(0, LISTED_ORGANISATIONS).map(({ sponsor, ...bytes }) => ({
      name: directory.byId(parseHex(sponsor) as Uint8Array)?.organisation.name ?? 'a former member',
      ...bytes,
    })),
  }
}

function consensusStatus(sources: StatusSources, engine: EngineStatus): NonNullable<NodeStatus['consensus']> {
  const { directory, now } = sources
  return {
    height: engine.height,
    round: engine.round,
    step: engine.step,
    sinceMs: Math.max(0, now() - engine.sinceMs),
    heightSinceMs: Math.max(0, now() - engine.heightSinceMs),
    proposer: validatorName(directory, engine.proposer),
    failedProposers: failedProposers(sources, engine),
    notVotingBecause: engine.notVotingBecause,
    silentThrough: engine.silentThrough,
    drops: { ...engine.drops },
  }
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
  const peers = network.peers({ membersOnly: true }).filter(peer => peer.member && !equalBytes(peer.networkKey, network.networkKey))
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
