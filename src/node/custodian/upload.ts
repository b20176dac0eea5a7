/** Takes a submission's fragments: checks that they belong here and are what the author committed to, and signs a receipt. */

import { labelCommitment } from '../../contracts/folders-formats.ts'
import { isErasedAt } from '../../contracts/release-facts.ts'
import { type SigningKey, verifySignature } from '../../crypto/signature.ts'
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../../encoding/errors.ts'
import { dispersalRoot } from '../../fragments/dispersal.ts'
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
import type { CommitItem, FragmentStore, FragmentWriter } from '../../fragments/fragment-store.ts'
import { chunkCount, fragmentLength } from '../../fragments/layout.ts'
import { place } from '../../fragments/placement.ts'
import { type UploadFrame, uploadFrameCodec, uploadReplyCodec } from '../../network/fragment-messages.ts'
import type { FrameChannel } from '../../network/frames.ts'
import type { Chain } from '../chain.ts'
import { custodiansAt, type Directory } from '../directory.ts'
import { folderAt, notFound, policyOf } from '../folder-facts.ts'
import type { Logger } from '../logger.ts'
import type { ErasureService } from './erasure.ts'
import { firstFrame } from './first-frame.ts'
import { type CustodyLimits, checkVersionSizes, type LimitDependencies, takeRoom } from './limits.ts'
import type { HeldVersion, Submission, Submissions } from './submissions.ts'

/** How long staged fragments wait for their anchor, in ms. */
const STAGING_MS = 60 * 60 * 1000

type FrameValues = { [F in UploadFrame as F['type']]: F['value'] }
type FrameValue<T extends UploadFrame['type']> = FrameValues[T]

export interface UploadOptions extends CustodyLimits {
  custodian: Uint8Array
  accountKey: SigningKey
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

  constructor(options: UploadOptions, dependencies: UploadDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /** Serves one upload. What is wrong with it is told to the uploader; nothing of it stays then. */
  async serve(channel: FrameChannel): Promise<void> {
    const writers: FragmentWriter[] = []
    const reservation = { release: (): void => {} }
    try {
      const receipt = await this.#receive(channel, writers, reservation)
      await channel.send(uploadReplyCodec.encode({ type: 'receipt', value: receipt }))
    } catch (error) {
      await Promise.allSettled(writers.map(async writer => await writer.abort()))
      this.#deps.logger.debug({ peer: toHex(channel.peer).slice(0, 8), code: errorCode(error) }, 'refused an upload')
      // Where the stream is what failed, the uploader cannot be told.
      const reply = uploadReplyCodec.encode({ type: 'error', value: failure(error) })
      if (errorCode(error) !== 'connection-lost') await channel.send(reply).catch(() => undefined)
      if (error instanceof MalformedError) throw error
    } finally {
      reservation.release()
    }
  }

  async #receive(
    channel: FrameChannel,
    writers: FragmentWriter[],
    reservation: { release: () => void },
  ): Promise<{ receipt: Uint8Array; signature: Uint8Array }> {
    const frames = channel.frames()[Symbol.asyncIterator]()
    const next = async <T extends UploadFrame['type']>(type: T): Promise<FrameValue<T>> => {
      const { value, done } = type === 'start' ? await firstFrame(channel, frames) : await frames.next()
      if (done === true) throw new EpioneError('connection-lost', 'The upload ended before it was whole.')
      const frame = uploadFrameCodec.decode(value)
      if (frame.type !== type) throw new MalformedError(`expected a frame "${type}", not "${frame.type}"`)
      return frame.value as FrameValue<T>
    }

    const start = await next('start')
    const ticket = uploadTicketCodec.decode(start.ticket)
    const sponsor = this.#checkTicket(ticket, start.signature, start.index)
    const before = await this.#deps.submissions.get(ticket.submissionRoot)
    reservation.release = takeRoom(ticket, sponsor, before?.bytes ?? 0, this.#options, this.#deps)
    const metas: VersionMeta[] = []
    while (metas.length < ticket.versions) metas.push(...(await next('versions')))
    checkVersions(ticket, metas)
    this.#requireNoneErased(ticket, metas)
    checkVersionSizes(metas, this.#options)
    await channel.send(uploadReplyCodec.encode({ type: 'ready', value: {} }))

    const { fragments } = this.#deps
    const items: CommitItem[] = []
    const versions: HeldVersion[] = []
    let bytes = 0
    for (const meta of metas) {
      const shape = { n: ticket.n, k: ticket.k, size: meta.size }
      const length = fragmentLength(meta.size, ticket.n, ticket.k)
      const fragment = await next('fragment')
      if (
        fragment.roots.length !== ticket.n ||
        !equalBytes(dispersalRoot(fragment.roots, shape.n, shape.k, shape.size), meta.leaf.dispersalRoot)
      ) {
        throw new MalformedError('a fragment does not belong to its dispersal')
      }
      const writer = fragments.begin({ dispersalRoot: meta.leaf.dispersalRoot, index: start.index }, length)
      writers.push(writer)
      await writer.write(fragment.chunk)
      for (let chunk = 1; chunk < chunkCount(meta.size, ticket.n, ticket.k); chunk++) await writer.write(await next('chunk'))
      items.push({ writer, expectedRoot: fragment.roots[start.index] as Uint8Array })
      versions.push({ meta, fragmentRoots: fragment.roots })
      bytes += length
    }
    const stagedUntil = this.#deps.now() + STAGING_MS
    await fragments.commitSubmission(items, { submissionRoot: ticket.submissionRoot, stagedUntilMs: stagedUntil })
    // Sent again before its anchor, it waits anew.
    const held = await this.#deps.submissions.get(ticket.submissionRoot)
    if (held === undefined || !held.anchored) {
      const submission: Submission = {
        folder: ticket.folder,
        epoch: ticket.epoch,
        index: start.index,
        versions: ticket.versions,
        n: ticket.n,
        k: ticket.k,
        memberHeight: ticket.memberHeight,
        label: ticket.label,
        labelSalt: ticket.labelSalt,
        sponsor: ticket.sponsor,
        bytes,
        anchored: false,
        stagedUntil,
      }
      await this.#deps.submissions.put(ticket.submissionRoot, submission, versions)
    } else {
      // Fragments that were lost here and come back are kept for good like those before.
      await fragments.markAnchored(ticket.submissionRoot)
    }
    reservation.release()
    await this.#dropErased(ticket, metas)
    const receipt = {
      chainId: this.#deps.chain.chainId,
      submissionRoot: ticket.submissionRoot,
      custodian: this.#options.custodian,
      index: start.index,
      bytes,
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

  /**
   * An upload needs a member who answers for it, a folder that is there in this epoch, and this custodian in its place. Returns the
   * member's name.
   */
  #checkTicket(ticket: UploadTicket, signature: Uint8Array, index: number): string {
    const { chain, directory, now } = this.#deps
    const state = chain.tip.tree
    const sponsor = directory.byId(ticket.sponsor)
    if (sponsor?.status !== 'active' || !verifySignature(sponsor.organisation.signingKey, uploadTicketBytes(ticket), signature)) {
      throw new EpioneError('not-sponsored', 'No member of the network answers for this upload.')
    }
    if (ticket.until <= now()) throw new EpioneError('expired', 'The upload ticket has expired.')
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
    return sponsor.organisation.name
  }
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
