/**
 * The public face of the pure layers, published as `epione/consensus`. Nothing here has a clock, randomness, keys, a disk or a network: inputs
 * come in as plain data and what is to be done goes out as plain data. "Drive it from a table" in the README of this folder is the
 * way in, with the meaning of every input and output; everything that may be thrown is an `EpioneError` with a stable code.
 *
 * - `initialState`, `transition`: the round state machine, one input per clause of Algorithm 1.
 * - `startVotes`, `stepVotes`, `viewVotes`: the vote keeper of a height.
 * - `startConsensus`, `stepConsensus`, `viewConsensus`: a whole node, height after height, values and validators being names.
 * - `proposerAt`, `roundTimeouts`, `isQuorum`, `isMoreThanThird`, `totalPower`: the arithmetic.
 * - `Driver`, `VoteKeeper`: the same layers with headers, keys and signatures as they are on the wire, as engine and simulator use them.
 */
export { isMoreThanThird, isQuorum, totalPower, type Validator, type ValidatorSet } from '../ledger/header.ts'
export type { BufferSizes, Timeouts, Tip } from './application.ts'
export { Driver, type DriverOptions, type Relevance } from './driver.ts'
export type { Effect, LockState } from './effects.ts'
export { MAX_FUTURE_HEIGHTS } from './future.ts'
export { roundTimeouts } from './height.ts'
export type { DriverInput, Timeout } from './inputs.ts'
export {
  initialState,
  type MachineInput,
  type MachineOutput,
  type MachineState,
  type Step,
  type TimeoutKind,
  type Transition,
  transition,
} from './machine.ts'
export type { ConsensusMessage, Proposal, Vote, VoteKind } from './messages.ts'
export type {
  ConsensusInput,
  ConsensusOutput,
  ConsensusSetup,
  ConsensusState,
  ConsensusView,
  PlainMessage,
  PlainProposal,
  PlainValue,
  PlainVerdict,
  PlainVotes,
} from './plain/formats.ts'
export { startConsensus, stepConsensus, viewConsensus } from './plain/heights.ts'
export type { PlainValidator } from './plain/names.ts'
export type { Recording, Stepped } from './plain/recording.ts'
export {
  type PlainVote,
  startVotes,
  stepVotes,
  type VotesInput,
  type VotesOutput,
  type VotesSetup,
  type VotesState,
  viewVotes,
} from './plain/votes.ts'
export { proposerAt } from './proposer.ts'
export {
  type AddResult,
  type BufferedVotes,
  MAX_FUTURE_MESSAGES,
  MAX_FUTURE_ROUNDS,
  PAST_ROUNDS,
  type ValueId,
  VoteKeeper,
} from './votes.ts'
