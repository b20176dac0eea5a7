/** What nodes report of themselves, checked: it comes from the network, and goes to a terminal. */
import { z } from 'zod'
import { MalformedError } from '../src/encoding/errors.ts'
import { printable } from './format.ts'
import { offencesSchema, seatSchema } from './offence-lines.ts'

/** Control characters would let a node write over what else is on the screen. */
const text = z.string().max(1024).transform(printable)
const number = z.number()

const statusSchema = z.object({
  schemaVersion: z.literal(1),
  network: text,
  chainId: text,
  name: text,
  jurisdiction: text,
  account: text,
  peerId: text,
  state: z.enum(['ok', 'syncing', 'quorum-missing', 'halted', 'stale']),
  summary: text,
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
      proposer: text,
      notVotingBecause: text.nullable(),
    })
    .nullable(),
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
      }),
    )
    .max(4096),
  seat: seatSchema,
  offences: offencesSchema,
  peers: z.object({ connected: number, members: number }),
  pool: z.object({ waiting: number, batches: number }),
  storage: z.object({ fragments: number, bytes: number }),
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
