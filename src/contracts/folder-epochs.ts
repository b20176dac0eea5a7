/** What happens to a folder's consents when its key changes: some end, the others go on under the new key. */
import { equalBytes } from '../encoding/bytes.ts'
import type { ActionContext } from './action.ts'
import { consentCodec } from './consents-formats.ts'
import { ContractError, notFound } from './contract-error.ts'
import { actingDelegation } from './delegation-rules.ts'
import { delegationCodec } from './delegations-formats.ts'
import { consentRevokedCodec, consentsRewrappedCodec } from './events.ts'
import type { Rewrap } from './folders-formats.ts'
import { stateKey } from './state-keys.ts'

/** Ends a consent; one that has ended stays as it is. @throws ContractError `not-found`; `not-allowed` for a delegate and another's delegation */
export function endConsent(context: ActionContext, folder: Uint8Array, consent: Uint8Array): void {
  const key = stateKey.consent(folder, consent)
  const known = context.state.read(consentCodec, key)
  if (known === undefined) throw notFound()
  const by = actingDelegation(context)
  const isDelegation = context.state.read(delegationCodec, stateKey.delegation(folder, consent)) !== undefined
  if (by !== undefined && isDelegation && !equalBytes(by.id, consent)) {
    throw new ContractError('not-allowed', 'A delegate ends no delegation but its own.')
  }
  if (known.status === 'revoked') return
  context.state.write(consentCodec, key, { ...known, status: 'revoked', height: context.height })
  context.emit('consents.revoked', context.from, consentRevokedCodec, { consent })
}

/**
 * Brings consents into an epoch with their new wraps. One that another device has revoked meanwhile stays revoked and is passed over,
 * so that the others do not wait for it. @throws ContractError `not-found`
 */
export function rewrapConsents(context: ActionContext, folder: Uint8Array, epoch: number, rewraps: readonly Rewrap[]): void {
  let count = 0
  for (const { consent, wrapHash } of rewraps) {
    const key = stateKey.consent(folder, consent)
    const known = context.state.read(consentCodec, key)
    if (known === undefined) throw notFound()
    if (known.status === 'revoked' || (known.epoch === epoch && equalBytes(known.wrapHash, wrapHash))) continue
    context.state.write(consentCodec, key, { ...known, epoch, wrapHash, height: context.height })
    count++
  }
  if (count > 0) context.emit('consents.rewrapped', context.from, consentsRewrappedCodec, { epoch, count })
}
