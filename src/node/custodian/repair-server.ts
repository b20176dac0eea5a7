/**
 * Helps other custodians to what they lost. Each helper decides by itself, on the ledger as it has applied it: an order of the asker
 * that names this helper and the fragment held here, and today's placement, which gives the asker this index and no other. What
 * it sends is masked (see fragments/repair.ts): whatever a custodian claims to have lost, it learns its own fragments and nothing else.
 */

import { type RepairEntry, repairEntryCodec } from '../../contracts/repairs-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import type { SealingKey } from '../../crypto/sealing.ts'
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../../encoding/errors.ts'
import { versionLeafHash } from '../../fragments/formats.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import { RepairMask } from '../../fragments/repair.ts'
import type { FrameChannel } from '../../network/frames.ts'
import type { Network } from '../../network/network.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../../network/protocols.ts'
import {
  REPAIR_VERSIONS_PER_FRAME,
  type RepairReply,
  type RepairRequest,
  repairReplyCodec,
  repairRequestCodec,
} from '../../network/repair-messages.ts'
import type { Chain, ChainTip } from '../chain.ts'
import type { Directory, Member } from '../directory.ts'
import { notFound } from '../folder-facts.ts'
import type { Logger } from '../logger.ts'
import { servePeer } from '../malformed.ts'
import { type Damages, isLoss } from './damages.ts'
import { firstFrame } from './first-frame.ts'
import { type Holdings, indexOf, type Placed } from './holdings.ts'
import type { Pace } from './pace.ts'
import type { HeldVersion, Submission, Submissions } from './submissions.ts'
import { failure } from './upload.ts'

/** How long a helper waits for the ledger to reach an order that it does not have yet, in ms. */
const BEHIND_WAIT_MS = 2_000
/** Idle time after which a stream is given up, in ms, and streams of one member at once. */
const IDLE_MS = 30_000
const MAX_STREAMS = 16

type Ask<T extends RepairRequest['type']> = Extract<RepairRequest, { type: T }>['value']

export interface RepairServerOptions {
  custodian: Uint8Array
  sealingKey: SealingKey
}

export interface RepairServerDependencies {
  chain: Chain
  directory: Directory
  network: Pick<Network, 'handleStream' | 'report'>
  fragments: FragmentStore
  submissions: Submissions
  holdings: Holdings
  damages: Damages
  /** Whether a submission is here in whole, as far as is known. */
  isWhole: (root: Uint8Array) => Promise<boolean>
  /** Told of a fragment that turned out to be lost. */
  onCorrupt: (root: Uint8Array, leaf: number) => Promise<void>
  pace: Pace
  logger: Logger
}

/** An order that stands at a tip. */
interface Standing {
  readonly tip: ChainTip
  readonly placed: Placed
  readonly entry: RepairEntry
}

export class RepairServer {
  readonly #options: RepairServerOptions
  readonly #deps: RepairServerDependencies

