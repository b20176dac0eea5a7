/** Notices to everybody who read a version that is disputed, and their signed word that they saw it. */
import { accessOpeningCodec } from '../contracts/consent-terms.ts'
import { disputeCommitment, disputeId, disputeOpeningCodec } from '../contracts/disputes-formats.ts'
import { verifySignature } from '../crypto/signature.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { folderRequestCodec, noticesResponseCodec } from '../network/light-messages.ts'
import {
  acknowledgementBytes,
  acknowledgementCodec,
  type KeptNotice,
  type Notice,
  noticeCodec,
  noticeId,
} from '../network/notice-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { type LoggedAccess, readAccessLog } from './access-log.ts'
import { deskAcknowledge, deskNotices } from './desk.ts'
import { listDisputes, type OwnedDispute } from './disputes.ts'
import { signAsk } from './folder-ask.ts'
import { folderOwnerKey, type OwnedFolder, scanFolders, type Wallet } from './folders.ts'
import type { Person } from './identity.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { signed } from './signer.ts'
import type { VersionDispute } from './version-disputes.ts'

/** Somebody who read the version, and what their organisation knows of the notice to them. */
export interface NoticedReader {
  readonly organisation: MemberInfo
  /** Signing key and role; null where nobody who answered has told who it was. */
  readonly reader: { readonly key: Uint8Array; readonly role: string } | null
  /** The look at the version, the latest. */
  readonly entry: LoggedAccess
  /** When the organisation took the notice of the present state of the dispute, by its clock; null where it did not. */
  readonly received: number | null
  /** When the reader signed that they saw it, by their clock; null where they did not. */
  readonly seen: number | null
  /** Why nothing is known, where the organisation did not answer or gave what does not hold. */
  readonly code: string | null
}

/** A dispute in one of the folders that its version went through. */
export interface DisputePlace {
  readonly owned: OwnedFolder
  readonly dispute: OwnedDispute
}

/**
 * Everywhere that a dispute is, the newest last: the version may have been moved, and what is said of it with it. Each is of the same version, in the
 * same words, in a folder of the wallet by the same author. With no other place it is the dispute alone.
 */
export async function disputePlaces(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  dispute: OwnedDispute,
  options: CallOptions = {},
): Promise<DisputePlace[]> {
  const { shown, statement } = dispute
  if (shown === null || statement === null) return [{ owned, dispute }]
  const { folders } = await scanFolders(peer, wallet, options)
  const places = await Promise.all(
    folders
      .filter(({ folder }) => equalBytes(folder.author, owned.folder.author))
      .map(async one => (await listDisputes(peer, wallet, one, options)).map(other => ({ owned: one, dispute: other }))),
  )
  const found = places
    .flat()
    .filter(
      ({ dispute: other }) =>
        other.statement === statement &&
        other.shown?.opening.version === shown.opening.version &&
        equalBytes(other.shown.opening.recordId, shown.opening.recordId),
    )
    .sort((a, b) => a.dispute.line.height - b.dispute.line.height)
  return found.length === 0 ? [{ owned, dispute }] : found
}

/** What became of the notices of a dispute, and how the dispute stands. */
export interface Noticed {
  readonly readers: NoticedReader[]
  /** Custodians that did not answer: who read by them alone is not among the readers. */
  readonly silent: readonly MemberInfo[]
  /** Where the dispute goes on, which tells how it stands: the place that was asked about, unless the version was moved since. */
  readonly present: DisputePlace
}

/**
 * Leaves a notice for everybody who read the version, with the organisation that answers for them, and says what became of it. What was left
 * before is not left again. Without `send` it only asks. Who read the version where it was before a move is told, too: how the dispute stands
 * now, and nothing of where the version went.
 */
export async function noticeReaders(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  dispute: OwnedDispute,
  options: CallOptions & { send?: boolean } = {},
): Promise<Noticed> {
  if (dispute.shown === null)
    throw new EpioneError('too-few-custodians', 'No custodian that answered knows what this dispute is about; try again later.')
  const places = await disputePlaces(peer, wallet, owned, dispute, options)
  const present = places.at(-1) as DisputePlace
  const readers: NoticedReader[] = []
  const silent = new Map<string, MemberInfo>()
  for (const place of places) {
    const found = await noticeAt(peer, wallet, place, present, options)
    readers.push(...found.readers)
    for (const member of found.silent) silent.set(toHex(member.id), member)
  }
  return { readers, silent: [...silent.values()], present }
}

