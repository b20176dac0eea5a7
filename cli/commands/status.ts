/** `epione status` */
import { connectForReports } from '../connection.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { formatBytes, formatSpan } from '../format.ts'
import { offenceLines } from '../offence-lines.ts'
import { table } from '../output.ts'
import { readStatus, type StatusReport } from '../reports.ts'

export interface StatusOptions {
  /** Exit with `unhealthy` unless the state is `ok`. */
  check?: boolean
}

function lines(status: StatusReport): string[] {
  const { consensus, peers, pool, storage } = status
  const round =
    consensus === null
      ? []
      : [
          ['consensus', `height ${consensus.height}, round ${consensus.round}, ${consensus.step}, proposer ${consensus.proposer}`],
          ...(consensus.notVotingBecause === null ? [] : [['not voting', consensus.notVotingBecause]]),
        ]
  const facts = [
    ['state', `${status.state}: ${status.summary}`],
    ['node', `${status.name} (${status.jurisdiction || '-'}), ${status.validator ? 'validator' : 'no validator'}`],
    ['network', `${status.network}, chain ${status.chainId.slice(0, 16)}...`],
    ['height', `${status.height}, ${formatSpan(status.blockAgeMs)} ago (${status.blockTime})`],
    ...round,
    ...(status.seat.state === 'held' ? [] : [['seat', `${status.seat.state}: ${status.seat.summary}`]]),
    ['peers', `${peers.members} members and ${peers.connected - peers.members} others connected`],
    ['pool', `${pool.waiting} transactions waiting, ${pool.batches} batches`],
    ['fragments', `${storage.fragments}, ${formatBytes(storage.bytes)}`],
    ['memory', formatBytes(status.memory.rssBytes)],
    ['running for', formatSpan(status.uptimeMs)],
  ]
  const validators = status.validators.map(validator => [
    validator.name,
    validator.jurisdiction,
    String(validator.power),
    validator.self ? 'this node' : validator.connected ? 'connected' : 'MISSING',
  ])
  return [...table(facts), '', ...table([['validator', '', 'weight', ''], ...validators]), ...offenceLines(status.offences)]
}

export async function status(context: Context, options: StatusOptions): Promise<ExitCode> {
  await using peer = await connectForReports(context)
  const report = readStatus(await peer.status({ signal: context.signal }))
  context.output.result(report, () => lines(report))
  return options.check === true && report.state !== 'ok' ? EXIT.unhealthy : EXIT.ok
}
