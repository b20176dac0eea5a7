/**
 * Where the other members stand: each is asked regularly, and at once when it connects, for its height, tip and clock. All of it
 * is claims, good for status, for choosing whom to ask for blocks, and for decisions that less than a third of the weight cannot
 * move (validator-claims.ts). Nothing here is proof.
 */
import { toHex } from '../encoding/bytes.ts'
import { MalformedError } from '../encoding/errors.ts'
import type { Network } from '../network/network.ts'
import { MAX_CLAIM, type PeerStatusMessage, peerStatusCodec } from '../network/peer-status-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { servePeer } from './malformed.ts'
import type { ClockOffset } from './validator-claims.ts'

/** Clock samples that are kept of a peer; the one with the shortest round trip counts. */
const SAMPLES = 8
/** What clocks may drift apart between the oldest and the newest sample, in ms. Samples that are further apart than their errors allow tell of a clock that was set. */
const DRIFT_MS = 20
const TICK_MS = 250

export interface PeerStatus {
  networkKey: Uint8Array
  height: number
  /** Hash of the header at `height`. */
  tip: Uint8Array
  /** Lowest height whose block it can hand over. */
  base: number
  /** Height through which it does not vote, for want of a past; -1 where it votes. */
  silentThrough: number
  /** Time since it last said so, in ms. */
  ageMs: number
  /** Shortest of the last round trips, in ms; null before the first answer. */
  rttMs: number | null
  /** How far its clock is ahead of this node's. */
  clock: ClockOffset | null
}

/** What this node tells of itself. */
export type OwnStatus = Omit<PeerStatusMessage, 'time'>

export interface PeerStatusOptions {
  /** About how often each member is asked, in ms. @default 5000 */
  intervalMs?: number
  /** How long an answer is waited for, in ms. @default 4000 */
  timeoutMs?: number
}

export interface PeerStatusDependencies {
  network: Pick<Network, 'handle' | 'onPeer' | 'peers' | 'report' | 'request'>
  own: () => OwnStatus
  /** Clock, in ms since the epoch. */
  now: () => number
  /** A clock that is never set, in ms from anywhere. @default performance.now */
  monotonic?: () => number
}

interface Sample extends ClockOffset {
  rttMs: number
}

interface Entry {
  claim: Omit<PeerStatus, 'ageMs' | 'rttMs' | 'clock'>
  atMs: number
}

interface Schedule {
  dueMs: number
  asked: number
  samples: Sample[]
  entry: Entry | null
  running: Promise<PeerStatus> | null
}

export class PeerStatusService {
  readonly #deps: PeerStatusDependencies
  readonly #intervalMs: number
  readonly #timeoutMs: number
  readonly #monotonic: () => number
  /** By network key; members alone, so bounded by them. */
  readonly #members = new Map<string, Schedule>()
  readonly #listeners = new Set<(status: PeerStatus) => void>()
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #stopPeers: (() => void) | undefined

  constructor(options: PeerStatusOptions, dependencies: PeerStatusDependencies) {
    this.#deps = dependencies
    this.#intervalMs = options.intervalMs ?? 5_000
    this.#timeoutMs = options.timeoutMs ?? 4_000
    this.#monotonic = dependencies.monotonic ?? (() => performance.now())
  }

