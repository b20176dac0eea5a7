/** Catching up: committed blocks by announcement, and by range from peers that are ahead. */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../encoding/errors.ts'
import { type Block, blockCodec, transactionsRoot } from '../ledger/block.ts'
import { verifyCertificate } from '../ledger/certificate.ts'
import { announcementCodec, commitResponseCodec, lightRequestCodec } from '../network/light-messages.ts'
import type { Network } from '../network/network.ts'
import { MAX_LIGHT_RESPONSE, MAX_SYNC_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { MAX_SYNC_BLOCKS, syncRequestCodec, syncResponseCodec } from '../network/validator-messages.ts'
import type { Chain, ChainTip, CommittedBlock } from './chain.ts'
import type { Logger } from './logger.ts'
import { servePeer } from './malformed.ts'

/** Bodies up to this size travel inside the announcement, in bytes. */
const INLINE_BODY_BYTES = 128 * 1024
const REQUEST_TIMEOUT_MS = 10_000
/** How often a node asks whether others are ahead, in ms: announcements may get lost. */
const POLL_MS = 5_000

export interface SyncDependencies {
  chain: Chain
  network: Network
  logger: Logger
  /** The tip moved by blocks that others decided. */
  onSynced: (tip: ChainTip) => Promise<void>
}

export class SyncService {
  readonly #deps: SyncDependencies
  #running: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  readonly #stop = new AbortController()
  #peerHeight = 0

  constructor(dependencies: SyncDependencies) {
    this.#deps = dependencies
  }

  /** Highest height that a peer proved or claimed to have; for status and progress alone. */
  get peerHeight(): number {
    return Math.max(this.#peerHeight, this.#deps.chain.tip.header.height)
  }

  get syncing(): boolean {
    return this.#running !== undefined
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
    network.onPeer(({ type }) => {
      if (type === 'connect') this.catchUp()
    })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    if (this.#timer !== undefined) clearInterval(this.#timer)
    await this.#running
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
        this.#peerHeight = Math.max(this.#peerHeight, header.height)
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
      if (blocks.length > 0 && size + bytes.length > MAX_SYNC_RESPONSE / 2) break
      blocks.push(bytes)
      size += bytes.length
    }
    return syncResponseCodec.encode({ blocks })
  }

  async #run(): Promise<void> {
    const { network, logger } = this.#deps
    const signal = this.#stop.signal
    for (const peer of network.peers().filter(({ member, connected }) => member && connected)) {
      if (signal.aborted) return
      try {
        await this.#syncFrom(peer.networkKey, signal)
      } catch (error) {
        if (signal.aborted) return
        logger.debug({ peer: toHex(peer.networkKey).slice(0, 8), code: errorCode(error) }, 'could not synchronise from a peer')
        if (error instanceof MalformedError || errorCode(error) === 'invalid-certificate') network.report(peer.networkKey, 'lie')
        if (errorCode(error) === 'execution-differs') {
          logger.error(
            error instanceof EpioneError ? error.metadata : {},
            'this node executes a final block differently from the quorum; it stops following',
          )
          return
        }
      }
    }
    // Everybody was asked: a height that nobody could show blocks for was an empty claim.
    this.#peerHeight = this.#deps.chain.tip.header.height
  }

  async #syncFrom(peer: Uint8Array, signal: AbortSignal): Promise<void> {
    const { chain, network, logger, onSynced } = this.#deps
    const ask = lightRequestCodec.encode({ type: 'commit', value: { height: null } })
    const answer = await network.request(peer, PROTOCOL.light, ask, {
      signal,
      timeoutMs: REQUEST_TIMEOUT_MS,
      maxResponse: MAX_LIGHT_RESPONSE,
    })
    const target = commitResponseCodec.decode(answer).header.height
    this.#peerHeight = Math.max(this.#peerHeight, target)
    const start = chain.tip.header.height
    while (chain.tip.header.height < target && !signal.aborted) {
      const from = chain.tip.header.height + 1
      const request = syncRequestCodec.encode({ from, limit: Math.min(MAX_SYNC_BLOCKS, target - from + 1) })
      const response = await network.request(peer, PROTOCOL.sync, request, {
        signal,
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxResponse: MAX_SYNC_RESPONSE,
      })
      const { blocks } = syncResponseCodec.decode(response)
      if (blocks.length === 0) throw new EpioneError('not-found', 'The peer does not have the blocks that it claims.')
      for (const bytes of blocks) await chain.accept(blockCodec.decode(bytes))
      if (chain.tip.header.height < from) throw new MalformedError('the peer answers with other blocks than it was asked for')
      await onSynced(chain.tip)
    }
    if (chain.tip.header.height > start + 1) {
      logger.info({ from: start, to: chain.tip.header.height, peer: toHex(peer).slice(0, 8) }, 'caught up')
    }
  }
}
