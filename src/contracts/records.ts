/** The contract `records`: anchors of submissions, and orders to erase. */
import { equalBytes } from '../encoding/bytes.ts'
import { type ActionContext, type Contract, defineAction, type KnownFolder } from './action.ts'
import { ContractError, notFound } from './contract-error.ts'
import { mayAnchor } from './custodian-set.ts'
import { recordsAnchoredCodec, recordsErasedCodec } from './events.ts'
import { actingFolder, openFolder } from './folders.ts'
import {
  type Anchor,
  type AnchorBody,
  anchorBodyCodec,
  anchorCodec,
  type EraseBody,
  eraseBodyCodec,
  erasureCodec,
} from './records-formats.ts'
import { assertNoRecovery } from './recovery-rules.ts'
import { stateKey } from './state-keys.ts'

function anchor(context: ActionContext, body: AnchorBody): void {
  const { state, parameters } = context
  const { id, folder } = anchoredFolder(context, body.folder)
  const { submissionRoot, epoch, sizeBucket, n, k, memberHeight } = body
  const author = anchoringMember(context)
  const key = stateKey.submission(id, submissionRoot)
  const known = state.read(anchorCodec, key)
  const value: Anchor = { author, epoch, sizeBucket, n, k, memberHeight, height: context.height }
  if (known !== undefined) {
    if (!isSameAnchor(known, value)) throw new ContractError('exists', 'This submission is anchored in the folder with other content.')
    return
  }
  if (epoch !== folder.epoch) {
    throw new ContractError('stale-epoch', `The folder is in epoch ${folder.epoch}, not ${epoch}; seal the keys again and retry.`)
  }
  if (!mayAnchor(context, memberHeight)) {
    throw new ContractError('stale-members', 'The custodians changed since the fragments were placed; place them again and retry.')
  }
  if (n !== parameters.n || k !== parameters.k) {
    throw new ContractError('wrong-dispersal', `This network keeps ${parameters.n} fragments of which ${parameters.k} are needed.`)
  }
  state.write(anchorCodec, key, value)
  context.emit('records.anchored', { kind: 'folder', id }, recordsAnchoredCodec, { submissionRoot, author, epoch, memberHeight })
}

/** The folder, if this author may write into it: its author organisation, or the folder itself. */
function anchoredFolder(context: ActionContext, id: Uint8Array): KnownFolder {
  const known = openFolder(context.state, id)
  const owner = context.from.kind === 'account' ? known.folder.author : id
  if (!equalBytes(context.from.id, owner)) throw notFound()
  return known
}

/** The member that answers for an anchor: the author, or the sponsor of what an owner writes. */
function anchoringMember(context: ActionContext): Uint8Array {
  return context.from.kind === 'account' ? context.from.id : (context.sponsor as Uint8Array)
}

function isSameAnchor(a: Anchor, b: Anchor): boolean {
  return (
    equalBytes(a.author, b.author) &&
    a.epoch === b.epoch &&
    a.sizeBucket === b.sizeBucket &&
    a.n === b.n &&
    a.k === b.k &&
    a.memberHeight === b.memberHeight
  )
}

function erase(context: ActionContext, body: EraseBody): void {
  const { id } = actingFolder(context)
  assertNoRecovery(context, id)
  let marks = 0
  for (const mark of body.marks) {
    const key = stateKey.erasure(context.from.id, mark)
    if (context.state.read(erasureCodec, key) !== undefined) continue
    context.state.write(erasureCodec, key, context.height)
    marks++
  }
  if (marks > 0) context.emit('records.erased', context.from, recordsErasedCodec, { marks })
}

export const records: Contract = new Map([
  ['anchor', defineAction({ authors: ['account', 'folder'], folderCharge: 'sponsor' }, anchorBodyCodec, anchor)],
  ['erase', defineAction({ authors: ['folder'], folderCharge: 'bucket' }, eraseBodyCodec, erase)],
])
