/** The contract `consents`: grants and revocations of a folder's owner. */
import { equalBytes } from '../encoding/bytes.ts'
import { type ActionContext, type Contract, defineAction } from './action.ts'
import {
  type Consent,
  consentCodec,
  consentId,
  EXPIRY_BUCKET_MS,
  expiryBucket,
  type GrantBody,
  grantBodyCodec,
  type RevokeBody,
  type RewrapBody,
  revokeBodyCodec,
  rewrapBodyCodec,
} from './consents-formats.ts'
import { ContractError } from './contract-error.ts'
import { actingDelegation } from './delegation-rules.ts'
import { delegationIdCodec } from './delegations-formats.ts'
import { consentGrantedCodec } from './events.ts'
import { endConsent, rewrapConsents } from './folder-epochs.ts'
import { actingFolder } from './folders.ts'
import { assertNoRecovery } from './recovery-rules.ts'
import { stateKey } from './state-keys.ts'

/** Longest consent, in ms: ten years with their leap days, then rounded up as every expiry is. */
export const MAX_CONSENT_MS = 3653 * EXPIRY_BUCKET_MS

function grant(context: ActionContext, body: GrantBody): void {
  const by = actingDelegation(context)
  if (by !== undefined && body.expiry > by.consent.expiry) {
    throw new ContractError('not-attenuated', 'What a delegate grants ends no later than the delegation.')
  }
  if (!writeConsent(context, body, MAX_CONSENT_MS) || by === undefined) return
  const folder = context.from.id
  context.state.write(delegationIdCodec, stateKey.grantedBy(folder, consentId(folder, body.commitment)), by.id)
}

/** Writes a consent that is new; false where the folder has it already. @throws ContractError */
export function writeConsent(context: ActionContext, body: GrantBody, maxMs: number): boolean {
  const { id: folder, folder: facts } = actingFolder(context)
  const id = consentId(folder, body.commitment)
  const key = stateKey.consent(folder, id)
  const known = context.state.read(consentCodec, key)
  if (known !== undefined) {
    // A grant that was revoked does not come back by itself: another salt gives another consent.
    if (!isSameGrant(known, body)) throw new ContractError('exists', 'This folder has a consent with that commitment and other content.')
    return false
  }
  assertNoRecovery(context, folder)
  if (body.epoch !== facts.epoch)
    throw new ContractError('stale-epoch', `The wrap is for epoch ${body.epoch}, the folder is in ${facts.epoch}.`)
  if (body.expiry % EXPIRY_BUCKET_MS !== 0 || body.expiry <= context.timeMs || body.expiry > expiryBucket(context.timeMs + maxMs)) {
    throw new ContractError('bad-expiry', 'An expiry is a whole day, in the future, and not too far ahead.')
  }
  const { commitment, wrapHash, epoch, expiry } = body
  context.state.write(consentCodec, key, { status: 'active', commitment, wrapHash, epoch, expiry, height: context.height })
  context.emit('consents.granted', context.from, consentGrantedCodec, { consent: id, epoch, expiry })
  return true
}

function isSameGrant(known: Consent, body: GrantBody): boolean {
  return (
    known.status === 'active' && equalBytes(known.wrapHash, body.wrapHash) && known.epoch === body.epoch && known.expiry === body.expiry
  )
}

function revoke(context: ActionContext, body: RevokeBody): void {
  endConsent(context, actingFolder(context).id, body.consent)
}

/** Consents that one act could not bring into a new epoch follow in others. */
function rewrap(context: ActionContext, { epoch, rewraps }: RewrapBody): void {
  const { id, folder } = actingFolder(context)
  assertNoRecovery(context, id)
  if (folder.epoch !== epoch) {
    throw new ContractError('stale-epoch', `The wraps are for epoch ${epoch}, the folder is in ${folder.epoch}.`)
  }
  rewrapConsents(context, id, epoch, rewraps)
}

export const consents: Contract = new Map([
  ['grant', defineAction({ authors: ['folder'], folderCharge: 'sponsor', delegateRight: 'grant' }, grantBodyCodec, grant)],
  ['revoke', defineAction({ authors: ['folder'], folderCharge: 'bucket', delegateRight: 'revoke' }, revokeBodyCodec, revoke)],
  ['rewrap', defineAction({ authors: ['folder'], folderCharge: 'bucket' }, rewrapBodyCodec, rewrap)],
])
