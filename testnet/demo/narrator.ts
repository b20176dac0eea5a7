/** Tells the demo's story line by line, and counts what did not hold. */
import { styleText } from 'node:util'

export class Narrator {
  readonly #write: (line: string) => void
  readonly #started = performance.now()
  #step = 0

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  /** A step of the story begins. */
  step(title: string): void {
    this.#step++
    this.#write('')
    this.#write(styleText('bold', `${String(this.#step).padStart(2)}  ${title}`))
  }

  /** A fact, with its figures. */
  say(text: string): void {
    this.#write(`    ${text}`)
  }

  /** Something that must hold: the demo ends here where it does not. */
  hold(condition: boolean, claim: string): void {
    if (!condition) throw new DemoFailure(claim)
    this.#write(`    ${styleText('green', '✔')} ${claim}`)
  }

  /** Milliseconds since the demo began. */
  elapsedMs(): number {
    return performance.now() - this.#started
  }
}

/** A step that did not hold. */
export class DemoFailure extends Error {
  constructor(claim: string) {
    super(`This did not hold: ${claim}`)
    this.name = 'DemoFailure'
  }
}

/** Runs a piece of work and measures it. */
export async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const start = performance.now()
  const value = await work()
  return { value, ms: performance.now() - start }
}

export function ms(value: number): string {
  return `${Math.round(value)} ms`
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`
  if (value < 1_000_000) return `${(value / 1000).toFixed(1)} kB`
  return `${(value / 1_000_000).toFixed(1)} MB`
}

/** Short form of an id, for people. */
export function short(id: Uint8Array): string {
  return Array.from(id.subarray(0, 4), byte => byte.toString(16).padStart(2, '0')).join('')
}
