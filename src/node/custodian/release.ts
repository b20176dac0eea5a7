/**
 * Releases fragments, or the list of what may be read. Each custodian decides by itself, on the ledger as it has applied it: an
 * access entry for this reader and purpose, and a consent in force. Whoever is refused hears what they would hear of a folder
 * that does not exist.
 */

import type { AccessEntry } from '../../contracts/access-formats.ts'
import { type AccessOpening, accessOpeningCodec, type ConsentOpening, consentOpeningCodec } from '../../contracts/consent-terms.ts'
import type { EmergencyReason } from '../../contracts/emergency-formats.ts'
import type { Folder } from '../../contracts/folders-formats.ts'
import { type SessionFacts, sessionDecision, versionDecision } from '../../contracts/release-decision.ts'
import { readSessionFacts, readVersionFacts } from '../../contracts/release-facts.ts'
import { seal } from '../../crypto/sealing.ts'
import { type SigningKey, verifySignature } from '../../crypto/signature.ts'
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../../encoding/errors.ts'
import { merkleProof } from '../../encoding/merkle.ts'
import { Tally } from '../../encoding/tally.ts'
import { fragmentRootProof } from '../../fragments/dispersal.ts'
import {
  type ReadRequest,
  readRequestBytes,
  readRequestCodec,
  releaseOpeningsCodec,
  releaseReceiptBytes,
  releaseReceiptCodec,
  sealingContext,
  versionLeafHash,
} from '../../fragments/formats.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import {
  DISPUTES_PER_FRAME,
  MAX_SHOWN_DISPUTES,
  type ReleaseFrame,
  releaseFrameCodec,
  releaseRequestCodec,
  VERSIONS_PER_FRAME,
} from '../../network/fragment-messages.ts'
import type { FrameChannel } from '../../network/frames.ts'
import type { Chain, ChainTip } from '../chain.ts'
import { notFound } from '../folder-facts.ts'
import type { Logger } from '../logger.ts'
import { evenly } from '../refusals.ts'
import { reachEntry, requireFresh } from './access-lines.ts'
import { fits } from './clock-check.ts'
import { isLoss } from './damages.ts'
import { firstFrame } from './first-frame.ts'
import type { HeldVersion, Submission, Submissions } from './submissions.ts'
import { failure } from './upload.ts'
import type { FolderDesk } from './wraps.ts'

/** How long one release may go on, in ms; the reader asks again for what is missing. */
const RELEASE_MS = 15 * 60 * 1000
/** Chunk hashes of one frame. */
const LEAVES_PER_FRAME = 16_384

export interface ReleaseOptions {
  custodian: Uint8Array
  accountKey: SigningKey
}

export interface ReleaseDependencies {
  chain: Chain
  fragments: FragmentStore
  submissions: Submissions
  /** Told of a fragment that turned out to be lost. */
  onCorrupt: (root: Uint8Array, leaf: number) => Promise<void>
  desk: FolderDesk
  logger: Logger
  now: () => number
}

interface Ask {
  request: ReadRequest
  access: AccessOpening
  consent: ConsentOpening | null
  /** Of break-glass alone: why the patient was not asked. */
  reason: EmergencyReason | null
  accessBytes: Uint8Array
  consentBytes: Uint8Array | null
  reader: Uint8Array
}

/** What the ledger says that a decision stands on, at one height. */
interface Facts {
  tip: ChainTip
  folder: Folder
  session: SessionFacts
  submission: Submission
}

interface Shown {
  leaf: number
  version: HeldVersion
  /** Tip at which it was last decided that it may be released. */
  decidedAt: ChainTip
}

/** What may be released of a submission, and the leaf hashes of the versions that were looked at for it. */
interface Permitted {
  shown: Shown[]
  hashes: Map<number, Uint8Array>
}

/** How requests ended since the start: `released`, `listed`, or the code of the refusal; and bytes of fragments that were sent. */
export interface ReleaseReport {
  outcomes: Record<string, number>
  bytes: number
}

/** Throws where these versions may not be released any more. */
type Guard = (items: readonly Shown[]) => void

export class ReleaseService {
  readonly #options: ReleaseOptions
  readonly #deps: ReleaseDependencies
  readonly #outcomes = new Tally()
  #bytes = 0

