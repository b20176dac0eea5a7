/** What people and programs do on a network while things happen to it, in the words of a manifest. */
import { z } from 'zod'
import { duration, nodes } from '../values.ts'

const one = z.strictObject({
  /** Light peers that come at once, verify from genesis, and follow the chain for a while. */
  light_peers: z.strictObject({
    peers: z.int().min(1).max(500),
    on: nodes.default('all'),
    for: duration.default(5_000),
    within: duration.default(30_000),
  }),
  /** A reader reads as fast as it can while the patient revokes: nothing of a later height than the bound is released. */
  revocation_race: z.strictObject({ rounds: z.int().min(1).max(50).default(5), blocks: z.int().min(1).max(100).default(2) }),
  /** Clinicians break the glass of one patient, some at the same moment. */
  break_glass: z.strictObject({ times: z.int().min(1).max(50), at_once: z.int().min(1).max(16).default(4) }),
})

export const plays = one.partial().refine(each => Object.keys(each).length === 1, 'a play has one name')
export type Plays = z.infer<typeof one>
export type PlayName = keyof Plays
