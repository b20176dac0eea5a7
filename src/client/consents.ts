/** Grants and revocations: the patient's side of consent. */

import { type ConsentOpening, consentCommitment, consentOpeningCodec, type Provision } from '../contracts/consent-terms.ts'
import { type Consent, consentCodec, consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../contracts/consents-formats.ts'
import type { Folder } from '../contracts/folders-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { randomBytes } from '../crypto/random.ts'
import { seal } from '../crypto/sealing.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { sealingContext, wrapHash } from '../fragments/formats.ts'
import { folderRequestCodec, wrapResponseCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { folderKey, folderOwnerKey, folderSeed, type OwnedFolder, type Wallet } from './folders.ts'
import type { ShareCode } from './identity.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** Longest consent, in ms: ten years, as the contract has it. */
const MAX_CONSENT_MS = 10 * 365 * 24 * 60 * 60 * 1000
const MAX_NOTE = 1024

export interface GrantResult {
  consent: Uint8Array
  share: ShareCode
  committed: Committed
  /** Custodians that hold the grant's wrap. */
  stored: number
}

/** Who grants: the key that signs for the folder, the private half of its present epoch, and to which key the note is sealed. */
export interface Granter {
  readonly id: Uint8Array
  readonly folder: Folder
  readonly key: SigningKey
  readonly seed: Uint8Array
  readonly notes: Uint8Array
}

/**
 * Grants a provision on one folder: the folder's key is wrapped to the grantee and left with the folder's custodians, then the
 * grant is committed. `note` is for the owner alone (a name, say): it is sealed to the folder's own key.
 */
export async function grantConsent(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  input: { provision: Provision; sealingKey: Uint8Array; note?: string },
  options: CallOptions = {},
): Promise<GrantResult> {
  const { id, folder } = owned
  const granter = {
    id,
    folder,
    key: folderOwnerKey(wallet, owned),
    seed: folderSeed(wallet, owned),
    notes: folderKey(wallet, owned).publicKey,
  }
  return await grantWith(peer, granter, input, options)
}

/** As {@link grantConsent}, for whoever may grant on the folder. */
export async function grantWith(
  peer: LightPeer,
  granter: Granter,
  input: { provision: Provision; sealingKey: Uint8Array; note?: string },
  options: CallOptions = {},
): Promise<GrantResult> {
  const end = input.provision.validity?.end
  if (end === undefined) throw new EpioneError('no-end', 'A consent needs an end; say until when it holds.')
  if (end <= peer.now() || end > peer.now() + MAX_CONSENT_MS)
    throw new EpioneError('bad-end', 'A consent must end in the future, within ten years.')
  const { commitment, wrapHash: hash, epoch, commit } = await storeGrant(peer, granter, input, options)
  return await commit('consents', grantBodyCodec.encode({ commitment, wrapHash: hash, epoch, expiry: expiryBucket(end) }))
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
  { id, folder, key, seed, notes }: Granter,
  input: { provision: Provision; sealingKey: Uint8Array; note?: string },
  options: CallOptions,
): Promise<StoredGrant> {
  const opening: ConsentOpening = { salt: randomBytes(32), folder: id, provision: input.provision }
  const openingBytes = consentOpeningCodec.encode(opening)
  const commitment = consentCommitment(opening)
  const { epoch } = folder
  const context = sealingContext.grant(peer.chainId, id, epoch, commitment)
  const wrap = seal(input.sealingKey, seed, context)
  const note = seal(notes, new TextEncoder().encode(input.note ?? '').slice(0, MAX_NOTE), context)
  const consent = consentId(id, commitment)
  const stored = await storeWrap(peer, { id, folder }, key, consent, { opening: openingBytes, wrap, note }, options)
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

/** Leaves a grant with n - f of the folder's custodians at least, so that any f of them may be lost. */
async function storeWrap(
  peer: LightPeer,
  owned: Pick<OwnedFolder, 'id' | 'folder'>,
  key: SigningKey,
  consent: Uint8Array,
  grant: { opening: Uint8Array; wrap: Uint8Array; note: Uint8Array },
  options: CallOptions,
): Promise<number> {
  const custodians = await folderCustodians(peer, owned.id, owned.folder, options)
  const results = await Promise.allSettled(
    custodians.map(async custodian => {
      const ask = signAsk(peer, key, { folder: owned.id, consent, custodian })
      const request = folderRequestCodec.encode({ type: 'put-wrap', value: { ...ask, ...grant } })
      return await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, { ...options, maxResponse: 1024 })
    }),
  )
  options.signal?.throwIfAborted()
  const stored = results.filter(result => result.status === 'fulfilled').length
  const n = custodians.length
  const needed = n - Math.floor((n - 1) / 3)
  if (stored < needed) {
    const cause = results.find(result => result.status === 'rejected')?.reason
    throw new EpioneError(
      'too-few-receipts',
      `Only ${stored} of ${n} custodians took the grant and ${needed} are needed. Nothing was granted.`,
      { cause, metadata: { receipts: stored, needed } },
    )
  }
  return stored
}

/** Takes a consent back. It needs no sponsor, so that nobody can stand in its way. */
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
}

/** All consents of a folder, proven complete. */
export async function listConsents(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions = {},
): Promise<OwnedConsent[]> {
  const { entries } = await peer.list(stateKey.consents(owned.id), options)
  return await Promise.all(
    entries.map(async ([key, value]) => {
      const id = key.slice(33)
      const line = consentCodec.decode(value)
      const terms = await findTerms(peer, wallet, owned, id, line, options)
      return { id, line, provision: terms?.provision ?? null, note: terms?.note ?? '' }
    }),
  )
}

async function findTerms(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  id: Uint8Array,
  line: Consent,
  options: CallOptions,
): Promise<{ provision: Provision; note: string } | undefined> {
  const key = folderOwnerKey(wallet, owned)
  for (const custodian of await folderCustodians(peer, owned.id, owned.folder, options)) {
    const request = folderRequestCodec.encode({ type: 'get-wrap', value: signAsk(peer, key, { folder: owned.id, consent: id, custodian }) })
    try {
      const bytes = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
        ...options,
        maxResponse: wrapResponseCodec.maxBytes,
      })
      const answer = wrapResponseCodec.decode(bytes)
      const opening = consentOpeningCodec.decode(answer.opening)
      if (!equalBytes(consentCommitment(opening), line.commitment)) continue
      const context = sealingContext.grant(peer.chainId, owned.id, line.epoch, line.commitment)
      const note = answer.note.length === 0 ? '' : new TextDecoder().decode(folderKey(wallet, owned, line.epoch).open(answer.note, context))
      return { provision: opening.provision, note }
    } catch {
      options.signal?.throwIfAborted()
    }
  }
  return undefined
}
