/**
 * How validator sets follow each other. A change decided in block H is in header H + 1 as the next set and signs from H + 2,
 * so that whoever verifies a header always knows, from the header before, who must have signed it.
 */
import { compareBytes, equalBytes } from '../encoding/bytes.ts'
import type { Validator, ValidatorSet } from '../ledger/header.ts'
import type { Organisation, Validators } from './members-formats.ts'

/** Sets at the start of a block, from those at the end of its parent. */
export function rollValidators({ next, decided }: Validators): Validators {
  return { current: next, next: decided, decided }
}

/** A validator's entry in the sets; undefined for a member that does not validate. */
export function validatorOf(organisation: Organisation): Validator | undefined {
  return organisation.consensusKey === null ? undefined : { publicKey: organisation.consensusKey, power: organisation.power }
}

/** Ascending by key, as the sets' format demands. */
export function sortedValidators(validators: readonly Validator[]): Validator[] {
  return [...validators].sort((a, b) => compareBytes(a.publicKey, b.publicKey))
}

/**
 * The decided set after one member changed in block `height`. A change that leaves keys and weights as they are leaves the set
 * itself, and with it the rotation of proposers.
 */
export function decideValidators(
  decided: ValidatorSet,
  height: number,
  before: Validator | undefined,
  after: Validator | undefined,
): ValidatorSet {
  if (before === undefined && after === undefined) return decided
  if (before !== undefined && after !== undefined && before.power === after.power && equalBytes(before.publicKey, after.publicKey)) {
    return decided
  }
  const others = decided.validators.filter(({ publicKey }) => before === undefined || !equalBytes(publicKey, before.publicKey))
  return { validators: sortedValidators(after === undefined ? others : [...others, after]), since: height + 2 }
}