  async start(): Promise<void> {
    const { network } = this.#deps
    await network.handle(
      PROTOCOL.peerStatus,
      'members',
      async (request, { peer }) =>
        await servePeer(network, peer, async () => {
          this.#note(peer, peerStatusCodec.decode(request), null)
          return this.#message()
        }),
      { maxRequest: peerStatusCodec.maxBytes, maxResponse: peerStatusCodec.maxBytes, timeoutMs: this.#timeoutMs, maxStreams: 8 },
    )
    this.#stopPeers = network.onPeer(({ type, peer }) => {
      const schedule = this.#members.get(toHex(peer))
      if (schedule !== undefined && type === 'connect') schedule.dueMs = Number.NEGATIVE_INFINITY
      if (type === 'connect') this.tick()
    })
    this.#timer = setInterval(() => this.tick(), TICK_MS)
  }

  stop(): void {
    this.#stopPeers?.()
    clearInterval(this.#timer)
    this.#stopped.abort()
    this.#listeners.clear()
  }

  /** What a member last said, whether or not it is connected now. */
  get(networkKey: Uint8Array): PeerStatus | undefined {
    const schedule = this.#members.get(toHex(networkKey))
    return schedule === undefined ? undefined : this.#describe(schedule)
  }

  /** All members that have said something. */
  all(): PeerStatus[] {
    return [...this.#members.values()].flatMap(schedule => this.#describe(schedule) ?? [])
  }

  /**
   * Asks a member now. One request to a peer is under way at a time: whoever asks meanwhile shares its answer.
   * @throws EpioneError as `Network.request` does, and `malformed`
   */
  async ask(networkKey: Uint8Array): Promise<PeerStatus> {
    const schedule = this.#scheduleOf(toHex(networkKey))
    schedule.running ??= this.#ask(networkKey, schedule).finally(() => {
      schedule.running = null
    })
    return await schedule.running
  }

  /** Calls back whenever a member says where it stands; returns how to stop that. */
  onStatus(listener: (status: PeerStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Asks every connected member whose turn it is, and forgets whoever is no member any more. Called by a timer. */
  tick(): void {
    if (this.#stopped.signal.aborted) return
    const now = this.#monotonic()
    const members = this.#deps.network.peers({ membersOnly: true }).filter(({ member }) => member)
    const names = new Set(members.map(({ networkKey }) => toHex(networkKey)))
    for (const name of this.#members.keys()) if (!names.has(name)) this.#members.delete(name)
    for (const { networkKey, connected } of members) {
      const schedule = this.#scheduleOf(toHex(networkKey))
      if (!connected || schedule.running !== null || now < schedule.dueMs) continue
      // A failure says nothing that the connection's own watch does not: it is asked again at its next turn.
      this.ask(networkKey).catch(() => undefined)
    }
  }

  #scheduleOf(name: string): Schedule {
    let schedule = this.#members.get(name)
    if (schedule === undefined) {
      schedule = { dueMs: Number.NEGATIVE_INFINITY, asked: 0, samples: [], entry: null, running: null }
      this.#members.set(name, schedule)
    }
    return schedule
  }

  async #ask(peer: Uint8Array, schedule: Schedule): Promise<PeerStatus> {
    const { network, now } = this.#deps
    const sentMs = this.#monotonic()
    const sentAt = now()
    // Spread by the peer's key, so that a network does not ask in step: 80 to 120 % of the interval.
    const spread = 0.8 + (0.4 * (peer[schedule.asked++ % peer.length] ?? 0)) / 255
    schedule.dueMs = sentMs + this.#intervalMs * spread
    const bytes = await network.request(peer, PROTOCOL.peerStatus, this.#message(), {
      signal: this.#stopped.signal,
      timeoutMs: this.#timeoutMs,
      maxResponse: peerStatusCodec.maxBytes,
    })
    const rttMs = Math.max(0, this.#monotonic() - sentMs)
    let message: PeerStatusMessage
    try {
      message = peerStatusCodec.decode(bytes)
    } catch (error) {
      if (error instanceof MalformedError) network.report(peer, 'malformed')
      throw error
    }
    const sample: Sample = {
      rttMs,
      offsetMs: message.time - (sentAt + rttMs / 2),
      // Clocks are told in whole ms on both sides.
      uncertaintyMs: rttMs / 2 + 1,
    }
    return this.#note(peer, message, sample, schedule)
  }

  #note(peer: Uint8Array, message: PeerStatusMessage, sample: Sample | null, known?: Schedule): PeerStatus {
    const schedule = known ?? this.#scheduleOf(toHex(peer))
    const { height, tip, base, silentThrough } = message
    schedule.entry = { claim: { networkKey: peer.slice(), height, tip, base, silentThrough }, atMs: this.#monotonic() }
    if (sample !== null) {
      // A clock was set, this node's or the peer's: what was measured before says nothing any more.
      const agrees = (other: Sample): boolean =>
        Math.abs(other.offsetMs - sample.offsetMs) <= other.uncertaintyMs + sample.uncertaintyMs + DRIFT_MS
      const kept = schedule.samples.filter(agrees)
      schedule.samples = [...kept, sample].slice(-SAMPLES)
    }
    const status = this.#describe(schedule) as PeerStatus
    for (const listener of this.#listeners) listener(status)
    return status
  }

  #describe({ entry, samples }: Schedule): PeerStatus | undefined {
    if (entry === null) return undefined
    const best = samples.reduce<Sample | null>((least, sample) => (least === null || sample.rttMs < least.rttMs ? sample : least), null)
    return {
      ...entry.claim,
      ageMs: Math.max(0, this.#monotonic() - entry.atMs),
      rttMs: best?.rttMs ?? null,
      clock: best === null ? null : { offsetMs: Math.round(best.offsetMs), uncertaintyMs: Math.ceil(best.uncertaintyMs) },
    }
  }

  #message(): Uint8Array {
    return peerStatusCodec.encode({ time: Math.min(MAX_CLAIM, Math.max(0, Math.round(this.#deps.now()))), ...this.#deps.own() })
  }
}
