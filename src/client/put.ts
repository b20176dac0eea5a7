/** Writes records: seals each version to its folder, disperses it over the custodians, and has the submission anchored. */

import type { Folder } from '../contracts/folders-formats.ts'
import type { Custodians } from '../contracts/members-formats.ts'
import { anchorBodyCodec } from '../contracts/records-formats.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { MAX_SUBMISSION_VERSIONS, submissionRoot, type UploadTicket, uploadTicketCodec } from '../fragments/formats.ts'
import { fragmentLength } from '../fragments/layout.ts'
import { systemTimer, type Timer } from '../fragments/pace.ts'
import { place } from '../fragments/placement.ts'
import { deskSignature, deskTransaction } from './desk.ts'
import { type FolderAddress, readFolder } from './folders.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import { PutMeter, type PutProgress } from './put-meter.ts'
import { collectEvidence, type ReceiptSet } from './receipt-set.ts'
import type { RecordInput } from './record-input.ts'
import { MAX_CONTENT_BYTES } from './record-object.ts'
import { resealVersion, type SealedVersion, sealedBefore, sealVersion } from './sealed-version.ts'
import { Upload } from './upload.ts'
import { UploadGroup } from './upload-group.ts'
import {
  type JournalStore,
  MAX_JOURNAL_VERSIONS,
  MIN_JOURNAL_BYTES,
  openJournal,
  sealJournal,
  uploadSecret,
  uploadToken,
} from './upload-journal.ts'

export type { RecordInput } from './record-input.ts'

/** How long a ticket is good for, in ms. */
const TICKET_MS = 50 * 60 * 1000
/** How often keys are sealed to a newer epoch of the folder before the write fails. */
const EPOCH_TRIES = 3
/** What a write ends in where the folder went into another epoch: at the ledger, or at the custodians before. */
const STALE_CODES: ReadonlySet<string> = new Set(['stale-epoch', 'too-few-receipts'])

export interface PutOptions extends CallOptions {
  /**
   * Hash of the compression dictionary for FHIR, one that the network's parameters accept; null compresses without.
   * @default the first of the accepted ones that this version knows
   */
  dictionary?: Uint8Array | null
  onProgress?: (progress: PutProgress) => void
  /** Where a large upload is remembered until it is anchored, so that it goes on when the same content is put again. */
  journal?: JournalStore
  /** From how many bytes on an upload is remembered. @default 4 MiB: less is sent again */
  journalFrom?: number
  /** Clock by which slow custodians are told. */
  timer?: Timer
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
  /** Bytes of fragments that were sent now; less than all where an earlier attempt had sent some. */
  sentBytes: number
  /** Whether it went on where an earlier attempt broke off. */
  resumed: boolean
  anchored: Committed
  /** The custodians' signed receipts, with what proves them: see receipt-set.ts. */
  receipts: ReceiptSet
}

/** What is written, and by which set of custodians it is placed. */
interface Draft {
  sealed: SealedVersion[]
  secret: Uint8Array
  resumed: boolean
  memberHeight: number
  custodians: Custodians
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
  const meter = new PutMeter(inputs, options.onProgress)
  const metered = meter.inputs()
  try {
    const draft =
      (await draftBefore(peer, person, address, folder, metered, meter, options)) ??
      (await newDraft(peer, person, address, folder, metered, meter, options))
    const result = await submitInEpoch(peer, person, address, { folder, draft }, meter, options)
    await options.journal?.clear()
    return result
  } catch (error) {
    // Another content never goes on under these keys: what custodians have of it, nobody has the token for from now on.
    if (errorCode(error) === 'content-changed') await options.journal?.clear()
    throw error
  }
}

/** Submits; where the folder's owner begins an epoch meanwhile, the keys of the versions are sealed to the new one and sent again. */
async function submitInEpoch(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  { folder, draft }: { folder: Folder; draft: Draft },
  meter: PutMeter,
  options: PutOptions,
): Promise<PutResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await submit(peer, person, address, folder, draft, meter, options)
    } catch (error) {
      if (!STALE_CODES.has(errorCode(error)) || tries === EPOCH_TRIES) throw error
      const present = await readFolder(peer, address.id, options)
      if (present === null || present.epoch === folder.epoch) throw error
      folder = present
      draft = { ...draft, resumed: false, sealed: draft.sealed.map(version => resealVersion(peer, address, present, version)) }
      await saveDraft(peer, person, address, folder, draft, options)
    }
  }
}