  constructor(options: RepairServerOptions, dependencies: RepairServerDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  async start(): Promise<void> {
    const { network } = this.#deps
    await network.handleStream(
      PROTOCOL.repair,
      'members',
      async (channel, { signal }) => await servePeer(network, channel.peer, async () => await this.#serve(channel, signal)),
      { maxFrame: MAX_FRAGMENT_FRAME, timeoutMs: IDLE_MS, maxStreams: MAX_STREAMS },
    )
  }

  /** Answers one question. A refusal says why; the asker is a member, and the ledger shows all that it could learn by it. */
  async #serve(channel: FrameChannel, signal: AbortSignal): Promise<void> {
    const send = async (frame: RepairReply): Promise<void> => await channel.send(repairReplyCodec.encode(frame))
    try {
      const { value, done } = await firstFrame(channel, channel.frames()[Symbol.asyncIterator]())
      if (done === true) throw new EpioneError('connection-lost', 'The member left without asking.')
      const request = repairRequestCodec.decode(value)
      const asker = this.#deps.directory.byNetworkKey(channel.peer)
      if (asker === undefined) throw notFound()
      if (request.type === 'inventory') await this.#inventory(request.value, send)
      else if (request.type === 'metas') await this.#metas(request.value, asker, send)
      else await this.#sums(request.value, asker, send, signal)
      await send({ type: 'end', value: {} })
    } catch (error) {
      this.#deps.logger.debug({ peer: toHex(channel.peer).slice(0, 8), code: errorCode(error) }, 'refused to help with a repair')
      // Where the stream is what failed, the asker cannot be told.
      if (errorCode(error) !== 'connection-lost') await send({ type: 'error', value: failure(error) }).catch(() => undefined)
      if (error instanceof MalformedError) throw error
    }
  }

  async #inventory({ roots }: Ask<'inventory'>, send: (frame: RepairReply) => Promise<void>): Promise<void> {
    const held: boolean[] = []
    for (const root of roots) held.push(await this.#deps.isWhole(root))
    await send({ type: 'held', value: held })
  }

  async #metas({ folder, submissionRoot }: Ask<'metas'>, asker: Member, send: (frame: RepairReply) => Promise<void>): Promise<void> {
    const { holdings, submissions } = this.#deps
    this.#requireFresh()
    const placed = holdings.placed(folder, submissionRoot)
    if (placed === undefined || indexOf(placed, asker.id) === undefined) throw wrongCustodian()
    const submission = await this.#held(placed)
    const { versions, label, labelSalt } = submission
    await send({ type: 'submission', value: { versions, label, labelSalt } })
    for (let first = 0; first < versions; first += REPAIR_VERSIONS_PER_FRAME) {
      const page: Extract<RepairReply, { type: 'versions' }>['value'] = []
      for (let leaf = first; leaf < Math.min(versions, first + REPAIR_VERSIONS_PER_FRAME); leaf++) {
        const version = await submissions.version(submissionRoot, leaf)
        if (version !== undefined && !holdings.isErased(folder, version.meta)) {
          page.push({ type: 'held', value: { meta: version.meta, fragmentRoots: version.fragmentRoots } })
          continue
        }
        const leafHash = version === undefined ? await submissions.leafHash(submissionRoot, leaf) : versionLeafHash(version.meta.leaf)
        if (leafHash === undefined) throw notFound()
        page.push({ type: 'hidden', value: { leafHash } })
      }
      await send({ type: 'versions', value: page })
    }
  }

