/** Writes records: seals each version to its folder, disperses it over the custodians, and has the submission anchored. */

import type { RecordClass } from '../contracts/consent-terms.ts'
import type { Folder } from '../contracts/folders-formats.ts'
import type { Custodians } from '../contracts/members-formats.ts'
import { anchorBodyCodec } from '../contracts/records-formats.ts'
import { commitmentSalt, encryptObject, objectLength } from '../crypto/object-stream.ts'
import { randomBytes } from '../crypto/random.ts'
import { seal } from '../crypto/sealing.ts'
import { verifySignature } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { computeDispersal, disperse } from '../fragments/dispersal.ts'
import {
  classCommitment,
  MAX_SUBMISSION_VERSIONS,
  type ObjectHeader,
  objectHeaderCodec,
  provenanceBytes,
  recordCommitment,
  sealedKeyHash,
  sealingContext,
  storageReceiptBytes,
  storageReceiptCodec,
  submissionRoot,
  type UploadTicket,
  uploadTicketCodec,
  type VersionMeta,
} from '../fragments/formats.ts'
import { fragmentLength } from '../fragments/layout.ts'
import { place } from '../fragments/placement.ts'
import { uploadFrameCodec, uploadReplyCodec, VERSIONS_PER_FRAME } from '../network/fragment-messages.ts'
import type { FrameChannel } from '../network/frames.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../network/protocols.ts'
import { deskSignature, deskTransaction } from './desk.ts'
import { type FolderAddress, readFolder } from './folders.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import {
  type Content,
  chooseDictionary,
  MAX_CONTENT_BYTES,
  objectPlaintext,
  objectPlaintextLength,
  prepareContent,
} from './record-object.ts'

/** How long a custodian may take for one frame of an upload, in ms. */
const FRAME_TIMEOUT_MS = 20_000
/** How long a custodian may take to get everything onto its disk, or to check a ticket, in ms. */
const REPLY_TIMEOUT_MS = 60_000
/** How long a ticket is good for, in ms. */
const TICKET_MS = 50 * 60 * 1000

/** One version to write. */
export interface RecordInput {
  /** Record of which this is a new version; left out for a new record. */
  recordId?: Uint8Array
  /** @default 1 */
  version?: number
  mediaType: string
  /** @default 'record' */
  kind?: ObjectHeader['kind']
  /** FHIR resource type, or empty. */
  resourceType?: string
  class: RecordClass
  /** Time of the content, in ms, where it has one: by it a consent may be narrowed. */
  dataTime?: number | null
  content: Content
}

export interface PutProgress {
  phase: 'sealing' | 'uploading' | 'anchoring'
  /** Versions done, and in all. */
  versions: number
  totalVersions: number
  /** Bytes of content read, over all phases so far, and in all. */
  bytes: number
  totalBytes: number
}

export interface PutOptions extends CallOptions {
  /**
   * Hash of the compression dictionary for FHIR, one that the network's parameters accept; null compresses without.
   * @default the first of the accepted ones that this version knows
   */
  dictionary?: Uint8Array | null
  onProgress?: (progress: PutProgress) => void
}

export interface WrittenVersion {
  recordId: Uint8Array
  version: number
  leaf: number
  resourceType: string
  size: number
}

export interface PutResult {
  /** `degraded` where some custodians have no copy yet: what was acknowledged still survives any f losses. */
  status: 'written' | 'degraded'
  folder: Uint8Array
  submissionRoot: Uint8Array
  versions: WrittenVersion[]
  /** Where the fragments went, by index. */
  custodians: { index: number; id: Uint8Array; name: string; jurisdiction: string; bytes: number; stored: boolean; error?: string }[]
  /** The residency policy forced k or more fragments into one jurisdiction. */
  relaxed: boolean
  /** Bytes of ciphertext before coding. */
  size: number
  anchored: Committed
}

interface SealedVersion {
  input: RecordInput
  meta: VersionMeta
  fragmentRoots: Uint8Array[]
  ciphertext: () => AsyncIterable<Uint8Array>
}

/**
 * Writes versions together into one folder: all of them or none.
 * @throws EpioneError `too-large`, `dictionary-not-accepted`, `not-found` (no such folder), `too-few-receipts` (fewer than n - f custodians stored it: nothing is
 * anchored), `stale-epoch`, `stale-members`, `content-changed`, and what the desk of the organisation refuses
 */
