/**
 * Keeps sources of k different fragments going, and waits for none of them longer than it must: where some lag, others are asked in
 * parallel, and whoever delivers first counts.
 *
 * Waiting for laggards is bounded by a {@link Patience}: at most as long as the rest of the work took, and LAG_MS more for each time
 * that others had to be called. One of any k sources that were asked is honest where k is above the number of liars, so that its
 * pace is the measure; who calls itself alive with a drip of bytes is overtaken as who is silent.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { verifyFragmentRoot } from './dispersal.ts'
import { fragmentRoot } from './hasher.ts'
import { chunksOf, type DispersalShape } from './layout.ts'
import { Patience, type Timer } from './pace.ts'
import { corruptFragment, type FragmentSource, SourceReader } from './source-reader.ts'

/** How long those that lag may hold up the others before spares are asked, in ms. */
export const LAG_MS = 250
/** The same while the first sources are being opened, which takes connections, and while no source at all delivers. */
export const FIRST_MS = 500
/** Stripes after which a laggard is given up that others were ahead of each time. */
const LATE_STRIPES = 3
/** The same for who was called to help, and has to catch up first. */
const LATE_HELPER_STRIPES = 16
/** Stripes for which more than k sources kept up, after which the last of them is let go. */
const SURPLUS_STRIPES = 8
/** Times the usual time of a stripe after which sources that all stand still are helped out. */
const STALL_FACTOR = 4

/** Somebody who was asked for one of the fragments. */
export interface SourceOffer {
  /** Chunk from which on it was asked. */
  readonly firstChunk: number
  readonly source: Promise<FragmentSource>
  /** Called exactly once, when the source is not read any more. */
  ended(outcome: SourceOutcome): void
}

/**
 * `finished`: it gave all its chunks. `failed`: what it sent was wrong (`corrupt-fragment`), or it failed by itself. `slow`: others
 * were asked because of it, and it did not keep up with them. `outpaced`: it helped out, and others were quicker. `unneeded`: it was
 * still going when all was read.
 */
export type SourceOutcome = { type: 'finished' | 'slow' | 'outpaced' | 'unneeded' } | { type: 'failed'; error: unknown }

/** Asks one more: for a fragment that is `missing`, or because somebody is `slow`. Undefined where there is nobody left. */
export type MoreSources = (firstChunk: number, why: 'missing' | 'slow') => SourceOffer | undefined

export interface PoolOptions extends DispersalShape {
  readonly dispersalRoot: Uint8Array
  readonly offers: readonly SourceOffer[]
  readonly more: MoreSources
  readonly timer: Timer
  readonly signal?: AbortSignal
  /** Leaf hashes, by fragment, of the chunks that are known already. */
  readonly known: readonly (readonly Uint8Array[])[]
}

interface Lane {
  readonly offer: SourceOffer
  reader: SourceReader | undefined
  failure: { error: unknown } | undefined
  /** When its present chunk came. */
  readyAt: number
  /** Others were asked because of it. */
  suspect: boolean
  late: number
}

export class SourcePool {
  readonly #options: PoolOptions
  readonly #length: number
  readonly #patience = new Patience(LAG_MS, FIRST_MS)
  #lanes: Lane[] = []
  #lastError: unknown
  #wake: (() => void) | undefined
  /** When the last stripe was whole. */
  #doneAt: number
  /** When others were last asked because some lag. */
  #askedAt = Number.NEGATIVE_INFINITY
  /** Usual time of a stripe, in ms. */
  #usualMs = 0
  /** Stripes in a row for which more than k sources kept up. */
  #surplus = 0
  #fatal: { error: unknown } | undefined

  constructor(options: PoolOptions, length: number) {
    this.#options = options
    this.#length = length
    this.#doneAt = options.timer.now()
    for (const offer of options.offers) this.#add(offer)
  }

