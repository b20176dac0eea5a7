/** `epione testnet down` */
import { resolve } from 'node:path'
import type { Context } from '../context.ts'

export interface TestnetDownOptions {
  dir: string
  clean?: boolean
}

export async function testnetDown(context: Context, options: TestnetDownOptions): Promise<void> {
  const { stopTestnet } = await import('../../testnet/launcher/control.ts')
  const directory = resolve(options.dir)
  const stopped = await stopTestnet(directory, { clean: options.clean === true })
  const removed = stopped !== null && options.clean === true
  context.output.result({ directory, found: stopped !== null, stopped: stopped ?? [], removed }, () => {
    if (stopped === null) return [`There is no testnet in ${directory}: nothing to stop.`]
    return [
      ...stopped.map(({ id, pid, byItself }) => `${id} (process ${pid}) ${byItself ? 'stopped' : 'killed'}`),
      ...(stopped.length === 0 ? ['No node was running.'] : []),
      removed ? `Removed ${directory}.` : `What it made is still in ${directory}; --clean removes it.`,
    ]
  })
}
