import type { Row } from '../bench/table.ts'

export interface ScenarioOptions {
  /** Folder in which it may do what it likes. */
  dir: string
  seed: number
  progress: (text: string) => void
}

export interface ScenarioResult {
  rows: Row[]
  /** What did not hold, in words; empty where everything did. */
  problems: string[]
  /** What was seen, to be printed. */
  summary: string
}

/** A story with an end that is checked, played by real processes. */
export interface Scenario {
  readonly name: string
  readonly about: string
  run(options: ScenarioOptions): Promise<ScenarioResult>
}
