/** What the driver wants done, as data. */
import type { Certificate } from '../ledger/certificate.ts'
import type { Evidence } from '../ledger/evidence.ts'
import type { Header } from '../ledger/header.ts'
import type { LogLevel } from './application.ts'
import type { DriverInput, Timeout } from './inputs.ts'
import type { ConsensusMessage, UnsignedProposal, UnsignedVote } from './messages.ts'

/** Lock and valid value (hashes of headers) as they stand with the vote that is to be signed; rounds are -1 where there is none. */
export interface LockState {
  lockedRound: number
  lockedBlock: Uint8Array | null
  validRound: number
  validBlock: Uint8Array | null
}

export type Effect =
  /** To all other validators, once everything before it in the log is on disk. */
  | { readonly type: 'broadcast'; readonly message: ConsensusMessage }
  /** To be signed under the guard and given back as an input `votes`. */
  | { readonly type: 'sign-vote'; readonly vote: UnsignedVote; readonly lock: LockState }
  /** To be signed under the guard and given back as an input `proposal`. */
  | { readonly type: 'sign-proposal'; readonly proposal: UnsignedProposal; readonly lock: LockState }
  /** To be given back as an input `timeout` after `ms`. */
  | { readonly type: 'schedule'; readonly timeout: Timeout; readonly ms: number }
  /** To be answered by an input `value`, or not at all. */
  | { readonly type: 'get-value'; readonly height: number; readonly round: number }
  /** To be answered by an input `verdict` that names the candidate. */
  | {
      readonly type: 'validate'
      readonly height: number
      readonly candidate: Uint8Array
      readonly header: Header
      readonly batches: Uint8Array[]
    }
  /** The verdict on this candidate is needed no more. */
  | { readonly type: 'abandon'; readonly candidate: Uint8Array }
  /** To be stored; then the driver enters the next height. */
  | { readonly type: 'decide'; readonly header: Header; readonly batches: Uint8Array[]; readonly certificate: Certificate }
  /** Kept inputs of a height that was just entered: to be logged and handled now. */
  | { readonly type: 'redeliver'; readonly inputs: readonly DriverInput[] }
  /** The network has decided this height and this node lacks the value. */
  | { readonly type: 'behind'; readonly height: number }
  | { readonly type: 'evidence'; readonly evidence: Evidence }
  | {
      readonly type: 'log'
      readonly level: LogLevel
      readonly event: string
      readonly fields: Readonly<Record<string, string | number | boolean | null>>
    }