export async function putRecords(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  inputs: readonly RecordInput[],
  options: PutOptions = {},
): Promise<PutResult> {
  if (inputs.length < 1 || inputs.length > MAX_SUBMISSION_VERSIONS) {
    throw new EpioneError('too-many-versions', `A submission holds 1 to ${MAX_SUBMISSION_VERSIONS} versions, not ${inputs.length}.`)
  }
  const size = inputs.reduce((sum, input) => sum + input.content.size, 0)
  if (size > MAX_CONTENT_BYTES) {
    throw new EpioneError('too-large', `A submission holds at most ${MAX_CONTENT_BYTES} bytes of content, not ${size}.`, {
      metadata: { bytes: size, limit: MAX_CONTENT_BYTES },
    })
  }
  const folder = await readFolder(peer, address.id, options)
  if (folder === null) throw notFound()
  const progress = new Progress(inputs, options.onProgress)
  const { height: memberHeight, custodians } = await peer.custodians(options)
  const sealed: SealedVersion[] = []
  for (const input of inputs) {
    options.signal?.throwIfAborted()
    sealed.push(await sealVersion(peer, person, address, folder, input, options))
    progress.advance('sealing', input.content.size)
  }
  const submission = await submit(peer, person, address, folder, sealed, { memberHeight, custodians }, progress, options)
  return submission
}

async function sealVersion(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  folder: Folder,
  input: RecordInput,
  options: PutOptions,
): Promise<SealedVersion> {
  const { n, k } = peer.parameters
  const recordId = input.recordId ?? randomBytes(32)
  const version = input.version ?? 1
  const dictionary = chooseDictionary(input.mediaType, peer.parameters.dictionaries, options.dictionary)
  const prepared = await prepareContent(input.content, dictionary)
  const unsigned = {
    version: 1,
    mediaType: input.mediaType,
    kind: input.kind ?? ('record' as const),
    encoding: prepared.encoding,
    dictionary: prepared.dictionary,
    size: prepared.size,
    storedSize: prepared.stored.size,
    contentHash: prepared.contentHash,
    resourceType: input.resourceType ?? '',
    time: peer.now(),
    author: { organisation: person.organisation, key: person.signing.publicKey, role: person.role },
  }
  const signature = person.signing.sign(provenanceBytes(address.id, recordId, version, unsigned))
  const header = objectHeaderCodec.encode({ ...unsigned, author: { ...unsigned.author, signature } })
  const dek = randomBytes(32)
  const objectSalt = randomBytes(32)
  const plaintextLength = objectPlaintextLength(header, prepared.stored.size)
  const size = objectLength(plaintextLength)
  // Encrypted twice with the same key and salt, to the same bytes: once to learn the roots, once to send. Memory stays flat.
  const ciphertext = (): AsyncIterable<Uint8Array> =>
    encryptObject(dek, objectSalt, objectPlaintext(header, prepared.stored), plaintextLength)
  const dispersal = await computeDispersal(ciphertext(), size, { n, k }, { signal: options.signal })
  const sealedKey = seal(folder.sealingKey, dek, sealingContext.versionKey(peer.chainId, address.id, folder.epoch, recordId, version))
  const salt = randomBytes(32)
  const dataTime = input.dataTime ?? null
  const leaf = {
    recordId,
    version,
    dispersalRoot: dispersal.root,
    commitment: recordCommitment(commitmentSalt(dek), header),
    sealedKeyHash: sealedKeyHash(sealedKey),
    classCommitment: classCommitment(salt, input.class, dataTime),
  }
  return { input, ciphertext, fragmentRoots: dispersal.fragmentRoots, meta: { leaf, sealedKey, salt, class: input.class, dataTime, size } }
}

