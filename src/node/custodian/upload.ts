/** Takes a submission's fragments: checks that they belong here and are what the author committed to, and signs a receipt. */

import { labelCommitment } from '../../contracts/folders-formats.ts'
import { isErasedAt } from '../../contracts/release-facts.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { type SigningKey, verifySignature } from '../../crypto/signature.ts'
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../../encoding/errors.ts'
import { Tally } from '../../encoding/tally.ts'
import { dispersalRoot as dispersalRootOf } from '../../fragments/dispersal.ts'
import {
  classCommitment,
  submissionRoot as rootOf,
  sealedKeyHash,
  storageReceiptBytes,
  storageReceiptCodec,
  type UploadTicket,
  uploadTicketBytes,
  uploadTicketCodec,
  type VersionMeta,
} from '../../fragments/formats.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import type { FragmentKey } from '../../fragments/fragment-writer.ts'
import { chunkCount, fragmentLength } from '../../fragments/layout.ts'
import { place } from '../../fragments/placement.ts'
import { CHECK_BYTES_PER_SECOND, type UploadFrame, uploadFrameCodec, uploadReplyCodec } from '../../network/fragment-messages.ts'
import type { FrameChannel } from '../../network/frames.ts'
import type { Chain } from '../chain.ts'
import { custodiansAt, type Directory } from '../directory.ts'
import { folderAt, notFound, policyOf } from '../folder-facts.ts'
import type { Logger } from '../logger.ts'
import { reach } from './access-lines.ts'
import type { ErasureService } from './erasure.ts'
import { firstFrame } from './first-frame.ts'
import { type CustodyLimits, checkVersionSizes, type LimitDependencies, takeRoom } from './limits.ts'
import { Pace } from './pace.ts'
import { discard, type PartialUpload, PartialUploads } from './partial-uploads.ts'
import type { Submission, Submissions } from './submissions.ts'

/** How long staged fragments wait for their anchor, in ms. */
const STAGING_MS = 60 * 60 * 1000

type FrameValues = { [F in UploadFrame as F['type']]: F['value'] }
type FrameValue<T extends UploadFrame['type']> = FrameValues[T]
type NextFrame = <T extends UploadFrame['type']>(type: T) => Promise<FrameValue<T>>

/** Least that a fragment counts in the rate of checks, in bytes: opening one takes time, too. */
const LEAST_BYTES = 4_096

/** How an upload ends that may go on later. */
const BREAKS: ReadonlySet<string> = new Set(['connection-lost', 'timeout'])

/** An upload as it is served. */
interface Intake {
  token: Uint8Array | undefined
  upload: PartialUpload | undefined
  /** Says that its token is free again. */
  end: () => void
}

/** Outcomes are `stored`, or the code of the refusal. */
export interface UploadReport {
  outcomes: Record<string, number>
  bytes: number
}

export interface UploadOptions extends CustodyLimits {
  custodian: Uint8Array
  accountKey: SigningKey
  /** See {@link CHECK_BYTES_PER_SECOND}. */
  checkBytesPerSecond?: number
}

export interface UploadDependencies {
  chain: Chain
  directory: Directory
  fragments: FragmentStore
  submissions: Submissions
  erasures: Pick<ErasureService, 'recheck'>
  disk: LimitDependencies['disk']
  logger: Logger
  now: () => number
}

export class UploadService {
  readonly #options: UploadOptions
  readonly #deps: UploadDependencies
  readonly #partial: PartialUploads
  /** By sponsor; members alone answer for uploads, so bounded by them. */
  readonly #checks = new Map<string, Pace>()
  readonly #stopped = new AbortController()
  readonly #outcomes = new Tally()
  #bytes = 0

  constructor(options: UploadOptions, dependencies: UploadDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#partial = new PartialUploads(dependencies.now)
  }

