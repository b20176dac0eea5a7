/** Who is let in: what comes before every act, in a block and, as a dry run, before a node takes a transaction at all. */
import { equalBytes } from '../encoding/bytes.ts'
import type { StateReader } from '../ledger/state-tree.ts'
import { hasSignatureShape, type Transaction } from '../ledger/transaction.ts'
import type { ActionContext, ActionState } from './action.ts'
import { type ChargeTerms, charge, checkAuthority, checkForm } from './authority.ts'
import { ContractError, notFound } from './contract-error.ts'
import { actionOf } from './contract-registry.ts'
import { type Parameters, parametersCodec } from './members-formats.ts'
import { Overlay } from './overlay.ts'
import { stateKey } from './state-keys.ts'
import { present, TransactionState } from './transaction-state.ts'

/** What a transaction is to be judged against, apart from the state. */
export interface AdmissionInput {
  readonly chainId: Uint8Array
  /** Time at which a block might take it in, in ms: the quota of that hour counts. */
  readonly timeMs: number
  /** Acts on the same quota that are on their way already and that the state does not show yet. @default 0 */
  readonly pending?: number
}

/**
 * Form, authority and quota of an act, in this order; the quota is drawn on in `state`. What comes back runs the act.
 * Chain, signatures, time and replay are for the caller to check beforehand.
 * @throws ContractError the code of the receipt
 */
export function chargedAct(
  transaction: Transaction,
  state: ActionState,
  parameters: Parameters,
  terms: ChargeTerms,
): (context: ActionContext) => void {
  const action = actionOf(transaction.content)
  const run = action.prepare(transaction.content.body)
  checkForm(transaction, action)
  checkAuthority(transaction, action, state, terms.timeMs)
  charge(transaction, action, state, parameters, terms)
  return run
}

/**
 * Refuses what the ledger, as this state has it, would not let an author do: else anybody could fill blocks with receipts of
 * errors for nothing. It says nothing about time bounds and replays, and does not run the act. Signatures over the keys were
 * verified before.
 * @throws ContractError the receipt's code, except that `unknown-owner` reads `not-found`, as everywhere outside the ledger
 */
export function admit(state: StateReader, transaction: Transaction, { chainId, timeMs, pending }: AdmissionInput): void {
  if (!equalBytes(transaction.content.chainId, chainId)) throw new ContractError('wrong-chain', 'The transaction is for another network.')
  if (!hasSignatureShape(transaction)) throw new ContractError('bad-signature', 'A signature is missing, or is one too many.')
  const dry = new TransactionState(new Overlay(state), new Map())
  const parameters = present(dry.read(parametersCodec, stateKey.parameters()), 'parameters')
  try {
    chargedAct(transaction, dry, parameters, { timeMs, pending })
  } catch (error) {
    throw error instanceof ContractError && error.code === 'unknown-owner' ? notFound() : error
  }
}

/** The code with which {@link admit} refuses a transaction; undefined where it is let in. */
export function admission(state: StateReader, transaction: Transaction, input: AdmissionInput): string | undefined {
  try {
    admit(state, transaction, input)
    return undefined
  } catch (error) {
    if (error instanceof ContractError) return error.code
    throw error
  }
}
