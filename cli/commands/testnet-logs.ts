/** `epione testnet logs` */
import { resolve } from 'node:path'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'

export interface TestnetLogsOptions {
  dir: string
  follow?: boolean
  lines: number
}

export async function testnetLogs(context: Context, options: TestnetLogsOptions, name: string | undefined): Promise<void> {
  const [{ requireManifest }, { follow, tailOf }] = await Promise.all([
    import('../../testnet/launcher/manifest.ts'),
    import('../../testnet/launcher/logs.ts'),
  ])
  const { nodes } = requireManifest(resolve(options.dir))
  const chosen = name === undefined ? nodes : nodes.filter(({ id }) => id === name)
  if (chosen.length === 0) {
    throw new EpioneError('invalid-argument', `there is no node ${name}; there are ${nodes.map(({ id }) => id).join(', ')}`)
  }
  const show = (node: string, line: string): void =>
    context.output.item({ node, line }, () => (chosen.length === 1 ? line : `${node}  ${line}`))
  for (const { id, log } of chosen) for (const line of await tailOf(log, options.lines)) show(id, line)
  if (options.follow !== true) return
  // Ctrl-C is how one ends it.
  await Promise.all(chosen.map(async ({ id, log }) => await follow(log, line => show(id, line), context.signal)))
}
