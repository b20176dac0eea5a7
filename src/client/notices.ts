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
import type { OwnedDispute } from './disputes.ts'
import { signAsk } from './folder-ask.ts'
import { folderOwnerKey, type OwnedFolder, type Wallet } from './folders.ts'
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

/**
 * Leaves a notice for everybody who read the version, with the organisation that answers for them, and says what became of it. What was left
 * before is not left again. Without `send` it only asks.
 */
export async function noticeReaders(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  dispute: OwnedDispute,
  options: CallOptions & { send?: boolean } = {},
): Promise<{ readers: NoticedReader[]; silent: readonly MemberInfo[] }> {
  const { shown } = dispute
  if (shown === null)
    throw new EpioneError('too-few-custodians', 'No custodian that answered knows what this dispute is about; try again later.')
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
    [...readers.values()].map(async entry => await notified(peer, wallet, owned, dispute, shown, entry, options)),
  )
  return { readers: found, silent: log.silent }
}

async function notified(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  { id, line }: OwnedDispute,
  shown: VersionDispute,
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
    return notices.find(one => equalBytes(one.reader, opening.reader) && isOf(noticeCodec.decode(one.notice), line.status))
  }
  try {
    let found = await kept()
    if (found === undefined && options.send === true) {
      const notice: Notice = {
        chainId: peer.chainId,
        organisation: organisation.id,
        entry: entry.id,
        opening: disputeOpeningCodec.encode(shown.opening),
        status: line.status,
        submissionRoot: line.status === 'accepted' ? line.answer : null,
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
