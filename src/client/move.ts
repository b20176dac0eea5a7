/**
 * Moves versions to another folder of the same owner without encrypting them anew: the ciphertext and the author's signature in it stay, the
 * version's key is sealed to the other folder, and the erasure mark, the class commitment and the place are new. What stays behind of a
 * submission becomes a submission of its own, so that it shows no gap; then the old one is erased as a whole. Whatever interrupts it,
 * nothing is erased before the same is anchored elsewhere, and the same call again does what is left.
 */
import { anchorBodyCodec } from '../contracts/records-formats.ts'
import { commitmentSalt } from '../crypto/object-stream.ts'
import { randomBytes } from '../crypto/random.ts'
import { seal } from '../crypto/sealing.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { computeDispersal } from '../fragments/dispersal.ts'
import {
  classCommitment,
  encodeVersionKey,
  provenancePlace,
  sealedKeyHash,
  sealingContext,
  submissionRoot,
  type UploadTicket,
  uploadTicketCodec,
  type VersionMeta,
} from '../fragments/formats.ts'
import { MAX_MOVED_VERSIONS, moveBytes, moveCodec } from '../fragments/move.ts'
import { systemTimer, type Timer } from '../fragments/pace.ts'
import { type Placement, place } from '../fragments/placement.ts'
import { type SignedMove, signatureResponseCodec, sponsorResponseCodec } from '../network/light-messages.ts'
import { type CurrentCustodians, currentCustodians } from './current-custodians.ts'
import { type Erasure, type ErasureOptions, type ErasureSelection, eraseRecords, versionsToErase } from './erase.ts'
import { folderOwnerKey, type OwnedFolder, type Wallet } from './folders.ts'
import { type ListedVersion, type Listing, listVersions } from './get.ts'
import type { Committed, LightPeer, MemberInfo } from './light-peer.ts'
import { type CarriedDisputes, carryDisputes, type Moved } from './move-disputes.ts'
import { drawPlacement } from './move-placement.ts'
import type { CallOptions } from './nodes.ts'
import type { AnchoredSubmission } from './read-types.ts'
import { ReleaseStream } from './release-stream.ts'
import type { SealedCiphertext } from './sealed-version.ts'
import { openOwnSession, type Session } from './session.ts'
import { SubmissionReader } from './submission-reader.ts'
import { Upload } from './upload.ts'
import { UploadGroup } from './upload-group.ts'
import { uploadSecret, uploadToken } from './upload-journal.ts'

/** How long a ticket is good for, in ms. */
const TICKET_MS = 50 * 60 * 1000
/** Ciphertext up to this length is kept in memory between the two passes over it, in bytes. */
const KEPT_BYTES = 8 * 1024 * 1024

export interface MoveProgress {
  phase: 'moving' | 'keeping' | 'erasing'
  /** Versions that are anchored anew, of all that have to be; in the last phase as an erasure's. */
  done: number
  total: number
}

export interface MoveOptions extends CallOptions {
  /** How long to wait for the custodians' receipts of the erasure, in ms. */
  waitMs?: number
  timer?: Timer
  onProgress?: (progress: MoveProgress) => void
}

export interface MoveResult {
  /** Versions that are in the other folder now, those that an earlier call had moved included. */
  readonly moved: readonly ListedVersion[]
  /** Versions that stay in their folder and were anchored anew, so that no gap shows. */
  readonly kept: number
  /** Bundle manifests that went: they hold a digest of a whole that is none any more. */
  readonly manifests: number
  /** Anchors that this call made. */
  readonly anchored: readonly Committed[]
  /** What the owner says of these versions, which goes along. */
  readonly disputes: CarriedDisputes
  readonly erasure: Erasure
}

/** What becomes of the versions of one submission. */
interface Plan {
  readonly submission: AnchoredSubmission
  readonly move: ListedVersion[]
  readonly keep: ListedVersion[]
  readonly drop: ListedVersion[]
}

/**
 * Moves versions from one folder of the wallet to another of the same author organisation.
 * @throws EpioneError `not-found`; `same-folder`; `other-author`; `too-few-custodians` where a list may lack something; `no-placement`;
 * `too-few-receipts`; as {@link carryDisputes}; what the organisation refuses (`not-sponsored`, `over-folder-quota`) and what the ledger does (`stale-epoch`)
 */
