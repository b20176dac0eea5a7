/**
 * Joins the ledger by a snapshot: all headers, each verified by the certificates and validators along the way from genesis; the state
 * at one height in chunks from several peers; and the blocks of the hour before it, by which replays are told. What was verified stays
 * over a restart. Peers are believed nothing: who gives a wrong piece is reported, and so is everybody who offers a snapshot that
 * turns out to be wrong. Until all of it is here that cannot be told, so what is fetched before is bounded: in bytes, in leaves and in
 * time, after which another offer is tried, or blocks are.
 */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../encoding/errors.ts'
import type { ChainGenerations } from '../ledger/chain-generations.ts'
import { type OpenChainStoreOptions, openChainStore } from '../ledger/chain-store.ts'
import { type ValidatorSet, validatorSetHash } from '../ledger/header.ts'
import { MAX_CHUNK_BYTES, manifestCodec, manifestId, type SnapshotManifest } from '../ledger/snapshot.ts'
import { type LogRules, SnapshotInstaller } from '../ledger/snapshot-install.ts'
import type { Network } from '../network/network.ts'
import { MAX_SNAPSHOT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import {
  headsCodec,
  MAX_HEAD_SETS,
  MAX_HEADS,
  MAX_SYNC_BLOCKS,
  receiptBlocksCodec,
  type SnapshotRequest,
  snapshotChunkCodec,
  snapshotListCodec,
  snapshotManifestCodec,
  snapshotRequestCodec,
} from '../network/validator-messages.ts'
import type { Chain, ChainTip } from './chain.ts'
import type { Logger } from './logger.ts'
import { gatherChunks, tooLarge } from './snapshot-chunks.ts'
import { BLOCKS_BYTES, HEADS_BYTES, headBytes } from './snapshot-service.ts'
import { SnapshotTurns } from './snapshot-turns.ts'

const REQUEST_TIMEOUT_MS = 20_000
/** How long a list of snapshots is waited for, in ms. */
const LIST_TIMEOUT_MS = 5_000

/** Heads or bytes below which an answer is short, as a part of what it might have had. */
const SHORT_PART = 0.5
/** How long one chunk may take on the average and all may take, in ms, after a time in which nothing is asked of the pace. */
const CHUNK_MS = 5_000
const OFFER_MS = 600_000
const GRACE_MS = 60_000
/** The last offer has as many times of both; so has, up to the second figure, each that comes after one that was too slow. */
const LAST_SLACK = 4
const MAX_SLACK = 64

export interface SnapshotJoinOptions {
  /** Bytes that a snapshot may have on the disk. A longer one is refused before anything of it is fetched. */
  maxBytes: number
  /** Leaves that a state may have: it is in memory, at about 400 bytes a leaf. A snapshot is given up where it turns out to have more. */
  maxLeaves: number
  /** How long headers and blocks are waited for before another member is asked, in ms; longer where nobody gives them. @default 3000 */
  patienceMs?: number
  /** Pace of chunks below which an offer is given up, in ms a chunk; after each that was, half the pace is enough. @default 5000 */
  chunkMs?: number
  /** Time before that is looked at, in ms. @default 60000 */
  graceMs?: number
}

export interface SnapshotJoinDependencies {
  chain: Chain
  network: Pick<Network, 'peers' | 'report' | 'request'>
  generations: ChainGenerations
  genesis: OpenChainStoreOptions
  logRules: LogRules
  logger: Logger
}

/** A snapshot and who offers it. */
interface Offer {
  readonly height: number
  readonly id: Uint8Array
  readonly peers: Uint8Array[]
  /** Weight of the validators among them. */
  weight: number
}

export interface JoinProgress {
  /** Height of the snapshot. */
  height: number
  /** Height up to which headers are verified, and the time of that block in ms. */
  heads: number
  headsMs: number
  /** Chunks of the snapshot, and those of them that are not here. */
  chunks: number
  missing: number
}

export class SnapshotJoin {
  readonly #options: Required<SnapshotJoinOptions>
  readonly #deps: SnapshotJoinDependencies
  #progress: JoinProgress | null = null
  #turns: SnapshotTurns
  #slack = 1

  constructor(options: SnapshotJoinOptions, dependencies: SnapshotJoinDependencies) {
    this.#options = { patienceMs: 3_000, chunkMs: CHUNK_MS, graceMs: GRACE_MS, ...options }
    this.#deps = dependencies
    this.#turns = this.#newTurns()
  }

  #newTurns(): SnapshotTurns {
    return new SnapshotTurns({ patienceMs: this.#options.patienceMs, mostPatienceMs: REQUEST_TIMEOUT_MS })
  }

  /** How far the attempt is that is under way. */
  get progress(): JoinProgress | null {
    return this.#progress
  }

  /**
   * Tries the snapshots that members offer `minGain` or more above the tip, those of more validators and greater heights first. Gives
   * the new tip; undefined where nobody offers one that holds.
   */
  async run(options: { minGain: number; weightOf: (peer: Uint8Array) => number; signal: AbortSignal }): Promise<ChainTip | undefined> {
    const { chain, logger, generations, genesis, logRules } = this.#deps
    const { signal } = options
    const offers = await this.#offers(chain.tip.header.height + options.minGain, options.weightOf, signal)
    if (offers.length === 0) return undefined
    this.#turns = this.#newTurns()
    const installer = await this.#open(generations, genesis, logRules)
    try {
      for (const [index, offer] of offers.entries()) {
        try {
          return await this.#take(installer, offer, { signal, isLast: index === offers.length - 1 })
        } catch (error) {
          signal.throwIfAborted()
          const reason = error instanceof EpioneError ? error.message : 'unknown'
          logger.warn({ height: offer.height, code: errorCode(error), reason }, 'a snapshot could not be installed')
          if (errorCode(error) === 'store-corrupt') {
            // The next attempt begins anew.
            await generations.clearCandidate()
            return undefined
          }
          if (errorCode(error) !== 'wrong-snapshot') continue
          for (const peer of offer.peers) this.#deps.network.report(peer, 'lie')
          await installer.discard()
        }
      }
      return undefined
    } finally {
      this.#progress = null
    }
  }

  /** Takes up what an earlier attempt left; where that is damaged, begins anew. */
  async #open(generations: ChainGenerations, genesis: OpenChainStoreOptions, rules: LogRules): Promise<SnapshotInstaller> {
    try {
      return await SnapshotInstaller.open(generations.candidate, genesis, rules)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      await generations.clearCandidate()
      return await SnapshotInstaller.open(generations.candidate, genesis, rules)
    }
  }

  #members(): Uint8Array[] {
    return this.#deps.network
      .peers({ membersOnly: true })
      .flatMap(({ networkKey, member, connected }) => (member && connected ? [networkKey] : []))
  }

  async #ask(peer: Uint8Array, request: SnapshotRequest, signal: AbortSignal, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Uint8Array> {
    return await this.#deps.network.request(peer, PROTOCOL.snapshot, snapshotRequestCodec.encode(request), {
      signal,
      timeoutMs,
      maxResponse: MAX_SNAPSHOT_RESPONSE,
    })
  }

  async #offers(minHeight: number, weightOf: (peer: Uint8Array) => number, signal: AbortSignal): Promise<Offer[]> {
    const offers = new Map<string, Offer>()
    const lists = this.#members().map(async peer => {
      try {
        const { snapshots } = snapshotListCodec.decode(await this.#ask(peer, { type: 'list', value: {} }, signal, LIST_TIMEOUT_MS))
        for (const { height, id } of snapshots) {
          if (height < minHeight) continue
          const name = `${height} ${toHex(id)}`
          const offer = offers.get(name) ?? { height, id, peers: [], weight: 0 }
          if (!offer.peers.includes(peer)) offer.peers.push(peer)
          offer.weight = offer.peers.reduce((sum, each) => sum + weightOf(each), 0)
          offers.set(name, offer)
        }
      } catch (error) {
        this.#blame(peer, error)
      }
    })
    await Promise.all(lists)
    return [...offers.values()].sort((a, b) => b.weight - a.weight || b.height - a.height)
  }

  /** Notes what a peer did wrong, if it did; a peer that does not answer did nothing. */
  #blame(peer: Uint8Array, error: unknown): void {
    const code = errorCode(error)
    const lies = ['invalid-header', 'invalid-certificate', 'wrong-chunk', 'wrong-block', 'wrong-manifest']
    if (lies.includes(code)) this.#deps.network.report(peer, 'lie')
    else if (error instanceof MalformedError) this.#deps.network.report(peer, 'malformed')
    this.#deps.logger.debug({ peer: toHex(peer).slice(0, 8), code }, 'a peer did not help to join')
  }

  async #take(installer: SnapshotInstaller, offer: Offer, options: { signal: AbortSignal; isLast: boolean }): Promise<ChainTip> {
    const { signal } = options
    const { chain, logger } = this.#deps
    const startMs = performance.now()
    const report = (): void => {
      this.#progress = {
        height: offer.height,
        heads: installer.newest.header.height,
        headsMs: installer.newest.header.time,
        chunks: installer.manifest?.chunks.length ?? 0,
        missing: installer.missing().length,
      }
    }
    const isReady = installer.whole && installer.newest.header.height === offer.height
    if (!isReady) {
      await this.#copyOwnHeads(installer, offer.height)
      while (installer.newest.header.height < offer.height) {
        await this.#anybody(async (peer, timeoutMs) => await this.#heads(installer, peer, offer.height, { signal, timeoutMs }), signal)
        report()
      }
      await installer.begin(await this.#manifest(offer, signal))
      await this.#chunks(installer, offer, { ...options, report })
      await this.#blocks(installer, signal)
      await installer.finish()
    }
    const tip = await this.#install()
    logger.info(
      { height: tip.header.height, chunks: installer.manifest?.chunks.length ?? 0, ms: Math.round(performance.now() - startMs) },
      'joined by a snapshot',
    )
    return chain.tip
  }

  /** Opens the new chain, which checks all of it once more, and makes it the one that counts. */
  async #install(): Promise<ChainTip> {
    const { chain, generations, genesis, logger } = this.#deps
    const tip = await chain.replace(
      async () => await openChainStore(generations.candidate, genesis),
      async () => await generations.switchToCandidate(),
    )
    generations.clearFormer().catch((error: unknown) => logger.warn({ code: errorCode(error) }, 'the former chain was not cleared away'))
    return tip
  }

  /**
   * Runs a step with one member after another until it succeeds; it says whether the member gave less than it could have.
   * @throws EpioneError `unreachable` where it does with none
   */
  async #anybody(
    step: (peer: Uint8Array, timeoutMs: number) => Promise<{ isShort: boolean }>,
    signal: AbortSignal,
    peers = this.#members(),
  ): Promise<void> {
    let isLate: boolean
    do {
      isLate = false
      for (const peer of this.#turns.order(peers)) {
        signal.throwIfAborted()
        const startMs = performance.now()
        try {
          const { isShort } = await step(peer, this.#turns.patienceMs)
          this.#turns.gave(peer, { isShort, ms: performance.now() - startMs })
          return
        } catch (error) {
          signal.throwIfAborted()
          this.#turns.failed(peer)
          this.#blame(peer, error)
          isLate ||= errorCode(error) === 'timeout'
        }
      }
    } while (isLate && this.#turns.waitLonger())
    throw new EpioneError('unreachable', 'No member gives what is needed to join by a snapshot.')
  }

  async #copyOwnHeads(installer: SnapshotInstaller, to: number): Promise<void> {
    const { store } = this.#deps.chain
    const last = Math.min(to, store.tip().header.height)
    while (installer.newest.header.height < last) {
      const from = installer.newest.header.height + 1
      const heads = []
      for (let height = from; height <= last && heads.length < MAX_HEADS; height++) {
        const head = await store.header(height)
        if (head !== undefined) heads.push(head)
      }
      await installer.copyHeads(heads)
    }
  }

  async #heads(
    installer: SnapshotInstaller,
    peer: Uint8Array,
    to: number,
    { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
  ): Promise<{ isShort: boolean }> {
    const { chain } = this.#deps
    const from = installer.newest.header.height + 1
    const limit = Math.min(MAX_HEADS, to - from + 1)
    const { heads, sets } = headsCodec.decode(await this.#ask(peer, { type: 'heads', value: { from, limit } }, signal, timeoutMs))
    if (heads.length === 0) throw new EpioneError('not-found', 'The peer does not have the headers of what it offers.')
    if (heads.length > limit) throw new MalformedError('the peer gives more headers than it was asked for')
    const shown = new Map<string, ValidatorSet>(sets.map(set => [toHex(validatorSetHash(set)), set]))
    const own = await chain.validatorSet(installer.newest.header.nextValidatorsHash)
    if (own !== undefined) shown.set(toHex(installer.newest.header.nextValidatorsHash), own)
    const used = new Set<ValidatorSet>()
    for (let at = 0; at < heads.length; at += 64) {
      signal.throwIfAborted()
      const part = heads.slice(at, at + 64)
      await installer.addHeads(part, hash => {
        const set = shown.get(toHex(hash))
        if (set !== undefined) used.add(set)
        return set
      })
      for (const set of used) await chain.keepSet(set)
      used.clear()
    }
    // What an honest member's answer may end for: the asked, its bytes, or the sets of validators beside the headers.
    const bytes = heads.reduce((sum, { certificate }) => sum + headBytes(certificate), 0)
    const setsUsed = new Set(heads.map(({ header }) => toHex(header.validatorsHash))).size
    return { isShort: heads.length < limit && bytes < SHORT_PART * HEADS_BYTES && setsUsed < SHORT_PART * MAX_HEAD_SETS }
  }

  async #manifest(offer: Offer, signal: AbortSignal): Promise<SnapshotManifest> {
    let found: SnapshotManifest | undefined
    await this.#anybody(
      async (peer, timeoutMs) => {
        const answer = await this.#ask(peer, { type: 'manifest', value: { height: offer.height } }, signal, timeoutMs)
        const manifest = manifestCodec.decode(snapshotManifestCodec.decode(answer).manifest)
        if (!equalBytes(manifestId(manifest), offer.id)) {
          throw new EpioneError('wrong-manifest', 'The peer gives another manifest than the one that it offered.')
        }
        found = manifest
        return { isShort: false }
      },
      signal,
      offer.peers,
    )
    const { chunks } = found as unknown as SnapshotManifest
    // All but the last are full.
    const bytes = (chunks.length - 1) * MAX_CHUNK_BYTES
    if (bytes > this.#options.maxBytes) {
      throw tooLarge(`it takes about ${bytes} bytes of disk, and ${this.#options.maxBytes} may be used (--storage-quota)`)
    }
    return found as unknown as SnapshotManifest
  }

  async #chunks(
    installer: SnapshotInstaller,
    { height, peers }: Offer,
    { signal, isLast, report }: { signal: AbortSignal; isLast: boolean; report: () => void },
  ): Promise<void> {
    const { maxLeaves, graceMs, chunkMs } = this.#options
    const slack = isLast ? LAST_SLACK * this.#slack : this.#slack
    try {
      await gatherChunks(
        { peers, maxLeaves, pace: { graceMs, chunkMs: slack * chunkMs, mostMs: slack * OFFER_MS }, signal },
        {
          installer,
          ask: async (peer, index, either) => {
            const answer = await this.#ask(peer, { type: 'chunk', value: { height, index } }, either)
            return snapshotChunkCodec.decode(answer).chunk
          },
          blame: (peer, error) => this.#blame(peer, error),
          report,
        },
      )
    } catch (error) {
      if (errorCode(error) === 'snapshot-too-large') await installer.discard()
      if (errorCode(error) === 'too-slow') this.#slack = Math.min(MAX_SLACK, 2 * this.#slack)
      throw error
    }
  }

  /** Blocks with receipts of the hour before the snapshot, in order. */
  async #blocks(installer: SnapshotInstaller, signal: AbortSignal): Promise<void> {
    const { from, to } = await installer.neededBlocks()
    let next = from
    /** Where an answer ended before all that was asked for, its bytes, and whose it was. */
    let stopped: { height: number; bytes: number; peer: Uint8Array } | undefined
    while (next <= to) {
      if (await installer.hasBlock(next)) {
        next++
        continue
      }
      await this.#anybody(async (peer, timeoutMs) => {
        const limit = Math.min(MAX_SYNC_BLOCKS, to - next + 1)
        const answer = await this.#ask(peer, { type: 'blocks', value: { from: next, limit } }, signal, timeoutMs)
        const { blocks } = receiptBlocksCodec.decode(answer)
        if (blocks.length === 0) throw new EpioneError('not-found', 'The peer does not have these blocks.')
        if (blocks.length > limit) throw new MalformedError('the peer gives more blocks than it was asked for')
        let bytes = 0
        for (const { transactions, receipts } of blocks) {
          await installer.putBlock(next, transactions, receipts)
          const size = [...transactions, ...receipts].reduce((sum, each) => sum + each.length, 0)
          if (stopped?.height === next && stopped.bytes + size <= BLOCKS_BYTES) this.#turns.wasShort(stopped.peer)
          bytes += size
          next++
        }
        stopped = blocks.length < limit ? { height: next, bytes, peer } : undefined
        return { isShort: false }
      }, signal)
    }
  }
}
