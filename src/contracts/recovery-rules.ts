/** What the other contracts need to know of recoveries: whether one is pending, and which keys are taken. */
import { equalBytes } from '../encoding/bytes.ts'
import type { ActionContext, ActionState } from './action.ts'
import { ContractError } from './contract-error.ts'
import { ownerCodec } from './folders-formats.ts'
import type { Parameters } from './members-formats.ts'
import { type PendingRecovery, type Recovery, recoveryCodec, recoveryKeyCodec } from './recovery-formats.ts'
import { stateKey } from './state-keys.ts'

/** Nobody has less time than this to finish, in ms. */
const MIN_LAPSE_MS = 24 * 60 * 60 * 1000

const NONE: Recovery = { vetoed: false, pending: null, announced: null }

export function readRecovery(state: ActionState, folder: Uint8Array): Recovery {
  return state.read(recoveryCodec, stateKey.recovery(folder)) ?? NONE
}

/** Writes what there is to remember, or nothing. */
export function writeRecovery(state: ActionState, folder: Uint8Array, recovery: Recovery): void {
  const key = stateKey.recovery(folder)
  if (!recovery.vetoed && recovery.pending === null && recovery.announced === null) state.remove(key)
  else state.write(recoveryCodec, key, recovery)
}

/** Block time from which on a recovery that nobody finished counts no more, in ms: nobody freezes a folder for ever. */
export function lapsesAt({ ends }: PendingRecovery, { recoverySecondWaitMs }: Parameters): number {
  return ends + Math.max(recoverySecondWaitMs, MIN_LAPSE_MS)
}

/** The recovery that is pending at a block time; null where there is none, or it has lapsed. */
export function pendingAt(recovery: Recovery, timeMs: number, parameters: Parameters): PendingRecovery | null {
  const { pending } = recovery
  return pending !== null && timeMs < lapsesAt(pending, parameters) ? pending : null
}

/** Refuses what must wait while it is open whose folder it is. @throws ContractError `recovery-pending` */
export function assertNoRecovery({ state, timeMs, parameters }: ActionContext, folder: Uint8Array): void {
  if (pendingAt(readRecovery(state, folder), timeMs, parameters) === null) return
  throw new ContractError(
    'recovery-pending',
    'A recovery of this folder is pending: grants, erasures and new keys wait until it is settled.',
  )
}

/** An owner key leads to one folder at most: a wallet looks its folders up by them. @throws ContractError `exists` */
export function assertFreeOwnerKey(state: ActionState, ownerKeyHash: Uint8Array): void {
  if (state.read(ownerCodec, stateKey.owner(ownerKeyHash)) !== undefined) {
    throw new ContractError('exists', 'This owner key has a folder already; take the next one of the wallet.')
  }
}

/**
 * Makes a recovery key lead to its folder, so that who lost everything else finds it. Who comes first stays: a key that is found in the
 * ledger and put into another folder leads nobody astray.
 */
export function leadTo(state: ActionState, folder: Uint8Array, recoveryKeyHash: Uint8Array): void {
  const key = stateKey.recoveryKey(recoveryKeyHash)
  if (state.read(recoveryKeyCodec, key) === undefined) state.write(recoveryKeyCodec, key, folder)
}

/** Puts another recovery key in the place of one. */
export function moveRecoveryKey(state: ActionState, folder: Uint8Array, from: Uint8Array, to: Uint8Array): void {
  const known = state.read(recoveryKeyCodec, stateKey.recoveryKey(from))
  if (known !== undefined && equalBytes(known, folder)) state.remove(stateKey.recoveryKey(from))
  leadTo(state, folder, to)
}
