/**
 * Joins the ledger by a snapshot: all headers, each verified by the certificates and validators along the way from genesis; the state
 * at one height in chunks from several peers; and the blocks of the hour before it, by which replays are told. What was verified stays
 * over a restart. Peers are believed nothing: who gives a wrong piece is reported, and so is everybody who offers a snapshot that
 * turns out to be wrong.
 */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../encoding/errors.ts'
import type { ChainGenerations } from '../ledger/chain-generations.ts'
import { type OpenChainStoreOptions, openChainStore } from '../ledger/chain-store.ts'
import { type ValidatorSet, validatorSetHash } from '../ledger/header.ts'
import { manifestCodec, manifestId, type SnapshotManifest } from '../ledger/snapshot.ts'
import { type LogRules, SnapshotInstaller } from '../ledger/snapshot-install.ts'
import type { Network } from '../network/network.ts'
import { MAX_SNAPSHOT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import {
  headsCodec,
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

const REQUEST_TIMEOUT_MS = 20_000
/** A chunk that one peer does not give within this time is asked from another, too, in ms. */
const SLOW_CHUNK_MS = 3_000
/** Chunks asked from one peer at once. */
const CHUNKS_PER_PEER = 2
/** Failures in a row after which a peer is not asked any more in this attempt. */
const MAX_FAILURES = 3

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
  readonly #deps: SnapshotJoinDependencies
  #progress: JoinProgress | null = null

  constructor(dependencies: SnapshotJoinDependencies) {
    this.#deps = dependencies
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
    const installer = await this.#open(generations, genesis, logRules)
    try {
      for (const offer of offers) {
        try {
          return await this.#take(installer, offer, signal)
        } catch (error) {
          signal.throwIfAborted()
          logger.warn({ height: offer.height, code: errorCode(error) }, 'a snapshot could not be installed')
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
    return this.#deps.network.peers().flatMap(({ networkKey, member, connected }) => (member && connected ? [networkKey] : []))
  }

  async #ask(peer: Uint8Array, request: SnapshotRequest, signal: AbortSignal): Promise<Uint8Array> {
    return await this.#deps.network.request(peer, PROTOCOL.snapshot, snapshotRequestCodec.encode(request), {
      signal,
      timeoutMs: REQUEST_TIMEOUT_MS,
      maxResponse: MAX_SNAPSHOT_RESPONSE,
    })
  }

  async #offers(minHeight: number, weightOf: (peer: Uint8Array) => number, signal: AbortSignal): Promise<Offer[]> {
    const offers = new Map<string, Offer>()
    const lists = this.#members().map(async peer => {
      try {
        const { snapshots } = snapshotListCodec.decode(await this.#ask(peer, { type: 'list', value: {} }, signal))
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

  async #take(installer: SnapshotInstaller, offer: Offer, signal: AbortSignal): Promise<ChainTip> {
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
        await this.#anybody(async peer => await this.#heads(installer, peer, offer.height, signal), signal)
        report()
      }
      const manifest = await this.#manifest(offer, signal)
      await installer.begin(manifest)
      await this.#chunks(installer, offer, report, signal)
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

  /** Runs a step with one member after another until it succeeds. @throws EpioneError `unreachable` where it does with none */
  async #anybody(step: (peer: Uint8Array) => Promise<void>, signal: AbortSignal, peers = this.#members()): Promise<void> {
    for (const peer of peers) {
      signal.throwIfAborted()
      try {
        return await step(peer)
      } catch (error) {
        signal.throwIfAborted()
        this.#blame(peer, error)
      }
    }
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

  async #heads(installer: SnapshotInstaller, peer: Uint8Array, to: number, signal: AbortSignal): Promise<void> {
    const { chain } = this.#deps
    const from = installer.newest.header.height + 1
    const limit = Math.min(MAX_HEADS, to - from + 1)
    const { heads, sets } = headsCodec.decode(await this.#ask(peer, { type: 'heads', value: { from, limit } }, signal))
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
  }

  async #manifest(offer: Offer, signal: AbortSignal): Promise<SnapshotManifest> {
    let found: SnapshotManifest | undefined
    await this.#anybody(
      async peer => {
        const answer = await this.#ask(peer, { type: 'manifest', value: { height: offer.height } }, signal)
        const manifest = manifestCodec.decode(snapshotManifestCodec.decode(answer).manifest)
        if (!equalBytes(manifestId(manifest), offer.id)) {
          throw new EpioneError('wrong-manifest', 'The peer gives another manifest than the one that it offered.')
        }
        found = manifest
      },
      signal,
      offer.peers,
    )
    return found as SnapshotManifest
  }

  /** Gathers the chunks from all who offer the snapshot, a few from each at a time. */
  async #chunks(installer: SnapshotInstaller, offer: Offer, report: () => void, signal: AbortSignal): Promise<void> {
    const asked = new Map<number, number>()
    const done = new AbortController()
    const either = AbortSignal.any([signal, done.signal])
    let broken: unknown
    /** A chunk that nobody is asked for, or one that somebody is slow with. */
    const pick = (): number | undefined => {
      const now = performance.now()
      const missing = installer.missing()
      return missing.find(index => !asked.has(index)) ?? missing.find(index => now - (asked.get(index) ?? now) > SLOW_CHUNK_MS)
    }
    const work = async (peer: Uint8Array): Promise<void> => {
      let failures = 0
      while (failures < MAX_FAILURES && !either.aborted) {
        const index = pick()
        if (index === undefined) {
          if (installer.missing().length === 0) return
          await new Promise(resolve => setTimeout(resolve, 50))
          continue
        }
        asked.set(index, performance.now())
        try {
          const answer = await this.#ask(peer, { type: 'chunk', value: { height: offer.height, index } }, either)
          await installer.putChunk(index, snapshotChunkCodec.decode(answer).chunk)
          failures = 0
          report()
          if (installer.missing().length === 0) done.abort()
        } catch (error) {
          asked.delete(index)
          if (either.aborted) return
          if (errorCode(error) === 'wrong-snapshot') {
            broken = error
            done.abort()
            return
          }
          this.#blame(peer, error)
          failures = errorCode(error) === 'wrong-chunk' ? MAX_FAILURES : failures + 1
        }
      }
    }
    report()
    await Promise.all(offer.peers.flatMap(peer => Array.from({ length: CHUNKS_PER_PEER }, async () => await work(peer))))
    signal.throwIfAborted()
    if (broken !== undefined) throw broken
    if (installer.missing().length > 0) throw new EpioneError('unreachable', 'Nobody gives the rest of the snapshot.')
  }

  /** Blocks with receipts of the hour before the snapshot, in order. */
  async #blocks(installer: SnapshotInstaller, signal: AbortSignal): Promise<void> {
    const { from, to } = await installer.neededBlocks()
    let next = from
    while (next <= to) {
      if (await installer.hasBlock(next)) {
        next++
        continue
      }
      await this.#anybody(async peer => {
        const limit = Math.min(MAX_SYNC_BLOCKS, to - next + 1)
        const answer = await this.#ask(peer, { type: 'blocks', value: { from: next, limit } }, signal)
        const { blocks } = receiptBlocksCodec.decode(answer)
        if (blocks.length === 0) throw new EpioneError('not-found', 'The peer does not have these blocks.')
        if (blocks.length > limit) throw new MalformedError('the peer gives more blocks than it was asked for')
        for (const { transactions, receipts } of blocks) {
          await installer.putBlock(next, transactions, receipts)
          next++
        }
      }, signal)
    }
  }
}