  /**
   * Serves one upload. What is wrong with it is told to the uploader; nothing of it stays then. Where it only broke off, what has
   * come is kept for whoever knows its token.
   */
  async serve(channel: FrameChannel): Promise<void> {
    const intake: Intake = { token: undefined, upload: undefined, end: () => {} }
    try {
      const receipt = await this.#receive(channel, intake)
      await channel.send(uploadReplyCodec.encode({ type: 'receipt', value: receipt }))
      this.#outcomes.add('stored')
    } catch (error) {
      this.#outcomes.add(errorCode(error))
      await this.#giveUp(intake, error)
      this.#deps.logger.debug({ peer: toHex(channel.peer).slice(0, 8), code: errorCode(error) }, 'refused an upload')
      // Where the stream is what failed, the uploader cannot be told.
      const reply = uploadReplyCodec.encode({ type: 'error', value: failure(error) })
      if (errorCode(error) !== 'connection-lost') await channel.send(reply).catch(() => undefined)
      if (error instanceof MalformedError) throw error
    } finally {
      intake.end()
    }
  }

  /** How uploads ended since the start, and bytes of fragments that came with them. */
  report(): UploadReport {
    return { outcomes: this.#outcomes.counts(), bytes: this.#bytes }
  }

  /** Discards what broken uploads left and nobody came back for. */
  async dropExpired(): Promise<void> {
    await this.#partial.dropExpired()
  }

  /** Discards what broken uploads to a folder left, as when a version of it is erased. */
  async dropFolder(folder: Uint8Array): Promise<void> {
    await this.#partial.dropFolder(folder)
  }

  /** Discards what all broken uploads left. */
  async dropParked(): Promise<void> {
    await this.#partial.dropAll()
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new EpioneError('stopped', 'The custodian stops.'))
    await this.#partial.dropAll()
  }

