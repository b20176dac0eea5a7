/** What a node says of its room: disk and quota, before either is used up. */
import type { DiskReport } from './disk-watch.ts'

/** Share of the fragments' quota from which on there is a warning. */
const QUOTA_WARNING = 0.9

export interface StorageFacts {
  /** Null where the system does not tell. */
  disk: DiskReport | null
  /** Bytes of fragments, and how many there may be. */
  fragmentBytes: number
  fragmentQuotaBytes: number
}

type Report = (severity: 'warning' | 'error', code: string, forMs: null, message: string, action: string) => void

export function storageTrouble({ disk, fragmentBytes, fragmentQuotaBytes }: StorageFacts, report: Report): void {
  if (disk?.state === 'read-only') {
    report(
      'error',
      'read-only',
      null,
      `The disk has ${inWords(disk.freeBytes)} left, and ${inWords(disk.reserveBytes)} are kept for the ledger: this node takes no fragments.`,
      `Free space, or move the data folder to a larger disk. From ${inWords(disk.againBytes)} on it takes fragments again by itself; with nothing left it stops.`,
    )
  } else if (disk?.state === 'nearly-full') {
    report(
      'warning',
      'disk-nearly-full',
      null,
      `The disk has ${inWords(disk.freeBytes)} left; below ${inWords(disk.reserveBytes)} this node takes no fragments.`,
      'Free space, or move the data folder to a larger disk.',
    )
  }
  if (fragmentBytes >= QUOTA_WARNING * fragmentQuotaBytes) {
    report(
      'warning',
      'quota-nearly-full',
      null,
      `Fragments fill ${inWords(fragmentBytes)} of the ${inWords(fragmentQuotaBytes)} that they may fill here; beyond that they are refused.`,
      'Raise fragmentQuota (and storageQuota), or announce less capacity by a vote.',
    )
  }
}

/** Such as `1.5 GiB`. */
function inWords(bytes: number): string {
  for (const [unit, factor] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
  ] as const) {
    if (bytes >= factor) return `${(bytes / factor).toFixed(1)} ${unit}`
  }
  return `${bytes} bytes`
}
