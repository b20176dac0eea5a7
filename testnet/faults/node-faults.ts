/** What is wrong within a node, as a file says it that the node's process watches: it can be set before a start and while it runs. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { LIES, type Lie } from './modes.ts'

export interface NodeFaults {
  /** By how much the node's clock is ahead, in ms; negative where it is behind. */
  clockMs: number
  /** Whether its disk says that it has no room left. */
  diskFull: boolean
  /** What each write to a file that must be on disk takes more, in ms. */
  syncMs: number
  /** How it lies; null for an honest one. */
  lie: Lie | null
}

export const NO_FAULTS: NodeFaults = { clockMs: 0, diskFull: false, syncMs: 0, lie: null }

/** What a file says; nothing is wrong where there is none. */
export function readNodeFaults(path: string): NodeFaults {
  try {
    const { clockMs, diskFull, syncMs, lie } = JSON.parse(readFileSync(path, 'utf8')) as Record<keyof NodeFaults, unknown>
    return {
      clockMs: typeof clockMs === 'number' && Number.isSafeInteger(clockMs) ? clockMs : 0,
      diskFull: diskFull === true,
      syncMs: typeof syncMs === 'number' && syncMs >= 0 && syncMs <= 60_000 ? syncMs : 0,
      lie: LIES.find(each => each === lie) ?? null,
    }
  } catch {
    return NO_FAULTS
  }
}

export function writeNodeFaults(path: string, faults: NodeFaults): void {
  if (faults.clockMs === 0 && !faults.diskFull && faults.syncMs === 0 && faults.lie === null) {
    rmSync(path, { force: true })
    return
  }
  writeFileSync(`${path}.tmp`, JSON.stringify(faults), { mode: 0o600 })
  renameSync(`${path}.tmp`, path)
}
