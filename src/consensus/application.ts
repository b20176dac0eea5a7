/** What the consensus engine needs from the rest of the node, and what it shows of itself. */
import type { Certificate } from '../ledger/certificate.ts'
import type { Evidence } from '../ledger/evidence.ts'
import type { Header, ValidatorSet } from '../ledger/header.ts'
import type { Decision } from './messages.ts'

/** The newest block of this node. */
export interface Tip {
  header: Header
  /** Hash of the header. */
  hash: Uint8Array
  /** Validators of the next height. */
  validators: ValidatorSet
}

/** The ledger, its execution and its synchronisation, as consensus sees them. */
export interface Application {
  tip(): Tip
  /** Whether there is something to put into a block now. */
  hasWork(): boolean
  /** Clock time, in ms, at which an empty block is due; `Infinity` for never. */
  heartbeatDueMs(): number
  /**
   * Makes and executes a block on the tip. `timeMs` is the block's time, `proposer` its proposer. The result counts as validated.
   * `signal` aborts when nobody needs the value any more.
   */
  createValue(
    height: number,
    round: number,
    proposer: Uint8Array,
    timeMs: number,
    signal: AbortSignal,
  ): Promise<{ header: Header; batches: Uint8Array[] }>
  /**
   * Whether the block is valid on the tip: fetches missing batches, executes, compares all roots. A function of (tip, header,
   * batches) alone: `false` means that the block is wrong for everybody. What cannot be told yet (a batch that nobody hands over)
   * stays pending or throws; the validator then prevotes nil at timeoutPropose and asks again later.
   */
  validateValue(header: Header, batches: Uint8Array[], signal: AbortSignal): Promise<boolean>
  /**
   * Stores the decided block, its certificate and its state atomically and durably, and gives the new tip. After a restart the
   * block may come without `validateValue` before it, and synchronisation may have stored the same block already: then the
   * present tip is the answer.
   */
  commit(header: Header, batches: Uint8Array[], certificate: Certificate): Promise<Tip>
  /**
   * Bodies of batches that this node holds, in their order. The engine logs them before it votes for a value that names them: were they in memory
   * alone, a power cut between polka and decision could leave the network locked on a value that nobody can execute any more.
   */
  bodies?(batches: readonly Uint8Array[]): Uint8Array[]
  /** Bodies that the log of an earlier life kept for the height above the tip; called once, at the start, before anything else. */
  restore?(bodies: readonly Uint8Array[]): void
  /** A validator speaks of a height that is not this node's next one: blocks are to be had. May be called often. */
  behind?(height: number, from: Uint8Array): void
  /** The decision of a stored height, to help a validator that is behind. */
  decided?(height: number): Promise<Decision | undefined>
}

/** Direct streams between validators. Neither call may throw; what cannot be delivered is lost and sent again later. */
export interface ConsensusTransport {
  /** To all other validators. */
  broadcast(bytes: Uint8Array): void
  send(validator: Uint8Array, bytes: Uint8Array): void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `fn` once after `ms`; the result cancels it. */
  setTimer(ms: number, fn: () => void): () => void
}

/** Checks signatures. `verify` is for certificates, which are checked whole; `verifyAsync` may use other threads. */
export interface Verifier {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  verifyAsync(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export interface Logger {
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, string | number | boolean | null>>): void
}

/** Something that an honest validator does not send. */
export interface Misbehaviour {
  /** Validator that is to blame: who sent it, or, for `double-sign`, who signed. */
  validator: Uint8Array
  code: 'malformed' | 'invalid-signature' | 'invalid-certificate' | 'unknown-validator' | 'wrong-proposer' | 'flood' | 'double-sign'
  evidence?: Evidence
}

/**
 * Why a frame or a message was dropped. `flood`: its sender's share of the inbox was full. `known`: it would change nothing,
 * because it came before, or the sender's allowance of later rounds is used up. `old`, `future`: of a height that is over, or
 * further ahead than is kept. The others are a sender's fault and are blamed on it.
 */
export type DropReason = 'flood' | 'known' | 'old' | 'future' | Exclude<Misbehaviour['code'], 'double-sign'>

/** Base times of a round and their growth by round, in ms. */
export interface Timeouts {
  proposeMs: number
  voteMs: number
  growthMs: number
}

/**
 * Bounds of proposer-based time (PBTS): a fresh proposal of round r is timely where its time t and the clock c at its arrival
 * satisfy t - precision <= c <= t + delay (1 + r / 10) + precision. The delay grows with the round, so that a bound that was set
 * too low cannot stop a chain.
 */
export interface Synchrony {
  /** How far apart two honest clocks may be, in ms. */
  precisionMs: number
  /** How long a proposal may be under way, in ms. */
  delayMs: number
}

/** How much a driver holds, each number under a bound whatever arrives (see the README, Bounds). */
export interface BufferSizes {
  /** Rounds of the present height of which votes or senders are held. */
  rounds: number
  votes: number
  /** Places of the present height at which somebody was seen to vote twice. */
  accused: number
  proposals: number
  /** Headers with a list of batches. */
  candidates: number
  certificates: number
  futureHeights: number
  futureInputs: number
  /** Weight of what is kept for later heights: a vote weighs 1, a proposal 32. */
  futureWeight: number
}

export interface EngineStatus {
  /** Height that is being decided. */
  height: number
  round: number
  /** `idle`: nothing to do; `decided`: the block is being stored. */
  step: 'idle' | 'propose' | 'prevote' | 'precommit' | 'decided'
  /** Clock time at which this round was entered. */
  sinceMs: number
  /** Clock time at which this height was entered. */
  heightSinceMs: number
  /** Proposer of this round. */
  proposer: Uint8Array
  /** What each validator said in this round, as far as it arrived. */
  votes: { validator: Uint8Array; power: number; prevote: boolean; precommit: boolean }[]
  /** Timeouts of this round. */
  timeouts: { proposeMs: number; voteMs: number; rebroadcastMs: number }
  lockedRound: number
  validRound: number
  /** Whether this node votes at this height, and why not. */
  voting: boolean
  notVotingBecause: 'follower' | 'not-a-validator' | 'lost-log' | 'halted' | null
  /** Height through which this node keeps silent for want of its log (`lost-log`); -1 where it does not. */
  silentThrough: number
  /** Frames that were dropped because the inbox was full. */
  dropped: number
  /** Frames and messages that were dropped since the start, by reason. */
  drops: Readonly<Record<DropReason, number>>
  /** Times that the engine waited for its log and guard to reach the disk. */
  syncs: number
  /** How much is held in memory of what others sent: frames that wait, and what the driver keeps. All of it is bounded. */
  buffers: BufferSizes & { frames: number }
  /** Code of the error that stopped the engine for good, or null. */
  halted: string | null
}

export interface Engine {
  start(): Promise<void>
  stop(): Promise<void>
  /** A frame from a validator, named by its public key, which the transport has authenticated. Never throws. */
  receive(bytes: Uint8Array, from: Uint8Array): void
  /** There may be something to propose. */
  wake(): void
  /** A direct stream to this validator is up: resends it what it may have missed. */
  connected(validator: Uint8Array): void
  /** Blocks arrived by synchronisation; settles once consensus stands on the new tip. */
  syncedTo(tip: Tip): Promise<void>
  status(): EngineStatus
  /** Settles once nothing is queued or under way, timers aside. */
  settled(): Promise<void>
}
