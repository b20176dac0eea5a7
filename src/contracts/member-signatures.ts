/** Whether a member signed what says when it was signed: its keys change, and what it said before stays said. */
import { verifySignature } from '../crypto/signature.ts'
import type { Account } from './members-formats.ts'

/** Blocks for which a node may go on with a key that has just been put out of use, until it is started with the new one. */
const LATE_BLOCKS = 100

/**
 * Whether a member signed something that is of a height: with its present key, or with one that was in use then. A key that was put out
 * of use vouches for nothing later.
 */
export function signedByAt(
  { organisation, former }: Pick<Account, 'organisation' | 'former'>,
  height: number,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return (
    verifySignature(organisation.signingKey, message, signature) ||
    former.some(({ signingKey, until }) => height <= until + LATE_BLOCKS && verifySignature(signingKey, message, signature))
  )
}
