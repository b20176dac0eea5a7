/** The contracts of the network, and where to find what a transaction asks for. */
import type { TransactionContent } from '../ledger/transaction.ts'
import { access } from './access.ts'
import type { Action, ActionPolicy, Contract } from './action.ts'
import { audits } from './audits.ts'
import { consents } from './consents.ts'
import { ContractError } from './contract-error.ts'
import { delegations } from './delegations.ts'
import { disputes } from './disputes.ts'
import { emergency } from './emergency.ts'
import { folders } from './folders.ts'
import { members } from './governance.ts'
import { records } from './records.ts'
import { recovery } from './recovery.ts'
import { repairs } from './repairs.ts'

const CONTRACTS: ReadonlyMap<string, Contract> = new Map([
  ['members', members],
  ['folders', folders],
  ['records', records],
  ['consents', consents],
  ['access', access],
  ['audits', audits],
  ['repairs', repairs],
  ['disputes', disputes],
  ['emergency', emergency],
  ['recovery', recovery],
  ['delegations', delegations],
])

/** The action that a transaction names. @throws ContractError `unknown-contract`, `unknown-action` */
export function actionOf(content: TransactionContent): Action {
  const contract = CONTRACTS.get(content.contract)
  if (contract === undefined) throw new ContractError('unknown-contract', 'This network has no such contract.')
  const action = contract.get(content.action)
  if (action === undefined) throw new ContractError('unknown-action', `The contract ${content.contract} has no such action.`)
  return action
}

/** On whose account a folder does what a transaction asks; undefined where there is no such action. */
export function folderChargeOf(content: TransactionContent): ActionPolicy['folderCharge'] | undefined {
  return CONTRACTS.get(content.contract)?.get(content.action)?.folderCharge
}

/** The right by which a delegate of a folder's owner may do what a transaction asks; undefined where none may. */
export function delegateRightOf(content: TransactionContent): ActionPolicy['delegateRight'] {
  return CONTRACTS.get(content.contract)?.get(content.action)?.delegateRight
}

/** Whether an act goes first in every batch: what a patient may do without any sponsor, so that nobody stands in the way of a revocation. */
export function isPriority(content: TransactionContent): boolean {
  const charge = folderChargeOf(content)
  return content.from.kind === 'folder' && charge !== undefined && charge !== 'sponsor'
}
