/**
 * How much room the disks have. Below a reserve the node takes no more fragments: what is left is for the ledger, without which consensus
 * stops. It takes them again by itself once there is a quarter more than the reserve.
 */
import { statfs } from 'node:fs/promises'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { Logger } from './logger.ts'

const LOOK_MS = 10_000
/** The reserve where the operator names none: this share of the disk, and this many bytes at least. */
const RESERVED_SHARE = 0.05
const LEAST_RESERVE_BYTES = 2 ** 30
/** Times the reserve below which there is a warning. */
const WARNED_AT = 2
/** Room beyond a mark, in shares of the reserve, after which the node is back above it. */
const MARGIN = 0.25

export interface DiskSpace {
  /** Bytes that this process may still write. */
  freeBytes: number
  totalBytes: number
}

/** Room on the disk that a folder is on. */
export type StatDisk = (dir: string) => Promise<DiskSpace>

export const statDisk: StatDisk = async dir => {
  const { bavail, blocks, bsize } = await statfs(dir)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

export type DiskState = 'ok' | 'nearly-full' | 'read-only'

export interface DiskReport extends DiskSpace {
  state: DiskState
  /** Below this many free bytes the node takes no fragments. */
  reserveBytes: number
  /** From this many free bytes on it takes them again. */
  againBytes: number
}

export interface DiskWatchOptions {
  /** Folders whose disks are watched. */
  dirs: readonly string[]
  /** Bytes that stay free on each of these disks; null for 5 % of the disk, and 1 GiB at least. */
  minFreeBytes: number | null
}

export interface DiskWatchDependencies {
  statDisk: StatDisk
  logger: Logger
}

export class DiskWatch {
  readonly #options: DiskWatchOptions
  readonly #deps: DiskWatchDependencies
  #report: DiskReport | null = null
  /** Bytes that were promised room and are being written. */
  #promised = 0
  /** Bytes whose writing has ended since the disks were last looked at. */
  #written = 0
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #blind = false

  constructor(options: DiskWatchOptions, dependencies: DiskWatchDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  async start(): Promise<void> {
    await this.look()
    this.#timer = setInterval(() => void this.look(), LOOK_MS)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  /** The fullest of the disks as it was last seen; null before, or where the system does not tell. */
  report(): DiskReport | null {
    return this.#report
  }

  /** Looks now. Never rejects: a disk that cannot be asked is said once in the log, and what was known stands. */
  async look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  /**
   * Promises room for bytes that are about to be written, so that writers at the same time do not each count on what is there once.
   * Returns what ends the promise, when they are written or given up; calling that again does nothing. It is told how many were written:
   * all of them, unless it is said.
   * @throws EpioneError `read-only` below the reserve, `disk-full` where these bytes would go below it
   */
  reserve(bytes: number): (written?: number) => void {
    const report = this.#report
    if (report !== null) {
      if (report.state === 'read-only') {
        throw new EpioneError('read-only', 'The disk of this custodian is nearly full: it takes nothing new until there is room.')
      }
      if (report.freeBytes - this.#written - this.#promised - bytes < report.reserveBytes) {
        throw new EpioneError('disk-full', 'The disk of this custodian has no room for this.', { metadata: { bytes } })
      }
    }
    this.#promised += bytes
    let held = true
    return (written = bytes) => {
      if (!held) return
      held = false
      this.#promised -= bytes
      this.#written += written
    }
  }

  async #look(): Promise<void> {
    const writtenBefore = this.#written
    try {
      let fullest: Omit<DiskReport, 'state'> | undefined
      for (const dir of this.#options.dirs) {
        const space = await this.#deps.statDisk(dir)
        const reserveBytes = this.#options.minFreeBytes ?? Math.max(LEAST_RESERVE_BYTES, Math.floor(RESERVED_SHARE * space.totalBytes))
        const here = { ...space, reserveBytes, againBytes: Math.ceil((1 + MARGIN) * reserveBytes) }
        if (fullest === undefined || here.freeBytes - here.reserveBytes < fullest.freeBytes - fullest.reserveBytes) fullest = here
      }
      this.#blind = false
      // What ended while the disks were asked may or may not be counted in: it is left to the next look.
      this.#written -= writtenBefore
      if (fullest !== undefined) this.#set({ ...fullest, state: stateOf(fullest, this.#report?.state ?? 'ok') })
    } catch (error) {
      if (!this.#blind) this.#deps.logger.warn({ code: errorCode(error) }, 'the room on the disk cannot be told: only the quotas are kept')
      this.#blind = true
    }
  }

  #set(report: DiskReport): void {
    const before = this.#report?.state ?? 'ok'
    this.#report = report
    if (report.state === before) return
    const { logger } = this.#deps
    const { state, freeBytes, reserveBytes, againBytes } = report
    const fields = { freeBytes, reserveBytes, againBytes }
    if (state === 'read-only') logger.error(fields, 'the disk is nearly full: fragments are refused until there is room again')
    else if (state === 'nearly-full' && before === 'ok') logger.warn(fields, 'the disk fills up: below the reserve, fragments are refused')
    else logger.info(fields, 'there is room on the disk again')
  }
}

/** With a margin on the way back, so that a disk at a mark does not go to and fro. */
function stateOf({ freeBytes, reserveBytes }: Omit<DiskReport, 'state'>, before: DiskState): DiskState {
  const below = (mark: number, was: boolean): boolean => freeBytes < mark + (was ? MARGIN * reserveBytes : 0)
  if (below(reserveBytes, before === 'read-only')) return 'read-only'
  return below(WARNED_AT * reserveBytes, before !== 'ok') ? 'nearly-full' : 'ok'
}
