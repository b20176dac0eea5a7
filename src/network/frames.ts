/**
 * Messages on libp2p streams: whole frames in order, with back-pressure both ways. A reader that does not read stops the
 * sender after about one yamux window; a sender that awaits `send` holds no more than one window and one frame.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { startDeadline } from './deadline.ts'
import { translateError } from './errors.ts'
import { encodeFrame, FrameDecoder } from './frame-decoder.ts'

/** Bytes that may wait in front of a reader before the sender is stopped. */
const HIGH_WATER = 256 * 1024
/** How long a closed stream may wait for the other side to close too, in ms. */
const CLOSE_GRACE_MS = 2_000

/**
 * Resolves when the stream takes bytes again; rejects if it closes first or the signal aborts. Stream.onDrain() will not do: its
 * promise is never renewed (@libp2p/utils 7.4.1), so that it waits once per stream.
 */
export function drained(stream: Stream, options: { signal?: AbortSignal } = {}): Promise<void> {
  const { signal } = options
  if (!stream.writableNeedsDrain && stream.writeStatus === 'writable') return Promise.resolve()
  return new Promise<void>((resolve, reject) => {
    const settle = (act: () => void): void => {
      stream.removeEventListener('drain', onDrain)
      stream.removeEventListener('close', onClose)
      signal?.removeEventListener('abort', onAbort)
      act()
    }
    const onDrain = (): void => settle(resolve)
    const onClose = (event: StreamCloseEvent): void => settle(() => reject(translateError(event.error, 'stream')))
    const onAbort = (): void => settle(() => reject(signal?.reason))
    stream.addEventListener('drain', onDrain)
    stream.addEventListener('close', onClose)
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted === true) onAbort()
    else if (stream.writeStatus !== 'writable') settle(() => reject(translateError(undefined, 'stream')))
  })
}

