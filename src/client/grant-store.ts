/** What a folder's custodians keep for its owner: grants with their wraps, and what opens the folder's past. */

import { type ConsentOpening, consentCommitment, consentOpeningCodec } from '../contracts/consent-terms.ts'
import type { Consent } from '../contracts/consents-formats.ts'
import type { Folder } from '../contracts/folders-formats.ts'
import { type SealingContext, seal } from '../crypto/sealing.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { sealingContext } from '../fragments/formats.ts'
import { type FolderRequest, folderRequestCodec, wrapResponseCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { type ConsentNote, decodeConsentNote, encodeConsentNote } from './consent-note.ts'
import { type SignedAsk, signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { folderOpener, folderOwnerKey, type OwnedFolder, type Wallet } from './folders.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'

/** @throws EpioneError `invalid-argument` where the text is too long */
export function sealNote(folderKey: Uint8Array, note: ConsentNote, context: SealingContext): Uint8Array {
  return seal(folderKey, encodeConsentNote(note), context)
}

/** A grant as its custodians keep it for the owner. */
export interface OwnGrant {
  readonly openingBytes: Uint8Array
  readonly opening: ConsentOpening
  readonly note: ConsentNote
}

/** One of the owner's grants with its terms; undefined where no custodian that answers has it. */
export async function findOwnGrant(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  id: Uint8Array,
  line: Consent,
  options: CallOptions,
): Promise<OwnGrant | undefined> {
  const key = folderOwnerKey(wallet, owned)
  const context = sealingContext.grant(peer.chainId, owned.id, line.epoch, line.commitment)
  for (const custodian of await folderCustodians(peer, owned.id, owned.folder, options)) {
    const request = folderRequestCodec.encode({
      type: 'get-wrap',
      value: await signAsk(peer, key, { folder: owned.id, consent: id, custodian }),
    })
    try {
      const bytes = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
        ...options,
        maxResponse: wrapResponseCodec.maxBytes,
      })
      const answer = wrapResponseCodec.decode(bytes)
      const opening = consentOpeningCodec.decode(answer.opening)
      if (!equalBytes(consentCommitment(opening), line.commitment)) continue
      const note = decodeConsentNote(folderOpener(wallet, owned, line.epoch).open(answer.note, context))
      return { openingBytes: Uint8Array.from(answer.opening), opening, note }
    } catch {
      options.signal?.throwIfAborted()
    }
  }
  return undefined
}

/** A folder, and the key of whoever may leave something with its custodians. */
export interface Depositor {
  readonly id: Uint8Array
  readonly folder: Folder
  readonly key: SigningKey
}

/** Leaves a grant with the folder's custodians. @throws as {@link deposit} */
export async function depositGrant(
  peer: LightPeer,
  depositor: Depositor,
  consent: Uint8Array,
  grant: { opening: Uint8Array; wrap: Uint8Array; note: Uint8Array },
  options: CallOptions,
): Promise<number> {
  return await deposit(peer, depositor, consent, ask => ({ type: 'put-wrap', value: { ...ask, ...grant } }), options)
}

/** Leaves the sealed private halves of all epochs before `epoch` with the folder's custodians. @throws as {@link deposit} */
export async function depositPastKeys(
  peer: LightPeer,
  owner: Depositor,
  past: { epoch: number; sealed: Uint8Array },
  options: CallOptions,
): Promise<number> {
  return await deposit(peer, owner, null, ask => ({ type: 'put-past', value: { ...ask, ...past } }), options)
}

/**
 * Leaves something with n - f of the folder's custodians at least, so that any f of them may be lost. How many took it.
 * @throws EpioneError `too-few-receipts`; `not-found` where no custodian knows the asker as one who may
 */
async function deposit(
  peer: LightPeer,
  { id, folder, key }: Depositor,
  consent: Uint8Array | null,
  message: (ask: SignedAsk) => FolderRequest,
  options: CallOptions,
): Promise<number> {
  const custodians = await folderCustodians(peer, id, folder, options)
  const results = await Promise.allSettled(
    custodians.map(async custodian => {
      const request = folderRequestCodec.encode(message(await signAsk(peer, key, { folder: id, consent, custodian })))
      return await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, { ...options, maxResponse: 1024 })
    }),
  )
  options.signal?.throwIfAborted()
  const stored = results.filter(result => result.status === 'fulfilled').length
  const n = custodians.length
  const needed = n - Math.floor((n - 1) / 3)
  if (stored < needed) {
    const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []))
    if (failures.every(failure => errorCode(failure) === 'not-found')) throw notFound(failures[0])
    throw new EpioneError('too-few-receipts', `Only ${stored} of ${n} custodians took it and ${needed} are needed. Nothing was changed.`, {
      cause: failures[0],
      metadata: { receipts: stored, needed },
    })
  }
  return stored
}