async function submit(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  folder: Folder,
  sealed: readonly SealedVersion[],
  members: { memberHeight: number; custodians: Custodians },
  progress: Progress,
  options: PutOptions,
): Promise<PutResult> {
  const { n, k } = peer.parameters
  const root = submissionRoot(sealed.map(({ meta }) => meta.leaf))
  const policy = peer.parameters.policies[folder.policy]?.jurisdictions ?? null
  const placement = place({ key: root, custodians: members.custodians, n, k, policy })
  const size = sealed.reduce((sum, { meta }) => sum + meta.size, 0)
  const ticket: UploadTicket = {
    folder: address.id,
    epoch: folder.epoch,
    submissionRoot: root,
    versions: sealed.length,
    size,
    n,
    k,
    memberHeight: members.memberHeight,
    labelSalt: address.labelSalt,
    label: address.label,
    sponsor: person.organisation,
    until: peer.now() + TICKET_MS,
  }
  const ticketBytes = uploadTicketCodec.encode(ticket)
  const signature = await deskSignature(peer, person, { type: 'ticket', value: { ticket: ticketBytes } }, options)
  const directory = await peer.members(options)
  const uploads = placement.custodians.map((custodian, index) => {
    const member = directory.find(({ id }) => equalBytes(id, custodian.id)) as MemberInfo
    return new Upload(peer, member, index, root)
  })
  const needed = n - Math.floor((n - 1) / 3)
  try {
    await Promise.all(uploads.map(async upload => await upload.begin(ticketBytes, signature, sealed, options)))
    requireReceipts(uploads, needed, n)
    await sendFragments(uploads, sealed, { n, k }, progress, options)
    await Promise.all(uploads.map(async upload => await upload.finish()))
    requireReceipts(uploads, needed, n)
  } catch (error) {
    for (const upload of uploads) upload.cancel()
    throw error
  }

  progress.phase('anchoring')
  const body = anchorBodyCodec.encode({
    folder: address.id,
    epoch: folder.epoch,
    submissionRoot: root,
    sizeBucket: Math.ceil(Math.log2(Math.max(1, size))),
    n,
    k,
    memberHeight: members.memberHeight,
  })
  const receipts = uploads.flatMap(upload => upload.receipt ?? [])
  const anchored = await deskTransaction(peer, person, { type: 'anchor', value: { body, receipts } }, options)
  return {
    status: receipts.length === n ? 'written' : 'degraded',
    folder: address.id,
    submissionRoot: root,
    versions: sealed.map(({ meta, input }, leaf) => ({
      recordId: meta.leaf.recordId,
      version: meta.leaf.version,
      leaf,
      resourceType: input.resourceType ?? '',
      size: input.content.size,
    })),
    custodians: uploads.map(upload => ({
      index: upload.index,
      id: upload.member.id,
      name: upload.member.organisation.name,
      jurisdiction: upload.member.organisation.jurisdiction,
      bytes: sealed.reduce((sum, { meta }) => sum + fragmentLength(meta.size, n, k), 0),
      stored: upload.receipt !== undefined,
      ...(upload.error === undefined ? {} : { error: errorCode(upload.error) }),
    })),
    relaxed: placement.relaxed,
    size,
    anchored,
  }
}

function requireReceipts(uploads: readonly Upload[], needed: number, n: number): void {
  const working = uploads.filter(upload => upload.error === undefined)
  if (working.length >= needed) return
  const failed = uploads.filter(upload => upload.error !== undefined)
  const names = failed.map(upload => `${upload.member.organisation.name} (${errorCode(upload.error)})`).join(', ')
  throw new EpioneError(
    'too-few-receipts',
    `Only ${working.length} of ${n} custodians could store it and ${needed} are needed; missing: ${names}. Nothing was anchored.`,
    {
      metadata: { receipts: working.length, needed },
      cause: failed[0]?.error,
    },
  )
}

/** Encodes each version once and sends every custodian its chunks, at the pace of the slowest that still works. */
async function sendFragments(
  uploads: readonly Upload[],
  sealed: readonly SealedVersion[],
  code: { n: number; k: number },
  progress: Progress,
  options: PutOptions,
): Promise<void> {
  for (const version of sealed) {
    for await (const { stripe, shards } of disperse(version.ciphertext(), version.meta.size, code, { signal: options.signal })) {
      await Promise.all(
        uploads.map(async upload => {
          const chunk = shards[upload.index] as Uint8Array
          if (stripe > 0) await upload.send({ type: 'chunk', value: chunk })
          else await upload.send({ type: 'fragment', value: { roots: version.fragmentRoots, chunk } })
        }),
      )
    }
    progress.advance('uploading', version.input.content.size)
  }
}

/** The upload to one custodian. A failure is kept, and what follows does nothing: the others go on. */
class Upload {
  readonly member: MemberInfo
  readonly index: number
  error: unknown
  receipt: { receipt: Uint8Array; signature: Uint8Array } | undefined
  readonly #peer: LightPeer
  readonly #root: Uint8Array
  #channel: FrameChannel | undefined
  #replies: AsyncIterator<Uint8Array> | undefined

