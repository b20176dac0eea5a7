/** What can be done to a running testnet, as one asks for it: the same words on the command line, over HTTP and in files. */
import { z } from 'zod'
import { EpioneError } from '../../src/encoding/errors.ts'
import { LIES } from '../faults/modes.ts'

const node = z.string().regex(/^node\d{1,3}$/)
/** Nodes by groups, between which something holds. */
const groups = z.array(z.array(node).min(1).max(64)).min(1).max(64)
const span = z.int().min(0).max(60_000)

export const actSchema = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal('up') }),
  z.strictObject({ verb: z.enum(['start', 'stop', 'restart', 'kill', 'pause', 'resume']), node }),
  /** Nodes of different groups do not reach each other; `silent` as a pulled cable, else as a router without a way. */
  z.strictObject({ verb: z.literal('partition'), groups, silent: z.boolean().default(false) }),
  /** Ends partitions, delays and losses. */
  z.strictObject({ verb: z.literal('heal') }),
  /** What each message takes longer, in ms, one way; between groups, or everywhere. */
  z.strictObject({ verb: z.literal('delay'), ms: span, jitterMs: span.default(0), groups: groups.optional() }),
  /** Share of what is sent that is lost and sent again. */
  z.strictObject({ verb: z.literal('drop'), share: z.number().min(0).max(0.9), groups: groups.optional() }),
  /** By how much a node's clock is ahead, in ms; 0 puts it right. */
  z.strictObject({ verb: z.literal('clock'), node, ms: z.int().min(-86_400_000).max(86_400_000) }),
  z.strictObject({ verb: z.literal('disk-full'), node, full: z.boolean().default(true) }),
  /** What each write that must be on disk takes more, in ms. */
  z.strictObject({ verb: z.literal('slow-disk'), node, ms: span }),
  /** Has a node lie (see faults/modes.ts); null makes it honest again. */
  z.strictObject({ verb: z.literal('byzantine'), node, mode: z.enum(LIES).nullable() }),
])

export type Act = z.infer<typeof actSchema>
/** An act as it is asked for, with what may be left out. */
export type ActInput = z.input<typeof actSchema>
export type Verb = Act['verb']

/** @throws EpioneError `invalid-argument` */
export function parseAct(value: unknown): Act {
  const parsed = actSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new EpioneError('invalid-argument', `This is nothing that can be done to a testnet: ${z.prettifyError(parsed.error)}`)
}

/** An act in a few words, for people: `partition node1,node2 | node3,node4`. */
export function describeAct(act: Act): string {
  const between = (of: readonly (readonly string[])[]): string => of.map(group => group.join(',')).join(' | ')
  const where = 'groups' in act && act.groups !== undefined ? ` between ${between(act.groups)}` : ''
  switch (act.verb) {
    case 'partition':
      return `partition ${between(act.groups)}${act.silent ? ', silently' : ''}`
    case 'delay':
      return `delay ${act.ms} ms${act.jitterMs > 0 ? ` and up to ${act.jitterMs} ms more` : ''}${where}`
    case 'drop':
      return `drop ${Math.round(act.share * 1000) / 10} %${where}`
    case 'clock':
      return `clock ${act.node} ${act.ms >= 0 ? '+' : '-'}${Math.abs(act.ms)} ms`
    case 'disk-full':
      return `disk ${act.full ? 'full' : 'with room'}: ${act.node}`
    case 'slow-disk':
      return `disk slower by ${act.ms} ms: ${act.node}`
    case 'byzantine':
      return act.mode === null ? `honest again: ${act.node}` : `byzantine ${act.node}: ${act.mode}`
    case 'up':
    case 'heal':
      return act.verb
    default:
      return `${act.verb} ${act.node}`
  }
}
