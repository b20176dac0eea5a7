/** Scenarios as files: what network there is, what load it bears, what is done to it and what must hold. */
import { isScalar, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { EpioneError } from '../../src/encoding/errors.ts'
import { LIES } from '../faults/modes.ts'
import { mixSchema } from '../load/mix.ts'
import { CITY_NAMES } from '../simulator/cities.ts'
import { expectations } from './expectations/schema.ts'
import { plays } from './plays/schema.ts'
import { duration, nodeName, nodes } from './values.ts'

/** Longest file, in characters. */
const MAX_TEXT = 64 * 1024
const MAX_STEPS = 200

const groups = z.array(z.array(nodeName).min(1).max(64)).min(1).max(64)
const span = duration.refine(ms => ms <= 60_000, 'a minute at most')

/** What can be done: the acts of a testnet's control, with times as people write them. */
const doing = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.enum(['start', 'stop', 'restart', 'kill', 'pause', 'resume']), node: nodeName }),
  z.strictObject({ verb: z.literal('partition'), groups, silent: z.boolean().default(false) }),
  z.strictObject({ verb: z.literal('heal') }),
  z.strictObject({ verb: z.literal('delay'), by: span, jitter: span.default(0), groups: groups.optional() }),
  z.strictObject({ verb: z.literal('drop'), share: z.number().min(0).max(0.9), groups: groups.optional() }),
  z.strictObject({ verb: z.literal('clock'), node: nodeName, ahead: duration.optional(), behind: duration.optional() }),
  z.strictObject({ verb: z.literal('disk-full'), node: nodeName, full: z.boolean().default(true) }),
  z.strictObject({ verb: z.literal('slow-disk'), node: nodeName, by: span }),
  z.strictObject({ verb: z.literal('byzantine'), node: nodeName, mode: z.enum([...LIES, 'honest']) }),
])
export type Doing = z.infer<typeof doing>

/** A number of distinct names, each for a node that the seed picks. */
const choice = z.record(z.string().regex(/^[a-z][a-z0-9]{0,15}$/), z.enum(['validator', 'full', 'node']))

export type Step =
  | { do: Doing }
  | { wait: number }
  | { expect: z.infer<typeof expectations> }
  | { play: z.infer<typeof plays> }
  | { each: { of: z.infer<typeof nodes>; as: string; steps: Step[] } }
  | { repeat: { times: number; choose: z.infer<typeof choice>; steps: Step[] } }

const step: z.ZodType<Step> = z.lazy(() =>
  z.union([
    z.strictObject({ do: doing }),
    z.strictObject({ wait: duration }),
    z.strictObject({ expect: expectations }),
    z.strictObject({ play: plays }),
    z.strictObject({ each: z.strictObject({ of: nodes, as: z.string().regex(/^[a-z][a-z0-9]{0,15}$/), steps: steps }) }),
    z.strictObject({ repeat: z.strictObject({ times: z.int().min(1).max(100), choose: choice.default({}), steps: steps }) }),
  ]),
)
const steps = z.lazy(() => z.array(step).min(1).max(MAX_STEPS))

const loadSchema = z.strictObject({
  /** Operations a second over all nodes together. */
  rate: z.number().min(0.1).max(1000).default(10),
  arrivals: z.enum(['even', 'poisson']).default('poisson'),
  mix: mixSchema.default({ anchors: 1 }),
})

export const scenarioSchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{1,40}$/),
  /** A sentence. */
  title: z.string().min(10).max(200),
  tags: z
    .array(z.string().regex(/^[a-z-]{2,20}$/))
    .max(8)
    .default([]),
  /** For the whole of it; what takes longer has failed. */
  timeout: duration.default(300_000),
  network: z
    .strictObject({
      validators: z.int().min(1).max(64).default(4),
      full_nodes: z.int().min(0).max(60).default(0),
      heartbeat: duration.default(2_000),
      audit_window: duration.default(10_000),
      /** Fragments of a version, of which `enough` give it back; as many as the nodes allow where it is left out. */
      fragments: z.strictObject({ of: z.int().min(4).max(46), enough: z.int().min(2).max(16) }).optional(),
      /** Where the nodes are, one after the other and around again: messages take as long as light in cables does. */
      cities: z
        .array(z.enum(CITY_NAMES as [string, ...string[]]))
        .min(1)
        .max(64)
        .optional(),
    })
    .default({ validators: 4, full_nodes: 0, heartbeat: 2_000, audit_window: 10_000 }),
  choose: choice.default({}),
  load: loadSchema.nullable().default({ rate: 10, arrivals: 'poisson', mix: { anchors: 1 } }),
  /** Nodes that lie: what is said of them in logs and on the ledger is no fault of the others. */
  liars: z.array(nodeName).max(21).default([]),
  steps,
})
export type ScenarioManifest = z.infer<typeof scenarioSchema>

/**
 * Reads a scenario. Everything that it says is known; what is unknown is refused with its place.
 * @throws EpioneError `scenario-invalid` with line and path of what is wrong
 */
export function parseScenario(text: string, where = 'the scenario'): ScenarioManifest {
  if (text.length > MAX_TEXT) throw new EpioneError('scenario-invalid', `${where} is longer than ${MAX_TEXT} characters.`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, maxAliasCount: 0 } as never)
  const broken = document.errors[0]
  if (broken !== undefined) throw new EpioneError('scenario-invalid', `${where} is not YAML: ${broken.message.split('\n')[0]}`)
  const parsed = scenarioSchema.safeParse(document.toJS({ maxAliasCount: 100 }))
  if (parsed.success) return parsed.data
  const told = parsed.error.issues
    .slice(0, 5)
    .flatMap(deepest)
    .map(({ path, message }) => {
      const at = lineOf(document, lines, path)
      return `${at === null ? '' : `line ${at}, `}${path.join('.') || 'the file'}: ${message}`
    })
  throw new EpioneError('scenario-invalid', `${where} is not a scenario: ${told.join('; ')}`)
}

/** Of a choice between forms, what is wrong in the form that came nearest. */
function deepest(issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string }[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
  // A form that knows not even the names is not what was meant.
  const depth = (issues: readonly z.core.$ZodIssue[]): number =>
    Math.max(0, ...issues.map(each => each.path.length)) -
    (issues.some(each => each.code === 'unrecognized_keys' && each.path.length === 0) ? 100 : 0)
  const nearest = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? []
  return nearest.flatMap(deepest).map(each => ({ ...each, path: [...issue.path, ...each.path] }))
}

function lineOf(document: ReturnType<typeof parseDocument>, lines: LineCounter, path: readonly PropertyKey[]): number | null {
  for (let depth = path.length; depth > 0; depth--) {
    const found: unknown = document.getIn(path.slice(0, depth), true)
    const range = (found as { range?: [number, number, number] | null } | undefined)?.range
    if (range != null && (isScalar(found) || typeof found === 'object')) return lines.linePos(range[0]).line
  }
  return null
}
