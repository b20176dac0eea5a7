/** `epione recovery watch` */
import { recoveryWarnings } from '../../src/client/recovery.ts'
import type { Context } from '../context.ts'
import { warningLines, warningResult } from '../recovery-warnings.ts'
import { withWallet } from '../wallet-session.ts'

/** Watches until it is stopped; each change of what threatens a folder is told once. */
export async function recoveryWatch(context: Context): Promise<void> {
  const { signal, output } = context
  await withWallet(context, async ({ peer, wallet }) => {
    output.note("watching for recoveries of this wallet's folders; stop with Ctrl-C")
    let told = new Set<string>()
    for (;;) {
      const { warnings, height, timeMs } = await recoveryWarnings(peer, wallet, { signal })
      const now = new Set<string>()
      for (const warning of warnings) {
        const result = warningResult(warning, timeMs)
        const key = JSON.stringify([result.folder, result.pending?.endsMs, result.announced])
        now.add(key)
        if (!told.has(key)) output.item({ ...result, height }, () => warningLines(result).join('\n'))
      }
      told = now
      await peer.waitAbove(height, { signal })
    }
  })
}
