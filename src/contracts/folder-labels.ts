/** A folder's label committed to anew by its owner: with the salt that their wallet derives, where others opened the folder for them. */
import { equalBytes } from '../encoding/bytes.ts'
import { codec, hash32, type Infer, struct } from '../encoding/schema.ts'
import { type ActionContext, defineAction } from './action.ts'
import { folderRelabelledCodec } from './events.ts'
import { actingFolder } from './folders.ts'
import { folderCodec } from './folders-formats.ts'
import { assertNoRecovery } from './recovery-rules.ts'
import { stateKey } from './state-keys.ts'

/** Body of `folders.relabel`, from the folder. */
export const relabelFolderCodec = codec(struct({ labelCommitment: hash32 }), 64)
export type RelabelFolder = Infer<typeof relabelFolderCodec>

function relabel(context: ActionContext, { labelCommitment }: RelabelFolder): void {
  const { id, folder } = actingFolder(context)
  if (equalBytes(folder.labelCommitment, labelCommitment)) return
  assertNoRecovery(context, id)
  context.state.write(folderCodec, stateKey.folder(id), { ...folder, labelCommitment })
  context.emit('folders.relabelled', context.from, folderRelabelledCodec, { labelCommitment })
}

export const relabelAction = defineAction({ authors: ['folder'], folderCharge: 'bucket' }, relabelFolderCodec, relabel)
