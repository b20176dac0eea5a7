/** The custodian of a node: uploads, releases, grants; what the ledger anchors is kept and announced, the rest expires. */

import { NAMESPACE, stateKey } from '../../contracts/state-keys.ts'
import { EpioneError, errorCode } from '../../encoding/errors.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import { folderRequestCodec } from '../../network/light-messages.ts'
import type { Network } from '../../network/network.ts'
import { MAX_FRAGMENT_FRAME, MAX_LIGHT_RESPONSE, PROTOCOL } from '../../network/protocols.ts'
import type { Chain, CommittedBlock } from '../chain.ts'
import type { Logger } from '../logger.ts'
import { servePeer } from '../malformed.ts'
import type { Announcer } from './announcer.ts'
import type { Emergencies } from './emergencies.ts'
import type { ErasureService } from './erasure.ts'
import type { ReleaseService } from './release.ts'
import type { Submission, Submissions } from './submissions.ts'
import type { UploadService } from './upload.ts'
import type { FolderDesk } from './wraps.ts'

/** How often staged fragments and pending grants are looked through, in ms. */
const SWEEP_MS = 60_000
/** Idle time after which a stream of fragments is given up, in ms. */
const IDLE_MS = 30_000
/** Most streams of fragments at once. */
const MAX_STREAMS = 64

export interface CustodianDependencies {
  chain: Chain
  network: Network
  fragments: FragmentStore
  submissions: Submissions
  uploads: UploadService
  releases: ReleaseService
  desk: FolderDesk
  erasures: ErasureService
  emergencies: Emergencies
  announcer: Announcer
  logger: Logger
  now: () => number
}

export class CustodianService {
  readonly #deps: CustodianDependencies
  #timer: NodeJS.Timeout | undefined
  #stopCommits: (() => void) | undefined
  #stopReplace: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()
  readonly #stopped = new AbortController()

  constructor(dependencies: CustodianDependencies) {
    this.#deps = dependencies
  }

  async start(): Promise<void> {
    const { chain, network, submissions, uploads, releases, desk, erasures } = this.#deps
    await submissions.start()
    await desk.start()
    // Before anything is served: what lies here may be older than the ledger.
    await erasures.start()
    const served = async <T>(peer: Uint8Array, serve: () => Promise<T>): Promise<T> => await servePeer(network, peer, serve)
    const limits = { maxFrame: MAX_FRAGMENT_FRAME, timeoutMs: IDLE_MS, maxStreams: MAX_STREAMS }
    await network.handleStream(PROTOCOL.upload, 'anyone', async channel => await served(channel.peer, () => uploads.serve(channel)), limits)
    await network.handleStream(
      PROTOCOL.release,
      'anyone',
      async channel => await served(channel.peer, () => releases.serve(channel)),
      limits,
    )
    await network.handle(PROTOCOL.folder, 'anyone', async (request, { peer }) => await served(peer, () => desk.answer(request, peer)), {
      maxRequest: folderRequestCodec.maxBytes,
      maxResponse: MAX_LIGHT_RESPONSE,
      timeoutMs: IDLE_MS,
      maxStreams: MAX_STREAMS,
    })
    this.#stopCommits = chain.onCommit(block => {
      this.#later(async () => await this.#dropErased(block))
      this.#later(async () => await this.#settle(block))
      this.#later(async () => await this.#settleEmergencies(block))
    })
    this.#stopReplace = chain.onReplace(() => {
      // What broken uploads left may be of versions that the new ledger has erased.
      this.#later(async () => await this.#deps.uploads.dropParked())
      this.#later(async () => await this.#reconcile())
    })
    this.#deps.announcer.start()
    this.#later(async () => await this.#reconcile())
    this.#timer = setInterval(() => this.#later(async () => await this.#sweep()), SWEEP_MS)
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new EpioneError('stopped', 'The custodian stops.'))
    this.#stopCommits?.()
    this.#stopReplace?.()
    if (this.#timer !== undefined) clearInterval(this.#timer)
    await this.#work
    await this.#deps.announcer.stop()
    await this.#deps.erasures.stop()
    await this.#deps.uploads.dropParked()
  }

  /** Runs background work one piece after another. */
  #later(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped.signal.aborted) return
      try {
        await task()
      } catch (error) {
        this.#deps.logger.error({ code: errorCode(error) }, "a custodian's background work failed")
      }
    })
  }

  /** Keeps for good what a block anchored. */
  async #settle(block: CommittedBlock): Promise<void> {
    for (const { key } of block.candidate.changes) {
      if (key[0] === NAMESPACE.submission) await this.#anchored(key.slice(33))
    }
  }

  /** What broken uploads left may be of a version that is erased; whoever sends it again can send all of it. */
  async #dropErased(block: CommittedBlock): Promise<void> {
    for (const { key } of block.candidate.changes) {
      if (key[0] === NAMESPACE.erasure) await this.#deps.uploads.dropFolder(key.slice(1, 33))
    }
  }

  async #settleEmergencies(block: CommittedBlock): Promise<void> {
    const { desk, emergencies } = this.#deps
    await emergencies.settle(block)
    if (block.candidate.changes.some(({ key }) => key[0] === NAMESPACE.custodiansHeight)) await desk.handOnShares(this.#stopped.signal)
  }

  async #anchored(root: Uint8Array): Promise<void> {
    if (await this.#keep(root)) this.#deps.announcer.announce(root)
  }

  /**
   * Keeps an anchored submission for good; returns whether it is here. Its fragments come first: what stops between the two
   * writes leaves a submission that still counts as staged, so that it is looked at again. The other way round, the fragments
   * would run out, and nothing would look.
   */
  async #keep(root: Uint8Array): Promise<boolean> {
    const { fragments, submissions } = this.#deps
    if ((await submissions.get(root)) === undefined) return false
    await fragments.markAnchored(root)
    await submissions.markAnchored(root)
    return true
  }

  /** After a restart: what was anchored while this node was down, or was not kept in full. */
  async #reconcile(): Promise<void> {
    const { fragments, submissions } = this.#deps
    for await (const { root, submission } of submissions.all()) {
      if (this.#stopped.signal.aborted) return
      if (submission.anchored) await fragments.markAnchored(root)
      else if (this.#isAnchored(root, submission)) await this.#anchored(root)
    }
  }

  #isAnchored(root: Uint8Array, { folder }: Submission): boolean {
    return this.#deps.chain.tip.tree.get(stateKey.submission(folder, root)) !== undefined
  }

  async #sweep(): Promise<void> {
    const { desk, fragments, submissions, now } = this.#deps
    // One moment for all: no fragment runs out between the look at its submission and the end of the sweep.
    const at = now()
    for await (const { root } of submissions.all()) {
      // Read anew: it may have been sent again since the look through all began.
      const submission = await submissions.get(root)
      if (submission === undefined || submission.anchored || submission.stagedUntil > at) continue
      if (this.#isAnchored(root, submission)) await this.#anchored(root)
      else await submissions.deleteExpired(root, at)
    }
    await fragments.dropExpired(at)
    await this.#deps.uploads.dropExpired()
    await desk.dropExpired()
    await desk.handOnShares(this.#stopped.signal)
  }
}
