/**
 * Why a chain is slow or stands still, and what to do: a pure function from what a node knows to findings in plain words. Each
 * finding has a stable code; the sentences may change.
 */
import { isQuorum } from '../ledger/header.ts'
import { type StorageFacts, storageTrouble } from './storage-findings.ts'
import { weightedMedian } from './validator-claims.ts'

/** From this offset on a clock is worth a look, in ms. */
export const CLOCK_WARNING_MS = 250
/** From this offset on proposals of such a clock are refused: the precision of proposer-based time, in ms. */
export const CLOCK_ERROR_MS = 1_000
/** Silence of a connected member that is remarkable, in ms: about three times the pause between two questions. */
const QUIET_MS = 15_000
/** Blocks that another may be behind without being remarkable. */
const LAG = 3
/** Age of the last answer up to which a claim counts as present, in ms. */
const FRESH_MS = 60_000
/** Names in one sentence. */
const MAX_NAMES = 8

export type Severity = 'info' | 'warning' | 'error'
export type NodeState = 'ok' | 'syncing' | 'quorum-missing' | 'halted' | 'stale' | 'diverged'

export interface Finding {
  /** Stable; see README.md. */
  code: string
  severity: Severity
  /** What is the case, in one sentence. */
  message: string
  /** What an operator can do about it. */
  action: string
  /** How long it has been so, in ms; null where that is not known. */
  forMs: number | null
}

export interface Diagnosis {
  state: NodeState
  /** One sentence: the worst of the findings, or that all is well. */
  summary: string
  /** The worst first. */
  findings: Finding[]
}

export interface ValidatorFacts {
  name: string
  power: number
  self: boolean
  connected: boolean
  prevote: boolean
  precommit: boolean
  /** Height that it claims, or has, being this node; null where it has not said. */
  height: number | null
  /** Whether its tip, at this node's height, is another block; null where it is at another height. */
  differs: boolean | null
  /** How far its clock is ahead of this node's, and the error of that; null where that is not known. */
  clockOffsetMs: number | null
  clockUncertaintyMs: number | null
  /** Time since it last said where it stands, in ms; null where it never has. */
  lastSeenMs: number | null
  /** Height through which it keeps silent, as it says; -1 for none. */
  silentThrough: number
}

export interface ConsensusFacts {
  height: number
  round: number
  step: string
  /** Time in this round and in this height, in ms. */
  sinceMs: number
  heightSinceMs: number
  proposer: string
  /** Proposers of the rounds before this one, each once. */
  failedProposers: readonly string[]
  notVotingBecause: string | null
  silentThrough: number
  halted: string | null
  /** Timeouts of this round, in ms. */
  timeouts: { proposeMs: number; voteMs: number }
  /** What went wrong in the height that is being decided, by the engine's event. */
  remarks: readonly { event: string; count: number; sinceMs: number; code: string | null }[]
}

export interface DiagnosisFacts {
  height: number
  /** Highest height that others claim. */
  peerHeight: number
  blockAgeMs: number
  heartbeatMs: number
  uptimeMs: number
  validators: readonly ValidatorFacts[]
  /** Null before the engine runs. */
  consensus: ConsensusFacts | null
  /** Weight that has answered while this validator, having no past, asks the others. */
  joining: { power: number; of: number } | null
  storage: StorageFacts
  /** Heights at which two blocks were each signed by a quorum. */
  conflicts: readonly { height: number; accused: readonly string[] }[]
  /** How audits found this custodian, where it did not answer. */
  silentCustodian: 'absent' | 'kept' | null
}

type Report = (severity: Severity, code: string, forMs: number | null, message: string, action: string) => void

export function diagnose(facts: DiagnosisFacts): Diagnosis {
  const findings: Finding[] = []
  const report: Report = (severity, code, forMs, message, action) => findings.push({ code, severity, message, action, forMs })
  ownTrouble(facts, report)
  reachability(facts, report)
  divergence(facts, report)
  conflicting(facts, report)
  progress(facts, report)
  clocks(facts, report)
  standing(facts, report)
  storageTrouble(facts.storage, report)
  const order: Severity[] = ['error', 'warning', 'info']
  findings.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
  const state = stateOf(findings)
  const cause = findings.find(({ code }) => STATES[code] === state) ?? findings.find(({ severity }) => severity !== 'info')
  return { state, summary: cause?.message ?? 'In agreement with all validators.', findings }
}

