/** Scenarios from a seed: networks and faults that nobody thought of. Never more than a third are broken at once, so that all must go on. */
import { seededRandom } from '../population/random.ts'
import { CITY_NAMES } from '../simulator/cities.ts'
import { type ScenarioManifest, type Step, scenarioSchema } from './manifest.ts'

const FAULTS = ['kill', 'pause', 'cut', 'silent', 'clock', 'slow-disk', 'weather'] as const

/** The scenario of a seed: the same for the same seed. */
export function randomScenario(seed: number): ScenarioManifest {
  const random = seededRandom(seed)
  const validators = random.pick([4, 4, 4, 5, 7])
  const most = Math.floor((validators - 1) / 3)
  const steps: Step[] = []
  for (let round = random.int(2, 4); round > 0; round--) {
    const names = Array.from({ length: random.int(1, most) }, (_, i) => `hit${i}`)
    const choose = Object.fromEntries(names.map(name => [name, 'validator' as const]))
    const hit = names.map(name => `$${name}`)
    const fault = random.pick(FAULTS)
    const doing = hit.flatMap(node => faultOf(fault, node, random.int(50, 300)))
    const undoing = hit.flatMap(node => cureOf(fault, node))
    steps.push({
      repeat: {
        times: 1,
        choose,
        steps: [
          { wait: random.int(0, 2_000) },
          ...doing,
          { expect: { blocks: { more: random.int(1, 4), on: { but: hit }, within: 40_000 } } },
          ...undoing,
          { expect: { agreement: { on: 'all', within: 40_000 } } },
        ],
      },
    })
    if (random.chance(0.4)) steps.push({ expect: { revocation: { blocks: 2 } } })
    if (random.chance(0.3)) steps.push({ expect: { reads: { from: 'all', within: 30_000 } } })
  }
  steps.push({ expect: { acknowledged_kept: { at_least: 5 } } })
  const cities = random.chance(0.5) ? Array.from({ length: validators }, () => random.pick(CITY_NAMES)) : undefined
  return scenarioSchema.parse({
    id: `random-${seed}`,
    title: `What the seed ${seed} made: ${validators} validators, of which at most ${most} are broken at once.`,
    tags: ['random'],
    timeout: '10m',
    network: {
      validators,
      full_nodes: random.int(0, 1),
      heartbeat: '2s',
      ...(cities === undefined ? {} : { cities }),
    },
    load: { rate: random.int(3, 10), mix: { anchors: 4, writes: random.int(0, 1), reads: random.int(0, 2), searches: random.int(0, 1) } },
    steps: steps.map(each => written(each)),
  })
}

function faultOf(fault: (typeof FAULTS)[number], node: string, ms: number): Step[] {
  switch (fault) {
    case 'kill':
    case 'pause':
      return [{ do: { verb: fault, node } }]
    case 'cut':
    case 'silent':
      return [{ do: { verb: 'partition', groups: [[node]], silent: fault === 'silent' } }]
    case 'clock':
      return [{ do: { verb: 'clock', node, ahead: ms * 100 } }]
    case 'slow-disk':
      return [{ do: { verb: 'slow-disk', node, by: ms } }]
    case 'weather':
      return [{ do: { verb: 'delay', by: ms, jitter: ms } }, { do: { verb: 'drop', share: 0.02 } }]
    default:
      return fault satisfies never
  }
}

function cureOf(fault: (typeof FAULTS)[number], node: string): Step[] {
  switch (fault) {
    case 'kill':
      return [{ do: { verb: 'start', node } }]
    case 'pause':
      return [{ do: { verb: 'resume', node } }]
    case 'clock':
      return [{ do: { verb: 'clock', node } }]
    case 'slow-disk':
      return [{ do: { verb: 'slow-disk', node, by: 0 } }]
    default:
      return [{ do: { verb: 'heal' } }]
  }
}

/** A step with its times as a file has them: the schema reads them back. */
function written(value: unknown, key = ''): unknown {
  const TIMES = ['wait', 'within', 'for', 'ahead', 'behind', 'by', 'jitter']
  if (typeof value === 'number' && TIMES.includes(key)) return `${value}ms`
  if (Array.isArray(value)) return value.map(each => written(each))
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, written(v, k)]))
  return value
}

/** As a file. */
export async function scenarioText(manifest: ScenarioManifest): Promise<string> {
  const { stringify } = await import('yaml')
  return stringify(writtenManifest(manifest), { lineWidth: 140, flowCollectionPadding: true })
}

function writtenManifest(manifest: ScenarioManifest): unknown {
  const { timeout, network, ...rest } = manifest
  const { heartbeat, audit_window, ...size } = network
  return {
    ...(written({ ...rest }) as object),
    timeout: `${timeout}ms`,
    network: { ...size, heartbeat: `${heartbeat}ms`, audit_window: `${audit_window}ms` },
  }
}
