/** The contract `access`: the line in a folder's log without which no custodian releases anything. */
import { equalBytes } from '../encoding/bytes.ts'
import { type AccessEntry, accessEntryCodec, accessEntryId, MAX_SESSION_MS, type OpenBody, openBodyCodec } from './access-formats.ts'
import { type ActionContext, type Contract, defineAction } from './action.ts'
import { consentCodec } from './consents-formats.ts'
import { ContractError, notFound } from './contract-error.ts'
import { actingDelegation } from './delegation-rules.ts'
import { delegationCodec } from './delegations-formats.ts'
import { accessOpenedCodec } from './events.ts'
import { openFolder } from './folders.ts'
import { stateKey } from './state-keys.ts'

function open(context: ActionContext, body: OpenBody): void {
  const { from, state, timeMs } = context
  const { folder, consent, commitment, until } = body
  if (from.kind === 'account' && consent === null) {
    throw new ContractError('consent-required', 'An organisation names the consent under which it reads.')
  }
  const by = actingDelegation(context)
  if (from.kind === 'folder' && by === undefined && consent !== null) {
    throw new ContractError('not-allowed', 'An owner reads without a consent; a consent is for organisations.')
  }
  if (by !== undefined && (consent === null || !equalBytes(consent, by.id))) {
    throw new ContractError('not-allowed', 'A delegate reads under its delegation, and names it.')
  }
  if (from.kind === 'folder' && !equalBytes(from.id, folder)) throw notFound()
  openFolder(state, folder)
  if (consent !== null) {
    const known = state.read(consentCodec, stateKey.consent(folder, consent))
    if (known === undefined || known.status !== 'active' || known.expiry <= timeMs) throw notFound()
    // A delegation is one person's, whom no organisation answers for.
    if (by === undefined && state.read(delegationCodec, stateKey.delegation(folder, consent)) !== undefined) throw notFound()
  }
  if (until <= timeMs || until > timeMs + MAX_SESSION_MS) {
    throw new ContractError('bad-until', 'A session ends in the future, and at most an hour after the block that opens it.')
  }
  const organisation = from.kind === 'account' ? from.id : null
  const { index: position, id: entry } = context.append(stateKey.accessLog(folder), index => {
    const line: AccessEntry = { folder, index, organisation, consent, commitment, until, height: context.height, time: timeMs }
    return { id: accessEntryId(line), body: accessEntryCodec.encode(line) }
  })
  const opened = { entry, position, organisation, consent, until }
  context.emit('access.opened', { kind: 'folder', id: folder }, accessOpenedCodec, opened)
}

export const access: Contract = new Map([
  ['open', defineAction({ authors: ['account', 'folder'], folderCharge: 'sponsor', delegateRight: 'read' }, openBodyCodec, open)],
])
