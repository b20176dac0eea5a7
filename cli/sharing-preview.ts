/** Reads what a decision would show, and says it. */
import type { OwnedFolder, Wallet } from '../src/client/folders.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import { previewSharing, type SharingDecision, type SharingPreview } from '../src/client/sharing.ts'
import type { Context } from './context.ts'
import { previewLines } from './plain-preview.ts'

export interface PreviewedDecision {
  readonly decision: SharingDecision
  readonly folders: readonly OwnedFolder[]
  /** Role of a person, where it is known. */
  readonly role: string | undefined
  readonly note: string
}

/** Counts what there is; leaves a line of the owner's in the log of each folder that would be shared. */
export async function readPreview(
  { signal }: Context,
  peer: LightPeer,
  wallet: Wallet,
  { decision, folders, role }: PreviewedDecision,
): Promise<SharingPreview> {
  return await previewSharing(peer, wallet, { decision, folders, ...(role === undefined ? {} : { role }) }, { signal })
}

/** Says it as notes. */
export async function showPreview(context: Context, peer: LightPeer, wallet: Wallet, previewed: PreviewedDecision): Promise<void> {
  const preview = await readPreview(context, peer, wallet, previewed)
  const members = await peer.members({ signal: context.signal })
  for (const line of previewLines(preview, previewed.note, members)) context.output.note(line)
}