  /** The chunks of one stripe by fragment index, k of them, with their leaf hashes. */
  async readStripe(stripe: number): Promise<{ shards: (Uint8Array | undefined)[]; leaves: (Uint8Array | undefined)[] }> {
    const { k, timer } = this.#options
    const begun = timer.now()
    for (const { reader } of this.#lanes) reader?.want(stripe)
    for (;;) {
      if (this.#fatal !== undefined) throw this.#fatal.error
      this.#dropFailed()
      const ready = this.#ready(stripe)
      if (ready.length >= k) return this.#take(stripe, ready, begun)
      this.#replace(stripe)
      const deadline = this.#deadline(ready, begun)
      if (timer.now() < deadline) await this.#change(deadline)
      else this.#callOthers(stripe, ready)
    }
  }

  /** @param whole whether all was read that was to be read */
  close(whole: boolean): void {
    for (const lane of this.#lanes) {
      if (whole && lane.reader?.finished === true) lane.offer.ended({ type: 'finished' })
      else this.#end(lane, { type: lane.suspect ? 'slow' : 'unneeded' })
    }
    this.#lanes = []
  }

  #add(offer: SourceOffer): void {
    const lane: Lane = { offer, reader: undefined, failure: undefined, readyAt: 0, suspect: false, late: 0 }
    this.#lanes.push(lane)
    offer.source.then(
      source => {
        if (!this.#lanes.includes(lane)) return
        const flaw = this.#flaw(source)
        if (flaw !== undefined) lane.failure = { error: flaw }
        else {
          lane.reader = new SourceReader(source, this.#length, offer.firstChunk, () => {
            lane.readyAt = this.#options.timer.now()
            this.#wake?.()
          })
          lane.reader.want(offer.firstChunk)
        }
        this.#wake?.()
      },
      error => {
        lane.failure = { error }
        this.#wake?.()
      },
    )
  }

  /** Lanes of different fragments whose chunk of this stripe is there, the first to come first. */
  #ready(stripe: number): Lane[] {
    const ready = this.#lanes.filter(({ reader }) => reader?.has(stripe)).sort((a, b) => a.readyAt - b.readyAt)
    return distinct(ready)
  }