  async #sums(ask: Ask<'sums'>, asker: Member, send: (frame: RepairReply) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { submissionRoot, leaves } = ask
    const { damages, holdings, submissions } = this.#deps
    await this.#reached(ask, asker)
    let standing = this.#standing(ask, asker)
    const submission = await this.#held(standing.placed)
    this.#requireNamed(standing, submission)
    /** Throws where the order does not stand any more, or the version was erased; it costs next to nothing while the tip stays. */
    const guard = (version: HeldVersion): void => {
      if (standing.tip !== this.#deps.chain.tip) {
        standing = this.#standing(ask, asker)
        this.#requireNamed(standing, submission)
        if (holdings.isErased(ask.folder, version.meta, standing.tip)) throw notFound()
      }
    }
    if (leaves.some((leaf, i) => leaf >= submission.versions || (i > 0 && leaf <= (leaves[i - 1] as number)))) throw notFound()
    for (const leaf of leaves) {
      const found = await submissions.versionOrForgotten(submissionRoot, leaf)
      const version = found === 'forgotten' ? undefined : found
      const key = version === undefined ? undefined : { dispersalRoot: version.meta.leaf.dispersalRoot, index: submission.index }
      if (
        version === undefined ||
        key === undefined ||
        holdings.isErased(ask.folder, version.meta) ||
        damages.has(submissionRoot, leaf) ||
        !this.#deps.fragments.has(key)
      ) {
        await send({ type: 'without', value: { leaf } })
        continue
      }
      guard(version)
      const mask = this.#mask(standing, asker, version)
      await send({ type: 'version', value: { leaf } })
      let position = 0
      try {
        for await (const chunk of this.#deps.fragments.read(key)) {
          await this.#deps.pace.take(chunk.length, signal)
          guard(version)
          await send({ type: 'chunk', value: mask.mask(chunk, position++) })
        }
      } catch (error) {
        if (isLoss(error)) await this.#deps.onCorrupt(submissionRoot, leaf)
        throw error
      }
    }
  }

  /** Waits a little for the block that holds an order. */
  async #reached({ folder, submissionRoot, attempt }: Ask<'sums'>, asker: Member): Promise<void> {
    const { chain } = this.#deps
    const signal = AbortSignal.timeout(BEHIND_WAIT_MS)
    for (;;) {
      const { header, tree } = chain.tip
      const bytes = tree.get(stateKey.repair(folder, submissionRoot, asker.id))
      if (bytes !== undefined && repairEntryCodec.decode(bytes).attempt >= attempt) return
      if (signal.aborted) throw new EpioneError('behind', 'This custodian has not reached the block of the repair order yet.')
      await chain.waitAbove(header.height, { signal })
    }
  }

  /** The asker's order, where it is its last one and for the index that today's placement gives it. */
  #standing({ folder, submissionRoot, attempt }: Ask<'sums'>, asker: Member): Standing {
    const { tip } = this.#deps.chain
    this.#requireFresh()
    const bytes = tip.tree.get(stateKey.repair(folder, submissionRoot, asker.id))
    const placed = this.#deps.holdings.placed(folder, submissionRoot, tip)
    if (bytes === undefined || placed === undefined) throw notFound()
    const entry = repairEntryCodec.decode(bytes)
    if (entry.attempt !== attempt) throw new EpioneError('wrong-attempt', `The last attempt of this repair is ${entry.attempt}.`)
    if (indexOf(placed, asker.id) !== entry.index) throw wrongCustodian()
    return { tip, placed, entry }
  }

  /**
   * The order must name this helper with the index that it holds, for another would give another coefficient; and beside it none but
   * those who hold theirs today or held it before. Whoever else were named would learn the masks, and with the asker this helper's
   * fragment, without ever having had one.
   */
  #requireNamed({ entry, placed }: Standing, submission: Submission): void {
    const isNamed = entry.helpers.some(({ id, index }) => equalBytes(id, this.#options.custodian) && index === submission.index)
    const areHolders = entry.helpers.every(({ id, index }) => placed.entitled.get(toHex(id)) === index)
    if (!isNamed || !areHolders || entry.index === submission.index)
      throw new EpioneError('not-helper', 'The repair order names others than those who hold its helpers’ fragments.')
  }

  async #held({ root, folder }: Placed): Promise<Submission> {
    const submission = await this.#deps.submissions.get(root)
    if (submission === undefined || !submission.anchored || !equalBytes(submission.folder, folder)) throw notFound()
    return submission
  }

  #mask({ placed, entry }: Standing, asker: Member, { meta }: HeldVersion): RepairMask {
    const { chain, directory } = this.#deps
    const own = entry.helpers.find(({ id }) => equalBytes(id, this.#options.custodian))
    const others = entry.helpers.filter(helper => helper !== own)
    const context = {
      chainId: chain.chainId,
      folder: placed.folder,
      submissionRoot: placed.root,
      custodian: asker.id,
      index: entry.index,
      attempt: entry.attempt,
      height: entry.height,
      helpers: entry.helpers,
      dispersalRoot: meta.leaf.dispersalRoot,
    }
    const keys = others.map(({ id, index }) => {
      const member = directory.byId(id)
      if (member === undefined) throw notFound()
      return { index, sealingKey: member.organisation.sealingKey }
    })
    return new RepairMask(placed.anchor, context, own?.index ?? -1, this.#options.sealingKey, keys)
  }

  #requireFresh(): void {
    if (this.#deps.holdings.isFresh()) return
    throw new EpioneError('stale', 'This custodian is cut off from the network and helps nobody until it has caught up.')
  }
}

function wrongCustodian(): EpioneError {
  return new EpioneError('wrong-custodian', 'This fragment is placed at another custodian.')
}
