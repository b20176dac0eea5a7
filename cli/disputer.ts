/** Who disputes by a command: the owner of a folder, or a delegate by a share code. */
import { decodeShare, type ShareCode } from '../src/client/identity.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { readCode } from './codes.ts'
import type { Context } from './context.ts'

export interface FolderOrDelegate {
  folder?: string
  /** Share code of a delegation: as text, as a file, or - for standard input. */
  asDelegate?: string
}

/** @throws EpioneError `missing-option`; `bad-share-code` */
export async function disputerOf(
  context: Context,
  { folder, asDelegate }: FolderOrDelegate,
): Promise<{ folder: string } | { share: ShareCode }> {
  if (asDelegate !== undefined) return { share: decodeShare(await readCode(context, asDelegate, 'epione-share:')) }
  if (folder === undefined) throw new EpioneError('missing-option', 'say --folder <id>, or --as-delegate <code> of who acts for the owner')
  return { folder }
}
