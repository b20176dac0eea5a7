/** The clock of a node: time from where the composition root says, timers of the process. */
import type { Clock } from '../consensus/application.ts'

/** @param now milliseconds since the epoch */
export function nodeClock(now: () => number): Clock {
  return {
    now,
    setTimer: (ms, fn) => {
      const timer = setTimeout(fn, ms)
      return () => clearTimeout(timer)
    },
  }
}