  constructor(options: ReleaseOptions, dependencies: ReleaseDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  async serve(channel: FrameChannel): Promise<void> {
    const send = async (frame: ReleaseFrame): Promise<void> => await channel.send(releaseFrameCodec.encode(frame))
    try {
      const { value, done } = await firstFrame(channel, channel.frames()[Symbol.asyncIterator]())
      if (done === true) throw new EpioneError('connection-lost', 'The reader left without asking.')
      // From here on: when it asks, the reader chooses.
      this.#outcomes.add(await evenly(async () => await this.#answer(channel, value, send)))
    } catch (error) {
      this.#outcomes.add(errorCode(error))
      this.#deps.logger.debug({ peer: toHex(channel.peer).slice(0, 8), code: errorCode(error) }, 'refused a release')
      // Where the stream is what failed, the reader cannot be told.
      if (errorCode(error) !== 'connection-lost') await send({ type: 'error', value: failure(error) }).catch(() => undefined)
      if (error instanceof MalformedError) throw error
    }
  }

  report(): ReleaseReport {
    return { outcomes: this.#outcomes.counts(), bytes: this.#bytes }
  }

  async #answer(channel: FrameChannel, first: Uint8Array, send: (frame: ReleaseFrame) => Promise<void>): Promise<'released' | 'listed'> {
    const ask = this.#ask(channel, first)
    const facts = await this.#facts(ask)
    const { shown, hashes } = await this.#permitted(ask, facts)
    const asked = ask.request.leaves
    if (asked !== null && shown.length !== asked.length) throw notFound()
    if (asked === null && shown.length === 0) throw notFound()
    // The receipt is on disk before the first byte leaves: what was read can always be told.
    await this.#keepReceipt(ask, facts, shown)

    const { versions, index } = facts.submission
    const proof = merkleProof(
      await this.#leafHashes(ask.request.submissionRoot, versions, hashes),
      shown.map(({ leaf }) => leaf),
    )
    const guard = this.#guard(ask, facts)
    guard(shown)
    const disputes = await this.#deps.desk.disputesOf(
      ask.request.folder,
      shown.map(({ version }) => version.meta.leaf),
      MAX_SHOWN_DISPUTES,
    )
    await send({ type: 'start', value: { total: versions, count: shown.length, proof, index, disputes: disputes.length } })
    for (let i = 0; i < shown.length; i += VERSIONS_PER_FRAME) {
      const page = shown.slice(i, i + VERSIONS_PER_FRAME)
      guard(page)
      await send({ type: 'versions', value: page.map(({ leaf, version }) => ({ leaf, meta: version.meta })) })
    }
    for (let i = 0; i < disputes.length; i += DISPUTES_PER_FRAME) {
      guard(shown)
      await send({ type: 'disputes', value: disputes.slice(i, i + DISPUTES_PER_FRAME) })
    }
    if (asked !== null) {
      for (const [i, item] of shown.entries()) {
        try {
          await this.#sendFragment(item, index, i === 0 ? ask.request.firstChunk : 0, guard, send)
        } catch (error) {
          if (isLoss(error)) await this.#deps.onCorrupt(ask.request.submissionRoot, item.leaf)
          throw error
        }
      }
    }
    await send({ type: 'end', value: {} })
    return asked === null ? 'listed' : 'released'
  }

  #ask(channel: FrameChannel, first: Uint8Array): Ask {
    const frame = releaseRequestCodec.decode(first)
    const request = readRequestCodec.decode(frame.request)
    const access = accessOpeningCodec.decode(frame.accessOpening)
    const { chain, now } = this.#deps
    const place = { chainId: chain.chainId, custodian: this.#options.custodian, peer: channel.peer, nowMs: now() }
    if (!fits(request, place) || !verifySignature(access.reader, readRequestBytes(request), frame.signature)) throw notFound()
    const consent = frame.consentOpening === null ? null : consentOpeningCodec.decode(frame.consentOpening)
    const { accessOpening: accessBytes, consentOpening: consentBytes, reason } = frame
    return { request, access, consent, reason, accessBytes, consentBytes, reader: access.reader }
  }

