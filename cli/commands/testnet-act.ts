/** `epione testnet stop|start|restart|kill|pause|resume|partition|heal|delay|drop|clock|disk-full|slow-disk`: breaking a network on purpose. */
import { resolve } from 'node:path'
import type { ActInput } from '../../testnet/control/acts.ts'
import type { Context } from '../context.ts'
import { formatSpan } from '../format.ts'

/** Has it done, and says what holds now. */
export async function testnetAct(context: Context, options: { dir: string }, act: ActInput): Promise<void> {
  const remote = await import('../../testnet/control/remote.ts')
  const { done, state } = await remote.act(resolve(options.dir), act, { signal: context.signal })
  context.output.result({ done, state }, () => {
    const broken = state.links.length
    return [
      `${done.what}: done in ${formatSpan(done.tookMs)}`,
      ...(broken === 0 ? [] : [`${broken} links between nodes are not as they were; mend them with: epione testnet heal`]),
    ]
  })
}
