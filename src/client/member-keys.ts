/** New keys of a member, by its own act. */
import { newKeysBytes, rotateMemberCodec } from '../contracts/members-formats.ts'
import type { SealingKey } from '../crypto/sealing.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** Keys that take the place of the present ones; undefined for one that stays. */
export interface NextMemberKeys {
  readonly signing: SigningKey | undefined
  readonly sealing: Pick<SealingKey, 'publicKey'> | undefined
  readonly network: SigningKey | undefined
}

/**
 * Puts a member's new keys onto the ledger, signed by its present signing key. Null where the ledger has them already, from an attempt
 * whose end was not seen. @throws EpioneError `key-taken`, `too-many-keys`, `wrong-key`
 */
export async function rotateMemberKeys(
  peer: LightPeer,
  member: { account: Uint8Array; key: SigningKey },
  next: NextMemberKeys,
  options: CallOptions = {},
): Promise<Committed | null> {
  const { organisation } = await peer.member(member.account, options)
  const has = (present: Uint8Array, key: { readonly publicKey: Uint8Array } | undefined): boolean =>
    key === undefined || equalBytes(present, key.publicKey)
  const done = [
    has(organisation.signingKey, next.signing),
    has(organisation.sealingKey, next.sealing),
    has(organisation.networkKey, next.network),
  ]
  if (done.every(Boolean)) return null
  if (next.signing !== undefined && done[0] === true) {
    throw new EpioneError(
      'keys-mixed',
      'Some of the waiting keys are on the ledger and others are not; a keystore was restored from a copy.',
    )
  }
  const keys = {
    signingKey: next.signing?.publicKey ?? null,
    sealingKey: next.sealing?.publicKey ?? null,
    networkKey: next.network?.publicKey ?? null,
  }
  const message = newKeysBytes(peer.chainId, member.account, keys)
  const body = rotateMemberCodec.encode({
    keys,
    signingProof: next.signing?.sign(message) ?? null,
    networkProof: next.network?.sign(message) ?? null,
  })
  const transaction = peer.sign({ from: { kind: 'account', id: member.account }, contract: 'members', action: 'rotate', body }, member.key)
  return await peer.submit(transaction, options)
}
