/** Memory and CPU of another process, where the system tells by `/proc`. */
import { readFile } from 'node:fs/promises'

const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

export interface ProcessFacts {
  rssBytes: number | null
  /** CPU time since its start, in seconds. */
  cpuSeconds: number | null
}

export async function processFacts(pid: number): Promise<ProcessFacts> {
  try {
    const [stat, statm] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/statm`, 'utf8')])
    return parseFacts(stat, statm)
  } catch {
    return { rssBytes: null, cpuSeconds: null }
  }
}

/** @param stat text of `/proc/<pid>/stat`, whose second field may hold spaces and brackets */
export function parseFacts(stat: string, statm: string): ProcessFacts {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const pages = Number(statm.split(' ')[1])
  return {
    rssBytes: Number.isFinite(pages) ? pages * PAGE_BYTES : null,
    cpuSeconds: Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : null,
  }
}