/** Codes that say more than `ok`, the gravest state first. */
export const STATES: Readonly<Record<string, NodeState>> = {
  halted: 'halted',
  'state-differs': 'diverged',
  'verdict-against-quorum': 'diverged',
  'quorum-missing': 'quorum-missing',
  syncing: 'syncing',
  stale: 'stale',
}

function stateOf(findings: readonly Finding[]): NodeState {
  for (const [code, state] of Object.entries(STATES)) if (findings.some(finding => finding.code === code)) return state
  return 'ok'
}

function ownTrouble({ consensus, joining, silentCustodian }: DiagnosisFacts, report: Report): void {
  if (silentCustodian !== null) {
    const outcome =
      silentCustodian === 'absent' ? 'takes no new fragments until it answers again' : 'is kept, because too few custodians would remain'
    report(
      'warning',
      'custodian-silent',
      null,
      `Members found that this custodian does not answer their audits; it ${outcome}.`,
      'Nothing, where it was off: it comes back by itself within some windows. Otherwise see that others can reach it and that its disk answers.',
    )
  }
  if (joining !== null) {
    report(
      'info',
      'joining',
      null,
      `This validator has no record of what it signed and asks the others before it votes: ${percent(joining.power, joining.of)} of the weight has answered, more than 66 % is needed.`,
      'Nothing, where this is its first start. Where its data folder was lost, nothing either: it follows, and votes again a few blocks later.',
    )
  }
  if (consensus === null) return
  const { halted, height, notVotingBecause, silentThrough, heightSinceMs } = consensus
  if (halted !== null) {
    report(
      'error',
      'halted',
      null,
      `Consensus has stopped here (${halted}).`,
      'See the log for the cause, such as a full disk; then restart the node.',
    )
  } else if (notVotingBecause === 'lost-log') {
    report(
      'warning',
      'keeps-silent',
      heightSinceMs,
      `This validator does not vote through height ${silentThrough} (now ${height}): its record of what it signed there is lost.`,
      'Nothing: it votes again once the others have decided that height. They need a quorum without it.',
    )
  }
  for (const { event, count, sinceMs, code } of consensus.remarks) {
    if (!Object.hasOwn(REMARKS, event)) continue
    const [severity, name, what, action] = REMARKS[event]!
    const times = count === 1 ? '' : `, ${count} times`
    report(severity, name, sinceMs, `At height ${height}${times}: ${what}${code === null ? '' : ` (${code})`}.`, action)
  }
}

/** What the engine says of a height, by its event: severity, code, sentence, action. */
export const REMARKS: Readonly<Record<string, readonly [Severity, string, string, string]>> = {
  'consensus.verdict-against-quorum': [
    'error',
    'verdict-against-quorum',
    'a quorum holds a block valid that is invalid when executed here',
    'Compare the version of this node with that of the others, and its state root at the last common height.',
  ],
  'consensus.commit-failed': [
    'error',
    'commit-failed',
    'a decided block could not be stored',
    'See the log. Check disk space, and whether the members that hold the missing transactions can be reached.',
  ],
  'consensus.double-sign-refused': [
    'error',
    'double-sign-refused',
    'the guard refused to sign a second, different message at one place',
    'Make sure that no other machine runs with this keystore, and that no older copy of the data folder was restored.',
  ],
  'consensus.proposal-invalid': [
    'warning',
    'proposal-invalid',
    'a proposal was invalid when executed here',
    'Compare the versions of this node and of the proposer. Where others accept the same proposal, the fault is here.',
  ],
  'consensus.proposal-untimely': [
    'warning',
    'proposal-untimely',
    "a proposal's time was too far from this node's clock",
    "Check the clocks (NTP) of this node and of the proposer; the validators' clock offsets are listed below.",
  ],
  'consensus.validation-failed': [
    'warning',
    'validation-failed',
    'a proposal could not be checked, for example because its transactions were not to be had',
    'See the log. Check the connections to the proposer and the other validators.',
  ],
  'consensus.create-value-failed': ['warning', 'create-value-failed', 'this node could not make a block of its own', 'See the log.'],
}

