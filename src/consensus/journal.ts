/**
 * What makes a validator's word durable: the write-ahead log and the guard together. Log inputs before applying them, sign under
 * the guard, sync both in parallel before anything leaves.
 */
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { Tip } from './application.ts'
import type { Disk } from './disk.ts'
import type { LockState } from './effects.ts'
import { type GuardRecord, SigningGuard, STEP } from './guard.ts'
import { type DriverInput, type WalEntry, walEntryCodec } from './inputs.ts'
import {
  type Proposal,
  proposalSigningBytes,
  type UnsignedProposal,
  type UnsignedVote,
  type Vote,
  voteMessageSigningBytes,
} from './messages.ts'
import { WriteAheadLog } from './wal.ts'

export interface JournalOptions {
  /** Folder of log and guard; nobody else writes there. */
  disk: Disk
  chainId: Uint8Array
  key: SigningKey
  /** Height at which the operator accepts to vote although the log of an earlier life is lost. */
  voteDespiteLostLog?: number
}

export interface Journal {
  /** Inputs of the height above the tip that an earlier life logged, in order. */
  readonly inputs: readonly DriverInput[]
  /** Highest height at which this node must not vote, for it may have voted and does not know how; -1 for none. */
  readonly silentThrough: number
  /** Why, as a stable code, or null. */
  readonly lost: string | null
  /** What the guard knew at the start. */
  readonly last: GuardRecord
  log(input: DriverInput): void
  /** @throws EpioneError `double-sign-refused` */
  signVote(vote: UnsignedVote, lock: LockState): Vote
  /** @throws EpioneError `double-sign-refused` */
  signProposal(proposal: UnsignedProposal, lock: LockState): Proposal
  /** Settles once log and guard are on disk. */
  sync(): Promise<void>
  /** The log starts anew on another tip. */
  enter(tip: Tip): void
  close(): void
}

/**
 * Opens log and guard and decides whether this node may vote at the height above the tip (rule 10, no amnesia): not where the guard has
 * signed there and the log of that height is missing or damaged, nor where both are new on a chain that is not.
 * @throws EpioneError `guard-corrupt`
 */
export function openJournal(options: JournalOptions, tip: Tip): Journal {
  const { disk, chainId, key } = options
  const height = tip.header.height + 1
  const guardFile = disk.open('guard')
  let guard: SigningGuard
  let wal: WriteAheadLog
  try {
    guard = SigningGuard.open(guardFile)
    wal = new WriteAheadLog(disk.open('wal'))
  } catch (error) {
    guardFile.close()
    throw error
  }
  const append = (entry: WalEntry): void => wal.append(walEntryCodec.encode(entry))
  const read = readLog(wal, tip)
  const inputs = read.inputs ?? []
  for (const input of inputs) observeOwn(guard, chainId, key.publicKey, input)
  const last = guard.last
  let lost: string | null = null
  if (read.damaged !== null) lost = read.damaged
  else if (read.inputs === undefined && last.signature !== null && last.height >= height) lost = 'wal-missing'
  // Nothing tells what this key has signed: neither a guard nor a log of any height, on a chain that has blocks.
  else if (read.inputs === undefined && last.signature === null && tip.header.height > 0 && (guard.created || read.start === undefined)) {
    lost = 'guard-missing'
  } else if (read.start !== undefined && read.start.silentThrough >= height) lost = 'log-lost-earlier'
  // The silence is written down with the new log, so that it outlasts further restarts.
  const silent = lost === null ? -1 : Math.max(height, read.start?.silentThrough ?? -1, last.signature === null ? -1 : last.height)
  const restart = (at: Tip): void => {
    wal.reset()
    append({ type: 'end', value: { height: at.header.height } })
    append({ type: 'height', value: { height: at.header.height + 1, parent: at.hash, silentThrough: silent } })
  }
  if (read.inputs === undefined) restart(tip)
  const silentThrough = options.voteDespiteLostLog === height ? -1 : silent
  return {
    inputs,
    silentThrough,
    lost,
    last,
    log: input => append({ type: 'input', value: input }),
    signVote: (vote, lock) => {
      const place = { height: vote.height, round: vote.round, step: STEP[vote.kind] }
      return { ...vote, signature: guard.sign(place, voteMessageSigningBytes(chainId, vote), lock, message => key.sign(message)) }
    },
    signProposal: (proposal, lock) => {
      const place = { height: proposal.height, round: proposal.round, step: STEP.proposal }
      return { ...proposal, signature: guard.sign(place, proposalSigningBytes(chainId, proposal), lock, message => key.sign(message)) }
    },
    sync: async () => {
      await Promise.all([wal.sync(), guard.sync()])
    },
    enter: restart,
    close: () => {
      wal.close()
      guard.close()
    },
  }
}

interface ReadLog {
  /** First entry of the log's height, whatever height that is. */
  start: { height: number; parent: Uint8Array; silentThrough: number } | undefined
  /** Inputs of the height above the tip; undefined where the log is not of that height. */
  inputs: DriverInput[] | undefined
  /** Code where the log cannot be read. */
  damaged: string | null
}

function readLog(wal: WriteAheadLog, tip: Tip): ReadLog {
  let entries: WalEntry[]
  try {
    entries = wal.replay().map(payload => walEntryCodec.decode(payload))
  } catch (error) {
    if (!(error instanceof EpioneError)) throw error
    return { start: undefined, inputs: undefined, damaged: error.code === 'malformed' ? 'wal-corrupt' : error.code }
  }
  const start = entries.flatMap(entry => (entry.type === 'height' ? [entry.value] : []))[0]
  if (start === undefined || start.height !== tip.header.height + 1 || !equalBytes(start.parent, tip.hash)) {
    return { start, inputs: undefined, damaged: null }
  }
  return { start, inputs: entries.flatMap(entry => (entry.type === 'input' ? [entry.value] : [])), damaged: null }
}

function observeOwn(guard: SigningGuard, chainId: Uint8Array, self: Uint8Array, input: DriverInput): void {
  if (input.type === 'proposal' && equalBytes(input.value.proposal.validator, self)) {
    const { proposal } = input.value
    guard.observe({ ...proposal, step: STEP.proposal }, proposalSigningBytes(chainId, proposal), proposal.signature)
  }
  if (input.type !== 'votes') return
  for (const vote of input.value) {
    if (!equalBytes(vote.validator, self)) continue
    guard.observe({ ...vote, step: STEP[vote.kind] }, voteMessageSigningBytes(chainId, vote), vote.signature)
  }
}
