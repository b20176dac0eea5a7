/** `epione folder rotate-key` */
import { advanceFolder } from '../../src/client/epochs.ts'
import { SUITE_NAMES } from '../../src/crypto/sealing-suites.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { leftWords, type NewEpochResult, newEpochResult } from '../new-epoch.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface FolderRotateKeyOptions {
  folder: string
  /** Name of a sealing suite. */
  suite?: string
}

/** What `--json` prints. */
export interface FolderRotateKeyResult extends NewEpochResult {
  status: 'committed'
  folder: string
  height: number
}

export async function folderRotateKey(context: Context, options: FolderRotateKeyOptions): Promise<void> {
  const { signal, output } = context
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const suite = options.suite === undefined ? undefined : SUITE_NAMES.get(options.suite)
    if (options.suite !== undefined && suite === undefined) throw new EpioneError('invalid-argument', `there is no suite ${options.suite}`)
    const epoch = await advanceFolder(peer, wallet, owned, { signal, suite })
    const { height } = epoch.committed
    const value: FolderRotateKeyResult = { status: 'committed', folder: toHex(owned.id), height, ...newEpochResult(epoch) }
    output.result(value, () => [
      `new key, epoch ${value.epoch}, at height ${height}; ${value.rewrapped} consents go on under it, and all that was written before stays readable`,
    ])
    for (const line of leftWords(value)) output.warn(line)
  })
}
