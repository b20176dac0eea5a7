/** The contract `delegations`: an owner lets somebody act for them. It ends as consents end: by its day, or by `consents.revoke`. */
import { equalBytes } from '../encoding/bytes.ts'
import { type ActionContext, type Contract, defineAction } from './action.ts'
import { writeConsent } from './consents.ts'
import { consentId, EXPIRY_BUCKET_MS } from './consents-formats.ts'
import { ContractError } from './contract-error.ts'
import { isInForce, readDelegation } from './delegation-rules.ts'
import { delegationCodec, delegationIdCodec, type GrantDelegation, grantDelegationCodec } from './delegations-formats.ts'
import { delegationGrantedCodec } from './events.ts'
import { actingFolder } from './folders.ts'
import { stateKey } from './state-keys.ts'

/** Longest delegation, in ms: a newborn's parents need eighteen years, and some more. */
export const MAX_DELEGATION_MS = 20 * 366 * EXPIRY_BUCKET_MS

function grant(context: ActionContext, body: GrantDelegation): void {
  const { state } = context
  const { id: folder } = actingFolder(context)
  const { commitment, wrapHash, epoch, expiry, delegateKeyHash, rights, start, terms } = body
  const id = consentId(folder, commitment)
  const known = readDelegation(state, folder, id)
  if (known !== undefined) {
    const { delegation } = known
    const isSame =
      equalBytes(delegation.delegateKeyHash, delegateKeyHash) &&
      delegation.rights === rights &&
      delegation.start === start &&
      equalBytes(delegation.terms, terms)
    if (!isSame) throw new ContractError('exists', 'This folder has a delegation with that commitment and other content.')
  } else {
    if (start % EXPIRY_BUCKET_MS !== 0 || start >= expiry)
      throw new ContractError('bad-start', 'A delegation starts on a whole day, before it ends.')
    assertFreeKey(context, folder, delegateKeyHash)
  }
  if (!writeConsent(context, { commitment, wrapHash, epoch, expiry }, MAX_DELEGATION_MS)) return
  if (known !== undefined) throw new ContractError('exists', 'A delegation that was revoked does not come back.')
  state.write(delegationCodec, stateKey.delegation(folder, id), { delegateKeyHash, rights, start, terms })
  state.write(delegationIdCodec, stateKey.delegate(folder, delegateKeyHash), id)
  context.emit('delegations.granted', context.from, delegationGrantedCodec, { delegation: id, rights, start, expiry })
}

/** A key has one delegation of a folder at a time, so that it is always clear under which it acts. */
function assertFreeKey({ state, timeMs }: ActionContext, folder: Uint8Array, delegateKeyHash: Uint8Array): void {
  const other = state.read(delegationIdCodec, stateKey.delegate(folder, delegateKeyHash))
  const found = other === undefined ? undefined : readDelegation(state, folder, other)
  if (found === undefined) return
  // One that has not begun is in the way, too.
  if (isInForce(found, Math.max(timeMs, found.delegation.start))) {
    throw new ContractError('exists', 'This key has a delegation of the folder already; revoke that first, or take another key.')
  }
}

export const delegations: Contract = new Map([
  ['grant', defineAction({ authors: ['folder'], folderCharge: 'sponsor' }, grantDelegationCodec, grant)],
])
