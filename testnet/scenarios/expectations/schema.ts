/** What can be expected of a network, in the words of a manifest. */
import { z } from 'zod'
import { OPERATIONS } from '../../load/mix.ts'
import { duration, nodeName, nodes } from '../values.ts'

const one = z.strictObject({
  /** Nodes make, or follow, so many further blocks. */
  blocks: z.strictObject({ more: z.int().min(1).max(1000).default(2), on: nodes.default('all'), within: duration.default(10_000) }),
  /** No further block for so long: no quorum, no progress. */
  no_blocks: z.strictObject({ for: duration, on: nodes.default('all') }),
  /** Nodes come to one height with one block, and each consensus goes on. */
  agreement: z.strictObject({ on: nodes.default('all'), within: duration.default(30_000) }),
  /** Latencies of the load so far, with what was due and failed not counted. */
  latency: z.strictObject({
    of: z.enum(OPERATIONS).default('anchors'),
    p50: duration.optional(),
    p95: duration.optional(),
    p99: duration.optional(),
  }),
  /** Share of the load's operations that failed so far, at most. */
  failures: z.strictObject({ at_most: z.number().min(0).max(1) }),
  /** Every acknowledged transaction is on every node, every acknowledged record is read whole. Ends the load. */
  acknowledged_kept: z.strictObject({ at_least: z.int().min(1).default(10) }),
  /** A consent is given, a reader reads, it is revoked, and so many blocks later no custodian gives anything. */
  revocation: z.strictObject({ blocks: z.int().min(1).max(100).default(2), by: nodeName.optional() }),
  /** Double signing of a node is on the ledger. */
  evidence: z.strictObject({ against: nodeName, within: duration.default(30_000) }),
  /** A node's own report has a finding of this code, or its state is this. */
  finding: z.strictObject({
    on: nodeName,
    code: z.string().regex(/^[a-z-]{2,40}$/),
    within: duration.default(30_000),
    absent: z.boolean().default(false),
  }),
  /** Every break-glass of the plays so far is known to the patient, with who, why and when; none that was not. */
  break_glass_told: z.strictObject({ within: duration.default(10_000) }),
  /** A record is read under a consent by light peers that begin at these nodes. */
  reads: z.strictObject({ from: nodes.default('all'), within: duration.default(20_000) }),
  /** What the DHT tells of a fresh record names every custodian that holds it. */
  located: z.strictObject({ within: duration.default(20_000) }),
  /** Those who are lied to notice: readers, of fragments; light peers that know the liar alone, of headers and of how old a state is. */
  lie_noticed: z.strictObject({ of: nodeName, about: z.enum(['fragments', 'headers', 'age']), within: duration.default(30_000) }),
  /** No node has more memory than this, in megabytes (10^6 bytes), as it says itself. */
  memory: z.strictObject({ of: nodes.default('all'), at_most_mb: z.int().min(1).max(100_000) }),
  /** The newest block's time is no further in the future than this. */
  proposer_time: z.strictObject({ off_by: duration }),
})

/** One of them, by its name. */
export const expectations = one.partial().refine(each => Object.keys(each).length === 1, 'an expectation has one name')
export type Expectations = z.infer<typeof one>
export type ExpectationName = keyof Expectations
