/**
 * Long-lived streams between validators, one per direction and peer, opened and re-opened by themselves.
 *
 * Guaranteed: what arrives from a peer arrives whole and in the order in which it was sent. Not guaranteed: that it arrives. A
 * frame is lost when its stream breaks, when it waited longer than `maxAgeMs`, or when the queue to its peer is full: then the
 * oldest frame goes, for the newest vote is worth more than an old one. Senders repeat what matters.
 */
import type { Connection, Stream } from '@libp2p/interface'
import { compareBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { accepted, newStream } from './caller.ts'
import { startDeadline } from './deadline.ts'
import { encodeFrame, prefixLength, writePrefix } from './frame-decoder.ts'
import { drained, FrameReader, writeTo } from './frames.ts'
import type { Logger } from './logger.ts'
import type { Members } from './members.ts'
import { networkKeyOf } from './peer.ts'
import { afterTurn } from './platform.ts'
import { OK_STATUS } from './reply.ts'
import { refuse } from './services.ts'
import type { Offence } from './standing.ts'

const OPEN_TIMEOUT_MS = 10_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** A stream that lived this long was no failure: the next one is opened without a pause. */
const PROVEN_MS = 5_000
/** Bytes that go into one write; longer frames are written by themselves and not copied. */
const MAX_WRITE = 256 * 1024
const COPY_BELOW = 16 * 1024

export interface ChannelLimits {
  /** Longest frame, in bytes. */
  maxFrame: number
  /** Bytes and frames that may wait for one peer. @default 16 MiB or four frames of the longest kind, 4096 frames */
  maxQueuedBytes?: number
  maxQueuedFrames?: number
  /** A frame that waited longer is not sent any more. @default 5000 */
  maxAgeMs?: number
}

export interface MemberChannel {
  /**
   * Queues a frame for a validator. True where a stream to it is open now; false where the frame waits for one (and may age away)
   * or the peer is no other validator.
   */
  send(peer: Uint8Array, bytes: Uint8Array): boolean
  /** Queues a frame for every other validator. */
  broadcast(bytes: Uint8Array): void
  /** Network keys of the validators to which a stream is open. */
  open(): Uint8Array[]
}

/** A promise holds the sender back until it resolves. */
export type OnFrame = (frame: Uint8Array, peer: Uint8Array) => void | Promise<void>

export interface MemberChannelDeps {
  self: Uint8Array
  members: Members
  connectionTo(peer: Uint8Array): Connection | undefined
  report(peer: Uint8Array, offence: Offence): void
  logger: Logger
}

interface Queued {
  bytes: Uint8Array
  atMs: number
}

interface Link {
  readonly peer: Uint8Array
  queue: Queued[]
  queuedBytes: number
  stream: Stream | undefined
  opening: boolean
  writing: boolean
  failures: number
  timer: NodeJS.Timeout | undefined
}

export class ValidatorChannel implements MemberChannel {
  readonly #protocol: string
  readonly #onFrame: OnFrame
  readonly #limits: Required<ChannelLimits>
  readonly #deps: MemberChannelDeps
  readonly #links = new Map<string, Link>()
  readonly #inbound = new Map<string, Stream>()
  #dirty: Link[] = []
  #stopped = new AbortController()
  #running = false

  constructor(protocol: string, onFrame: OnFrame, limits: ChannelLimits, deps: MemberChannelDeps) {
    this.#protocol = protocol
    this.#onFrame = onFrame
    this.#deps = deps
    this.#limits = {
      maxFrame: limits.maxFrame,
      maxQueuedBytes: limits.maxQueuedBytes ?? Math.max(16 * 1024 * 1024, 4 * limits.maxFrame),
      maxQueuedFrames: limits.maxQueuedFrames ?? 4_096,
      maxAgeMs: limits.maxAgeMs ?? 5_000,
    }
  }

  start(): void {
    this.#running = true
    this.#stopped = new AbortController()
    this.update()
  }

  stop(): void {
    this.#running = false
    this.#stopped.abort()
    for (const key of [...this.#links.keys()]) this.#remove(key)
    for (const stream of this.#inbound.values()) stream.abort(new Error('the node is stopping'))
    this.#inbound.clear()
  }

  /** Follows a change of the members. */
  update(): void {
    const { members, self } = this.#deps
    const taking = members.isValidator(toHex(self))
    for (const { networkKey, validator } of members.list()) {
      const key = toHex(networkKey)
      if (!validator || !taking || compareBytes(networkKey, self) === 0 || this.#links.has(key)) continue
      this.#links.set(key, {
        peer: networkKey,
        queue: [],
        queuedBytes: 0,
        stream: undefined,
        opening: false,
        writing: false,
        failures: 0,
        timer: undefined,
      })
    }
    for (const [key, link] of this.#links) {
      if (!taking || !members.isValidator(key)) this.#remove(key)
      else void this.#open(link)
    }
    for (const [key, stream] of this.#inbound) {
      if (!members.isValidator(key)) stream.abort(new Error('the peer is no validator any more'))
    }
  }

  connected(peer: Uint8Array): void {
    const link = this.#links.get(toHex(peer))
    if (link === undefined) return
    // A pause of the old connection's failures would hold up the new one.
    clearTimeout(link.timer)
    link.timer = undefined
    link.failures = 0
    void this.#open(link)
  }

  send(peer: Uint8Array, bytes: Uint8Array): boolean {
    this.#check(bytes)
    const link = this.#links.get(toHex(peer))
    return link !== undefined && this.#enqueue(link, bytes)
  }

  broadcast(bytes: Uint8Array): void {
    this.#check(bytes)
    for (const link of this.#links.values()) this.#enqueue(link, bytes)
  }

  open(): Uint8Array[] {
    return [...this.#links.values()].filter(link => link.stream !== undefined).map(link => link.peer)
  }

  #check(bytes: Uint8Array): void {
    if (bytes.length > this.#limits.maxFrame) {
      throw new EpioneError(
        'too-large',
        `A message of ${bytes.length} bytes exceeds this channel's limit of ${this.#limits.maxFrame} bytes.`,
      )
    }
  }

  #enqueue(link: Link, bytes: Uint8Array): boolean {
    link.queue.push({ bytes, atMs: Date.now() })
    link.queuedBytes += bytes.length
    while (link.queuedBytes > this.#limits.maxQueuedBytes || link.queue.length > this.#limits.maxQueuedFrames) dropOldest(link)
    if (link.stream !== undefined) this.#flushSoon(link)
    return link.stream !== undefined
  }

  /** Everything that one turn of the event loop sends to a peer goes out in one write. */
  #flushSoon(link: Link): void {
    if (link.writing || this.#dirty.includes(link)) return
    this.#dirty.push(link)
    if (this.#dirty.length > 1) return
    afterTurn(() => {
      const dirty = this.#dirty
      this.#dirty = []
      for (const each of dirty) void this.#flush(each)
    })
  }

  async #flush(link: Link): Promise<void> {
    const { stream } = link
    if (stream === undefined || link.writing) return
    link.writing = true
    try {
      while (link.stream === stream && link.queue.length > 0) {
        if (!this.#writeSome(link, stream)) await drained(stream, { signal: this.#stopped.signal })
      }
    } catch {
      // The stream is gone; its listener opens the next one.
    } finally {
      link.writing = false
      if (link.stream !== undefined && link.stream !== stream && link.queue.length > 0) this.#flushSoon(link)
    }
  }

  /** Writes as many frames as fit into one write; false where the stream wants to drain first. */
  #writeSome(link: Link, stream: Stream): boolean {
    const oldest = Date.now() - this.#limits.maxAgeMs
    const batch: Uint8Array[] = []
    let size = 0
    let long: Uint8Array | undefined
    while (long === undefined && size < MAX_WRITE) {
      const next = link.queue[0]
      if (next === undefined) break
      dropOldest(link)
      if (next.atMs < oldest) continue
      size += prefixLength(next.bytes.length)
      if (next.bytes.length < COPY_BELOW) size += next.bytes.length
      else long = next.bytes
      batch.push(next.bytes)
    }
    if (batch.length === 0) return true
    const out = new Uint8Array(size)
    let at = 0
    for (const bytes of batch) {
      at = writePrefix(out, at, bytes.length)
      if (bytes === long) break
      out.set(bytes, at)
      at += bytes.length
    }
    const open = writeTo(stream, out)
    return long === undefined ? open : writeTo(stream, long)
  }

  async #open(link: Link): Promise<void> {
    if (!this.#running || link.opening || link.stream !== undefined || link.timer !== undefined) return
    const connection = this.#deps.connectionTo(link.peer)
    if (connection === undefined) return
    link.opening = true
    const deadline = startDeadline({ timeoutMs: OPEN_TIMEOUT_MS, signal: this.#stopped.signal })
    let stream: Stream | undefined
    try {
      stream = await newStream(connection, this.#protocol, deadline.signal)
      const reader = await accepted(stream, 0, deadline.signal)
      if (this.#links.get(toHex(link.peer)) !== link) throw new EpioneError('aborted', 'The peer is no validator any more.')
      link.opening = false
      this.#opened(link, stream, reader)
    } catch (error) {
      link.opening = false
      stream?.abort(error instanceof Error ? error : new Error(String(error)))
      this.#deps.logger.debug({ protocol: this.#protocol, error: String(error) }, 'a validator stream could not be opened')
      this.#retry(link)
    } finally {
      deadline.clear()
    }
  }

  #opened(link: Link, stream: Stream, reader: FrameReader): void {
    const sinceMs = Date.now()
    const lost = (): void => {
      stream.removeEventListener('close', lost)
      stream.removeEventListener('end', lost)
      if (link.stream !== stream) return
      link.stream = undefined
      stream.abort(new Error('the stream ended'))
      if (Date.now() - sinceMs >= PROVEN_MS) link.failures = 0
      this.#retry(link)
    }
    // Nothing comes back on this stream: its end is the peer's way to give it up.
    reader.discard()
    link.stream = stream
    stream.addEventListener('close', lost)
    stream.addEventListener('end', lost)
    if (stream.status !== 'open') lost()
    else this.#flushSoon(link)
  }

  #retry(link: Link): void {
    if (!this.#running || link.timer !== undefined || this.#links.get(toHex(link.peer)) !== link) return
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(link.failures, 16))
    link.failures += 1
    link.timer = setTimeout(() => {
      link.timer = undefined
      void this.#open(link)
    }, pause)
  }

  #remove(key: string): void {
    const link = this.#links.get(key)
    if (link === undefined) return
    this.#links.delete(key)
    clearTimeout(link.timer)
    link.queue = []
    link.queuedBytes = 0
    const { stream } = link
    link.stream = undefined
    stream?.abort(new Error('the channel to this peer is closed'))
  }

  /** The libp2p handler of incoming streams. A peer has one: a newer takes the place of the older. */
  async receive(stream: Stream, connection: Connection): Promise<void> {
    const peer = networkKeyOf(connection.remotePeer)
    if (peer === undefined || !this.#running) {
      stream.abort(new Error('the channel is not open'))
      return
    }
    const key = toHex(peer)
    const reader = new FrameReader(stream, { maxFrame: this.#limits.maxFrame })
    if (!this.#deps.members.isValidator(key)) {
      return await refuse(stream, reader, new EpioneError('not-a-member', 'This protocol is for validators.'))
    }
    this.#inbound.get(key)?.abort(new Error('the peer opened another stream'))
    this.#inbound.set(key, stream)
    try {
      writeTo(stream, encodeFrame(OK_STATUS))
      for (;;) {
        const frame = reader.take() ?? (await reader.next({ signal: this.#stopped.signal }))
        if (frame === undefined) break
        const handled = this.#deliver(frame, peer)
        if (handled !== undefined) await handled
      }
    } catch {
      // The stream broke, which is for the peer to mend; breaking the framing is an offence.
      if (reader.malformed) this.#deps.report(peer, 'malformed')
    } finally {
      if (this.#inbound.get(key) === stream) this.#inbound.delete(key)
      stream.abort(new Error('the stream ended'))
    }
  }

  #deliver(frame: Uint8Array, peer: Uint8Array): Promise<void> | undefined {
    const failed = (error: unknown): void => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#deps.logger.error({ protocol: this.#protocol, error: text }, 'a frame handler failed')
    }
    try {
      const handled = this.#onFrame(frame, peer)
      return handled instanceof Promise ? handled.catch(failed) : undefined
    } catch (error) {
      failed(error)
      return undefined
    }
  }
}

function dropOldest(link: Link): void {
  const oldest = link.queue.shift()
  if (oldest !== undefined) link.queuedBytes -= oldest.bytes.length
}
