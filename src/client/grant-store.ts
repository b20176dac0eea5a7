/** Leaving with a folder's custodians what they keep for its owner: a grant with its wrap, and what opens the folder's past. */

import type { Folder } from '../contracts/folders-formats.ts'
import { type SealingContext, seal } from '../crypto/sealing.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { type FolderRequest, folderRequestCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { type ConsentNote, encodeConsentNote } from './consent-note.ts'
import { type SignedAsk, signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'

/** @throws EpioneError `invalid-argument` where the text is too long */
export function sealNote(folderKey: Uint8Array, note: ConsentNote, context: SealingContext): Uint8Array {
  return seal(folderKey, encodeConsentNote(note), context)
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
  const needed = neededOf(n)
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

/** How many of n custodians have to take something: n - f. */
export function neededOf(n: number): number {
  return n - Math.floor((n - 1) / 3)
}