  async #facts(ask: Ask): Promise<Facts> {
    const { request } = ask
    const { chain, submissions } = this.#deps
    const entry = await reachEntry(chain, request.entry)
    const standing = this.#standing(ask, chain.tip, entry)
    const submission = await submissions.get(request.submissionRoot)
    if (submission === undefined || !equalBytes(submission.folder, request.folder)) throw notFound()
    return { ...standing, submission }
  }

  /** Whether the session stands at a tip, and on what. @throws EpioneError `stale`, `not-found` */
  #standing({ request, access, consent, reason }: Ask, tip: ChainTip, entry: AccessEntry | null): Omit<Facts, 'submission'> {
    requireFresh(tip, this.#deps)
    const session = readSessionFacts(tip.tree, {
      timeMs: tip.header.time,
      folderId: request.folder,
      entryId: request.entry,
      entry,
      accessOpening: access,
      consentOpening: consent,
      reason,
    })
    if (session.folder === null || !sessionDecision(session).permitted) throw notFound()
    return { tip, folder: session.folder, session }
  }

  /**
   * Decides again, for as long as a release goes on: a revocation, an erasure or the end of the session ends it too, when this
   * custodian applies that height. It costs next to nothing where the tip is still the one at which it was decided.
   */
  #guard(ask: Ask, first: Facts): Guard {
    const { chain, now } = this.#deps
    const until = now() + RELEASE_MS
    let facts = first
    return items => {
      if (now() >= until) throw new EpioneError('timeout', 'The release took too long; ask again for what is missing.')
      const { tip } = chain
      if (tip === facts.tip) requireFresh(tip, this.#deps)
      else facts = { ...this.#standing(ask, tip, facts.session.entry), submission: facts.submission }
      for (const item of items) {
        if (item.decidedAt !== tip && !this.#permits(ask, facts, item.version)) throw notFound()
        item.decidedAt = tip
      }
    }
  }

  /** The versions that this reader may have, of those asked for or of all. */
  async #permitted(ask: Ask, facts: Facts): Promise<Permitted> {
    const { request } = ask
    const { submission } = facts
    const leaves = request.leaves ?? Array.from({ length: submission.versions }, (_, leaf) => leaf)
    if (leaves.some((leaf, i) => leaf >= submission.versions || (i > 0 && leaf <= (leaves[i - 1] as number)))) throw notFound()
    const shown: Shown[] = []
    const hashes = new Map<number, Uint8Array>()
    for (const leaf of leaves) {
      const version = await this.#deps.submissions.version(request.submissionRoot, leaf)
      if (version === undefined) continue
      hashes.set(leaf, versionLeafHash(version.meta.leaf))
      if (this.#permits(ask, facts, version)) shown.push({ leaf, version, decidedAt: facts.tip })
    }
    return { shown, hashes }
  }

  #permits(ask: Ask, facts: Facts, { meta }: HeldVersion): boolean {
    const { recordId, version } = meta.leaf
    const { folder: folderId, submissionRoot } = ask.request
    const { label } = facts.submission
    const asked = { folderId, submissionRoot, recordId, version, salt: meta.salt, class: meta.class, dataTime: meta.dataTime, label }
    return versionDecision(facts.session, readVersionFacts(facts.tip.tree, asked)).permitted
  }

  /** The leaf hashes of a whole submission. Those that are known already are not read again: each lies encrypted. */
  async #leafHashes(root: Uint8Array, versions: number, known: ReadonlyMap<number, Uint8Array>): Promise<Uint8Array[]> {
    const hashes: Uint8Array[] = []
    for (let leaf = 0; leaf < versions; leaf++) {
      const hash = known.get(leaf) ?? (await this.#deps.submissions.leafHash(root, leaf))
      if (hash === undefined) throw notFound()
      hashes.push(hash)
    }
    return hashes
  }

  async #keepReceipt(ask: Ask, { tip, folder }: Facts, shown: readonly Shown[]): Promise<void> {
    const { chain, desk, now } = this.#deps
    const openings = releaseOpeningsCodec.encode({ access: ask.accessBytes, consent: ask.consentBytes, reason: ask.reason })
    const receipt = {
      chainId: chain.chainId,
      entry: ask.request.entry,
      folder: ask.request.folder,
      custodian: this.#options.custodian,
      submissionRoot: ask.request.submissionRoot,
      leaves: shown.map(({ leaf }) => leaf),
      listed: ask.request.leaves === null,
      height: tip.header.height,
      time: now(),
      sealedOpening: seal(folder.sealingKey, openings, sealingContext.releaseOpening(chain.chainId, ask.request.folder, ask.request.entry)),
    }
    const signature = this.#options.accountKey.sign(releaseReceiptBytes(receipt))
    await desk.keepReceipt(ask.request.folder, receipt.time, releaseReceiptCodec.encode(receipt), signature, receipt)
  }

  async #sendFragment(
    item: Shown,
    index: number,
    firstChunk: number,
    guard: Guard,
    send: (frame: ReleaseFrame) => Promise<void>,
  ): Promise<void> {
    const { fragments } = this.#deps
    const { leaf, version } = item
    const key = { dispersalRoot: version.meta.leaf.dispersalRoot, index }
    const leaves = await fragments.chunkLeaves(key)
    if (firstChunk > leaves.length) throw new MalformedError('the fragment has fewer chunks')
    guard([item])
    await send({
      type: 'fragment',
      value: {
        leaf,
        root: version.fragmentRoots[index] as Uint8Array,
        proof: fragmentRootProof(version.fragmentRoots, index),
        chunkLeaves: leaves.slice(0, LEAVES_PER_FRAME),
      },
    })
    for (let i = LEAVES_PER_FRAME; i < leaves.length; i += LEAVES_PER_FRAME) {
      await send({ type: 'leaves', value: leaves.slice(i, i + LEAVES_PER_FRAME) })
    }
    for await (const chunk of fragments.read(key, { firstChunk })) {
      guard([item])
      await send({ type: 'chunk', value: chunk })
      this.#bytes += chunk.length
    }
  }
}
