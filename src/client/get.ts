/** Lists and reads records: verified chunk by chunk, decoded, decrypted, and checked against what the author committed to. */

import type { RecordClass } from '../contracts/consent-terms.ts'
import { type Anchor, anchorCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { commitmentSalt, decryptObject } from '../crypto/object-stream.ts'
import { verifySignature } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { type ObjectHeader, provenanceBytes, recordCommitment, sealingContext } from '../fragments/formats.ts'
import { assemble, type FragmentSource } from '../fragments/gather.ts'
import { currentCustodians } from './current-custodians.ts'
import { erasedInstead } from './erased.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import { readObject } from './record-object.ts'
import { ReleaseStream, type ShownVersion } from './release-stream.ts'
import type { Session } from './session.ts'

/** One submission of a folder as the ledger shows it. */
export interface AnchoredSubmission {
  readonly root: Uint8Array
  readonly anchor: Anchor
}

/** A version that may be read. */
export interface ListedVersion extends ShownVersion {
  readonly submission: AnchoredSubmission
  readonly recordId: Uint8Array
  readonly version: number
  readonly class: RecordClass
  /** Time of the content, in ms, or null. */
  readonly dataTime: number | null
  /** Number of versions in the submission, whether they may be read or not; proven where all are shown. */
  readonly total: number
}

export interface ListOptions extends CallOptions {
  /** Root of the one submission to list; all of the folder's, if left out. */
  submission?: Uint8Array
}

export interface Listing {
  versions: ListedVersion[]
  /**
   * Submissions that fewer than k custodians showed, though those that refused are not enough to prove that nothing may be read,
   * or though some showed it: something in them may be missing from `versions`.
   */
  incomplete: AnchoredSubmission[]
}

/** A folder's submissions, proven to be all, in the order of their anchors. */
export async function submissionsOf(peer: LightPeer, folder: Uint8Array, options: CallOptions): Promise<AnchoredSubmission[]> {
  const { entries } = await peer.list(stateKey.submissions(folder), options)
  return entries
    .map(([key, value]) => ({ root: key.slice(33), anchor: anchorCodec.decode(value) }))
    .sort((a, b) => a.anchor.height - b.anchor.height)
}

/**
 * Everything that the session may read. The ledger proves which submissions there are. Of each, the union is taken of what
 * k = f + 1 custodians show: one of them is honest and holds all of it, as only what a custodian has whole is shown. A refusal is
 * no such answer, for an honest custodian refuses too where a degraded write left it without a copy. Only more than n - k of them,
 * at least 2f + 1, say that nothing may be read: f liars and f without a copy are fewer. What lies between is in `incomplete`.
 */
export async function listVersions(peer: LightPeer, session: Session, options: ListOptions = {}): Promise<Listing> {
  const listing: Listing = { versions: [], incomplete: [] }
  const all = await submissionsOf(peer, session.folder, options)
  for (const submission of options.submission === undefined
    ? all
    : all.filter(({ root }) => equalBytes(root, options.submission as Uint8Array))) {
    const { holders } = await currentCustodians(peer, session.folder, submission, options)
    const { shown, complete, total } = await listSubmission(peer, session, submission, holders, options)
    if (!complete) listing.incomplete.push(submission)
    for (const version of [...shown.values()].sort((a, b) => a.leaf - b.leaf)) {
      const { meta } = version
      listing.versions.push({
        ...version,
        submission,
        recordId: meta.leaf.recordId,
        version: meta.leaf.version,
        class: meta.class,
        dataTime: meta.dataTime,
        total,
      })
    }
  }
  return listing
}

async function listSubmission(
  peer: LightPeer,
  session: Session,
  submission: AnchoredSubmission,
  custodians: readonly MemberInfo[],
  options: CallOptions,
): Promise<{ shown: Map<number, ShownVersion>; complete: boolean; total: number }> {
  const { n, k } = submission.anchor
  const shown = new Map<number, ShownVersion>()
  let showing = 0
  let refusals = 0
  let total = 0
  const rest = [...custodians]
  /** Asks one custodian after another until one shows something: k of these together have k that show. */
  const askUntilShown = async (): Promise<void> => {
    while (refusals <= n - k) {
      const custodian = rest.shift()
      if (custodian === undefined) return
      try {
        const stream = await ReleaseStream.open(peer, session, custodian, { submissionRoot: submission.root, leaves: null }, options)
        await stream.close()
        // Who may show nothing refuses; an empty list is a refusal in other words.
        if (stream.shown.length === 0) refusals++
        else {
          for (const version of stream.shown) shown.set(version.leaf, version)
          total = stream.total
          showing++
          return
        }
      } catch (error) {
        options.signal?.throwIfAborted()
        if (errorCode(error) === 'not-found') refusals++
      }
    }
  }
  await Promise.all(Array.from({ length: k }, askUntilShown))
  return { shown, complete: showing >= k || (showing === 0 && refusals > n - k), total }
}

/** A version as it was read and checked. */
export interface ReadVersion {
  readonly listed: ListedVersion
  readonly header: ObjectHeader
  /** Custodians whose fragments it was made of. */
  readonly from: readonly MemberInfo[]
  /** The content. It is right only if the stream comes to its end without an error. */
  readonly content: AsyncIterable<Uint8Array>
}

export interface ReadOptions extends CallOptions {
  /** Told of a custodian that sent something wrong or failed. */
  onFailure?: (member: MemberInfo, code: string) => void
}

/**
 * Reads versions, in the order in which they are given; each one's content must be read (or returned from) before the next is
 * taken. Memory stays flat.
 * @throws EpioneError `not-found` where nothing may be read, `erased` where the ledger proves that, `too-few-fragments`, `malformed-object`, `malformed-dispersal`
 */
export async function* readVersions(
  peer: LightPeer,
  session: Session,
  versions: readonly ListedVersion[],
  options: ReadOptions = {},
): AsyncGenerator<ReadVersion> {
  for (const group of bySubmission(versions)) {
    const reader = new SubmissionReader(peer, session, group, options)
    let done = false
    try {
      yield* reader.read()
      done = true
    } catch (error) {
      throw await erasedInstead(peer, session.folder, group, error, options)
    } finally {
      reader.end(done)
    }
  }
}

function bySubmission(versions: readonly ListedVersion[]): ListedVersion[][] {
  const groups: ListedVersion[][] = []
  for (const version of versions) {
    const last = groups.at(-1)
    const previous = last?.at(-1)
    if (
      last !== undefined &&
      previous !== undefined &&
      equalBytes(previous.submission.root, version.submission.root) &&
      previous.leaf < version.leaf
    )
      last.push(version)
    else groups.push([version])
  }
  return groups
}

/** Reads versions of one submission from k custodians at a time, taking others where some fail. */
class SubmissionReader {
  readonly #peer: LightPeer
  readonly #session: Session
  readonly #versions: readonly ListedVersion[]
  readonly #options: ReadOptions
  readonly #submission: AnchoredSubmission
  #streams: ReleaseStream[] = []
  /** Custodians that were not asked yet, or that serve but were interrupted by another's failure. */
  #spares: MemberInfo[] = []
  #refusals = 0
  readonly #asked = new Set<MemberInfo>()
  #located = false
  #last: unknown

  constructor(peer: LightPeer, session: Session, versions: readonly ListedVersion[], options: ReadOptions) {
    this.#peer = peer
    this.#session = session
    this.#versions = versions
    this.#options = options
    this.#submission = (versions[0] as ListedVersion).submission
  }

  async *read(): AsyncGenerator<ReadVersion> {
    const { holders, former } = await currentCustodians(this.#peer, this.#session.folder, this.#submission, this.#options)
    this.#spares = [...holders, ...former.filter(({ status }) => status === 'active')]
    for (const [position, listed] of this.#versions.entries()) {
      const key = this.#versionKey(listed)
      const from = new Set<MemberInfo>()
      const ciphertext = this.#ciphertext(position, from)
      const { header, headerBytes, content } = await readObject(decryptObject(key, ciphertext, listed.meta.size))
      this.#check(listed, key, header, headerBytes)
      yield { listed, header, from: [...from], content }
      // What the caller left unread is read here: the streams must stand at the next version.
      for await (const _ of content) this.#options.signal?.throwIfAborted()
    }
  }

  /** Opens the version's key with the folder's. */
  #versionKey({ meta }: ListedVersion): Uint8Array {
    const { epoch } = this.#submission.anchor
    const { recordId, version } = meta.leaf
    const key = this.#session.keyOf(epoch)
    if (key === undefined)
      throw new EpioneError('key-missing', `The grant does not open keys of epoch ${epoch}; ask for a new grant.`, { metadata: { epoch } })
    return key.open(meta.sealedKey, sealingContext.versionKey(this.#peer.chainId, this.#session.folder, epoch, recordId, version))
  }

  /** The header must be the committed one, signed by its author, for the organisation that the ledger names as the submission's author. */
  #check({ meta }: ListedVersion, key: Uint8Array, header: ObjectHeader, headerBytes: Uint8Array): void {
    const { recordId, version, commitment } = meta.leaf
    const { author } = header
    const right =
      equalBytes(recordCommitment(commitmentSalt(key), headerBytes), commitment) &&
      equalBytes(author.organisation, this.#submission.anchor.author) &&
      verifySignature(author.key, provenanceBytes(this.#session.folder, recordId, version, header), author.signature)
    if (!right) {
      throw new EpioneError(
        'malformed-object',
        'The record is not what its author committed to, names another organisation than the one that anchored it, or its signature does not hold.',
      )
    }
  }

  /**
   * The ciphertext of the version at `position`. Where a custodian fails in the middle, the version is taken again from others,
   * and what was given out already is passed over: it is the same bytes, for they belong to the same root.
   */
  async *#ciphertext(position: number, from: Set<MemberInfo>): AsyncGenerator<Uint8Array> {
    const listed = this.#versions[position] as ListedVersion
    const { n, k } = this.#submission.anchor
    let given = 0
    for (;;) {
      await this.#recruit(position)
      const sources = await this.#sources(listed)
      if (sources === undefined) continue
      let at = 0
      const failed = new Set<ReleaseStream>()
      try {
        const pieces = assemble({
          n,
          k,
          size: listed.meta.size,
          dispersalRoot: listed.meta.leaf.dispersalRoot,
          sources: sources.map(({ source }) => source),
          signal: this.#options.signal,
          onSourceFailed: (source, error) => {
            const stream = sources.find(candidate => candidate.source === source)?.stream
            if (stream !== undefined) {
              failed.add(stream)
              this.#drop(stream, error)
            }
          },
        })
        for (const { stream } of sources) from.add(stream.member)
        for await (const piece of pieces) {
          const known = Math.max(0, Math.min(piece.length, given - at))
          at += piece.length
          if (known < piece.length) {
            given = at
            yield piece.subarray(known)
          }
        }
        return
      } catch (error) {
        this.#options.signal?.throwIfAborted()
        if (failed.size === 0) throw error
        for (const stream of failed) from.delete(stream.member)
        this.#interrupt()
      }
    }
  }

  /** The fragments of a version from every open stream; undefined where one failed, which is dropped then. */
  async #sources(listed: ListedVersion): Promise<{ stream: ReleaseStream; source: FragmentSource }[] | undefined> {
    const { n, k } = this.#submission.anchor
    const opened = await Promise.all(
      this.#streams.map(async stream => {
        try {
          const shown = stream.shown.find(({ leaf }) => leaf === listed.leaf) as ShownVersion
          return { stream, source: await stream.nextFragment(shown, { n, k }) }
        } catch (error) {
          this.#options.signal?.throwIfAborted()
          this.#drop(stream, error)
          return undefined
        }
      }),
    )
    const sources = opened.filter(item => item !== undefined)
    if (sources.length === opened.length) return sources
    this.#interrupt()
    return undefined
  }

  /** Opens streams, from the version at `position` on, until k custodians serve. */
  async #recruit(position: number): Promise<void> {
    const { k, n } = this.#submission.anchor
    while (this.#streams.length < k) {
      this.#options.signal?.throwIfAborted()
      const leaves = this.#versions.slice(position).map(version => version.leaf)
      const members = this.#spares.splice(0, k - this.#streams.length)
      if (members.length === 0 && (await this.#locateMore())) continue
      if (members.length === 0) {
        if (this.#refusals > n - k) throw notFound(this.#last)
        throw new EpioneError('too-few-fragments', `Fewer than ${k} custodians could give their fragments of this record.`, {
          cause: this.#last,
          metadata: { needed: k },
        })
      }
      await Promise.all(members.map(async member => await this.#open(member, leaves)))
    }
  }

  /** Where custodians have changed since the fragments were placed, the DHT knows who holds them now. */
  async #locateMore(): Promise<boolean> {
    if (this.#located) return false
    this.#located = true
    const holders = await this.#peer.locate(this.#submission.root, this.#options)
    const fresh = holders.filter(holder => ![...this.#asked].some(({ id }) => equalBytes(id, holder.id)))
    this.#spares.push(...fresh)
    return fresh.length > 0
  }

  async #open(member: MemberInfo, leaves: readonly number[]): Promise<void> {
    this.#asked.add(member)
    try {
      const ask = { submissionRoot: this.#submission.root, leaves }
      this.#streams.push(await ReleaseStream.open(this.#peer, this.#session, member, ask, this.#options))
    } catch (error) {
      this.#options.signal?.throwIfAborted()
      this.#last = error
      if (errorCode(error) === 'not-found') this.#refusals++
      else this.#options.onFailure?.(member, errorCode(error))
    }
  }

  /** Gives up a custodian that failed. */
  #drop(stream: ReleaseStream, error: unknown): void {
    this.#streams = this.#streams.filter(other => other !== stream)
    stream.abort()
    this.#last = error
    this.#options.onFailure?.(stream.member, errorCode(error))
  }

  /** Ends the streams that stand in the middle of a version; their custodians can be asked again. */
  #interrupt(): void {
    this.#spares.unshift(...this.#streams.map(stream => stream.member))
    for (const stream of this.#streams) stream.abort()
    this.#streams = []
  }

  /** Gives the streams up, or closes them where all that was asked for came: what still waits for a frame must not wait it out. */
  end(done: boolean): void {
    for (const stream of this.#streams) {
      if (done) void stream.close()
      else stream.abort()
    }
  }
}
