/** The contract `folders`: creation by the author organisation; rotation of keys and new epochs by the owner. */
import { compareBytes, equalBytes } from '../encoding/bytes.ts'
import { type ActionContext, type ActionState, type Contract, defineAction, type KnownFolder } from './action.ts'
import { ContractError, notFound } from './contract-error.ts'
import { folderAdvancedCodec, folderCreatedCodec, folderRotatedCodec, recoveryAnnouncedCodec } from './events.ts'
import { endConsent, rewrapConsents } from './folder-epochs.ts'
import {
  type AdvanceFolder,
  advanceFolderCodec,
  type CreateFolder,
  createFolderCodec,
  type Folder,
  folderCodec,
  folderId,
  LAST_EPOCH,
  ownerCodec,
  type RotateFolder,
  rotateFolderCodec,
} from './folders-formats.ts'
import { counterCodec, custodiansCodec } from './members-formats.ts'
import { assertFreeOwnerKey, assertNoRecovery, leadTo, moveRecoveryKey, readRecovery, writeRecovery } from './recovery-rules.ts'
import { stateKey } from './state-keys.ts'

/** A folder in use. @throws ContractError `not-found` */
export function openFolder(state: ActionState, id: Uint8Array): KnownFolder {
  const folder = state.read(folderCodec, stateKey.folder(id))
  if (folder === undefined || folder.status !== 'open') throw notFound()
  return { id, folder }
}

/** The folder that acts; its owner's key was checked before. @throws ContractError `not-found` */
export function actingFolder(context: ActionContext): KnownFolder {
  return openFolder(context.state, context.from.id)
}

function create(context: ActionContext, body: CreateFolder): void {
  const { state, parameters } = context
  const id = folderId(context.chainId, body.ownerKeyHash)
  const folder: Folder = {
    author: context.from.id,
    ownerKeyHash: body.ownerKeyHash,
    recoveryKeyHash: body.recoveryKeyHash,
    epoch: 0,
    sealingKey: body.sealingKey,
    previousKeyHash: null,
    labelCommitment: body.labelCommitment,
    policy: body.policy,
    status: 'open',
  }
  const known = state.read(folderCodec, stateKey.folder(id))
  if (known !== undefined) {
    if (compareBytes(folderCodec.encode(known), folderCodec.encode(folder)) !== 0) {
      throw new ContractError('exists', 'This owner key made a folder with other content before.')
    }
    return
  }
  assertFreeOwnerKey(state, body.ownerKeyHash)
  const policy = parameters.policies[body.policy]
  if (policy === undefined) throw new ContractError('unknown-policy', `The network has no residency policy ${body.policy}.`)
  const height = state.read(counterCodec, stateKey.custodiansHeight()) as number
  const custodians = state.read(custodiansCodec, stateKey.custodians(height)) ?? []
  const eligible = custodians.filter(({ jurisdiction }) => policy.jurisdictions === null || policy.jurisdictions.includes(jurisdiction))
  if (eligible.length < parameters.n) {
    throw new ContractError(
      'too-few-custodians',
      `Residency policy "${policy.name}" leaves ${eligible.length} custodians; records need ${parameters.n}.`,
    )
  }
  state.write(folderCodec, stateKey.folder(id), folder)
  state.write(ownerCodec, stateKey.owner(body.ownerKeyHash), id)
  leadTo(state, id, body.recoveryKeyHash)
  context.emit('folders.created', { kind: 'folder', id }, folderCreatedCodec, { author: context.from.id, ownerKeyHash: body.ownerKeyHash })
}

/**
 * Other keys by the owner. The owner key is another at once; the recovery key only after a wait, for who stole the owner key must not
 * shut the recovery key out with it. Who holds the recovery key, too, changes it at once by `recovery.rekey`.
 */
function rotate(context: ActionContext, body: RotateFolder): void {
  const { state } = context
  const { id, folder } = actingFolder(context)
  assertNoRecovery(context, id)
  const sameOwner = equalBytes(folder.ownerKeyHash, body.ownerKeyHash)
  if (!sameOwner) {
    assertFreeOwnerKey(state, body.ownerKeyHash)
    state.remove(stateKey.owner(folder.ownerKeyHash))
    state.write(ownerCodec, stateKey.owner(body.ownerKeyHash), id)
  }
  const { ownerKeyHash } = body
  const recoveryKeyHash = recoveryKeyFor(context, { id, folder }, body.recoveryKeyHash)
  if (sameOwner && equalBytes(recoveryKeyHash, folder.recoveryKeyHash)) return
  state.write(folderCodec, stateKey.folder(id), { ...folder, ownerKeyHash, recoveryKeyHash })
  context.emit('folders.rotated', context.from, folderRotatedCodec, { ownerKeyHash, recoveryKeyHash })
}

/** The recovery key that is in force after the owner asked for one: the asked one where its wait is over, else the present one. */
function recoveryKeyFor(context: ActionContext, { id, folder }: KnownFolder, asked: Uint8Array): Uint8Array {
  const { state, timeMs, parameters } = context
  const known = readRecovery(state, id)
  if (equalBytes(folder.recoveryKeyHash, asked)) {
    // What was announced before is taken back.
    if (known.announced !== null) writeRecovery(state, id, { ...known, announced: null })
    return asked
  }
  const { announced } = known
  if (announced === null || !equalBytes(announced.recoveryKeyHash, asked)) {
    const due = timeMs + parameters.recoverySecondWaitMs
    writeRecovery(state, id, { ...known, announced: { recoveryKeyHash: asked, due } })
    context.emit('recovery.announced', context.from, recoveryAnnouncedCodec, { recoveryKeyHash: asked, due })
    return folder.recoveryKeyHash
  }
  if (timeMs < announced.due) return folder.recoveryKeyHash
  moveRecoveryKey(state, id, folder.recoveryKeyHash, asked)
  // Nobody started a recovery by the former key in all that time: the new one begins afresh.
  writeRecovery(state, id, { vetoed: false, pending: null, announced: null })
  return asked
}

/** `body.epoch` is the epoch that the owner saw; the folder moves to the one after it, and its consents end or go with it. */
function advance(context: ActionContext, body: AdvanceFolder): void {
  const { state } = context
  const { id, folder } = actingFolder(context)
  assertNoRecovery(context, id)
  const { sealingKey, previousKeyHash } = body
  const isDone =
    folder.epoch === body.epoch + 1 &&
    folder.previousKeyHash !== null &&
    equalBytes(folder.previousKeyHash, previousKeyHash) &&
    equalBytes(folder.sealingKey, sealingKey)
  if (isDone) return
  if (folder.epoch !== body.epoch) throw new ContractError('stale-epoch', `The folder is in epoch ${folder.epoch}, not ${body.epoch}.`)
  if (folder.epoch >= LAST_EPOCH) throw new ContractError('epoch-limit', 'The folder is in its last epoch; open another one.')
  const epoch = folder.epoch + 1
  state.write(folderCodec, stateKey.folder(id), { ...folder, epoch, sealingKey, previousKeyHash })
  context.emit('folders.advanced', context.from, folderAdvancedCodec, { epoch })
  for (const consent of body.revoke) endConsent(context, id, consent)
  rewrapConsents(context, id, epoch, body.rewraps)
}

export const folders: Contract = new Map([
  ['create', defineAction({ authors: ['account'], folderCharge: 'sponsor' }, createFolderCodec, create)],
  ['rotate', defineAction({ authors: ['folder'], folderCharge: 'bucket' }, rotateFolderCodec, rotate)],
  ['advance', defineAction({ authors: ['folder'], folderCharge: 'bucket' }, advanceFolderCodec, advance)],
])
