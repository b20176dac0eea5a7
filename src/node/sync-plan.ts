/**
 * Which heights are asked from whom. Pure: what peers claim and deliver comes in, what to ask goes out; time is an argument.
 *
 * Ranges go to several peers at once, in a bounded window above the tip. A peer that is slow, silent or wrong loses its range to
 * others, and one that claims what it does not deliver, or less than it claimed before, is left aside for a while. So a liar costs
 * a range and a moment, however high its claim.
 *
 * What the tip waits for counts most: it is asked from another peer as soon as the answer takes much longer than answers do, and whose
 * range is overtaken so, or who gave less than an answer holds, is asked again later each time. A dripping peer costs some moments.
 */

export interface SyncPlanOptions {
  /** Heights above the tip that are asked for at most. @default 1024 */
  windowBlocks?: number
  /** Heights of one request. @default 64 */
  rangeBlocks?: number
  /** Bytes of blocks that wait for those before them; above it only the next height is asked for. @default 32 MiB */
  maxBufferedBytes?: number
  /** Requests under way at once, and those to one peer. @default 6, 2 */
  maxRequests?: number
  requestsPerPeer?: number
  /** A request older than this is given to another peer, too, in ms; the one that the tip waits for may be sooner. @default 2000 */
  slowMs?: number
  /** Bytes of blocks above which an answer may end before its range does. @default 6 MiB */
  answerBytes?: number
}

export interface PeerClaim {
  /** Height of its tip. */
  readonly height: number
  /** Lowest height whose block it has. */
  readonly base: number
}

export interface RangeRequest {
  readonly peer: string
  readonly from: number
  readonly limit: number
}

export interface Delivered<T> {
  readonly block: T
  readonly bytes: number
}

/**
 * `regressed`: claimed less than before. `empty`: had nothing of what it claims. `wrong`: what it gave does not verify. `failed`: no answer.
 * `short`: ended an answer although the next block had room in it. `slow`: others gave what it was asked for first, and the tip waited for.
 */
export type SyncFault = 'regressed' | 'empty' | 'wrong' | 'failed' | 'short' | 'slow'

export interface PeerProgress {
  peer: string
  claimed: number
  base: number
  /** Blocks that it delivered, and when the last of them came; null before the first. */
  delivered: number
  lastProgressMs: number | null
  failures: number
  lastFault: SyncFault | null
  /** Until when it is left aside, or null. */
  asideUntilMs: number | null
}

interface Peer extends PeerProgress {
  /** Times that it was left aside as a liar. */
  lies: number
  /** Times that it gave too little, or too late for the tip, and whole answers since: many of these make up for one of those. */
  drips: number
  whole: number
  /** Where its last answer ended before its range did, and the bytes of it: whether it had to is known once the next block is. */
  stopped: { height: number; bytes: number } | null
}

interface Range extends RangeRequest {
  readonly sinceMs: number
}

interface Buffered<T> extends Delivered<T> {
  readonly peer: string
}

/** Heights by which a claim may lie below the one before. */
const REGRESSION_SLACK = 64
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000
const LIAR_MS = 60_000
const LONGEST_LIAR_MS = 600_000
/** Answers by whose times is told how long one takes, and the multiple and the least time that the tip waits for one, in ms. */
const TIMED_ANSWERS = 16
const PATIENCE = 4
const LEAST_PATIENCE_MS = 200
/** Whole answers that make up for one that was short or late. */
const WHOLE_FOR_ONE = 64
/** Peers that are remembered: members, whom the ledger bounds. */
const MAX_PEERS = 1_024

export class SyncPlan<T> {
  readonly #options: Required<SyncPlanOptions>
  readonly #peers = new Map<string, Peer>()
  readonly #buffer = new Map<number, Buffered<T>>()
  #ranges: Range[] = []
  #bytes = 0
  #tip = 0
  /** Times that the last good answers took, in ms. */
  readonly #answerMs: number[] = []

