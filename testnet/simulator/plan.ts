/** One schedule as plain data: who takes part, what goes wrong and when. Everything follows from the seed. */
import { type SeededRandom, seededRandom } from '../population/random.ts'
import { CITY_NAMES, type City } from './cities.ts'

/**
 * How a Byzantine validator misbehaves. `silent`: says nothing. `selective`: tells some and not others. `equivocate`: tells
 * different things to different validators. `amnesia`: votes without regard for locks. `forge`: makes up signatures, certificates,
 * rounds and heights. `propose`: proposes what is invalid, untimely, withheld, or out of its turn. `twins`: two honest copies with one key.
 */
export const MISCHIEFS = ['silent', 'selective', 'equivocate', 'amnesia', 'forge', 'propose', 'twins'] as const
export type MischiefKind = (typeof MISCHIEFS)[number]

export type Fault =
  /** Nodes hear only those of their own group. */
  | { readonly type: 'partition'; readonly atMs: number; readonly forMs: number; readonly groups: readonly number[] }
  /** Messages are lost and come twice, with these probabilities. */
  | { readonly type: 'lossy'; readonly atMs: number; readonly forMs: number; readonly loss: number; readonly duplication: number }
  | { readonly type: 'slow'; readonly atMs: number; readonly forMs: number; readonly factor: number }
  /** The node stops after so many more operations on disk and wire, wherever that is; `rot` flips a bit of its log meanwhile. */
  | {
      readonly type: 'crash'
      readonly atMs: number
      readonly forMs: number
      readonly node: number
      readonly steps: number
      readonly rot: boolean
    }
  /** The power goes everywhere, for each node after so many more operations of its own. */
  | { readonly type: 'blackout'; readonly atMs: number; readonly forMs: number; readonly steps: readonly number[] }
  /** The node's clock is off by so much. */
  | { readonly type: 'clock'; readonly atMs: number; readonly forMs: number; readonly node: number; readonly skewMs: number }
  /** The node stands still, as a process that is stopped and continued. */
  | { readonly type: 'pause'; readonly atMs: number; readonly forMs: number; readonly node: number }

/** Something to be ordered: a batch that a node comes to hold, or, with `change`, a new weight for a node (0: it leaves). */
export interface Work {
  readonly atMs: number
  readonly node: number
  readonly change: { readonly node: number; readonly power: number } | null
}

export interface Plan {
  readonly seed: number
  /** Weight of each node at genesis; 0 for one that follows. */
  readonly powers: readonly number[]
  /** Where each node is; null for all in one place. */
  readonly cities: readonly City[] | null
  readonly timeouts: { readonly proposeMs: number; readonly voteMs: number; readonly growthMs: number }
  readonly heartbeatMs: number
  /** Longest sync of a disk, in ms. */
  readonly syncMs: number
  /** What each node's clock is ahead of the truth, in ms. */
  readonly skewMs: readonly number[]
  /** Who lies, how, and from when on, in ms from the start: until then it is as honest as the others. */
  readonly byzantine: readonly { readonly node: number; readonly kinds: readonly MischiefKind[]; readonly fromMs: number }[]
  /** When the network becomes good for good, in ms from the start: faults end, clocks are right, only liars go on. */
  readonly goodAtMs: number
  readonly faults: readonly Fault[]
  readonly work: readonly Work[]
  /** Whether a third of the weight or more lies: then blocks may conflict, but enough culprits must be named. */
  readonly beyond: boolean
  /** Whether signatures are Ed25519, not simulated ones. */
  readonly realSignatures: boolean
}

/** Overrides of what the seed would decide; for runs of one kind. */
export interface PlanOptions {
  /** Number of validators. */
  validators?: number
  beyond?: boolean
  realSignatures?: boolean
}

/** The schedule of a seed. */
export function planOf(seed: number, options: PlanOptions = {}): Plan {
  const random = seededRandom(seed)
  const validators = options.validators ?? validatorsOf(random)
  const followers = random.chance(0.15) ? 1 : 0
  const powers = [
    ...Array.from({ length: validators }, () => (random.chance(0.7) ? 1 : random.int(1, 4))),
    ...Array.from({ length: followers }, () => 0),
  ]
  if (random.chance(0.6)) powers.fill(1, 0, validators)
  const beyond = options.beyond ?? random.chance(0.04)
  const cities = random.chance(0.3) ? powers.map(() => random.pick(CITY_NAMES)) : null
  const goodAtMs = random.int(1_000, random.pick([3_000, 6_000, 10_000]))
  const byzantine = liars(random, powers, { beyond, goodAtMs })
  // The shortest is too short for the world: rounds must grow until it is not.
  const proposeMs = random.pick([60, 400, 400, 800, 800, 1_500])
  return {
    seed,
    powers,
    cities,
    timeouts: { proposeMs, voteMs: Math.floor(proposeMs / 2), growthMs: random.pick([50, 150, 300]) },
    heartbeatMs: random.pick([5_000, 30_000]),
    syncMs: random.pick([0, 0, 2, 8]),
    skewMs: powers.map(() => (random.chance(0.5) ? 0 : random.int(-500, 500))),
    byzantine,
    goodAtMs,
    faults: [...(beyond ? split(random, powers, goodAtMs) : []), ...faultsOf(random, powers, goodAtMs, byzantine.length === 0)],
    work: workOf(random, powers, { goodAtMs, mayChange: byzantine.length > 0 || beyond }),
    beyond,
    realSignatures: options.realSignatures ?? random.chance(0.01),
  }
}

