/**
 * The attacker: learns on a life of which it knows the truth how much each piece of evidence is worth (logistic regression), then names for each folder of
 * another life the one that it thinks is the same person's.
 */
import { type SeededRandom, seededRandom } from '../population/random.ts'
import type { Evidence, Feature, Source } from './observer.ts'

/** Unlike pairs that are learnt from, for each pair of one person. */
const UNLIKE_PER_LIKE = 20
const EPOCHS = 60

export interface Scorer {
  readonly score: (evidence: Float64Array) => number
  /** What weighs most, for people who want to know why. */
  readonly weights: readonly { readonly name: string; readonly weight: number }[]
}

export interface Outcome {
  /** Folders whose person has another one. */
  readonly folders: number
  /** Part of them for which the attacker names a folder of the same person. */
  readonly success: number
  /** The same for somebody who guesses, knowing how many folders there are. */
  readonly guessing: number
  /** success - guessing. */
  readonly advantage: number
}

/** Learns from a life with known truth, on evidence of these sources alone. */
export function learn(evidence: Evidence, truth: ReadonlyMap<string, number>, sources: readonly Source[], seed: number): Scorer {
  const random = seededRandom(seed)
  const used = evidence.features.flatMap(({ source }, i) => (sources.includes(source) ? [i] : []))
  const copy = (key: number): Float64Array => evidence.of(Math.floor(key / evidence.folders.length), key % evidence.folders.length).slice()
  const like = allLike(evidence, truth)
  // Half of the unlike pairs have met somewhere, the others are any.
  const unlike = Array.from({ length: like.length * UNLIKE_PER_LIKE }, (_, i) => {
    for (;;) {
      const key = i % 2 === 0 && evidence.met.length > 0 ? random.pick(evidence.met) : anyPair(evidence, random)
      if (!isSame(evidence, truth, key)) return copy(key)
    }
  })
  const samples = [...like.map(key => ({ values: copy(key), label: 1 })), ...unlike.map(values => ({ values, label: 0 }))]
  const scale = used.map(i =>
    Math.max(1e-9, Math.sqrt(samples.reduce((sum, { values }) => sum + (values[i] as number) ** 2, 0) / Math.max(1, samples.length))),
  )
  const weights = new Float64Array(used.length)
  let bias = 0
  const logit = (values: Float64Array): number =>
    used.reduce((sum, i, w) => sum + ((weights[w] as number) * (values[i] as number)) / (scale[w] as number), bias)
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const rate = 0.2 / (1 + epoch / 10)
    for (let n = 0; n < samples.length; n++) {
      const { values, label } = random.pick(samples)
      const error = 1 / (1 + Math.exp(-logit(values))) - label
      bias -= rate * error * 0.1
      for (const [w, i] of used.entries())
        weights[w] =
          (weights[w] as number) - rate * 0.1 * ((error * (values[i] as number)) / (scale[w] as number) + 1e-4 * (weights[w] as number))
    }
  }
  return {
    score: logit,
    weights: used
      .map((i, w) => ({ name: (evidence.features[i] as Feature).name, weight: weights[w] as number }))
      .toSorted((a, b) => b.weight - a.weight),
  }
}

/** All pairs of one person's folders. */
function allLike({ folders }: Evidence, truth: ReadonlyMap<string, number>): number[] {
  const owned = new Map<number | undefined, number[]>()
  for (const [number, { id }] of folders.entries()) owned.set(truth.get(id), [...(owned.get(truth.get(id)) ?? []), number])
  return [...owned.values()].flatMap(own => own.flatMap((a, i) => own.slice(i + 1).map(b => a * folders.length + b)))
}

function anyPair({ folders }: Evidence, random: SeededRandom): number {
  const a = random.int(0, folders.length - 2)
  return a * folders.length + random.int(a + 1, folders.length - 1)
}

function isSame({ folders }: Evidence, truth: ReadonlyMap<string, number>, key: number): boolean {
  const [a, b] = [folders[Math.floor(key / folders.length)], folders[key % folders.length]]
  return a !== undefined && b !== undefined && truth.get(a.id) === truth.get(b.id)
}

/** Attacks a life: for each folder the best guess, ties broken by a seeded draw. */
export function attack(evidence: Evidence, truth: ReadonlyMap<string, number>, scorer: Scorer, seed: number): Outcome {
  const random = seededRandom(seed)
  const { folders } = evidence
  let attacked = 0
  let hits = 0
  let chance = 0
  for (const [a, folder] of folders.entries()) {
    const person = truth.get(folder.id)
    const siblings = folders.filter(({ id }, b) => b !== a && truth.get(id) === person).length
    if (siblings === 0) continue
    attacked++
    chance += siblings / (folders.length - 1)
    let best = Number.NEGATIVE_INFINITY
    let candidates: number[] = []
    for (let b = 0; b < folders.length; b++) {
      if (b === a) continue
      const score = scorer.score(evidence.of(a, b))
      if (score > best + 1e-12) {
        best = score
        candidates = [b]
      } else if (Math.abs(score - best) <= 1e-12) candidates.push(b)
    }
    if (truth.get((folders[random.pick(candidates)] as (typeof folders)[number]).id) === person) hits++
  }
  const success = attacked === 0 ? 0 : hits / attacked
  const guessing = attacked === 0 ? 0 : chance / attacked
  return { folders: attacked, success, guessing, advantage: success - guessing }
}
