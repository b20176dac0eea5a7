/** What a process takes, as Linux tells it. */
import { readFileSync } from 'node:fs'

/** A tick of the scheduler's accounts, in ms: 100 Hz on every Linux that Node runs on. */
const TICK_MS = 10

/** Resident memory and the CPU time since it began; null where there is no such process, or no /proc. */
export function memoryOf(started: { pid: number } | null): { rssBytes: number | null; cpuMs: number | null } {
  if (started === null) return { rssBytes: null, cpuMs: null }
  try {
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${started.pid}/status`, 'utf8'))?.[1]
    // After the name in brackets, which may hold spaces: user and system time are the 12th and the 13th field.
    const fields = readFileSync(`/proc/${started.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    const ticks = Number(fields[11]) + Number(fields[12])
    return { rssBytes: resident === undefined ? null : 1024 * Number(resident), cpuMs: Number.isFinite(ticks) ? ticks * TICK_MS : null }
  } catch {
    return { rssBytes: null, cpuMs: null }
  }
}
