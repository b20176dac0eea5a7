/** Classifiers that try to tell two kinds of answers apart by numbers measured of them. */

export interface Sample {
  readonly features: readonly number[]
  readonly hidden: boolean
}

type Classify = (features: readonly number[]) => boolean

/** Means and spreads of the features: each is brought to the same scale. */
function scaleOf(samples: readonly Sample[]): (features: readonly number[]) => number[] {
  const width = samples[0]?.features.length ?? 0
  const scales = Array.from({ length: width }, (_, i) => {
    const values = samples.map(({ features }) => features[i] as number)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
    return { mean, spread: spread || 1 }
  })
  return features => scales.map(({ mean, spread }, i) => ((features[i] as number) - mean) / spread)
}

/** By the nearer of the two means. */
export function centroids(samples: readonly Sample[]): Classify {
  const scale = scaleOf(samples)
  const meanOf = (hidden: boolean): number[] => {
    const of = samples.filter(sample => sample.hidden === hidden).map(({ features }) => scale(features))
    return (of[0] ?? []).map((_, i) => of.reduce((sum, features) => sum + (features[i] as number), 0) / of.length)
  }
  const [yes, no] = [meanOf(true), meanOf(false)]
  const distance = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0)
  return features => distance(scale(features), yes) < distance(scale(features), no)
}

const STEPS = 300
const RATE = 0.3

/** Logistic regression by gradient descent. */
export function logistic(samples: readonly Sample[]): Classify {
  const scale = scaleOf(samples)
  const rows = samples.map(({ features, hidden }) => ({ x: scale(features), y: hidden ? 1 : 0 }))
  const weights = new Array<number>((rows[0]?.x.length ?? 0) + 1).fill(0)
  const score = (x: readonly number[]): number =>
    x.reduce((sum, value, i) => sum + value * (weights[i + 1] as number), weights[0] as number)
  for (let step = 0; step < STEPS; step++) {
    const slopes = weights.map(() => 0)
    for (const { x, y } of rows) {
      const miss = 1 / (1 + Math.exp(-score(x))) - y
      slopes[0] = (slopes[0] as number) + miss
      x.forEach((value, i) => {
        slopes[i + 1] = (slopes[i + 1] as number) + miss * value
      })
    }
    slopes.forEach((slope, i) => {
      weights[i] = (weights[i] as number) - (RATE * slope) / rows.length
    })
  }
  return features => score(scale(features)) > 0
}

/** By the one threshold of one feature that is right most often. */
export function stump(samples: readonly Sample[]): Classify {
  let best = { right: -1, feature: 0, threshold: 0, above: true }
  const width = samples[0]?.features.length ?? 0
  for (let feature = 0; feature < width; feature++) {
    const sorted = [...samples].sort((a, b) => (a.features[feature] as number) - (b.features[feature] as number))
    const hidden = samples.filter(sample => sample.hidden).length
    let below = 0
    for (const [i, sample] of sorted.entries()) {
      const threshold = sample.features[feature] as number
      if (i === 0 || threshold !== sorted[i - 1]?.features[feature]) {
        // Those from here on are said to be hidden, or those before.
        const above = hidden - below + (i - below)
        for (const [right, isAbove] of [
          [above, true],
          [samples.length - above, false],
        ] as const) {
          if (right > best.right) best = { right, feature, threshold, above: isAbove }
        }
      }
      if (sample.hidden) below++
    }
  }
  return features => (features[best.feature] as number) >= best.threshold === best.above
}

const CLASSIFIERS = [centroids, logistic, stump]

const rightShare = (classify: Classify, samples: readonly Sample[]): number =>
  samples.filter(({ features, hidden }) => classify(features) === hidden).length / samples.length

/**
 * How often the better of the classifiers is right about samples that it was not trained on. Each half is judged by what was learnt from the
 * other; which classifier judges is decided on a part of that other half, too.
 */
export function accuracy(halves: readonly [readonly Sample[], readonly Sample[]]): number {
  const shares = halves.map((judged, i) => {
    const learnt = halves[1 - i] as readonly Sample[]
    const [train, check] = [learnt.filter((_, at) => at % 3 !== 0), learnt.filter((_, at) => at % 3 === 0)]
    const ranked = CLASSIFIERS.map(learn => ({ learn, share: rightShare(learn(train), check) })).sort((a, b) => b.share - a.share)
    return rightShare((ranked[0] as { learn: typeof centroids }).learn(learnt), judged) * judged.length
  })
  return shares.reduce((sum, share) => sum + share, 0) / (halves[0].length + halves[1].length)
}