/** Sends one frame and resolves when the stream takes the next one. */
export async function sendFrame(stream: Stream, bytes: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<void> {
  await drained(stream, options)
  if (!writeTo(stream, encodeFrame(bytes))) await drained(stream, options)
}

/** Stream.send with errors translated; false means that the stream wants to drain first. */
export function writeTo(stream: Stream, bytes: Uint8Array): boolean {
  try {
    return stream.send(bytes)
  } catch (error) {
    throw translateError(error, 'stream')
  }
}

/** Reads frames from a stream. Exactly one reader per stream, made as soon as the stream is there. */
export class FrameReader {
  readonly #stream: Stream
  readonly #decoder: FrameDecoder
  #error: EpioneError | undefined
  #closed = false
  #discarding = false
  #heard = false
  #resuming = false
  #wake: (() => void) | undefined

  constructor(stream: Stream, options: { maxFrame: number }) {
    this.#stream = stream
    this.#decoder = new FrameDecoder(options.maxFrame)
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('end', this.#onEnd)
    stream.addEventListener('close', this.#onClose)
    if (stream.status !== 'open' && stream.status !== 'closing') this.#closed = true
  }

  // A throw out of a listener of 'message' is an uncaughtException: it would let a peer end the process.
  readonly #onMessage = (event: StreamMessageEvent): void => {
    try {
      this.#heard = true
      if (this.#discarding || this.malformed) return
      if (event.data instanceof Uint8Array) this.#decoder.push(event.data)
      else for (const part of event.data) this.#decoder.push(part)
      if (!this.#resuming) this.#pauseWhenFull()
    } catch (error) {
      this.#error ??= translateError(error, 'stream')
    } finally {
      this.#wake?.()
    }
  }

  readonly #onEnd = (): void => this.#wake?.()

  readonly #onClose = (event: StreamCloseEvent): void => {
    this.#closed = true
    if (event.error !== undefined) this.#error ??= translateError(event.error, 'stream')
    this.#wake?.()
  }

  /** Whether the peer broke the framing. */
  get malformed(): boolean {
    return this.#error instanceof MalformedError
  }

  /** Takes a frame that is already here; `undefined` where there is none yet. */
  take(): Uint8Array | undefined {
    if (this.malformed) throw this.#error
    let frame: Uint8Array | undefined
    try {
      frame = this.#decoder.next()
    } catch (error) {
      this.#error = translateError(error, 'stream')
      throw this.#error
    }
    const wanting = frame === undefined || this.#decoder.buffered < HIGH_WATER / 2
    if (wanting) this.#resume()
    return frame
  }

  /** Never pauses inside a frame: one that is longer than the high-water mark could not be completed any more. */
  #pauseWhenFull(): void {
    if (this.#decoder.buffered >= HIGH_WATER && this.#stream.readStatus === 'readable' && this.#decoder.ready) this.#stream.pause()
  }

  /**
   * Lets the peer send again. resume() hands over at once what waited in the stream, and only then opens the window: a pause from
   * within would be undone there, with the stream believing that it is paused and its buffer growing until it is reset.
   */
  #resume(): void {
    if (this.#stream.readStatus !== 'paused') return
    this.#resuming = true
    try {
      this.#stream.resume()
    } catch (error) {
      // The connection is gone, and with it the window that would be opened; what has come can still be read.
      this.#error ??= translateError(error, 'stream')
    } finally {
      this.#resuming = false
    }
    if (!this.#discarding) this.#pauseWhenFull()
  }

  /**
   * The next frame; `undefined` at the end of the stream.
   * @throws EpioneError `malformed`, `connection-lost`, `timeout`, or the signal's reason. After it the stream is of no more use,
   * and it is for the caller to abort it.
   */
  async next(options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<Uint8Array | undefined> {
    const frame = this.#ready()
    if (frame !== 'wait') return frame
    const deadline = startDeadline(options)
    try {
      for (;;) {
        const ready = this.#ready()
        if (ready !== 'wait') return ready
        await this.#woken(deadline.signal)
      }
    } finally {
      deadline.clear()
    }
  }

  /** Resolves when there may be a new frame, an end or an error. */
  #woken(signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const done = (act: () => void): void => {
        this.#wake = undefined
        signal.removeEventListener('abort', onAbort)
        act()
      }
      const onAbort = (): void => done(() => reject(signal.reason))
      this.#wake = () => done(resolve)
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
    })
  }

  #ready(): Uint8Array | undefined | 'wait' {
    // Twice, for resuming a paused stream hands over what waited there at once.
    const frame = this.take() ?? this.take()
    if (frame !== undefined) return frame
    if (this.#error !== undefined) throw this.#error
    if (!this.#stream.readableEnded && !(this.#closed && this.#stream.readBufferLength === 0)) return 'wait'
    if (this.#decoder.buffered > 0) {
      throw new EpioneError('connection-lost', 'The stream ended inside a message.')
    }
    return undefined
  }

  /** Throws away whatever still comes, so that the other side can finish. */
  discard(): void {
    this.#discarding = true
    this.#resume()
  }

  /** Waits until the peer has sent something, or has ended its half. */
  async heardOf(signal: AbortSignal): Promise<void> {
    while (!this.#heard && !this.#closed && !this.#stream.readableEnded) await this.#woken(signal)
  }

  /** Waits until the peer has ended its half. What comes until then must be read or discarded. */
  async ended(signal: AbortSignal): Promise<void> {
    while (!this.#closed && !this.#stream.readableEnded) await this.#woken(signal)
  }
}

/** The frames of a stream, until it ends. A consumer that stops early leaves the stream to be closed by its owner. */
export async function* frames(stream: Stream, options: { maxFrame: number; signal?: AbortSignal }): AsyncGenerator<Uint8Array> {
  const reader = new FrameReader(stream, options)
  for (;;) {
    let frame: Uint8Array | undefined
    try {
      frame = await reader.next({ signal: options.signal })
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
    if (frame === undefined) return
    yield frame
  }
}

/**
 * Closes the own half and waits a little for the other side to close its half; what does not close is reset. A forgotten stream
 * counts against the protocol's limit for as long as the connection lives.
 *
 * `after` delays the closing of the own half until something of the peer was heard, or until it has ended its half. An end that
 * arrives while the peer still negotiates the protocol makes libp2p 3.3 lose everything that was sent before it.
 */
export async function closeStream(
  stream: Stream,
  reader: FrameReader,
  options: { graceMs?: number; after?: 'heard' | 'ended' } = {},
): Promise<void> {
  const deadline = startDeadline({ timeoutMs: options.graceMs ?? CLOSE_GRACE_MS })
  try {
    reader.discard()
    if (options.after === 'heard') await reader.heardOf(deadline.signal)
    if (options.after === 'ended') await reader.ended(deadline.signal)
    await stream.close({ signal: deadline.signal })
    await reader.ended(deadline.signal)
  } catch {
    // Too slow, or the other side was faster and the stream is gone: it is over either way.
  } finally {
    deadline.clear()
    if (stream.status === 'open' || stream.status === 'closing') stream.abort(new Error('the peer did not close the stream'))
  }
}

/** A stream of frames to and from one peer. */
export interface FrameChannel {
  /** Network key of the peer. */
  readonly peer: Uint8Array
  /** Resolves when the next frame may be sent. Rejects with `too-large`, `connection-lost`, `timeout` or the signal's reason. */
  send(bytes: Uint8Array, options?: { signal?: AbortSignal }): Promise<void>
  /** The peer's frames until it closes its half; one consumer. What is not consumed holds the peer back. */
  frames(): AsyncIterable<Uint8Array>
  /** Says that no more frames will be sent; the peer's frames can still be read. */
  closeWrite(): Promise<void>
  /** Ends both halves in order; waits at most two seconds for the peer. */
  close(): Promise<void>
  /** Resets the stream at once. */
  abort(error: Error): void
}

export interface FrameChannelOptions {
  maxFrame: number
  /** Who opened the stream: the opener's first frame is empty and only says that the stream is there. */
  opener: 'self' | 'peer'
  /** Longest wait for the peer's next frame, or for it to take ours, in ms. */
  timeoutMs?: number
  /** Ends every wait. */
  signal?: AbortSignal
  /** Called with the bytes of every frame in either direction; a promise holds the channel back until it resolves. */
  onBytes?: (count: number) => Promise<void> | undefined
  /** Called when the peer broke the framing. */
  onMalformed?: () => void
}

/** Makes a channel of a stream whose reader exists already. */
export function createFrameChannel(peer: Uint8Array, stream: Stream, reader: FrameReader, options: FrameChannelOptions): FrameChannel {
  const { maxFrame, timeoutMs, onBytes } = options
  const waitFor = async (signal: AbortSignal | undefined): Promise<void> => {
    if (!stream.writableNeedsDrain && stream.writeStatus === 'writable') return
    const inner = startDeadline({ timeoutMs, signal: options.signal })
    const outer = startDeadline({ signal })
    const give = (): void => inner.abort(outer.signal.reason)
    outer.signal.addEventListener('abort', give, { once: true })
    if (outer.signal.aborted) give()
    try {
      await drained(stream, { signal: inner.signal })
    } finally {
      inner.clear()
      outer.clear()
    }
  }
  let opened = options.opener !== 'peer'
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      let frame: Uint8Array | undefined
      try {
        frame = await reader.next({ timeoutMs, signal: options.signal })
        if (!opened && frame !== undefined) {
          if (frame.length > 0) throw new MalformedError('the opening frame is not empty')
          opened = true
          continue
        }
      } catch (error) {
        if (error instanceof MalformedError) options.onMalformed?.()
        stream.abort(error instanceof Error ? error : new Error(String(error)))
        throw error
      }
      if (frame === undefined) return
      await onBytes?.(frame.length)
      yield frame
    }
  }
  return {
    peer,
    send: async (bytes, { signal } = {}) => {
      if (bytes.length > maxFrame) {
        throw new EpioneError('too-large', `A message of ${bytes.length} bytes exceeds this protocol's limit of ${maxFrame} bytes.`)
      }
      try {
        await onBytes?.(bytes.length)
        await waitFor(signal)
        if (!writeTo(stream, encodeFrame(bytes))) await waitFor(signal)
      } catch (error) {
        const translated = translateError(error, 'stream')
        stream.abort(translated)
        throw translated
      }
    },
    frames: read,
    closeWrite: async () => {
      try {
        const deadline = startDeadline({ timeoutMs: timeoutMs ?? CLOSE_GRACE_MS, signal: options.signal })
        await stream.close({ signal: deadline.signal }).finally(() => deadline.clear())
      } catch (error) {
        const translated = translateError(error, 'stream')
        stream.abort(translated)
        throw translated
      }
    },
    close: () => closeStream(stream, reader),
    abort: error => stream.abort(error),
  }
}