  constructor(peer: LightPeer, member: MemberInfo, index: number, root: Uint8Array) {
    this.#peer = peer
    this.member = member
    this.index = index
    this.#root = root
  }

  async begin(ticket: Uint8Array, signature: Uint8Array, sealed: readonly SealedVersion[], options: CallOptions): Promise<void> {
    await this.#attempt(async () => {
      const channel = await this.#peer.nodes.openStream(this.member.organisation.networkKey, PROTOCOL.upload, {
        ...options,
        maxFrame: MAX_FRAGMENT_FRAME,
        frameTimeoutMs: REPLY_TIMEOUT_MS,
      })
      this.#channel = channel
      this.#replies = channel.frames()[Symbol.asyncIterator]()
      await this.send({ type: 'start', value: { ticket, signature, index: this.index } })
      for (let i = 0; i < sealed.length; i += VERSIONS_PER_FRAME) {
        await this.send({ type: 'versions', value: sealed.slice(i, i + VERSIONS_PER_FRAME).map(({ meta }) => meta) })
      }
      const reply = await this.#reply()
      if (reply.type !== 'ready') throw new EpioneError('malformed', 'The custodian did not answer as it should.')
    })
  }

  async send(frame: Parameters<typeof uploadFrameCodec.encode>[0]): Promise<void> {
    await this.#attempt(async () => {
      if (this.#channel === undefined) throw new EpioneError('connection-lost', 'There is no connection to the custodian.')
      await this.#channel.send(uploadFrameCodec.encode(frame), { signal: AbortSignal.timeout(FRAME_TIMEOUT_MS) })
    })
  }

  /** Waits for the custodian's signed word that everything is on its disk. */
  async finish(): Promise<void> {
    await this.#attempt(async () => {
      const reply = await this.#reply()
      if (reply.type !== 'receipt') throw new EpioneError('malformed', 'The custodian did not answer as it should.')
      const receipt = storageReceiptCodec.decode(reply.value.receipt)
      const right =
        equalBytes(receipt.submissionRoot, this.#root) &&
        equalBytes(receipt.custodian, this.member.id) &&
        receipt.index === this.index &&
        verifySignature(this.member.organisation.signingKey, storageReceiptBytes(receipt), reply.value.signature)
      if (!right) throw new EpioneError('malformed', "The custodian's receipt does not hold.")
      this.receipt = reply.value
      await this.#channel?.close()
    })
  }

  cancel(): void {
    this.#channel?.abort(new Error('the upload was given up'))
  }

  async #reply() {
    const { value, done } = (await this.#replies?.next()) ?? { value: undefined, done: true }
    if (done === true || value === undefined) throw new EpioneError('connection-lost', 'The custodian ended the upload.')
    const reply = uploadReplyCodec.decode(value)
    if (reply.type === 'error') {
      const decoder = new TextDecoder()
      throw new EpioneError(decoder.decode(reply.value.code), decoder.decode(reply.value.message))
    }
    return reply
  }

  async #attempt(run: () => Promise<void>): Promise<void> {
    if (this.error !== undefined) return
    try {
      await run()
    } catch (error) {
      // A custodian that refuses says why and closes; the reason is worth more than the broken pipe that it causes.
      this.error = this.#replies === undefined ? error : await this.#reason(error)
      this.cancel()
    }
  }

  async #reason(error: unknown): Promise<unknown> {
    if (errorCode(error) !== 'connection-lost') return error
    try {
      await this.#reply()
    } catch (told) {
      return errorCode(told) === 'connection-lost' ? error : told
    }
    return error
  }
}

class Progress {
  readonly #report: PutOptions['onProgress']
  readonly #state: PutProgress

  constructor(inputs: readonly RecordInput[], report: PutOptions['onProgress']) {
    this.#report = report
    const bytes = inputs.reduce((sum, input) => sum + input.content.size, 0)
    this.#state = { phase: 'sealing', versions: 0, totalVersions: inputs.length, bytes: 0, totalBytes: 2 * bytes }
  }

  phase(phase: PutProgress['phase']): void {
    if (this.#state.phase === phase) return
    this.#state.phase = phase
    this.#state.versions = 0
    this.#report?.({ ...this.#state })
  }

  advance(phase: PutProgress['phase'], bytes: number): void {
    this.phase(phase)
    this.#state.versions++
    this.#state.bytes += bytes
    this.#report?.({ ...this.#state })
  }
}
