/** Whether a delegation stands: asked before a delegate acts, and before what a delegate granted is released. */
import { delegateKeyHash, ownerKeyHash } from '../crypto/wallet.ts'
import { equalBytes } from '../encoding/bytes.ts'
import type { ActionContext, ActionState } from './action.ts'
import { type Consent, consentCodec } from './consents-formats.ts'
import { type Delegation, delegationCodec, delegationIdCodec, hasRight, type Right } from './delegations-formats.ts'
import { folderCodec } from './folders-formats.ts'
import { stateKey } from './state-keys.ts'

/** A delegation with the consent that it stands on. */
export interface StandingDelegation {
  readonly id: Uint8Array
  readonly delegation: Delegation
  readonly consent: Consent
}

/** Whether a delegation is in force at a block time. */
export function isInForce({ delegation, consent }: Omit<StandingDelegation, 'id'>, timeMs: number): boolean {
  return consent.status === 'active' && delegation.start <= timeMs && timeMs < consent.expiry
}

/** The delegation of an id, in force or not. */
export function readDelegation(state: Pick<ActionState, 'read'>, folder: Uint8Array, id: Uint8Array): StandingDelegation | undefined {
  const delegation = state.read(delegationCodec, stateKey.delegation(folder, id))
  const consent = state.read(consentCodec, stateKey.consent(folder, id))
  return delegation === undefined || consent === undefined ? undefined : { id, delegation, consent }
}

/** The delegation under which a key acts for a folder at a block time, if there is one in force. */
export function delegationOf(
  state: Pick<ActionState, 'read'>,
  folder: Uint8Array,
  key: Uint8Array,
  timeMs: number,
): StandingDelegation | undefined {
  const hash = delegateKeyHash(key)
  const id = state.read(delegationIdCodec, stateKey.delegate(folder, hash))
  const found = id === undefined ? undefined : readDelegation(state, folder, id)
  return found !== undefined && equalBytes(found.delegation.delegateKeyHash, hash) && isInForce(found, timeMs) ? found : undefined
}

/** Whether a key may do for a folder's owner what takes this right. */
export function mayActFor(state: Pick<ActionState, 'read'>, folder: Uint8Array, key: Uint8Array, right: Right, timeMs: number): boolean {
  const found = delegationOf(state, folder, key, timeMs)
  return found !== undefined && hasRight(found.delegation.rights, right)
}

/** The delegation under which the author of an act signed; undefined for the folder's owner, and for members. */
export function actingDelegation({ state, from, signer, timeMs }: ActionContext): StandingDelegation | undefined {
  if (from.kind !== 'folder') return undefined
  const folder = state.read(folderCodec, stateKey.folder(from.id))
  if (folder !== undefined && equalBytes(folder.ownerKeyHash, ownerKeyHash(signer))) return undefined
  return delegationOf(state, from.id, signer, timeMs)
}
