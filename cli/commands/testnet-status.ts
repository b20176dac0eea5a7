/** `epione testnet status` */
import { resolve } from 'node:path'
import type { Context } from '../context.ts'
import { formatBytes, formatSpan } from '../format.ts'
import { table } from '../output.ts'

export async function testnetStatus(context: Context, options: { dir: string }): Promise<void> {
  const { inspectTestnet } = await import('../../testnet/launcher/control.ts')
  const { dashboardUrl } = await import('../../testnet/control/remote.ts')
  const report = await inspectTestnet(resolve(options.dir))
  const dashboard = await dashboardUrl(resolve(options.dir))
  context.output.result({ ...report, dashboard }, () => [
    ...table([
      ['node', 'organisation', '', 'process', 'state', 'height', 'age', 'members', 'memory'],
      ...report.nodes.map(({ id, name, jurisdiction, pid, status }) => [
        id,
        name,
        jurisdiction,
        pid === null ? '-' : String(pid),
        status?.state ?? (pid === null ? 'stopped' : 'no answer'),
        status === null ? '-' : String(status.height),
        status === null ? '-' : formatSpan(status.blockAgeMs),
        status === null ? '-' : String(status.peers.members),
        status === null ? '-' : formatBytes(status.memory.rssBytes),
      ]),
    ]),
    ...(dashboard === null ? [] : ['', `dashboard  ${dashboard}`]),
  ])
}
