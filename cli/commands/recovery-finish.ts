/** `epione recovery finish` */
import { finishRecovery, SPREAD_MS } from '../../src/client/recovery.ts'
import { type RenewedFolder, renewRecovered } from '../../src/client/recovery-epochs.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { leftWords, type NewEpochResult, newEpochResult } from '../new-epoch.ts'
import { type StepResult, stepLine, stepResult } from '../recovery-steps.ts'
import { withWallet } from '../wallet-session.ts'

export interface RecoveryFinishOptions {
  now?: boolean
}

/** What `--json` prints. */
export interface RecoveryFinishResult {
  folders: readonly StepResult[]
  /** New keys of folders that are the wallet's now, whose old ones the lost wallet knows: the epoch, or why there is none. */
  keys: readonly { folder: string; epoch: NewEpochResult | null; code: string | null }[]
}

export async function recoveryFinish(context: Context, options: RecoveryFinishOptions): Promise<ExitCode> {
  const { signal, output } = context
  return await withWallet(context, async ({ peer, wallet }) => {
    const spreadMs = options.now === true ? 0 : SPREAD_MS
    const renewed = new Map<string, RenewedFolder>()
    const noteRenewed = (all: readonly RenewedFolder[]): void => {
      for (const one of all) renewed.set(toHex(one.owned.id), one)
    }
    const steps = await finishRecovery(peer, wallet, {
      signal,
      spreadMs,
      onProgress: (done, total) => output.note(`${done} of ${total} finished`),
      onFinished: async ({ id }) => noteRenewed(await renewRecovered(peer, wallet, { signal, spreadMs: 0, folder: id })),
    })
    if (steps.length === 0)
      throw new EpioneError('no-recovery', 'no recovery is under way for this wallet; begin one with: epione recovery start')
    // What an earlier run left under its old key.
    noteRenewed(await renewRecovered(peer, wallet, { signal, spreadMs }))
    const keys = [...renewed].map(([folder, { epoch, code }]) => ({ folder, epoch: epoch === null ? null : newEpochResult(epoch), code }))
    const value: RecoveryFinishResult = { folders: steps.map(stepResult), keys }
    output.result(value, () => value.folders.map(stepLine))
    for (const { folder, epoch, code } of keys) {
      if (epoch === null) output.warn(`${folder} has no new key yet (${code}): whoever has the old wallet knows its key; run this again`)
      else for (const line of leftWords(epoch)) output.warn(line)
    }
    const finished = steps.filter(({ status }) => status === 'finished').length
    if (finished > 0) {
      output.note('whoever had the old wallet may have granted access: look with epione consent list, and revoke what is not yours')
    }
    return finished === steps.length && keys.every(({ epoch }) => epoch !== null) ? EXIT.ok : EXIT.failed
  })
}
