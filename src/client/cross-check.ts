/**
 * Witnesses in everyday use: what one node shows as newest is compared with what nodes of other organisations show at that height. Where a
 * witness has another header that a quorum signed as well, more than a third of the weight signed two blocks, and no node is to be believed
 * any more; who did it can be told from the two commits, which are handed to every node. After the detector of "A Tendermint Light Client"
 * (arXiv:2010.07031) and of CometBFT's light client.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { headerHash } from '../ledger/header.ts'
import { type Commit, commitResponseCodec } from '../network/light-messages.ts'
import type { NodePool } from './nodes.ts'

/** How often it is done while there are new headers, in ms. @see CrossCheckOptions */
export const CROSS_CHECK_MS = 30_000
/** Age of a peer before the first comparison, in ms. */
const FIRST_MS = 3_000
/** Witnesses that are asked each time. */
const WITNESSES = 2
/** How long one may take, in ms. */
const TIMEOUT_MS = 5_000
/** Most nodes to which a conflict is reported. */
const MAX_TOLD = 16

export interface CrossCheckOptions {
  /** Least time between two comparisons, in ms. @default 30 000 */
  everyMs?: number
  /** How long after the start the first comparison is, at the earliest, in ms: what is over by then spares the way to other nodes. @default 3 000 */
  firstMs?: number
  /** Nodes of other organisations that are asked each time. @default 2 */
  witnesses?: number
}

/** Two commits of one height, each signed by a quorum. */
export interface Conflict {
  readonly height: number
  readonly first: Commit
  readonly second: Commit
}

export interface CrossCheckDependencies {
  nodes: NodePool
  now: () => number
  /** Whether a key is that of a member's node: nobody else is a witness. */
  isMember: (networkKey: Uint8Array) => boolean
  /** Verifies what a witness shows as if nothing of its height were known. @throws where it does not hold */
  judge: (commit: Commit, fetch: (height: number) => Promise<Commit>) => Promise<void>
}

/** What is thrown from then on by whatever stands on headers. */
export function conflictError({ height }: Pick<Conflict, 'height'>): EpioneError {
  return new EpioneError(
    'conflicting-headers',
    `Two different blocks of height ${height} were each signed by a quorum: more than a third of the validators lie. Nothing that a node shows is to be believed until the members of the network have settled it.`,
    { metadata: { height } },
  )
}

/** Compares what one node shows with what others show, now and then, and remembers a conflict for good. */
export class CrossCheck {
  readonly #options: Required<CrossCheckOptions>
  readonly #deps: CrossCheckDependencies
  readonly #stopped = new AbortController()
  #running: Promise<void> | undefined
  #lastMs: number
  #conflict: Conflict | undefined
  #agreed = 0

  constructor(
    { everyMs = CROSS_CHECK_MS, firstMs = FIRST_MS, witnesses = WITNESSES }: CrossCheckOptions,
    dependencies: CrossCheckDependencies,
  ) {
    this.#options = { everyMs, firstMs, witnesses }
    this.#deps = dependencies
    this.#lastMs = dependencies.now() + firstMs - everyMs
  }

  /** The conflict that was found, if one was. */
  get conflict(): Conflict | undefined {
    return this.#conflict
  }

  /** Answers of witnesses that agreed, since the start. */
  get agreed(): number {
    return this.#agreed
  }

  /** Compares, in the background, a newest header that was believed, unless that was done a moment ago. @param from key of the node that showed it */
  consider(commit: Commit, from: Uint8Array): void {
    const now = this.#deps.now()
    if (this.#running !== undefined || this.#conflict !== undefined || this.#stopped.signal.aborted) return
    if (commit.header.height === 0 || now - this.#lastMs < this.#options.everyMs) return
    this.#lastMs = now
    this.#running = this.#compare(commit, from)
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined
      })
  }

  /** Waits for the comparison that is under way. */
  async settled(): Promise<void> {
    await this.#running
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  async #compare(commit: Commit, from: Uint8Array): Promise<void> {
    const { nodes, isMember } = this.#deps
    const { signal } = this.#stopped
    const { height } = commit.header
    const own = headerHash(commit.header)
    await nodes.learn().catch(() => undefined)
    await nodes.each(
      key => !equalBytes(key, from) && isMember(key),
      async ask => {
        const fetch = async (at: number): Promise<Commit> =>
          commitResponseCodec.decode(await ask({ type: 'commit', value: { height: at } }))
        // One that has not come so far yet is no witness of this height, and to blame for nothing.
        const shown = await fetch(height)
        if (shown.header.height !== height) throw new EpioneError('invalid-header', 'the witness answered for another height')
        if (equalBytes(headerHash(shown.header), own)) {
          this.#agreed++
          return
        }
        // What does not hold by itself is the witness's lie alone.
        await this.#deps.judge(shown, fetch)
        this.#conflict ??= { height, first: commit, second: shown }
      },
      { signal, timeoutMs: TIMEOUT_MS, limit: this.#options.witnesses },
    )
    if (this.#conflict !== undefined) await this.#report(this.#conflict)
  }

  /** Hands the two commits to every node that is known: honest ones find out who signed both. */
  async #report({ first, second }: Conflict): Promise<void> {
    await this.#deps.nodes.each(
      () => true,
      async ask => {
        await ask({ type: 'conflict', value: { first, second } }).catch(error => {
          if (errorCode(error) !== 'unsupported') throw error
        })
      },
      { signal: this.#stopped.signal, timeoutMs: TIMEOUT_MS, limit: MAX_TOLD },
    )
  }
}
