/** Tries of every probe, half of them about what is hidden, and how well classifiers tell these from the others. */
import { utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { seededRandom } from '../population/random.ts'
import { accuracy, type Sample } from './classifier.ts'
import { type Probe, probesOf } from './probes.ts'
import type { HiddenWorld } from './world.ts'

/** Most that a classifier may be right about. */
export const MAX_ACCURACY = 0.55

export interface ProbeResult {
  readonly name: string
  readonly tries: number
  /** Different answers to questions about what is hidden, and about what never was. */
  readonly hidden: readonly string[]
  readonly never: readonly string[]
  /** Share of the tries that the best classifier is right about. */
  readonly accuracy: number
}

export interface TryOptions {
  tries: number
  seed: number
  /** Whether times count. */
  times: boolean
  onProgress?: (probe: string, done: number) => void
}

export async function tryAll(world: HiddenWorld, options: TryOptions): Promise<ProbeResult[]> {
  const random = seededRandom(options.seed)
  let drawn = 0
  const draw = (): Uint8Array => taggedHash('never-was', utf8(`${options.seed} ${drawn++}`))
  const results: ProbeResult[] = []
  for (const probe of await probesOf(world, draw)) results.push(await tryOne(probe, draw, random.next, options))
  return results
}

async function tryOne(probe: Probe, draw: () => Uint8Array, random: () => number, options: TryOptions): Promise<ProbeResult> {
  const kinds: string[] = []
  const says = { hidden: new Set<string>(), never: new Set<string>() }
  const halves: [Sample[], Sample[]] = [[], []]
  // The first questions open connections.
  for (let i = 0; i < 4; i++) await probe.ask(draw())
  for (let i = 0; i < options.tries; i++) {
    const hidden = random() < 0.5
    // Names fall into halves, so that nothing is gained by remembering one.
    const half = i % 2
    const pool = probe.names.length < 2 ? probe.names : probe.names.filter((_, at) => at % 2 === half)
    const name = hidden ? (pool[Math.floor(random() * pool.length)] as Uint8Array) : draw()
    const start = performance.now()
    const answer = await probe.ask(name)
    const ms = performance.now() - start
    says[hidden ? 'hidden' : 'never'].add(answer.says)
    if (!kinds.includes(answer.says)) kinds.push(answer.says)
    const features = [kinds.indexOf(answer.says), answer.bytes, ...(options.times ? [ms] : [])]
    halves[half as 0 | 1].push({ features, hidden })
    if (i % 50 === 49) options.onProgress?.(probe.name, i + 1)
  }
  return { name: probe.name, tries: options.tries, hidden: [...says.hidden], never: [...says.never], accuracy: accuracy(halves) }
}