  constructor(options: SyncPlanOptions = {}) {
    this.#options = {
      windowBlocks: options.windowBlocks ?? 1024,
      rangeBlocks: options.rangeBlocks ?? 64,
      maxBufferedBytes: options.maxBufferedBytes ?? 32 * 1024 * 1024,
      maxRequests: options.maxRequests ?? 6,
      requestsPerPeer: options.requestsPerPeer ?? 2,
      slowMs: options.slowMs ?? 2_000,
      answerBytes: options.answerBytes ?? 6 * 1024 * 1024,
    }
  }

  /** What a peer claims now. One that claims far less than before is left aside: an honest one never loses blocks. */
  claim(peer: string, { height, base }: PeerClaim, nowMs: number): void {
    const known = this.#peers.get(peer)
    if (known === undefined) {
      if (this.#peers.size >= MAX_PEERS) return
      this.#peers.set(peer, {
        peer,
        claimed: height,
        base,
        delivered: 0,
        lastProgressMs: null,
        failures: 0,
        lastFault: null,
        asideUntilMs: null,
        lies: 0,
        drips: 0,
        whole: 0,
        stopped: null,
      })
      return
    }
    // Two of its messages may have overtaken each other.
    if (height < known.claimed && height + REGRESSION_SLACK >= known.claimed) return
    if (height < known.claimed) this.#aside(known, 'regressed', nowMs)
    known.claimed = height
    known.base = base
  }

  /** Forgets the requests to a peer that is gone; its record stays, so that a liar gains nothing by coming back. */
  gone(peer: string): void {
    this.#ranges = this.#ranges.filter(range => range.peer !== peer)
    const known = this.#peers.get(peer)
    if (known !== undefined) known.claimed = 0
  }

  /** The height up to which blocks are stored. */
  tip(height: number, nowMs: number): void {
    for (const peer of this.#peers.values()) this.#judgeStop(peer, height, nowMs)
    this.#tip = height
    for (const [at, { bytes }] of this.#buffer) {
      if (at > height) continue
      this.#buffer.delete(at)
      this.#bytes -= bytes
    }
    const overtaken = this.#ranges.filter(({ from, limit }) => from + limit - 1 <= height)
    this.#ranges = this.#ranges.filter(range => !overtaken.includes(range))
    for (const { peer, sinceMs } of overtaken) {
      const known = this.#peers.get(peer)
      if (known !== undefined && nowMs - sinceMs >= this.#patienceMs()) this.#drip(known, 'slow', nowMs)
    }
  }

  /** Whether a peer had to end its last answer where it did, by the block that came next. */
  #judgeStop(peer: Peer, tip: number, nowMs: number): void {
    if (peer.stopped === null || peer.stopped.height > tip) return
    const next = this.#buffer.get(peer.stopped.height)
    if (next !== undefined && peer.stopped.bytes + next.bytes <= this.#options.answerBytes) this.#drip(peer, 'short', nowMs)
    peer.stopped = null
  }

  /** Requests to make now. */
  next(nowMs: number): RangeRequest[] {
    const made: RangeRequest[] = []
    const usable = [...this.#peers.values()].filter(peer => isUsable(peer, nowMs) && peer.claimed > this.#tip)
    const highest = usable.reduce((max, { claimed }) => Math.max(max, claimed), this.#tip)
    const end = Math.min(highest, this.#tip + this.#options.windowBlocks)
    const isFull = this.#bytes >= this.#options.maxBufferedBytes
    for (let height = this.#tip + 1; height <= end; ) {
      if (isFull && height > this.#tip + 1) break
      if (this.#ranges.length >= this.#options.maxRequests + this.#late(nowMs)) break
      if (this.#buffer.has(height) || this.#isAsked(height, nowMs)) {
        height++
        continue
      }
      const peer = this.#best(usable, height)
      if (peer === undefined) {
        height++
        continue
      }
      let limit = 1
      while (
        limit < this.#options.rangeBlocks &&
        height + limit <= Math.min(end, peer.claimed) &&
        !this.#buffer.has(height + limit) &&
        !this.#isAsked(height + limit, nowMs)
      )
        limit++
      const range = { peer: peer.peer, from: height, limit, sinceMs: nowMs }
      this.#ranges.push(range)
      made.push({ peer: range.peer, from: range.from, limit: range.limit })
      height += limit
    }
    return made
  }

  /** The peer with the fewest failures and requests that has a height and is not asked for it already. */
  #best(usable: readonly Peer[], height: number): Peer | undefined {
    let best: { peer: Peer; cost: number } | undefined
    for (const peer of usable) {
      if (peer.base > height || peer.claimed < height) continue
      const asked = this.#ranges.filter(range => range.peer === peer.peer)
      if (asked.length >= this.#options.requestsPerPeer) continue
      if (asked.some(({ from, limit }) => height >= from && height < from + limit)) continue
      const cost = 4 * peer.failures + asked.length
      if (best === undefined || cost < best.cost) best = { peer, cost }
    }
    return best?.peer
  }

  #late(nowMs: number): number {
    return this.#ranges.filter(range => this.#isLate(range, nowMs)).length
  }

  /** Whether a request has taken so long that another peer is asked, too. */
  #isLate({ from, limit, sinceMs }: Range, nowMs: number): boolean {
    const isAtTip = this.#tip + 1 >= from && this.#tip + 1 < from + limit
    return nowMs - sinceMs >= (isAtTip ? this.#patienceMs() : this.#options.slowMs)
  }

  /** How long the tip waits for an answer: some times as long as half of the last ones took at most. */
  #patienceMs(): number {
    if (this.#answerMs.length === 0) return this.#options.slowMs
    const median = [...this.#answerMs].sort((a, b) => a - b)[this.#answerMs.length >> 1] as number
    return Math.min(this.#options.slowMs, Math.max(LEAST_PATIENCE_MS, PATIENCE * median))
  }

  /** Whether a request for a height is under way that may still be waited for. */
  #isAsked(height: number, nowMs: number): boolean {
    return this.#ranges.some(range => height >= range.from && height < range.from + range.limit && !this.#isLate(range, nowMs))
  }

  /** What a peer answered: blocks of consecutive heights from `from` on, no more than were asked for. */
  delivered(peer: string, from: number, blocks: readonly Delivered<T>[], nowMs: number): void {
    const range = this.#take(peer, from)
    const known = this.#peers.get(peer)
    if (range === undefined || known === undefined) return
    if (blocks.length === 0) {
      // What it is asked for was within its claim.
      this.#aside(known, 'empty', nowMs)
      return
    }
    known.delivered += blocks.length
    const bytes = blocks.reduce((sum, block) => sum + block.bytes, 0)
    const isShort = blocks.length < range.limit
    if (isShort) known.stopped = { height: from + blocks.length, bytes }
    else if (++known.whole % WHOLE_FOR_ONE === 0 && known.drips > 0) known.drips--
    known.failures = known.drips
    if (!isShort || bytes >= this.#options.answerBytes / 2) {
      this.#answerMs.push(nowMs - range.sinceMs)
      if (this.#answerMs.length > TIMED_ANSWERS) this.#answerMs.shift()
    }
    known.lastProgressMs = nowMs
    for (const [i, { block, bytes }] of blocks.entries()) {
      const height = from + i
      if (height <= this.#tip || this.#buffer.has(height)) continue
      this.#buffer.set(height, { block, bytes, peer })
      this.#bytes += bytes
    }
  }

  /** A peer did not answer, or its answer was wrong. */
  failed(peer: string, from: number, fault: 'failed' | 'wrong' | 'empty', nowMs: number): void {
    const range = this.#take(peer, from)
    const known = this.#peers.get(peer)
    if (known === undefined || range === undefined) return
    if (fault !== 'failed') {
      this.#aside(known, fault, nowMs)
      return
    }
    known.failures++
    known.lastFault = 'failed'
    known.asideUntilMs = nowMs + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(known.failures, 16))
  }

  /** The block above the tip, if it is here. */
  first(): { height: number; peer: string; block: T } | undefined {
    const next = this.#buffer.get(this.#tip + 1)
    return next === undefined ? undefined : { height: this.#tip + 1, peer: next.peer, block: next.block }
  }

  /** The block above the tip did not verify: everything of the peer that gave it goes. */
  reject(nowMs: number): void {
    const next = this.#buffer.get(this.#tip + 1)
    if (next === undefined) return
    for (const [height, { peer, bytes }] of this.#buffer) {
      if (peer !== next.peer) continue
      this.#buffer.delete(height)
      this.#bytes -= bytes
    }
    const known = this.#peers.get(next.peer)
    if (known !== undefined) this.#aside(known, 'wrong', nowMs)
  }

  /** Whether peers are ahead, and none of them has the block above the tip any more. */
  isPruned(nowMs: number): boolean {
    const ahead = [...this.#peers.values()].filter(peer => peer.claimed > this.#tip && isUsable(peer, nowMs))
    return ahead.length > 0 && ahead.every(({ base }) => base > this.#tip + 1)
  }

  get requests(): number {
    return this.#ranges.length
  }

  get bufferedBytes(): number {
    return this.#bytes
  }

  progress(nowMs: number): PeerProgress[] {
    return [...this.#peers.values()].map(({ lies: _lies, drips: _drips, whole: _whole, stopped: _stopped, ...peer }) => ({
      ...peer,
      asideUntilMs: isUsable(peer, nowMs) ? null : peer.asideUntilMs,
    }))
  }

  #take(peer: string, from: number): Range | undefined {
    const at = this.#ranges.findIndex(range => range.peer === peer && range.from === from)
    return at < 0 ? undefined : this.#ranges.splice(at, 1)[0]
  }

  /** Asks a peer later that holds up the tip; later each time, whatever it gives in between. */
  #drip(peer: Peer, fault: 'short' | 'slow', nowMs: number): void {
    peer.drips++
    peer.whole = 0
    peer.failures = Math.max(peer.failures, peer.drips)
    peer.lastFault = fault
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(peer.drips, 16))
    peer.asideUntilMs = Math.max(peer.asideUntilMs ?? 0, nowMs + pause)
  }

  #aside(peer: Peer, fault: SyncFault, nowMs: number): void {
    peer.failures++
    peer.lastFault = fault
    peer.asideUntilMs = nowMs + Math.min(LONGEST_LIAR_MS, LIAR_MS * 2 ** Math.min(peer.lies, 8))
    peer.lies++
    this.#ranges = this.#ranges.filter(range => range.peer !== peer.peer)
  }
}

function isUsable(peer: { asideUntilMs: number | null }, nowMs: number): boolean {
  return peer.asideUntilMs === null || peer.asideUntilMs <= nowMs
}
