/**
 * A load on a testnet, by light peers in this process. Open-loop: operations begin at moments that a seed fixes, whatever becomes of those
 * before, and each latency counts from the moment at which it was due, so that a network that stands still shows in it (no coordinated
 * omission). Closed-loop: so many workers, each of which begins the next operation when one is done.
 */
import { errorCode } from '../../src/encoding/errors.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { type SeededRandom, seededRandom } from '../population/random.ts'
import { missingAnchors } from './book.ts'
import type { Histogram } from './histogram.ts'
import { type Mix, type Operation, pickOperation } from './mix.ts'
import { type OperationReport, type SecondReport, Tally } from './tally.ts'
import { LoadWorld } from './world.ts'

/** Operations under way at once in an open loop; what is due while there are as many waits, and its time counts. */
const MAX_IN_FLIGHT = 256
/** Operations that wait their turn; what is due above it is counted as dropped, which is never silent. */
const MAX_WAITING = 10_000
const MAX_WORKERS = 256

export interface LoadOptions {
  /** Fixes content, keys, moments and the order of the operations. */
  seed: number
  mix: Mix
  /** Rate over all nodes together, evenly or as a Poisson process; or so many at once. */
  loop: { perSecond: number; arrivals?: 'even' | 'poisson' } | { workers: number }
}

export interface LoadReport {
  schemaVersion: 1
  seed: number
  mix: Mix
  loop: LoadOptions['loop']
  startedMs: number
  /** How long operations were begun, in ms. */
  tookMs: number
  begun: number
  /** Due, and not begun since too many waited. */
  dropped: number
  operations: Partial<Record<Operation, OperationReport>>
  /** By second since the start; an hour at most. */
  seconds: SecondReport[]
}

export class Load {
  readonly #net: Testnet
  readonly #world: LoadWorld
  readonly #options: LoadOptions
  readonly #random: SeededRandom
  readonly #startedMs = Date.now()
  readonly #began = performance.now()
  readonly #tally = new Tally(this.#began)
  readonly #inFlight = new Set<Promise<void>>()
  readonly #waiting: { operation: Operation; i: number; dueMs: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #nextDueMs = 0
  #count = 0
  #dropped = 0
  #endedMs: number | undefined

  private constructor(net: Testnet, world: LoadWorld, options: LoadOptions) {
    this.#net = net
    this.#world = world
    this.#options = options
    this.#random = seededRandom(options.seed)
  }

  /** Prepares what the mix needs, and begins at once. */
  static async start(net: Testnet, options: LoadOptions): Promise<Load> {
    const { loop } = options
    if ('perSecond' in loop ? !(loop.perSecond > 0 && loop.perSecond <= 10_000) : !(loop.workers >= 1 && loop.workers <= MAX_WORKERS))
      throw new RangeError(`a load has up to 10000 operations a second, or up to ${MAX_WORKERS} workers`)
    const load = new Load(net, await LoadWorld.open(net, options), options)
    load.#begin()
    return load
  }

  /** Transactions whose receipt was shown and proven, with the height of their block. */
  get acknowledged(): LoadWorld['anchored'] {
    return this.#world.anchored
  }

  get written(): LoadWorld['written'] {
    return this.#world.written
  }

  get begun(): number {
    return this.#count
  }

  /** How many operations failed, by code. Nothing was promised about them. */
  get failures(): ReadonlyMap<string, number> {
    return this.#tally.failures
  }

  /** Latencies of an operation so far. */
  latency(operation: Operation): Histogram {
    return this.#tally.latency(operation)
  }

  /** Begins no more, and waits for what becomes of those under way. */
  async finish(): Promise<LoadReport> {
    this.#end()
    this.#dropped += this.#waiting.length
    this.#waiting.length = 0
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
    return this.report()
  }

  /** What was seen so far. */
  report(): LoadReport {
    const { seed, mix, loop } = this.#options
    const tookMs = Math.round((this.#endedMs ?? performance.now()) - this.#began)
    return {
      schemaVersion: 1,
      seed,
      mix,
      loop,
      startedMs: this.#startedMs,
      tookMs,
      begun: this.#count,
      dropped: this.#dropped,
      operations: this.#tally.operations(),
      seconds: this.#tally.seconds(),
    }
  }

  /** Acknowledged transactions that a node does not have at the height that was acknowledged; each node is asked for all. */
  async missing(): Promise<{ node: string; transaction: string; height: number }[]> {
    return await missingAnchors(this.#net, this.#world)
  }

  /** Acknowledged records that cannot be read whole, in words. */
  async unreadable(): Promise<string[]> {
    return await this.#world.unreadable()
  }

  /** Ends what it holds open; operations under way fail. */
  async stop(): Promise<void> {
    this.#end()
    this.#waiting.length = 0
    await this.#world.stop()
    await Promise.all(this.#inFlight)
  }

  #begin(): void {
    const { loop } = this.#options
    if ('workers' in loop) {
      for (let i = 0; i < loop.workers; i++) this.#start(this.#next(), performance.now())
    } else {
      this.#nextDueMs = this.#began + this.#gapMs()
      this.#schedule()
    }
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#endedMs ??= performance.now()
  }

  #next(): { operation: Operation; i: number } {
    return { operation: pickOperation(this.#options.mix, this.#random), i: ++this.#count }
  }

  #gapMs(): number {
    const { loop } = this.#options
    if ('workers' in loop) return 0
    const mean = 1000 / loop.perSecond
    return loop.arrivals === 'poisson' ? -Math.log(1 - this.#random.next()) * mean : mean
  }

  /** All that is due by now; a timer that comes late changes nothing of when they were. */
  #schedule(): void {
    if (this.#endedMs !== undefined) return
    const now = performance.now()
    while (this.#nextDueMs <= now) {
      const due = { ...this.#next(), dueMs: this.#nextDueMs }
      if (this.#inFlight.size < MAX_IN_FLIGHT) this.#start(due, due.dueMs)
      else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(due)
      else this.#dropped++
      this.#nextDueMs += this.#gapMs()
    }
    this.#timer = setTimeout(() => this.#schedule(), Math.max(0, this.#nextDueMs - performance.now()))
  }

  #start({ operation, i }: { operation: Operation; i: number }, dueMs: number): void {
    const run = this.#world
      .run(operation, i)
      .then(() => this.#tally.done(operation, performance.now() - dueMs))
      .catch(error => this.#tally.failed(operation, errorCode(error)))
      .finally(() => {
        this.#inFlight.delete(run)
        this.#goOn()
      })
    this.#inFlight.add(run)
  }

  #goOn(): void {
    if (this.#endedMs !== undefined) return
    if ('workers' in this.#options.loop) this.#start(this.#next(), performance.now())
    else {
      const waiting = this.#waiting.shift()
      if (waiting !== undefined) this.#start(waiting, waiting.dueMs)
    }
  }
}
