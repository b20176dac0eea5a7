/** What a load is made of: operations and how often each comes up. */
import { z } from 'zod'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { SeededRandom } from '../population/random.ts'

/**
 * `anchors`: a bare line of the ledger, until its receipt is proven. `writes`: a record of some kB, sealed, dispersed, anchored. `grants`: a
 * consent, with its wrap at the custodians, or the end of one, by turns. `reads`: a record, read and verified under a consent. `searches`: a
 * wallet finds its folders with proofs that these are all, and lists what is in one.
 */
export const OPERATIONS = ['anchors', 'writes', 'grants', 'reads', 'searches'] as const
export type Operation = (typeof OPERATIONS)[number]

const weight = z.number().min(0).max(1000)
export const mixSchema = z
  .strictObject({ anchors: weight, writes: weight, grants: weight, reads: weight, searches: weight })
  .partial()
  .refine(mix => Object.values(mix).some(each => each > 0), 'some operation must come up')

/** Weights; what is left out does not come up. */
export type Mix = z.infer<typeof mixSchema>

export const DEFAULT_MIX: Mix = { anchors: 5, writes: 1, grants: 1, reads: 3, searches: 1 }

/** `anchors=5,reads=3`. @throws EpioneError `invalid-argument` */
export function parseMix(text: string): Mix {
  const entries = text.split(',').map(part => {
    const [name = '', value = ''] = part.split('=').map(each => each.trim())
    return [name, value === '' ? Number.NaN : Number(value)] as const
  })
  const parsed = mixSchema.safeParse(Object.fromEntries(entries))
  if (parsed.success) return parsed.data
  throw new EpioneError(
    'invalid-argument',
    `A mix is weights of ${OPERATIONS.join(', ')}, such as anchors=5,reads=3: ${z.prettifyError(parsed.error)}`,
  )
}

/** The next operation, by the weights. */
export function pickOperation(mix: Mix, random: SeededRandom): Operation {
  const weights = OPERATIONS.map(name => mix[name] ?? 0)
  let at = random.next() * weights.reduce((sum, each) => sum + each, 0)
  for (const [i, each] of weights.entries()) {
    if (at < each) return OPERATIONS[i] as Operation
    at -= each
  }
  return OPERATIONS[weights.findLastIndex(each => each > 0)] as Operation
}
