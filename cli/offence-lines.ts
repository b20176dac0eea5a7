/** Seats and double signing in a node's report: read with care, and shown. */
import { z } from 'zod'
import { printable } from './format.ts'
import { table } from './output.ts'

const text = z.string().max(1024).transform(printable)

export const seatSchema = z.object({
  state: z.enum(['held', 'coming', 'leaving', 'evicted', 'removed', 'none', 'stranger']),
  since: z.number().nullable(),
  summary: text,
})

export const offencesSchema = z
  .array(
    z.object({
      name: text,
      account: text,
      validator: text,
      kind: z.enum(['prevote', 'precommit', 'proposal']),
      height: z.number(),
      round: z.number(),
      reportedAt: z.number(),
      evictedAt: z.number().nullable(),
      seated: z.boolean(),
    }),
  )
  .max(256)

type Offences = z.infer<typeof offencesSchema>

/** Lines on who signed twice; none where nobody did. */
export function offenceLines(offences: Offences): string[] {
  if (offences.length === 0) return []
  const rows = offences.map(({ name, kind, height, round, reportedAt, evictedAt, seated }) => [
    name,
    `two ${kind}s at height ${height}, round ${round}`,
    `reported in block ${reportedAt}`,
    evictedAt !== null ? `evicted in block ${evictedAt}` : seated ? 'KEEPS ITS SEAT: the members decide' : 'holds no seat',
  ])
  return ['', ...table([['signed twice', '', '', ''], ...rows])]
}
