/** Joins the consensus engine to the ledger, the pool and the network. */

import type { Application, Clock, Engine, EngineStatus, Misbehaviour, Tip, Verifier } from '../consensus/application.ts'
import type { Disk } from '../consensus/disk.ts'
import { createEngine } from '../consensus/engine.ts'
import { hasNoPast } from '../consensus/journal.ts'
import { consensusMessageCodec, type Decision } from '../consensus/messages.ts'
import { proposerAt } from '../consensus/proposer.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { Certificate } from '../ledger/certificate.ts'
import type { Evidence } from '../ledger/evidence.ts'
import { type Header, headerHash } from '../ledger/header.ts'
import type { MemberChannel, Network } from '../network/network.ts'
import { PROTOCOL } from '../network/protocols.ts'
import type { Offence } from '../network/standing.ts'
import type { Chain, ChainTip } from './chain.ts'
import { type ConsensusSight, sightsOf } from './consensus-sight.ts'
import { REMARKS } from './diagnosis.ts'
import type { Directory } from './directory.ts'
import { buildCandidate, type Candidate, checkCandidate } from './executor.ts'
import { Joining } from './joining.ts'
import type { Logger } from './logger.ts'
import { blockTransactions, type PooledBatch } from './mempool.ts'
import type { PeerStatusService } from './peer-status.ts'
import { SilentValidators } from './silent-validators.ts'
import type { SyncService } from './sync.ts'
import type { TransactionService } from './transactions.ts'

/** Most executed candidates that are kept: a few rounds of one height. */
const MAX_CANDIDATES = 16
/** Frames that are kept for the engine while a validator without a past asks the others, in bytes; beyond them the oldest go. */
const MAX_EARLY_BYTES = 4 * 1024 * 1024
/** How long a decided block's missing batches are looked for before synchronisation is left to bring it, in ms. */
const GATHER_MS = 5_000

/**
 * What a validator's misbehaviour counts as among peers. A wrong proposer or an unknown validator is what an honest peer sends, too, which does not know of
 * a change of validators yet; a double signature is dealt with by the ledger.
 */
const OFFENCE: Readonly<Partial<Record<Misbehaviour['code'], Offence>>> = {
  malformed: 'malformed',
  flood: 'flood',
  'invalid-signature': 'lie',
  'invalid-certificate': 'lie',
}

/** Something that the engine logged of a height and that a diagnosis should tell. */
export interface Remark {
  event: string
  /** Clock time of the first. */
  atMs: number
  count: number
  /** Code of the newest, where it has one. */
  code: string | null
}

export interface ConsensusOptions {
  key: SigningKey | null
  /** Height from which on the operator accepts to vote although the record of what was signed is lost. */
  voteDespiteLostLog?: number
}

export interface ConsensusDependencies {
  chain: Chain
  directory: Directory
  network: Network
  peerStatus: PeerStatusService
  sync: () => SyncService
  transactions: () => TransactionService
  /** A validator was caught signing twice. */
  onEvidence: (evidence: Evidence) => void
  logger: Logger
  clock: Clock
  /** Folder of the log and of the guard against double signing. */
  disk: Disk
  /** @default Ed25519 on the thread pool */
  verifier?: Verifier
}

export class ConsensusService implements Application {
  readonly #options: ConsensusOptions
  readonly #deps: ConsensusDependencies
  /** Executed blocks of the height that is being decided, with the batches that they name, by header hash. */
  readonly #candidates = new Map<string, { candidate: Candidate; batches: readonly PooledBatch[] }>()
  #engine: Engine | undefined
  #channel: MemberChannel | undefined
  readonly #stops: (() => void)[] = []
  readonly #stopped = new AbortController()
  readonly #silent: SilentValidators
  readonly #watchers = new Set<(sight: ConsensusSight) => void>()
  #joining: Joining | undefined
  #joined: Promise<void> = Promise.resolve()
  #early: { frame: Uint8Array; from: Uint8Array }[] = []
  #earlyBytes = 0
  /** What went wrong in a height, by the engine's event; as many as REMARKS has. */
  readonly #remarks = new Map<string, Remark>()
  #remarksOf = 0