export async function moveRecords(
  peer: LightPeer,
  wallet: Wallet,
  source: OwnedFolder,
  target: OwnedFolder,
  selection: ErasureSelection,
  options: MoveOptions = {},
): Promise<MoveResult> {
  if (equalBytes(source.id, target.id)) throw new EpioneError('same-folder', 'The records are in this folder already.')
  if (!equalBytes(source.folder.author, target.folder.author)) {
    throw new EpioneError('other-author', 'A record moves between folders of the organisation that wrote it alone; open one with it first.')
  }
  const from = await openOwnSession(peer, wallet, source, options)
  const listing = await listVersions(peer, from, options)
  const { versions, manifests } = await versionsToErase(peer, from, listing, selection, options)
  const plans = planOf(listing, versions, manifests)
  const there = await listVersions(peer, await openOwnSession(peer, wallet, target, options), options)
  if (there.incomplete.length > 0) throw tooFewCustodians()

  const mover = new Mover(peer, wallet, from, source, options)
  const total = plans.reduce((sum, { move, keep }) => sum + move.length + keep.length, 0)
  let done = 0
  for (const { submission, move, keep } of plans) {
    for (const [phase, into, chosen] of [
      ['moving', target, move],
      ['keeping', source, keep],
    ] as const) {
      // What an interrupted call had anchored is there, and proven to be.
      const others = into === target ? there.versions : listing.versions.filter(one => !equalBytes(one.submission.root, submission.root))
      const missing = chosen.filter(one => !others.some(other => isSame(one, other)))
      done += chosen.length - missing.length
      for (let at = 0; at < missing.length; at += MAX_MOVED_VERSIONS) {
        options.onProgress?.({ phase, done, total })
        const part = missing.slice(at, at + MAX_MOVED_VERSIONS)
        await mover.anchor(part, into)
        done += part.length
      }
    }
  }
  const places: Moved[] = [
    { versions: plans.flatMap(({ move }) => move), into: target },
    { versions: plans.flatMap(({ keep }) => keep), into: source },
  ]
  const old = plans.map(({ submission }) => submission.root)
  const anew = (version: ListedVersion, listed: readonly ListedVersion[]): ListedVersion => {
    const found = listed.find(one => isSame(one, version) && !old.some(root => equalBytes(root, one.submission.root)))
    if (found === undefined) throw tooFewCustodians()
    return found
  }
  const disputes = await carryDisputes(peer, wallet, source, places, anew, options)
  // What is to be moved comes last: while it is there, the same call again finds what is left to do.
  const gone = plans.flatMap(({ keep, drop }) => [...keep, ...drop])
  const moved = plans.flatMap(({ move }) => move)
  const erasing: ErasureOptions = {
    ...options,
    onProgress: step => options.onProgress?.({ phase: 'erasing', done: step.done, total: step.total }),
  }
  const erasure = await eraseRecords(peer, wallet, source, [...gone, ...moved], erasing)
  const kept = plans.reduce((sum, { keep }) => sum + keep.length, 0)
  return { moved, kept, manifests: manifests.length, anchored: mover.anchored, disputes, erasure }
}

function planOf(listing: Listing, versions: readonly ListedVersion[], manifests: readonly ListedVersion[]): Plan[] {
  const plans = new Map<string, Plan>()
  for (const { submission } of versions) plans.set(toHex(submission.root), { submission, move: [], keep: [], drop: [] })
  const doubtful = listing.incomplete.some(({ root }) => plans.has(toHex(root)))
  // What is not shown would be erased with the rest, and be nowhere.
  if (doubtful) throw tooFewCustodians()
  for (const version of listing.versions) {
    const plan = plans.get(toHex(version.submission.root))
    if (plan === undefined) continue
    if (versions.includes(version)) plan.move.push(version)
    else if (manifests.includes(version)) plan.drop.push(version)
    else plan.keep.push(version)
  }
  return [...plans.values()]
}

export function tooFewCustodians(): EpioneError {
  return new EpioneError('too-few-custodians', 'Too few custodians answered to say what is in the folders; try again later.')
}

/** Whether it is the same version with the same ciphertext. */
export function isSame({ meta: { leaf: a } }: ListedVersion, { meta: { leaf: b } }: ListedVersion): boolean {
  return (
    a.version === b.version &&
    equalBytes(a.recordId, b.recordId) &&
    equalBytes(a.dispersalRoot, b.dispersalRoot) &&
    equalBytes(a.commitment, b.commitment)
  )
}

/** A version as it will lie in the other folder. */
interface Resealed extends SealedCiphertext {
  readonly listed: ListedVersion
  readonly opened: { key: Uint8Array; place: Uint8Array | null }
}

/** Anchors versions of a folder anew. */
export class Mover {
  readonly anchored: Committed[] = []
  readonly #peer: LightPeer
  readonly #wallet: Wallet
  readonly #session: Session
  readonly #source: OwnedFolder
  readonly #options: MoveOptions

  constructor(peer: LightPeer, wallet: Wallet, session: Session, source: OwnedFolder, options: MoveOptions) {
    this.#peer = peer
    this.#wallet = wallet
    this.#session = session
    this.#source = source
    this.#options = options
  }

