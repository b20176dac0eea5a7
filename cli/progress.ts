/** One line of progress on a terminal, written over and over; nothing where standard error is no terminal. */
import { stripVTControlCharacters } from 'node:util'
import type { Context } from './context.ts'

/** Least time between two lines, in ms. */
const INTERVAL_MS = 100

export interface Progress {
  /** Shows a line instead of the one before. Made only when it is shown. */
  show(line: () => string): void
  /** Takes the line away, so that what is printed next stands in its place. */
  clear(): void
}

export function createProgress(context: Context): Progress {
  const { stderr } = process
  if (stderr.isTTY !== true || context.output.json || context.globals.quiet === true)
    return { show: () => undefined, clear: () => undefined }
  let shownAt = Number.NEGATIVE_INFINITY
  let shown = false
  return {
    show(line) {
      const now = performance.now()
      if (now - shownAt < INTERVAL_MS) return
      shownAt = now
      shown = true
      stderr.write(`\r\u001b[2K${stripVTControlCharacters(line()).slice(0, (stderr.columns ?? 80) - 1)}`)
    },
    clear() {
      if (shown) stderr.write('\r\u001b[2K')
      shown = false
      shownAt = Number.NEGATIVE_INFINITY
    },
  }
}
