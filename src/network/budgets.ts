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
  peers: 4_096,
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
    this.#refill(nowMs)
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs)
  }
}

/** The right to use one stream. */
export interface Slot {
  /** Accounts for bytes and returns how long the peer must now wait, in ms. */
  charge(bytes: number): number
  /** Gives the slot back; calling it again does nothing. */
  release(): void
}

interface Account {
  requests: TokenBucket
  bytes: TokenBucket
  streams: number
}

export class Budgets {
  readonly #limits: BudgetLimits
  readonly #now: () => number
  /** By peer; in the order of last use. */
  readonly #accounts = new Map<string, Account>()
  #streams = 0

  constructor(limits: BudgetLimits, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#now = now
  }

  /** A slot for one request or stream of the peer; `undefined` where its budget or the node's is used up. */
  open(peer: string, member: boolean): Slot | undefined {
    return member ? this.#openMember() : this.#openOther(peer)
  }

  #openMember(): Slot | undefined {
    if (this.#streams >= this.#limits.streams) return undefined
    return this.#slot(() => 0, undefined)
  }

  #openOther(peer: string): Slot | undefined {
    const { streams, reservedForMembers, streamsPerPeer } = this.#limits
    if (this.#streams >= streams - reservedForMembers) return undefined
    const account = this.#account(peer)
    const now = this.#now()
    if (account === undefined || account.streams >= streamsPerPeer || account.bytes.debtMs(now) > 0) return undefined
    if (!account.requests.take(1, now)) return undefined
    return this.#slot(bytes => account.bytes.charge(bytes, this.#now()), account)
  }

  #slot(charge: (bytes: number) => number, account: Account | undefined): Slot {
    let open = true
    this.#streams += 1
    if (account !== undefined) account.streams += 1
    return {
      charge,
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