function reachability({ validators }: DiagnosisFacts, report: Report): void {
  const total = weight(validators)
  const missing = validators.filter(({ connected }) => !connected)
  const reachable = total - weight(missing)
  if (!isQuorum(reachable, total)) {
    report(
      'error',
      'quorum-missing',
      shortest(missing),
      `No block can be made: ${names(missing)} cannot be reached from here; ${percent(reachable, total)} of the weight is there, more than 66 % is needed.`,
      'Start these nodes, or mend the network to them. The chain goes on by itself once enough are back.',
    )
    return
  }
  for (const validator of missing) {
    report(
      'warning',
      'validator-unreachable',
      validator.lastSeenMs,
      `${validator.name} cannot be reached from here.`,
      'Ask its operator, or check the network to it. The chain goes on without it.',
    )
  }
}

function divergence({ height, validators }: DiagnosisFacts, report: Report): void {
  const others = validators.filter(({ differs, self }) => differs === true && !self)
  if (others.length === 0) return
  report(
    'error',
    'state-differs',
    null,
    `At height ${height} this node has another block than ${names(others)}: the chain has forked, or one side lies.`,
    'Stop writing. Compare the state roots and certificates at this height on several nodes before you trust any of them.',
  )
}

function conflicting({ conflicts }: DiagnosisFacts, report: Report): void {
  const [first] = conflicts
  if (first === undefined) return
  const who = first.accused.length === 0 ? 'who signed both is not to be told from them' : `${list(first.accused)} signed both`
  report(
    'error',
    'conflicting-headers',
    null,
    `A light peer has shown two blocks of height ${first.height} that a quorum signed each; ${who}.`,
    'Stop writing. More than a third of the validators lie: settle with the other members which block stands, and vote out who signed both.',
  )
}

function progress(facts: DiagnosisFacts, report: Report): void {
  const { height, peerHeight, blockAgeMs, heartbeatMs, consensus, validators } = facts
  if (peerHeight > height + 1) {
    report('info', 'syncing', null, `Catching up: height ${height} of ${peerHeight}.`, 'Wait. Where the height does not rise, see the log.')
  }
  if (blockAgeMs > 2 * heartbeatMs + 15_000) {
    report(
      'warning',
      'stale',
      blockAgeMs,
      `The newest block is ${seconds(blockAgeMs)} old; one is due every ${seconds(heartbeatMs)}.`,
      'See the other findings for the reason.',
    )
  }
  if (consensus === null || consensus.halted !== null) return
  const { round, step, sinceMs, heightSinceMs, proposer, failedProposers, timeouts } = consensus
  if (round > 0) {
    report(
      'warning',
      'round-advanced',
      heightSinceMs,
      `Height ${consensus.height} is in round ${round}: the proposals of ${list(failedProposers)} were not decided.`,
      'Where it is the same validator each time, ask its operator. The next proposer takes over by itself.',
    )
  }
  if (step === 'propose' && sinceMs > timeouts.proposeMs) {
    report(
      'warning',
      'waiting-for-proposal',
      sinceMs,
      `Waiting for the proposal of ${proposer}.`,
      'Check the node of the proposer, and its clock.',
    )
  }
  if ((step === 'prevote' || step === 'precommit') && sinceMs > timeouts.voteMs) waitingForVotes(step, sinceMs, validators, report)
}

function waitingForVotes(kind: 'prevote' | 'precommit', sinceMs: number, validators: readonly ValidatorFacts[], report: Report): void {
  const total = weight(validators)
  const voted = validators.filter(validator => validator[kind])
  const missing = validators.filter(validator => !validator[kind])
  const there = `${percent(weight(voted), total)} of the weight, more than 66 % is needed`
  if (missing.length === 0) {
    report(
      'warning',
      `waiting-for-${kind}s`,
      sinceMs,
      `All ${kind}s are there (${there}), but not for one block.`,
      'Wait for the next round.',
    )
    return
  }
  report(
    'warning',
    `waiting-for-${kind}s`,
    sinceMs,
    `Waiting for ${kind}s of ${names(missing)}: there is ${there}.`,
    'Check these nodes and the network to them.',
  )
}

