/** Values in manifests as people write them. */
import { z } from 'zod'

const UNITS_MS = { ms: 1, s: 1000, m: 60_000 } as const
const MAX_MS = 3_600_000

/** `500ms`, `5s`, `2m`: in ms, an hour at most. */
export const duration = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,3})?(ms|s|m)$/, 'a time has a unit: 500ms, 5s, 2m')
  .transform(text => {
    const unit = /[a-z]+$/.exec(text)?.[0] as keyof typeof UNITS_MS
    return Math.round(Number.parseFloat(text) * UNITS_MS[unit])
  })
  .refine(ms => ms <= MAX_MS, 'a time is an hour at most')

/** `node3`, or `$victim` for one that `choose` names. */
export const nodeName = z
  .string()
  .regex(/^(node[1-9]\d{0,2}|\$[a-z][a-z0-9]{0,15})$/, 'a node is node1 and so on, or $name of one that was chosen')

/**
 * Which nodes: `all`, `validators`, `full`, each also `but` some; or a list.
 */
export const nodes = z.union([
  z.enum(['all', 'validators', 'full']),
  nodeName,
  z.array(nodeName).min(1).max(64),
  z.strictObject({ but: z.union([nodeName, z.array(nodeName).min(1).max(64)]) }),
])
export type NodesInput = z.infer<typeof nodes>
