/** What nodes report of themselves, checked: it comes from the network, and goes to a terminal. */
import { z } from 'zod'
import { MalformedError } from '../src/encoding/errors.ts'
import { printable } from './format.ts'
import { offencesSchema, seatSchema } from './offence-lines.ts'

/** Control characters would let a node write over what else is on the screen. */
const text = z.string().max(1024).transform(printable)
const number = z.number()
// Fields with a default came later than the report's first version: an older node leaves them out.

const statusSchema = z.object({
  schemaVersion: z.literal(1),
  network: text,
  chainId: text,
  name: text,
  jurisdiction: text,
  account: text,
  peerId: text,
  state: z.enum(['ok', 'syncing', 'quorum-missing', 'halted', 'stale', 'diverged']),
  summary: text,
  findings: z
    .array(z.object({ code: text, severity: z.enum(['info', 'warning', 'error']), message: text, action: text, forMs: number.nullable() }))
    .max(4096)
    .default([]),
  height: number,
  peerHeight: number,
  blockTime: text,
  blockAgeMs: number,
  stateRoot: text,
  validator: z.boolean(),
  consensus: z
    .object({
      height: number,
      round: number,
      step: text,
      sinceMs: number,
      heightSinceMs: number.default(0),
      proposer: text,
      failedProposers: z.array(text).max(64).default([]),
      notVotingBecause: text.nullable(),
      silentThrough: number.default(-1),
      drops: z.record(text, number).default({}),
    })
    .nullable(),
  joining: z.object({ power: number, of: number }).nullable().default(null),
  validators: z
    .array(
      z.object({
        name: text,
        jurisdiction: text,
        power: number,
        connected: z.boolean(),
        self: z.boolean(),
        prevote: z.boolean(),
        precommit: z.boolean(),
        height: number.nullable().default(null),
        clockOffsetMs: number.nullable().default(null),
        clockUncertaintyMs: number.nullable().default(null),
        lastSeenMs: number.nullable().default(null),
        silentThrough: number.default(-1),
      }),
    )
    .max(4096),
  seat: seatSchema,
  offences: offencesSchema,
  peers: z.object({ connected: number, members: number }),
  load: z
    .object({ streams: number, held: number, arriving: number, displaced: number, refused: z.record(text, number) })
    .nullable()
    .default(null),
  pool: z.object({ waiting: number, batches: number }),
  storage: z.object({
    fragments: number,
    bytes: number,
    ledger: z.object({ base: number, snapshots: z.array(number).max(64), bytes: number.nullable(), daysLeft: number.nullable() }),
    limits: z.object({ bytes: number, organisationBytes: number, versionBytes: number }).nullable().default(null),
    disk: z
      .object({
        state: z.enum(['ok', 'nearly-full', 'read-only']),
        freeBytes: number,
        totalBytes: number,
        reserveBytes: number,
        againBytes: number,
      })
      .nullable()
      .default(null),
    organisations: z
      .array(z.object({ name: text, bytes: number, stagedBytes: number }))
      .max(64)
      .default([]),
  }),
  memory: z.object({ rssBytes: number }),
  uptimeMs: number,
})
export type StatusReport = z.infer<typeof statusSchema>

const peersSchema = z.object({
  schemaVersion: z.literal(1),
  peers: z
    .array(
      z.object({
        networkKey: text,
        peerId: text,
        name: text,
        jurisdiction: text,
        member: z.boolean(),
        validator: z.boolean(),
        connected: z.boolean(),
        direction: z.enum(['inbound', 'outbound']).nullable(),
        rttMs: number.nullable(),
        addresses: z.array(text).max(64),
      }),
    )
    .max(8192),
})
export type PeersList = z.infer<typeof peersSchema>

function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const path = result.error.issues[0]?.path.join('.') ?? ''
  throw new MalformedError(`the node's report is not one (${path}); it may run another version`)
}

/** @throws MalformedError */
export function readStatus(value: unknown): StatusReport {
  return read(statusSchema, value)
}

/** @throws MalformedError */
export function readPeers(value: unknown): PeersList {
  return read(peersSchema, value)
}
