/** Everything that may change the driver's state within a height, as data: what is logged before it is applied. */
import { bool, byteString, codec, hash32, type Infer, integer, list, nullable, oneOf, struct, tagged } from '../encoding/schema.ts'
import { MAX_ROUND } from '../ledger/certificate.ts'
import { headerCodec } from '../ledger/header.ts'
import { batchesSchema, decisionSchema, MAX_BUNDLE_VOTES, proposalCodec, voteCodec } from './messages.ts'

const timeoutSchema = struct({
  kind: oneOf('propose', 'prevote', 'precommit', 'rebroadcast'),
  height: integer(),
  round: integer(MAX_ROUND),
})
export type Timeout = Infer<typeof timeoutSchema>

const driverInputSchema = tagged({
  /** There is something to decide: an idle height starts its round 0. */
  start: struct({ height: integer() }),
  /** A proposal, its signature verified; `timely`: whether its header's time was not too far ahead when it arrived. */
  proposal: struct({ proposal: proposalCodec, timely: bool }),
  /** Votes of one height, their signatures verified. */
  votes: list(voteCodec, MAX_BUNDLE_VOTES, 1),
  /** A decision, its certificate verified against the validators of its height. */
  certificate: decisionSchema,
  timeout: timeoutSchema,
  /** This node's own fresh value for a round in which it proposes, executed. */
  value: struct({ height: integer(), round: integer(MAX_ROUND), header: headerCodec, batches: batchesSchema }),
  /** The application's verdict on a candidate (see `candidateId`); null where it could not tell. */
  verdict: struct({ height: integer(), candidate: hash32, valid: nullable(bool) }),
  /** The lock of an earlier life of this node, from its guard. */
  lock: struct({ height: integer(), round: integer(MAX_ROUND), block: hash32 }),
})
export type DriverInput = Infer<typeof driverInputSchema>

/** Height that an input belongs to. */
export function inputHeight(input: DriverInput): number {
  switch (input.type) {
    case 'proposal':
      return input.value.proposal.height
    case 'votes':
      return input.value[0]?.height ?? 0
    case 'certificate':
      return input.value.header.height
    default:
      return input.value.height
  }
}

/** Longest body of a batch that the log keeps, in bytes. */
const MAX_BODY_BYTES = 2 * 1024 * 1024

const walEntrySchema = tagged({
  /** First entry of a height: the block it stands on, and the highest height at which this node must not vote (-1 for none). */
  height: struct({ height: integer(), parent: hash32, silentThrough: integer(Number.MAX_SAFE_INTEGER, -1) }),
  input: driverInputSchema,
  /** Body of a batch that the next inputs' values name, under its digest: see `Application.bodies`. */
  body: struct({ digest: hash32, bytes: byteString(MAX_BODY_BYTES) }),
})
export type WalEntry = Infer<typeof walEntrySchema>
export const walEntryCodec = codec(walEntrySchema, MAX_BODY_BYTES + 1024)
