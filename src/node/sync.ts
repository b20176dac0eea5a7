/** Catching up: committed blocks by announcement, by ranges from several peers at once, and by a snapshot where nothing else is left. */
import { equalBytes, parseHex, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../encoding/errors.ts'
import { type Block, blockCodec, transactionsRoot } from '../ledger/block.ts'
import { verifyCertificate } from '../ledger/certificate.ts'
import { announcementCodec } from '../network/light-messages.ts'
import type { Network } from '../network/network.ts'
import { MAX_SYNC_RESPONSE, PROTOCOL, SYNC_ANSWER_BYTES } from '../network/protocols.ts'
import { syncRequestCodec, syncResponseCodec } from '../network/validator-messages.ts'
import type { Chain, ChainTip, CommittedBlock } from './chain.ts'
import type { Proven } from './joining.ts'
import type { Logger } from './logger.ts'
import { servePeer } from './malformed.ts'
import type { PeerStatusService } from './peer-status.ts'
import type { JoinProgress, SnapshotJoin } from './snapshot-join.ts'
import { type Delivered, type PeerProgress, type RangeRequest, SyncPlan, type SyncPlanOptions } from './sync-plan.ts'
import { heightOfMoreThanThird } from './validator-claims.ts'

/** Bodies up to this size travel inside the announcement, in bytes. */
const INLINE_BODY_BYTES = 128 * 1024
const REQUEST_TIMEOUT_MS = 10_000
/** How often a node looks whether others are ahead, in ms: announcements may get lost. */
const POLL_MS = 5_000
/** How long the loop waits for answers before it looks for slow peers, in ms. */
const LOOK_MS = 250
/** Blocks that are stored before consensus is told. */
const TOLD_AFTER = 64
/** An empty node that is this many heights behind joins by a snapshot, if there is one, in place of executing all blocks. */
const JOIN_GAIN = 256

export interface SyncOptions {
  plan?: SyncPlanOptions
  /** Heights above an empty node's from which on it joins by a snapshot. @default 256 */
  joinGain?: number
}

export interface SyncDependencies {
  chain: Chain
  network: Network
  logger: Logger
  /** What the other members claim. */
  peerStatus: Pick<PeerStatusService, 'all' | 'ask' | 'onStatus'>
  /** Network key of the node of a validator; undefined where it is no member any more. */
  nodeOf: (validator: Uint8Array) => Uint8Array | undefined
  /** Joins by a snapshot; left out, every block is executed. */
  join?: SnapshotJoin
  /** The tip moved by blocks that others decided. */
  onSynced: (tip: ChainTip) => Promise<void>
  /** A clock that is never set, in ms. @default performance.now */
  monotonic?: () => number
}

export class SyncService {
  readonly #options: SyncOptions
  readonly #deps: SyncDependencies
  readonly #plan: SyncPlan<Block>
  readonly #now: () => number
  #running: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  #stops: (() => void)[] = []
  readonly #stop = new AbortController()
  /** Requests and questions under way. */
  readonly #pending = new Set<Promise<void>>()
  #wake: () => void = () => undefined

  constructor(options: SyncOptions, dependencies: SyncDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#plan = new SyncPlan({ answerBytes: SYNC_ANSWER_BYTES, ...options.plan })
    this.#now = dependencies.monotonic ?? (() => performance.now())
  }

  /**
   * Highest height that the network is known to have: validators with more than a third of the weight claim it, or this node has
   * verified it. Liars with less cannot move it.
   */
  get peerHeight(): number {
    const { chain, peerStatus, nodeOf } = this.#deps
    const claims = new Map(peerStatus.all().map(({ networkKey, height }) => [toHex(networkKey), height]))
    const own = chain.tip.header.height
    const claimed = heightOfMoreThanThird(
      chain.tip.validators.next.validators.map(({ publicKey, power }) => {
        const key = nodeOf(publicKey)
        return { power, value: key === undefined ? null : (claims.get(toHex(key)) ?? null) }
      }),
    )
    return Math.max(claimed, own, this.joining?.heads ?? 0)
  }

  get syncing(): boolean {
    return this.#running !== undefined
  }

  /** The snapshot that is being installed. */
  get joining(): JoinProgress | null {
    return this.#deps.join?.progress ?? null
  }

  /** How far this node has come, headers of a snapshot that it is joining by included. */
  proven(): Proven {
    const { height, time } = this.#deps.chain.tip.header
    const { joining } = this
    const missing = joining?.missing ?? null
    return joining !== null && joining.heads > height
      ? { height: joining.heads, timeMs: joining.headsMs, missing }
      : { height, timeMs: time, missing }
  }

  /** What each peer claimed and delivered. */
  progress(): PeerProgress[] {
    return this.#plan.progress(this.#now())
  }

  async start(): Promise<void> {
    const { network } = this.#deps
    await network.handle(
      PROTOCOL.sync,
      'members',
      async (request, { peer }) => await servePeer(network, peer, () => this.#serve(request)),
      {
        maxRequest: 64,
        maxResponse: MAX_SYNC_RESPONSE,
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxStreams: 16,
      },
    )
    network.subscribe('blocks', async (bytes, peer) => await this.#announced(bytes, peer))
    this.#timer = setInterval(() => this.catchUp(), POLL_MS)
    this.#stops = [
      network.onPeer(({ type, peer }) => {
        if (type === 'connect') this.catchUp()
        else this.#plan.gone(toHex(peer))
      }),
      this.#deps.peerStatus.onStatus(({ networkKey, height, base }) => {
        this.#plan.claim(toHex(networkKey), { height, base }, this.#now())
        this.#wake()
      }),
    ]
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const stop of this.#stops) stop()
    if (this.#timer !== undefined) clearInterval(this.#timer)
    this.#wake()
    await this.#running
    await Promise.all(this.#pending)
  }

  /** Tells every node of a block that this node decided. */
  async announce(block: CommittedBlock): Promise<void> {
    const { network, logger } = this.#deps
    const { header, certificate, candidate } = block
    const bodies = candidate.transactions.map(transaction => transaction.bytes)
    const size = bodies.reduce((sum, body) => sum + body.length, 0)
    try {
      await network.publish(
        'blocks',
        announcementCodec.encode({ header, certificate, transactions: size <= INLINE_BODY_BYTES ? bodies : null }),
      )
      await network.publish('announcements', announcementCodec.encode({ header, certificate, transactions: null }))
    } catch (error) {
      logger.debug({ height: header.height, code: errorCode(error) }, 'could not announce a block')
    }
  }

  /** Starts asking peers for what is missing here, unless that is under way. */
  catchUp(): void {
    if (this.#stop.signal.aborted) return
    if (this.#running !== undefined) {
      this.#again = true
      return
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (this.#again) {
        this.#again = false
        this.catchUp()
      }
    })
  }

  async #announced(bytes: Uint8Array, peer: Uint8Array): Promise<'accept' | 'ignore' | 'reject'> {
    const { chain, logger } = this.#deps
    try {
      const { header, certificate, transactions } = announcementCodec.decode(bytes)
      const tip = chain.tip
      if (!equalBytes(header.chainId, chain.chainId)) return 'reject'
      if (header.height <= tip.header.height) return 'ignore'
      if (header.height > tip.header.height + 1) {
        // Its signers cannot be checked from here: not passed on, but a reason to ask.
        this.catchUp()
        return 'ignore'
      }
      verifyCertificate(header, certificate, tip.validators.next)
      if (transactions === null) {
        this.catchUp()
        return 'accept'
      }
      if (!equalBytes(transactionsRoot(transactions), header.transactionsRoot)) return 'reject'
      void this.#take({ header, transactions, certificate })
      return 'accept'
    } catch (error) {
      logger.warn({ peer: toHex(peer).slice(0, 8), code: errorCode(error) }, 'refused an announcement')
      return 'reject'
    }
  }

  /** Stores an announced block, after those that this node is still deciding by itself. */
  async #take(block: Block): Promise<void> {
    const { chain, logger, onSynced } = this.#deps
    try {
      const before = chain.tip.header.height
      const tip = await chain.accept(block)
      if (tip.header.height > before) await onSynced(tip)
    } catch (error) {
      if (errorCode(error) === 'gap') this.catchUp()
      else logger.error({ height: block.header.height, code: errorCode(error) }, 'could not store an announced block')
    }
  }

  async #serve(request: Uint8Array): Promise<Uint8Array> {
    const { from, limit } = syncRequestCodec.decode(request)
    const { chain } = this.#deps
    const blocks: Uint8Array[] = []
    let size = 0
    for (let height = Math.max(1, from); height < from + limit && height <= chain.tip.header.height; height++) {
      const block = await chain.store.block(height)
      if (block === undefined) break
      const bytes = blockCodec.encode(block)
      if (blocks.length > 0 && size + bytes.length > SYNC_ANSWER_BYTES) break
      blocks.push(bytes)
      size += bytes.length
    }
    return syncResponseCodec.encode({ blocks })
  }

  async #run(): Promise<void> {
    const { chain, logger } = this.#deps
    try {
      await this.#askClaims()
      if (chain.tip.header.height === 0 && this.#claimed() >= (this.#options.joinGain ?? JOIN_GAIN)) await this.#join()
      await this.#fetchAll()
      // Nobody has the next block any more: only a snapshot leads on, and the blocks above it.
      if (this.#plan.isPruned(this.#now()) && (await this.#join())) await this.#fetchAll()
    } catch (error) {
      if (this.#stop.signal.aborted) return
      logger.warn({ code: errorCode(error) }, 'synchronisation stopped; it begins again in a moment')
    }
  }

  /** Asks the connected members where they stand; goes on once all have answered, or one is ahead and has the next block. */
  async #askClaims(): Promise<void> {
    const { network, peerStatus, chain } = this.#deps
    const members = network.peers({ membersOnly: true }).filter(({ member, connected }) => member && connected)
    const names = new Set(members.map(({ networkKey }) => toHex(networkKey)))
    for (const { peer } of this.progress()) if (!names.has(peer)) this.#plan.gone(peer)
    this.#plan.tip(chain.tip.header.height, this.#now())
    const asked = members.map(({ networkKey }) =>
      this.#track(async () => {
        const { height, base } = await peerStatus.ask(networkKey)
        this.#plan.claim(toHex(networkKey), { height, base }, this.#now())
      }),
    )
    // An empty node hears everybody first: it has to choose between blocks and a snapshot.
    if (chain.tip.header.height === 0) await Promise.all(asked)
  }

  /** Runs something in the background; its end wakes the loop. */
  #track(task: () => Promise<void>): Promise<void> {
    const running = task()
      .catch((error: unknown) => this.#deps.logger.debug({ code: errorCode(error) }, 'a peer did not answer'))
      .finally(() => {
        this.#pending.delete(running)
        this.#wake()
      })
    this.#pending.add(running)
    return running
  }

  /** Highest claim of a peer that is not left aside. */
  #claimed(): number {
    return this.progress().reduce((max, { claimed, asideUntilMs }) => (asideUntilMs === null ? Math.max(max, claimed) : max), 0)
  }

  /** Fetches and stores blocks until nobody has more to give. */
  async #fetchAll(): Promise<void> {
    const { chain, logger } = this.#deps
    const { signal } = this.#stop
    const start = chain.tip.header.height
    while (!signal.aborted) {
      this.#plan.tip(chain.tip.header.height, this.#now())
      if (this.#plan.first() !== undefined) await this.#storeFetched()
      for (const range of this.#plan.next(this.#now())) void this.#track(async () => await this.#fetch(range))
      if (this.#plan.first() !== undefined) continue
      if (this.#plan.requests === 0 && this.#pending.size === 0) break
      await this.#woken()
    }
    if (chain.tip.header.height > start + 1) logger.info({ from: start, to: chain.tip.header.height }, 'caught up')
  }

  async #woken(): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, LOOK_MS)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.#stop.signal.aborted) this.#wake()
    })
  }

  async #fetch({ peer, from, limit }: RangeRequest): Promise<void> {
    const { network, logger } = this.#deps
    const key = parseHex(peer) as Uint8Array
    try {
      const response = await network.request(key, PROTOCOL.sync, syncRequestCodec.encode({ from, limit }), {
        signal: this.#stop.signal,
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxResponse: MAX_SYNC_RESPONSE,
      })
      this.#plan.delivered(peer, from, readBlocks(response, from, limit), this.#now())
    } catch (error) {
      const isLie = error instanceof MalformedError
      this.#plan.failed(peer, from, isLie ? 'wrong' : 'failed', this.#now())
      if (this.#stop.signal.aborted) return
      logger.debug({ peer: peer.slice(0, 8), code: errorCode(error) }, 'could not synchronise from a peer')
      if (isLie) network.report(key, 'lie')
    }
  }

  /** Verifies, executes and stores the fetched blocks that follow the tip. */
  async #storeFetched(): Promise<void> {
    const { chain, network, logger, onSynced } = this.#deps
    const before = chain.tip.header.height
    for (let stored = 0; stored < TOLD_AFTER && !this.#stop.signal.aborted; stored++) {
      this.#plan.tip(chain.tip.header.height, this.#now())
      const next = this.#plan.first()
      if (next === undefined) break
      try {
        await chain.accept(next.block)
      } catch (error) {
        const code = errorCode(error)
        if (code === 'execution-differs') {
          logger.error(
            error instanceof EpioneError ? error.metadata : {},
            'this node executes a final block differently from the quorum; it stops following',
          )
          throw error
        }
        // Consensus has stored the block meanwhile.
        if (code === 'gap') continue
        if (code !== 'invalid-certificate' && !(error instanceof MalformedError)) throw error
        this.#plan.reject(this.#now())
        network.report(parseHex(next.peer) as Uint8Array, 'lie')
        break
      }
    }
    if (chain.tip.header.height > before) await onSynced(chain.tip)
  }

  /** Joins by a snapshot; whether it did. */
  async #join(): Promise<boolean> {
    const { chain, join, nodeOf, onSynced } = this.#deps
    if (join === undefined) return false
    const powers = new Map(
      chain.tip.validators.next.validators.flatMap(({ publicKey, power }) => {
        const key = nodeOf(publicKey)
        return key === undefined ? [] : [[toHex(key), power] as const]
      }),
    )
    const tip = await join.run({ minGain: 1, weightOf: peer => powers.get(toHex(peer)) ?? 0, signal: this.#stop.signal })
    if (tip === undefined) return false
    this.#plan.tip(tip.header.height, this.#now())
    await onSynced(tip)
    return true
  }
}

/** The blocks of an answer. @throws MalformedError where they are not what was asked for, or not what their headers say */
function readBlocks(response: Uint8Array, from: number, limit: number): Delivered<Block>[] {
  const { blocks } = syncResponseCodec.decode(response)
  if (blocks.length > limit) throw new MalformedError('the peer answers with more blocks than it was asked for')
  return blocks.map((bytes, i) => {
    const block = blockCodec.decode(bytes)
    if (block.header.height !== from + i) throw new MalformedError('the peer answers with other blocks than it was asked for')
    if (!equalBytes(transactionsRoot(block.transactions), block.header.transactionsRoot)) {
      throw new MalformedError("a block's transactions are not those of its header")
    }
    return { block, bytes: bytes.length }
  })
}
