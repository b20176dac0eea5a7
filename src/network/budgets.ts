/**
 * What a peer that is no member may use of this node: so many requests and bytes a second, so many streams at once, and never
 * the slots that are reserved for members. Everything is bounded; a table that is full forgets the peer that was away longest.
 */

export interface BudgetLimits {
  /** Requests a peer may make in a second over time, and in one burst. */
  requestsPerSecond: number
  requestBurst: number
  /** Bytes a peer may send and receive in a second over time, and in one burst. */
  bytesPerSecond: number
  byteBurst: number
  /** Streams that one peer may have open at once. */
  streamsPerPeer: number
  /** Streams that all peers together may have open at once, and how many of them only members get. */
  streams: number
  reservedForMembers: number
  /** Requests of one peer that may wait at once for something to happen. All together may take three quarters of what is not reserved for members. */
  heldPerPeer: number
  /** Peers that are remembered. */
  peers: number
}

export const DEFAULT_BUDGET_LIMITS: BudgetLimits = {
  requestsPerSecond: 1_000,
  requestBurst: 2_000,
  bytesPerSecond: 32 * 1024 * 1024,
  byteBurst: 64 * 1024 * 1024,
  streamsPerPeer: 64,
  streams: 1_024,
  reservedForMembers: 512,
  heldPerPeer: 32,
  peers: 4_096,
}

/** Part of the streams of others than members that may be held by requests which wait. */
const HELD_PART = 0.75
/** When to come back where a place gets free at a moment that nobody knows, in ms. */
const PLACE_RETRY_MS = 1_000

/** Which budget is used up: the node's places, the peer's streams, its requests or bytes a second, or what may wait. */
export type Shortage = 'places' | 'streams' | 'requests' | 'bytes' | 'held'

/** That there is no slot, and when there may be one. */
export interface Busy {
  readonly shortage: Shortage
  readonly retryAfterMs: number
}

/** A bucket that fills at a steady rate. It may be overdrawn once: then nothing is given until the debt is paid. */
export class TokenBucket {
  readonly #perMs: number
  readonly #capacity: number
  #tokens: number
  #atMs: number

  constructor(options: { perSecond: number; burst: number; nowMs: number }) {
    this.#perMs = options.perSecond / 1000
    this.#capacity = options.burst
    this.#tokens = options.burst
    this.#atMs = options.nowMs
  }

  #refill(nowMs: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#perMs)
    this.#atMs = nowMs
  }

  /** Takes `count` if that many are there. */
  take(count: number, nowMs: number): boolean {
    this.#refill(nowMs)
    if (this.#tokens < count) return false
    this.#tokens -= count
    return true
  }

  /** Takes `count` whatever is there and returns the ms until the debt is paid; 0 where there is none. */
  charge(count: number, nowMs: number): number {
    this.#refill(nowMs)
    this.#tokens -= count
    return this.debtMs(nowMs)
  }

  debtMs(nowMs: number): number {
    return this.untilMs(0, nowMs)
  }

  /** How long it takes until `count` are there, in ms. */
  untilMs(count: number, nowMs: number): number {
    this.#refill(nowMs)
    return this.#tokens >= count ? 0 : Math.ceil((count - this.#tokens) / this.#perMs)
  }
}

/** The right to use one stream. */
export interface Slot {
  /** Accounts for bytes and returns how long the peer must now wait, in ms. */
  charge(bytes: number): number
  /** Notes that the request waits for something to happen; what is given is called when it goes on. */
  hold(): (() => void) | Busy
  /** Gives the slot back; calling it again does nothing. */
  release(): void
}

interface Account {
  requests: TokenBucket
  bytes: TokenBucket
  streams: number
  held: number
}

export function isBusy(given: object): given is Busy {
  return 'shortage' in given
}

export class Budgets {
  readonly #limits: BudgetLimits
  readonly #now: () => number
  /** By peer; in the order of last use. */
  readonly #accounts = new Map<string, Account>()
  #streams = 0
  #held = 0
  readonly #refused: Record<Shortage, number> = { places: 0, streams: 0, requests: 0, bytes: 0, held: 0 }

  constructor(limits: BudgetLimits, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#now = now
  }

  /** What is open now, and how often each budget was found used up. */
  get load(): { streams: number; held: number; refused: Readonly<Record<Shortage, number>> } {
    return { streams: this.#streams, held: this.#held, refused: { ...this.#refused } }
  }

  /** A slot for one request or stream of the peer, or what is used up: its budget or the node's. */
  open(peer: string, member: boolean): Slot | Busy {
    return member ? this.#openMember() : this.#openOther(peer)
  }

  #openMember(): Slot | Busy {
    if (this.#streams >= this.#limits.streams) return this.#busy('places')
    return this.#slot(() => 0, undefined)
  }

  #openOther(peer: string): Slot | Busy {
    const { streams, reservedForMembers, streamsPerPeer } = this.#limits
    if (this.#streams >= streams - reservedForMembers) return this.#busy('places')
    const account = this.#account(peer)
    const now = this.#now()
    if (account === undefined) return this.#busy('places')
    if (account.streams >= streamsPerPeer) return this.#busy('streams')
    const debtMs = account.bytes.debtMs(now)
    if (debtMs > 0) return this.#busy('bytes', debtMs)
    if (!account.requests.take(1, now)) return this.#busy('requests', account.requests.untilMs(1, now))
    return this.#slot(bytes => account.bytes.charge(bytes, this.#now()), account)
  }

  #busy(shortage: Shortage, retryAfterMs = PLACE_RETRY_MS): Busy {
    this.#refused[shortage]++
    return { shortage, retryAfterMs }
  }

  #hold(account: Account): (() => void) | Busy {
    const { streams, reservedForMembers, heldPerPeer } = this.#limits
    if (account.held >= heldPerPeer || this.#held >= Math.max(1, Math.floor(HELD_PART * (streams - reservedForMembers))))
      return this.#busy('held')
    account.held++
    this.#held++
    let held = true
    return () => {
      if (!held) return
      held = false
      account.held--
      this.#held--
    }
  }

  #slot(charge: (bytes: number) => number, account: Account | undefined): Slot {
    let open = true
    this.#streams += 1
    if (account !== undefined) account.streams += 1
    return {
      charge,
      hold: () => (account === undefined ? () => undefined : this.#hold(account)),
      release: () => {
        if (!open) return
        open = false
        this.#streams -= 1
        if (account !== undefined) account.streams -= 1
      },
    }
  }

  #account(peer: string): Account | undefined {
    let account = this.#accounts.get(peer)
    if (account === undefined) {
      if (this.#accounts.size >= this.#limits.peers && !this.#forgetOne()) return undefined
      const nowMs = this.#now()
      account = {
        requests: new TokenBucket({ perSecond: this.#limits.requestsPerSecond, burst: this.#limits.requestBurst, nowMs }),
        bytes: new TokenBucket({ perSecond: this.#limits.bytesPerSecond, burst: this.#limits.byteBurst, nowMs }),
        streams: 0,
        held: 0,
      }
    } else {
      this.#accounts.delete(peer)
    }
    this.#accounts.set(peer, account)
    return account
  }

  /** Forgets the peer without streams that was away longest. Those with streams are fewer than `streams`, so one is found soon. */
  #forgetOne(): boolean {
    for (const [peer, account] of this.#accounts) {
      if (account.streams > 0) continue
      this.#accounts.delete(peer)
      return true
    }
    return false
  }
}
