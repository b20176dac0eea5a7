/** Break-glass: opens a patient's emergency summary without the patient, under everybody's eyes, and closes the review of it. */
import { type AccessOpening, accessOpeningCodec } from '../contracts/consent-terms.ts'
import {
  clinicianPseudonym,
  type Deposit,
  type EmergencyReason,
  emergencyCommitment,
  emergencyOpenBodyCodec,
  emergencyOpeningCodec,
  MAX_EMERGENCY_MS,
  type ReviewOpening,
  reviewBodyCodec,
  reviewCommitment,
  reviewOpeningCodec,
} from '../contracts/emergency-formats.ts'
import { randomBytes } from '../crypto/random.ts'
import { type SealingOpener, seal, sealingKeyFromSeed, sealingOpener } from '../crypto/sealing.ts'
import { combineShares, isTrueShare, type PositionedShare, type ShareCommitments, shareCommitmentsCodec } from '../crypto/secret-sharing.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { codec, hash32, type Infer, integer, list, struct, text } from '../encoding/schema.ts'
import { sealedReviewHash, sealingContext, shareCommitmentsHash } from '../fragments/formats.ts'
import { isPastOf, openPastKeys } from '../fragments/past-keys.ts'
import { type EmergencyCase, folderRequestCodec, SHARE_ASK_DOMAIN, shareAskCodec, shareResponseCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { deskCases, deskTransaction } from './desk.ts'
import { readDeposit, shareHolders } from './emergency-deposit.ts'
import { folderCustodians } from './folder-custodians.ts'
import { readFolder } from './folders.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import { findEntry, type Session } from './session.ts'
import { signed } from './signer.ts'
import type { CustodianFailure } from './standings.ts'

/** How long a custodian may take for its share before another one's is waited for alone, in ms. */
const SHARE_TIMEOUT_MS = 8_000

const cardCodec = codec(struct({ version: integer(1, 1), chainId: hash32, folder: hash32, nodes: list(text(256), 8) }), 4096)
/** What a patient carries: where the emergency summary is. It opens nothing by itself. */
export type EmergencyCard = Infer<typeof cardCodec>

const CARD = 'epione-emergency:'

/** What a patient carries, as text for a QR code: it says where the emergency summary is, and opens nothing. */
export function encodeEmergencyCard(card: EmergencyCard): string {
  return CARD + toBase64Url(cardCodec.encode(card))
}

/** Inverse of {@link encodeEmergencyCard}. @throws EpioneError `bad-emergency-card` */
export function decodeEmergencyCard(value: string): EmergencyCard {
  try {
    if (!value.startsWith(CARD)) throw new Error('prefix')
    return cardCodec.decode(fromBase64Url(value.slice(CARD.length)))
  } catch (error) {
    throw new EpioneError(
      'bad-emergency-card',
      'This is not an emergency card; one begins with "epione-emergency:" and is printed by `epione emergency card`.',
      { cause: error },
    )
  }
}

export interface EmergencyOptions extends CallOptions {
  reason: EmergencyReason
  /** @default BTG */
  purpose?: 'BTG' | 'ETREAT'
  /** Length of the session in ms, at most four hours. @default four hours */
  durationMs?: number
}

export interface EmergencySession extends Session {
  readonly reason: EmergencyReason
  /** Custodians whose shares gave the key. */
  readonly custodians: readonly MemberInfo[]
  /** Custodians that gave a false share, refused or did not answer. */
  readonly failures: readonly CustodianFailure[]
}

/**
 * Breaks the glass: the person's organisation commits the entry, of which the patient hears at once, and k custodians release their
 * shares of the folder's key on it.
 * @throws EpioneError `no-deposit` where the patient left none, `not-staff` where the organisation does not let this person,
 * `over-emergency-quota`, `reviews-overdue`, `too-few-shares`
 */
export async function openEmergency(
  peer: LightPeer,
  person: Person,
  folder: Uint8Array,
  options: EmergencyOptions,
): Promise<EmergencySession> {
  const deposit = await readDeposit(peer, folder, options)
  if (deposit === null) throw new EpioneError('no-deposit', 'There is no emergency summary here whose key was left for emergencies.')
  const { reason, purpose = 'BTG', durationMs = MAX_EMERGENCY_MS } = options
  const access: AccessOpening = {
    ...{ salt: randomBytes(32), folder, reader: person.signing.publicKey, role: person.role, purpose, records: null },
  }
  const opening = emergencyOpeningCodec.encode({ access, reason })
  const { header } = await peer.head(options)
  const body = emergencyOpenBodyCodec.encode({
    folder,
    commitment: emergencyCommitment({ access, reason }),
    clinician: clinicianPseudonym(person.organisation, person.signing.publicKey),
    until: header.time + Math.min(durationMs, MAX_EMERGENCY_MS),
  })
  const committed = await deskTransaction(peer, person, { type: 'emergency', value: { body, opening } }, options)
  const { entry, entryId } = await findEntry(peer, folder, committed, options)
  const { keys, custodians, failures } = await gatherKeys(peer, person, { folder, entryId, deposit, opening }, options)
  return {
    ...{ folder, entryId, entry, reader: person.signing, accessOpening: accessOpeningCodec.encode(access), consentOpening: null, reason },
    keyOf: epoch => keys[epoch],
    ...{ committed, custodians, failures },
  }
}

interface ShareRequest {
  readonly folder: Uint8Array
  readonly entryId: Uint8Array
  readonly deposit: Deposit
  readonly opening: Uint8Array
}

interface ReleasedShare extends PositionedShare {
  readonly member: MemberInfo
  readonly commitments: ShareCommitments
  /** What this custodian keeps of the epochs before. */
  readonly past: Uint8Array | null
}

/** Asks all holders at once; the first k true shares give the key, and nobody is waited for after that. Keys by epoch. */
async function gatherKeys(
  peer: LightPeer,
  person: Person,
  request: ShareRequest,
  options: CallOptions,
): Promise<{ keys: SealingOpener[]; custodians: MemberInfo[]; failures: CustodianFailure[] }> {
  const holders = await shareHolders(peer, request.folder, request.deposit, options)
  const { k } = peer.parameters
  const done = new AbortController()
  const signals = [done.signal, AbortSignal.timeout(SHARE_TIMEOUT_MS), ...(options.signal === undefined ? [] : [options.signal])]
  const good: ReleasedShare[] = []
  const failures: CustodianFailure[] = []
  const enough = Promise.withResolvers<void>()
  const asked = holders.map(async (member, position) => {
    if (member === null) return
    try {
      const share = await askForShare(peer, person, request, { member, position }, { signal: AbortSignal.any(signals) })
      if (good.length < k) good.push(share)
      if (good.length === k) enough.resolve()
    } catch (error) {
      if (!done.signal.aborted) failures.push({ custodian: member.id, name: member.organisation.name, code: errorCode(error) })
    }
  })
  await Promise.race([enough.promise, Promise.all(asked)])
  done.abort()
  options.signal?.throwIfAborted()
  const [first] = good
  if (first === undefined || good.length < k) {
    throw new EpioneError('too-few-shares', `${good.length} custodians released their share of the key; ${k} are needed.`, {
      metadata: { have: good.length, need: k },
    })
  }
  const seed = await combineShares(good, first.commitments)
  const keys = await keysOf(peer, request, sealingOpener(seed), good, options)
  return { keys, custodians: good.map(({ member }) => member), failures }
}

/** The folder's keys by epoch, as far as the custodians that released shares keep what opens the past. */
async function keysOf(
  peer: LightPeer,
  { folder: id, deposit: { epoch } }: ShareRequest,
  key: SealingOpener,
  shares: readonly ReleasedShare[],
  options: CallOptions,
): Promise<SealingOpener[]> {
  const keys: SealingOpener[] = []
  keys[epoch] = key
  const folder = epoch === 0 ? null : await readFolder(peer, id, options)
  const past = shares.map(share => share.past).find(one => folder !== null && isPastOf(folder, epoch, one))
  if (past === undefined || past === null) return keys
  try {
    for (const [i, seed] of openPastKeys(key, past, { chainId: peer.chainId, folder: id, epoch }).entries()) keys[i] = sealingOpener(seed)
  } catch {
    // Not as the owner left it, which the ledger can no longer tell for an epoch that has passed: what was written since is open all the same.
  }
  return keys
}

/** One custodian's share, checked against what the ledger has. @throws EpioneError `share-false` */
async function askForShare(
  peer: LightPeer,
  person: Person,
  { folder, entryId, deposit, opening }: ShareRequest,
  { member, position }: { member: MemberInfo; position: number },
  options: CallOptions,
): Promise<ReleasedShare> {
  // A key of this moment alone: who learns the person's own later learns nothing of what was released.
  const once = sealingKeyFromSeed(randomBytes(32))
  const content = shareAskCodec.encode({
    ...{ chainId: peer.chainId, folder, entry: entryId, custodian: member.id, peer: peer.nodes.network.networkKey, time: peer.now() },
    sealingKey: once.publicKey,
  })
  const signature = await signed(person.signing, concat(domain(SHARE_ASK_DOMAIN), content))
  const value = { content, key: person.signing.publicKey, signature, opening }
  const request = folderRequestCodec.encode({ type: 'get-share', value })
  const answer = shareResponseCodec.decode(
    await peer.nodes.request(member.organisation.networkKey, PROTOCOL.folder, request, {
      ...options,
      maxResponse: shareResponseCodec.maxBytes,
    }),
  )
  if (answer.position !== position || !equalBytes(shareCommitmentsHash(answer.commitments), deposit.commitments)) throw falseShare()
  const commitments = shareCommitmentsCodec.decode(answer.commitments)
  const share = once.open(answer.sealed, sealingContext.emergencyRelease(peer.chainId, entryId, deposit.commitments, position))
  if (!isTrueShare({ position, share }, commitments)) throw falseShare()
  return { member, position, share, commitments, past: answer.past }
}

function falseShare(): EpioneError {
  return new EpioneError('share-false', 'The custodian gave another share than the one that was left with it.')
}

/**
 * Break-glass of the person's organisation that waits for its review: who, as what, why. For people in a role that reviews.
 * @throws EpioneError `not-staff`
 */
export async function waitingCases(peer: LightPeer, person: Person, options: CallOptions = {}): Promise<EmergencyCase[]> {
  return await deskCases(peer, person, options)
}

/** What a reviewer found. */
export interface ReviewInput {
  folder: Uint8Array
  /** Access entry of the break-glass. */
  entry: Uint8Array
  outcome: ReviewOpening['outcome']
  /** What the patient is to read of it. */
  comment?: string
}

/**
 * Closes the review of a break-glass of the person's organisation. The outcome is committed to, and left with the folder's custodians
 * sealed to the patient. @throws EpioneError `same-person`, `not-staff`, `not-found`, `exists` where it is closed
 */
export async function closeReview(
  peer: LightPeer,
  person: Person,
  { folder: folderId, entry, outcome, comment = '' }: ReviewInput,
  options: CallOptions = {},
): Promise<{ committed: Committed; stored: number }> {
  const folder = await readFolder(peer, folderId, options)
  if (folder === null) throw notFound()
  const opening: ReviewOpening = {
    ...{ salt: randomBytes(32), folder: folderId, entry, reviewer: person.signing.publicKey, role: person.role, outcome, comment },
  }
  const openingBytes = reviewOpeningCodec.encode(opening)
  const sealed = seal(folder.sealingKey, openingBytes, sealingContext.emergencyReview(peer.chainId, folderId, entry))
  const body = reviewBodyCodec.encode({
    ...{ folder: folderId, entry, reviewer: clinicianPseudonym(person.organisation, person.signing.publicKey) },
    ...{ commitment: reviewCommitment(opening), sealedHash: sealedReviewHash(sealed) },
  })
  const action = { type: 'review' as const, value: { body, opening: openingBytes } }
  const committed = await deskTransaction(peer, person, action, options)
  const custodians = await folderCustodians(peer, folderId, folder, options)
  const request = folderRequestCodec.encode({ type: 'put-review', value: { folder: folderId, entry, sealed } })
  const results = await Promise.allSettled(
    custodians.map(
      async ({ organisation }) =>
        await peer.nodes.request(organisation.networkKey, PROTOCOL.folder, request, { ...options, maxResponse: 1024 }),
    ),
  )
  options.signal?.throwIfAborted()
  return { committed, stored: results.filter(({ status }) => status === 'fulfilled').length }
}