  async #giveUp({ token, upload }: Intake, error: unknown): Promise<void> {
    if (upload === undefined) return
    const isErased =
      this.#erased(
        upload.folder,
        upload.versions.map(({ meta }) => meta),
      ).length > 0
    const broken = BREAKS.has(errorCode(error)) && !isErased
    if (!broken || token === undefined || !this.#partial.park(token, upload)) await discard(upload)
  }

  async #receive(channel: FrameChannel, intake: Intake): Promise<{ receipt: Uint8Array; signature: Uint8Array }> {
    const frames = channel.frames()[Symbol.asyncIterator]()
    const next: NextFrame = async type => {
      const { value, done } = type === 'start' ? await firstFrame(channel, frames) : await frames.next()
      if (done === true) throw new EpioneError('connection-lost', 'The upload ended before it was whole.')
      const frame = uploadFrameCodec.decode(value)
      if (frame.type !== type) throw new MalformedError(`expected a frame "${type}", not "${frame.type}"`)
      return frame.value as FrameValue<typeof type>
    }

    const start = await next('start')
    const ticket = uploadTicketCodec.decode(start.ticket)
    const sponsor = this.#sponsorOf(ticket, start.signature)
    await this.#reachFolder(ticket)
    this.#checkTicket(ticket, start.index)
    intake.end = await this.#partial.begin(start.token, () => channel.abort(new Error('the uploader came back')))
    intake.token = start.token
    const parked = this.#partial.take(start.token, ticket.submissionRoot, start.index)
    // What is staged here already takes room only if it turns out not to be whole; all else takes it before its versions are read.
    const isStaged = parked === undefined && (await this.#isStaged(ticket, start.index))
    const begun = parked ?? (isStaged ? undefined : await this.#begin(ticket, start.index, sponsor, false))
    intake.upload = begun
    const metas: VersionMeta[] = []
    while (metas.length < ticket.versions) metas.push(...(await next('versions')))
    checkVersions(ticket, metas)
    this.#requireNoneErased(ticket, metas)
    checkVersionSizes(metas, this.#options)
    const whole = isStaged && (await this.#areSound(ticket.sponsor, start.index, metas))
    const upload = begun ?? (await this.#begin(ticket, start.index, sponsor, whole))
    intake.upload = upload
    const at = whole ? { version: metas.length, chunk: 0 } : { version: upload.version, chunk: upload.chunk }
    await channel.send(uploadReplyCodec.encode({ type: 'ready', value: at }))
    if (!whole) await this.#takeFragments(ticket, metas, upload, next)
    await this.#stage(ticket, metas, upload, whole)
    intake.upload = undefined
    upload.release()
    await this.#dropErased(ticket, metas)
    return this.#receipt(ticket, start.index, metas)
  }

  /** @param whole everything is here already, and takes no room */
  async #begin(ticket: UploadTicket, index: number, sponsor: string, whole: boolean): Promise<PartialUpload> {
    const before = await this.#deps.submissions.get(ticket.submissionRoot)
    return {
      folder: ticket.folder,
      submissionRoot: ticket.submissionRoot,
      index,
      release: whole ? () => undefined : takeRoom(ticket, sponsor, before, this.#options, this.#deps),
      version: 0,
      chunk: 0,
      writer: undefined,
      bytes: 0,
      writers: [],
      items: [],
      versions: [],
    }
  }

  /** Takes what is missing. Between two frames the upload stands where it says, so that it can go on from there. */
  async #takeFragments(ticket: UploadTicket, metas: readonly VersionMeta[], upload: PartialUpload, next: NextFrame): Promise<void> {
    const { fragments } = this.#deps
    const { n, k } = ticket
    for (; upload.version < metas.length; upload.version++) {
      const meta = metas[upload.version] as VersionMeta
      const { dispersalRoot } = meta.leaf
      if (upload.chunk === 0) {
        const { roots, chunk } = await next('fragment')
        if (roots.length !== n || !equalBytes(dispersalRootOf(roots, n, k, meta.size), dispersalRoot)) {
          throw new MalformedError('a fragment does not belong to its dispersal')
        }
        const writer = fragments.begin({ dispersalRoot, index: upload.index }, fragmentLength(meta.size, n, k))
        upload.writer = writer
        upload.writers.push(writer)
        upload.items.push({ writer, expectedRoot: roots[upload.index] as Uint8Array })
        upload.versions.push({ meta, fragmentRoots: roots })
        await this.#write(upload, chunk)
      }
      while (upload.chunk < chunkCount(meta.size, n, k)) await this.#write(upload, await next('chunk'))
      upload.chunk = 0
    }
  }

  async #write(upload: PartialUpload, chunk: Uint8Array): Promise<void> {
    await upload.writer?.write(chunk)
    upload.chunk++
    upload.bytes += chunk.length
    this.#bytes += chunk.length
  }

  /** Whether this submission is staged here already, as when the uploader stopped before it was anchored. */
  async #isStaged(ticket: UploadTicket, index: number): Promise<boolean> {
    const held = await this.#deps.submissions.get(ticket.submissionRoot)
    return (
      held !== undefined &&
      !held.anchored &&
      held.index === index &&
      held.epoch === ticket.epoch &&
      held.label === ticket.label &&
      held.memberHeight === ticket.memberHeight &&
      equalBytes(held.folder, ticket.folder) &&
      equalBytes(held.sponsor, ticket.sponsor)
    )
  }

  async #areSound(sponsor: Uint8Array, index: number, metas: readonly VersionMeta[]): Promise<boolean> {
    const name = toHex(sponsor)
    const pace = this.#checks.get(name) ?? new Pace(this.#options.checkBytesPerSecond ?? CHECK_BYTES_PER_SECOND)
    this.#checks.set(name, pace)
    // A receipt says that the bytes are sound, not only that they came once.
    for (const { leaf } of metas) if (!(await this.#isSound({ dispersalRoot: leaf.dispersalRoot, index }, pace))) return false
    return true
  }

  async #isSound(key: FragmentKey, pace: Pace): Promise<boolean> {
    const { fragments } = this.#deps
    const { signal } = this.#stopped
    if (!fragments.has(key)) return false
    try {
      for await (const chunk of fragments.read(key, { signal })) await pace.take(Math.max(chunk.length, LEAST_BYTES), signal)
      return true
    } catch (error) {
      signal.throwIfAborted()
      this.#deps.logger.warn({ code: errorCode(error) }, 'a staged fragment is damaged, and is taken anew')
      return false
    }
  }

  async #stage(ticket: UploadTicket, metas: readonly VersionMeta[], upload: PartialUpload, whole: boolean): Promise<void> {
    const { chain, fragments, submissions, now } = this.#deps
    const { submissionRoot } = ticket
    const stagedUntil = now() + STAGING_MS
    await fragments.commitSubmission(upload.items, { submissionRoot, stagedUntilMs: stagedUntil })
    // Sent again before its anchor, it waits anew.
    const held = await submissions.get(submissionRoot)
    if (whole) {
      const kept =
        held !== undefined && metas.every(({ leaf }) => fragments.has({ dispersalRoot: leaf.dispersalRoot, index: upload.index }))
      if (!kept) {
        this.#requireNoneErased(ticket, metas)
        throw new EpioneError('expired', 'What was sent before has run out in this moment; send it again.')
      }
      await submissions.renew(submissionRoot, stagedUntil)
    } else if (held === undefined || !held.anchored) {
      const submission: Submission = {
        folder: ticket.folder,
        epoch: ticket.epoch,
        index: upload.index,
        versions: ticket.versions,
        n: ticket.n,
        k: ticket.k,
        memberHeight: ticket.memberHeight,
        label: ticket.label,
        labelSalt: ticket.labelSalt,
        sponsor: ticket.sponsor,
        bytes: fragmentBytes(ticket, metas),
        anchored: false,
        stagedUntil,
      }
      await submissions.put(submissionRoot, submission, upload.versions)
    } else {
      // Fragments that were lost here and come back are kept for good like those before.
      await fragments.markAnchored(submissionRoot)
    }
    // The anchor may have come before the last fragment: its block found nothing here to keep. Fragments first, as ever.
    if (chain.tip.tree.get(stateKey.submission(ticket.folder, submissionRoot)) === undefined) return
    await fragments.markAnchored(submissionRoot)
    await submissions.markAnchored(submissionRoot)
  }

  #receipt(ticket: UploadTicket, index: number, metas: readonly VersionMeta[]): { receipt: Uint8Array; signature: Uint8Array } {
    const receipt = {
      chainId: this.#deps.chain.chainId,
      submissionRoot: ticket.submissionRoot,
      custodian: this.#options.custodian,
      index,
      bytes: fragmentBytes(ticket, metas),
      time: this.#deps.now(),
    }
    return { receipt: storageReceiptCodec.encode(receipt), signature: this.#options.accountKey.sign(storageReceiptBytes(receipt)) }
  }

  /** What the folder's owner had erased does not come back. Who uploads has the salts and could ask the ledger by themselves. */
  #requireNoneErased({ folder }: UploadTicket, metas: readonly VersionMeta[]): void {
    if (this.#erased(folder, metas).length > 0)
      throw new EpioneError('erased', 'A version of this submission was erased by order of its owner; it is not taken again.')
  }

  #erased(folder: Uint8Array, metas: readonly VersionMeta[]): VersionMeta[] {
    const { tree } = this.#deps.chain.tip
    return metas.filter(({ salt, leaf: { recordId, version } }) => isErasedAt(tree, folder, { salt, recordId, version }))
  }

  /** Gives up again what was ordered to be erased while it came in: that was perhaps looked for before it lay here. */
  async #dropErased(ticket: UploadTicket, metas: readonly VersionMeta[]): Promise<void> {
    const { fragments, erasures } = this.#deps
    const erased = this.#erased(ticket.folder, metas)
    if (erased.length === 0) return
    for (const { leaf } of erased) await fragments.dropFragment(ticket.submissionRoot, leaf.dispersalRoot)
    erasures.recheck(ticket.folder)
    this.#requireNoneErased(ticket, metas)
  }

  /** The name of the member that answers for an upload. @throws EpioneError `not-sponsored`, `expired` */
  #sponsorOf(ticket: UploadTicket, signature: Uint8Array): string {
    const { directory, now } = this.#deps
    const sponsor = directory.byId(ticket.sponsor)
    if (sponsor?.status !== 'active' || !verifySignature(sponsor.organisation.signingKey, uploadTicketBytes(ticket), signature)) {
      throw new EpioneError('not-sponsored', 'No member of the network answers for this upload.')
    }
    if (ticket.until <= now()) throw new EpioneError('expired', 'The upload ticket has expired.')
    return sponsor.organisation.name
  }

  /** The block that opened the folder, or gave it its newest key, may be on its way here still: it is waited for, a little. */
  async #reachFolder({ folder, epoch }: UploadTicket): Promise<void> {
    const { chain } = this.#deps
    await reach(chain, () => {
      const found = folderAt(chain.tip.tree, folder)
      return found !== undefined && found.epoch >= epoch ? found : undefined
    })
  }

  /** An upload needs a folder that is there in this epoch, and this custodian in its place. */
  #checkTicket(ticket: UploadTicket, index: number): void {
    const { chain } = this.#deps
    const state = chain.tip.tree
    const folder = folderAt(state, ticket.folder)
    if (folder === undefined || folder.status !== 'open') throw notFound()
    if (folder.epoch !== ticket.epoch)
      throw new EpioneError('stale-epoch', 'The folder has a newer key; seal the version keys to it and try again.')
    if (!equalBytes(labelCommitment(ticket.labelSalt, ticket.label), folder.labelCommitment)) throw notFound()
    const { parameters } = chain
    if (ticket.n !== parameters.n || ticket.k !== parameters.k) {
      throw new EpioneError('wrong-dispersal', `This network disperses into ${parameters.n} fragments of which ${parameters.k} are needed.`)
    }
    const custodians = custodiansAt(state, ticket.memberHeight)
    if (custodians === undefined) throw new EpioneError('stale-members', 'The set of custodians that the ticket names is not known here.')
    const placed = place({ key: ticket.submissionRoot, custodians, n: ticket.n, k: ticket.k, policy: policyOf(state, ticket.folder) })
    const here = placed.custodians[index]
    if (here === undefined || !equalBytes(here.id, this.#options.custodian)) {
      throw new EpioneError('wrong-custodian', 'This fragment is placed at another custodian.')
    }
  }
}

