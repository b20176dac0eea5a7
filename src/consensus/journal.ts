/**
 * What makes a validator's word durable: the write-ahead log and the guard together. Log inputs before applying them, sign under
 * the guard, sync both in parallel before anything leaves.
 */
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { voteOfSigningBytes } from '../ledger/certificate.ts'
import type { Tip } from './application.ts'
import type { Disk, DurableFile } from './disk.ts'
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

/** Bytes of the log that bodies leave to inputs. */
const ROOM_FOR_INPUTS = 64 * 1024 * 1024

export interface JournalOptions {
  /** Folder of log and guard; nobody else writes there. */
  disk: Disk
  chainId: Uint8Array
  key: SigningKey
  /** Height from which on the operator accepts to vote although the log of an earlier life is lost. */
  voteDespiteLostLog?: number
  /** As in `EngineOptions`. */
  silentThrough?: number
}

export interface Journal {
  /** Inputs of the height above the tip that an earlier life logged, in order. */
  readonly inputs: readonly DriverInput[]
  /** Bodies of batches that it logged with them. */
  readonly bodies: readonly Uint8Array[]
  /** Highest height at which this node must not vote, for it may have voted and does not know how; -1 for none. */
  readonly silentThrough: number
  /** Why, as a stable code, or null. */
  readonly lost: string | null
  /** What the guard knew at the start. */
  readonly last: GuardRecord
  /**
   * The last votes at this height that the guard has and the log lost with its tail. They cannot be given otherwise any more, so they must be
   * given as they are: a validator that says nothing at a place may be the one that a quorum lacks.
   */
  readonly unlogged: readonly Vote[]
  log(input: DriverInput): void
  /** Logs the body of a batch once a height; false where the log has no room for it: its value must then not be voted for. */
  keep(digest: Uint8Array, body: Uint8Array): boolean
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

/** Names of the logs: heights take turns, so that the log of the height before is still there when the next one begins. */
const LOG_NAMES = ['wal-0', 'wal-1'] as const

/**
 * Opens logs and guard and decides whether this node may vote at the height above the tip (rule 10, no amnesia): not where the
 * guard has signed there and the log of that height is damaged, or missing without a proof that it never reached the disk; nor where
 * guard and logs are new on a chain that is not.
 *
 * Log and guard are synced in parallel before a vote leaves (the log first where a lock comes with it). So a crash can leave the guard with a vote whose log did not reach the
 * disk, and then the vote did not leave. What shows that nothing of a height's log was ever synced is a file that still holds an older
 * height whole, or an empty one beside the whole log of the height before: a disk that keeps what it synced leaves neither after
 * a sync.
 * @throws EpioneError `guard-corrupt`
 */
export function openJournal(options: JournalOptions, tip: Tip): Journal {
  const { disk, chainId, key, silentThrough = -1 } = options
  const height = tip.header.height + 1
  const files: DurableFile[] = []
  const open = (name: string): DurableFile => {
    const file = disk.open(name)
    files.push(file)
    return file
  }
  let guard: SigningGuard
  let logs: [WriteAheadLog, WriteAheadLog]
  try {
    guard = SigningGuard.open(open('guard'))
    logs = [new WriteAheadLog(open(LOG_NAMES[0])), new WriteAheadLog(open(LOG_NAMES[1]))]
  } catch (error) {
    for (const file of files) file.close()
    throw error
  }
  const read = readLogs(logs, tip)
  for (const input of read.inputs) observeOwn(guard, chainId, key.publicKey, input)
  const last = guard.last
  const hasSigned = last.signature !== null && last.height >= height
  let lost: string | null = null
  if (read.damaged !== null) lost = read.damaged
  // The chain is older than the guard, as after a backup was put back: what was signed further up is known in part only.
  else if (hasSigned && last.height > height) lost = 'chain-behind'
  else if (hasSigned && !read.found && !read.neverSynced) lost = 'wal-missing'
  else if (silentThrough >= height) lost = 'no-past'
  // Nothing tells what this key has signed: neither a guard nor a log of any height, on a chain that has blocks.
  else if (!read.found && last.signature === null && tip.header.height > 0 && (guard.created || read.isEmpty)) lost = 'guard-missing'
  else if (read.silentThrough >= height) lost = 'log-lost-earlier'
  // The silence is written down with the new log, so that it outlasts further restarts.
  const silent = lost === null ? -1 : Math.max(height, silentThrough, read.silentThrough, last.signature === null ? -1 : last.height)
  const kept = new Set(read.bodies.map(({ digest }) => toHex(digest)))
  let log = logs[height % 2] as WriteAheadLog
  // Whether a precommit for a block was signed since the last sync.
  let hasLock = false
  const append = (entry: WalEntry): void => log.append(walEntryCodec.encode(entry))
  const begin = (at: Tip): void => {
    const next = at.header.height + 1
    kept.clear()
    log = logs[next % 2] as WriteAheadLog
    log.reset()
    append({ type: 'height', value: { height: next, parent: at.hash, silentThrough: silent } })
  }
  if (!read.found || read.damaged !== null) {
    begin(tip)
    log.syncNow()
  }
  return {
    inputs: read.inputs,
    bodies: read.bodies.map(({ bytes }) => bytes),
    silentThrough: Math.min(silent, (options.voteDespiteLostLog ?? Number.POSITIVE_INFINITY) - 1),
    lost,
    last,
    unlogged: lost === null ? unloggedVotes(last, key.publicKey, read.inputs, height) : [],
    log: input => append({ type: 'input', value: input }),
    keep: (digest, body) => {
      if (kept.has(toHex(digest))) return true
      if (log.room - body.length < ROOM_FOR_INPUTS) return false
      append({ type: 'body', value: { digest, bytes: body } })
      kept.add(toHex(digest))
      return true
    },
    signVote: (vote, lock) => {
      const place = { height: vote.height, round: vote.round, step: STEP[vote.kind] }
      hasLock ||= vote.kind === 'precommit' && vote.block !== null
      return { ...vote, signature: guard.sign(place, voteMessageSigningBytes(chainId, vote), lock, message => key.sign(message)) }
    },
    signProposal: (proposal, lock) => {
      const place = { height: proposal.height, round: proposal.round, step: STEP.proposal }
      return { ...proposal, signature: guard.sign(place, proposalSigningBytes(chainId, proposal), lock, message => key.sign(message)) }
    },
    sync: async () => {
      // The log first: were the guard on disk alone, a crash could leave a lock whose polka, or whose very block, stood in the lost log alone. Who is
      // locked on what nobody can prove or propose votes for nothing else, and where a quorum needs that validator the chain stands still.
      if (hasLock) await log.sync()
      hasLock = false
      await Promise.all([log.sync(), guard.sync()])
      guard.settled()
    },
    enter: begin,
    close: () => {
      for (const file of files) file.close()
    },
  }
}

/**
 * Whether nothing on this disk tells what the key has signed: no signature in the guard, and neither a log of the height above the tip nor a
 * guard and a log that were there before. It is so at a validator's first start, and no less after its disk was lost: only the others
 * know which of the two. For use before {@link openJournal}, on the same disk.
 * @throws EpioneError `guard-corrupt`
 */
export function hasNoPast(disk: Disk, tip: Tip): boolean {
  const files = [disk.open('guard')]
  try {
    const [guardFile] = files as [DurableFile]
    const guard = guardFile.size === 0 ? null : SigningGuard.open(guardFile)
    // Before the logs are opened: whether one of them is missing tells something where the guard has signed.
    if (guard !== null && guard.last.signature !== null) return false
    for (const name of LOG_NAMES) files.push(disk.open(name))
    const logs = files.slice(1).map(file => new WriteAheadLog(file)) as [WriteAheadLog, WriteAheadLog]
    const { found, isEmpty } = readLogs(logs, tip)
    return !found && (guard === null || guard.created || isEmpty)
  } finally {
    for (const file of files) file.close()
  }
}

/** What the two logs hold for the height above a tip. */
interface ReadLogs {
  /** Whether one of them is of that height and tip. */
  found: boolean
  inputs: DriverInput[]
  bodies: { digest: Uint8Array; bytes: Uint8Array }[]
  /** Code where the log that should be of that height cannot be read. */
  damaged: string | null
  /** Whether the files show that nothing of that height's log was ever synced. */
  neverSynced: boolean
  /** Highest height at which the logs say that this node must not vote; -1 for none. */
  silentThrough: number
  /** Whether neither holds the log of any height. */
  isEmpty: boolean
}

function readLogs(logs: readonly [WriteAheadLog, WriteAheadLog], tip: Tip): ReadLogs {
  const height = tip.header.height + 1
  const present = readLog(logs[height % 2] as WriteAheadLog)
  const other = readLog(logs[(height + 1) % 2] as WriteAheadLog)
  const found = present.start?.height === height && equalBytes(present.start.parent, tip.hash)
  const { created } = logs[height % 2] as WriteAheadLog
  const isOlder = present.damaged === null && present.start !== undefined && present.start.height < height
  const isFresh = !created && present.damaged === null && present.start === undefined && other.start?.height === tip.header.height
  const entries = found ? present.entries : []
  return {
    found,
    inputs: entries.flatMap(entry => (entry.type === 'input' ? [entry.value] : [])),
    bodies: entries.flatMap(entry => (entry.type === 'body' ? [entry.value] : [])),
    damaged: present.damaged,
    neverSynced: isOlder || isFresh,
    silentThrough: Math.max(present.start?.silentThrough ?? -1, other.start?.silentThrough ?? -1),
    isEmpty: present.start === undefined && other.start === undefined,
  }
}

interface ReadLog {
  /** First entry, which says whose log it is. */
  start: { height: number; parent: Uint8Array; silentThrough: number } | undefined
  entries: WalEntry[]
  damaged: string | null
}

function readLog(log: WriteAheadLog): ReadLog {
  try {
    const entries = log.replay().map(payload => walEntryCodec.decode(payload))
    const [first] = entries
    return { start: first?.type === 'height' ? first.value : undefined, entries, damaged: null }
  } catch (error) {
    if (!(error instanceof EpioneError)) throw error
    return { start: undefined, entries: [], damaged: error.code === 'malformed' ? 'wal-corrupt' : error.code }
  }
}

function unloggedVotes(last: GuardRecord, self: Uint8Array, inputs: readonly DriverInput[], height: number): Vote[] {
  if (last.signature === null) return []
  const logged = inputs.flatMap(input => (input.type === 'votes' ? input.value.filter(vote => equalBytes(vote.validator, self)) : []))
  return [...last.earlier, { ...last, signature: last.signature }].flatMap(({ height: at, round, step, message, signature }) => {
    if (at !== height || step === STEP.proposal) return []
    if (logged.some(vote => vote.round === round && STEP[vote.kind] === step)) return []
    const { kind, block } = voteOfSigningBytes(message)
    return [{ kind, height, round, block, validator: self, signature }]
  })
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
