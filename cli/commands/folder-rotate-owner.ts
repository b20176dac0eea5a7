/** `epione folder rotate-owner` */
import { rotateOwner } from '../../src/client/owner-rotation.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { withOwnedFolder } from '../wallet-session.ts'
import { writeWalletState } from '../wallet-state.ts'

export interface FolderRotateOwnerOptions {
  folder: string
}

/** What `--json` prints. */
export interface FolderRotateOwnerResult {
  status: 'committed'
  folder: string
  /** Index of the wallet's key that owns the folder now. */
  index: number
  height: number
}

export async function folderRotateOwner(context: Context, options: FolderRotateOwnerOptions): Promise<void> {
  const { signal, output } = context
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned, path, state }) => {
    const { index, committed } = await rotateOwner(peer, wallet, owned, { signal, firstIndex: state.nextIndex })
    await writeWalletState(path, { ...state, nextIndex: Math.max(state.nextIndex, index + 1) })
    const value: FolderRotateOwnerResult = { status: 'committed', folder: toHex(owned.id), index, height: committed.height }
    output.result(value, () => [
      `owner key ${index} of the wallet owns the folder from height ${value.height} on; the key of before opens nothing and signs nothing for it`,
    ])
  })
}
