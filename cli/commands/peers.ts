/** `epione peers` */
import { connectForReports } from '../connection.ts'
import type { Context } from '../context.ts'
import { table } from '../output.ts'
import { type PeersList, readPeers } from '../reports.ts'

function row({ name, jurisdiction, validator, connected, direction, rttMs, peerId, addresses }: PeersList['peers'][number]): string[] {
  const state = !connected ? 'not connected' : direction === null ? 'this node' : direction
  return [
    name || peerId,
    jurisdiction,
    validator ? 'validator' : 'full node',
    state,
    rttMs === null || direction === null ? '-' : `${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`,
    addresses[0] ?? '-',
  ]
}

export async function peers(context: Context): Promise<void> {
  await using peer = await connectForReports(context)
  const report = readPeers(await peer.peers({ signal: context.signal }))
  context.output.result(report, () => table([['member', '', 'role', 'connection', 'delay', 'address'], ...report.peers.map(row)]))
}