async function noticeAt(
  peer: LightPeer,
  wallet: Wallet,
  { owned, dispute }: DisputePlace,
  present: DisputePlace,
  options: CallOptions & { send?: boolean },
): Promise<{ readers: NoticedReader[]; silent: readonly MemberInfo[] }> {
  const { shown } = dispute
  if (shown === null) return { readers: [], silent: [] }
  const isPresent = dispute === present.dispute
  const { status, answer } = present.dispute.line
  // The submission of another folder is not for who read here: that it is somewhere is not theirs to know.
  const standing = { status, submissionRoot: status === 'accepted' && isPresent ? answer : null }
  const log = await readAccessLog(peer, wallet, owned, options)
  const { submissionRoot, leaf } = shown.opening
  const readers = new Map<string, LoggedAccess & { organisation: MemberInfo }>()
  for (const entry of log.entries) {
    const { organisation, releases, opening } = entry
    const hasRead = releases.some(
      ({ receipt }) => !receipt.listed && receipt.leaves.includes(leaf) && equalBytes(receipt.submissionRoot, submissionRoot),
    )
    if (organisation === null || !hasRead) continue
    // Where nobody tells who it was, each look stands for itself.
    readers.set(`${toHex(organisation.id)}/${toHex(opening?.reader ?? entry.id)}`, { ...entry, organisation })
  }
  const found = await Promise.all(
    [...readers.values()].map(async entry => await notified(peer, wallet, owned, { id: dispute.id, shown, standing }, entry, options)),
  )
  return { readers: found, silent: log.silent }
}

/** What a notice is about, and what it says. */
interface NoticeContent {
  readonly id: Uint8Array
  readonly shown: VersionDispute
  readonly standing: Pick<Notice, 'status' | 'submissionRoot'>
}

async function notified(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  { id, shown, standing }: NoticeContent,
  entry: LoggedAccess & { organisation: MemberInfo },
  options: CallOptions & { send?: boolean },
): Promise<NoticedReader> {
  const { organisation, opening } = entry
  const reader = opening === null ? null : { key: opening.reader, role: opening.role }
  const unknown = { organisation, reader, entry, received: null, seen: null }
  if (opening === null) return { ...unknown, code: 'reader-unknown' }
  const key = folderOwnerKey(wallet, owned)
  const ask = async () => await signAsk(peer, key, { folder: owned.id, consent: null, custodian: organisation })
  const request = async (bytes: Uint8Array): Promise<Uint8Array> =>
    await peer.nodes.request(organisation.organisation.networkKey, PROTOCOL.folder, bytes, {
      ...options,
      maxResponse: noticesResponseCodec.maxBytes,
    })
  const kept = async (): Promise<KeptNotice | undefined> => {
    const { notices } = noticesResponseCodec.decode(
      await request(folderRequestCodec.encode({ type: 'get-notices', value: { ...(await ask()), dispute: id } })),
    )
    return notices.find(one => equalBytes(one.reader, opening.reader) && isOf(noticeCodec.decode(one.notice), standing.status))
  }
  try {
    let found = await kept()
    if (found === undefined && options.send === true) {
      const notice: Notice = {
        chainId: peer.chainId,
        organisation: organisation.id,
        entry: entry.id,
        opening: disputeOpeningCodec.encode(shown.opening),
        ...standing,
        time: peer.now(),
      }
      const value = { ...(await ask()), notice: noticeCodec.encode(notice), accessOpening: accessOpeningCodec.encode(opening) }
      await request(folderRequestCodec.encode({ type: 'put-notice', value }))
      found = await kept()
    }
    return { ...unknown, received: found?.received ?? null, seen: found === undefined ? null : seenAt(found), code: null }
  } catch (error) {
    options.signal?.throwIfAborted()
    return { ...unknown, code: errorCode(error) }
  }
}

function isOf({ status }: Notice, present: Notice['status']): boolean {
  return status === present
}

/** When the reader signed for it. @throws EpioneError `invalid-proof` where the signature does not hold */
function seenAt({ notice, reader, seen }: KeptNotice): number | null {
  if (seen === null) return null
  const acknowledgement = acknowledgementCodec.decode(seen.acknowledgement)
  const isRight =
    equalBytes(acknowledgement.notice, noticeId(notice)) &&
    equalBytes(acknowledgement.reader, reader) &&
    verifySignature(reader, acknowledgementBytes(acknowledgement), seen.signature)
  if (!isRight) throw new EpioneError('invalid-proof', 'The acknowledgement is not signed by the reader.')
  return acknowledgement.time
}

/** A notice as the person whom it is for sees it. */
export interface WaitingNotice {
  readonly id: Uint8Array
  readonly notice: Notice
  readonly dispute: Uint8Array
  readonly folder: Uint8Array
  readonly recordId: Uint8Array
  readonly version: number
  readonly received: number
}

/** Notices that wait for a person at their organisation's node. */
export async function waitingNotices(peer: LightPeer, person: Person, options: CallOptions = {}): Promise<WaitingNotice[]> {
  const kept = await deskNotices(peer, person, options)
  return kept.map(({ notice: bytes, received }) => {
    const notice = noticeCodec.decode(bytes)
    const opening = disputeOpeningCodec.decode(notice.opening)
    const { folder, recordId, version } = opening
    return { id: noticeId(bytes), notice, dispute: disputeId(folder, disputeCommitment(opening)), folder, recordId, version, received }
  })
}

/** Signs that the person saw a notice. */
export async function acknowledgeNotice(peer: LightPeer, person: Person, notice: WaitingNotice, options: CallOptions = {}): Promise<void> {
  const acknowledgement = { notice: notice.id, reader: person.signing.publicKey, time: peer.now() }
  const value = {
    acknowledgement: acknowledgementCodec.encode(acknowledgement),
    signature: await signed(person.signing, acknowledgementBytes(acknowledgement)),
  }
  await deskAcknowledge(peer, person, value, options)
}
