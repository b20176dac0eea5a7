/** Where a consent stands. */
import type { OwnedConsent } from '../src/client/consents.ts'

/** `pending`: it begins later. */
export type ConsentStatus = 'active' | 'pending' | 'revoked' | 'expired'

/** At a block time; where its terms are unknown, by the ledger's line alone. */
export function consentStatus({ line, provision }: Pick<OwnedConsent, 'line' | 'provision'>, timeMs: number): ConsentStatus {
  const validity = provision?.validity ?? null
  if (line.status === 'revoked') return 'revoked'
  if (line.expiry <= timeMs || (validity !== null && validity.end <= timeMs)) return 'expired'
  return validity !== null && validity.start > timeMs ? 'pending' : 'active'
}