function clocks({ validators }: DiagnosisFacts, report: Report): void {
  const known = (validator: ValidatorFacts): number | null => {
    if (validator.self) return 0
    return validator.lastSeenMs !== null && validator.lastSeenMs <= FRESH_MS ? validator.clockOffsetMs : null
  }
  const median = weightedMedian(validators.map(validator => ({ power: validator.power, value: known(validator) })))
  const own = median === null ? null : 0 - median
  if (own !== null && Math.abs(own) >= CLOCK_WARNING_MS) {
    const grave = Math.abs(own) >= CLOCK_ERROR_MS
    report(
      grave ? 'error' : 'warning',
      'clock-off',
      null,
      `This node's clock is ${offset(own)} of the validators' median${grave ? ': its proposals are refused, and it refuses those of others' : ''}.`,
      'Set the clock of this machine by NTP.',
    )
  }
  for (const validator of validators) {
    const offsetMs = known(validator)
    if (validator.self || offsetMs === null) continue
    const from = offsetMs - (median ?? 0)
    if (Math.abs(from) - (validator.clockUncertaintyMs ?? 0) < CLOCK_WARNING_MS) continue
    report(
      'warning',
      'clock-of-validator-off',
      null,
      `The clock of ${validator.name} is ${offset(from)} of ${median === null ? "this node's" : "the validators' median"}.`,
      'Ask its operator to set the clock by NTP.',
    )
  }
}

function standing({ height, consensus, uptimeMs, validators }: DiagnosisFacts, report: Report): void {
  for (const validator of validators) {
    if (validator.self || !validator.connected) continue
    const { name, lastSeenMs } = validator
    if ((lastSeenMs ?? uptimeMs) > QUIET_MS) {
      report(
        'warning',
        'validator-not-answering',
        lastSeenMs,
        `${name} is connected but does not answer.`,
        'Its process may be paused or overloaded; ask its operator.',
      )
      continue
    }
    if (validator.silentThrough > height) {
      report(
        'info',
        'validator-keeps-silent',
        null,
        `${name} does not vote through height ${validator.silentThrough}: it has no record of what it signed.`,
        'Nothing: it votes again after that height.',
      )
    }
    if (validator.height !== null && validator.height + LAG < height) {
      report(
        'warning',
        'validator-behind',
        null,
        `${name} is at height ${validator.height}, ${height - validator.height} blocks behind.`,
        'It catches up by itself; where it does not, ask its operator.',
      )
    } else if (isMute(validator, consensus, validators)) {
      report(
        'warning',
        'validator-mute',
        consensus?.sinceMs ?? null,
        `${name} is connected but has not voted in this round.`,
        'Ask its operator for the findings of its own status.',
      )
    }
  }
}

/** Whether a validator that stands where it could vote has said nothing in a round in which others did, for longer than a round takes. */
function isMute(validator: ValidatorFacts, consensus: ConsensusFacts | null, validators: readonly ValidatorFacts[]): boolean {
  if (consensus === null || validator.silentThrough >= consensus.height) return false
  const { sinceMs, step, timeouts } = consensus
  if (step === 'idle' || sinceMs <= timeouts.proposeMs + 2 * timeouts.voteMs) return false
  return !validator.prevote && !validator.precommit && validators.some(({ self, prevote }) => !self && prevote)
}

function weight(validators: readonly ValidatorFacts[]): number {
  return validators.reduce((sum, { power }) => sum + power, 0)
}

/** Since the last of them went. */
function shortest(validators: readonly ValidatorFacts[]): number | null {
  const times = validators.flatMap(({ lastSeenMs }) => (lastSeenMs === null ? [] : [lastSeenMs]))
  return times.length === 0 ? null : Math.min(...times)
}

function names(validators: readonly ValidatorFacts[]): string {
  return list(validators.map(({ name }) => name))
}

function list(all: readonly string[]): string {
  const shown = all.slice(0, MAX_NAMES)
  const more = all.length - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}

/** Rounded down, so that it never says 67 where a quorum is missing. */
function percent(part: number, total: number): string {
  return `${total === 0 ? 0 : Math.floor((100 * part) / total)} %`
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}

function offset(ms: number): string {
  const size = Math.abs(ms)
  return `${size < 10_000 ? `${Math.round(size)} ms` : seconds(size)} ${ms > 0 ? 'ahead' : 'behind'}`
}
