/** `epione recovery finish` */
import { finishRecovery, SPREAD_MS } from '../../src/client/recovery.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type StepResult, stepLine, stepResult } from '../recovery-steps.ts'
import { withWallet } from '../wallet-session.ts'

export interface RecoveryFinishOptions {
  now?: boolean
}

/** What `--json` prints. */
export interface RecoveryFinishResult {
  folders: readonly StepResult[]
}

export async function recoveryFinish(context: Context, options: RecoveryFinishOptions): Promise<ExitCode> {
  const { signal, output } = context
  return await withWallet(context, async ({ peer, wallet }) => {
    const steps = await finishRecovery(peer, wallet, {
      signal,
      spreadMs: options.now === true ? 0 : SPREAD_MS,
      onProgress: (done, total) => output.note(`${done} of ${total} finished`),
    })
    if (steps.length === 0)
      throw new EpioneError('no-recovery', 'no recovery is under way for this wallet; begin one with: epione recovery start')
    const value: RecoveryFinishResult = { folders: steps.map(stepResult) }
    output.result(value, () => value.folders.map(stepLine))
    const finished = steps.filter(({ status }) => status === 'finished').length
    if (finished > 0) {
      output.note('whoever had the old wallet may have granted access: look with epione consent list, and revoke what is not yours')
    }
    return finished === steps.length ? EXIT.ok : EXIT.failed
  })
}
