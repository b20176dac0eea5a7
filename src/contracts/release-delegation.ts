/** What custodians decide of delegates: who acts for a folder's owner, and what such a one granted. */
import { delegateKeyHash } from '../crypto/wallet.ts'
import { equalBytes } from '../encoding/bytes.ts'
import type { AccessOpening } from './consent-terms.ts'
import type { Consent } from './consents-formats.ts'
import { isInForce } from './delegation-rules.ts'
import { type Delegation, hasRight } from './delegations-formats.ts'

/** Role of somebody who acts for the folder's owner; no organisation vouches for anybody under it. */
export const DELEGATE_ROLE = 'delegate'

/** Facts about delegations that concern a session. */
export interface DelegationFacts {
  /** What makes the entry's consent a delegation; null where it is none. */
  readonly delegation: Delegation | null
  /** The delegation under which the entry's consent was granted; null where its owner granted it. */
  readonly grantor: { readonly delegation: Delegation | null; readonly consent: Consent | null } | null
}

/** Why a delegate may not read under the entry's consent, which is looked at for itself; null where nothing of this stands in the way. */
export function delegateFault(
  { delegation }: DelegationFacts,
  consent: Consent | null,
  { reader, role }: AccessOpening,
  timeMs: number,
): 'delegate-role' | 'delegation-unknown' | 'delegation-ended' | 'not-delegate' | null {
  if (role !== DELEGATE_ROLE) return 'delegate-role'
  if (delegation === null || consent === null) return 'delegation-unknown'
  if (!equalBytes(delegation.delegateKeyHash, delegateKeyHash(reader)) || !hasRight(delegation.rights, 'read')) return 'not-delegate'
  return isInForce({ delegation, consent }, timeMs) ? null : 'delegation-ended'
}

/** Why nobody of an organisation may read under the entry's consent; null where nothing of this stands in the way. */
export function grantorFault(
  { delegation, grantor }: DelegationFacts,
  { role }: AccessOpening,
  timeMs: number,
): 'delegate-role' | 'delegation-ended' | null {
  if (role === DELEGATE_ROLE || delegation !== null) return 'delegate-role'
  return grantorStands(grantor, timeMs) ? null : 'delegation-ended'
}

/** Whether what was granted still has its ground: what a delegate granted ends with the delegation. */
export function grantorStands(grantor: DelegationFacts['grantor'], timeMs: number): boolean {
  if (grantor === null) return true
  const { delegation, consent } = grantor
  return delegation !== null && consent !== null && hasRight(delegation.rights, 'grant') && isInForce({ delegation, consent }, timeMs)
}