/** Bytes of a submission's fragments at one custodian. */
function fragmentBytes({ n, k }: UploadTicket, metas: readonly VersionMeta[]): number {
  return metas.reduce((sum, { size }) => sum + fragmentLength(size, n, k), 0)
}

/** The versions must be those that the submission's root commits to, each with its right key, class and size. */
function checkVersions(ticket: UploadTicket, metas: readonly VersionMeta[]): void {
  if (metas.length !== ticket.versions) throw new MalformedError('the submission has another number of versions than its ticket')
  if (metas.reduce((sum, meta) => sum + meta.size, 0) !== ticket.size)
    throw new MalformedError('the submission has another size than its ticket')
  for (const meta of metas) {
    if (!equalBytes(sealedKeyHash(meta.sealedKey), meta.leaf.sealedKeyHash))
      throw new MalformedError('a sealed key is not the committed one')
    if (!equalBytes(classCommitment(meta.salt, meta.class, meta.dataTime), meta.leaf.classCommitment)) {
      throw new MalformedError('a class is not the committed one')
    }
  }
  if (!equalBytes(rootOf(metas.map(meta => meta.leaf)), ticket.submissionRoot))
    throw new MalformedError('the versions are not those of the submission')
}

/** An error as it is told to a peer: its code, and a sentence only where it was thrown on purpose. */
export function failure(error: unknown): { code: Uint8Array; message: Uint8Array } {
  const encoder = new TextEncoder()
  const message = error instanceof EpioneError ? error.message : 'The node could not do this.'
  return { code: encoder.encode(errorCode(error)).slice(0, 48), message: encoder.encode(message).slice(0, 512) }
}
