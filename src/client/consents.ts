/** Grants and revocations: the patient's side of consent. */

import { type ConsentOpening, consentCommitment, consentOpeningCodec, type Provision } from '../contracts/consent-terms.ts'
import { type Consent, consentCodec, consentId, grantBodyCodec, revokeBodyCodec } from '../contracts/consents-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { randomBytes } from '../crypto/random.ts'
import { seal } from '../crypto/sealing.ts'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { sealingContext, wrapHash } from '../fragments/formats.ts'
import type { SharingPart } from './consent-note.ts'
import { folderOwnerKey, folderSeed, type OwnedFolder, type Wallet } from './folders.ts'
import { findOwnGrants } from './grant-batches.ts'
import { type Depositor, depositGrant, sealNote } from './grant-store.ts'
import type { ShareCode } from './identity.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { blurredExpiry, randomFraction } from './spread.ts'

/** Longest consent, in ms: ten years, as the contract has it. */
const MAX_CONSENT_MS = 10 * 365 * 24 * 60 * 60 * 1000

export interface GrantResult {
  consent: Uint8Array
  share: ShareCode
  committed: Committed
  /** Custodians that hold the grant's wrap. */
  stored: number
}

/** Who grants: the key that signs for the folder, and the private half of its present epoch. */
export interface Granter extends Depositor {
  readonly seed: Uint8Array
  /** Latest expiry that the ledger takes from them, in ms; no other than for everybody, if left out. */
  readonly latestExpiry?: number
}

/** The folder's owner. */
export function ownGranter(wallet: Wallet, owned: OwnedFolder): Granter {
  const { id, folder } = owned
  return { id, folder, key: folderOwnerKey(wallet, owned), seed: folderSeed(wallet, owned, folder.epoch) }
}

/** What is granted, to which key, and what to remember of it. */
export interface GrantInput {
  provision: Provision
  sealingKey: Uint8Array
  note?: string
  sharing?: SharingPart
}

/**
 * Grants a provision on one folder: the folder's key is wrapped to the grantee and left with the folder's custodians, then the
 * grant is committed. `note` is for the owner alone (a name, say), as is the decision that it is part of: sealed to the folder's own key.
 */
export async function grantConsent(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  input: GrantInput,
  options: CallOptions = {},
): Promise<GrantResult> {
  return await grantWith(peer, ownGranter(wallet, owned), input, options)
}

/** As {@link grantConsent}, for whoever may grant on the folder. */
export async function grantWith(peer: LightPeer, granter: Granter, input: GrantInput, options: CallOptions = {}): Promise<GrantResult> {
  const end = input.provision.validity?.end
  if (end === undefined) throw new EpioneError('no-end', 'A consent needs an end; say until when it holds.')
  if (end <= peer.now() || end > peer.now() + MAX_CONSENT_MS)
    throw new EpioneError('bad-end', 'A consent must end in the future, within ten years.')
  const expiry = Math.min(blurredExpiry(end, randomFraction(), peer.now()), granter.latestExpiry ?? Number.MAX_SAFE_INTEGER)
  const { commitment, wrapHash: hash, epoch, commit } = await storeGrant(peer, granter, input, options)
  return await commit('consents', grantBodyCodec.encode({ commitment, wrapHash: hash, epoch, expiry }))
}

/** A grant that custodians hold and the ledger does not have yet. */
export interface StoredGrant {
  readonly commitment: Uint8Array
  readonly wrapHash: Uint8Array
  readonly epoch: number
  /** Commits it by the action `grant` of a contract. */
  commit(contract: string, body: Uint8Array): Promise<GrantResult>
}

/** Wraps the folder's key and leaves it, with the opening, with the folder's custodians. */
export async function storeGrant(
  peer: LightPeer,
  { id, folder, key, seed }: Granter,
  input: GrantInput,
  options: CallOptions,
): Promise<StoredGrant> {
  const opening: ConsentOpening = { salt: randomBytes(32), folder: id, provision: input.provision }
  const openingBytes = consentOpeningCodec.encode(opening)
  const commitment = consentCommitment(opening)
  const { epoch } = folder
  const context = sealingContext.grant(peer.chainId, id, epoch, commitment)
  const wrap = seal(input.sealingKey, seed, context)
  const noted = { text: input.note ?? '', sharing: input.sharing ?? null, sealingKey: input.sealingKey }
  const note = sealNote(folder.sealingKey, noted, context)
  const consent = consentId(id, commitment)
  const stored = await depositGrant(peer, { id, folder, key }, consent, { opening: openingBytes, wrap, note }, options)
  return {
    commitment,
    wrapHash: wrapHash(wrap),
    epoch,
    commit: async (contract, body) => {
      const sponsor = folder.author
      const transaction = peer.sign({ from: { kind: 'folder', id }, contract, action: 'grant', body, sponsor }, key)
      const signed = await peer.sponsor(transaction, sponsor, options)
      const committed = await peer.submit({ id: transaction.id, bytes: signed }, options)
      return { consent, committed, stored, share: { version: 1, chainId: peer.chainId, folder: id, consent } }
    },
  }
}

/** Takes a consent back, and nothing else; see epochs.ts for the new key. It needs no sponsor, so that nobody can stand in its way. */
export async function revokeConsent(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  consent: Uint8Array,
  options: CallOptions = {},
): Promise<Committed> {
  const transaction = peer.sign(
    { from: { kind: 'folder', id: owned.id }, contract: 'consents', action: 'revoke', body: revokeBodyCodec.encode({ consent }) },
    folderOwnerKey(wallet, owned),
  )
  return await peer.submit(transaction, options)
}

/** A consent as its owner sees it: the ledger's line, and its terms where a custodian still has them. */
export interface OwnedConsent {
  readonly id: Uint8Array
  readonly line: Consent
  readonly provision: Provision | null
  readonly note: string
  /** The decision that it is part of, where it is known. */
  readonly sharing: SharingPart | null
}

/** All consents of a folder, proven complete. */
export async function listConsents(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions = {},
): Promise<OwnedConsent[]> {
  const { entries } = await peer.list(stateKey.consents(owned.id), options)
  const consents = entries.map(([key, value]) => ({ id: key.slice(33), line: consentCodec.decode(value) }))
  const known = await findOwnGrants(peer, wallet, owned, consents, options)
  return consents.map(({ id, line }) => {
    const terms = known.get(toHex(id))
    return { id, line, provision: terms?.opening.provision ?? null, note: terms?.note.text ?? '', sharing: terms?.note.sharing ?? null }
  })
}