function validatorsOf(random: SeededRandom): number {
  const die = random.next()
  if (die < 0.85) return 4
  if (die < 0.97) return random.int(5, 7)
  return random.int(8, 13)
}

/** Liars with less than a third of the weight, or, beyond the bound, with more. */
function liars(
  random: SeededRandom,
  powers: readonly number[],
  { beyond, goodAtMs }: { beyond: boolean; goodAtMs: number },
): Plan['byzantine'] {
  const total = powers.reduce((sum, power) => sum + power, 0)
  const candidates = powers.map((power, node) => ({ power, node })).filter(({ power }) => power > 0)
  const chosen: { node: number; kinds: MischiefKind[]; fromMs: number }[] = []
  if (!beyond && random.chance(0.2)) return chosen
  let weight = 0
  while (candidates.length > 1) {
    const [one] = candidates.splice(random.int(0, candidates.length - 1), 1)
    if (one === undefined) break
    const isWithin = 3 * (weight + one.power) < total
    if (!beyond && !isWithin) continue
    weight += one.power
    // Those who lie beyond the bound are those who could make a fork.
    const menu = beyond ? (['equivocate', 'amnesia', 'twins'] as const) : MISCHIEFS
    const kinds = new Set<MischiefKind>([beyond && random.chance(0.6) ? 'twins' : random.pick(menu)])
    if (random.chance(beyond ? 0.1 : 0.3)) kinds.add(random.pick(menu))
    chosen.push({ node: one.node, kinds: [...kinds], fromMs: random.chance(0.6) ? 0 : random.int(0, goodAtMs) })
    if (beyond ? 3 * weight >= total : random.chance(0.3)) break
  }
  return chosen
}

function faultsOf(random: SeededRandom, powers: readonly number[], goodAtMs: number, isHonest: boolean): Fault[] {
  const faults: Fault[] = []
  const count = random.pick([0, 1, 2, 2, 3, 4, 6])
  // A node whose log rots does not vote at that height, and one whose clock is off votes nil: such a one counts among the faulty, and
  // there is one of them at most.
  const total = powers.reduce((sum, power) => sum + power, 0)
  const frail = isHonest ? random.int(0, powers.length - 1) : -1
  const mayFail = frail >= 0 && 3 * (powers[frail] ?? 0) < total
  for (let i = 0; i < count; i++) {
    const atMs = random.int(0, goodAtMs - 500)
    const forMs = random.int(100, Math.max(200, goodAtMs - atMs))
    const node = random.int(0, powers.length - 1)
    switch (random.int(0, mayFail ? 8 : 6)) {
      case 0:
        faults.push({ type: 'partition', atMs, forMs, groups: powers.map(() => random.int(0, random.pick([1, 1, 2]))) })
        break
      case 1:
        faults.push({ type: 'lossy', atMs, forMs, loss: random.pick([0.05, 0.2, 0.5]), duplication: random.pick([0, 0.1, 0.3]) })
        break
      case 2:
        faults.push({ type: 'slow', atMs, forMs, factor: random.int(2, 60) })
        break
      case 3:
        faults.push({ type: 'pause', atMs, forMs, node })
        break
      case 4: {
        const within = random.pick([0, 5, 20, 40])
        faults.push({ type: 'blackout', atMs, forMs: Math.min(forMs, 2_000), steps: powers.map(() => random.int(0, within)) })
        break
      }
      case 7:
        faults.push({ type: 'clock', atMs, forMs, node: frail, skewMs: random.pick([-60_000, -5_000, -1_500, 1_500, 5_000, 60_000]) })
        break
      default:
        faults.push({ type: 'crash', atMs, forMs, node, steps: random.int(0, 40), rot: mayFail && node === frail && random.chance(0.7) })
    }
  }
  // After a power cut a node that never signed anything may have to keep silent for a height. One that lost its log beside it would be one too many.
  const isDark = faults.some(({ type }) => type === 'blackout')
  return faults.map(fault => (fault.type === 'crash' && isDark ? { ...fault, rot: false } : fault))
}

/** Two halves that do not hear each other: with liars in both, each may believe that it is the network. */
function split(random: SeededRandom, powers: readonly number[], goodAtMs: number): Fault[] {
  return random.chance(0.7) ? [{ type: 'partition', atMs: 0, forMs: goodAtMs, groups: powers.map(() => random.int(0, 1)) }] : []
}

/** Where a node may fail on its own account, weights stay: else it could come to hold a third. */
function workOf(
  random: SeededRandom,
  powers: readonly number[],
  { goodAtMs, mayChange }: { goodAtMs: number; mayChange: boolean },
): Work[] {
  const work: Work[] = []
  const count = random.int(1, 4)
  for (let i = 0; i < count; i++) {
    const atMs = random.int(0, goodAtMs)
    const node = random.int(0, powers.length - 1)
    const change = random.chance(0.15) && mayChange ? { node: random.int(0, powers.length - 1), power: random.pick([0, 1, 1, 2, 3]) } : null
    work.push({ atMs, node, change })
  }
  return work
}
