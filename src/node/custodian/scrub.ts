/** Reads every fragment that is held, slowly and for ever, and finds those whose bytes went bad. Where it is, outlasts restarts. */

import { EpioneError, errorCode } from '../../encoding/errors.ts'
import { byteString, codec, type Infer, integer, struct } from '../../encoding/schema.ts'
import type { FragmentStore } from '../../fragments/fragment-store.ts'
import type { KeyValueStore } from '../../ledger/store.ts'
import type { Logger } from '../logger.ts'
import { type Damages, isLoss } from './damages.ts'
import { type Pace, pause } from './pace.ts'
import type { Submission, Submissions } from './submissions.ts'

/** Least that a fragment counts in the rate, in bytes: opening one takes time, too. */
const LEAST_BYTES = 4_096
/** How long an error of the disk is waited out, in ms. */
const RETRY_MS = 60_000
/** Fragments in a row that the disk does not give, after which the disk itself may be what fails: then one more at each retry. */
const FAILURES_IN_A_ROW = 8
/** Submissions after which the position is written down. */
const NOTED_EVERY = 16

const positionCodec = codec(
  struct({
    /** Root of the submission to go on with; empty at the beginning. */
    next: byteString(32),
    /** When the last pass through all ended, in ms; 0 where none has. */
    endedAt: integer(),
    /** When the present pass began, in ms. */
    beganAt: integer(),
  }),
  128,
)
type Position = Infer<typeof positionCodec>
const POSITION = Uint8Array.of(1)
const BEGINNING = new Uint8Array(0)

export interface ScrubOptions {
  /** Shortest time from the beginning of one pass to that of the next, in ms. @default one week */
  everyMs?: number
}

export interface ScrubDependencies {
  fragments: FragmentStore
  submissions: Submissions
  damages: Damages
  /** Holds the position; a part of its own. */
  store: KeyValueStore
  pace: Pace
  /** Notes what went bad, and has it repaired. */
  onCorrupt: (root: Uint8Array, leaf: number) => Promise<void>
  logger: Logger
  now: () => number
}

export interface ScrubReport {
  /** Fragments that were found bad or gone since the start. */
  corruptFound: number
  /** End of the last pass through all, in ms; 0 where none has come to its end. */
  lastScrub: number
}

export class Scrubber {
  readonly #everyMs: number
  readonly #deps: ScrubDependencies
  readonly #stopped = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #position: Position = { next: BEGINNING, endedAt: 0, beganAt: 0 }
  #corruptFound = 0
  /** Errors of the disk since the last fragment that could be read. */
  #failures = 0

  constructor({ everyMs = 7 * 24 * 60 * 60 * 1000 }: ScrubOptions, dependencies: ScrubDependencies) {
    this.#everyMs = everyMs
    this.#deps = dependencies
  }

  async start(): Promise<void> {
    const stored = await this.#deps.store.get(POSITION)
    if (stored !== undefined) this.#position = positionCodec.decode(stored)
    this.#work = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new EpioneError('stopped', 'The custodian stops.'))
    await this.#work
  }

  report(): ScrubReport {
    return { corruptFound: this.#corruptFound, lastScrub: this.#position.endedAt }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    const { now, logger } = this.#deps
    while (!signal.aborted) {
      try {
        const isNew = this.#position.next.length === 0
        const wait = this.#position.beganAt + this.#everyMs - now()
        if (isNew && wait > 0) await pause(Math.min(wait, RETRY_MS), signal)
        else await this.#pass(isNew)
      } catch (error) {
        if (signal.aborted) return
        logger.error({ code: errorCode(error) }, 'reading the fragments through was interrupted')
        await pause(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  async #pass(isNew: boolean): Promise<void> {
    const { submissions, now } = this.#deps
    if (isNew) await this.#note({ beganAt: now() })
    let read = 0
    for await (const { root, submission } of submissions.all(this.#position.next)) {
      this.#stopped.signal.throwIfAborted()
      if (read++ % NOTED_EVERY === 0) await this.#note({ next: root })
      await this.#read(root, submission)
    }
    await this.#note({ next: BEGINNING, endedAt: now() })
  }

  async #note(changes: Partial<Position>): Promise<void> {
    this.#position = { ...this.#position, ...changes }
    await this.#deps.store.batch([{ type: 'put', key: POSITION, value: positionCodec.encode(this.#position) }])
  }

  async #read(root: Uint8Array, submission: Submission): Promise<void> {
    const { fragments, submissions, damages, pace, onCorrupt } = this.#deps
    const { signal } = this.#stopped
    for (let leaf = 0; leaf < submission.versions; leaf++) {
      const version = await submissions.versionOrForgotten(root, leaf)
      // What cannot be opened is known to be missing too.
      if (version === undefined || version === 'forgotten') continue
      const key = { dispersalRoot: version.meta.leaf.dispersalRoot, index: submission.index }
      // What has no record is known to be missing.
      if (!fragments.has(key) || damages.has(root, leaf)) continue
      try {
        for await (const chunk of fragments.read(key, { signal })) await pace.take(Math.max(chunk.length, LEAST_BYTES), signal)
        this.#failures = 0
      } catch (error) {
        // It may have been dropped while it was read.
        if (errorCode(error) === 'fragment-not-found') continue
        if (!isLoss(error)) throw error
        this.#corruptFound++
        await onCorrupt(root, leaf)
        if (errorCode(error) === 'storage-failed' && ++this.#failures >= FAILURES_IN_A_ROW) throw error
      }
    }
  }
}