  #take(stripe: number, ready: readonly Lane[], begun: number): ReturnType<typeof emptyStripe> {
    const { n, k, timer } = this.#options
    const out = emptyStripe(n)
    const onTime = new Set(this.#lanes.filter(({ reader }) => reader?.has(stripe)))
    for (const { reader } of ready.slice(0, k)) {
      const { index, chunkLeaves } = (reader as SourceReader).source
      out.shards[index] = reader?.take(stripe)
      out.leaves[index] = chunkLeaves[stripe]
    }
    const now = timer.now()
    const waited = now - Math.min(now, Math.max(begun, this.#askedAt, ready[0]?.readyAt ?? begun))
    const worked = now - this.#doneAt - waited
    this.#patience.note(worked, waited)
    this.#usualMs = stripe === 0 || this.#usualMs === 0 ? now - begun : 0.9 * this.#usualMs + 0.1 * (now - begun)
    this.#doneAt = now
    this.#judge(stripe, onTime)
    return out
  }

  /** Gives up those beyond the k that were needed which come late again and again. */
  #judge(stripe: number, onTime: ReadonlySet<Lane>): void {
    for (const lane of [...this.#lanes]) {
      lane.reader?.want(stripe + 1)
      // Who was called to help may take its time to begin.
      const late = !onTime.has(lane) && (lane.reader !== undefined || lane.suspect)
      lane.late = late ? lane.late + 1 : 0
      if (lane.suspect && lane.late >= LATE_STRIPES) this.#remove(lane, { type: 'slow' })
      else if (lane.late >= LATE_HELPER_STRIPES) this.#remove(lane, { type: 'outpaced' })
    }
    // A hiccup is over: more than k for the rest of the way would cost bytes for nothing.
    this.#surplus = onTime.size > this.#options.k ? this.#surplus + 1 : 0
    const last = [...onTime].sort((a, b) => a.readyAt - b.readyAt).at(-1)
    if (this.#surplus < SURPLUS_STRIPES || last === undefined) return
    this.#surplus = 0
    this.#remove(last, { type: 'outpaced' })
  }

  /** Asks more until k different fragments are on their way. @throws where there is nobody left */
  #replace(stripe: number): void {
    for (;;) {
      const opening = this.#lanes.filter(({ reader }) => reader === undefined).length
      const open = distinct(this.#lanes.filter(({ reader }) => reader !== undefined)).length
      if (opening + open >= this.#options.k) return
      const offer = this.#options.more(stripe, 'missing')
      if (offer === undefined) throw this.#tooFew()
      this.#add(offer)
    }
  }

  /** When others are asked if nothing changes until then. */
  #deadline(ready: readonly Lane[], begun: number): number {
    const first = ready[0]
    if (first === undefined) return Math.max(begun, this.#askedAt) + Math.max(FIRST_MS, STALL_FACTOR * this.#usualMs)
    return Math.max(begun, this.#askedAt, first.readyAt) + this.#patience.leftMs
  }

  #callOthers(stripe: number, ready: readonly Lane[]): void {
    const { k, more, timer } = this.#options
    const lagging = this.#lanes.filter(({ reader }) => reader?.has(stripe) !== true)
    for (let missing = k - ready.length; missing > 0; missing--) {
      const offer = more(stripe, 'slow')
      if (offer === undefined) break
      for (const lane of lagging) lane.suspect = true
      this.#add(offer)
    }
    this.#patience.refill()
    this.#askedAt = timer.now()
  }

  #dropFailed(): void {
    for (const lane of [...this.#lanes]) {
      const failure = lane.failure ?? lane.reader?.failure
      if (failure === undefined) continue
      this.#lastError = failure.error
      this.#remove(lane, { type: 'failed', error: failure.error })
    }
  }

  #remove(lane: Lane, outcome: SourceOutcome): void {
    this.#lanes = this.#lanes.filter(other => other !== lane)
    this.#end(lane, outcome)
  }

  #end({ reader, offer }: Lane, outcome: SourceOutcome): void {
    reader?.close()
    offer.ended(outcome)
  }

  /** Waits until a source has something, the deadline comes, or the signal aborts. */
  async #change(deadline: number): Promise<void> {
    const { signal, timer } = this.#options
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const aborted = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', aborted, { once: true })
    this.#wake = resolve
    const cancel = timer.after(Math.max(0, deadline - timer.now()), resolve)
    try {
      await promise
    } finally {
      this.#wake = undefined
      cancel()
      signal?.removeEventListener('abort', aborted)
    }
  }

  /** What is wrong with a source's proofs, before a byte of it is read. */
  #flaw(source: FragmentSource): EpioneError | undefined {
    const { index, chunkLeaves } = source
    if (!verifyFragmentRoot(this.#options.dispersalRoot, this.#options, index, source.fragmentRoot, source.proof)) {
      return corruptFragment(index, 'its root does not belong to the dispersal')
    }
    if (chunkLeaves.length !== chunksOf(this.#length)) return corruptFragment(index, 'its number of chunks is wrong')
    if (chunkLeaves.some(leaf => leaf.length !== 32)) return corruptFragment(index, 'its chunk hashes are malformed')
    if (!equalBytes(fragmentRoot(chunkLeaves), source.fragmentRoot)) return corruptFragment(index, 'its chunk hashes do not give its root')
    // The hashes are proven: where what was known differs, that is what is wrong.
    if (this.#options.known[index]?.some((leaf, chunk) => !equalBytes(leaf, chunkLeaves[chunk] as Uint8Array))) {
      this.#fatal = {
        error: new EpioneError('resume-mismatch', 'What was read before is not the beginning of this version; read it from the start.'),
      }
    }
    return undefined
  }

  #tooFew(): unknown {
    if (this.#lastError instanceof EpioneError && this.#lastError.code === 'corrupt-fragment') return this.#lastError
    const needed = this.#options.k
    return new EpioneError('too-few-fragments', `fragments from fewer than ${needed} different custodians could be read`, {
      metadata: { needed },
      cause: this.#lastError,
    })
  }
}

function emptyStripe(n: number): { shards: (Uint8Array | undefined)[]; leaves: (Uint8Array | undefined)[] } {
  return { shards: Array.from({ length: n }, () => undefined), leaves: Array.from({ length: n }, () => undefined) }
}

/** The first lane of each fragment. */
function distinct(lanes: readonly Lane[]): Lane[] {
  const seen = new Set<number | undefined>()
  return lanes.filter(({ reader }) => {
    const index = reader?.source.index
    if (seen.has(index)) return false
    seen.add(index)
    return true
  })
}
