/** The plain data of a node's life: what goes in, what comes out. Everything is JSON. */
import type { BufferSizes, Timeouts } from '../application.ts'
import type { VoteKind } from '../messages.ts'
import type { PlainValidator } from './names.ts'
import type { Recording } from './recording.ts'
import type { PlainVote } from './votes.ts'

export interface ConsensusSetup {
  /** Validators of the first height, in the order in which they take turns where their weights are equal. */
  readonly validators: readonly PlainValidator[]
  /** The node that is driven; null (or somebody who is no validator) decides and never speaks. */
  readonly self: string | null
  /** First height; 1 where none is given. */
  readonly height?: number
  /** Base times of a round and their growth, in ms; 1000, 500 and 250 where none are given. */
  readonly timeouts?: Timeouts
  /**
   * Whether what the node is asked to sign comes back to it at once, as from a signer that always answers; true where nothing is given. With
   * false its votes and proposals come back only as inputs.
   */
  readonly sign?: boolean
}

/**
 * Values are names. A value's name says in which round it was proposed first: `v` in round 0, `w@3` in round 3. Its header names the proposer
 * of that round, which is what a fresh proposal is judged by. Where the validators change, a value of the new height is first named after
 * `enter`, for its header names them.
 */
export type PlainValue = string

/** A fresh proposal (`validRound` -1) or a repeated one. */
export interface PlainProposal {
  readonly type: 'proposal'
  readonly round: number
  readonly value: PlainValue
  /** Round in which a quorum prevoted the value before; -1, the paper's word for a fresh value, where none is given. */
  readonly validRound?: number
  /** The round's proposer where nobody is given. */
  readonly from?: string
  /** The present height where none is given. */
  readonly height?: number
  /** Names of the batches that hold the block's transactions; none where none are given. */
  readonly batches?: readonly string[]
}

export interface PlainVotes {
  readonly type: 'votes'
  readonly votes: readonly PlainVote[]
  readonly height?: number
  /** Who passed them on, on whose account they are kept for a later height; the first voter where nobody is given. */
  readonly by?: string
}

/** What nodes say to each other. One node's message is another node's input. */
export type PlainMessage =
  | PlainProposal
  | ({ readonly type: 'vote'; readonly height?: number } & PlainVote)
  | PlainVotes
  /** A whole certificate: the value and who precommitted it in `round`. Verified; that it is a quorum is the caller's duty. */
  | { readonly type: 'certificate'; readonly round: number; readonly value: PlainValue; readonly from: readonly string[] }

/** Answers of the application: whether a value is valid, null where it cannot tell, `ask` where the table answers later. */
export type PlainVerdict = boolean | null | 'ask'

export type ConsensusInput =
  /** There is something to decide: an idle height starts its round 0. */
  | { readonly type: 'start' }
  /**
   * As a message, with what the receiver finds: `valid` is the application's verdict (true where none is given), `timely` whether the
   * header's time suits the clock at arrival (true where nothing is given).
   */
  | (PlainProposal & { readonly valid?: PlainVerdict; readonly timely?: boolean })
  | Exclude<PlainMessage, PlainProposal>
  /** A timer has run out. */
  | { readonly type: 'timeout'; readonly kind: 'propose' | 'prevote' | 'precommit' | 'rebroadcast'; readonly round: number }
  /** Answer to `get-value`: this node's own fresh value of that round. */
  | { readonly type: 'value'; readonly round: number; readonly value: PlainValue; readonly batches?: readonly string[] }
  /** Answer to `validate`. */
  | { readonly type: 'verdict'; readonly value: PlainValue; readonly valid: boolean | null; readonly batches?: readonly string[] }
  /** The lock that this node's signing guard remembers of an earlier life. */
  | { readonly type: 'lock'; readonly round: number; readonly value: PlainValue }
  /**
   * The block of `height` (the present one where none is given; a later one by synchronisation) is stored: the driver enters the height above it.
   * `validators`: those from there on, where they change.
   */
  | { readonly type: 'enter'; readonly height?: number; readonly validators?: readonly PlainValidator[] }

export type ConsensusOutput =
  /** To be signed, logged and sent to everybody: this node's vote. */
  | ({ readonly type: 'vote'; readonly height: number } & Omit<PlainVote, 'from'>)
  /** To be signed, logged and sent to everybody: this node's proposal. */
  | {
      readonly type: 'propose'
      readonly height: number
      readonly round: number
      readonly value: PlainValue
      readonly validRound: number
      readonly batches: readonly string[]
    }
  /** To everybody, once what was signed before it is on disk. */
  | { readonly type: 'broadcast'; readonly message: PlainMessage }
  /** To come back as `timeout` after `ms`. */
  | { readonly type: 'schedule'; readonly height: number; readonly kind: string; readonly round: number; readonly ms: number }
  /** To be answered by `value`, or not at all. */
  | { readonly type: 'get-value'; readonly height: number; readonly round: number }
  /** To be answered by `verdict`: only for values whose verdict is `ask`. */
  | { readonly type: 'validate'; readonly height: number; readonly value: PlainValue; readonly batches: readonly string[] }
  /** The verdict is needed no more. */
  | { readonly type: 'abandon'; readonly value: PlainValue; readonly batches: readonly string[] }
  /** Final. `from`: whose precommits make the certificate. To be stored, and followed by `enter`. */
  | {
      readonly type: 'decide'
      readonly height: number
      readonly round: number
      readonly value: PlainValue
      readonly batches: readonly string[]
      readonly from: readonly string[]
    }
  /** The network has decided this height and this node lacks the value. */
  | { readonly type: 'behind'; readonly height: number }
  /** Somebody said two different things at one place. `values`: headers, or `null` for nil. */
  | {
      readonly type: 'evidence'
      readonly against: string
      readonly kind: VoteKind | 'proposal'
      readonly height: number
      readonly round: number
      readonly values: readonly (PlainValue | null)[]
    }
  /** Messages of this height that came earlier are handled now, as many. */
  | { readonly type: 'redeliver'; readonly messages: number }
  /** The message is of a later height and is kept for it, once. */
  | { readonly type: 'kept'; readonly height: number }
  /**
   * The input changes nothing: `known` (said before, decided, or not of the present round), `old` (of a height that is over), `beyond-bounds` (of a
   * later height, and more than is kept), `unknown-validator`, `wrong-proposer` (its sender is to blame).
   */
  | { readonly type: 'dropped'; readonly because: 'known' | 'old' | 'beyond-bounds' | 'unknown-validator' | 'wrong-proposer' }
  | { readonly type: 'log'; readonly event: string }

export interface ConsensusView {
  readonly height: number
  /** -1 while the height is idle. */
  readonly round: number
  readonly step: 'idle' | 'propose' | 'prevote' | 'precommit' | 'decided'
  readonly lockedValue: PlainValue | null
  readonly lockedRound: number
  readonly validValue: PlainValue | null
  readonly validRound: number
  /** Of the present round (of round 0 while idle). */
  readonly proposer: string
  /** Who voted in the present round. */
  readonly voted: readonly { readonly name: string; readonly power: number; readonly prevote: boolean; readonly precommit: boolean }[]
  readonly sizes: BufferSizes
}

/** The recording of a node's life: plain data, see {@link stepConsensus}. */
export type ConsensusState = Recording<ConsensusSetup, ConsensusInput>