async function newDraft(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  folder: Folder,
  inputs: readonly RecordInput[],
  meter: PutMeter,
  options: PutOptions,
): Promise<Draft> {
  const { height: memberHeight, custodians } = await peer.custodians(options)
  const sealed: SealedVersion[] = []
  for (const [i, input] of inputs.entries()) {
    options.signal?.throwIfAborted()
    sealed.push(await sealVersion(peer, person, address, folder, input, { ...options, onPass: pass => meter.pass(pass, i) }))
  }
  const draft = { sealed, secret: uploadSecret(), resumed: false, memberHeight, custodians }
  await saveDraft(peer, person, address, folder, draft, options)
  return draft
}

/** Remembers an upload that is long enough to be worth going on with. */
async function saveDraft(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  folder: Folder,
  { sealed, secret, memberHeight }: Draft,
  options: PutOptions,
): Promise<void> {
  const size = sealed.reduce((sum, { input }) => sum + input.content.size, 0)
  if (options.journal === undefined || size < (options.journalFrom ?? MIN_JOURNAL_BYTES) || sealed.length > MAX_JOURNAL_VERSIONS) return
  const { chainId } = peer
  const versions = sealed.map(version => version.secret)
  const journal = { version: 2, chainId, folder: address.id, epoch: folder.epoch, memberHeight, secret, versions }
  await options.journal.save(sealJournal(person, journal))
}

/** The draft of an attempt that broke off, where it is of this folder and content and its custodians are still the same. */
async function draftBefore(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  folder: Folder,
  inputs: readonly RecordInput[],
  meter: PutMeter,
  options: PutOptions,
): Promise<Draft | undefined> {
  const kept = await options.journal?.load()
  const journal = kept == null ? undefined : openJournal(person, peer.chainId, kept)
  if (journal === undefined) return undefined
  const { height, custodians } = await peer.custodians(options)
  const fits =
    equalBytes(journal.folder, address.id) &&
    journal.epoch === folder.epoch &&
    journal.memberHeight === height &&
    journal.versions.length === inputs.length
  if (!fits) return undefined
  const sealed: SealedVersion[] = []
  for (const [i, input] of inputs.entries()) {
    options.signal?.throwIfAborted()
    meter.pass('hashing', i)
    const secret = journal.versions[i]
    const version = secret === undefined ? undefined : await sealedBefore(peer, input, secret, options)
    if (version === undefined) return undefined
    sealed.push(version)
  }
  return { sealed, secret: journal.secret, resumed: true, memberHeight: height, custodians }
}

async function submit(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  folder: Folder,
  draft: Draft,
  meter: PutMeter,
  options: PutOptions,
): Promise<PutResult> {
  const { n, k } = peer.parameters
  const { sealed, memberHeight } = draft
  const root = submissionRoot(sealed.map(({ meta }) => meta.leaf))
  const policy = peer.parameters.policies[folder.policy]?.jurisdictions ?? null
  const placement = place({ key: root, custodians: draft.custodians, n, k, policy })
  const size = sealed.reduce((sum, { meta }) => sum + meta.size, 0)
  const ticket: UploadTicket = {
    folder: address.id,
    epoch: folder.epoch,
    submissionRoot: root,
    versions: sealed.length,
    size,
    n,
    k,
    memberHeight,
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
    const token = uploadToken(draft.secret, member.id)
    return new Upload(peer, member, index, { ticket: ticketBytes, signature, token, submissionRoot: root })
  })
  const group = new UploadGroup(uploads, n - Math.floor((n - 1) / 3), options.timer ?? systemTimer)
  const onSent = (version: number, bytes: number): void => meter.sent(version, bytes, sealed[version]?.meta.size ?? bytes)
  await group.run(sealed, { n, k }, { ...options, onSent })
  for (const { member, error } of uploads) if (error !== undefined) peer.standings.failed(member, errorCode(error))

  meter.phase('anchoring')
  const body = anchorBodyCodec.encode({
    folder: address.id,
    epoch: folder.epoch,
    submissionRoot: root,
    sizeBucket: Math.ceil(Math.log2(Math.max(1, size))),
    n,
    k,
    memberHeight,
  })
  const { receipts } = group
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
    sentBytes: uploads.reduce((sum, upload) => sum + upload.sentBytes, 0),
    resumed: draft.resumed,
    anchored,
    receipts: await collectEvidence(peer, { body, receipts, anchored }, options),
  }
}
