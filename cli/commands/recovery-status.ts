/** `epione recovery status` */
import { recoveredFolders, recoveryWarnings } from '../../src/client/recovery.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type StepResult, stepLine, stepResult } from '../recovery-steps.ts'
import { type WarningResult, warningLines, warningResult } from '../recovery-warnings.ts'
import { withWallet } from '../wallet-session.ts'

/** What `--json` prints. */
export interface RecoveryStatusResult {
  /** Folders of this wallet that somebody is about to take over. */
  threatened: readonly WarningResult[]
  /** Folders that this wallet is about to take over, or took over. */
  recovering: readonly StepResult[]
  height: number
}

export async function recoveryStatus(context: Context): Promise<ExitCode> {
  const { signal, output } = context
  return await withWallet(context, async ({ peer, wallet }) => {
    const { warnings, height, timeMs, folders } = await recoveryWarnings(peer, wallet, { signal })
    const steps = await recoveredFolders(peer, wallet, { signal })
    const threatened = warnings.map(warning => warningResult(warning, timeMs))
    const value: RecoveryStatusResult = { threatened, recovering: steps.map(stepResult), height }
    output.result(value, () => [...threatened.flatMap(warningLines), ...value.recovering.map(stepLine)])
    if (threatened.length === 0)
      output.note(
        `nobody is taking over any of this wallet's ${folders.length} folders, as of height ${height} (${toHex(peer.chainId).slice(0, 8)})`,
      )
    return threatened.some(({ pending }) => pending !== null) ? EXIT.unhealthy : EXIT.ok
  })
}
