/** Finds what ought to be here by the ledger, and is not, or not in whole. */

import { toHex } from '../../encoding/bytes.ts'
import { errorCode } from '../../encoding/errors.ts'
import type { Logger } from '../logger.ts'
import type { Damages } from './damages.ts'
import { type Holdings, indexOf, type Placed } from './holdings.ts'
import { pause } from './pace.ts'
import type { RepairJobs } from './repair-jobs.ts'
import type { Submissions } from './submissions.ts'

/** Submissions that are looked at before other work gets its turn. */
const LOOKS_AT_ONCE = 32

export interface RepairLookDependencies {
  submissions: Submissions
  holdings: Holdings
  damages: Damages
  jobs: RepairJobs
  logger: Logger
}

export class RepairLook {
  readonly #options: { custodian: Uint8Array; signal: AbortSignal }
  readonly #deps: RepairLookDependencies

  /** @param options `signal` ends every look */
  constructor(options: { custodian: Uint8Array; signal: AbortSignal }, dependencies: RepairLookDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /** Looks through all that the ledger anchors. */
  async all(): Promise<void> {
    const { holdings, submissions, damages, jobs } = this.#deps
    await damages.clear(async (root, leaf) => (await submissions.get(root)) === undefined || (await submissions.isErased(root, leaf)))
    let looks = 0
    for (const placed of holdings.all()) {
      if (this.#options.signal.aborted) return
      try {
        await this.inspect(placed)
      } catch (error) {
        // What cannot be read is as good as missing; those after it are looked at all the same.
        this.failed(error)
        if (indexOf(placed, this.#options.custodian) !== undefined) jobs.add(placed.folder, placed.root)
      }
      if (++looks % LOOKS_AT_ONCE === 0) await pause(1, this.#options.signal)
    }
  }

  /** Looks whether what was anchored a while ago has come, if it is to be here. */
  async expected(): Promise<void> {
    const { holdings, jobs } = this.#deps
    for (let next = jobs.takeExpected(); next !== undefined; next = jobs.takeExpected()) {
      const placed = holdings.placed(next.folder, next.root)
      if (placed !== undefined) await this.inspect(placed)
    }
  }

  /** Notes what of a submission is missing. Returns whether it is all here, or need not be. */
  async inspect(placed: Placed): Promise<boolean> {
    const { submissions, holdings, jobs } = this.#deps
    const { folder, root } = placed
    const index = indexOf(placed, this.#options.custodian)
    const held = await submissions.get(root)
    const isRight =
      index === undefined ||
      // Another index is never taken beside the one that is here; one that waits for its anchor is about to be kept.
      (held !== undefined && (held.index !== index || !held.anchored || (await holdings.lacking(root, held)).length === 0))
    if (isRight) jobs.delete(root)
    else jobs.add(folder, root)
    return isRight
  }

  /** Has a fragment repaired whose bytes went bad. */
  async lost(root: Uint8Array, leaf: number): Promise<void> {
    const { submissions, damages, jobs, logger } = this.#deps
    const submission = await submissions.get(root)
    if (submission === undefined || damages.has(root, leaf) || (await submissions.isErased(root, leaf))) return
    await damages.add(root, leaf)
    logger.warn({ submission: toHex(root).slice(0, 16) }, 'a fragment went bad on disk; it will be repaired')
    jobs.add(submission.folder, root)
  }

  /** Says in the log that a look failed, unless everything stops. */
  failed(error: unknown): void {
    if (!this.#options.signal.aborted) this.#deps.logger.error({ code: errorCode(error) }, 'a look for what is to be repaired failed')
  }
}
