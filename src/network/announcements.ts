/**
 * Tells the members nearest to a key that this node holds what it names. kad-dht's own `provide` asks its way to them for each key anew,
 * and opens a stream for each question and each announcement: for four members some ninety milliseconds of processor time over all of
 * them. But a node is connected to all members, and computes who is nearest by itself; and what is announced within a moment goes to each of
 * them on one stream. The messages are kad-dht's own (16.4), and so is what is kept of them.
 */
import type { PeerId, Stream } from '@libp2p/interface'
import { compareBytes, concat } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { sha256 } from '../encoding/hash.ts'
import { startDeadline } from './deadline.ts'
import { encodeFrame } from './frame-decoder.ts'
import { sendFrame } from './frames.ts'

/** Members that keep an announcement: kad-dht's k, the nearest that a lookup asks. */
export const NEAREST = 20
/** How long announcements are gathered, in ms. Nobody waits for them: a reader computes placement first. */
const GATHER_MS = 1_000
/** Most announcements that go together. Those that come in addition go next. */
const MAX_TOGETHER = 256
/** Longest that handing one member all of them may take, in ms. */
const SEND_TIMEOUT_MS = 30_000

/** Tags of protobuf fields: `type` with the value ADD_PROVIDER, `key` and `providers` of a message, `id` and `multiaddrs` of a provider. */
const TYPE_ADD_PROVIDER = Uint8Array.of(0x08, 0x02)
const KEY = Uint8Array.of(0x12)
const PROVIDER = Uint8Array.of(0x4a)
const PROVIDER_ID = Uint8Array.of(0x0a)
const PROVIDER_ADDRESS = Uint8Array.of(0x12)

export interface AnnouncementsDependencies {
  readonly own: PeerId
  /** Where others reach this node. */
  addresses: () => readonly Uint8Array[]
  /** Members that are connected, without this node. */
  members: () => readonly PeerId[]
  /** Opens a stream of the DHT's protocol. */
  open: (member: PeerId, options: { signal: AbortSignal }) => Promise<Stream>
}

interface Waiting {
  /** The key as the DHT has it: a multihash. */
  readonly key: Uint8Array
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

export class Announcements {
  readonly #deps: AnnouncementsDependencies
  readonly #gatherMs: number
  readonly #waiting = new Set<Waiting>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #sending = false

  constructor(dependencies: AnnouncementsDependencies, options: { gatherMs?: number } = {}) {
    this.#deps = dependencies
    this.#gatherMs = options.gatherMs ?? GATHER_MS
  }

  /**
   * Announces a key, given as its multihash, together with what else is announced in this moment. How many wait at once, the caller bounds.
   * @throws EpioneError `not-announced` where no member took it, or the signal's reason
   */
  async announce(key: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { key, done: resolve, failed: reject }
    const onAbort = (): void => {
      this.#waiting.delete(waiting)
      if (this.#waiting.size === 0) this.#cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#waiting.add(waiting)
    if (!this.#sending) this.#timer ??= setTimeout(() => void this.#send(), this.#gatherMs)
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #cancel(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Sends what has gathered; what comes meanwhile gathers anew. */
  async #send(): Promise<void> {
    this.#cancel()
    this.#sending = true
    const together = [...this.#waiting].slice(0, MAX_TOGETHER)
    for (const waiting of together) this.#waiting.delete(waiting)
    try {
      await this.#announceAll(together)
    } finally {
      this.#sending = false
      const full = this.#waiting.size >= MAX_TOGETHER
      if (this.#waiting.size > 0) this.#timer = setTimeout(() => void this.#send(), full ? 0 : this.#gatherMs)
    }
  }

  async #announceAll(together: readonly Waiting[]): Promise<void> {
    const members = this.#deps.members().map(member => ({ member, id: sha256(member.toMultihash().bytes), keys: new Set<Uint8Array>() }))
    for (const { key } of together) for (const { keys } of nearest(sha256(key), members)) keys.add(key)
    const taken = new Set<Uint8Array>()
    let last: unknown
    const hand = async (member: PeerId, keys: ReadonlySet<Uint8Array>): Promise<void> => {
      try {
        await this.#hand(member, keys)
        for (const key of keys) taken.add(key)
      } catch (error) {
        last = error
      }
    }
    await Promise.all(members.map(async ({ member, keys }) => (keys.size === 0 ? undefined : await hand(member, keys))))
    for (const { key, done, failed } of together) {
      if (taken.has(key)) done()
      else failed(new EpioneError('not-announced', 'No other member took the announcement: none can be reached.', { cause: last }))
    }
  }

  async #hand(member: PeerId, keys: ReadonlySet<Uint8Array>): Promise<void> {
    const deadline = startDeadline({ timeoutMs: SEND_TIMEOUT_MS })
    const { signal } = deadline
    let stream: Stream | undefined
    try {
      stream = await this.#deps.open(member, { signal })
      const provider = this.#provider()
      for (const key of keys) await sendFrame(stream, concat(TYPE_ADD_PROVIDER, KEY, encodeFrame(key), provider), { signal })
      const sent = stream
      // Nobody answers: what is written counts.
      sent.close().catch((error: Error) => sent.abort(error))
    } catch (error) {
      stream?.abort(error instanceof Error ? error : new Error('the announcements were not sent'))
      throw error
    } finally {
      deadline.clear()
    }
  }

  #provider(): Uint8Array {
    const { own, addresses } = this.#deps
    const parts = addresses().flatMap(address => [PROVIDER_ADDRESS, encodeFrame(address)])
    return concat(PROVIDER, encodeFrame(PROVIDER_ID, encodeFrame(own.toMultihash().bytes), ...parts))
  }
}

/** Those whose ids are nearest to a key by exclusive or, the measure of Kademlia. */
function nearest<T extends { readonly id: Uint8Array }>(key: Uint8Array, members: readonly T[]): readonly T[] {
  if (members.length <= NEAREST) return members
  return members
    .map(member => ({ member, distance: member.id.map((byte, i) => byte ^ (key[i] as number)) }))
    .sort((a, b) => compareBytes(a.distance, b.distance))
    .slice(0, NEAREST)
    .map(({ member }) => member)
}
