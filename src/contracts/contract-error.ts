import { EpioneError } from '../encoding/errors.ts'

/**
 * A rule of a contract that a transaction breaks. Its code goes into the receipt; but for the quota, the state stays as it was. It is the one
 * exception that becomes a receipt: every node that executes the same transaction on the same state throws the same one.
 */
export class ContractError extends EpioneError {
  constructor(code: string, message: string) {
    super(code, message)
    this.name = 'ContractError'
  }
}

/**
 * The answer to an author who is known, about a folder that does not exist, that belongs to somebody else, or whose consent is
 * unknown, revoked or expired: one code for all, so that a receipt never tells which.
 */
export function notFound(): ContractError {
  return new ContractError('not-found', 'There is no such folder or consent for this author.')
}