  /** Anchors versions of one submission as a submission of another folder, or of the same. */
  async anchor(versions: readonly ListedVersion[], into: OwnedFolder): Promise<void> {
    const peer = this.#peer
    const { submission } = versions[0] as ListedVersion
    const candidates = await currentCustodians(peer, this.#source.id, submission, this.#options)
    const dispersed = await this.#dispersals(versions, candidates)
    const { height: memberHeight, custodians } = await peer.custodians(this.#options)
    const { n, k } = peer.parameters
    const policy = peer.parameters.policies[into.folder.policy]?.jurisdictions ?? null
    const sealed = dispersed.map(one => ({ ...one, meta: this.#reseal(one, into) }))
    const [first, ...rest] = sealed as [Resealed, ...Resealed[]]
    const draw = () => {
      const drawn = [{ ...first, meta: salted(first.meta) }, ...rest]
      const root = submissionRoot(drawn.map(({ meta }) => meta.leaf))
      return { value: { drawn, root }, placement: place({ key: root, custodians, n, k, policy }) }
    }
    const { value, placement } = await drawPlacement(draw, candidates.indices, this.#options)
    const proof = await this.#proof(versions, candidates)
    await this.#submit({ ...value, placement, memberHeight, into, signed: this.#signer(value.drawn, submission, into, proof) })
  }

  /** Learns all fragment roots of each version: they are not at any one custodian that gives them out. */
  async #dispersals(versions: readonly ListedVersion[], candidates: CurrentCustodians): Promise<Omit<Resealed, 'meta'>[]> {
    const { n, k } = this.#peer.parameters
    const { signal } = this.#options
    const result: Omit<Resealed, 'meta'>[] = []
    let room = KEPT_BYTES
    const reader = new SubmissionReader(this.#peer, this.#session, versions, candidates, this.#readOptions())
    let done = false
    try {
      for await (const { listed, opened, ciphertext } of reader.ciphertexts()) {
        const { size, leaf } = listed.meta
        const kept: Uint8Array[] | undefined = size <= room ? [] : undefined
        if (kept !== undefined) room -= size
        const { root, fragmentRoots } = await computeDispersal(noting(ciphertext, kept), size, { n, k }, { signal })
        if (!equalBytes(root, leaf.dispersalRoot))
          throw new EpioneError('malformed-dispersal', 'A version is not dispersed as its author committed to.')
        const again = (): AsyncIterable<Uint8Array> => (kept === undefined ? this.#readAgain(listed, candidates) : fromParts(kept))
        result.push({ listed, opened, fragmentRoots, ciphertext: again })
      }
      done = true
    } finally {
      reader.end(done)
    }
    return result
  }

  async *#readAgain(listed: ListedVersion, candidates: CurrentCustodians): AsyncGenerator<Uint8Array> {
    const reader = new SubmissionReader(this.#peer, this.#session, [listed], candidates, this.#readOptions())
    let done = false
    try {
      for await (const { ciphertext } of reader.ciphertexts()) yield* ciphertext
      done = true
    } finally {
      reader.end(done)
    }
  }

  #readOptions() {
    const { signal, timer } = this.#options
    return { signal, ...(timer === undefined ? {} : { timer }) }
  }

  /** Seals the version's key to the folder, with the place for which its author signed where that is another one. */
  #reseal({ listed, opened }: Pick<Resealed, 'listed' | 'opened'>, into: OwnedFolder): VersionMeta {
    const { meta } = listed
    const { recordId, version } = meta.leaf
    const hidden = commitmentSalt(opened.key)
    const signedFor = opened.place ?? provenancePlace(hidden, this.#source.id)
    const isHome = equalBytes(signedFor, provenancePlace(hidden, into.id))
    const { epoch, sealingKey } = into.folder
    const context = sealingContext.versionKey(this.#peer.chainId, into.id, epoch, recordId, version)
    const sealedKey = seal(sealingKey, encodeVersionKey({ key: opened.key, place: isHome ? null : signedFor }), context)
    return salted({ ...meta, sealedKey, leaf: { ...meta.leaf, sealedKeyHash: sealedKeyHash(sealedKey) } })
  }

  /** That the versions are in their submission, as one of its custodians proves it. */
  async #proof(versions: readonly ListedVersion[], candidates: CurrentCustodians): Promise<readonly Uint8Array[]> {
    const { submission } = versions[0] as ListedVersion
    let last: unknown
    for (const holder of this.#peer.standings.rank(candidates.holders)) {
      try {
        const ask = { submissionRoot: submission.root, leaves: versions.map(({ leaf }) => leaf) }
        const stream = await ReleaseStream.open(this.#peer, this.#session, holder, ask, this.#options)
        stream.abort()
        if (stream.total === versions[0]?.total) return stream.proof
      } catch (error) {
        this.#options.signal?.throwIfAborted()
        last = error
      }
    }
    throw new EpioneError('too-few-custodians', 'No custodian could prove what is to be moved; try again later.', { cause: last })
  }

  /** Signs, whenever it is called, what the organisation that wrote them needs to see before it stands for them in the other folder. */
  #signer(drawn: readonly Resealed[], submission: AnchoredSubmission, into: OwnedFolder, proof: readonly Uint8Array[]): () => SignedMove {
    const peer = this.#peer
    const content = {
      chainId: peer.chainId,
      source: this.#source.id,
      sourceRoot: submission.root,
      total: (drawn[0] as Resealed).listed.total,
      proof: [...proof],
      target: into.id,
      versions: drawn.map(({ listed, meta }) => ({
        position: listed.leaf,
        leaf: listed.meta.leaf,
        sealedKeyHash: meta.leaf.sealedKeyHash,
        classCommitment: meta.leaf.classCommitment,
      })),
      peer: peer.nodes.network.networkKey,
    }
    const [sourceKey, targetKey] = [folderOwnerKey(this.#wallet, this.#source), folderOwnerKey(this.#wallet, into)]
    return () => {
      const encoded = moveCodec.encode({ ...content, time: peer.now() })
      const bytes = moveBytes(encoded)
      return {
        content: encoded,
        sourceKey: sourceKey.publicKey,
        sourceSignature: sourceKey.sign(bytes),
        targetKey: targetKey.publicKey,
        targetSignature: targetKey.sign(bytes),
      }
    }
  }

  async #submit({ drawn, root, placement, memberHeight, into, signed }: Prepared): Promise<void> {
    const peer = this.#peer
    const { n, k } = peer.parameters
    const sponsor = into.folder.author
    const size = drawn.reduce((sum, { meta }) => sum + meta.size, 0)
    const ticket: UploadTicket = {
      ...{ folder: into.id, epoch: into.folder.epoch, submissionRoot: root, versions: drawn.length, size, n, k, memberHeight },
      ...{ labelSalt: into.labelSalt, label: into.label, sponsor, until: peer.now() + TICKET_MS },
    }
    const ticketBytes = uploadTicketCodec.encode(ticket)
    const asked = await peer.askMember(sponsor, { type: 'move-ticket', value: { move: signed(), ticket: ticketBytes } }, this.#options)
    const { signature } = signatureResponseCodec.decode(asked)
    const directory = await peer.members(this.#options)
    const secret = uploadSecret()
    const uploads = placement.custodians.map(({ id }, index) => {
      const member = directory.find(one => equalBytes(one.id, id)) as MemberInfo
      return new Upload(peer, member, index, { ticket: ticketBytes, signature, token: uploadToken(secret, id), submissionRoot: root })
    })
    const group = new UploadGroup(uploads, n - Math.floor((n - 1) / 3), this.#options.timer ?? systemTimer)
    await group.run(drawn, { n, k }, { ...this.#options, onSent: () => undefined })
    for (const { member, error } of uploads) if (error !== undefined) peer.standings.failed(member, errorCode(error))

    const sizeBucket = Math.ceil(Math.log2(Math.max(1, size)))
    const body = anchorBodyCodec.encode({ folder: into.id, epoch: into.folder.epoch, submissionRoot: root, sizeBucket, n, k, memberHeight })
    const from = { kind: 'folder' as const, id: into.id }
    const transaction = peer.sign({ from, contract: 'records', action: 'anchor', body, sponsor }, folderOwnerKey(this.#wallet, into))
    const { receipts } = group
    const answer = await peer.askMember(
      sponsor,
      { type: 'move-anchor', value: { move: signed(), transaction: transaction.bytes, receipts } },
      this.#options,
    )
    const { transaction: bytes } = sponsorResponseCodec.decode(answer)
    this.anchored.push(await peer.submit({ id: transaction.id, bytes }, this.#options))
  }
}

interface Prepared {
  readonly drawn: readonly Resealed[]
  readonly root: Uint8Array
  readonly placement: Placement
  readonly memberHeight: number
  readonly into: OwnedFolder
  readonly signed: () => SignedMove
}

/** The version with a new salt, and so a new class commitment and another erasure mark. */
function salted(meta: VersionMeta): VersionMeta {
  const salt = randomBytes(32)
  return { ...meta, salt, leaf: { ...meta.leaf, classCommitment: classCommitment(salt, meta.class, meta.dataTime) } }
}

/** The source, of which the bytes are noted where `parts` is given. */
async function* noting(source: AsyncIterable<Uint8Array>, parts: Uint8Array[] | undefined): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    parts?.push(Uint8Array.from(piece))
    yield piece
  }
}

async function* fromParts(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}
