/**
 * The contract `recovery`: a folder gets other keys by its recovery key, after a wait in which its present owner may object, once.
 * What a thief of the owner key can do is delay; what holders of the recovery key can do is take the folder over, slowly and in the open.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { type ActionContext, type ActionPolicy, type Contract, defineAction, type KnownFolder } from './action.ts'
import { ContractError, notFound } from './contract-error.ts'
import { recoveryFinishedCodec, recoveryRekeyedCodec, recoverySettledCodec, recoveryStartedCodec } from './events.ts'
import { actingFolder } from './folders.ts'
import { folderCodec, ownerCodec } from './folders-formats.ts'
import {
  type PendingRecovery,
  type Recovery,
  type RekeyRecovery,
  rekeyRecoveryCodec,
  type SettleRecovery,
  type StartRecovery,
  settleRecoveryCodec,
  startRecoveryCodec,
} from './recovery-formats.ts'
import { assertFreeOwnerKey, assertNoRecovery, moveRecoveryKey, pendingAt, readRecovery, writeRecovery } from './recovery-rules.ts'
import { stateKey } from './state-keys.ts'

function start(context: ActionContext, body: StartRecovery): void {
  const { state, timeMs, parameters } = context
  const { id } = actingFolder(context)
  const known = readRecovery(state, id)
  const running = pendingAt(known, timeMs, parameters)
  if (running !== null) {
    if (equalBytes(running.ownerKeyHash, body.ownerKeyHash) && equalBytes(running.recoveryKeyHash, body.recoveryKeyHash)) return
    throw new ContractError('recovery-pending', 'Another recovery of this folder is pending; cancel it first.')
  }
  // One that has lapsed gives its key back.
  if (known.pending !== null) state.remove(stateKey.owner(known.pending.ownerKeyHash))
  assertFreeOwnerKey(state, body.ownerKeyHash)
  // Kept for this folder until it is settled, so that nobody can take the key meanwhile and stand in the way.
  state.write(ownerCodec, stateKey.owner(body.ownerKeyHash), id)
  const isFinal = known.vetoed
  const ends = timeMs + (isFinal ? parameters.recoverySecondWaitMs : parameters.recoveryWaitMs)
  // Another recovery key that the owner only announced never comes: else a thief of the owner key would shut this one out by it.
  writeRecovery(state, id, { vetoed: known.vetoed, pending: { ...body, ends, isFinal }, announced: null })
  context.emit('recovery.started', context.from, recoveryStartedCodec, { ends, isFinal })
}

/** The folder, its record, and the recovery that is pending for these new keys. @throws ContractError `not-found` */
function pendingFor(
  context: ActionContext,
  { ownerKeyHash }: SettleRecovery,
): { folder: KnownFolder; known: Recovery; pending: PendingRecovery } {
  const folder = actingFolder(context)
  const known = readRecovery(context.state, folder.id)
  const pending = pendingAt(known, context.timeMs, context.parameters)
  if (pending === null || !equalBytes(pending.ownerKeyHash, ownerKeyHash)) throw notFound()
  return { folder, known, pending }
}

function veto(context: ActionContext, body: SettleRecovery): void {
  const { folder, known, pending } = pendingFor(context, body)
  if (pending.isFinal)
    throw new ContractError('veto-used', 'The owner has objected to a recovery of this folder before; this one cannot be vetoed.')
  drop(context, folder.id, { ...known, vetoed: true }, pending)
  context.emit('recovery.vetoed', context.from, recoverySettledCodec, { ownerKeyHash: body.ownerKeyHash })
}

function cancel(context: ActionContext, body: SettleRecovery): void {
  const { folder, known, pending } = pendingFor(context, body)
  drop(context, folder.id, known, pending)
  context.emit('recovery.cancelled', context.from, recoverySettledCodec, { ownerKeyHash: body.ownerKeyHash })
}

function drop({ state }: ActionContext, id: Uint8Array, known: Recovery, { ownerKeyHash }: PendingRecovery): void {
  state.remove(stateKey.owner(ownerKeyHash))
  writeRecovery(state, id, { ...known, pending: null })
}

function finish(context: ActionContext, body: SettleRecovery): void {
  const { state, timeMs } = context
  const { folder: found, pending } = pendingFor(context, body)
  if (timeMs < pending.ends) throw new ContractError('too-early', 'The wait of this recovery is not over yet.')
  const { id, folder } = found
  const { ownerKeyHash, recoveryKeyHash } = pending
  state.remove(stateKey.owner(folder.ownerKeyHash))
  moveRecoveryKey(state, id, folder.recoveryKeyHash, recoveryKeyHash)
  state.write(folderCodec, stateKey.folder(id), { ...folder, ownerKeyHash, recoveryKeyHash })
  // The new owner has a veto of their own.
  writeRecovery(state, id, { vetoed: false, pending: null, announced: null })
  context.emit('recovery.finished', context.from, recoveryFinishedCodec, { ownerKeyHash, recoveryKeyHash })
}

/** Other guardians, or other hands: who holds the recovery key needs no wait to give up its power. */
function rekey(context: ActionContext, { recoveryKeyHash }: RekeyRecovery): void {
  const { state } = context
  const { id, folder } = actingFolder(context)
  if (equalBytes(folder.recoveryKeyHash, recoveryKeyHash)) return
  assertNoRecovery(context, id)
  moveRecoveryKey(state, id, folder.recoveryKeyHash, recoveryKeyHash)
  state.write(folderCodec, stateKey.folder(id), { ...folder, recoveryKeyHash })
  writeRecovery(state, id, { ...readRecovery(state, id), announced: null })
  context.emit('recovery.rekeyed', context.from, recoveryRekeyedCodec, { recoveryKeyHash })
}

/** By the recovery key, on a bucket of its own: a thief of the owner key cannot use it up. */
const BY_RECOVERY: ActionPolicy = { authors: ['folder'], folderCharge: 'recovery', signers: ['recovery'] }

export const recovery: Contract = new Map([
  ['start', defineAction(BY_RECOVERY, startRecoveryCodec, start)],
  ['cancel', defineAction(BY_RECOVERY, settleRecoveryCodec, cancel)],
  ['rekey', defineAction(BY_RECOVERY, rekeyRecoveryCodec, rekey)],
  ['finish', defineAction({ ...BY_RECOVERY, signers: ['recovery', 'successor'] }, settleRecoveryCodec, finish)],
  ['veto', defineAction({ authors: ['folder'], folderCharge: 'bucket' }, settleRecoveryCodec, veto)],
])
