/** `epione recovery cancel` */
import { cancelRecovery, SPREAD_MS, scanRecoverable } from '../../src/client/recovery.ts'
import type { Context } from '../context.ts'
import { connect } from '../network.ts'
import { readRecoveryPhrase } from '../recovery-phrase.ts'

export interface RecoveryCancelOptions {
  phraseFile?: string
  now?: boolean
}

export async function recoveryCancel(context: Context, options: RecoveryCancelOptions): Promise<void> {
  const { signal, output } = context
  const { seed } = await readRecoveryPhrase(context, options)
  await using peer = await connect(context, null)
  const found = await scanRecoverable(peer, seed, { signal })
  const cancelled = await cancelRecovery(peer, seed, found, { signal, spreadMs: options.now === true ? 0 : SPREAD_MS })
  output.result({ cancelled }, () => [cancelled === 0 ? 'no recovery is pending' : `cancelled: ${cancelled}`])
}
