/**
 * Delegation: somebody with a wallet of their own acts for a folder's owner. They hand over keys (an offer); the owner grants on one of
 * them, and hands back a share code. What they do is signed by that key, and in the folder's log it stands as done on behalf of the owner.
 */
import { accessEntryCodec, accessEntryId, MAX_SESSION_MS, openBodyCodec } from '../contracts/access-formats.ts'
import { type AccessOpening, accessCommitment, accessOpeningCodec, type Provision } from '../contracts/consent-terms.ts'
import { type Consent, consentCodec, EXPIRY_BUCKET_MS, revokeBodyCodec } from '../contracts/consents-formats.ts'
import {
  type Delegation,
  delegationCodec,
  delegationTermsCommitment,
  GROUNDS,
  type Ground,
  grantDelegationCodec,
  type Right,
  rightsBits,
} from '../contracts/delegations-formats.ts'
import { accessOpenedCodec } from '../contracts/events.ts'
import type { Folder } from '../contracts/folders-formats.ts'
import { DELEGATE_ROLE } from '../contracts/release-delegation.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { randomBytes } from '../crypto/random.ts'
import { sealingPublicKeySchema } from '../crypto/sealing-suites.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { delegateKey, delegateKeyHash, delegateSealingKey } from '../crypto/wallet.ts'
import { equalBytes, parseHex, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec, hash32, type Infer, integer, list, struct, text } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { type GrantInput, type GrantResult, grantWith, listConsents, type OwnedConsent, ownGranter, storeGrant } from './consents.ts'
import { type OwnedFolder, readFolder, type Wallet } from './folders.ts'
import { GrantKeys } from './grant-keys.ts'
import type { ShareCode } from './identity.ts'
import { accessLogStream, type Committed, type LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import type { Session, SessionOptions } from './session.ts'
import { sessionEnd } from './spread.ts'

/** Keys of one offer: one for each folder that is to be delegated, so that nobody sees that the folders belong together. */
export const MAX_OFFERED_KEYS = 16
/** Delegate keys of a wallet that are looked through. */
const MAX_DELEGATE_KEYS = 1024
const SESSION_MS = 30 * 60 * 1000

const offerCodec = codec(
  struct({
    version: integer(1, 1),
    chainId: hash32,
    /** Name as the delegate gives it: for the owner alone. */
    name: text(128),
    sealingKey: sealingPublicKeySchema,
    keys: list(hash32, MAX_OFFERED_KEYS, 1),
  }),
  4096,
)
/** What somebody hands over who is to act for others. */
export type DelegateOffer = Infer<typeof offerCodec>

export const DELEGATE_OFFER = 'epione-delegate:'

/** What a delegate gives to the owner of folders: public keys to act with, one for each folder, and one to be sealed to. Nothing in it is secret. */
export function createDelegateOffer(
  wallet: Wallet,
  input: { chainId: Uint8Array; name: string; firstIndex: number; keys: number },
): DelegateOffer {
  return {
    version: 1,
    chainId: input.chainId,
    name: input.name,
    sealingKey: delegateSealingKey(wallet.seed).publicKey,
    keys: Array.from({ length: input.keys }, (_, i) => delegateKey(wallet.seed, input.firstIndex + i).publicKey),
  }
}

/** An offer as text, for a QR code or a message. */
export function encodeDelegateOffer(offer: DelegateOffer): string {
  return DELEGATE_OFFER + toBase64Url(offerCodec.encode(offer))
}

/** Inverse of {@link encodeDelegateOffer}. @throws EpioneError `bad-delegate-offer` */
export function decodeDelegateOffer(value: string): DelegateOffer {
  try {
    if (!value.startsWith(DELEGATE_OFFER)) throw new Error('prefix')
    return offerCodec.decode(fromBase64Url(value.slice(DELEGATE_OFFER.length)))
  } catch (error) {
    throw new EpioneError(
      'bad-delegate-offer',
      `This is not an offer of a delegate; one begins with "${DELEGATE_OFFER}" and is made by \`epione delegate offer\`.`,
      { cause: error },
    )
  }
}

/**
 * The end of a delegation: the first day of the month after `timeMs`, UTC. A delegation that ends when a child comes of age would else
 * tell the child's birthday.
 */
export function delegationEnd(timeMs: number): number {
  const date = new Date(timeMs)
  const first = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
  return first === timeMs ? timeMs : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

export interface DelegationInput {
  readonly offer: DelegateOffer
  readonly ground: Ground
  readonly rights: readonly Right[]
  /** Scope: as a consent's, without grantee and validity. */
  readonly scope: Omit<Provision, 'grantee' | 'validity' | 'decision'>
  /** From when on, in ms; the day that it lies in counts whole. */
  readonly startMs: number
  /** Until when, in ms; rounded by {@link delegationEnd}. */
  readonly endMs: number
}

/** Lets somebody act for the owner of a folder. @throws EpioneError `other-chain`, `scope-too-narrow`, `bad-end` */
export async function grantDelegation(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  input: DelegationInput,
  options: CallOptions = {},
): Promise<GrantResult> {
  const { offer, ground, rights, scope } = input
  if (!equalBytes(offer.chainId, peer.chainId)) throw new EpioneError('other-chain', 'The offer is for another network.')
  const isWhole =
    scope.classes.length + scope.authors.length + scope.purposes.length + scope.exceptions.length === 0 && scope.dataPeriod === null
  if (rights.includes('grant') && !isWhole) {
    throw new EpioneError(
      'scope-too-narrow',
      'Who may grant access can grant it to the whole folder: give the right to grant only with the whole folder as scope.',
    )
  }
  const start = input.startMs - (input.startMs % EXPIRY_BUCKET_MS)
  const expiry = delegationEnd(input.endMs)
  if (expiry <= peer.now() || expiry <= start) throw new EpioneError('bad-end', 'A delegation must end in the future, and after it begins.')
  const salt = randomBytes(32)
  const key = offer.keys[owned.index % offer.keys.length] as Uint8Array
  const prepared = await storeGrant(
    peer,
    ownGranter(wallet, owned),
    {
      provision: { decision: 'permit', ...scope, grantee: null, validity: { start, end: expiry } },
      sealingKey: offer.sealingKey,
      note: noteOf(ground, salt, offer.name),
    },
    options,
  )
  const body = grantDelegationCodec.encode({
    commitment: prepared.commitment,
    wrapHash: prepared.wrapHash,
    epoch: prepared.epoch,
    expiry,
    delegateKeyHash: delegateKeyHash(key),
    rights: rightsBits(rights),
    start,
    terms: delegationTermsCommitment({ salt, folder: owned.id, ground }),
  })
  return await prepared.commit('delegations', body)
}

function noteOf(ground: Ground, salt: Uint8Array, name: string): string {
  return `${ground} ${toHex(salt)} ${name}`
}

/** Name of a delegate in the owner's note of a delegation. */
export function delegateName(note: string): string {
  return note.split(' ').slice(2).join(' ')
}

/** A delegation as the folder's owner sees it. */
export interface OwnedDelegation extends OwnedConsent {
  readonly delegation: Delegation
  /** Null where no custodian that answered has the terms, or where they are not what the ledger commits to. */
  readonly ground: Ground | null
  readonly name: string
}

/** All delegations of a folder, proven complete. */
export async function listDelegations(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions = {},
): Promise<OwnedDelegation[]> {
  const { entries } = await peer.list(stateKey.delegations(owned.id), options)
  if (entries.length === 0) return []
  const consents = await listConsents(peer, wallet, owned, options)
  return entries.flatMap(([key, value]) => {
    const consent = consents.find(({ id }) => equalBytes(id, key.slice(33)))
    if (consent === undefined) return []
    const delegation = delegationCodec.decode(value)
    return [{ ...consent, delegation, ...readNote(owned.id, delegation, consent.note) }]
  })
}

/** What the owner's note of a delegation says, if it is what the ledger commits to. */
export function readNote(folder: Uint8Array, { terms }: Delegation, note: string): { ground: Ground | null; name: string } {
  const [first = '', second = ''] = note.split(' ')
  const ground = GROUNDS.find(one => one === first) ?? null
  const salt = parseHex(second)
  if (ground === null || salt?.length !== 32) return { ground: null, name: '' }
  const holds = equalBytes(delegationTermsCommitment({ salt, folder, ground }), terms)
  return { ground: holds ? ground : null, name: delegateName(note) }
}

/** A delegation as its delegate has it. */
export interface HeldDelegation {
  readonly folder: Folder
  readonly consent: Consent
  readonly key: SigningKey
  readonly keys: GrantKeys
}

/** The delegation of a share code, with the key of this wallet that it is for. @throws EpioneError `not-found` */
export async function heldDelegation(peer: LightPeer, wallet: Wallet, share: ShareCode, options: CallOptions): Promise<HeldDelegation> {
  if (!equalBytes(share.chainId, peer.chainId)) throw new EpioneError('other-chain', 'The share code is for another network.')
  const record = await peer.readOne(stateKey.delegation(share.folder, share.consent), options)
  if (record === null) throw notFound()
  const key = keyFor(wallet, delegationCodec.decode(record))
  const keys = await GrantKeys.find(peer, { signing: key, sealing: delegateSealingKey(wallet.seed) }, share, options)
  const line = await peer.readOne(stateKey.consent(share.folder, share.consent), options)
  const folder = await readFolder(peer, share.folder, options)
  if (line === null || folder === null) throw notFound()
  return { folder, consent: consentCodec.decode(line), key, keys }
}

function keyFor(wallet: Wallet, delegation: Delegation): SigningKey {
  for (let index = 0; index < MAX_DELEGATE_KEYS; index++) {
    const key = delegateKey(wallet.seed, index)
    if (equalBytes(delegateKeyHash(key.publicKey), delegation.delegateKeyHash)) return key
  }
  throw notFound()
}

/** Opens a session as the delegate of a folder's owner: its line in the log is on behalf of the owner. */
export async function openDelegateSession(
  peer: LightPeer,
  wallet: Wallet,
  share: ShareCode,
  options: SessionOptions = {},
): Promise<Session> {
  const { folder, key, keys } = await heldDelegation(peer, wallet, share, options)
  const access: AccessOpening = {
    salt: randomBytes(32),
    folder: share.folder,
    reader: key.publicKey,
    role: DELEGATE_ROLE,
    purpose: options.purpose ?? 'FAMRQT',
    records: options.records ?? null,
  }
  const { header } = await peer.head(options)
  const until = sessionEnd(header.time, Math.min(options.durationMs ?? SESSION_MS, MAX_SESSION_MS))
  const body = openBodyCodec.encode({ folder: share.folder, consent: share.consent, commitment: accessCommitment(access), until })
  const committed = await submitSponsored(peer, share.folder, folder, { contract: 'access', action: 'open', body }, key, options)
  const event = committed.receipt.events.find(({ name }) => name === 'access.opened')
  if (event === undefined) throw new EpioneError('malformed', 'The receipt of a session names no entry.')
  const { entry: entryId, position } = accessOpenedCodec.decode(event.data)
  const entry = await peer.log(
    accessLogStream(share.folder),
    position,
    ([item]) => {
      const shown = item === undefined ? undefined : accessEntryCodec.decode(item)
      if (shown === undefined || !equalBytes(accessEntryId(shown), entryId)) {
        throw new EpioneError('invalid-proof', 'The node shows another access entry than the one that was committed.')
      }
      return shown
    },
    { ...options, limit: 1 },
  )
  return {
    folder: share.folder,
    entryId,
    entry,
    reader: key,
    accessOpening: accessOpeningCodec.encode(access),
    consentOpening: keys.opening,
    keyOf: async epoch => await keys.keyOf(epoch),
    committed,
  }
}

/** Grants as the delegate of a folder's owner; it ends no later than the delegation, and with it. */
export async function grantAsDelegate(
  peer: LightPeer,
  wallet: Wallet,
  share: ShareCode,
  input: GrantInput,
  options: CallOptions = {},
): Promise<GrantResult> {
  const { folder, consent, key, keys } = await heldDelegation(peer, wallet, share, options)
  const end = input.provision.validity?.end
  if (end !== undefined && end > consent.expiry) {
    throw new EpioneError('not-attenuated', 'What a delegate grants ends no later than the delegation; name an earlier end.')
  }
  const { epoch, seed } = keys.newest
  if (folder.epoch !== epoch) {
    throw new EpioneError(
      'stale-epoch',
      'The folder has a new key that the delegation does not reach; its owner brings it along with a new key, or delegates anew.',
    )
  }
  return await grantWith(peer, { id: share.folder, folder, key, seed, latestExpiry: consent.expiry }, input, options)
}

/** Ends a consent as the delegate of a folder's owner, or the delegation itself. */
export async function revokeAsDelegate(
  peer: LightPeer,
  wallet: Wallet,
  share: ShareCode,
  consent: Uint8Array,
  options: CallOptions = {},
): Promise<Committed> {
  const { folder, key } = await heldDelegation(peer, wallet, share, options)
  return await submitSponsored(
    peer,
    share.folder,
    folder,
    { contract: 'consents', action: 'revoke', body: revokeBodyCodec.encode({ consent }) },
    key,
    options,
  )
}

/** Submits an act of a delegate, sponsored by the folder's author organisation. */
export async function submitSponsored(
  peer: LightPeer,
  id: Uint8Array,
  folder: Folder,
  act: { contract: string; action: string; body: Uint8Array },
  key: SigningKey,
  options: CallOptions,
): Promise<Committed> {
  const transaction = peer.sign({ from: { kind: 'folder', id }, ...act, sponsor: folder.author }, key)
  const bytes = await peer.sponsor(transaction, folder.author, options)
  return await peer.submit({ id: transaction.id, bytes }, options)
}