  constructor(options: ConsensusOptions, dependencies: ConsensusDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#silent = new SilentValidators({ ...dependencies, now: () => dependencies.clock.now() })
  }

  async start(): Promise<void> {
    const { chain, directory, network, peerStatus, sync, disk, clock } = this.#deps
    this.#channel = network.openChannel(
      PROTOCOL.consensus,
      (frame, peer) => {
        const from = directory.consensusKeyOf(peer)
        if (from === undefined) return
        this.#show(frame, from)
        this.#receive(frame, from)
      },
      { maxFrame: consensusMessageCodec.maxBytes },
    )
    this.#stops.push(
      network.onPeer(({ type, peer }) => {
        const key = directory.consensusKeyOf(peer)
        if (type === 'connect' && key !== undefined) this.#engine?.connected(key)
      }),
      peerStatus.onStatus(({ silentThrough }) => {
        if (silentThrough > chain.tip.header.height) this.wake()
      }),
    )
    const { key } = this.#options
    if (key === null || !hasNoPast(disk, this.tip())) return await this.#startEngine(this.#channel, -1)
    const joining = new Joining(key.publicKey, {
      chain,
      directory,
      network,
      peerStatus,
      proven: () => sync().proven(),
      now: () => clock.now(),
      catchUp: () => sync().catchUp(),
    })
    // Alone, or with its own weight a quorum, a validator need not wait.
    const silentThrough = joining.decide()
    if (silentThrough !== undefined) return await this.#startEngine(this.#channel, silentThrough)
    this.#joining = joining
    this.#joined = this.#join(joining, this.#channel)
  }

  async #join(joining: Joining, channel: MemberChannel): Promise<void> {
    const { directory, logger, peerStatus, chain } = this.#deps
    try {
      const silentThrough = await joining.wait({ signal: this.#stopped.signal })
      if (silentThrough === undefined) return
      await this.#startEngine(channel, silentThrough)
      this.#joining = undefined
      for (const { frame, from } of this.#early.splice(0)) this.#receive(frame, from)
      if (silentThrough < 0) return
      logger.info(
        { silentThrough, height: chain.tip.header.height },
        'no record of what this validator has signed: it keeps silent for a while',
      )
      // Those who hear of it bring an idle chain over these heights.
      for (const { publicKey } of chain.tip.validators.next.validators) {
        const networkKey = directory.byConsensusKey(publicKey)?.organisation.networkKey
        if (networkKey !== undefined && !equalBytes(publicKey, this.#options.key?.publicKey ?? publicKey)) {
          peerStatus.ask(networkKey).catch(() => undefined)
        }
      }
    } catch (error) {
      logger.error({ code: errorCode(error), reason: error instanceof Error ? error.message : 'unknown' }, 'consensus could not start')
    }
  }

  #receive(frame: Uint8Array, from: Uint8Array): void {
    if (this.#joining === undefined) {
      this.#engine?.receive(frame, from)
      return
    }
    this.#early.push({ frame, from })
    this.#earlyBytes += frame.length
    while (this.#earlyBytes > MAX_EARLY_BYTES) this.#earlyBytes -= this.#early.shift()?.frame.length ?? this.#earlyBytes
  }

  async #startEngine(opened: MemberChannel, silentThrough: number): Promise<void> {
    const channel = this.#shown(opened)
    const { chain, directory, network, logger, clock, disk, verifier } = this.#deps
    const { parameters } = chain
    this.#engine = createEngine(
      {
        chainId: chain.chainId,
        key: this.#options.key,
        silentThrough,
        voteDespiteLostLog: this.#options.voteDespiteLostLog,
        timeouts: { proposeMs: parameters.proposeTimeoutMs, voteMs: parameters.voteTimeoutMs, growthMs: parameters.timeoutGrowthMs },
      },
      {
        application: this,
        transport: {
          broadcast: bytes => channel.broadcast(bytes),
          send: (validator, bytes) => {
            const member = directory.byConsensusKey(validator)
            if (member !== undefined) channel.send(member.organisation.networkKey, bytes)
          },
        },
        clock,
        disk,
        verifier,
        logger: {
          log: (level, event, fields) => {
            this.#remark(event, fields?.code)
            logger[level](fields ?? {}, event)
          },
        },
        onMisbehaviour: ({ validator, code, evidence }) => {
          if (evidence !== undefined) this.#deps.onEvidence(evidence)
          logger.warn({ validator: toHex(validator).slice(0, 8), code }, 'a validator misbehaved')
          const member = directory.byConsensusKey(validator)
          const offence = OFFENCE[code]
          if (member !== undefined && offence !== undefined) network.report(member.organisation.networkKey, offence)
        },
      },
    )
    await this.#engine.start()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    for (const stop of this.#stops) stop()
    await this.#joined
    await this.#engine?.stop()
  }

  wake(): void {
    this.#engine?.wake()
  }

  /** Calls back for what validators are seen to propose and vote; returns how to stop that. Nothing is read while nobody watches. */
  watch(watcher: (sight: ConsensusSight) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** A channel by which what this node says itself is seen too. */
  #shown(channel: MemberChannel): Pick<MemberChannel, 'broadcast' | 'send' | 'open'> {
    const own = this.#options.key?.publicKey
    return {
      broadcast: bytes => {
        if (own !== undefined) this.#show(bytes, own)
        channel.broadcast(bytes)
      },
      send: (peer, bytes) => channel.send(peer, bytes),
      open: () => channel.open(),
    }
  }

  #show(frame: Uint8Array, from: Uint8Array): void {
    if (this.#watchers.size === 0) return
    for (const sight of sightsOf(frame, from, key => this.#deps.directory.byConsensusKey(key)?.id))
      for (const watcher of this.#watchers) watcher(sight)
  }

  status(): EngineStatus | undefined {
    return this.#engine?.status()
  }

  /** Troubles of the height that is being decided, for the diagnosis. */
  remarks(): readonly Remark[] {
    return this.#engine?.status().height === this.#remarksOf ? [...this.#remarks.values()] : []
  }

  #remark(event: string, code: string | number | boolean | null | undefined): void {
    if (!Object.hasOwn(REMARKS, event)) return
    const height = this.#deps.chain.tip.header.height + 1
    if (height !== this.#remarksOf) this.#remarks.clear()
    this.#remarksOf = height
    const { atMs, count } = this.#remarks.get(event) ?? { atMs: this.#deps.clock.now(), count: 0 }
    this.#remarks.set(event, { event, atMs, count: count + 1, code: typeof code === 'string' ? code : null })
  }

  /** Weight that has answered, where this validator has no past and asks the others what it may have signed; else null. */
  joining(): { power: number; of: number } | null {
    return this.#joining?.answered ?? null
  }

  /** Height through which this validator does not vote for want of a past; -1 where it does not keep silent. */
  silentThrough(): number {
    const status = this.#engine?.status()
    return status !== undefined && status.notVotingBecause === 'lost-log' ? status.silentThrough : -1
  }

  /** Validators to which a stream is open. */
  openStreams(): number {
    return this.#channel?.open().length ?? 0
  }

  async syncedTo(tip: ChainTip): Promise<void> {
    this.#candidates.clear()
    await this.#engine?.syncedTo(asTip(tip))
  }

  tip(): Tip {
    return asTip(this.#deps.chain.tip)
  }

  hasWork(): boolean {
    const { chain } = this.#deps
    // A change of validators takes two more blocks to come into force.
    const { current, next, decided } = chain.tip.validators
    return (
      this.#deps.transactions().pool.batches > 0 ||
      current.since !== next.since ||
      next.since !== decided.since ||
      this.#silent.awaitBlocks()
    )
  }

  heartbeatDueMs(): number {
    return this.#deps.chain.tip.header.time + this.#deps.chain.parameters.heartbeatMs
  }

  async createValue(
    _height: number,
    _round: number,
    proposer: Uint8Array,
    timeMs: number,
  ): Promise<{ header: Header; batches: Uint8Array[] }> {
    const { chain, transactions } = this.#deps
    const batches = transactions().pool.proposable()
    const candidate = buildCandidate(chain.tip, { time: timeMs, proposer, transactions: blockTransactions(batches) }, chain.seen)
    this.#remember(candidate, batches)
    return { header: candidate.header, batches: batches.map(batch => batch.digest) }
  }

  async validateValue(header: Header, batches: Uint8Array[], signal: AbortSignal): Promise<boolean> {
    const { chain, transactions } = this.#deps
    if (this.#candidates.has(toHex(headerHash(header)))) return true
    const parent = chain.tip
    if (header.height !== parent.header.height + 1) throw new EpioneError('gap', 'The block does not follow the tip.')
    const gathered = await transactions().gather(batches, { signal })
    if (chain.tip !== parent) throw new EpioneError('gap', 'The tip moved while the block was gathered.')
    const candidate = checkCandidate(parent, header, blockTransactions(gathered), chain.seen)
    if (candidate === undefined) return false
    this.#remember(candidate, gathered)
    return true
  }

  bodies(batches: readonly Uint8Array[]): Uint8Array[] {
    const held = new Map([...this.#candidates.values()].flatMap(known => known.batches.map(batch => [toHex(batch.digest), batch.bytes])))
    return batches.flatMap(digest => held.get(toHex(digest)) ?? [])
  }

  restore(bodies: readonly Uint8Array[]): void {
    this.#deps.transactions().restore(bodies)
  }

  async commit(header: Header, batches: Uint8Array[], certificate: Certificate): Promise<Tip> {
    const { chain, sync } = this.#deps
    if (chain.tip.header.height >= header.height) return asTip(chain.tip)
    let candidate = this.#candidates.get(toHex(headerHash(header)))?.candidate
    if (candidate === undefined) {
      const gathered = await this.#gatherDecided(header.height, batches)
      if (gathered === undefined) return asTip(chain.tip)
      candidate = checkCandidate(chain.tip, header, blockTransactions(gathered), chain.seen)
      if (candidate === undefined)
        throw new EpioneError('execution-differs', `Block ${header.height} is final, but executing it here gives another result.`)
    }
    const tip = await chain.commit(candidate, certificate)
    this.#candidates.clear()
    // One node tells the others: the proposer of the round in which it was decided.
    const own = this.#options.key?.publicKey
    if (own !== undefined && equalBytes(proposerAt(chain.tip.validators.current, header.height, certificate.round).publicKey, own)) {
      void sync().announce({ header, certificate, candidate })
    }
    return asTip(tip)
  }

  /**
   * Batches of a decided block, or undefined where synchronisation stored the block first. The others may have let go of
   * the batches, for they have the block: after a restart it is from there that it comes, and the engine must not wait for more.
   */
  async #gatherDecided(height: number, batches: readonly Uint8Array[]): Promise<PooledBatch[] | undefined> {
    const { chain, transactions, sync } = this.#deps
    const over = new AbortController()
    const signal = AbortSignal.any([AbortSignal.timeout(GATHER_MS), over.signal])
    const stored = chain.waitAbove(height - 1, { signal }).then(() => over.abort())
    if (batches.some(digest => transactions().pool.batch(digest) === undefined)) sync().catchUp()
    try {
      const gathered = await transactions().gather(batches, { signal })
      return chain.tip.header.height >= height ? undefined : gathered
    } catch (error) {
      if (chain.tip.header.height >= height) return undefined
      throw error
    } finally {
      over.abort()
      await stored
    }
  }

  behind(): void {
    this.#deps.sync().catchUp()
  }

  async decided(height: number): Promise<Decision | undefined> {
    const stored = await this.#deps.chain.store.header(height)
    return stored === undefined || stored.certificate === null ? undefined : { header: stored.header, certificate: stored.certificate }
  }

  #remember(candidate: Candidate, batches: readonly PooledBatch[]): void {
    this.#candidates.set(toHex(headerHash(candidate.header)), { candidate, batches })
    const oldest = this.#candidates.keys().next().value
    if (this.#candidates.size > MAX_CANDIDATES && oldest !== undefined) this.#candidates.delete(oldest)
  }
}

function asTip(tip: ChainTip): Tip {
  return { header: tip.header, hash: tip.hash, validators: tip.validators.next }
}
