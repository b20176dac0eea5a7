/** The measurement: lives, attacks, thresholds. */
import { attack, learn, type Outcome } from './attack.ts'
import { type LifeOptions, live } from './life.ts'
import { type Evidence, observe, SOURCES, type Source } from './observer.ts'

/**
 * Advantage over guessing that is not to be exceeded, by the evidence that the attacker uses (each row all of those above it, too). The first two say that nothing
 * in the formats links folders; the others are what remains, and are no more than a ceiling on it: docs/security.md says what it means.
 */
export const THRESHOLDS: Readonly<Record<Source, number>> = {
  'ids and keys': 0.02,
  'sizes and policies': 0.05,
  'times and positions': 0.65,
  readings: 0.75,
}

export interface LinkageRow extends Outcome {
  readonly source: Source
  readonly protected: boolean
  readonly threshold: number | null
  readonly within: boolean
}

export interface LinkageInput {
  readonly people: number
  readonly days: number
  readonly seed: number
}

export function runLinkage({ people, days, seed }: LinkageInput): LinkageRow[] {
  return [false, true].flatMap(isProtected => {
    const options = { people, days, protected: isProtected }
    const [known, attacked] = [seen({ ...options, seed: seed * 2 }), seen({ ...options, seed: seed * 2 + 1 })]
    return SOURCES.map((source, i) => {
      const scorer = learn(known.evidence, known.truth, SOURCES.slice(0, i + 1), seed)
      const outcome = attack(attacked.evidence, attacked.truth, scorer, seed)
      const threshold = isProtected ? THRESHOLDS[source] : null
      return { ...outcome, source, protected: isProtected, threshold, within: threshold === null || outcome.advantage <= threshold }
    })
  })
}

function seen(options: LifeOptions): { evidence: Evidence; truth: ReadonlyMap<string, number> } {
  const { blocks, chainId, truth } = live(options)
  return { evidence: observe(blocks, chainId), truth }
}

export function formatTable({ people, days, seed }: LinkageInput, rows: readonly LinkageRow[]): string {
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`.padStart(8)
  const line = (row: LinkageRow): string =>
    `${row.protected ? 'as it is' : 'without '}  ${row.source.padEnd(20)} ${percent(row.success)} ${percent(row.guessing)} ${percent(row.advantage)}  ${
      row.threshold === null ? '' : `${row.within ? 'within' : 'ABOVE'} ${percent(row.threshold).trim()}`
    }`
  return [
    `${people} people, ${days} days, seed ${seed}; ${rows.at(-1)?.folders ?? 0} folders whose owner has another one`,
    '',
    'measures  evidence                right guessing advantage  threshold',
    ...rows.map(line),
    '',
  ].join('\n')
}
