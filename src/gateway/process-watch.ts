/** What the process takes of the machine, and how late its event loop is. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the event loop is looked at, in ms. */
const RESOLUTION_MS = 20

export interface ProcessReport {
  /** CPU time since the start, in seconds. */
  userSeconds: number
  systemSeconds: number
  residentBytes: number
  heapBytes: number
  uptimeSeconds: number
  /** How late the event loop was since the last report, in seconds; null where it was not looked at. */
  lagSeconds: { median: number; p99: number; longest: number } | null
}

export class ProcessWatch {
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  start(): void {
    this.#delays.enable()
  }

  stop(): void {
    this.#delays.disable()
  }

  report(): ProcessReport {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed } = process.memoryUsage()
    return {
      userSeconds: user / 1e6,
      systemSeconds: system / 1e6,
      residentBytes: rss,
      heapBytes: heapUsed,
      uptimeSeconds: process.uptime(),
      lagSeconds: this.#lag(),
    }
  }

  #lag(): ProcessReport['lagSeconds'] {
    const delays = this.#delays
    if (delays.count === 0) return null
    // What is measured is the time from one look to the next; its pause is no delay.
    const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3)
    const lag = { median: seconds(delays.percentile(50)), p99: seconds(delays.percentile(99)), longest: seconds(delays.max) }
    delays.reset()
    return lag
  }
}
