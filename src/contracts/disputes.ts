/**
 * The contract `disputes`: a folder's owner, or who acts for them, says that a version is wrong; its author organisation accepts, or refuses
 * with a reason; and who said it may take it back.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { type ActionContext, type Contract, defineAction } from './action.ts'
import { EXPIRY_BUCKET_MS } from './consents-formats.ts'
import { ContractError, notFound } from './contract-error.ts'
import { actingDelegation } from './delegation-rules.ts'
import {
  ANSWER_MS,
  type AnswerDispute,
  answerDisputeCodec,
  type Dispute,
  disputeCodec,
  disputeId,
  MAX_OPEN_DISPUTES,
  type OpenDispute,
  openDisputeCodec,
  type WithdrawDispute,
  withdrawDisputeCodec,
} from './disputes-formats.ts'
import { disputeAnsweredCodec, disputeOpenedCodec, disputeWithdrawnCodec } from './events.ts'
import { actingFolder, openFolder } from './folders.ts'
import { counterCodec } from './members-formats.ts'
import { anchorCodec } from './records-formats.ts'
import { stateKey } from './state-keys.ts'

/** What was withdrawn may be opened again, with a new term. */
function open(context: ActionContext, body: OpenDispute): void {
  const { state, height, timeMs } = context
  const { id: folder } = actingFolder(context)
  const id = disputeId(folder, body.commitment)
  const key = stateKey.dispute(folder, id)
  const known = state.read(disputeCodec, key)
  if (known !== undefined && known.status !== 'withdrawn') return
  const openOnes = state.read(counterCodec, stateKey.openDisputes(folder)) ?? 0
  if (openOnes >= MAX_OPEN_DISPUTES) {
    throw new ContractError('disputes-full', `${MAX_OPEN_DISPUTES} disputes of this folder wait for an answer; no more are taken.`)
  }
  const due = Math.ceil((timeMs + ANSWER_MS) / EXPIRY_BUCKET_MS) * EXPIRY_BUCKET_MS
  const delegation = actingDelegation(context)?.id ?? null
  state.write(disputeCodec, key, { status: 'open', commitment: body.commitment, height, due, answer: null, answered: 0, delegation })
  state.write(counterCodec, stateKey.openDisputes(folder), openOnes + 1)
  context.emit('disputes.opened', context.from, disputeOpenedCodec, { dispute: id, due })
}

/** The owner takes back any, a delegate what was opened under the same delegation. What was accepted has its correction, and stays. */
function withdraw(context: ActionContext, body: WithdrawDispute): void {
  const { state, height } = context
  const { id: folder } = actingFolder(context)
  const key = stateKey.dispute(folder, body.dispute)
  const known = state.read(disputeCodec, key)
  const acting = actingDelegation(context)
  const isOwn = acting === undefined || (known?.delegation != null && equalBytes(known.delegation, acting.id))
  if (known === undefined || !isOwn) throw notFound()
  if (known.status === 'withdrawn') return
  if (known.status === 'accepted') throw new ContractError('dispute-closed', 'This dispute was accepted, which stays.')
  close(context, folder, known)
  state.write(disputeCodec, key, { ...known, status: 'withdrawn', answer: null, answered: height })
  context.emit('disputes.withdrawn', context.from, disputeWithdrawnCodec, { dispute: body.dispute })
}

/** One dispute less waits for an answer, if this one did. */
function close({ state }: ActionContext, folder: Uint8Array, { status }: Dispute): void {
  if (status !== 'open') return
  const openOnes = state.read(counterCodec, stateKey.openDisputes(folder)) as number
  if (openOnes === 1) state.remove(stateKey.openDisputes(folder))
  else state.write(counterCodec, stateKey.openDisputes(folder), openOnes - 1)
}

/** What was refused may be refused anew, with another reason, or accepted; what was accepted stays so. */
function answer(context: ActionContext, body: AnswerDispute): void {
  const { state, height } = context
  const { folder } = openFolder(state, body.folder)
  const key = stateKey.dispute(body.folder, body.dispute)
  const known = state.read(disputeCodec, key)
  if (known === undefined || !equalBytes(folder.author, context.from.id)) throw notFound()
  const { type: status } = body.answer
  const value = body.answer.type === 'accepted' ? body.answer.value.submissionRoot : body.answer.value.reasonHash
  if (known.status === status && known.answer !== null && equalBytes(known.answer, value)) return
  if (known.status === 'withdrawn') throw new ContractError('dispute-closed', 'This dispute was withdrawn, and takes no answer.')
  if (known.status === 'accepted') throw new ContractError('exists', 'This dispute was accepted with another version.')
  if (status === 'accepted') {
    const anchor = state.read(anchorCodec, stateKey.submission(body.folder, value))
    if (anchor === undefined || anchor.height < known.height) {
      throw new ContractError('no-new-version', 'A dispute is accepted with a submission that was anchored after it.')
    }
  }
  close(context, body.folder, known)
  state.write(disputeCodec, key, { ...known, status, answer: value, answered: height })
  const event = { dispute: body.dispute, status, submissionRoot: status === 'accepted' ? value : null }
  context.emit('disputes.answered', { kind: 'folder', id: body.folder }, disputeAnsweredCodec, event)
}

export const disputes: Contract = new Map([
  ['open', defineAction({ authors: ['folder'], folderCharge: 'bucket', delegateRight: 'dispute' }, openDisputeCodec, open)],
  ['withdraw', defineAction({ authors: ['folder'], folderCharge: 'bucket', delegateRight: 'dispute' }, withdrawDisputeCodec, withdraw)],
  ['answer', defineAction({ authors: ['account'], folderCharge: 'sponsor' }, answerDisputeCodec, answer)],
])
