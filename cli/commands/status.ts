/** `epione status` */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { notReadyBecause } from '../../src/node/readiness.ts'
import { connectForReports } from '../connection.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { formatBytes, formatSpan } from '../format.ts'
import { offenceLines } from '../offence-lines.ts'
import { describeError, table } from '../output.ts'
import { readStatus, type StatusReport } from '../reports.ts'

export interface StatusOptions {
  /** Exit with `unhealthy` unless the node is ready, as `/readyz` says. */
  check?: boolean
  /** Go on until interrupted. */
  watch?: boolean
}

const WATCH_MS = 1_000
/** Clears from the cursor to the end of the screen, after going to its top left corner. */
const CLEAR = '\u001b[H\u001b[J'

type Validator = StatusReport['validators'][number]

function validatorRow({ name, jurisdiction, power, connected, self, height, prevote, precommit, ...clock }: Validator): string[] {
  const { clockOffsetMs, clockUncertaintyMs, lastSeenMs } = clock
  return [
    name,
    jurisdiction,
    String(power),
    self ? 'this node' : connected ? 'connected' : 'MISSING',
    height === null ? '-' : String(height),
    prevote ? 'yes' : '-',
    precommit ? 'yes' : '-',
    self ? '0 ms' : clockOffsetMs === null ? '-' : `${signed(clockOffsetMs)} ms ±${clockUncertaintyMs ?? 0}`,
    self ? 'now' : lastSeenMs === null ? 'never' : `${formatSpan(lastSeenMs)} ago`,
  ]
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value)
}

/** Findings as people read them: what is the case and since when, and below it what to do. */
function findingLines({ findings }: StatusReport): string[] {
  return findings.flatMap(({ severity, code, message, action, forMs }) => [
    `${severity}: ${message} (${code}${forMs === null ? '' : `, for ${formatSpan(forMs)}`})`,
    `  ${action}`,
  ])
}

function roundText({ consensus, joining }: StatusReport): string {
  if (consensus === null) return joining === null ? 'not started' : 'asking the others before the first vote'
  const { height, round, step, proposer, sinceMs } = consensus
  return `height ${height}, round ${round}, ${step} for ${formatSpan(sinceMs)}, proposer ${proposer}`
}

function fragmentsText({ fragments, bytes, limits, organisations }: StatusReport['storage']): string {
  const most = organisations[0]
  return [
    `${fragments}, ${formatBytes(bytes)}${limits === null ? '' : ` of ${formatBytes(limits.bytes)}`}`,
    ...(most === undefined || limits === null
      ? []
      : [`most of them ${most.name}'s: ${formatBytes(most.bytes)} of ${formatBytes(limits.organisationBytes)}`]),
  ].join('; ')
}

function diskText({ state, freeBytes, reserveBytes }: NonNullable<StatusReport['storage']['disk']>): string {
  return `${state}: ${formatBytes(freeBytes)} free; below ${formatBytes(reserveBytes)} no fragments are taken`
}

/** The report for people. */
export function statusLines(status: StatusReport): string[] {
  const { consensus, peers, pool, storage } = status
  const notVoting = consensus?.notVotingBecause ?? null
  const through = notVoting === 'lost-log' ? ` through height ${consensus?.silentThrough}` : ''
  const facts = [
    ['state', `${status.state}: ${status.summary}`],
    ['node', `${status.name} (${status.jurisdiction || '-'}), ${status.validator ? 'validator' : 'no validator'}`],
    ['network', `${status.network}, chain ${status.chainId.slice(0, 16)}...`],
    ['height', `${status.height}, ${formatSpan(status.blockAgeMs)} ago (${status.blockTime})`],
    ['consensus', roundText(status)],
    ...(notVoting === null ? [] : [['not voting', `${notVoting}${through}`]]),
    ...(status.seat.state === 'held' ? [] : [['seat', `${status.seat.state}: ${status.seat.summary}`]]),
    ['peers', `${peers.members} members and ${peers.connected - peers.members} others connected`],
    ['pool', `${pool.waiting} transactions waiting, ${pool.batches} batches`],
    ['fragments', fragmentsText(storage)],
    ...(storage.disk === null ? [] : [['disk', diskText(storage.disk)]]),
    [
      'ledger',
      `${storage.ledger.bytes === null ? 'not measured yet' : formatBytes(storage.ledger.bytes)}, ${
        storage.ledger.base === 1 ? 'all blocks' : `blocks from height ${storage.ledger.base} on`
      }${storage.ledger.daysLeft === null ? '' : `, full in ${storage.ledger.daysLeft} days at the present growth`}`,
    ],
    ['memory', formatBytes(status.memory.rssBytes)],
    ['running for', formatSpan(status.uptimeMs)],
  ]
  const head = ['validator', '', 'weight', '', 'height', 'prevote', 'precommit', 'clock', 'heard']
  const findings = findingLines(status)
  return [
    ...table(facts),
    '',
    ...table([head, ...status.validators.map(validatorRow)]),
    ...(findings.length === 0 ? [] : ['', ...findings]),
    ...offenceLines(status.offences),
  ]
}

/** What a change is in `--watch` without a terminal: figures that always move (ages, memory, the round of a healthy height) are none. */
export function watchLine(status: StatusReport): string {
  const { state, summary, height, consensus, validators, findings } = status
  const round = consensus === null || consensus.round === 0 ? '' : `, round ${consensus.round}`
  const there = validators.filter(({ connected }) => connected).length
  const codes = findings.map(({ code }) => code).join(' ')
  return `height ${height}${round}, ${there} of ${validators.length} validators, ${state}${codes === '' ? '' : ` [${codes}]: ${summary}`}`
}

async function watch(context: Context, peer: LightPeer): Promise<void> {
  const { output, signal, stdout } = context
  let last = ''
  while (!signal.aborted) {
    try {
      const report = readStatus(await peer.status({ signal }))
      const line = watchLine(report)
      if (stdout.isTTY && !output.json) stdout.write(`${CLEAR}${statusLines(report).join('\n')}\n`)
      else if (line !== last) output.item(report, () => `${new Date().toISOString()} ${line}`)
      last = line
    } catch (error) {
      if (signal.aborted) return
      const { code, message } = describeError(error)
      if (last !== code) output.warn(`${message} (${code})`)
      last = code
    }
    await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined)
  }
}

export async function status(context: Context, options: StatusOptions): Promise<ExitCode> {
  await using peer = await connectForReports(context)
  if (options.watch === true) {
    await watch(context, peer)
    return EXIT.ok
  }
  const report = readStatus(await peer.status({ signal: context.signal }))
  context.output.result(report, () => statusLines(report))
  if (options.check !== true) return EXIT.ok
  const reasons = notReadyBecause(report)
  if (reasons.length === 0) return EXIT.ok
  context.output.warn(`the node is not ready: ${reasons.map(({ code }) => code).join(', ')}`)
  return EXIT.unhealthy
}
